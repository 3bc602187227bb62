"""The proof that a network computes what it claims to: it holds, and a broken network does not get it."""

from __future__ import annotations

import math
from typing import Any

from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.models.trial import Trial


@check(after=("hooks_exist",))
def checks_hold(trial: Trial) -> None:
    """`examine` gives at least one finite check, each under a name of its own and with a bound, and all hold."""
    found = trial.examined(trial.network())
    if not found:
        raise Broken("it examines nothing")
    if len({one.name for one in found}) < len(found):
        raise Broken("two checks have the same name")
    for one in found:
        if one.at_least is None and one.at_most is None:
            raise Broken(f"'{one.name}' has no bound, so it cannot fail")
        if not math.isfinite(one.value) or not one.holds:
            raise Broken(f"'{one.name}' is {one.value}, allowed is [{one.at_least}, {one.at_most}]")


@check(after=("checks_hold",))
def checks_can_fail(trial: Trial) -> None:
    """With every weight drawn anew at least one check does not hold, or raises."""
    network = trial.network()
    if not _broken(network):
        raise Skipped("its network has no weights to break")
    try:
        found = trial.examined(network)
    except Exception:
        return
    if all(one.holds for one in found):
        names = ", ".join(one.name for one in found)
        raise Broken(f"with random weights all checks still hold: {names}")


def _broken(network: Any) -> bool:
    import torch

    if not isinstance(network, torch.nn.Module):
        return False
    generator = torch.Generator().manual_seed(31)
    parameters = [parameter for parameter in network.parameters() if parameter.numel()]
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return bool(parameters)


CHECKS = (checks_hold, checks_can_fail)

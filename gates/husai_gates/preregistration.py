"""Preregistration: a policy that says it was fixed before the run must lie in the bundle, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from husai_core import strict_json
from husai_gates.audit.layout import kind_of
from husai_gates.finding import Finding
from husai_gates.policy import Policy


def check_preregistration(policy: Policy, files: Mapping[str, bytes]) -> Iterator[Finding]:
    """A finding if the policy is preregistered and is not the one policy of the bundle, unless that is empty."""
    held = [strict_json.digest(raw) for path, raw in files.items() if kind_of(path) == "policy"]
    if files and policy.preregistered and held != [policy.digest]:
        rule = f"the policy '{policy.name}' says it was fixed before the run; the bundle holds {_holding(held)}"
        step = "judge by the policy in the bundle, or run the study again with this one"
        yield Finding("POL-PREREG-MISMATCH", "policy", "$.preregistered", rule, step)


def _holding(held: list[str]) -> str:
    if len(held) > 1:
        return f"{len(held)} policies, of which a reader could pick one"
    return "another one" if held else "none"

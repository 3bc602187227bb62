"""Degraded: a fraction of the latents write random directions, so that damage is known and can be graded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Coder, Control, hookimpl
from husai_core.control import AnyControl

if TYPE_CHECKING:
    from torch import Generator

    from husai_core.sae import Params


@dataclass(frozen=True)
class DegradedSettings:
    """The share of latents whose direction is replaced."""

    fraction: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, not {self.fraction}")


class Degraded(Control):
    name = "degraded"
    summary = "A fraction of the latents, chosen at random, write random directions of the same norm."
    expectation = (
        "between the base at fraction 0 and random_decoder at 1: explained_variance, cosine, pwmcc and mcc fall as "
        "the fraction grows and mse rises; pwmcc of the base with it is at least 1 - fraction; "
        "l0, l1, density and dead_fraction are the base's; cosine_to_initial shrinks by the fraction."
    )
    Settings = DegradedSettings

    def make(self, base: Coder, settings: DegradedSettings, generator: Generator) -> Params:
        """The chosen latents of a smaller fraction are among those of a larger one, with the same seed."""
        import torch

        params = {name: tensor.detach().clone() for name, tensor in base.params.items()}
        old = params["W_dec"]
        count = round(settings.fraction * len(old))
        if not count:
            raise ValueError(f"fraction {settings.fraction} of {len(old)} latents is none of them")
        chosen = torch.randperm(len(old), generator=generator, device=generator.device)[:count].to(old.device)
        drawn = torch.randn(old.shape, generator=generator, dtype=old.dtype, device=generator.device).to(old.device)
        unit = drawn[chosen] / drawn[chosen].norm(dim=-1, keepdim=True)
        params["W_dec"][chosen] = unit * old[chosen].norm(dim=-1, keepdim=True)
        return params


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [Degraded()]

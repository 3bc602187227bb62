"""Untrained: the very initialisation each seed started from, after zero steps."""

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
class UntrainedSettings:
    """Nothing to choose."""


class Untrained(Control):
    name = "untrained"
    summary = "Each seed's own initialisation, with no training."
    expectation = (
        "cosine_to_initial is 1 and consistency is the initialisation's own: with random unit rows at the start, "
        "pwmcc and mcc are at their chance levels; explained_variance and cosine are below the base's and mse above "
        "it; l0 of an architecture with k is the base's, or less where fewer latents are positive; dead_fraction, "
        "density and l1 are those of random directions."
    )
    trained = False
    needs_initial = True
    Settings = UntrainedSettings

    def make(self, base: Coder, settings: UntrainedSettings, generator: Generator) -> Params:
        if base.initial is None:
            raise ValueError("a pretrained coder has no initial weights to go back to")
        return {name: tensor.detach().clone() for name, tensor in base.initial.items()}


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [Untrained()]

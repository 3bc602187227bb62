"""Random decoder: normalised i.i.d. Gaussian directions replace the learned ones, all else is kept."""

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
class RandomDecoderSettings:
    """Nothing to choose."""


class RandomDecoder(Control):
    name = "random_decoder"
    summary = "Random unit directions as decoder; the encoder and the biases stay."
    expectation = (
        "pwmcc of m directions in d dimensions is E max |cos| = integral over t from 0 to 1 of 1 - F(t^2)^m, F the "
        "distribution of Beta(1/2, (d - 1)/2), and mcc is at its chance level, too; l0, l1, density and "
        "dead_fraction are the base's; cosine_to_initial is near 0; explained_variance falls, usually below 0, "
        "cosine with it, and mse rises."
    )
    Settings = RandomDecoderSettings

    def make(self, base: Coder, settings: RandomDecoderSettings, generator: Generator) -> Params:
        import torch

        params = {name: tensor.detach().clone() for name, tensor in base.params.items()}
        old = params["W_dec"]
        drawn = torch.randn(old.shape, generator=generator, dtype=old.dtype, device=generator.device)
        params["W_dec"] = (drawn / drawn.norm(dim=-1, keepdim=True)).to(old.device)
        return params


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [RandomDecoder()]

"""Permuted decoder: the directions stay as a set, and every latent writes the one of another."""

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
class PermutedDecoderSettings:
    """Nothing to choose."""


class PermutedDecoder(Control):
    name = "permuted_decoder"
    summary = "Every latent writes another latent's direction; the encoder and the biases stay."
    expectation = (
        "pwmcc and mcc are the base's, and 1 against the base itself, because the set of directions is the base's; "
        "l0, l1, density and dead_fraction are the base's; explained_variance and cosine fall and mse rises, "
        "explained_variance usually to below 0; cosine_to_initial is near 0."
    )
    Settings = PermutedDecoderSettings

    def make(self, base: Coder, settings: PermutedDecoderSettings, generator: Generator) -> Params:
        """One random cycle through all latents, so that none keeps its own."""
        import torch

        params = {name: tensor.detach().clone() for name, tensor in base.params.items()}
        old = params["W_dec"]
        if len(old) < 2:
            raise ValueError("a dictionary of one latent has no other direction to give it")
        cycle = torch.randperm(len(old), generator=generator, device=generator.device).to(old.device)
        params["W_dec"] = old.clone().index_copy_(0, cycle, old[cycle.roll(1)])
        return params


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [PermutedDecoder()]

"""Identity: the neuron basis itself, each coordinate of the centred activations as two latents, one per sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_controls.fixed_basis import pairs, signed_basis
from husai_controls.moments import moments
from husai_core import Coder, hookimpl
from husai_core.control import AnyControl, FittedControl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class IdentitySettings:
    """Nothing to choose."""


class Identity(FittedControl):
    name = "identity"
    summary = "The neuron basis: latents are the coordinates of the centred activations, either sign."
    expectation = (
        "with room for every coordinate (d_sae >= 2 d, and k >= d where there is a k) explained_variance and cosine "
        "are 1 and mse 0; with less, explained_variance is the share of variance of the coordinates that are kept, "
        "those that vary most; l0 is at most d; dead_fraction is at least 1 - 2 d / d_sae; pwmcc and mcc between seeds "
        "are 1, because every seed has the same one; cosine_to_initial is near 0."
    )
    deterministic = True
    autoencoders_only = True
    Settings = IdentitySettings

    def fit(self, base: Coder, rows: Tensor, settings: IdentitySettings, generator: Generator) -> Params:
        import torch

        mean, covariance = moments(rows)
        kept = covariance.diagonal().argsort(descending=True, stable=True)[: pairs(base)]
        return signed_basis(base, torch.eye(len(mean), dtype=mean.dtype)[kept], mean)


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [Identity()]

"""PCA: the principal components of the training activations, each as two latents, one per sign."""

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
class PcaSettings:
    """Nothing to choose."""


class Pca(FittedControl):
    name = "pca"
    summary = "Principal components of the training activations as directions, either sign, largest first."
    expectation = (
        "explained_variance is that of principal component analysis with min(d, d_sae / 2) components where as many "
        "latents may be active, the most that any linear code of that size reaches on the training rows, and less "
        "under a smaller k; mse is as low as that leaves it; l0 is at most the number of components, and k where k "
        "is smaller; dead_fraction is at least 1 - 2 d / d_sae; pwmcc and mcc between seeds are 1, because every "
        "seed has the same one; cosine_to_initial is near 0."
    )
    deterministic = True
    autoencoders_only = True
    Settings = PcaSettings

    def fit(self, base: Coder, rows: Tensor, settings: PcaSettings, generator: Generator) -> Params:
        import torch

        mean, covariance = moments(rows)
        _, columns = torch.linalg.eigh(covariance)  # smallest first
        directions = columns.T.flip(0)[: pairs(base)]
        strongest = directions.abs().argmax(-1, keepdim=True)
        return signed_basis(base, directions * directions.gather(-1, strongest).sign(), mean)


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [Pca()]

"""Ranking: which latents tell two classes apart best, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def telling(latents: Tensor, labels: Tensor, *, scaled: bool) -> Tensor:
    """The latents (rows, d_sae) in falling order of how far their class means lie apart, equal ones by number.

    `scaled` divides by the mean size of a latent where it is active, with the two small numbers of sae-probes.
    """
    import torch

    latents = latents.double()
    one = labels == 1
    apart = (latents[one].mean(0) - latents[~one].mean(0)).abs()
    if scaled:
        size = latents.abs().sum(0) / ((latents != 0).sum(0) + 1e-6)
        apart = apart / (size + 1e-6)
    return torch.sort(apart, descending=True, stable=True).indices

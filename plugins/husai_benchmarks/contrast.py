"""Contrast: how strongly each latent prefers one of two classes, and how many would do so by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

CELLS_AT_ONCE = 2**23  # shuffles x latents


def selectivity(means: Tensor, labels: Tensor) -> Tensor:
    """(a - b) / (a + b) of the class means (..., d_sae) for documents x latents and labels (..., documents) of 0 and 1.

    A latent that is silent on both classes prefers neither: 0.
    """
    in_b = labels.to(means.dtype)
    in_a = 1 - in_b
    a = in_a @ means / in_a.sum(-1, keepdim=True)
    b = in_b @ means / in_b.sum(-1, keepdim=True)
    return (a - b) / (a + b).where(a + b > 0, 1)


def active_enough(means: Tensor, documents: int) -> Tensor:
    """Which latents (d_sae) are active in at least so many documents; what fires once is selective by necessity."""
    return (means > 0).sum(0) >= documents


def ranking(scores: Tensor, eligible: Tensor, threshold: float) -> Tensor:
    """The eligible latents whose selectivity is beyond the threshold either way, the most selective first."""
    strength = scores.abs().where(eligible, 0)
    order = strength.argsort(descending=True, stable=True)
    return order[strength[order] > threshold]


def shuffled_shares(
    means: Tensor, labels: Tensor, eligible: Tensor, threshold: float, shuffles: int, generator: Generator
) -> Tensor:
    """The share of latents (shuffles) that are selective for labels dealt out anew among the same documents."""
    import torch

    orders = torch.stack([torch.randperm(len(labels), generator=generator) for _ in range(shuffles)])
    size = max(1, CELLS_AT_ONCE // means.shape[1])
    counts = [((selectivity(means, labels[some]).abs() > threshold) & eligible).sum(-1) for some in orders.split(size)]
    return torch.cat(counts).double() / means.shape[1]

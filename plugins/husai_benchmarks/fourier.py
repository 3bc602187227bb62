"""Fourier analysis of functions on the numbers modulo p, of which any rows may be given.

Frequencies are one-sided, 1 to p // 2, so that none is counted twice; over all p numbers (or all p x p pairs) their
spans are orthogonal and shares add up to at most 1. On some of the rows a share is that of least squares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def waves(numbers: Tensor, p: int) -> Tensor:
    """For every frequency an orthonormal basis of its cosine and sine over the rows, centred: (p // 2, rows, 2)."""
    import math

    import torch

    angles = torch.arange(1, p // 2 + 1).double().unsqueeze(1) * numbers.double() * (2 * math.pi / p)
    return _basis(torch.stack([angles.cos(), angles.sin()], -1))


def _basis(columns: Tensor) -> Tensor:
    """An orthonormal basis of the span of centred columns (..., rows, n); what adds no direction becomes zero.

    The sine of frequency p / 2 is zero everywhere: its share of nothing must not be a share of noise.
    """
    import torch

    left, size, _ = torch.linalg.svd(columns - columns.mean(-2, keepdim=True), full_matrices=False)
    return left * (size > 1e-9 * columns.shape[-2] ** 0.5).unsqueeze(-2)


def shares(slices: Iterable[Tensor], basis: Tensor) -> Tensor:
    """The share of each column's variance in each frequency (frequencies, columns), NaN for a column that is constant.

    `slices` are the values (rows, columns) in consecutive parts.
    """
    import torch

    start, total, squares, inside = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
    for part in slices:
        values = part.double()
        inside = inside + basis[:, start : start + len(values)].mT @ values  # (frequencies, 2, columns)
        total, squares = total + values.sum(0), squares + values.square().sum(0)
        start += len(values)
    variance = squares - total.square() / start
    varies = variance > 1e-12 * squares
    return torch.where(varies, (inside.square().sum(1) / variance).clamp(max=1.0), torch.nan)


def best_share(values: Tensor, basis: Tensor, frequencies: int) -> float:
    """The share of the variance of vectors (rows, width) that their best few frequencies explain together."""
    centred = values.double() - values.double().mean(0)
    energy = (basis.mT @ centred).square().sum((1, 2))
    best = energy.topk(min(frequencies, len(energy))).indices
    joint = _basis(basis[best].movedim(0, 1).flatten(1))  # (rows, 2 x frequencies)
    variance = float(centred.square().sum())
    if not variance > 0:
        raise ValueError("the vectors are the same on every row: they have no variance to share out")
    return min(1.0, float((joint.T @ centred).square().sum()) / variance)


def orders(rows: int, draws: int) -> list[Tensor]:
    """Shuffles of rows, the same in every call: what rows keep when they are taken from their numbers is chance."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return [torch.randperm(rows, generator=generator) for _ in range(draws)]


def chance_of_best(values: Tensor, basis: Tensor, frequencies: int, draws: int) -> float:
    """The mean of `best_share` over shuffles of the rows."""
    found = [best_share(values[order], basis, frequencies) for order in orders(len(values), draws)]
    return sum(found) / draws

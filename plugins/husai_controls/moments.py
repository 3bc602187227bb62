"""Moments: mean and covariance of memory-mapped rows, read once, in slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SLICE_ROWS = 4096


def moments(*sides: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d) and covariance (d, d) in float64 of rows (N, d), or of several such sides standing next to each other.

    Everything is summed after subtracting the first row, so that a large common mean costs no digits.
    """
    import torch

    count = len(sides[0])
    origin = torch.cat([side[0].double() for side in sides])
    total, products = torch.zeros_like(origin), origin.new_zeros(len(origin), len(origin))
    for start in range(0, count, SLICE_ROWS):
        rows = torch.cat([side[start : start + SLICE_ROWS].double() for side in sides], -1) - origin
        total += rows.sum(0)
        products += rows.T @ rows
    shift = total / count
    return origin + shift, products / count - torch.outer(shift, shift)

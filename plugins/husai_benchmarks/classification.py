"""Classification: how well decision values tell two classes apart, for many sets of rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def auc(values: Tensor, labels: Tensor, used: Tensor | None = None) -> Tensor:
    """The chance that a row of class 1 has the higher value, ties counting half; (..., n) to (...)."""
    import torch

    used = torch.ones_like(labels, dtype=torch.bool) if used is None else used
    values = torch.where(used, values.double(), torch.inf)  # above all others, so they change no rank
    ordered = values.sort(-1).values.contiguous()
    values = values.contiguous()
    rank = (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True) + 1).double() / 2
    ones = ((labels == 1) & used).double()
    high, low = ones.sum(-1), (used & (labels != 1)).double().sum(-1)
    return ((rank * ones).sum(-1) - high * (high + 1) / 2) / (high * low)


def accuracy(values: Tensor, labels: Tensor) -> Tensor:
    """Share of the rows whose value is above zero exactly when their class is 1."""
    return ((values > 0) == (labels == 1)).double().mean(-1)


def weighted_f1(values: Tensor, labels: Tensor) -> Tensor:
    """F1 of each class, weighted by its rows; a class that is neither there nor predicted counts as zero."""
    said, true = values > 0, labels == 1
    both = ((a, b) for a, b in ((said, true), (~said, ~true)))
    return sum(  # type: ignore[return-value]
        2 * (a & b).double().sum(-1) / (a.sum(-1) + b.sum(-1)).clamp(min=1) * b.double().mean(-1) for a, b in both
    )

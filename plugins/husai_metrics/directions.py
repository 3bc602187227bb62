"""Directions: rows scaled to unit norm in float64, and a mean of cosines kept inside its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def unit_rows(rows: Tensor, what: str, first_row: int = 0) -> Tensor:
    """Each row over its norm. A row without direction is refused by number: its cosine would be NaN."""
    norms = rows.double().norm(dim=-1, keepdim=True)
    bad = ~((norms > 0) & norms.isfinite()).squeeze(-1)
    if bad.any():
        row = int(bad.nonzero()[0, 0])
        raise ValueError(f"row {first_row + row} of {what} has norm {norms[row].item()}: it has no direction")
    return rows.double() / norms


def bounded(value: float, low: float = -1.0) -> float:
    """Rounding may carry a mean of cosines past 1 by an ulp."""
    return min(1.0, max(low, value))

"""Directions: rows scaled to unit norm in float64, their cosines tile by tile, and a mean of them kept in bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

TILE = 1024  # rows of either side that are in float64 at once: memory is TILE x (TILE + dimensions), whatever the rows


def unit_rows(rows: Tensor, what: str, first_row: int = 0) -> Tensor:
    """Each row over its norm. A row without direction is refused by number: its cosine would be NaN."""
    import torch

    wide = rows.to(torch.float64, copy=True)
    norms = wide.norm(dim=-1, keepdim=True)
    bad = ~((norms > 0) & norms.isfinite()).squeeze(-1)
    if bad.any():
        row = int(bad.nonzero()[0, 0])
        raise ValueError(f"row {first_row + row} of {what} has norm {norms[row].item()}: it has no direction")
    return wide.div_(norms)


def refuse_directionless(rows: Tensor, what: str) -> None:
    """The error of `unit_rows`, for rows that will be taken in another order."""
    for start in range(0, len(rows), TILE):
        unit_rows(rows[start : start + TILE], what, start)


def tiles(first: Tensor, second: Tensor, what: tuple[str, str]) -> Iterator[tuple[slice, slice, Tensor]]:
    """|cosine| of all rows of one with all rows of the other, never more than a tile of it at a time."""
    for i in range(0, len(first), TILE):
        rows = unit_rows(first[i : i + TILE], what[0], i)
        for j in range(0, len(second), TILE):
            columns = unit_rows(second[j : j + TILE], what[1], j)
            yield slice(i, i + len(rows)), slice(j, j + len(columns)), (rows @ columns.T).abs_()


def bounded(value: float, low: float = -1.0) -> float:
    """Rounding may carry a mean of cosines past 1 by an ulp."""
    return min(1.0, max(low, value))

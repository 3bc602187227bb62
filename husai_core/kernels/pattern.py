"""Which latents are active on which rows, as compressed rows and, when asked, as compressed columns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

PIECE = 1024 * 1024  # numbers gathered at once

with warnings.catch_warnings():  # torch says once per process that compressed rows are in beta; say it here, unheard
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))


@dataclass(frozen=True, eq=False)
class Pattern:
    """The active places of a (seeds * batch, seeds * width) matrix whose seeds lie along the diagonal.

    So one product serves all seeds. `columns` and `rows` (active) say where the active places are, in reading order,
    and `starts` (seeds * batch + 1) where each row begins among them.
    """

    starts: Tensor
    columns: Tensor
    rows: Tensor
    seeds: int
    batch: int
    width: int

    @cached_property
    def by_column(self) -> tuple[Tensor, Tensor]:
        """Where each column begins, and the active places in column order, rows ascending."""
        counts = torch.bincount(self.columns, minlength=self.seeds * self.width)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return starts, self.columns.argsort(stable=True)

    @cached_property
    def fired(self) -> Tensor:
        """(seeds, width) bool: the columns that are active on some row."""
        starts, _ = self.by_column
        return (starts.diff() > 0).view(self.seeds, self.width)

    def times(self, values: Tensor, table: Tensor) -> Tensor:
        """The matrix with these values, times `table` (seeds * width, d)."""
        return _weighted_sums(self.starts, self.columns, values, table)

    def transposed_times(self, values: Tensor, table: Tensor) -> Tensor:
        """Its transpose times `table` (seeds * batch, d)."""
        starts, order = self.by_column
        return _weighted_sums(starts, self.rows.index_select(0, order), values.index_select(0, order), table)

    def sampled(self, left: Tensor, right: Tensor) -> Tensor:
        """At every active place, the dot product of its row of `left` and its column's row of `right`."""
        if left.device.type == "cpu" and not torch.backends.mkl.is_available():
            return self._sampled_in_pieces(left, right)
        shape = (self.seeds * self.batch, self.seeds * self.width)
        zeros = left.new_zeros(len(self.columns))
        places = torch.sparse_csr_tensor(self.starts, self.columns, zeros, shape, check_invariants=False)
        products: Tensor = torch.sparse.sampled_addmm(places, left, right.T, beta=0.0).values()
        return products

    def _sampled_in_pieces(self, left: Tensor, right: Tensor) -> Tensor:
        """The same without MKL: rows are gathered, so it goes piece by piece."""
        size = max(1, PIECE // left.shape[-1])
        pieces = zip(self.rows.split(size), self.columns.split(size), strict=True)
        return torch.cat([(left.index_select(0, r) * right.index_select(0, c)).sum(-1) for r, c in pieces])


def _weighted_sums(starts: Tensor, chosen: Tensor, weights: Tensor, table: Tensor) -> Tensor:
    """For each group `starts[i]:starts[i + 1]`, the weighted sum of the chosen rows of `table`."""
    sums: Tensor = torch.nn.functional.embedding_bag(
        chosen, table, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
    return sums

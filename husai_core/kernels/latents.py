"""Latents of which few are active: their places, and their values with gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from husai_core.kernels.pattern import Pattern


@dataclass(frozen=True, eq=False)
class SparseLatents:
    """Latents (..., batch, width) as the values (active) at the places of a pattern."""

    pattern: Pattern
    values: Tensor
    leading: tuple[int, ...]  # () or (seeds,)

    def times(self, table: Tensor) -> Tensor:
        """The product with `table` (..., width, d), such as `W_dec`: (..., batch, d)."""
        product: Tensor = _Times.apply(self.values, table.reshape(-1, table.shape[-1]), self.pattern)
        return product.view(*self.leading, self.pattern.batch, table.shape[-1])

    def dense(self) -> Tensor:
        """(..., batch, width), zeros where inactive."""
        p = self.pattern
        flat = self.values.new_zeros(p.seeds * p.batch * p.width)
        return flat.index_put((p.rows * p.width + p.columns % p.width,), self.values).view(
            *self.leading, p.batch, p.width
        )

    def between(self, start: int, stop: int) -> SparseLatents:
        """The latents from `start` up to `stop` alone; the others are inactive."""
        p = self.pattern
        place = p.columns % p.width
        kept = ((place >= start) & (place < stop)).nonzero().squeeze(-1)
        rows = p.rows.index_select(0, kept)
        counts = torch.bincount(rows, minlength=len(p.starts) - 1)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        pattern = Pattern(starts, p.columns.index_select(0, kept), rows, p.seeds, p.batch, p.width)
        return SparseLatents(pattern, self.values.index_select(0, kept), self.leading)

    def ranked(self, k: int) -> tuple[Tensor, Tensor]:
        """Values and places (..., batch, k) of each row from the largest on; where a row has fewer, zeros."""
        p = self.pattern
        rank = torch.arange(len(p.columns), device=p.columns.device) - p.starts.index_select(0, p.rows)
        rows = p.seeds * p.batch
        values = self.values.new_zeros(rows, k).index_put((p.rows, rank), self.values)
        places = p.columns.new_zeros(rows, k).index_put((p.rows, rank), p.columns % p.width)
        ordered, order = values.sort(-1, descending=True)
        shape = (*self.leading, p.batch, k)
        return ordered.view(shape), places.gather(-1, order).view(shape)

    @property
    def fired(self) -> Tensor:
        """(..., width) bool: the latents that are active on some row."""
        return self.pattern.fired.view(*self.leading, self.pattern.width)


class _Times(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, values: Tensor, table: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(values, table)
        ctx.pattern = pattern
        return pattern.times(values, table)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        values, table = ctx.saved_tensors
        grad = grad.contiguous()
        to_values = ctx.pattern.sampled(grad, table) if ctx.needs_input_grad[0] else None
        to_table = ctx.pattern.transposed_times(values, grad) if ctx.needs_input_grad[1] else None
        return to_values, to_table, None

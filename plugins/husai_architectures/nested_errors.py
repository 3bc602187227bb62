"""Nested errors: what is left of a row after each of its latents, squared and weighted.

The residual is walked latent by latent, and back again for the gradient, so that memory grows with rows x d_out and not
with the number of latents at which the error counts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def nested_errors(
    start: Tensor, values: Tensor, places: Tensor, directions: Tensor, shares: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Weighted squared errors (..., B) of what is left of `start` (..., B, d) after each latent, and what is left last.

    `values` and `places` (..., B, k) are the latents from the largest on, `directions` (..., d_sae, d) the decoder.
    """
    import torch

    d_sae, d = directions.shape[-2:]
    offsets = torch.arange(directions[..., 0, 0].numel(), device=places.device).reshape(directions.shape[:-2])
    rows = (places + d_sae * offsets[..., None, None]).reshape(-1, places.shape[-1])
    flat = (start.reshape(-1, d), values.reshape(rows.shape), directions.reshape(-1, d))
    errors, residual = _walk().apply(*flat, rows, shares)
    return errors.reshape(start.shape[:-1]), residual.reshape(start.shape)


@functools.cache
def _walk() -> Any:
    """The function with its backward pass; made on first use because its base class is torch's."""
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable

    class Walk(Function):
        @staticmethod
        def forward(
            ctx: Any, start: Tensor, values: Tensor, table: Tensor, rows: Tensor, shares: Sequence[float]
        ) -> tuple[Tensor, Tensor]:
            residual, errors = start.clone(), start.new_zeros(len(start))
            for j, share in enumerate(shares):
                residual -= values[:, j, None] * table[rows[:, j]]
                if share:
                    errors += share * residual.square().sum(-1)
            ctx.save_for_backward(values, table, rows, residual)
            ctx.shares = shares
            ctx.mark_non_differentiable(residual)
            return errors, residual

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, outer: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
            values, table, rows, last = ctx.saved_tensors
            residual, pull = last.clone(), last.new_zeros(last.shape)  # pull: d errors / d residual so far
            to_values, to_table = values.new_zeros(values.shape), table.new_zeros(table.shape)
            for j in reversed(range(len(ctx.shares))):
                pull += (2 * ctx.shares[j] * outer)[:, None] * residual
                chosen = table[rows[:, j]]
                to_values[:, j] = -(pull * chosen).sum(-1)
                to_table.index_add_(0, rows[:, j], -values[:, j, None] * pull)
                residual += values[:, j, None] * chosen
            return pull, to_values, to_table, None, None

    return Walk

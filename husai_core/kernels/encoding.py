"""Encoding where only the latents that stay active are kept, and only they pass gradients on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from husai_core.kernels.latents import SparseLatents
from husai_core.kernels.pattern import Pattern
from husai_core.kernels.selection import largest_places

BLOCK = 4 * 1024 * 1024  # pre-activations held at once: they are made and thinned out block by block


def encode_largest(x: Tensor, w_enc: Tensor, b_enc: Tensor, k: int, subtract: Tensor | None = None) -> SparseLatents:
    """The k largest positive entries of each row of `(x - subtract) @ w_enc + b_enc`.

    Shapes: x (B, d) or (..., B, d), w_enc (..., d, m), b_enc (..., m), subtract (..., d); the optional leading axis
    counts seeds.
    No (B, m) tensor outlives its block, and none is made for gradients.
    """
    leading = tuple(w_enc.shape[:-2])
    stacked = (w_enc, b_enc) if leading else (w_enc.unsqueeze(0), b_enc.unsqueeze(0))
    inputs = x if subtract is None else x - subtract.unsqueeze(-2)
    inputs = inputs.reshape(-1, *x.shape[-2:])
    with torch.no_grad():
        pattern, found = _select(inputs, *stacked, k)
    values: Tensor = _Values.apply(found, inputs, *stacked, pattern)
    return SparseLatents(pattern, values, leading)


def _select(inputs: Tensor, w_enc: Tensor, b_enc: Tensor, k: int) -> tuple[Pattern, Tensor]:
    """The pattern of active latents and their values; `inputs` is (seeds or 1, B, d)."""
    seeds, _, width = w_enc.shape
    batch = inputs.shape[1]
    counts, columns, values = [], [], []
    for first_seed, block in _pre_activations(inputs, w_enc, b_enc):
        rows = block.reshape(-1, width)
        active, places = largest_places(rows, k)
        seed = first_seed + places // width // batch if block.shape[0] > 1 else first_seed
        counts.append(active)
        columns.append(places % width + seed * width)
        values.append(rows.reshape(-1).index_select(0, places))  # many times quicker than indexing
    starts = torch.cat([torch.zeros_like(counts[0][:1]), torch.cat(counts).cumsum(0)])
    return Pattern(starts, torch.cat(columns), seeds, batch, width), torch.cat(values)


def _pre_activations(inputs: Tensor, w_enc: Tensor, b_enc: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks (seeds, rows, width) in order of seed and row, with the number of their first seed."""
    seeds, _, width = w_enc.shape
    batch = inputs.shape[1]
    if seeds * batch * width <= BLOCK:
        yield 0, torch.baddbmm(b_enc.unsqueeze(1), inputs.expand(seeds, -1, -1), w_enc)
        return
    rows = max(1, BLOCK // width)
    for seed in range(seeds):
        x = inputs[seed if len(inputs) > 1 else 0]
        for start in range(0, batch, rows):
            yield seed, torch.addmm(b_enc[seed], x[start : start + rows], w_enc[seed]).unsqueeze(0)


class _Values(torch.autograd.Function):  # type: ignore[misc]
    """The chosen pre-activations; gradients reach inputs, weights and bias through the chosen places alone."""

    @staticmethod
    def forward(ctx: Any, found: Tensor, inputs: Tensor, w_enc: Tensor, b_enc: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(inputs, w_enc)
        ctx.pattern = pattern
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, w_enc = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        seeds, d, width = w_enc.shape
        readers = w_enc.transpose(1, 2).reshape(seeds * width, d)  # no copy when stored latent by latent
        to_bias = grad.new_zeros(seeds * width).index_add_(0, pattern.columns, grad)
        to_inputs = None
        if ctx.needs_input_grad[1]:
            to_inputs = pattern.times(grad, readers).view(seeds, -1, d)
        table = inputs.expand(seeds, -1, -1).reshape(-1, d)
        to_weights = pattern.transposed_times(grad, table).view(seeds, width, d).transpose(1, 2)
        return None, to_inputs, to_weights, to_bias.view(seeds, width), None

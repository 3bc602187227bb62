"""Encoding where only the latents that stay active are kept, and only they pass gradients on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    counts seeds. No (B, m) tensor outlives its block, and none is made for gradients.
    """
    return _encode(x, w_enc, b_enc, subtract, _blocks, k)


def encode_largest_of_batch(
    x: Tensor, w_enc: Tensor, b_enc: Tensor, k: int, subtract: Tensor | None = None
) -> SparseLatents:
    """The k * B largest positive entries of the whole batch, whichever rows they are on; shapes as above.

    One seed's (B, m) pre-activations are held at a time.
    """
    return _encode(x, w_enc, b_enc, subtract, _whole_batches, k * x.shape[-2])


Pieces = Callable[[Tensor, Tensor, Tensor], Iterator[tuple[int, Tensor, int]]]


def _encode(
    x: Tensor, w_enc: Tensor, b_enc: Tensor, subtract: Tensor | None, pieces: Pieces, count: int
) -> SparseLatents:
    leading = tuple(w_enc.shape[:-2])
    stacked = (w_enc, b_enc) if leading else (w_enc.unsqueeze(0), b_enc.unsqueeze(0))
    inputs = x if subtract is None else x - subtract.unsqueeze(-2)
    inputs = inputs.reshape(-1, *x.shape[-2:])
    with torch.no_grad():
        pattern, found = _select(inputs, *stacked, pieces, count)
    values: Tensor = _Values.apply(found, inputs, *stacked, pattern)
    return SparseLatents(pattern, values, leading)


def _select(inputs: Tensor, w_enc: Tensor, b_enc: Tensor, pieces: Pieces, count: int) -> tuple[Pattern, Tensor]:
    """The pattern of active latents and their values; `inputs` is (seeds or 1, B, d)."""
    seeds, _, width = w_enc.shape
    batch = inputs.shape[1]
    rows, columns, values = [], [], []
    for first_row, block, competing in pieces(inputs, w_enc, b_enc):
        row, column = largest_places(block.view(-1, competing * width), count)
        if competing > 1:
            row, column = column // width, column % width
        values.append(block.view(-1).index_select(0, row * width + column))  # many times quicker than indexing
        row = row + first_row if first_row else row
        rows.append(row)
        columns.append(column + row // batch * width if seeds > 1 else column)
    every_row = torch.cat(rows) if len(rows) > 1 else rows[0]
    counts = torch.bincount(every_row, minlength=seeds * batch)
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Pattern(starts, torch.cat(columns), every_row, seeds, batch, width), torch.cat(values)


def _blocks(inputs: Tensor, w_enc: Tensor, b_enc: Tensor) -> Iterator[tuple[int, Tensor, int]]:
    """Pre-activations (rows, width) with the number of their first row; each row is thinned out by itself."""
    seeds, _, width = w_enc.shape
    batch = inputs.shape[1]
    if seeds * batch * width <= BLOCK:
        yield 0, torch.baddbmm(b_enc.unsqueeze(1), inputs.expand(seeds, -1, -1), w_enc).view(-1, width), 1
        return
    rows = max(1, BLOCK // width)
    for seed in range(seeds):
        x = inputs[seed if len(inputs) > 1 else 0]
        for start in range(0, batch, rows):
            yield seed * batch + start, torch.addmm(b_enc[seed], x[start : start + rows], w_enc[seed]), 1


def _whole_batches(inputs: Tensor, w_enc: Tensor, b_enc: Tensor) -> Iterator[tuple[int, Tensor, int]]:
    """The same, a whole batch of one seed at a time, all of whose rows compete."""
    batch = inputs.shape[1]
    for seed in range(len(w_enc)):
        x = inputs[seed if len(inputs) > 1 else 0]
        yield seed * batch, torch.addmm(b_enc[seed], x, w_enc[seed]), batch


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

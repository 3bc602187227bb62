"""Contexts: passages in which a latent is most active, and passages in which it is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Coder
from husai_core.benchmark import Read

if TYPE_CHECKING:
    from torch import Tensor


ROWS_AT_ONCE = 1024  # encoded, with all their latents


@dataclass(frozen=True)
class Context:
    """A run of tokens of one document; `peak` is where the latent is strongest, and None where it is silent."""

    document: int
    tokens: tuple[int, ...]
    peak: int | None = None  # counted from the first token of the run


@dataclass(frozen=True)
class Contrast:
    """Passages of one latent, equally many of both kinds."""

    high: tuple[Context, ...]
    silent: tuple[Context, ...]


def activity(coder: Coder, read: Read, latents: Sequence[int]) -> Tensor:
    """The magnitude of a few latents at every row (rows, len(latents))."""
    import torch

    chosen = list(latents)
    with torch.no_grad():
        return torch.cat([coder.encode(rows)[:, chosen].abs() for rows in read.rows_in.split(ROWS_AT_ONCE)])


def contrast(values: Tensor, read: Read, width: int, count: int, seed: int) -> Contrast | None:
    """The contexts of one latent from its magnitudes (rows); None where there are too few of either kind.

    Documents are taken by their highest value, each once; silent runs of the same width come from documents in
    random order, first from those in which the latent is silent throughout.
    """
    import torch

    tops = torch.stack([values[begin:end].max() for begin, end in read.spans])
    strongest = [n for n in tops.argsort(descending=True, stable=True)[:count].tolist() if tops[n] > 0]
    high = []
    for number in strongest:
        begin, end = read.spans[number]
        peak = int(values[begin:end].argmax())
        first = min(max(0, peak - width // 2), max(0, end - begin - width))
        high.append(Context(number, tuple(read.tokens[number][first : first + width]), peak - first))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(read.spans), generator=generator)
    order = order[(tops[order] > 0).to(torch.uint8).argsort(stable=True)]
    silent: list[Context] = []
    for number in order.tolist():
        if len(silent) == count:
            break
        if number in strongest:
            continue
        begin, end = read.spans[number]
        starts = _silent_starts(values[begin:end], min(width, end - begin))
        if len(starts):
            first = int(starts[int(torch.randint(len(starts), (1,), generator=generator))])
            silent.append(Context(number, tuple(read.tokens[number][first : first + width])))
    return Contrast(tuple(high), tuple(silent)) if len(high) == len(silent) == count else None


def _silent_starts(values: Tensor, width: int) -> Tensor:
    """Where runs of that width begin in which every value is zero."""
    active = (values != 0).unfold(0, width, 1).any(-1)
    return (~active).nonzero().squeeze(1)

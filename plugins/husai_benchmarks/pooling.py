"""Pooling: one row per document from the rows of its tokens, encoded a slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from husai_core import EvaluationError
from husai_core.benchmark import Read

if TYPE_CHECKING:
    from torch import Tensor


def pooled(
    read: Read, numbers: Sequence[int], encode: Callable[[Tensor], Tensor], rows_per_slice: int = 1024
) -> Tensor:
    """The mean of `encode` over the rows of each document, (documents, width) in float32.

    At most `rows_per_slice` encoded rows are held at once, more only where one document alone has more.
    """
    import torch

    found = None
    with torch.no_grad():
        for places in _slices(read, numbers, rows_per_slice):
            spans = [read.spans[numbers[place]] for place in places]
            lengths = torch.tensor([end - begin for begin, end in spans])
            shown = encode(torch.cat([read.rows_in[begin:end] for begin, end in spans]))
            if found is None:
                found = torch.zeros(len(numbers), shown.shape[1])
            if len(shown) == len(places):  # one row each, as when the last token alone was read
                found[places] = shown.float()
                continue
            owner = torch.arange(len(places)).repeat_interleave(lengths)
            sums = torch.zeros(len(places), shown.shape[1]).index_add_(0, owner, shown.float())
            found[places] = sums / lengths.unsqueeze(1)
    if found is None:
        raise ValueError("no documents to pool")
    if not bool(found.isfinite().all()):
        raise EvaluationError("the mean over a document", "is not finite", "look at the dictionary's latents")
    return found


def _slices(read: Read, numbers: Sequence[int], most: int) -> Iterator[list[int]]:
    """Places in `numbers`, in the order of their rows, such that a slice has no more than `most` rows."""
    order = sorted(range(len(numbers)), key=lambda place: read.spans[numbers[place]])
    held: list[int] = []
    rows = 0
    for place in order:
        begin, end = read.spans[numbers[place]]
        if held and rows + end - begin > most:
            yield held
            held, rows = [], 0
        held.append(place)
        rows += end - begin
    if held:
        yield held

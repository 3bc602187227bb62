"""A reader that passes on what another reads, changed if wanted, and keeps a copy of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from husai_core.benchmark import Read, Reader
from husai_core.model import Progress

if TYPE_CHECKING:
    from torch import Tensor


class Listening:
    """The same model in all but the activations of documents."""

    def __init__(self, reader: Reader, change: Callable[[Tensor], Tensor] = lambda rows: rows.clone()) -> None:
        self.reader, self.change = reader, change
        self.handed: list[Tensor] = []
        self.as_they_were: list[Tensor] = []

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Progress) -> Read:
        found = self.reader.read(texts, limit, last=last, progress=progress)
        changed = dataclasses.replace(found, rows_in=self.change(found.rows_in), rows_out=self.change(found.rows_out))
        for rows in (changed.rows_in, changed.rows_out):
            self.handed.append(rows)
            self.as_they_were.append(rows.clone())
        return changed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

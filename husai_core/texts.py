"""Text sets: documents with what is known of them, for benchmarks that look beyond the test rows of a site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from husai_core import strict_json
from husai_core.need import Need

__all__ = ["TextPair", "TextSet", "TextSource", "same_text"]


@dataclass(frozen=True)
class TextPair:
    """Two documents of one set, by number, that tell of one subject in contrasting ways."""

    first: int
    second: int
    subject: str


@dataclass(frozen=True)
class TextSet:
    """The documents of one part of a source, in a fixed order; `labels` gives the class of each, where known."""

    name: str  # as a study names it: `source:part`
    texts: tuple[str, ...]
    labels: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()  # what the labels 0, 1, ... stand for
    pairs: tuple[TextPair, ...] = ()  # of its documents, where it is a set of contrasts

    def __post_init__(self) -> None:
        if self.labels and len(self.labels) != len(self.texts):
            raise ValueError(f"{self.name} has {len(self.labels)} labels for {len(self.texts)} texts")
        known = range(len(self.texts))
        if not all(pair.first in known and pair.second in known and pair.first != pair.second for pair in self.pairs):
            raise ValueError(f"{self.name} has a pair that is not of two of its {len(self.texts)} texts")

    @cached_property
    def digest(self) -> str:
        """Of the documents, labels and pairs; a set of the same name may change with the package it comes from."""
        about: dict[str, Any] = {"texts": list(self.texts), "labels": list(self.labels)}
        if self.pairs:
            about["pairs"] = [[pair.first, pair.second, pair.subject] for pair in self.pairs]
        return strict_json.digest(strict_json.encode(about))

    def without_repeats(self) -> TextSet:
        """The first of all documents that differ only in case and spacing.

        One that stands under two labels says nothing about either, and is left out.
        """
        first: dict[str, int] = {}
        torn = set()
        for number, text in enumerate(self.texts):
            same = first.setdefault(same_text(text), number)
            if self.labels and self.labels[same] != self.labels[number]:
                torn.add(same)
        return self.only([number for number in first.values() if number not in torn])

    def only(self, numbers: Sequence[int]) -> TextSet:
        """These documents, in this order, and the pairs that are whole among them."""
        labels = tuple(self.labels[n] for n in numbers) if self.labels else ()
        place = {number: at for at, number in enumerate(numbers)}
        pairs = tuple(
            TextPair(place[pair.first], place[pair.second], pair.subject)
            for pair in self.pairs
            if pair.first in place and pair.second in place
        )
        return TextSet(self.name, tuple(self.texts[n] for n in numbers), labels, self.classes, pairs)


def same_text(text: str) -> str:
    """What two documents agree in that differ only in case and spacing."""
    return " ".join(text.split()).casefold()


class TextSource(ABC):
    """Where documents come from: a package, a folder. A study names a set as `source:part`."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    licence: ClassVar[str]  # of the texts, as their publisher declares it
    requires: ClassVar[Sequence[str]] = ()
    install: ClassVar[str] = ""  # the command that brings them, where it is not `pip install` of what is required

    def parts(self) -> Sequence[str]:
        """The parts that can be listed, for help and for error messages."""
        return ()

    def members(self, part: str) -> Sequence[str]:
        """The parts behind a name that may stand for several: `*` is every part that can be listed."""
        return self.parts() if part == "*" else [part]

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        """What it must find here beside `requires` before it can read a part; without a part, any of them."""
        return ()

    @abstractmethod
    def read(self, part: str, folder: Path) -> TextSet:
        """One part, the same on every call. `folder` is where the study file lies; paths are meant from there.

        A part that does not exist is a UsageError with the near miss; texts that are not installed are `Skipped`.
        """

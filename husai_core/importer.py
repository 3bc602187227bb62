"""Importers: what another program wrote becomes evidence that says so, and what nobody could check of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from husai_core import strict_json
from husai_core.errors import UsageError
from husai_core.evidence import Measurement, Outcome
from husai_core.site import Hook

__all__ = [
    "Imported",
    "Importer",
    "Note",
    "Result",
    "SourceFile",
    "SpokenOf",
    "digest_of",
    "identifier",
    "plain_settings",
]

_COMPLETED = Outcome("completed")
_LONGEST = 90  # so that evidence, which is named by benchmark, site and condition, has a name that a disk can hold


@dataclass(frozen=True)
class SourceFile:
    """One file as it was handed over; `name` is what it is kept as, `document` may hold NaN and infinities."""

    name: str
    raw: bytes
    document: Any


@dataclass(frozen=True)
class Note:
    """What a reader of the import must know: the file, the place in it, the rule it breaks, the next step.

    One that is `about` a benchmark goes with its evidence; any other goes with everything that was read from the file.
    """

    file: str
    place: str
    rule: str
    next_step: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.file} {self.place}: {self.rule} ({self.next_step})"


@dataclass(frozen=True)
class SpokenOf:
    """One dictionary as files speak of it: a seed of a condition. What they do not say stays out of `dims`.

    `source` is the digest of what speaks of it; `weights` is a digest only where the files name one. One that is
    `explored` is judged by nobody: it is there because a file mixed it with another.
    """

    condition: str
    seed: int
    model: str
    hook: Hook
    architecture: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    weights: str | None = None
    explored: bool = False
    unverified: tuple[str, ...] = ()
    hook_out: Hook | None = None


@dataclass(frozen=True)
class Result:
    """What files say of one condition by one benchmark, or why they say nothing; `files` are those it was read from."""

    benchmark: str
    subjects: tuple[SpokenOf, ...]
    tool: str
    version: str
    files: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    outcome: Outcome = _COMPLETED
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported:
    """Everything that one importer read."""

    results: tuple[Result, ...]
    notes: tuple[Note, ...]


class Importer(ABC):
    """Reads the results of one program. It never improves on them: what is no finite number becomes a note.

    `samples` names a folder beside its module, of files as the program wrote them, on which anybody can check it.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    requires: ClassVar[Sequence[str]] = ()
    samples: ClassVar[str] = ""

    @abstractmethod
    def recognises(self, document: Any) -> bool:
        """Whether a file is of this program, by its content alone."""

    @abstractmethod
    def read(self, files: Sequence[SourceFile]) -> Imported:
        """All recognised files together, so that it can say where they contradict one another."""


def source_file(name: str, raw: bytes, place: str) -> SourceFile:
    """A JSON file as other programs write it: NaN and infinities are allowed, a repeated key and a broken text not."""
    if len(raw) > strict_json.MAX_BYTES:
        raise UsageError(place, f"{len(raw)} bytes, the limit is {strict_json.MAX_BYTES}", "import its parts")
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=lambda pairs: _object(pairs, place))
    except UnicodeDecodeError as error:
        raise UsageError(
            place, f"is not UTF-8 at byte {error.start}", "give the file as the program wrote it"
        ) from None
    except json.JSONDecodeError as error:
        rule = f"is no JSON at line {error.lineno}: {error.msg}"
        raise UsageError(place, rule, "give the file as the program wrote it") from None
    except (RecursionError, ValueError):
        raise UsageError(place, "is nested too deep, or has a number too long to be one") from None
    return SourceFile(name, raw, document)


def _object(pairs: list[tuple[str, Any]], place: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise UsageError(place, f"the key '{twice}' stands twice in one object", "ask who wrote it which one counts")
    return found


def identifier(text: str) -> str:
    """A name for a bundle from what a file calls something: lower case, of letters, digits, '_', '-' and '.'.

    A long one ends in the digest of all of it, so that two that differ further on stay two.
    """
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "." for c in text.lower()).strip("_-.")
    if len(kept) > _LONGEST:
        kept = f"{kept[: _LONGEST - 13]}.{strict_json.digest(text.encode()).partition(':')[2][:12]}"
    return kept or "unnamed"


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as evidence holds them: scalars, and lists of those; whatever else is written out as JSON text."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in key.lower()).strip("_")
        name = name if name[:1].isalpha() else f"s_{name}"
        while name in found:
            name += "_"  # two keys that differ in what a name cannot hold are still two settings
        found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if _exact(value) else str(value)
    if isinstance(value, list) and all(isinstance(v, str | bool | int | float) and _exact(v) for v in value):
        return value
    return json.dumps(value, sort_keys=True)


def _exact(value: Any) -> bool:
    """Whether our JSON holds it: a finite number within 2^53, or no number."""
    if isinstance(value, str | bool):
        return True
    if isinstance(value, int):
        return abs(value) <= strict_json.MAX_INTEGER
    return isinstance(value, float) and value - value == 0.0


def digest_of(value: Any) -> str:
    """The digest of a part of a file, whatever numbers it holds."""
    return strict_json.digest(json.dumps(value, sort_keys=True).encode())


def listing(notes: Iterable[Note]) -> tuple[str, ...]:
    """Notes as evidence holds them, each once."""
    return tuple(dict.fromkeys(str(note)[:4000] for note in notes))

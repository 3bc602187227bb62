"""A file that is being read: what in it is a number of a metric, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose, isfinite
from typing import Any

from husai_core.evidence import Measurement, Observation, Scalar
from husai_core.importer import Note, SourceFile
from husai_importers.metrics import CARDS

_CLOSE = 1e-9
_LARGEST = 1e100
_STEP = "measure it again, or do without this metric"
_EDITED = "only what the details say is read; find out who changed the file"

Setting = tuple[tuple[str, Scalar], ...]


class Reader:
    """Collects observations of one file; what is null, no number, not finite or impossible becomes a note."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.notes: list[Note] = []
        self._found: dict[tuple[str, str, Setting], list[Observation]] = {}

    def observe(
        self,
        metric: str,
        condition: str,
        seeds: tuple[int, ...],
        value: Any,
        place: str,
        setting: Mapping[str, Scalar] | None = None,
        part: str = "",
    ) -> float | None:
        """One observation, if the value is one; what it was taken as."""
        number = self.of(metric, value, place)
        if number is not None:
            key = (metric, condition, tuple((setting or {}).items()))
            self._found.setdefault(key, []).append(Observation(seeds, number, part))
        return number

    def of(self, metric: str, value: Any, place: str) -> float | None:
        """The value as a number that the metric allows; a note where it is none."""
        number, card = self.number(value, place), CARDS[metric]
        if number is not None and not card.allows(number):
            self.note(place, f"is {number}, outside {card.low} to {card.high}, where {metric} lies", _STEP)
            return None
        return number

    def number(self, value: Any, place: str) -> float | None:
        """The value as a finite number; a note where it is none."""
        if value is None:
            self.note(place, "is null", _STEP)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            self.note(place, f"is {str(value)[:40]!r}, which is no number", _STEP)
        elif not finite(value):
            self.note(place, f"is {value}, which is no finite number", _STEP)
        elif abs(value) > _LARGEST:
            self.note(place, f"is {value:.3g}, which no quantity of a dictionary is near", _STEP)
        else:
            return float(value)
        return None

    def expect(self, stated: Any, expected: float | None, place: str, what: str) -> None:
        """A note where a stated aggregate is not what the rest of the file gives."""
        if expected is None or stated is None:
            return
        if not finite(stated) or not isclose(stated, expected, rel_tol=_CLOSE, abs_tol=_CLOSE):
            self.note(place, f"is {stated}, and {what} gives {expected:.6g}", _EDITED)

    def note(self, place: str, rule: str, next_step: str) -> None:
        self.notes.append(Note(self.file.name, place, rule, next_step))

    def measurements(self, condition: str, prefix: str = "") -> tuple[Measurement, ...]:
        """Everything observed of a condition whose metrics begin so."""
        return tuple(
            Measurement(metric, of, tuple(observations), dict(setting))
            for (metric, of, setting), observations in self._found.items()
            if of == condition and metric.startswith(prefix)
        )


def finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def table(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one where a file has something else."""
    return value if isinstance(value, Mapping) else {}


def rows(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def text(value: Any, otherwise: str = "unknown") -> str:
    return value if isinstance(value, str) and value else otherwise


def whole(value: Any) -> int | None:
    """A natural number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53 else None

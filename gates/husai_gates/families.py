"""Families: measurements that differ along a setting, such as k or a shift, and belong in one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from husai_core.evidence import RecordedMeasurement, Scalar
from husai_gates.audit.setting import setting_key, setting_words


@dataclass(frozen=True)
class Family:
    """Along one axis, one metric or several. A panel has one metric and all settings but the axis fixed, under a title.

    `settings` are the names of the settings that its measurements have.
    """

    metrics: tuple[str, ...]
    settings: tuple[str, ...]
    axis: str
    numeric: bool
    panels: dict[str, list[RecordedMeasurement]]

    @property
    def values(self) -> list[Scalar]:
        """Where it was measured along the axis: numbers in their order, words as the evidence has them."""
        found = {
            setting_key({self.axis: v}): v for ms in self.panels.values() for m in ms for v in [m.setting[self.axis]]
        }
        return sorted(found.values(), key=_number) if self.numeric else list(found.values())


def families(measurements: Iterable[RecordedMeasurement]) -> tuple[list[Family], list[RecordedMeasurement]]:
    """The families among the measurements of a piece of evidence, and the measurements that are in none.

    A metric is along an axis where one of its settings varies: the last that does, by name, of numbers before words.
    Metrics along the same numbers are a family each, along the same words one together.
    """
    groups: dict[tuple[str, ...], list[RecordedMeasurement]] = {}
    for measurement in measurements:
        groups.setdefault((measurement.card.name, *sorted(measurement.setting)), []).append(measurement)
    found: dict[tuple[str, ...], list[Family]] = {}
    alone: list[RecordedMeasurement] = []
    for (metric, *names), members in sorted(groups.items()):
        family = _family(metric, tuple(names), members)
        if family is None:
            alone += members
        else:
            apart = metric if family.numeric else ""
            found.setdefault((apart, family.axis, *names), []).append(family)
    return [_together(members) for members in found.values()], alone


def _family(metric: str, names: tuple[str, ...], members: Sequence[RecordedMeasurement]) -> Family | None:
    varying = [name for name in names if len({setting_key({name: m.setting[name]}) for m in members}) > 1]
    if not varying:
        return None
    numeric = [name for name in varying if all(_is_number(m.setting[name]) for m in members)]
    axis = (numeric or varying)[-1]
    panels: dict[str, list[RecordedMeasurement]] = {}
    for m in members:
        panels.setdefault(setting_words({name: m.setting[name] for name in varying if name != axis}), []).append(m)
    return Family((metric,), names, axis, bool(numeric), panels)


def _together(members: Sequence[Family]) -> Family:
    """One family of several metrics, each panel under the name of its own."""
    if len(members) == 1:
        return members[0]
    panels = {
        f"{family.metrics[0]} {words}".strip(): panel for family in members for words, panel in family.panels.items()
    }
    metrics = tuple(family.metrics[0] for family in members)
    return Family(metrics, members[0].settings, members[0].axis, members[0].numeric, panels)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Scalar) -> float:
    assert _is_number(value)
    return float(value or 0)

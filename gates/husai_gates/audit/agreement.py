"""Agreement: what a bundle says in several places about one quantity is the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_core.metric import MetricCard
from husai_gates.audit.setting import setting_key
from husai_gates.condition import Condition
from husai_gates.finding import Finding

Key = tuple[object, ...]


def check_repeated_measurements(evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    """The same quantity of the same condition twice: nobody could say which one counts."""
    seen: dict[Key, str] = {}
    for path, place, document, measurement in _measurements(evidence):
        what = (measurement.condition, measurement.card.name, setting_key(measurement.setting))
        key = (document.benchmark.name, document.site, *what)
        if key in seen:
            rule = f"'{measurement.card.name}' of '{measurement.condition}' is also at {seen[key]}"
            yield Finding("EV-DUP-MEASUREMENT", path, place, rule, "keep one of them")
        seen.setdefault(key, f"{path} {place}")


def check_cards(evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Two definitions under one metric name and version."""
    seen: dict[tuple[str, str], tuple[MetricCard, str]] = {}
    for path, place, _, measurement in _measurements(evidence):
        card = measurement.card
        first, where = seen.setdefault((card.name, card.version), (card, f"{path} {place}"))
        if first != card:
            rule = f"'{card.name}' version '{card.version}' is defined otherwise at {where}"
            yield Finding("EV-METRIC", path, f"{place}.metric", rule, "give every definition its own version")


def check_chance(evidence: Mapping[str, Evidence], conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """Two chance levels of one metric for dictionaries of one size: chance knows no condition."""
    seen: dict[Key, tuple[float, str]] = {}
    for path, place, _, measurement in _measurements(evidence):
        condition = conditions.get(measurement.condition)
        if measurement.chance is None or condition is None:
            continue
        dims, card = condition.subjects[0].dims, measurement.card
        key = (card.name, card.version, setting_key(measurement.setting), dims.get("d_sae"), dims.get("d_out"))
        first, where = seen.setdefault(key, (measurement.chance, f"{path} {place}"))
        if first != measurement.chance:
            rule = f"chance is {measurement.chance} here and {first} at {where}"
            yield Finding("EV-CHANCE", path, f"{place}.chance", rule, "chance depends on the dimensions alone")


def _measurements(evidence: Mapping[str, Evidence]) -> Iterator[tuple[str, str, Evidence, RecordedMeasurement]]:
    """Every measurement with its path and its place there."""
    for path, document in sorted(evidence.items()):
        for index, measurement in enumerate(document.measurements):
            yield path, f"$.measurements[{index}]", document, measurement

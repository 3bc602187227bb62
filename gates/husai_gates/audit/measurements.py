"""Measurements: who was measured is in the bundle, every unit stands once, and every value is possible."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import husai_schemas
from husai_core import strict_json
from husai_core.evidence import Evidence, RecordedMeasurement
from husai_core.metric import MetricCard
from husai_core.subject import Subject
from husai_gates.audit.subjects import path_of
from husai_gates.finding import Finding

LARGEST = 1e100  # squares of anything larger overflow, and no quantity of a dictionary is near


def check_listed_subjects(
    path: str, document: Mapping[str, Any], files: Mapping[str, bytes], subjects: Mapping[str, Subject]
) -> Iterator[Finding]:
    """Evidence that names a subject or a site whose document is not in the bundle with that digest."""
    site = document["site"]
    raw = files.get(f"sites/{site['name']}.json")
    if raw is None or strict_json.digest(raw) != site["digest"]:
        yield Finding("EV-SUBJECT", path, "$.site", f"the bundle has no site '{site['name']}' with this digest")
    seen: set[str] = set()
    for index, listed in enumerate(document["subjects"]):
        name, place = listed["name"], f"$.subjects[{index}]"
        if name in seen:
            yield Finding("EV-DUP-UNIT", path, place, f"the subject '{name}' is listed twice")
        seen.add(name)
        raw = files.get(path_of(name))
        if raw is None or strict_json.digest(raw) != listed["digest"]:
            yield Finding("EV-SUBJECT", path, place, f"the bundle has no subject '{name}' with this digest")
        elif name in subjects and subjects[name].site != site["name"]:
            yield Finding("EV-SUBJECT", path, place, f"the subject '{name}' is at the site '{subjects[name].site}'")


def check_data(path: str, document: Mapping[str, Any], sites: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Evidence on rows that its site describes under the same name with another digest."""
    known = {source["name"]: source for source in sites.get(document["site"]["name"], {}).get("data", ())}
    for index, source in enumerate(document["data"]):
        described = known.get(source["name"], source)
        if (described["digest"], described["rows"]) != (source["digest"], source["rows"]):
            rule = f"the site describes other rows under the name '{source['name']}'"
            yield Finding("EV-DATA", path, f"$.data[{index}]", rule, "measure on the rows of the site")


def check_measurements(path: str, evidence: Evidence, subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    """Measurements of nobody, of impossible value, or whose units are repeated or incomplete."""
    if evidence.outcome.status != "completed" and evidence.measurements:
        rule = f"a {evidence.outcome.status} benchmark has no measurements"
        yield Finding("EV-OUTCOME", path, "$.measurements", rule)
    for index, measurement in enumerate(evidence.measurements):
        place = f"$.measurements[{index}]"
        listed = [
            subjects[name]
            for name in evidence.subjects
            if name in subjects and subjects[name].condition == measurement.condition
        ]
        if measurement.card.name not in evidence.metrics:
            yield Finding("EV-METRIC", path, "$.metrics", f"does not say who made '{measurement.card.name}'")
        yield from _check_card(path, f"{place}.metric", measurement.card)
        yield from _check_units(path, place, measurement, {subject.seed for subject in listed})
        yield from _check_range(path, place, measurement, listed)


def _check_card(path: str, place: str, card: MetricCard) -> Iterator[Finding]:
    """A name that HUSAI ships means what HUSAI says: no other direction, bounds or definition under it."""
    shipped = husai_schemas.metric_cards().get(card.name)
    if shipped is None:
        return
    if card.version not in shipped:
        rule = f"HUSAI's metric '{card.name}' has no version '{card.version}'"
        yield Finding("EV-METRIC", path, f"{place}.version", rule, "rename the metric, or update husai")
        return
    expected = shipped[card.version]
    for key, value in card.to_json().items():
        if value != expected[key]:
            rule = f"says {value}, HUSAI's metric '{card.name}' has {expected[key]}"
            yield Finding("EV-METRIC", path, f"{place}.{key}", rule, "rename the metric if it is another one")


def _check_units(path: str, place: str, measurement: RecordedMeasurement, known: set[int]) -> Iterator[Finding]:
    if not known:
        rule = f"no listed subject is of the condition '{measurement.condition}'"
        yield Finding("EV-SUBJECT", path, f"{place}.condition", rule)
        return
    seen: set[tuple[int, ...]] = set()
    for number, observation in enumerate(measurement.observations):
        unit = tuple(sorted(observation.seeds))
        at = f"{place}.observations[{number}]"
        if unknown := sorted(set(unit) - known):
            yield Finding("EV-SUBJECT", path, at, f"no listed subject of the condition has seed {unknown[0]}")
        if unit in seen:
            yield Finding("EV-DUP-UNIT", path, at, f"the unit {list(unit)} stands twice")
        seen.add(unit)
    sizes = {len(unit) for unit in seen}
    seeds = sorted({seed for unit in seen for seed in unit})
    if sizes == {2} and seen != set(itertools.combinations(seeds, 2)):
        missing = min(set(itertools.combinations(seeds, 2)) - seen, default=())
        rule = f"pairs must be complete; the pair {list(missing)} is missing"
        yield Finding("EV-UNIT-SET", path, f"{place}.observations", rule)
    elif sizes not in ({1}, {2}):
        yield Finding("EV-UNIT-SET", path, f"{place}.observations", "units must all be seeds or all pairs of seeds")


def _check_range(path: str, place: str, measurement: RecordedMeasurement, listed: list[Subject]) -> Iterator[Finding]:
    card = measurement.card
    widest = max((subject.dims["d_sae"] for subject in listed), default=None)
    for number, observation in enumerate(measurement.observations):
        at = f"{place}.observations[{number}].value"
        if abs(observation.value) > LARGEST:
            yield Finding("EV-RANGE", path, at, f"{observation.value} is larger than any metric can be")
        elif not card.allows(observation.value):
            rule = f"{observation.value} is outside the bounds {card.low} to {card.high} of {card.name}"
            yield Finding("EV-RANGE", path, at, rule)
        elif card.name == "l0" and widest is not None and observation.value > widest:
            yield Finding("EV-RANGE", path, at, f"{observation.value} active latents of {widest}")
    if measurement.chance is not None and not (card.allows(measurement.chance) and abs(measurement.chance) < LARGEST):
        rule = f"{measurement.chance} is outside the bounds {card.low} to {card.high} of {card.name}"
        yield Finding("EV-RANGE", path, f"{place}.chance", rule)


def check_repeated_measurements(evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    """The same quantity of the same condition twice: nobody could say which one counts."""
    seen: dict[tuple[str, ...], str] = {}
    for path, document in sorted(evidence.items()):
        for index, measurement in enumerate(document.measurements):
            setting = strict_json.encode(dict(measurement.setting)).decode()
            key = (
                document.benchmark.name,
                document.site,
                measurement.condition,
                measurement.card.name,
                setting,
            )
            place = f"$.measurements[{index}]"
            if key in seen:
                rule = f"'{measurement.card.name}' of '{measurement.condition}' is also at {seen[key]}"
                yield Finding("EV-DUP-MEASUREMENT", path, place, rule, "keep one of them")
            seen.setdefault(key, f"{path} {place}")

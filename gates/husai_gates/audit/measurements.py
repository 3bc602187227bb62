"""Measurements: who was measured is in the bundle, every unit stands once, and every value is possible."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import husai_schemas
from husai_core import strict_json
from husai_core.evidence import Evidence, RecordedMeasurement
from husai_core.metric import MetricCard
from husai_core.subject import Subject
from husai_gates.audit.paths import path_of
from husai_gates.finding import Finding

L0 = ("l0", "saebench_l0")
LARGEST = 1e100  # squares of anything larger overflow, and no quantity of a dictionary is near


def check_listed_subjects(
    path: str, document: Mapping[str, Any], files: Mapping[str, bytes], subjects: Mapping[str, Subject]
) -> Iterator[Finding]:
    """Evidence that names a subject or a site whose document is not in the bundle with that digest."""
    site = document["site"]
    raw = files.get(f"sites/{site['name']}.json")
    if raw is None or strict_json.digest(raw) != site["digest"]:
        yield Finding("EV-SUBJECT", path, "$.site", f"the bundle has no site '{site['name']}' with this digest")
    if _is_of_another_run(document["subjects"], files):
        rule = "it is of subjects with these names and other digests: of another run, such as an earlier release"
        yield Finding("EV-STALE", path, "$.subjects", rule, "run the benchmark on the subjects of this bundle")
        return
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


def _is_of_another_run(listed: Sequence[Mapping[str, Any]], files: Mapping[str, bytes]) -> bool:
    """Whether all of these subjects are in the bundle by name, and none by digest."""
    held = [files.get(path_of(subject["name"])) for subject in listed]
    return len(held) > 1 and all(
        raw is not None and strict_json.digest(raw) != subject["digest"]
        for raw, subject in zip(held, listed, strict=True)
    )


def check_measurements(path: str, evidence: Evidence, subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    """Measurements of nobody, of impossible value, or whose units are repeated or incomplete."""
    if evidence.outcome.status != "completed" and evidence.measurements:
        rule = f"a {evidence.outcome.status} benchmark has no measurements"
        yield Finding("EV-OUTCOME", path, "$.measurements", rule)
    listed = _by_condition(evidence, subjects)
    for index, measurement in enumerate(evidence.measurements):
        place = f"$.measurements[{index}]"
        measured = listed.get(measurement.condition, [])
        yield from _check_maker(path, evidence, measurement.card)
        yield from _check_card(path, f"{place}.metric", measurement.card)
        yield from _check_scale(path, f"{place}.scale", measurement, measured)
        yield from _check_units(path, place, measurement, {subject.seed for subject in measured})
        yield from _check_range(path, place, measurement, measured)


def check_makers(path: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    """Evidence that names two makers of one metric."""
    seen: set[str] = set()
    for index, origin in enumerate(document["metrics"]):
        if origin["name"] in seen:
            yield Finding("EV-METRIC", path, f"$.metrics[{index}]", f"'{origin['name']}' stands twice")
        seen.add(origin["name"])


def _by_condition(evidence: Evidence, subjects: Mapping[str, Subject]) -> dict[str, list[Subject]]:
    """The subjects that this evidence lists and the bundle has."""
    groups: dict[str, list[Subject]] = {}
    for name in evidence.subjects:
        if name in subjects:
            groups.setdefault(subjects[name].condition, []).append(subjects[name])
    return groups


def _check_maker(path: str, evidence: Evidence, card: MetricCard) -> Iterator[Finding]:
    maker = evidence.metrics.get(card.name)
    if maker is None:
        yield Finding("EV-METRIC", path, "$.metrics", f"does not say who made '{card.name}'")
    elif maker.version != card.version:
        rule = f"'{card.name}' was made by version '{maker.version}' and says version '{card.version}'"
        yield Finding("EV-METRIC", path, "$.metrics", rule)


def _check_card(path: str, place: str, card: MetricCard) -> Iterator[Finding]:
    """A name that HUSAI ships means what HUSAI says: no other direction, bounds or definition under it."""
    shipped = husai_schemas.metric_cards().get(card.name)
    if shipped is None:
        return
    if card.version not in shipped:
        rule = f"HUSAI's metric '{card.name}' has no version '{card.version}'"
        yield Finding("EV-METRIC", path, f"{place}.version", rule, "rename the metric, or update husai")
        return
    stated, expected = card.to_json(), shipped[card.version]
    for key in sorted(stated.keys() | expected.keys()):
        if stated.get(key) != expected.get(key):
            rule = f"says {stated.get(key, 'nothing')}, HUSAI's metric '{card.name}' has {expected.get(key, 'nothing')}"
            yield Finding("EV-METRIC", path, f"{place}.{key}", rule, "rename the metric if it is another one")


def _check_scale(
    path: str, place: str, measurement: RecordedMeasurement, measured: Sequence[Subject]
) -> Iterator[Finding]:
    """What the scale of a metric depends on is stated, all of it and nothing else; a width is that of the subjects."""
    card, scale = measurement.card, measurement.scale
    if set(card.scale) != scale.keys():
        stated, needed = (", ".join(sorted(keys)) or "nothing" for keys in (scale, card.scale))
        rule = f"states {stated}, the scale of '{card.name}' depends on {needed}"
        yield Finding("EV-METRIC", path, place, rule, "state each with its value")
    widths = {subject.dims["d_sae"] for subject in measured if "d_sae" in subject.dims}
    if "d_sae" in scale and widths and widths != {scale["d_sae"]}:
        rule = f"d_sae is {scale['d_sae']}, that of the subjects is {', '.join(map(str, sorted(widths)))}"
        yield Finding("EV-IMPOSSIBLE", path, place, rule, "measure the subjects of this bundle")


def _check_units(path: str, place: str, measurement: RecordedMeasurement, known: set[int]) -> Iterator[Finding]:
    if not known:
        rule = f"no listed subject is of the condition '{measurement.condition}'"
        yield Finding("EV-SUBJECT", path, f"{place}.condition", rule)
        return
    seen: dict[tuple[int, ...], set[str]] = {}
    all_known = True
    for number, observation in enumerate(measurement.observations):
        unit = tuple(sorted(observation.seeds))
        at = f"{place}.observations[{number}]"
        if unknown := sorted(set(unit) - known):
            all_known = False
            yield Finding("EV-SUBJECT", path, at, f"no listed subject of the condition has seed {unknown[0]}")
        if observation.part in seen.setdefault(unit, set()):
            part = f" with the part '{observation.part}'" if observation.part else ""
            yield Finding("EV-DUP-UNIT", path, at, f"the unit {list(unit)} stands twice{part}")
        seen[unit].add(observation.part)
    if all_known and (problem := _set_problem(set(seen)) or _parts_problem(seen)):
        yield Finding("EV-UNIT-SET", path, f"{place}.observations", problem)


def _set_problem(units: set[tuple[int, ...]]) -> str | None:
    """What is wrong with these units together; of pairs, the first missing one is looked for only if one is."""
    sizes = {len(unit) for unit in units}
    if any(len(set(unit)) < len(unit) for unit in units):
        return "a unit names one seed twice"
    if sizes not in ({1}, {2}):
        return "units must all be seeds or all pairs of seeds"
    seeds = sorted({seed for unit in units for seed in unit})
    if sizes == {1} or len(units) == len(seeds) * (len(seeds) - 1) // 2:
        return None
    missing = next(pair for pair in itertools.combinations(seeds, 2) if pair not in units)
    return f"pairs must be complete; the pair {list(missing)} is missing"


def _parts_problem(units: Mapping[tuple[int, ...], set[str]]) -> str | None:
    """A unit that lacks a part would be judged on easier ones than its neighbours."""
    wanted = set.union(*units.values())
    for unit, parts in sorted(units.items()):
        if missing := wanted - parts:
            return f"every unit must have the same parts; {list(unit)} lacks '{min(missing)}'"
    return None


def _check_range(path: str, place: str, measurement: RecordedMeasurement, listed: list[Subject]) -> Iterator[Finding]:
    card = measurement.card
    widest = max((subject.dims["d_sae"] for subject in listed if "d_sae" in subject.dims), default=None)
    for number, observation in enumerate(measurement.observations):
        at = f"{place}.observations[{number}].value"
        if abs(observation.value) > LARGEST:
            yield Finding("EV-RANGE", path, at, f"{observation.value} is larger than any metric can be")
        elif not card.allows(observation.value):
            rule = f"{observation.value} is outside the bounds {card.low} to {card.high} of {card.name}"
            yield Finding("EV-RANGE", path, at, rule)
        elif card.name in L0 and widest is not None and observation.value > widest:
            yield Finding("EV-RANGE", path, at, f"{observation.value} active latents of {widest}")
    if measurement.chance is not None and not (card.allows(measurement.chance) and abs(measurement.chance) < LARGEST):
        rule = f"{measurement.chance} is outside the bounds {card.low} to {card.high} of {card.name}"
        yield Finding("EV-RANGE", path, f"{place}.chance", rule)

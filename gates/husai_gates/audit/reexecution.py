"""Re-execution, compared: what the auditor's own run gave, held against what the bundle says of the same units."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from husai_core.evidence import Evidence, Observation, RecordedMeasurement
from husai_core.subject import Subject
from husai_gates.audit.draw import Draw, Unit
from husai_gates.audit.paths import path_of
from husai_gates.audit.setting import setting_key
from husai_gates.finding import Finding
from husai_gates.student_t import quantile

RELATIVE, ABSOLUTE = 1e-3, 1e-6  # of what the very weights of the bundle give
ALPHA = 0.01  # of all values of one audit together, where training gave other weights

_STEP = "ask the producer to run the study again; do not release by these numbers"
_ELSEWHERE = "run it where numbers come out as the producer's did: the same versions, threads, --products, processor"
_CLOSE = f"within {RELATIVE:g} of the value or {ABSOLUTE:g}"
_SPREAD = f"within the {1 - ALPHA:.0%} prediction interval of the recorded seeds, for all of these values together"


@dataclass(frozen=True)
class Rerun:
    """One unit that was run again: whose weights it is of, how many values were compared, and how closely."""

    unit: Unit
    weights: str
    compared: int
    tolerance: str

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.unit.path,
            "condition": self.unit.condition,
            "seeds": list(self.unit.seeds),
            "weights": self.weights,
            "compared": self.compared,
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class Reexecution:
    """What was run again, and what came of it."""

    draw: Draw
    reruns: tuple[Rerun, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every unit that was drawn was compared, and agrees."""
        return bool(self.reruns) and not self.findings

    def to_json(self) -> dict[str, Any]:
        return {
            "draw": self.draw.seed,
            "of": self.draw.of,
            "units": [rerun.to_json() for rerun in self.reruns],
            "left_out": list(self.draw.left_out),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Side:
    """What a bundle says, or what came out here: evidence by path, subjects and sites by name."""

    evidence: Mapping[str, Evidence]
    subjects: Mapping[str, Subject]
    sites: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Pair:
    """One recorded value and its counterpart."""

    unit: Unit
    place: str
    what: str
    recorded: float
    found: float
    others: Sequence[Observation] = field(default=())  # what is recorded of all units; none where chance is compared


def compare(draw: Draw, recorded: Side, found: Side, held: Collection[str], exact: bool) -> Reexecution:
    """Every recorded value of the drawn units beside the one that came out here.

    Where the weights are those of the bundle, values agree but for rounding. Another machine may train other weights
    from the same study; values must then lie where one more seed would. With `exact` there are no other weights:
    the auditor knows that this machine computes as the producer's did.
    """
    notes = list(_differences(draw, recorded, found))
    findings = list(_other_models(recorded, found, exact))
    if exact:
        findings += _inexact(draw, recorded, found)
    pairs: list[_Pair] = []
    done = [unit for unit in draw.units if unit.path in found.evidence]
    for unit in done:
        more, absent, unasked = _pairs(unit, recorded.evidence[unit.path], found.evidence[unit.path])
        pairs += more
        findings += absent
        notes += unasked
    same = {unit: exact or _same_weights(unit, recorded, found) for unit in done}
    wide = sum(not same[pair.unit] and bool(pair.others) for pair in pairs)
    compared: dict[Unit, int] = {}
    for pair in pairs:
        tolerance = _tolerance(pair, same[pair.unit], wide)
        if tolerance is None:
            notes.append(
                f"{pair.unit.path} {pair.place}: other weights, and too few seeds to say how far values may lie"
            )
            continue
        compared[pair.unit] = compared.get(pair.unit, 0) + 1
        centre, reach = tolerance
        if not abs(pair.found - centre) <= reach:
            rule = f"{pair.what} is {pair.recorded!r} in the bundle and {pair.found!r} when run again; "
            rule += f"at most {reach:.3g} from {centre!r} is allowed"
            findings.append(Finding("EV-REEXECUTE", pair.unit.path, pair.place, rule, _STEP))
    reruns = [
        Rerun(unit, _whose(unit, recorded, found, held), compared.get(unit, 0), _CLOSE if same[unit] else _SPREAD)
        for unit in done
    ]
    findings += [
        Finding(
            "EV-NOT-REPEATED",
            rerun.unit.path,
            "$.measurements",
            f"{_about(rerun.unit)}: nothing could be compared",
            _ELSEWHERE,
        )
        for rerun in reruns
        if not rerun.compared
    ]
    return Reexecution(draw, tuple(reruns), tuple(sorted(set(findings))), tuple(dict.fromkeys(notes)))


def _other_models(recorded: Side, found: Side, exact: bool) -> Iterator[Finding]:
    """Models that come out otherwise: nothing that is made of them was run, and nothing is proven either way."""
    for name, site in sorted(found.sites.items()):
        one, other = recorded.sites[name]["model"]["weights"], site["model"]["weights"]
        if one != other:
            code, step = ("EV-REEXECUTE", _STEP) if exact else ("EV-NOT-REPEATED", _ELSEWHERE)
            rule = f"the model has the digest {one} in the bundle and {other} when made again; nothing of it was run"
            yield Finding(code, f"sites/{name}.json", "$.model.weights", rule, step)


def _pairs(unit: Unit, recorded: Evidence, found: Evidence) -> tuple[list[_Pair], list[Finding], list[str]]:
    """The values of a unit beside one another; what did not come out here; what the bundle does not have."""
    here = {(m.card.name, setting_key(m.setting)): m for m in found.measurements if m.condition == unit.condition}
    pairs: list[_Pair] = []
    absent: list[Finding] = []
    told: dict[tuple[str, str], set[str]] = {}
    for index, measurement in enumerate(recorded.measurements):
        key = (measurement.card.name, setting_key(measurement.setting))
        if measurement.condition != unit.condition or unit.seeds not in measurement.by_unit():
            continue
        counterpart = here.get(key)
        values = counterpart.by_part().get(unit.seeds, {}) if counterpart else {}
        what = f"'{measurement.card.name}' of {_about(unit)}"
        for number, observation in enumerate(measurement.observations):
            if tuple(sorted(observation.seeds)) != unit.seeds:
                continue
            told.setdefault(key, set()).add(observation.part)
            place = f"$.measurements[{index}].observations[{number}].value"
            if observation.part not in values:
                rule = f"{what} is {observation.value!r} in the bundle, and is not measured when run again"
                absent.append(Finding("EV-REEXECUTE", unit.path, place, rule, _STEP))
                continue
            others = [o for o in measurement.observations if o.part == observation.part]
            pairs.append(_Pair(unit, place, what, observation.value, values[observation.part], others))
        pairs += _chances(unit, index, what, measurement, counterpart)
    notes: list[str] = []
    for (metric, setting), counterpart in sorted(here.items()):
        for part in sorted(counterpart.by_part().get(unit.seeds, {}).keys() - told.get((metric, setting), set())):
            what = f"'{metric}' of {_about(unit)}" + (f", {part}" if part else "")
            if metric in recorded.metrics:
                rule = f"{what} comes out when run again, and the bundle does not have it"
                absent.append(Finding("EV-REEXECUTE", unit.path, "$.measurements", rule, _STEP))
            else:
                notes.append(f"{unit.path}: {what} is measured here, and no such metric is in this evidence")
    return pairs, absent, notes


def _chances(
    unit: Unit, index: int, what: str, recorded: RecordedMeasurement, found: RecordedMeasurement | None
) -> Iterator[_Pair]:
    if found and recorded.chance is not None and found.chance is not None:
        yield _Pair(unit, f"$.measurements[{index}].chance", f"the chance of {what}", recorded.chance, found.chance)


def _tolerance(pair: _Pair, same: bool, wide: int) -> tuple[float, float] | None:
    """From which value the one that came out may lie how far; None where nobody can say."""
    close = max(ABSOLUTE, RELATIVE * abs(pair.recorded))
    if same or not pair.others:
        return pair.recorded, close
    seeds = {seed for observation in pair.others for seed in observation.seeds}
    if len(pair.others) < 2 or len(seeds) < 2:
        return None
    values = [observation.value for observation in pair.others]
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    times = quantile(1 - ALPHA / (2 * wide), len(seeds) - 1) * math.sqrt(1 + 1 / len(seeds))
    return mean, max(close, times * deviation)


def _same_weights(unit: Unit, recorded: Side, found: Side) -> bool:
    names = _names(unit)
    return all(found.subjects[name].weights == recorded.subjects[name].weights for name in names)


def _whose(unit: Unit, recorded: Side, found: Side, held: Collection[str]) -> str:
    if all(name in held for name in _names(unit)):
        return "held in the bundle"
    return "made again, the same" if _same_weights(unit, recorded, found) else "made again, others"


def _names(unit: Unit) -> list[str]:
    return [f"{unit.condition}.s{seed}" for seed in unit.seeds]


def _about(unit: Unit) -> str:
    return f"'{unit.condition}' at {'seed' if len(unit.seeds) == 1 else 'seeds'} {', '.join(map(str, unit.seeds))}"


def _drawn_subjects(draw: Draw, found: Side) -> list[str]:
    """The dictionaries of the drawn units, as far as they were made again."""
    return sorted({name for unit in draw.units for name in _names(unit)} & found.subjects.keys())


def _differences(draw: Draw, recorded: Side, found: Side) -> Iterator[str]:
    """Digests and makers that are not those of the bundle: numbers may still agree, and a reader should know."""
    for name, site in sorted(found.sites.items()):
        for one, other in _other_rows(recorded.sites[name]["data"], site["data"]):
            yield f"sites/{name}.json: the rows '{one['name']}' have the digest {other} here"
    for name in _drawn_subjects(draw, found):
        if found.subjects[name].weights != recorded.subjects[name].weights:
            yield f"{path_of(name)}: the weights have the digest {found.subjects[name].weights} here"
    for path, evidence in sorted(found.evidence.items()):
        makers = [(recorded.evidence[path].benchmark, evidence.benchmark)]
        theirs = recorded.evidence[path].metrics
        makers += [(theirs[name], origin) for name, origin in sorted(evidence.metrics.items()) if name in theirs]
        for maker, here in makers:
            if maker != here:
                yield f"{path}: '{maker.name}' comes from another source text or distribution here"


def _inexact(draw: Draw, recorded: Side, found: Side) -> Iterable[Finding]:
    """The same differences of digests, where the auditor says that there can be none."""
    for name, site in sorted(found.sites.items()):
        for index, source in enumerate(recorded.sites[name]["data"]):
            for _, other in _other_rows([source], site["data"]):
                rule = f"'{source['name']}' has the digest {source['digest']} in the bundle and {other} when run again"
                yield Finding("EV-REEXECUTE", f"sites/{name}.json", f"$.data[{index}].digest", rule, _STEP)
    for name in _drawn_subjects(draw, found):
        here, there = recorded.subjects[name].weights, found.subjects[name].weights
        if here != there:
            rule = f"the weights have the digest {here} in the bundle and {there} when made again"
            yield Finding("EV-REEXECUTE", path_of(name), "$.weights", rule, _STEP)


def _other_rows(
    recorded: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    here = {source["name"]: source["digest"] for source in found}
    for source in recorded:
        other = here.get(source["name"], "none")
        if other != source["digest"]:
            yield source, other

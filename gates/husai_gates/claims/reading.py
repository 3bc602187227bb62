"""A reading: the number that the evidence gives where a claim points, with its noise."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from husai_core.evidence import RecordedMeasurement
from husai_gates.audit import AuditReport
from husai_gates.audit.setting import setting_key, setting_words
from husai_gates.cannot_judge import CannotJudge
from husai_gates.claims.ledger import Number
from husai_gates.claims.sources import Sources, document, follow
from husai_gates.comparable import require_comparable
from husai_gates.condition import Condition
from husai_gates.interval import Interval, Unit, mean, seeds_of
from husai_gates.observe import Observed, estimate, observe, pair, require_seeds
from husai_gates.policy import Bounds, Rule, Who
from husai_gates.select import Located, locate

CHANCE = "chance"
COUNTS = ("n", "units")


@dataclass(frozen=True)
class Measured:
    """The observations of a condition: who, where, and by which question they are found."""

    bundle: str
    rule: Rule
    report: AuditReport
    located: Located

    @property
    def condition(self) -> Condition:
        return self.located.condition

    @property
    def measurement(self) -> RecordedMeasurement:
        return self.located.measurement

    @property
    def values(self) -> Mapping[Unit, float]:
        return self.measurement.by_unit()

    def __str__(self) -> str:
        at = setting_words(self.rule.setting)
        of = f"{self.rule.metric}{f' at {at}' if at else ''} of '{self.condition.name}'"
        return f"{of} ({self.bundle})"


@dataclass(frozen=True)
class Reading:
    """A number with the words that say what it is. `value` is a word for the status of a rule.

    Two readings may be subtracted or divided if both are of conditions, which are then compared key by key, or if
    they stand `beside` one another in one document.
    """

    value: float | str
    says: str
    beside: str
    unit: str = ""
    better: str | None = None
    measured: Measured | None = None  # where units are known
    against: Measured | None = None  # what was subtracted, unit by unit
    confidence: float = 0.95
    summary: bool = False  # one number of the units, such as the worst, which has no interval

    @property
    def number(self) -> float:
        """The value, where it is no word."""
        if isinstance(self.value, str):
            raise CannotJudge("error", "EV-ABSENT", f"{self.says} is the word '{self.value}'", "name a number")
        return self.value

    @property
    def own(self) -> Measured | None:
        """The measurement of one condition, where this is no difference."""
        return None if self.against else self.measured

    @cached_property
    def values(self) -> Mapping[Unit, float]:
        """The value of every unit, or the paired differences; nothing where only a summary is known."""
        if self.measured is None or self.summary:
            return {}
        if self.against is None:
            return self.measured.values
        other = self.against.values
        return {unit: value - other[unit] for unit, value in self.measured.values.items()}

    def observed(self) -> Observed:
        """The values as a rule would see them: independent seeds, all that were planned."""
        if self.measured is None or self.summary:
            says = f"{self.says} has no interval over seeds"
            raise CannotJudge(
                "inconclusive", "EV-UNITS", says, "claim its value alone; compare it with 'nominal = true'"
            )
        if self.against is None:
            return observe(self.measured.rule, self.measured.condition, self.measured.report)
        return paired(self.measured, self.against)

    def interval(self, confidence: float) -> Interval:
        """The interval over seeds."""
        observed = self.observed()
        assert self.measured is not None
        return estimate(self.measured.rule, observed, confidence)

    def statistic(self, name: str) -> float | str:
        """One number of this reading."""
        if not name or isinstance(self.value, str) or (name == "mean" and not self.summary):
            return self.value
        match name:
            case "low" | "high":
                return float(getattr(self.interval(self.confidence), name))
            case "half_width":
                found = self.interval(self.confidence)
                return (found.high - found.low) / 2
            case "confidence":
                return self.interval(self.confidence).confidence
            case "chance":
                return self._chance()
        values = self.values
        if not values:
            raise CannotJudge(
                "missing", "EV-ABSENT", f"{self.says} has no '{name}': it is one number", "claim its value"
            )
        if name in COUNTS:
            return len(seeds_of(values)) if name == "n" else len(values)
        return self._extreme(name, values)

    def _extreme(self, name: str, values: Mapping[Unit, float]) -> float:
        if name in ("worst", "best"):
            if self.better not in ("higher", "lower"):
                says = f"{self.says} has no better side"
                raise CannotJudge("error", "POL-DIRECTION", says, "claim 'lowest' or 'highest'")
            name = "highest" if (name == "best") == (self.better == "higher") else "lowest"
        return max(values.values()) if name == "highest" else min(values.values())

    def _chance(self) -> float:
        chance = self.own.measurement.chance if self.own and not self.summary else None
        if chance is None:
            raise CannotJudge("missing", "EV-ABSENT", f"no chance level is known for {self.says}", "name a control")
        return chance


def read(number: Number, numbers: Mapping[str, Number], sources: Sources) -> Reading:
    """What the evidence gives for a number of a claim."""
    match number.kind:
        case "measurement":
            return _measurement(number, sources)
        case "document" | "file":
            return _pointed(number, sources)
        case "decision":
            return _decided(number, sources)
    one, other = (read(numbers[name], numbers, sources) for name in number.operands)
    make = subtract if number.kind == "difference" else divide
    return make(one, other, number.better, number.confidence)


def question(number: Number, condition: str) -> Rule:
    """The number as the question that a rule would ask."""
    return Rule(
        id=number.name,
        question="",
        reason="",
        kind="superiority",
        benchmark=number.benchmark,
        metric=number.metric,
        setting=number.setting,
        site=number.site,
        subject=Who("condition", condition),
        confidence=number.confidence,
        min_units=2,
        bounds=Bounds(),
        against=None,
        margin=0.0,
    )


def _measurement(number: Number, sources: Sources) -> Reading:
    one = _alone(number, number.condition, sources)
    if number.role and one.measured and one.measured.condition.role != number.role:
        role = one.measured.condition.role
        says = f"'{number.condition}' is no {number.role}, it is a {role}"
        raise CannotJudge("fail", "CLAIM-COMPARATOR", says, f"name the {number.role}")
    if other := number.minus or number.over:
        make = subtract if number.minus else divide
        one = make(one, _alone(number, other, sources), number.better, number.confidence)
    return one if number.statistic == "mean" else _summary(one, number.statistic)


def _summary(one: Reading, statistic: str) -> Reading:
    """A reading whose value is another statistic than the mean."""
    value = float(one.statistic(statistic))
    unit = "" if statistic in COUNTS else one.unit
    return dataclasses.replace(one, value=value, says=f"{statistic} of {one.says}", unit=unit, summary=True)


def _alone(number: Number, name: str, sources: Sources) -> Reading:
    report = sources.bundle(number.bundle).report
    condition = report.conditions.get(name)
    if condition is None:
        near = difflib.get_close_matches(name, report.conditions, n=1, cutoff=0.5)
        step = f"did you mean '{near[0]}'?" if near else "see 'husai show'"
        raise CannotJudge("missing", "EV-ABSENT", f"the bundle '{number.bundle}' has no condition '{name}'", step)
    if number.site is not None and condition.site != number.site:
        says = f"'{name}' is at the site '{condition.site}', not at '{number.site}'"
        raise CannotJudge("inconclusive", "CMP-SITE", says, "name the condition at that site")
    rule = question(number, name)
    located = locate(rule, condition, report)
    measured = Measured(number.bundle, rule, report, located)
    require_seeds(condition, measured.values, report)
    card = located.measurement.card
    beside = " ".join([number.bundle, located.path, number.metric, setting_key(number.setting)])
    value = mean([measured.values[unit] for unit in sorted(measured.values)])
    return Reading(value, str(measured), beside, card.unit, card.direction, measured, confidence=number.confidence)


def subtract(one: Reading, other: Reading, better: str | None = None, confidence: float = 0.95) -> Reading:
    """The first minus the second, paired where both were measured on the same units."""
    _require_alike(one, other)
    says = f"{one.says} minus {other.says}"
    if one.own and other.own and not one.summary and not other.summary:
        values = _differences(one.own, other.own)
        value = mean([values[unit] for unit in sorted(values)])
        return Reading(value, says, one.beside, one.unit, one.better, one.measured, other.measured, confidence)
    return Reading(one.number - other.number, says, one.beside, one.unit, better or one.better)


def divide(one: Reading, other: Reading, better: str | None = None, confidence: float = 0.95) -> Reading:
    """The first divided by the second, as a plain number."""
    _require_alike(one, other)
    says = f"{one.says} divided by {other.says}"
    if other.number == 0:
        raise CannotJudge("inconclusive", "EV-ABSENT", f"{other.says} is 0, so there is no ratio", "claim a difference")
    value = one.number / other.number
    return Reading(value, says, one.beside, better=better or one.better, confidence=confidence)


def _require_alike(one: Reading, other: Reading) -> None:
    """Two conditions are compared by all that the gate compares; other numbers must stand in one document."""
    if one.own and other.own:
        _require_same_question(one.own, other.own)
        mine, theirs = one.own, other.own
        require_comparable(mine.rule, mine.located, theirs.located, mine.report, theirs.report)
    elif one.beside != other.beside:
        says = f"nothing says that {one.says} and {other.says} were measured alike"
        raise CannotJudge("inconclusive", "CMP-SOURCE", says, "take both from one measurement or one file")


def _require_same_question(one: Measured, other: Measured) -> None:
    for key, mine, theirs in (
        ("benchmark", one.rule.benchmark, other.rule.benchmark),
        ("metric", one.rule.metric, other.rule.metric),
        ("setting", setting_key(one.rule.setting), setting_key(other.rule.setting)),
    ):
        if mine != theirs:
            says = (
                f"{one} and {other} differ in {key}: {' '.join(str(mine).split())} and {' '.join(str(theirs).split())}"
            )
            raise CannotJudge("inconclusive", f"CMP-{key.upper()}", says, "compare like with like")


def require_confirmed(reading: Reading) -> None:
    """The best of many is no result: a point of a search is compared after it was trained again."""
    for side in (reading.measured, reading.against):
        base = side.report.conditions.get(side.condition.base) if side else None
        if base and base.role == "explored":
            says = f"'{base.name}' is a point of a search; what was measured there took part in the choice"
            raise CannotJudge("inconclusive", "EV-EXPLORED", says, "compare the condition that the search confirms")


def _differences(one: Measured, other: Measured) -> dict[Unit, float]:
    if one.values.keys() != other.values.keys():
        odd = min(one.values.keys() ^ other.values.keys())
        says = f"only one of {one} and {other} has the unit {list(odd)}"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, "measure both sides on the same units")
    return {unit: value - other.values[unit] for unit, value in one.values.items()}


def paired(one: Measured, other: Measured) -> Observed:
    """Raw differences of two conditions, paired as a rule pairs them."""
    _require_same_question(one, other)
    if one.bundle == other.bundle:
        first, second = pair(one.rule, one.condition, other.condition, one.report)
    else:
        first = observe(one.rule, one.condition, one.report)
        second = observe(other.rule, other.condition, other.report)
        require_comparable(one.rule, first.located, second.located, one.report, other.report)
        _differences(one, other)
    return Observed(first.located, {unit: value - second.values[unit] for unit, value in first.values.items()})


def _pointed(number: Number, sources: Sources) -> Reading:
    if number.kind == "file":
        found, where = sources.file(number.file), sources.ledger.files[number.file].path
    else:
        files = sources.bundle(number.bundle).snapshot.files
        where = f"{number.bundle}/{number.document}"
        if number.document not in files:
            raise CannotJudge("missing", "EV-ABSENT", f"there is no {where}", "see the bundle's manifest.json")
        found = document(files[number.document], number.document)
    value = follow(found, number.pointer, where)
    says = f"{where} {number.pointer}"
    if number.count:
        if not isinstance(value, dict | list):
            raise CannotJudge("missing", "EV-ABSENT", f"{says} holds no items to be counted", "point to a list")
        return Reading(float(len(value)), f"the count of {says}", where, better=number.better)
    if isinstance(value, list) and value and all(_is_number(item) for item in value):
        return _listed(number, value, says, where)
    if not _is_number(value) or number.statistic != "mean":
        raise CannotJudge("missing", "EV-ABSENT", f"{says} is no number", "point to one, or set count = true")
    return Reading(float(value), says, where, better=number.better)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(number: Number, values: list[float], says: str, where: str) -> Reading:
    """The mean of a list of numbers, its lowest or its highest."""
    known: Mapping[str, Callable[[list[float]], float]] = {"mean": mean, "lowest": min, "highest": max}
    if number.statistic not in known:
        says = f"{says} is a list, which has no '{number.statistic}'"
        raise CannotJudge("missing", "EV-ABSENT", says, f"it has: {', '.join(known)}")
    value = float(known[number.statistic](values))
    return Reading(value, f"the {number.statistic} of {says}", where, better=number.better)


def _decided(number: Number, sources: Sources) -> Reading:
    decision = sources.decision(number.bundle, number.policy)
    where = f"the decision on '{number.bundle}' by '{number.policy}'"
    if number.verdict:
        return Reading(decision.verdict, f"the verdict of {where}", where)
    if number.row is not None:
        rows = {row.rule: row for row in decision.rows}
        if number.row not in rows:
            says = f"{where} has no rule '{number.row}'"
            raise CannotJudge("missing", "EV-ABSENT", says, f"there is: {', '.join(sorted(rows))}")
        if number.cells:
            cells = [cell for cell in rows[number.row].cells if number.cells in ("all", cell.status)]
            says = f"the number of conditions ({number.cells}) of '{number.row}' in {where}"
            return Reading(float(len(cells)), says, where)
        return Reading(rows[number.row].status, f"the status of '{number.row}' in {where}", where)
    rows_of = [row for row in decision.rows if number.rules in ("all", row.status)]
    return Reading(float(len(rows_of)), f"the number of rules ({number.rules}) in {where}", where)

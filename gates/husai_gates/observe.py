"""Observations as a rule sees them: values by unit, with every planned seed there, and their interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from husai_core.metric import MetricCard
from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.comparable import require_comparable
from husai_gates.condition import Condition
from husai_gates.interval import Interval, TooFewUnits, Unit, interval, is_flat, is_nothing, seeds_of
from husai_gates.policy import Rule
from husai_gates.select import Located, locate


@dataclass(frozen=True)
class Observed:
    """Values by unit: raw ones, or paired differences turned so that higher is better."""

    located: Located
    values: Mapping[Unit, float]

    @property
    def flat(self) -> bool:
        """Whether no unit differs from another by more than rounding, measured against the raw values."""
        return is_flat(self.values.values(), (o.value for o in self.located.measurement.observations))

    @property
    def raw_flat(self) -> bool:
        """Whether the seeds themselves do not differ, where they are runs of their own: the spread is another's."""
        raw = self.located.measurement.by_unit().values()
        return not self.located.condition.one_unit and len(raw) > 1 and is_flat(raw, ())

    @property
    def nothing(self) -> bool:
        """Whether all are differences of the same number, but for rounding."""
        return is_nothing(self.values.values(), (o.value for o in self.located.measurement.observations))

    @property
    def card(self) -> MetricCard:
        return self.located.measurement.card


def observe(rule: Rule, condition: Condition, report: AuditReport) -> Observed:
    """The observations of a rule's metric on a condition, to be judged on their own."""
    observed = _observe(rule, condition, report)
    _require_a_unit_per_seed(condition)
    return observed


def _observe(rule: Rule, condition: Condition, report: AuditReport) -> Observed:
    located = locate(rule, condition, report)
    values = located.measurement.by_unit()
    require_seeds(condition, values, report)
    _require_independent_seeds(condition)
    return Observed(located, values)


def _require_independent_seeds(condition: Condition) -> None:
    """Seeds that were drawn together in training are one run, however many there are."""
    if any(subject.budget.get("agreement") for subject in condition.subjects):
        says = f"the seeds of '{condition.name}' were drawn together in training, so together they are one unit"
        raise CannotJudge("inconclusive", "EV-JOINT-SEEDS", says, "judge seeds that were trained without 'agreement'")


def _require_a_unit_per_seed(*conditions: Condition) -> None:
    """Values that are the same for every seed have no interval; a difference has one if either side varies."""
    if all(condition.one_unit for condition in conditions):
        names = " and ".join(f"'{condition.name}'" for condition in conditions)
        says = f"every seed of {names} is the very same control, so there is one unit and no interval"
        raise CannotJudge("inconclusive", "EV-ONE-UNIT", says, "compare something trained with it, seed by seed")


def require_seeds(condition: Condition, values: Mapping[Unit, float], report: AuditReport) -> None:
    """Every seed that was planned, and every seed whose subject is in the bundle, must have been observed."""
    expected = condition.seeds | (report.plan.seeds_of(condition.base) if report.plan else frozenset())
    if missing := sorted(expected - set(seeds_of(values))):
        says = f"seeds {', '.join(map(str, missing))} of '{condition.name}' were not observed"
        raise CannotJudge("inconclusive", "EV-SEEDS-MISSING", says, "run the benchmark on every planned seed")


def pair(rule: Rule, target: Condition, against: Condition, report: AuditReport) -> tuple[Observed, Observed]:
    """Target and comparator on the same units and parts, measured in the same way."""
    one = _observe(rule, target, report)
    try:
        other = _observe(rule, against, report)
    except CannotJudge as stop:
        code = "BASE-ABSENT" if stop.code == "EV-ABSENT" else stop.code
        raise CannotJudge(stop.status, code, f"the comparator: {stop.says}", stop.next_step) from None
    _require_a_unit_per_seed(target, against)
    require_comparable(one.located, other.located)
    if one.values.keys() != other.values.keys():
        odd = min(one.values.keys() ^ other.values.keys())
        says = f"only one of '{target.name}' and '{against.name}' has the unit {list(odd)}"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, "measure both sides on the same units")
    if odd_parts := one.located.measurement.parts() ^ other.located.measurement.parts():
        says = f"only one of '{target.name}' and '{against.name}' was measured on '{min(odd_parts)}'"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, "measure both sides on the same parts")
    return one, other


def difference(rule: Rule, target: Condition, against: Condition, report: AuditReport) -> Observed:
    """Paired differences, target minus comparator, positive where the target is better."""
    return gain(*pair(rule, target, against, report))


def gain(one: Observed, other: Observed) -> Observed:
    """The differences of two sides that were paired, positive where the first is better."""
    sign = -1 if one.card.direction == "lower" else 1
    return Observed(one.located, {unit: sign * (v - other.values[unit]) for unit, v in one.values.items()})


def estimate(rule: Rule, observed: Observed, confidence: float | None = None) -> Interval:
    """The interval of the values, if there are as many seeds as the policy wants and as the method needs."""
    has = len(seeds_of(observed.values))
    try:
        if has < rule.min_units:
            raise TooFewUnits(has, rule.min_units)
        return interval(observed.values, rule.confidence if confidence is None else confidence)
    except TooFewUnits as error:
        says = f"has {error.has} seed{'s' if error.has != 1 else ''}, needs {error.needs}"
        raise CannotJudge("inconclusive", "EV-UNITS", says, "train and measure more seeds") from None


def require_direction(observed: Observed, rule: Rule, wrong: str | None, why: str) -> None:
    """A rule that asks for the wrong direction of its metric is a mistake in the policy."""
    if observed.card.direction == wrong:
        says = f"'{rule.metric}' is better when {wrong}; {why}" if wrong != "neither" else f"'{rule.metric}' {why}"
        raise CannotJudge("error", "POL-DIRECTION", says, "correct the rule")

"""Observations as a rule sees them: values by unit, with every planned seed there, and their interval."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from husai_core.metric import MetricCard
from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.comparable import require_comparable
from husai_gates.condition import Condition
from husai_gates.interval import Interval, TooFewUnits, Unit, interval, is_flat, is_nothing, seeds_of
from husai_gates.policy import OF_THESE, PARTS, Rule
from husai_gates.select import Located, locate

Parts = Mapping[Unit, Mapping[str, float]]


class Sample(Protocol):
    """What an interval is made of."""

    @property
    def located(self) -> Located: ...

    @property
    def card(self) -> MetricCard: ...

    @property
    def flat(self) -> bool:
        """Whether the seeds of the target show no spread of their own."""

    @property
    def seeds(self) -> int:
        """How many seeds, on the side that has fewer; or parts, where those are what is counted."""

    @property
    def about(self) -> str:
        """Of what the claim is made, where it is not of other training runs."""

    def interval(self, confidence: float) -> Interval: ...

    def exact_p(self, number: float) -> float | None:
        """The exact p-value of the claim that the truth is above the number, where there is one."""

    def fewest_seeds(self, error: float) -> int:
        """How many seeds an exact p-value of this size needs."""


@dataclass(frozen=True)
class Observed:
    """Values by unit: raw ones, or paired differences turned so that higher is better.

    `parts` are the same values by part, where the rule is about other parts, too; else empty.
    """

    located: Located
    values: Mapping[Unit, float]
    parts: Parts = field(default_factory=dict)
    about: str = ""

    @property
    def constant(self) -> bool:
        """Whether no unit differs from another by more than rounding, measured against the raw values."""
        return is_flat(self.values.values(), (o.value for o in self.located.measurement.observations))

    @property
    def flat(self) -> bool:
        """Whether it is constant, or its seeds are, which are runs of their own: the spread is the comparator's."""
        if self.located.condition.one_unit:
            return self.constant
        return self.constant or is_flat(self.located.measurement.by_unit().values(), ())

    @property
    def nothing(self) -> bool:
        """Whether all are differences of the same number, but for rounding."""
        return is_nothing(self.values.values(), (o.value for o in self.located.measurement.observations))

    @property
    def card(self) -> MetricCard:
        return self.located.measurement.card

    @property
    def seeds(self) -> int:
        return len(seeds_of(self.values))

    def interval(self, confidence: float) -> Interval:
        """Over seeds, or over seeds and parts."""
        if not self.parts:
            return interval(self.values, confidence)
        from husai_gates.crossed import crossed_interval

        return crossed_interval(self.parts, confidence)

    def exact_p(self, number: float) -> float | None:
        """By all sign flips of the seeds, whose parts are no part of it."""
        from husai_gates.strength import sign_flip

        return None if self.parts else sign_flip(self.values, number)

    def fewest_seeds(self, error: float) -> int:
        return next(n for n in itertools.count() if 2**-n <= error)

    def shifted(self, by: float) -> Observed:
        """The same with a number taken off every value."""
        parts = {unit: {k: v - by for k, v in of.items()} for unit, of in self.parts.items()}
        return Observed(self.located, {unit: value - by for unit, value in self.values.items()}, parts)


@dataclass(frozen=True)
class Apart:
    """Two conditions that share no unit, turned so that a higher difference is better for the first."""

    one: Observed
    other: Observed
    about: str = ""

    @property
    def located(self) -> Located:
        return self.one.located

    @property
    def card(self) -> MetricCard:
        return self.one.card

    @property
    def flat(self) -> bool:
        """Whether either side is; a control that is the same for every seed has no spread to show."""
        return any(side.flat for side in (self.one, self.other) if not side.located.condition.one_unit)

    @property
    def seeds(self) -> int:
        return min(self.one.seeds, self.other.seeds)

    @property
    def _sides(self) -> tuple[Observed, Observed]:
        return (self.other, self.one) if self.card.direction == "lower" else (self.one, self.other)

    def interval(self, confidence: float) -> Interval:
        """Welch's, of the intervals of the two sides."""
        from husai_gates.welch import apart

        better, worse = self._sides
        return apart(better.interval(confidence), worse.interval(confidence), confidence)

    def exact_p(self, number: float) -> float | None:
        """By all ways to share the seeds out between the two sides."""
        from husai_gates.strength import relabelled

        better, worse = self._sides
        if better.parts:  # then the worse has them, too
            return None
        return relabelled(better.values, worse.values, number)

    def fewest_seeds(self, error: float) -> int:
        return next(n for n in itertools.count() if 1 / math.comb(2 * n, n) <= error)


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
    return Observed(located, values, _parts(rule, located) if rule.units == PARTS else {})


def _parts(rule: Rule, located: Located) -> Parts:
    """The values by part, where there are several; the audit sees to it that every seed has them all."""
    values = located.measurement.by_part()
    name = located.condition.name
    if any(len(unit) != 1 for unit in values):
        says = f"'{rule.metric}' of '{name}' is of pairs of seeds, which cannot be judged over parts"
        raise CannotJudge("inconclusive", "EV-PARTS", says, "judge it over seeds")
    if len(located.measurement.parts()) < 2:
        says = f"'{rule.metric}' of '{name}' was not observed in several parts, and the rule is about others like them"
        raise CannotJudge(
            "inconclusive", "EV-PARTS", says, "measure it by document or data set, or judge it over seeds"
        )
    return values


def _require_independent_seeds(condition: Condition) -> None:
    """Seeds that were drawn together in training are one run, however many there are."""
    if any(subject.joint for subject in condition.subjects):
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


def sides(
    rule: Rule, target: Condition, against: Condition, report: AuditReport, there: AuditReport | None = None
) -> tuple[Observed, Observed]:
    """Target and comparator, measured in the same way; the comparator lies `there`, in another bundle, or in this."""
    there = there or report
    one = _observe(rule, target, report)
    try:
        other = _observe(rule, against, there)
    except CannotJudge as stop:
        code = "BASE-ABSENT" if stop.code == "EV-ABSENT" else stop.code
        raise CannotJudge(stop.status, code, f"the comparator: {stop.says}", stop.next_step) from None
    _require_a_unit_per_seed(target, against)
    require_comparable(rule, one.located, other.located, report, there)
    return one, other


def pair(
    rule: Rule, target: Condition, against: Condition, report: AuditReport, there: AuditReport | None = None
) -> tuple[Observed, Observed]:
    """Target and comparator on the same units and parts, measured in the same way."""
    one, other = sides(rule, target, against, report, there)
    if one.values.keys() != other.values.keys():
        odd = min(one.values.keys() ^ other.values.keys())
        says = f"only one of '{target.name}' and '{against.name}' has the unit {list(odd)}"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, "measure both sides on the same units")
    if odd_parts := one.located.measurement.parts() ^ other.located.measurement.parts():
        says = f"only one of '{target.name}' and '{against.name}' was measured on '{min(odd_parts)}'"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, "measure both sides on the same parts")
    return one, other


def difference(
    rule: Rule, target: Condition, against: Condition, report: AuditReport, there: AuditReport | None = None
) -> Sample:
    """Target minus comparator, positive where the target is better: paired by seed, or of seeds that share nothing.

    A rule about these very dictionaries pairs them by part.
    """
    if rule.units in OF_THESE:
        from husai_gates.parts import parts_difference

        return parts_difference(rule, target, against, report, there or report)
    paired = rule.paired
    if paired is None:
        paired = there in (None, report) and target.site == against.site
    if paired:
        return gain(*pair(rule, target, against, report, there))
    return Apart(*sides(rule, target, against, report, there))


def gain(one: Observed, other: Observed) -> Observed:
    """The differences of two sides that were paired, positive where the first is better."""
    sign = -1 if one.card.direction == "lower" else 1
    parts = {u: {k: sign * (v - other.parts[u][k]) for k, v in of.items()} for u, of in one.parts.items()}
    return Observed(one.located, {unit: sign * (v - other.values[unit]) for unit, v in one.values.items()}, parts)


def estimate(rule: Rule, sample: Sample, confidence: float | None = None) -> Interval:
    """The interval of the values, if there are as many seeds as the policy wants and as the method needs."""
    require_units(rule, sample)
    try:
        return sample.interval(rule.confidence if confidence is None else confidence)
    except TooFewUnits as error:
        raise _too_few(error.has, error.needs) from None


def require_units(rule: Rule, sample: Sample) -> None:
    """As many seeds as the policy wants."""
    if sample.seeds < rule.min_units:
        raise _too_few(sample.seeds, rule.min_units)


def _too_few(has: int, needs: int) -> CannotJudge:
    says = f"has {has} seed{'s' if has != 1 else ''}, needs {needs}"
    return CannotJudge("inconclusive", "EV-UNITS", says, "train and measure more seeds")


def require_direction(sample: Sample, rule: Rule, wrong: str | None, why: str) -> None:
    """A rule that asks for the wrong direction of its metric is a mistake in the policy."""
    if sample.card.direction == wrong:
        says = f"'{rule.metric}' is better when {wrong}; {why}" if wrong != "neither" else f"'{rule.metric}' {why}"
        raise CannotJudge("error", "POL-DIRECTION", says, "correct the rule")

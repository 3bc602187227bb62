"""Differences over parts: of these very dictionaries, on other documents, data sets or letters like those looked at.

Nothing is said of other training runs, so one seed a side is enough; where there are several, each part has their mean.
The difference is taken part by part, and its interval is Student's t over the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from husai_core.metric import MetricCard
from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.interval import OVER_PARTS, Interval, Spread, TooFewUnits, around, is_flat, mean, variance
from husai_gates.observe import Observed, sides
from husai_gates.policy import SHARED_PARTS, Rule
from husai_gates.select import Located, locate

_STEP = "measure both sides on the same parts, or judge shared_parts and say in the rule why that is fair"
_MOST_NAMED = 12


@dataclass(frozen=True)
class OverParts:
    """Differences by part, positive where the target is better; `about` says what the claim is made of."""

    located: Located
    values: Mapping[str, float]
    about: str
    raw_flat: bool = False  # that seeds differ is no part of the claim

    @property
    def flat(self) -> bool:
        return is_flat(self.values.values(), (o.value for o in self.located.measurement.observations))

    @property
    def card(self) -> MetricCard:
        return self.located.measurement.card

    @property
    def seeds(self) -> int:
        """What is counted here are parts."""
        return len(self.values)

    def interval(self, confidence: float) -> Interval:
        values = [self.values[part] for part in sorted(self.values)]
        if len(values) < 2:
            raise TooFewUnits(len(values), 2)
        spread = Spread((variance(values) / len(values)) ** 0.5, len(values) - 1)
        return around(mean(values), (spread,), len(values), OVER_PARTS, confidence)

    def exact_p(self, number: float) -> float | None:
        return None

    def fewest_seeds(self, error: float) -> int:
        raise ValueError("a claim over parts has no exact p-value")


def parts_difference(
    rule: Rule, target: Condition, against: Condition, report: AuditReport, there: AuditReport
) -> OverParts:
    """Target minus comparator on every part; a part of one side only stops it, unless the rule is about the shared."""
    try:
        one, other = sides(rule, target, against, report, there)
    except CannotJudge as stop:
        raise _both_missing(rule, target, against, there, stop) from None
    mine, theirs = _by_part(rule, one), _by_part(rule, other)
    apart = [
        f"{', '.join(_named(odd))} of '{condition.name}' alone"
        for condition, odd in ((target, mine.keys() - theirs.keys()), (against, theirs.keys() - mine.keys()))
        if odd
    ]
    if apart and rule.units != SHARED_PARTS:
        says = f"'{target.name}' and '{against.name}' were not measured on the same parts: {'; '.join(apart)}"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, _STEP)
    shared = mine.keys() & theirs.keys()
    if not shared:
        says = f"'{target.name}' and '{against.name}' share no part"
        raise CannotJudge("inconclusive", "CMP-UNITS", says, "measure both sides on the same parts")
    if len(shared) < rule.min_units:
        says = f"has {len(shared)} parts, needs {rule.min_units}"
        raise CannotJudge("inconclusive", "EV-UNITS", says, "measure both sides on more parts")
    sign = -1 if one.card.direction == "lower" else 1
    about = "about these dictionaries alone, on other parts like these, and about no other training run"
    about += f"; left out: {'; '.join(apart)}" if apart else ""
    return OverParts(one.located, {part: sign * (mine[part] - theirs[part]) for part in shared}, about)


def _both_missing(
    rule: Rule, target: Condition, against: Condition, there: AuditReport, stop: CannotJudge
) -> CannotJudge:
    """The reason of either side, where neither was measured: to measure one of them would not be enough."""
    if stop.status != "missing" or stop.says.startswith("the comparator"):
        return stop
    try:
        locate(rule, against, there)
    except CannotJudge as other:
        says = f"{stop.says}; and the comparator '{against.name}': {other.says}"
        return CannotJudge(stop.status, stop.code, says, stop.next_step)
    return stop


def _by_part(rule: Rule, observed: Observed) -> Mapping[str, float]:
    """The mean over seeds of every part."""
    values = observed.located.measurement.by_part()
    name = observed.located.condition.name
    if any(len(unit) != 1 for unit in values) or observed.located.measurement.parts() == {""}:
        says = f"'{rule.metric}' of '{name}' was not observed by part"
        raise CannotJudge(
            "inconclusive", "EV-PARTS", says, "measure it by document or data set, or judge it over seeds"
        )
    if len({frozenset(of) for of in values.values()}) > 1:
        says = f"the seeds of '{name}' were not all observed in the same parts"
        raise CannotJudge("inconclusive", "EV-PARTS", says, "measure every seed on the same parts")
    return {part: mean([of[part] for of in values.values()]) for part in next(iter(values.values()))}


def _named(parts: set[str]) -> list[str]:
    listed = [f"'{part}'" for part in sorted(parts)[:_MOST_NAMED]]
    return [*listed, f"{len(parts) - _MOST_NAMED} more"] if len(parts) > _MOST_NAMED else listed

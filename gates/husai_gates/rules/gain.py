"""A gain over a comparator, tested against a number: what superiority, non-inferiority and regression share."""

from __future__ import annotations

from dataclasses import dataclass

from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.interval import Interval
from husai_gates.observe import Sample, difference, estimate, require_direction
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.strength import Strength, above, detectable


@dataclass(frozen=True)
class Gain:
    """How much better the target is, with its interval, and how surely it is above `floor`."""

    sample: Sample
    interval: Interval
    floor: float
    strength: Strength
    exact_problem: str | None

    @property
    def above(self) -> bool:
        return self.interval.low > self.floor


def gained(
    rule: Rule, target: Condition, against: Condition, report: AuditReport, there: AuditReport, floor: float, why: str
) -> Gain:
    """The gain, whose metric must have a better side; where the rule is exact, its exact p-value counts as well."""
    sample = difference(rule, target, against, report, there)
    require_direction(sample, rule, "neither", why)
    interval = estimate(rule, sample)
    p, exact = above(interval, floor), sample.exact_p(floor)
    problem = None
    if rule.exact:
        asked = _exact(rule, sample, exact)
        p = max(p, asked)
        if not asked <= rule.error:
            problem = f"the exact p is {number(asked)}, not at most {number(rule.error)}"
    return Gain(sample, interval, floor, Strength(p, exact, detectable(interval, rule.error)), problem)


def _exact(rule: Rule, sample: Sample, exact: float | None) -> float:
    """The exact p-value, where there is one that could be small enough."""
    if exact is None:
        says = f"there is no exact p-value of '{rule.metric}' on {sample.seeds} seeds or pairs of seeds"
        raise CannotJudge("inconclusive", "EV-UNITS", says, "leave out 'exact', or measure each seed by itself")
    needs = sample.fewest_seeds(rule.error)
    if sample.seeds < needs:
        says = f"has {sample.seeds} seeds; an exact p of {number(rule.error)} needs {needs}"
        raise CannotJudge("inconclusive", "EV-UNITS", says, "train and measure more seeds")
    return exact

"""Verdicts: the cell of a rule that was judged on numbers, in words."""

from __future__ import annotations

from husai_gates.condition import Condition
from husai_gates.decision import Cell, Status
from husai_gates.interval import OVER_PARTS, Interval, Unit
from husai_gates.observe import Sample
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.strength import Strength

NO_SPREAD = (
    "check that the seeds are different runs; if they are, and the metric counts or moves in steps, its MetricCard "
    "says continuous=False in a new version of the metric"
)


def verdict(
    rule: Rule,
    sample: Sample,
    interval: Interval,
    problem: str | None,
    *,
    against: Condition | str | None = None,
    worst: tuple[Unit, float] | None = None,
    more: str = "",
    strength: Strength,
) -> Cell:
    """A pass where there is no problem, else a fail that says it. Values without spread prove nothing.

    `more` is said behind the interval.
    """
    status: Status = "fail" if problem else "pass"
    code, says, next_step = ("RULE-FAILED" if problem else "RULE-HOLDS"), problem or "holds", ""
    if problem is None and (flat := flatness(rule, sample)):
        status, code, says, next_step = flat
    return Cell(
        condition=sample.located.condition.name,
        against=against.name if isinstance(against, Condition) else against,
        status=status,
        code=code,
        says="; ".join(
            [f"{says}: {_quantity(rule, against)} {describe(interval)}", *filter(None, (more, sample.about))]
        ),
        next_step=next_step,
        evidence=sample.located.path,
        unit=sample.card.unit,
        direction=sample.card.direction,
        interval=interval,
        worst=worst,
        p=strength.p,
        exact_p=strength.exact_p,
        detectable=strength.detectable,
    )


def flatness(rule: Rule, sample: Sample) -> tuple[Status, str, str, str] | None:
    """What is said of continuous values without spread in place of a pass: status, code, words and next step."""
    if not sample.card.continuous or not sample.flat:
        return None
    says = f"every unit of the continuous '{rule.metric}' has the same value, so nothing shows its spread"
    return "inconclusive", "EV-ZERO-WIDTH", says, NO_SPREAD


def _quantity(rule: Rule, against: Condition | str | None) -> str:
    """What the numbers of the interval are of."""
    if against is None:
        return str(rule.metric)
    if isinstance(against, str):
        return f"{rule.metric} minus {against} is"
    return f"gain in {rule.metric} over {against.name} is"


def describe(interval: Interval) -> str:
    """An interval in words."""
    bounds = f"{number(interval.low)} to {number(interval.high)}"
    return (
        f"{number(interval.estimate)}, {100 * interval.confidence:g} % interval {bounds} "
        f"from {interval.n} {'parts' if interval.method == OVER_PARTS else 'seeds'} ({interval.method})"
    )

"""Range: the confidence interval lies between two numbers, whichever side is better."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import estimate, observe
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.rules.verdict import verdict
from husai_gates.strength import Strength, detectable, inside


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """Lower bound >= at_least and upper bound <= at_most."""
    low, high = rule.bounds.at_least, rule.bounds.at_most
    assert low is not None
    assert high is not None
    observed = observe(rule, target, report)
    interval = estimate(rule, observed)
    problem = None
    if not (interval.low >= low and interval.high <= high):
        problem = f"the interval is not between {number(low)} and {number(high)}"
    strength = Strength(inside(interval, low, high), detectable=detectable(interval, rule.error, both=True))
    return verdict(rule, observed, interval, problem, strength=strength)

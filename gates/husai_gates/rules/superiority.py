"""Superiority: the condition is better than its comparator by more than the margin, with confidence."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import difference, estimate, require_direction
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.rules.verdict import verdict


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport) -> Cell:
    """The lower bound of the paired difference is above the margin."""
    assert against is not None
    observed = difference(rule, target, against, report)
    require_direction(observed, rule, "neither", "has no better side, so nothing can be superior in it")
    interval = estimate(rule, observed)
    problem = None
    if not interval.low > rule.margin:
        gain = f"the lower bound of the gain over '{against.name}' is {number(interval.low)}"
        problem = f"{gain}, not above {number(rule.margin)}"
    return verdict(rule, observed, interval, problem, against=against)

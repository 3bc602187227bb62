"""Superiority: the condition is better than its comparator by more than the margin, with confidence."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.rules.gain import gained
from husai_gates.rules.verdict import verdict


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """The lower bound of the difference is above the margin."""
    assert against is not None
    why = "has no better side, so nothing can be superior in it"
    found = gained(rule, target, against, report, there, rule.margin, why)
    problem = found.exact_problem
    if not found.above:
        gain = f"the lower bound of the gain over '{against.name}' is {number(found.interval.low)}"
        problem = f"{gain}, not above {number(rule.margin)}"
    return verdict(rule, found.sample, found.interval, problem, against=against, strength=found.strength)

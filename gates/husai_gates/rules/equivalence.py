"""Equivalence: the difference to chance or to a control is within the margin, by two one-sided tests."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import Observed, difference, estimate, observe
from husai_gates.plain_text import number
from husai_gates.policy import CHANCE, Rule
from husai_gates.rules.verdict import verdict


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport) -> Cell:
    """The interval of confidence 1 - 2 alpha lies inside the margin, where alpha is 1 - confidence."""
    observed = difference(rule, target, against, report) if against else _from_chance(rule, target, report)
    interval = estimate(rule, observed, 2 * rule.confidence - 1)
    reference = against or CHANCE
    problem = None
    if not (-rule.margin < interval.low and interval.high < rule.margin):
        name = f"'{against.name}'" if against else CHANCE
        problem = f"the difference to {name} is not within {number(rule.margin)}"
    return verdict(rule, observed, interval, problem, against=reference)


def _from_chance(rule: Rule, target: Condition, report: AuditReport) -> Observed:
    observed = observe(rule, target, report)
    chance = observed.located.measurement.chance
    if chance is None:
        says = f"no chance level is known for '{rule.metric}' of '{target.name}'"
        raise CannotJudge("missing", "EV-ABSENT", says, "compare with a control instead")
    return Observed(observed.located, {unit: value - chance for unit, value in observed.values.items()})

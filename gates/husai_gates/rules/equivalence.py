"""Equivalence: the difference to chance or to another condition is within the margin, by two one-sided tests."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import Observed, difference, estimate, observe
from husai_gates.plain_text import number
from husai_gates.policy import CHANCE, Rule
from husai_gates.rules.verdict import verdict
from husai_gates.strength import Strength, detectable, inside


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """The interval of confidence 1 - 2 alpha lies inside the margin, where alpha is 1 - confidence."""
    sample = difference(rule, target, against, report, there) if against else _from_chance(rule, target, report)
    interval = estimate(rule, sample, 2 * rule.confidence - 1)
    reference = against or CHANCE
    problem = None
    if not (-rule.margin < interval.low and interval.high < rule.margin):
        name = f"'{against.name}'" if against else CHANCE
        problem = f"the difference to {name} is not within {number(rule.margin)}"
    strength = Strength(
        p=inside(interval, -rule.margin, rule.margin), detectable=detectable(interval, rule.error, both=True)
    )
    return verdict(rule, sample, interval, problem, against=reference, strength=strength)


def _from_chance(rule: Rule, target: Condition, report: AuditReport) -> Observed:
    observed = observe(rule, target, report)
    chance = observed.located.measurement.chance
    if chance is None:
        says = f"no chance level is known for '{rule.metric}' of '{target.name}'"
        raise CannotJudge("missing", "EV-ABSENT", says, "compare with a control instead")
    return observed.shifted(chance)

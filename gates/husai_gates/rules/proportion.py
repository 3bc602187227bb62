"""Proportion: with confidence, more than a share of training runs is on the right side of a number."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import observe, require_direction, require_units
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.rules.verdict import describe
from husai_gates.wilson import above, exact, wilson


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """Wilson's lower bound of the share of seeds is above `share`. A seed is a trial; pairs of seeds are none."""
    assert rule.share is not None
    observed = observe(rule, target, report)
    floor, ceiling = rule.bounds.at_least, rule.bounds.at_most
    wrong, side = ("lower", "floor") if floor is not None else ("higher", "ceiling")
    require_direction(observed, rule, wrong, f"a {side} asks for the bad side")
    if any(len(unit) != 1 for unit in observed.values):
        says = f"'{rule.metric}' of '{target.name}' is of pairs of seeds, which are no independent trials"
        raise CannotJudge("inconclusive", "EV-UNITS", says, "ask it of a metric of single seeds")
    require_units(rule, observed)
    values = observed.values.values()
    hits = sum((floor is None or v >= floor) and (ceiling is None or v <= ceiling) for v in values)
    interval = wilson(hits, len(values), rule.confidence)
    p, exact_p = above(hits, len(values), rule.share), exact(hits, len(values), rule.share)
    says = f"{hits} of {len(values)} seeds have it; the share is {describe(interval)}"
    problem = None
    if rule.exact and not exact_p <= rule.error:
        problem = f"the exact p is {number(exact_p)}, not at most {number(rule.error)}"
    if not interval.low > rule.share:
        problem = f"the lower bound {number(interval.low)} is not above {number(rule.share)}"
    return Cell(
        condition=target.name,
        against=None,
        status="fail" if problem else "pass",
        code="RULE-FAILED" if problem else "RULE-HOLDS",
        says=f"{problem or 'holds'}: {says}",
        evidence=observed.located.path,
        unit="share of seeds",
        direction="higher",
        interval=interval,
        p=max(p, exact_p) if rule.exact else p,
        exact_p=exact_p,
    )

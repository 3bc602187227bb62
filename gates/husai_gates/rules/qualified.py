"""Qualified: the measurement tells a known-good condition from a known-bad one by more than its own noise."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import pair
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.rules.verdict import describe, flatness
from husai_gates.separation import UNIT, separate


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """The lower bound of the gain of good over bad, divided by the upper bound of the noise, is at least the number."""
    assert against is not None
    assert rule.bounds.at_least is not None
    found = separate(rule, *pair(rule, target, against, report, there))
    in_noise = found.in_noise
    status, code, says, next_step = flatness(rule, found.gains) or ("pass", "RULE-HOLDS", "holds", "")
    if not in_noise.low >= rule.bounds.at_least:
        status, code, next_step = "fail", "RULE-FAILED", ""
        says = f"the separation is {number(in_noise.low)}, not at least {number(rule.bounds.at_least)}"
    gain = f"the gain in {rule.metric} over {against.name} is {describe(found.gain)}"
    return Cell(
        condition=target.name,
        against=against.name,
        status=status,
        code=code,
        says=f"{says}: {number(in_noise.low)} times the noise of {number(found.noise)}; {gain}",
        next_step=next_step,
        evidence=found.gains.located.path,
        unit=UNIT,
        direction="higher",
        interval=in_noise,
    )

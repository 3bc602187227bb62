"""Pareto: better than the rival in at least one of several metrics, so that the rival does not dominate.

That a difference was not seen would not show that there is none, so nothing less than a gain in some metric, on its
lower bound, counts. Any of the metrics may be the one, so each is tested at the error divided by their number.
"""

from __future__ import annotations

import dataclasses

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.plain_text import number
from husai_gates.policy import Rule
from husai_gates.rules.gain import Gain, gained
from husai_gates.rules.verdict import verdict
from husai_gates.strength import Strength


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """The lower bound of the gain in one of the metrics is above nought; all of them must have been measured."""
    assert against is not None
    many = len(rule.quantities)
    asked = [
        dataclasses.replace(
            rule,
            benchmark=quantity.benchmark,
            metric=quantity.metric,
            setting=quantity.setting,
            confidence=1 - (1 - rule.confidence) / many,
        )
        for quantity in rule.quantities
    ]
    why = "has no better side, so it cannot tell who dominates"
    found = [(one, gained(one, target, against, report, there, 0.0, why)) for one in asked]
    best, gain = min(found, key=lambda item: _p(item[1]))
    problem = None
    if not gain.above:
        tried = ", ".join(f"{one.metric} {number(g.interval.low)}" for one, g in found)
        problem = f"'{against.name}' may dominate: no gain is above 0 on its lower bound ({tried})"
    strength = Strength(min(1.0, many * _p(gain)), detectable=gain.strength.detectable)
    cell = verdict(best, gain.sample, gain.interval, problem, against=against, strength=strength)
    return cell


def _p(gain: Gain) -> float:
    """A gain that never varies proves nothing, whatever its t."""
    flat = gain.sample.card.continuous and gain.sample.flat
    return 1.0 if flat or gain.strength.p is None else gain.strength.p

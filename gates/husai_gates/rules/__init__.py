"""The kinds of rules, by name. Each judges one cell: a condition, and what it is compared with, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.policy import Rule
from husai_gates.rules import (
    equivalence,
    non_inferiority,
    pareto,
    present,
    proportion,
    qualified,
    range,
    regression,
    superiority,
    threshold,
)

Judge = Callable[[Rule, Condition, Condition | None, AuditReport, AuditReport], Cell]
"""The last argument is the bundle that the comparator lies in: this one again, or that of the last release."""

RULES: Mapping[str, Judge] = {
    "present": present.judge,
    "threshold": threshold.judge,
    "range": range.judge,
    "proportion": proportion.judge,
    "superiority": superiority.judge,
    "non_inferiority": non_inferiority.judge,
    "equivalence": equivalence.judge,
    "regression": regression.judge,
    "pareto": pareto.judge,
    "qualified": qualified.judge,
}

__all__ = ["RULES", "Judge"]

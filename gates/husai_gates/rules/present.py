"""Present: the benchmark completed on the condition, for every metric it measured and every planned seed."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.observe import require_seeds
from husai_gates.policy import Rule
from husai_gates.select import documents


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """Completed evidence with measurements of this condition."""
    measured: dict[str, str] = {}
    for path, evidence in documents(rule, target, report).items():
        for measurement in evidence.measurements:
            if measurement.condition == target.name:
                require_seeds(target, measurement.by_unit(), report)
                measured[measurement.card.name] = path
    if not measured:
        says = f"{rule.benchmark} measured nothing of '{target.name}'"
        raise CannotJudge("missing", "EV-ABSENT", says, "run the benchmark on this condition")
    says = f"measured: {', '.join(sorted(measured))}"
    return Cell(target.name, None, "pass", "RULE-HOLDS", says, evidence=min(measured.values()))

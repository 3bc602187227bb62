"""Explanations: in plain words, why a row has its status and what would change it."""

from __future__ import annotations

from collections.abc import Iterator

from husai_core.errors import UsageError, did_you_mean
from husai_gates.codes import CODES
from husai_gates.decision import Cell, Decision, Row
from husai_gates.finding import Finding
from husai_gates.plain_text import number
from husai_gates.reporters.text import headline, safe, strength_words
from husai_gates.rules.verdict import describe
from husai_gates.strength import POWER

_STATUS = {
    "pass": "The rule holds on every condition it talks about.",
    "fail": "The evidence is complete, and it does not show what the rule asks for.",
    "missing": "Something the rule needs is not in the bundle. What is missing never passes.",
    "invalid": "The bundle cannot be believed, so no rule is answered by it.",
    "inconclusive": "There is evidence, but it cannot answer the question in either direction.",
    "error": "Something broke, or the rule contradicts itself. Nothing is known.",
    "waived": "The rule does not hold, and the policy's owner accepted that for a time.",
    "not_applicable": "The policy itself says that the rule does not apply here.",
}


def explain(decision: Decision, rule_id: str | None = None) -> str:
    """Every row, or the one asked for, and then the findings."""
    if rule_id is not None:
        rows = [row for row in decision.rows if row.rule == rule_id]
        if not rows:
            known = did_you_mean(rule_id, (row.rule for row in decision.rows))
            raise UsageError(decision.policy.name, f"has no rule '{safe(rule_id)}'", known)
        return "\n".join(_row(rows[0])) + "\n"
    lines = [headline(decision), ""]
    for row in decision.rows:
        lines += [*_row(row), ""]
    for finding in decision.findings:
        lines += [*_finding(finding), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(row: Row) -> list[str]:
    lines = [
        f"{safe(row.rule)}: {row.status}",
        f"  asked     {safe(row.question)}",
        f"  because   {safe(row.reason)}",
        f"  needs     {safe(row.asks)}",
        f"  seen      {safe(row.says)}",
        f"  means     {_STATUS[row.status]}",
        f"  changes   {_would_change(row)}",
    ]
    lines += [f"  strength  {words}" for words in _reach(row)]
    if row.next_step:
        lines.append(f"  next      {safe(row.next_step)}")
    return lines + [line for cell in row.cells for line in _cell(cell)]


def _reach(row: Row) -> Iterator[str]:
    """The smallest effect that would have been seen, and what the family makes of the p-value."""
    for words in strength_words(row):
        yield f"{words} (with power {POWER:g})" if words.startswith("smallest") else words


def _would_change(row: Row) -> str:
    if (row.kind, row.code) == ("equivalence", "RULE-FAILED"):
        return "More seeds, where the interval reaches over the margin; a difference that is there stays."
    if (row.kind, row.code) == ("qualified", "RULE-FAILED"):
        return "Another instrument, or more seeds: with few of them the noise is taken to be large."
    return CODES[row.code].remedy if row.code in CODES else "Evidence that passes the audit."


def _cell(cell: Cell) -> list[str]:
    against = f" against {safe(cell.against)}" if cell.against else ""
    lines = [f"  - {safe(cell.condition)}{against}: {cell.status} ({safe(cell.code)})"]
    if cell.interval:
        lines.append(f"      {describe(cell.interval)}; {safe(cell.unit)}, better: {safe(cell.direction)}")
        lines += [f"      {words}" for words in _strength(cell)]
    else:
        lines.append(f"      {safe(cell.says)}")
    if cell.worst:
        seeds = " and ".join(map(str, cell.worst[0]))
        lines.append(f"      worst unit: seed {seeds} with {cell.worst[1]:.6g}")
    return lines


def _strength(cell: Cell) -> Iterator[str]:
    if cell.p is not None:
        exact = "" if cell.exact_p is None else f", exact {number(cell.exact_p)}"
        yield f"p {number(cell.p)}{exact}"
    if cell.detectable is not None:
        yield f"detectable {number(cell.detectable)}"


def _finding(finding: Finding) -> list[str]:
    lines = [
        f"{safe(finding.code)} in {safe(finding.file)}",
        f"  place     {safe(finding.path)}",
        f"  seen      {safe(finding.rule)}",
        f"  alone     would exit {int(finding.severity)}",
    ]
    return [*lines, f"  next      {safe(finding.next_step)}"] if finding.next_step else lines

"""The decision as Markdown, for a pull request or a report."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from husai_core.errors import one_line
from husai_gates.audit import AuditReport
from husai_gates.decision import Decision, Row
from husai_gates.finding import Finding
from husai_gates.reporters.text import audit_headline, headline, standing, strength_words

_ACTIVE = {ord(c): f"&#{ord(c)};" for c in "&<>|`*[]\\~#$"}
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def safe(value: object) -> str:
    """Words that stay words: no table cell, link, code, HTML, mention or automatic link begins in them."""
    return _safe(one_line(value))


@functools.lru_cache(maxsize=65_536)
def _safe(line: str) -> str:
    escaped = _EMPHASIS.sub("&#95;", line.translate(_ACTIVE))
    for active in ("@", "://", "www."):
        escaped = escaped.replace(active, f"{active[:-1]}<!-- -->{active[-1]}" if len(active) > 1 else "@<!-- -->")
    return escaped


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a table whose cells are made safe."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(safe(cell) for cell in row) + " |" for row in rows]


def render(decision: Decision) -> str:
    """Verdict, a table of rows, a table of findings."""
    return "\n".join([*sections(decision), "", f"Signed {safe(standing(decision.attested_by))}."]) + "\n"


def render_audit(report: AuditReport) -> str:
    """The same of an audit."""
    lines = [
        f"**{safe(audit_headline(report))}** (exit {int(report.exit_code)})",
        "",
        f"Bundle {safe(report.content_digest)}, {safe(report.assurance)}.",
        *_findings(report.findings),
    ]
    return "\n".join([*lines, "", f"Signed {safe(standing(report.attested_by))}."]) + "\n"


def sections(decision: Decision) -> list[str]:
    """The lines of the decision, for a longer document to hold."""
    policy = decision.policy
    lines = [
        f"**{headline(decision)}** (exit {int(decision.exit_code)})",
        "",
        f"Policy {safe(policy.name)} {safe(policy.version)}: {safe(policy.purpose)}",
        "",
        f"Policy {safe(policy.digest)}, bundle {safe(decision.content_digest)}, {safe(decision.assurance)}.",
        "",
    ]
    if decision.baseline:
        lines += [f"Compared with the last release, bundle {safe(decision.baseline)}.", ""]
    rows = [(row.status, row.rule, row.question, row.asks, _seen(row), row.code, row.reason) for row in decision.rows]
    lines += table(("status", "rule", "question", "what it needs", "what was seen", "code", "why it is asked"), rows)
    return [*lines, *_findings(decision.findings)]


def _seen(row: Row) -> str:
    """What was seen, and what could have been."""
    return "; ".join((row.says, *strength_words(row)))


def _findings(findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return []
    found = [(f.code, f"{f.file} {f.path}", f.rule, f.next_step) for f in findings]
    return ["", "Findings:", "", *table(("code", "where", "what", "next step"), found)]

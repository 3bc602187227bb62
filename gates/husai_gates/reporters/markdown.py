"""The decision as Markdown, for a pull request or a report."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from husai_core.errors import one_line
from husai_gates.decision import Decision
from husai_gates.reporters.text import headline

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
    return "\n".join(sections(decision)) + "\n"


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
    rows = [(row.status, row.rule, row.question, row.asks, row.says, row.code, row.reason) for row in decision.rows]
    lines += table(("status", "rule", "question", "what it needs", "what was seen", "code", "why it is asked"), rows)
    if decision.findings:
        found = [(f.code, f"{f.file} {f.path}", f.rule, f.next_step) for f in decision.findings]
        lines += ["", "Findings:", "", *table(("code", "where", "what", "next step"), found)]
    return lines

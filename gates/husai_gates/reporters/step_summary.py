"""The job summary of GitHub Actions: the decision as Markdown, within the 1 MiB that a step may write."""

from __future__ import annotations

from husai_gates.audit import AuditReport
from husai_gates.decision import Decision
from husai_gates.reporters import markdown

MOST_BYTES = 2**20
_ROOM = 1024  # for what is said of the cut, and the line breaks around it


def render(decision: Decision) -> str:
    """The whole decision, or its beginning, which holds the verdict, and how much is missing."""
    return shortened(markdown.render(decision))


def render_audit(report: AuditReport) -> str:
    """The same of an audit."""
    return shortened(markdown.render_audit(report))


def shortened(text: str, most: int = MOST_BYTES) -> str:
    """The lines that fit; never half a line, which could leave a table cell open."""
    if len(text.encode()) <= most - _ROOM:
        return text
    lines = text.splitlines()
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > most - _ROOM:
            break
        kept.append(line)
    cut = f"Cut here: {len(kept)} of {len(lines)} lines fit; the whole is in the JSON of this run."
    return "\n".join([*kept, "", cut]) + "\n"

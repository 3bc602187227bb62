"""Annotations of GitHub Actions: the verdict first, then what does not hold, the gravest first.

GitHub keeps ten errors and ten warnings of a step and drops the rest in silence, so what is dropped is said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from husai_core.errors import one_line
from husai_gates.audit import AuditReport
from husai_gates.decision import Decision
from husai_gates.reporters.account import Account, Note, of_audit, of_decision
from husai_gates.reporters.text import safe

MOST = 10  # annotations of one level in one step


def render(decision: Decision) -> str:
    """The annotations of a decision."""
    return commands(of_decision(decision))


def render_audit(report: AuditReport) -> str:
    """The annotations of an audit."""
    return commands(of_audit(report))


def commands(account: Account) -> str:
    """One command a line, and no line that is none of ours."""
    bad = account.kind != "passed"
    lines = [_command("error" if bad else "notice", "HUSAI", [account.words, account.facts["signed"]])]
    errors = [note for note in account.notes if note.kind in ("error", "failure")]
    warnings = [note for note in account.notes if note.kind == "skipped"]
    lines += _level("error", errors, MOST - bad)
    lines += _level("warning", warnings, MOST)
    return "\n".join(lines) + "\n"


def _level(level: str, notes: Sequence[Note], room: int) -> Iterator[str]:
    shown = notes if len(notes) <= room else notes[: room - 1]
    for note in shown:
        words = [f"needs: {note.needs}"] if note.needs else []
        words += [f"next: {note.next_step}"] if note.next_step else []
        yield _command(level, note.title, [note.says, *words])
    if left := len(notes) - len(shown):
        yield _command(level, "HUSAI", [f"{left} more are not shown here; see the job summary or --report json=FILE"])


def _command(level: str, title: str, words: Sequence[str]) -> str:
    message = "\n".join(safe(text) for text in words)
    return f"::{level} title={_property(one_line(title))}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe(text)).replace(":", "%3A").replace(",", "%2C")

"""JUnit XML: the verdict, every row and every finding as a test case, as CI servers show them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from husai_gates.audit import AuditReport
from husai_gates.decision import Decision
from husai_gates.reporters.account import Account, Note, of_audit, of_decision
from husai_gates.reporters.text import safe


def render(decision: Decision) -> str:
    """The test suite of a decision."""
    return suite(of_decision(decision))


def render_audit(report: AuditReport) -> str:
    """The test suite of an audit."""
    return suite(of_audit(report))


def suite(account: Account) -> str:
    """The verdict is a case of its own: a suite of rows that are all waived must not look like a release."""
    verdict = Note(account.kind, "verdict", "verdict", "", "", "", account.words, "", "decision.json", "$.verdict")
    notes = (verdict, *account.notes)
    counts = {kind: sum(note.kind == kind for note in notes) for kind in ("failure", "error", "skipped")}
    numbers = (
        f'tests="{len(notes)}" failures="{counts["failure"]}" errors="{counts["error"]}" skipped="{counts["skipped"]}"'
    )
    facts = {"says": account.words, **account.facts}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="husai" {numbers}>',
        f"<testsuite name={_quoted(account.title)} {numbers}>",
        "<properties>",
        *(f'<property name="{name}" value={_quoted(value)}/>' for name, value in facts.items()),
        "</properties>",
        *(line for note in notes for line in _case(note, account.title)),
        "</testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case(note: Note, title: str) -> Iterator[str]:
    case = f"<testcase classname={_quoted(title)} name={_quoted(_name(note))}"
    if note.kind == "passed":
        yield f"{case}/>"
        return
    yield f"{case}>"
    if note.kind == "skipped":
        yield f"<skipped message={_quoted(note.says)}/>"
    else:
        said = {"seen": note.says, "asked": note.about, "needs": note.needs, "next": note.next_step}
        yield f"<{note.kind} type={_quoted(note.rule)} message={_quoted(note.says)}>"
        yield from (f"{what}: {escape(safe(text))}" for what, text in said.items() if text)
        yield f"</{note.kind}>"
    yield "</testcase>"


def _name(note: Note) -> str:
    """What the case is called in every run; a finding is told from another by its place."""
    return note.rule if note.rule == "verdict" or note.title != note.rule else f"{note.rule} {note.file} {note.path}"


def _quoted(text: str) -> str:
    return f'"{escape(safe(text))}"'

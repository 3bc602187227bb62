"""SARIF 2.1.0: what does not hold as results of a static analysis, for GitHub's code scanning and its like."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any
from urllib.parse import quote

from husai_core import strict_json
from husai_gates.audit import AuditReport
from husai_gates.decision import Decision
from husai_gates.reporters.account import Account, Note, of_audit, of_decision
from husai_gates.reporters.text import safe

MOST_RESULTS = 5_000  # GitHub takes 25,000 of a run and shows 5,000
MOST_CHARACTERS = 1_000  # of a message or description; GitHub cuts these at 1,024
_LEVELS = {"error": "error", "failure": "error", "skipped": "note"}
_BASE = "BUNDLE"


def render(decision: Decision) -> str:
    """The log of a decision."""
    return log(of_decision(decision))


def render_audit(report: AuditReport) -> str:
    """The log of an audit."""
    return log(of_audit(report))


def log(account: Account) -> str:
    """A verdict that bars release is the first result; of too many, the gravest are kept, and it is said."""
    notes = [note for note in account.notes if note.kind != "passed"]
    if account.kind != "passed":
        words = f"{account.words}. {account.facts['signed']}"
        about = "The verdict, which follows from all rows and findings."
        place = ("decision.json", "$.verdict")
        notes.insert(0, Note(account.kind, "HUSAI", "verdict", about, "It bars release.", "", words, "", *place))
    shown = notes[:MOST_RESULTS]
    rules = list({note.rule: note for note in reversed(shown)}.values())[::-1]
    index = {note.rule: number for number, note in enumerate(rules)}
    seen: Counter[str] = Counter()
    run = {
        "tool": {
            "driver": {
                "name": "husai",
                "version": safe(account.made_by) or "unknown",
                "rules": [_rule(note) for note in rules],
            }
        },
        "automationDetails": {"id": f"{quote(safe(account.title).replace(' ', '-'), safe='-.')}/"},
        "originalUriBaseIds": {_BASE: {"description": {"text": "The folder of the evidence bundle."}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(account, len(notes) - len(shown), len(notes))],
        "results": [_result(note, index[note.rule], seen) for note in shown],
        "properties": {name: safe(value) for name, value in account.facts.items()},
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return strict_json.encode(document).decode()


def _invocation(account: Account, left: int, total: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "executionSuccessful": True,
        "exitCode": int(account.exit_code),
        "exitCodeDescription": account.words,
    }
    if left:
        says = f"{left} of {total} results are not in this log; see the JSON of this run."
        found["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": says}}]
    return found


def _rule(note: Note) -> dict[str, Any]:
    return {
        "id": safe(note.rule),
        "shortDescription": {"text": _words(note.about)},
        "fullDescription": {"text": _words(note.why)},
        "help": {"text": _words(f"It needs: {note.needs}" if note.needs else "See 'husai explain'.")},
        "defaultConfiguration": {"level": _LEVELS[note.kind]},
    }


def _result(note: Note, index: int, seen: Counter[str]) -> dict[str, Any]:
    place = hashlib.sha256("\n".join((note.rule, note.file, note.path)).encode("utf-8", "replace")).hexdigest()[:32]
    seen[place] += 1
    step = f" Next: {note.next_step}" if note.next_step else ""
    return {
        "ruleId": safe(note.rule),
        "ruleIndex": index,
        "level": _LEVELS[note.kind],
        "message": {"text": _words(f"{note.says}{step}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(note.artifact, safe="/"), "uriBaseId": _BASE},
                    "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
                },
                "logicalLocations": [{"fullyQualifiedName": safe(note.path), "kind": "member"}],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{place}:{seen[place]}"},
    }


def _words(text: str) -> str:
    """Plain text as SARIF means it: never empty, braces are no placeholders, and `[a](b)` is no link."""
    line = safe(text) or "not stated"
    line = line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"
    return line.replace("{", "{{").replace("}", "}}").replace("](", "] (")

"""Views: what is made from the rest of a bundle (decision, report, JUnit, SARIF), compared with what it holds.

Plots are not regenerated: they are pictures, and nothing is decided by them. The words of another version of HUSAI are
not ours to regenerate: its decision is compared in substance, and `unchecked` names what was not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import husai_core
from husai_core import strict_json
from husai_core.bundle import PROVENANCE, Snapshot
from husai_core.errors import HusaiError
from husai_core.provenance import last_maker
from husai_gates import policy as policies
from husai_gates.audit import AuditReport, audit_unsealed
from husai_gates.audit.layout import kind_of
from husai_gates.decision import Decision
from husai_gates.finding import Finding
from husai_gates.judge import judge
from husai_gates.last_release import DECISION
from husai_gates.report import REPORT, pages
from husai_gates.reporters import REPORTERS
from husai_gates.reporters.text import headline

REPORTED = {"junit.xml": "junit", "results.sarif": "sarif"}  # by the name of their reporter; no bundle has to hold them
_AGAIN = "remove it, or make it again with 'husai gate'"


def make_views(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Decision and report of files still to be sealed, by the one policy among them; without one, the report alone."""
    held = [path for path in sorted(files) if kind_of(path) == "policy"]
    if len(held) > 1:
        return {}
    report = audit_unsealed(files)
    if not held:
        return _encoded(pages(report, None))
    decision = judge(report, policies.load(files[held[0]], held[0]), Snapshot(".", files))
    return {DECISION: decision.to_bytes(), **_encoded(pages(report, decision))}


def _encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in texts.items()}


def check_views(snapshot: Snapshot, report: AuditReport) -> tuple[Finding, ...]:
    """Findings for views that do not follow from the bundle. Of a bundle that is not intact, none could."""
    if not report.intact:
        return ()
    try:
        return tuple(sorted(_check(snapshot, report)))
    except HusaiError as error:
        return (Finding("EV-VIEW", DECISION, "$", f"cannot be regenerated: {error}", _AGAIN),)
    except Exception as error:
        rule = f"the views could not be checked: {type(error).__name__}: {error}"
        return (Finding("GATE-ERROR", DECISION, "$", rule, "report this as a bug of husai, with the bundle"),)


def _check(snapshot: Snapshot, report: AuditReport) -> Iterator[Finding]:
    files = snapshot.files
    if DECISION not in files:
        yield from _check_pages(files, report, None)
        for path in sorted(REPORTED.keys() & files.keys()):
            yield Finding("EV-VIEW", path, "$", "shows a decision, and the bundle holds none", _AGAIN)
        return
    raw_policy = _policy_of(snapshot, files)
    if raw_policy is None:
        rule = "the bundle does not hold the policy of this decision"
        yield Finding("EV-VIEW", DECISION, "$.policy.digest", rule, _AGAIN)
        return
    decision = judge(report, policies.load(raw_policy, "policy"), snapshot)
    for row in decision.rows:
        if row.code == "GATE-ERROR":
            # Of a rule that breaks nothing is known, and so neither whether the decision was edited.
            yield Finding("GATE-ERROR", DECISION, f"$.rows.{row.rule}", row.says, row.next_step)
            return
    yield from _compare_decision(files[DECISION], snapshot.json(DECISION), decision)
    if _is_foreign(snapshot):
        for path in sorted({REPORT, *REPORTED, *_held_pages(files)} & files.keys()):
            yield from _check_foreign(snapshot, path, decision)
        return
    yield from _check_pages(files, report, decision)
    for path in sorted(REPORTED.keys() & files.keys()):
        if files[path] != REPORTERS[REPORTED[path]](decision).encode():
            yield Finding("EV-VIEW", path, "$", "is not what this bundle gives", _AGAIN)


def _held_pages(files: Mapping[str, bytes]) -> set[str]:
    return {path for path in files if kind_of(path) in ("report", "page")}


def _check_pages(files: Mapping[str, bytes], report: AuditReport, decision: Decision | None) -> Iterator[Finding]:
    """The report, which no bundle has to hold, is the one that the bundle gives: every page of it and no other."""
    if not (held := _held_pages(files)):
        return
    given = _encoded(pages(report, decision))
    for path in sorted(held | given.keys()):
        if path not in given:
            yield Finding("EV-VIEW", path, "$", "is no page of the report that this bundle gives", _AGAIN)
        elif path not in held:
            yield Finding("EV-VIEW", path, "$", "is missing, and the report has it", "draw them again: 'husai redraw'")
        elif files[path] != given[path]:
            without = "" if decision else " without a decision"
            yield Finding("EV-VIEW", path, "$", f"is not what this bundle gives{without}", _AGAIN)


def _check_foreign(snapshot: Snapshot, path: str, decision: Decision) -> Iterator[Finding]:
    """A view in the words of another version: its maker is the run's, and its verdict and digests are these.

    Of a bundle that was migrated or redrawn since, the maker is whoever did that last.
    """
    made_by = snapshot.json(DECISION)["husai"]
    if PROVENANCE in snapshot.files and last_maker(snapshot.json(PROVENANCE)) != made_by:
        yield Finding("EV-VIEW", DECISION, "$.husai", "the run was made by another version of husai", _AGAIN)
    text = snapshot.files[path].decode("utf-8", "replace")
    is_page = kind_of(path) == "page"
    for wanted in (decision.content_digest, *(() if is_page else (decision.policy.digest, headline(decision)))):
        if wanted not in text:
            yield Finding("EV-VIEW", path, "$", f"does not say '{wanted}'", _AGAIN)
    first = text.split("\n\n")[1:2]
    if path == REPORT and first != [f"**{headline(decision)}** (exit {int(decision.exit_code)})"]:
        yield Finding("EV-VIEW", REPORT, "$", f"does not begin with the verdict '{headline(decision)}'", _AGAIN)


def _policy_of(snapshot: Snapshot, files: Mapping[str, bytes]) -> bytes | None:
    """The bytes of the policy that the decision in the bundle names."""
    named = snapshot.json(DECISION)["policy"]["digest"]
    held = {strict_json.digest(raw): raw for path, raw in files.items() if kind_of(path) == "policy"}
    return held.get(named)


def unchecked(snapshot: Snapshot) -> tuple[str, ...]:
    """The views that audit does not regenerate, in the order of their paths."""
    found = {path for path in snapshot.files if kind_of(path) == "picture"}
    if _is_foreign(snapshot):
        found |= (REPORTED.keys() & snapshot.files.keys()) | _held_pages(snapshot.files)
    return tuple(sorted(found))


def _is_foreign(snapshot: Snapshot) -> bool:
    """Whether the decision is in the words of another version, or of nobody knows which."""
    if DECISION not in snapshot.files:
        return False
    try:
        return bool(snapshot.json(DECISION).get("husai") != husai_core.__version__)
    except (HusaiError, AttributeError):
        return True


def _compare_decision(raw: bytes, document: Mapping[str, Any], decision: Decision) -> Iterator[Finding]:
    held = Decision.from_json(document)
    if not held.agrees_with(decision) or (held.made_by == decision.made_by and raw != decision.to_bytes()):
        rule = f"is not the decision that this bundle gives, which is '{decision.verdict}'"
        yield Finding("EV-VIEW", DECISION, "$", rule, _AGAIN)

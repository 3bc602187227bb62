"""The last release: an older bundle, audited like any other, that regressions are judged against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from husai_core.bundle import PROVENANCE, Snapshot
from husai_core.errors import HusaiError
from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.decision import RELEASING
from husai_gates.policy import Rule

NAME = "last release"
DECISION = "decision.json"
_SECONDS_OF_A_DAY = 86400.0


@dataclass(frozen=True)
class LastRelease:
    """The older bundle: what audit says of it, when it was made, and the rows that held it back."""

    report: AuditReport
    finished: datetime | None
    held_back: tuple[str, ...]
    decided: bool

    @classmethod
    def of(cls, snapshot: Snapshot, report: AuditReport) -> LastRelease:
        rows = _rows(snapshot)
        # A row that had no last release of its own to be compared with cannot have one: a decision lies in its bundle.
        held_back = [r["rule"] for r in rows or () if r["status"] not in RELEASING and r["code"] != "BASE-ABSENT"]
        return cls(report, _time(snapshot, "finished"), tuple(held_back), rows is not None)


def older(
    rule: Rule, target: Condition, report: AuditReport, started: datetime | None, last: LastRelease | None
) -> Condition:
    """The condition of the last release that this one is compared with, if it is fit to be."""
    if last is None:
        says = "no last release was given to be compared with"
        raise CannotJudge("missing", "BASE-ABSENT", says, "give its bundle: husai gate BUNDLE --baseline OLDER")
    if not last.report.intact:
        found = next(iter(_doubts(last.report)), "it could not be checked")
        says = f"the last release cannot be believed: {found}"
        raise CannotJudge("invalid", "BASE-INVALID", says, "see: husai audit OLDER")
    if not last.decided or last.held_back:
        why = f"its rule '{last.held_back[0]}' did not hold" if last.held_back else "it holds no decision"
        says = f"the older bundle was not released: {why}"
        raise CannotJudge("inconclusive", "BASE-INVALID", says, "compare with a bundle that was released")
    name = rule.older or target.name
    found_there = last.report.conditions.get(name)
    if found_there is None:
        says = f"the last release has no condition '{name}'"
        raise CannotJudge("missing", "BASE-ABSENT", says, "name one it has: to = { condition = NAME }")
    if problem := next(_stale(rule, target, found_there, report, started, last), None):
        raise CannotJudge(
            "inconclusive", "BASE-STALE", f"the last release {problem}", "give the bundle of the release before"
        )
    return found_there


def _doubts(report: AuditReport) -> Iterator[str]:
    for finding in report.findings:
        yield f"{finding.code} {finding.file}"


def _stale(
    rule: Rule, target: Condition, there: Condition, report: AuditReport, started: datetime | None, last: LastRelease
) -> Iterator[str]:
    """Why the older bundle says nothing about a change: it is this one, has its weights, is newer, or is too old."""
    if last.report.content_digest == report.content_digest:
        yield "is this very bundle"
    if any(s.weights is None for s in (*target.subjects, *there.subjects)):
        yield "or this one names no digest of its weights, so nobody can tell the two apart"
    elif {s.weights for s in target.subjects} & {s.weights for s in there.subjects}:
        yield f"has weights of '{target.name}' itself"
    if started is None or last.finished is None:
        yield "has no time to be compared with that of this run"
    elif (age := (started - last.finished).total_seconds()) < 0:
        yield "was made after this run began"
    elif rule.max_age_days is not None and age > rule.max_age_days * _SECONDS_OF_A_DAY:
        yield f"was made {age / _SECONDS_OF_A_DAY:.0f} days before this run, more than {rule.max_age_days:g}"


def _rows(snapshot: Snapshot) -> list[Mapping[str, Any]] | None:
    """The rows of the decision in a bundle, which its audit has held to its evidence."""
    try:
        return list(snapshot.json(DECISION)["rows"]) if DECISION in snapshot.files else None
    except (HusaiError, KeyError, TypeError):
        return None


def started(snapshot: Snapshot) -> datetime | None:
    """When the run of a bundle began, as it says."""
    return _time(snapshot, "started")


def _time(snapshot: Snapshot, key: str) -> datetime | None:
    try:
        return datetime.strptime(snapshot.json(PROVENANCE)[key], "%Y-%m-%dT%H:%M:%SZ")
    except (HusaiError, KeyError, TypeError, ValueError):
        return None

"""The pipeline: a bundle on disk and a policy become an audit report or a decision."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from husai_core import bundle
from husai_core.bundle import Snapshot
from husai_core.errors import InvalidEvidence, UsageError
from husai_gates import policies, policy
from husai_gates import waivers as waiver_files
from husai_gates.audit import AuditReport, audit, unreadable
from husai_gates.decision import Decision
from husai_gates.judge import judge
from husai_gates.last_release import LastRelease
from husai_gates.views import check_views, unchecked
from husai_gates.waivers import Waivers


def audit_folder(folder: Path) -> AuditReport:
    """Everything that can be said of a bundle without a policy, its views included."""
    return _audited(folder)[1]


def gate(
    folder: Path,
    policy_name: str,
    baseline: Path | None = None,
    waivers: Path | None = None,
    now: datetime | None = None,
) -> Decision:
    """The decision on a bundle by a policy file, or by a shipped policy of that name.

    `baseline` is the bundle of the last release, `waivers` a file of them, looked at now.
    """
    raw, place = policies.find(policy_name)
    chosen = policy.load(raw, place)
    given = _waivers(waivers, now or datetime.now(UTC)) if waivers else None
    snapshot, report = _audited(folder)
    last = LastRelease.of(*_audited(baseline)) if baseline else None
    return judge(report, chosen, snapshot, last, given)


def _waivers(path: Path, now: datetime) -> Waivers:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "give the path of a waiver file") from None
    return waiver_files.load(raw, str(path), now)


def _audited(folder: Path) -> tuple[Snapshot, AuditReport]:
    """A bundle that holds a link or a pipe is not read on; that refusal is a finding like any other."""
    try:
        snapshot = bundle.read(folder)
    except InvalidEvidence as error:
        return Snapshot(str(folder), {}), unreadable(error)
    report = audit(snapshot)
    report = report.with_findings(check_views(snapshot, report))
    return snapshot, dataclasses.replace(report, unchecked=unchecked(snapshot))

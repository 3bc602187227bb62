"""The pipeline: a bundle on disk and a policy become an audit report or a decision."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from husai_core import bundle
from husai_core.bundle import PROVENANCE, Snapshot
from husai_core.errors import InvalidEvidence
from husai_gates import policies, policy
from husai_gates.audit import AuditReport, audit, unreadable
from husai_gates.audit.times import check_clock
from husai_gates.decision import Decision
from husai_gates.finding import guarded
from husai_gates.judge import judge
from husai_gates.policy import Policy
from husai_gates.views import check_views, unchecked


def audit_folder(folder: Path) -> AuditReport:
    """Everything that can be said of a bundle without a policy, its views included."""
    return _audited(folder)[1]


def gate(folder: Path, policy_name: str) -> Decision:
    """The decision on a bundle by a policy file, or by a shipped policy of that name."""
    raw, place = policies.find(policy_name)
    chosen = policy.load(raw, place)
    snapshot, report = _audited(folder)
    return judge(report, chosen, snapshot)


def decide(snapshot: Snapshot, chosen: Policy) -> Decision:
    """The decision on a bundle that was read."""
    return judge(_inspected(snapshot), chosen, snapshot)


def _audited(folder: Path) -> tuple[Snapshot, AuditReport]:
    """A bundle that holds a link or a pipe is not read on; that refusal is a finding like any other."""
    try:
        snapshot = bundle.read(folder)
    except InvalidEvidence as error:
        return Snapshot(str(folder), {}), unreadable(error)
    return snapshot, _inspected(snapshot)


def _inspected(snapshot: Snapshot) -> AuditReport:
    report = dataclasses.replace(audit(snapshot), unchecked=unchecked(snapshot))
    if report.intact and PROVENANCE in snapshot.files:
        now = datetime.now(UTC).replace(tzinfo=None)
        report = report.with_findings(guarded(lambda: check_clock(snapshot.json(PROVENANCE), now)))
    return report.with_findings(check_views(snapshot, report))

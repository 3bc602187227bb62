"""The pipeline: a bundle on disk and a policy become an audit report or a decision."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from husai_core import bundle, strict_json
from husai_core.bundle import PROVENANCE, Snapshot
from husai_core.errors import InvalidEvidence, UsageError
from husai_gates import policies, policy
from husai_gates import waivers as waiver_files
from husai_gates.attest.files import FOLDER, separate
from husai_gates.audit import AuditReport, audit, unreadable
from husai_gates.audit.layout import kind_of
from husai_gates.audit.seal import refuse_unsealed
from husai_gates.audit.times import check_clock
from husai_gates.code_state import check_code
from husai_gates.decision import Decision
from husai_gates.finding import guarded
from husai_gates.judge import judge
from husai_gates.last_release import LastRelease
from husai_gates.policy import Policy
from husai_gates.preregistration import check_preregistration
from husai_gates.views import check_views, unchecked
from husai_gates.waivers import Waivers

if TYPE_CHECKING:
    from husai_gates.attest.keys import Trust
    from husai_gates.attest.verification import Attested


@dataclass(frozen=True)
class Audited:
    """A bundle without its attestations, what the audit says of both, and what was signed of it, if that was asked."""

    snapshot: Snapshot
    report: AuditReport
    attested: Attested | None = None


def audit_folder(folder: Path, trust: Trust | None = None) -> AuditReport:
    """Everything that can be said of a bundle without a policy, its views and attestations included."""
    return audited(folder, trust).report


def gate(
    folder: Path,
    policy_name: str,
    *,
    trust: Trust | None = None,
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
    last = last_release(baseline)
    found = audited(folder, trust, raw, last=last)
    decision = judge(found.report, chosen, found.snapshot, last, given)
    return dataclasses.replace(decision, attested_by=found.report.attested_by)


def decide(snapshot: Snapshot, chosen: Policy) -> Decision:
    """The decision on a bundle that was read."""
    found = inspected(snapshot)
    return judge(found.report, chosen, found.snapshot)


def held_to(report: AuditReport, snapshot: Snapshot, policy_name: str) -> AuditReport:
    """The report with what a policy asks of how a bundle was made: fixed before the run, and of code that is known."""
    raw, place = policies.find(policy_name)
    chosen = policy.load(raw, place)
    found = [*guarded(lambda: check_preregistration(chosen, snapshot.files))]
    if report.intact:
        found += guarded(lambda: check_code(chosen, snapshot))
    return report.with_findings(found)


def last_release(folder: Path | None) -> LastRelease | None:
    """The bundle of the last release, audited as any other."""
    if folder is None:
        return None
    found = audited(folder)
    return LastRelease.of(found.snapshot, found.report)


def _waivers(path: Path, now: datetime) -> Waivers:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "give the path of a waiver file") from None
    return waiver_files.load(raw, str(path), now)


def audited(
    folder: Path,
    trust: Trust | None = None,
    policy_raw: bytes | None = None,
    latest: datetime | None = None,
    last: LastRelease | None = None,
) -> Audited:
    """A folder without a manifest is not read, nor one that holds a link or a pipe read on; that is a finding, too."""
    try:
        refuse_unsealed(folder)
        whole = bundle.read(folder)
    except InvalidEvidence as error:
        return Audited(Snapshot(str(folder), {}), unreadable(error))
    return inspected(whole, trust, policy_raw, latest, last)


def inspected(
    whole: Snapshot,
    trust: Trust | None = None,
    policy_raw: bytes | None = None,
    latest: datetime | None = None,
    last: LastRelease | None = None,
) -> Audited:
    """A bundle as it was read, its views and its attestations.

    A signed decision is judged again by the policy in the bundle, the one given, or a shipped one.
    """
    snapshot, attestations = separate(whole)
    not_compared = unchecked(snapshot)
    if trust is None and attestations:
        not_compared = tuple(sorted((*not_compared, f"signatures in {FOLDER}")))
    report = dataclasses.replace(audit(snapshot), unchecked=not_compared)
    if report.intact and PROVENANCE in snapshot.files:
        now = datetime.now(UTC).replace(tzinfo=None)
        report = report.with_findings(guarded(lambda: check_clock(snapshot.json(PROVENANCE), now)))
    report = report.with_findings(check_views(snapshot, report))
    if report.intact and (attestations or trust):
        return _attested(Audited(snapshot, report), attestations, trust, policy_raw, latest, last)
    return Audited(snapshot, report)


def _attested(
    found: Audited,
    attestations: Mapping[str, bytes],
    trust: Trust | None,
    policy_raw: bytes | None,
    latest: datetime | None,
    last: LastRelease | None,
) -> Audited:
    """The same, held to its attestations; who only audits and judges bundles without them imports none of this."""
    from husai_gates.attest.verification import verify

    def rejudge(policy_digest: str) -> Decision | None:
        raw = _policy_of(policy_digest, found.snapshot, policy_raw)
        return None if raw is None else judge(found.report, policy.load(raw, policy_digest), found.snapshot, last)

    attested = verify(found.snapshot, attestations, rejudge, trust, latest)
    report = found.report.with_findings(attested.findings)
    signers = attested.signers if report.intact else ()
    not_compared = (*report.unchecked, *(f"signed decision by the policy {digest}" for digest in attested.unjudged))
    report = dataclasses.replace(report, attested_by=signers, unchecked=tuple(sorted(not_compared)))
    return Audited(found.snapshot, report, attested)


def _policy_of(digest: str, snapshot: Snapshot, given: bytes | None) -> bytes | None:
    """The bytes of a policy by their digest, wherever one is at hand."""
    held = [given] if given else []
    held += [raw for path, raw in snapshot.files.items() if kind_of(path) == "policy"]
    found = next((raw for raw in held if strict_json.digest(raw) == digest), None)
    if found is not None:
        return found
    shipped = (path.read_bytes() for path in policies.shipped().values())
    return next((raw for raw in shipped if strict_json.digest(raw) == digest), None)

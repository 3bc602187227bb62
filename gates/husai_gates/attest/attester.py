"""The attester: audits and judges a bundle on disk, signs what came out, and writes it beside the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from husai_core.bundle import PROVENANCE
from husai_core.errors import ExitCode, HusaiError, InvalidEvidence, UsageError
from husai_gates import policies, policy
from husai_gates.attest.files import path_for
from husai_gates.attest.keys import PrivateKey, Trust
from husai_gates.attest.signing import sign
from husai_gates.audit.layout import kind_of
from husai_gates.decision import Decision
from husai_gates.judge import judge
from husai_gates.last_release import LastRelease
from husai_gates.pipeline import Audited, audited, last_release


@dataclass(frozen=True)
class Attestation:
    """A file of attestations that was written: where, by which key, and of which decision, if any."""

    path: Path
    keyid: str
    decision: Decision | None


def attest(
    folder: Path, key: PrivateKey, policy_name: str | None, now: datetime, baseline: Path | None = None
) -> Attestation:
    """Sign a bundle that the audit finds intact, with the decision by the given policy or by the one that it holds.

    `baseline` is the bundle of the last release; who verifies the decision must have it, too.
    """
    if folder.is_file():
        raise UsageError(str(folder), "is no folder to write attestations to", "unpack it, and sign the folder")
    raw = policies.find(policy_name)[0] if policy_name else None
    last = last_release(baseline)
    found = audited(folder, policy_raw=raw, last=last)
    for finding in found.report.findings if not found.report.intact else ():
        if finding.severity in (ExitCode.INVALID, ExitCode.ERROR):
            where = f"{finding.file} {finding.path}"
            rule = f"{finding.code} {finding.rule}; what cannot be believed is not signed"
            raise InvalidEvidence(finding.code, where, rule, "see 'husai audit'")
    decision = _decision(found, raw, policy_name, last)
    finished = found.snapshot.json(PROVENANCE)["finished"] if PROVENANCE in found.snapshot.files else ""
    if now.strftime("%Y-%m-%dT%H:%M:%SZ") < finished:
        raise UsageError(str(folder), f"says that its run finished {finished}, after now", "check the clocks of both")
    if _signed_already(folder, key, raw, decision, last):
        raise UsageError(str(folder), "is signed by this key already", "remove that file of attestations first")
    attestations = sign(found.snapshot, decision, key, now)
    target = folder / path_for(attestations)
    _write(target, attestations)
    return Attestation(target, key.public.keyid, decision)


def _decision(found: Audited, raw: bytes | None, policy_name: str | None, last: LastRelease | None) -> Decision | None:
    held = {path: each for path, each in found.snapshot.files.items() if kind_of(path) == "policy"}
    if raw is None and len(held) > 1:
        raise UsageError(found.snapshot.place, f"holds {len(held)} policies", "choose one with --policy")
    if raw is None and not held:
        return None
    place, chosen = (policy_name or "--policy", raw) if raw is not None else next(iter(held.items()))
    decision = judge(found.report, policy.load(chosen, place), found.snapshot, last)
    if decision.exit_code == ExitCode.USAGE:
        finding = next(f for f in decision.findings if f.severity == ExitCode.USAGE)
        raise UsageError(f"{place} {finding.path}", finding.rule, finding.next_step)
    return decision


def _signed_already(
    folder: Path, key: PrivateKey, raw: bytes | None, decision: Decision | None, last: LastRelease | None
) -> bool:
    attested = audited(folder, Trust((key.public,)), raw, last=last).attested
    if attested is None or not attested.signers:
        return False
    policies_signed = {signed.decision.policy.digest for signed in attested.decisions}
    return decision is None or decision.policy.digest in policies_signed


def _write(target: Path, raw: bytes) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        with target.open("xb") as handle:
            handle.write(raw)
    except OSError as error:
        raise HusaiError(str(target), f"cannot be written: {error.strerror}") from None

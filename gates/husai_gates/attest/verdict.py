"""The verdict on signatures: what trusted keys say of a bundle, after everything they say was made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from husai_core import strict_json
from husai_core.errors import ExitCode
from husai_gates import policies
from husai_gates.attest.files import FOLDER
from husai_gates.attest.keys import Trust
from husai_gates.attest.verification import SignedDecision
from husai_gates.audit import AuditReport
from husai_gates.finding import Finding, gravest
from husai_gates.pipeline import audited, last_release
from husai_gates.reporters.text import finding_lines, safe

CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class Verdict:
    """The audit, and the decisions that enough trusted keys signed."""

    report: AuditReport
    decisions: tuple[SignedDecision, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Released only if nothing speaks against the bundle and every signed decision releases it; none is nothing."""
        if not self.report.intact:
            return self.report.exit_code
        if not self.decisions:
            return ExitCode.NOTHING_EVALUATED
        return gravest({signed.decision.exit_code for signed in self.decisions})


def verify_folder(
    folder: Path, trust: Trust, policy_name: str | None, now: datetime, baseline: Path | None = None
) -> Verdict:
    """Hold a bundle to its signatures; `policy_name` restricts what counts to the decisions by that policy."""
    raw = policies.find(policy_name)[0] if policy_name else None
    found = audited(folder, trust, raw, latest=now + CLOCKS_DIFFER, last=last_release(baseline))
    decisions = found.attested.decisions if found.attested else ()
    counted = tuple(signed for signed in decisions if len(signed.signers) >= trust.threshold)
    report = found.report
    missing: list[Finding] = []
    if raw is not None:
        digest = strict_json.digest(raw)
        counted = tuple(signed for signed in counted if signed.decision.policy.digest == digest)
        if not counted:
            rule = f"no decision by the policy {digest} is signed by enough trusted keys"
            step = "attest the bundle by this policy, or ask for another"
            missing.append(Finding("EV-INPUT-MISSING", FOLDER, "$", rule, step))
    elif not counted and found.attested:
        for digest in found.attested.unjudged:
            rule = f"the policy {digest} of a signed decision is not at hand to judge by again"
            missing.append(Finding("EV-INPUT-MISSING", FOLDER, "$", rule, "give the policy with --policy"))
    report = report.with_findings(missing) if report.intact else report
    return Verdict(report, counted if report.intact else ())


_WORDS = {
    ExitCode.RELEASED: "VERIFIED: released",
    ExitCode.NOT_RELEASED: "VERIFIED: not released",
    ExitCode.INVALID: "INVALID: the signatures or what they are about cannot be believed",
    ExitCode.NOTHING_EVALUATED: "NOTHING: no decision is signed by enough trusted keys; see 'husai gate --trust'",
}


def _text(verdict: Verdict) -> str:
    code = verdict.exit_code
    lines = [
        f"{_WORDS.get(code, 'ERROR: the decision says that something broke')} (exit {int(code)})",
        f"bundle  {safe(verdict.report.content_digest)}",
        *(f"signer  {keyid}" for keyid in verdict.report.attested_by),
    ]
    for signed in verdict.decisions:
        policy = signed.decision.policy
        by = ", ".join(signed.signers)
        lines.append(f"{signed.decision.verdict} by {safe(policy.name)} {safe(policy.digest)}, signed by {by}")
    return "\n".join([*lines, *finding_lines(verdict.report.findings)]) + "\n"


def _json(verdict: Verdict) -> str:
    document = {
        "content_digest": verdict.report.content_digest,
        "exit_code": int(verdict.exit_code),
        "signers": list(verdict.report.attested_by),
        "decisions": [
            {
                "policy": {"name": signed.decision.policy.name, "digest": signed.decision.policy.digest},
                "verdict": signed.decision.verdict,
                "signers": list(signed.signers),
            }
            for signed in verdict.decisions
        ],
        "findings": [finding.to_json() for finding in verdict.report.findings],
    }
    return strict_json.encode(document).decode()


VERDICT_REPORTERS: Mapping[str, Callable[[Verdict], str]] = {"text": _text, "json": _json}

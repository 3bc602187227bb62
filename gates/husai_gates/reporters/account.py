"""The account: a decision or an audit as what every platform shows of it: a headline, facts, and notes by gravity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from husai_core.bundle import path_problem
from husai_core.errors import ExitCode
from husai_gates.audit import AuditReport
from husai_gates.decision import Decision, Row, Status
from husai_gates.finding import Finding
from husai_gates.reporters.text import audit_headline, headline, standing

Kind = Literal["error", "failure", "skipped", "passed"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # gravest first

_OF_STATUS: Mapping[Status, Kind] = {
    "invalid": "error",
    "error": "error",
    "fail": "failure",
    "missing": "failure",
    "inconclusive": "failure",
    "waived": "skipped",
    "not_applicable": "skipped",
    "pass": "passed",
}
_OF_VERDICT: Mapping[ExitCode, Kind] = {
    ExitCode.RELEASED: "passed",
    ExitCode.NOT_RELEASED: "failure",
    ExitCode.NOTHING_EVALUATED: "failure",
}
_SOMEWHERE = "manifest.json"


@dataclass(frozen=True)
class Note:
    """A row or a finding: which rule, how grave, where in the bundle, and the words."""

    kind: Kind
    rule: str
    title: str
    about: str
    why: str
    needs: str
    says: str
    next_step: str
    file: str
    path: str

    @property
    def artifact(self) -> str:
        """A file of the bundle to show the note at; a name that is no safe path leads nowhere else."""
        return self.file if path_problem(self.file) is None else _SOMEWHERE


@dataclass(frozen=True)
class Account:
    """What is to be shown; `kind` is that of the verdict."""

    title: str
    headline: str
    exit_code: ExitCode
    facts: Mapping[str, str]
    notes: tuple[Note, ...]
    made_by: str

    @property
    def kind(self) -> Kind:
        return _OF_VERDICT.get(self.exit_code, "error")

    @property
    def words(self) -> str:
        """The verdict in one line."""
        return f"{self.headline} (exit {int(self.exit_code)})"


def of_decision(decision: Decision) -> Account:
    """The account of a decision."""
    policy = decision.policy
    notes = [_row(row, index) for index, row in enumerate(decision.rows)]
    notes += [_finding(finding) for finding in decision.findings]
    return Account(
        title=f"husai gate {policy.name}",
        headline=headline(decision),
        exit_code=decision.exit_code,
        facts={
            "policy": f"{policy.name} {policy.version}",
            "policy_digest": policy.digest,
            "content_digest": decision.content_digest,
            "assurance": decision.assurance,
            "signed": standing(decision.attested_by),
            "verdict": decision.verdict,
            "exit_code": str(int(decision.exit_code)),
        },
        notes=tuple(sorted(notes, key=lambda note: KINDS.index(note.kind))),
        made_by=decision.made_by,
    )


def of_audit(report: AuditReport) -> Account:
    """The account of an audit."""
    import husai_core

    notes = [_finding(finding) for finding in report.findings]
    return Account(
        title="husai audit",
        headline=audit_headline(report),
        exit_code=report.exit_code,
        facts={
            "content_digest": report.content_digest,
            "assurance": report.assurance,
            "signed": standing(report.attested_by),
            "exit_code": str(int(report.exit_code)),
        },
        notes=tuple(sorted(notes, key=lambda note: KINDS.index(note.kind))),
        made_by=husai_core.__version__,
    )


def _row(row: Row, index: int) -> Note:
    seen = next((cell.evidence for cell in row.cells if cell.evidence and cell.status == row.status), None)
    return Note(
        kind=_OF_STATUS[row.status],
        rule=row.rule,
        title=f"{row.rule}: {row.status}",
        about=row.question,
        why=row.reason,
        needs=row.asks,
        says=f"{row.code}: {row.says}",
        next_step=row.next_step,
        file=seen or "decision.json",
        path="$.measurements" if seen else f"$.rows[{index}]",
    )


def _finding(finding: Finding) -> Note:
    grave = finding.severity in (ExitCode.INVALID, ExitCode.ERROR, ExitCode.USAGE)
    return Note(
        kind="error" if grave else "failure",
        rule=finding.code,
        title=finding.code,
        about=f"The finding {finding.code}, which alone would exit {int(finding.severity)}.",
        why="What is found wrong with a bundle or a policy bars release.",
        needs="",
        says=f"{finding.file} {finding.path}: {finding.rule}",
        next_step=finding.next_step,
        file=finding.file,
        path=finding.path,
    )

"""The audit report: what was found wrong with a bundle, and the parts of it that could be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from husai_core.errors import ExitCode
from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.audit.plan import Plan
from husai_gates.condition import Condition, conditions_of
from husai_gates.finding import Finding, gravest

Assurance = Literal["hash_only", "recomputed"]


@dataclass(frozen=True)
class AuditReport:
    """Findings, sorted, and the sound documents. `assurance` is what this audit did, not what it was told."""

    findings: tuple[Finding, ...]
    subjects: Mapping[str, Subject]
    evidence: Mapping[str, Evidence]
    sites: Mapping[str, Mapping[str, Any]]
    content_digest: str
    assurance: Assurance
    plan: Plan | None
    paths: tuple[str, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, Condition]:
        return conditions_of(self.subjects)

    @property
    def exit_code(self) -> ExitCode:
        """What the findings alone lead to; 0 says that the bundle is sound, not that it may be released."""
        return gravest({finding.severity for finding in self.findings})

    @property
    def intact(self) -> bool:
        """Whether the evidence may be believed at all."""
        return not any(f.severity in (ExitCode.INVALID, ExitCode.ERROR) for f in self.findings)

    def with_findings(self, more: Iterable[Finding]) -> AuditReport:
        """The same report with more findings, such as those of `views.check_views`."""
        return dataclasses.replace(self, findings=tuple(sorted({*self.findings, *more})))

"""The audit report: what was found wrong with a bundle, and the parts of it that could be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import husai_schemas
from husai_core.errors import ExitCode
from husai_core.evidence import Evidence, RecordedMeasurement
from husai_core.subject import Subject
from husai_gates.audit.choice import Choice
from husai_gates.audit.chosen import Chosen
from husai_gates.audit.plan import Plan
from husai_gates.condition import Condition, conditions_of
from husai_gates.finding import Finding, believable, gravest

if TYPE_CHECKING:
    from husai_gates.audit.reexecution import Reexecution
    from husai_gates.decision import Row
    from husai_gates.last_release import LastRelease
    from husai_gates.policy import Policy

Assurance = Literal["hash_only", "recomputed", "re_executed"]


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
    choices: Mapping[str, Choice]
    chosen: Mapping[str, Chosen]
    paths: tuple[str, ...]
    unchecked: tuple[str, ...] = ()
    attested_by: tuple[str, ...] = ()
    reexecution: Reexecution | None = None
    judged: list[tuple[Policy, LastRelease | None, tuple[Row, ...]]] = field(
        init=False, compare=False, repr=False, default_factory=list
    )
    """What this very report was judged by, each with the rows; a report with other findings has none."""

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        return conditions_of(self.subjects)

    @cached_property
    def controls(self) -> dict[tuple[str, str], Condition]:
        """The controls, by the condition that each belongs to and its name."""
        return {(c.control.of, c.control.name): c for c in self.conditions.values() if c.control}

    @cached_property
    def documents(self) -> dict[tuple[str, str], dict[str, Evidence]]:
        """The evidence by benchmark and site, each by path."""
        index: dict[tuple[str, str], dict[str, Evidence]] = {}
        for path, evidence in sorted(self.evidence.items()):
            index.setdefault((evidence.benchmark.name, evidence.site), {})[path] = evidence
        return index

    @cached_property
    def measurements(self) -> dict[tuple[str, str, str], list[RecordedMeasurement]]:
        """The measurements of one piece of evidence by its path, the condition and the metric."""
        index: dict[tuple[str, str, str], list[RecordedMeasurement]] = {}
        for path, evidence in self.evidence.items():
            for measurement in evidence.measurements:
                index.setdefault((path, measurement.condition, measurement.card.name), []).append(measurement)
        return index

    @cached_property
    def unproven(self) -> tuple[str, ...]:
        """Metrics that HUSAI does not ship: their direction and bounds are the word of whoever made them."""
        shipped = husai_schemas.metric_cards()
        names = {m.card.name for document in self.evidence.values() for m in document.measurements}
        return tuple(sorted(names - shipped.keys()))

    @cached_property
    def unverified(self) -> dict[str, tuple[str, ...]]:
        """What nobody could check of the evidence that was imported, each with the paths of the evidence."""
        found: dict[str, list[str]] = {}
        for path, document in sorted(self.evidence.items()):
            for statement in document.external.unverified if document.external else ():
                found.setdefault(statement, []).append(path)
        return {statement: tuple(paths) for statement, paths in found.items()}

    def declaration(self, condition: str) -> str | None:
        """From how many a condition was chosen, in words; None where it is not known to be the best of any."""
        choice = self.choices.get(condition) or self.chosen.get(condition)
        return choice.declaration() if choice else None

    def compared_for(self, condition: str) -> int:
        """How many were compared so that this condition stands here: the points of a search or a choice, or itself."""
        if condition in self.choices:
            return len(self.choices[condition].points)
        return self.chosen[condition].compared if condition in self.chosen else 1

    def seeds_before(self, condition: str) -> list[int]:
        """The seeds on which a condition was chosen, before it was trained on its own."""
        found = self.choices.get(condition) or self.chosen.get(condition)
        return list(found.seeds_before) if found else []

    @property
    def exit_code(self) -> ExitCode:
        """What the findings alone lead to; 0 says that the bundle is sound, not that it may be released."""
        return gravest({finding.severity for finding in self.findings})

    @property
    def intact(self) -> bool:
        """Whether the evidence may be believed at all."""
        return believable(self.findings)

    def with_findings(self, more: Iterable[Finding]) -> AuditReport:
        """The same report with more findings, such as those of `views.check_views`."""
        more = tuple(more)
        if not more:
            return self  # with everything that was worked out of it
        return dataclasses.replace(self, findings=tuple(sorted({*self.findings, *more})))

    def with_reexecution(self, done: Reexecution) -> AuditReport:
        """The same report with what was run again; the assurance rises only where all of it agrees."""
        reached = self.intact and done.complete
        held = dataclasses.replace(self, reexecution=done, assurance="re_executed" if reached else self.assurance)
        return held.with_findings(done.findings)

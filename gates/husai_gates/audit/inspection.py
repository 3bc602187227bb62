"""The inspection of a bundle: read the documents, run every check, turn whatever happens into findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from husai_core import bundle, strict_json
from husai_core.bundle import MANIFEST, PROVENANCE, Snapshot
from husai_core.errors import InvalidEvidence
from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.audit.agreement import check_cards, check_chance, check_repeated_measurements
from husai_gates.audit.binaries import check_binaries
from husai_gates.audit.checkpoints import check_checkpoints
from husai_gates.audit.choice import Choice, choose
from husai_gates.audit.chosen import Chosen, check_chosen, chosen_of
from husai_gates.audit.controls import check_activations, check_controls
from husai_gates.audit.copies import check_copies
from husai_gates.audit.data import check_data, check_site_data
from husai_gates.audit.documents import read_documents
from husai_gates.audit.external import check_external
from husai_gates.audit.identities import check_identities
from husai_gates.audit.imported import check_unverified, is_import
from husai_gates.audit.layout import check_layout, kind_of, stem
from husai_gates.audit.measurements import check_listed_subjects, check_makers, check_measurements
from husai_gates.audit.names import check_names
from husai_gates.audit.plan import STUDY, Plan
from husai_gates.audit.planned import check_plan
from husai_gates.audit.report import AuditReport
from husai_gates.audit.seal import check_seal
from husai_gates.audit.selections import check_selections
from husai_gates.audit.stated import check_stated
from husai_gates.audit.subjects import check_conditions, check_sites, check_subjects
from husai_gates.audit.times import check_times
from husai_gates.audit.transcripts import check_transcripts
from husai_gates.audit.weights import check_shared_values, check_shared_weights
from husai_gates.condition import conditions_of
from husai_gates.finding import Finding, believable, guarded

Check = Callable[[], Iterable[Finding]]


def audit(snapshot: Snapshot) -> AuditReport:
    """Everything wrong with a bundle as it was read. Bad content never raises; it becomes findings."""
    return _inspect(snapshot.files, sealed=True)


def audit_unsealed(files: Mapping[str, bytes]) -> AuditReport:
    """Everything wrong with the files of a bundle whose manifest is still to be written."""
    return _inspect({path: raw for path, raw in files.items() if path != MANIFEST}, sealed=False)


def unreadable(error: InvalidEvidence) -> AuditReport:
    """The report of a bundle that could not be read to its end, such as one that holds a link."""
    return _report(_Parts.of({}, {}), [Finding(error.code, error.place, "$", error.rule, error.next_step)])


@dataclass(frozen=True)
class _Parts:
    """The sound documents of a bundle, as what they are."""

    files: Mapping[str, bytes]
    documents: Mapping[str, Any]
    subjects: Mapping[str, Subject]
    sites: Mapping[str, Mapping[str, Any]]
    evidence: Mapping[str, Evidence]
    plan: Plan | None
    choices: Mapping[str, Choice]
    chosen: Mapping[str, Chosen]

    @classmethod
    def of(cls, files: Mapping[str, bytes], documents: Mapping[str, Any]) -> _Parts:
        def of_kind(kind: str) -> dict[str, Any]:
            return {path: document for path, document in documents.items() if kind_of(path) == kind}

        plan = Plan.from_study(documents[STUDY]) if STUDY in documents else None
        evidence = {path: Evidence.from_json(d) for path, d in of_kind("evidence").items()}
        choices = {name: choose(search, evidence) for name, search in plan.searches.items()} if plan else {}
        confirmed = {name: choice.chosen for name, choice in choices.items() if choice.chosen}
        return cls(
            files=files,
            documents=documents,
            subjects={stem(path): Subject.from_json(d) for path, d in of_kind("subject").items()},
            sites={stem(path): d for path, d in of_kind("site").items()},
            evidence=evidence,
            plan=plan.with_choices(confirmed) if plan else None,
            choices=choices,
            chosen=chosen_of(plan, documents) if plan else {},
        )


def _inspect(files: Mapping[str, bytes], sealed: bool) -> AuditReport:
    if not files:
        return _report(_Parts.of({}, {}), [Finding("GATE-VACUOUS", ".", "$", "the bundle is empty", "run the study")])
    if sealed and MANIFEST not in files:  # what its files are is anybody's guess, and more findings would be, too
        return _report(_Parts.of(files, {}), [*guarded(partial(check_seal, files, None))])
    findings: list[Finding] = []
    documents: dict[str, Any] = {}
    try:
        documents, problems = read_documents(files)
        findings += problems
        parts = _Parts.of(files, documents)
    except Exception as error:
        findings += guarded(partial(_again, error))
        parts = _Parts.of(files, {})
    for check in _checks(parts, sealed):
        findings += guarded(check)
    return _report(parts, findings)


def _again(error: Exception) -> Iterable[Finding]:
    raise error


def _checks(parts: _Parts, sealed: bool) -> Iterator[Check]:
    conditions = conditions_of(parts.subjects)
    yield partial(check_layout, parts.files)
    if sealed:
        yield partial(check_seal, parts.files, parts.documents.get(MANIFEST))
    yield partial(check_binaries, parts.files)
    yield partial(check_checkpoints, parts.files, parts.documents, parts.subjects)
    yield partial(check_names, parts.evidence)
    yield partial(check_sites, parts.sites)
    yield partial(check_site_data, parts.sites, parts.subjects)
    yield partial(check_subjects, parts.files, parts.subjects)
    yield partial(check_conditions, conditions)
    yield partial(check_controls, conditions)
    yield partial(check_activations, conditions, parts.sites)
    yield partial(check_shared_weights, conditions)
    yield partial(check_shared_values, parts.evidence, conditions)
    yield partial(check_copies, parts.evidence, conditions)
    for path, evidence in parts.evidence.items():
        yield partial(check_listed_subjects, path, parts.documents[path], parts.files, parts.subjects)
        yield partial(check_data, path, parts.documents[path], parts.sites, parts.subjects)
        yield partial(check_makers, path, parts.documents[path])
        yield partial(check_measurements, path, evidence, parts.subjects)
        yield partial(check_identities, path, evidence, parts.subjects)
        yield partial(check_stated, path, evidence)
    yield partial(check_transcripts, parts.files, parts.documents)
    yield partial(check_external, parts.files, parts.evidence)
    yield partial(check_unverified, parts.files, parts.subjects, parts.sites, parts.evidence)
    yield partial(check_repeated_measurements, parts.evidence)
    yield partial(check_cards, parts.evidence)
    yield partial(check_chance, parts.evidence, conditions)
    if STUDY in parts.documents or STUDY not in parts.files:
        imported = is_import(parts.files, parts.subjects, parts.sites, parts.evidence)
        yield partial(check_plan, parts.plan, parts.files.keys(), parts.sites, conditions, parts.evidence, imported)
    yield partial(check_selections, parts.choices, parts.files, parts.documents)
    if parts.plan:
        yield partial(check_chosen, parts.plan, conditions, parts.files, parts.documents)
    if PROVENANCE in parts.documents or PROVENANCE not in parts.files:
        yield partial(check_times, parts.documents.get(PROVENANCE))


def _report(parts: _Parts, findings: list[Finding]) -> AuditReport:
    safe = {
        path: strict_json.digest(raw)
        for path, raw in parts.files.items()
        if path != MANIFEST and bundle.path_problem(path) is None
    }
    sound = believable(findings)
    return AuditReport(
        findings=tuple(sorted(set(findings))),
        subjects=parts.subjects,
        evidence=parts.evidence,
        sites=parts.sites,
        content_digest=bundle.content_digest(safe),
        assurance="recomputed" if sound and parts.evidence else "hash_only",
        plan=parts.plan,
        choices=parts.choices,
        chosen=parts.chosen,
        paths=tuple(sorted(parts.files)),
    )

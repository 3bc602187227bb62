"""Imported bundles: what was measured elsewhere stands apart, and needs no study only where nothing else is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.audit.layout import kind_of
from husai_gates.audit.paths import path_of
from husai_gates.audit.plan import STUDY
from husai_gates.finding import Finding

IMPORTED = "imported"
_STEP = "measure it here, or import it into a bundle of its own"

Sites = Mapping[str, Mapping[str, Any]]


def is_import(
    files: Mapping[str, bytes], subjects: Mapping[str, Subject], sites: Sites, evidence: Mapping[str, Evidence]
) -> bool:
    """Whether all of a bundle is imported, so that no study can have asked for it.

    Every document counts, those that could not be read as well: what is hidden in one must not need no plan.
    """
    kinds = [kind_of(path) for path in files]
    whole = all(
        kinds.count(kind) == len(found)
        for kind, found in (("subject", subjects), ("site", sites), ("evidence", evidence))
    )
    spoken_of = all(s.unverified for s in subjects.values()) and all("unverified" in s for s in sites.values())
    imported = bool(evidence) and all(document.source == IMPORTED for document in evidence.values())
    return STUDY not in files and whole and spoken_of and imported


def check_unverified(
    files: Mapping[str, bytes], subjects: Mapping[str, Subject], sites: Sites, evidence: Mapping[str, Evidence]
) -> Iterator[Finding]:
    """Subjects and sites without digests of their weights that something else than imported evidence rests on."""
    loose = {path_of(name) for name, subject in subjects.items() if subject.unverified}
    loose |= {f"sites/{name}.json" for name, site in sites.items() if "unverified" in site}
    if STUDY in files:
        for path in sorted(loose):
            rule = "a study trains or reads its dictionaries, so none of them is only spoken of"
            yield Finding("EV-UNVERIFIED", path, "$.unverified", rule, _STEP)
    if is_import(files, subjects, sites, evidence):
        for path in sorted(path for path in files if kind_of(path) == "policy"):
            rule = "lies among imported results, as if it had been there before them"
            yield Finding("EV-UNVERIFIED", path, "$", rule, "judge the bundle by it from outside")
    for path, document in sorted(evidence.items()):
        if document.source == IMPORTED:
            continue
        for other in (*map(path_of, document.subjects), f"sites/{document.site}.json"):
            if other in loose:
                rule = f"{document.source} evidence of what only imported results speak of: {other}"
                yield Finding("EV-UNVERIFIED", path, "$.subjects", rule, _STEP)

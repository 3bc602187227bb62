"""The selection document of a search, for the run that is about to train what was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from husai_core import strict_json
from husai_core.errors import InvalidEvidence
from husai_core.evidence import Evidence
from husai_gates.audit.choice import choose
from husai_gates.audit.documents import read_documents
from husai_gates.audit.layout import kind_of
from husai_gates.audit.plan import STUDY, Plan


def make_selection(name: str, files: Mapping[str, bytes]) -> bytes:
    """The document of the condition `name`, from the files that the bundle holds before it is trained."""
    documents, findings = read_documents(files)
    if findings:
        first = findings[0]
        raise InvalidEvidence(first.code, f"{first.file} {first.path}", first.rule, first.next_step)
    planned = Plan.from_study(documents[STUDY]).searches[name]
    evidence = {path: Evidence.from_json(d) for path, d in documents.items() if kind_of(path) == "evidence"}
    return strict_json.encode(choose(planned, evidence).to_json(files))

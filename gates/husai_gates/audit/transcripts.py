"""Transcripts: what was asked of a language model is in the bundle, word for word, and belongs to some evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from husai_core import strict_json
from husai_core.transcript import transcript_path
from husai_gates.audit.layout import kind_of
from husai_gates.finding import Finding

_AGAIN = "run the study again; answers that are cached are not asked for again"


def check_transcripts(files: Mapping[str, bytes], documents: Mapping[str, Any]) -> Iterator[Finding]:
    """Evidence and transcripts that do not belong together."""
    claimed = set()
    for path, document in documents.items():
        if kind_of(path) == "evidence" and "transcript" in document:
            claimed.add(transcript_path(path))
            yield from _check_pair(path, document, files, documents)
    for path in sorted(files):
        if kind_of(path) == "transcript" and path not in claimed:
            yield Finding("EV-TRANSCRIPT", path, "$", "no evidence of this name says that it asked anything", _AGAIN)


def _check_pair(
    path: str, document: Mapping[str, Any], files: Mapping[str, bytes], documents: Mapping[str, Any]
) -> Iterator[Finding]:
    stated, where = document["transcript"], transcript_path(path)
    if where not in files:
        yield Finding("EV-TRANSCRIPT", path, "$.transcript", f"the bundle has no {where}", _AGAIN)
        return
    if strict_json.digest(files[where]) != stated["digest"]:
        yield Finding("EV-TRANSCRIPT", path, "$.transcript.digest", f"is not that of {where}", _AGAIN)
    if document["outcome"]["status"] != "completed":
        rule = f"a {document['outcome']['status']} benchmark has no transcript"
        yield Finding("EV-TRANSCRIPT", path, "$.transcript", rule)
    if where not in documents:  # what is wrong with it was reported by then
        return
    kept = documents[where]
    if len(kept["exchanges"]) != stated["exchanges"]:
        rule = f"says {stated['exchanges']}, {where} has {len(kept['exchanges'])}"
        yield Finding("EV-TRANSCRIPT", path, "$.transcript.exchanges", rule, _AGAIN)
    asked = (kept["benchmark"], kept["site"])
    if asked != (document["benchmark"]["name"], document["site"]["name"]):
        yield Finding("EV-TRANSCRIPT", where, "$", f"is of {asked[0]} at {asked[1]}, {path} is not", _AGAIN)

"""The importer of what HUSAI's earlier scripts wrote, by the shape of each file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from husai_core import hookimpl
from husai_core.evidence import Outcome
from husai_core.importer import Imported, Importer, Note, Result, SourceFile
from husai_importers.earlier import (
    ce_bench,
    frontier,
    multiseed,
    ood,
    probing,
    release_policy,
    selector,
    transcoder,
)
from husai_importers.reader import Reader

_KINDS = (release_policy, frontier, ood, transcoder, selector, ce_bench, probing, multiseed)
_NOTHING = Outcome("failed", "nothing in it is a number that can be read", "give the file as the script wrote it")


class EarlierScriptsImporter(Importer):
    name = "earlier_scripts"
    summary = "Release policies, selections, frontiers, shifts, transcoders and benchmark summaries of HUSAI's scripts."
    samples = "samples/earlier_scripts"

    def recognises(self, document: Any) -> bool:
        return isinstance(document, Mapping) and any(kind.recognises(document) for kind in _KINDS)

    def read(self, files: Sequence[SourceFile]) -> Imported:
        results: list[Result] = []
        notes: list[Note] = []
        for file in files:
            kind = next(kind for kind in _KINDS if kind.recognises(file.document))
            reader = Reader(file)
            results += map(_honest, kind.read(reader))
            notes += reader.notes
        return Imported(tuple(results), tuple(notes))


def _honest(result: Result) -> Result:
    """One that completed has measurements."""
    empty = result.outcome.status == "completed" and not result.measurements
    return dataclasses.replace(result, outcome=_NOTHING) if empty else result


@hookimpl
def husai_importers() -> Sequence[Importer]:
    return [EarlierScriptsImporter()]

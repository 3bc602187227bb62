"""Multi-seed summaries of the earlier scripts: one line of training and probing for every seed."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

from husai_core.importer import Result, SpokenOf, digest_of, identifier
from husai_importers.earlier.dictionary import TOOL
from husai_importers.reader import Reader, rows, table, whole

BENCHMARK = "earlier_saebench"


def recognises(document: Mapping[str, Any]) -> bool:
    found = rows(document.get("runs"))
    return bool(found) and all("seed" in run and "best_auc" in run for run in found)


def read(reader: Reader) -> list[Result]:
    document, name = reader.file.document, identifier(reader.file.name)
    found: dict[int, SpokenOf] = {}
    deltas = []
    for index, run in enumerate(rows(document["runs"])):
        place, seed = f"$.runs[{index}]", whole(run.get("seed"))
        if seed is None or seed in found:
            reader.note(
                f"{place}.seed", "is no seed, or one that stands there before", "ask for the file as it was written"
            )
            continue
        unverified = ("which model and site it is of, and how wide it is: the file says none",)
        found[seed] = SpokenOf(name, seed, "unknown", "unknown", "unknown", digest_of(run), unverified=unverified)
        if "train_ev" in run:
            reader.observe("earlier_explained_variance", name, (seed,), run["train_ev"], f"{place}.train_ev")
        base = reader.observe("earlier_llm_probe_auc", name, (seed,), run.get("llm_auc"), f"{place}.llm_auc")
        best = reader.of("earlier_probe_auc", run["best_auc"], f"{place}.best_auc")
        if best is not None and base is not None:
            deltas.append(best - base)
            reader.expect(run.get("delta_auc"), deltas[-1], f"{place}.delta_auc", "the difference of the two")
            reader.observe("earlier_probe_best_delta", name, (seed,), deltas[-1], place)
    mean = fsum(deltas) / len(deltas) if deltas else None
    stated = table(table(document.get("aggregate")).get("delta_auc_vs_llm")).get("mean")
    reader.expect(stated, mean, "$.aggregate.delta_auc_vs_llm.mean", "the mean over seeds")
    planned = document.get("seeds")
    if isinstance(planned, list) and (lacking := [s for s in planned if whole(s) is not None and s not in found]):
        reader.note("$.seeds", f"seeds {', '.join(map(str, lacking))} are named and have no run", "measure them")
    own, files = tuple(found.values()), (reader.file.name,)
    return [Result(BENCHMARK, own, TOOL, "unknown", files, {}, reader.measurements(name))] if own else []

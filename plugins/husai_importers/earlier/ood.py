"""Out-of-distribution summaries of the earlier scripts: two probe summaries of one dictionary, and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.importer import Result
from husai_importers.earlier import probing
from husai_importers.earlier.dictionary import TOOL, seed_in, spoken
from husai_importers.reader import Reader, table

BENCHMARK = "earlier_ood"
_SIDES = {"id": "id_result", "ood": "ood_result"}


def recognises(document: Mapping[str, Any]) -> bool:
    return all(isinstance(document.get(side), Mapping) for side in _SIDES.values())


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    config = table(document.get("config"))
    summary = table(table(document["id_result"]).get("summary"))
    own = spoken(reader.file.name, seed_in(config.get("checkpoint")), config, summary)
    deltas = {}
    for label, side in _SIDES.items():
        found = table(document[side])
        if found.get("returncode") not in (None, 0):
            rule = f"the run of this side ended with code {found['returncode']}"
            reader.note(f"$.{side}.returncode", rule, "take nothing from it, or run it again")
        place = f"$.{side}.summary"
        deltas[label] = probing.observe(
            reader, own.condition, own.seed, table(found.get("summary")), place, {"sets": label}
        )
        reader.expect(found.get("best_minus_llm_auc"), deltas[label], f"$.{side}.best_minus_llm_auc", "its summary")
    if deltas["id"] is not None and deltas["ood"] is not None:
        drop = deltas["id"] - deltas["ood"]
        reader.observe("earlier_ood_drop", own.condition, (own.seed,), drop, "$")
        for key in ("ood_drop", "drop"):
            for place, holder in (("$", document), ("$.metrics", table(document.get("metrics")))):
                reader.expect(holder.get(key), drop, f"{place}.{key}", "the two sides")
    counts = {key: config[key] for key in ("id_dataset_count", "ood_dataset_count", "ks", "setting") if key in config}
    found_all = reader.measurements(own.condition)
    return [Result(BENCHMARK, (own,), TOOL, "unknown", (reader.file.name,), counts, found_all)]

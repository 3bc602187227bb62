"""CE-Bench summaries of the earlier scripts: three means of maxima, and those of a baseline on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.importer import Result
from husai_importers.earlier.dictionary import TOOL, seed_in, spoken
from husai_importers.reader import Reader, finite, table

BENCHMARK = "earlier_ce_bench"
_SCORES = ("contrastive", "independent", "interpretability")
_CONFIG = ("dataset_name", "dataset_rows_used", "max_rows", "random_seed", "llm_dtype", "sae_dtype")


def recognises(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("custom_metrics"), Mapping) or "interpretability_score_mean_max" in document


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    config = table(document.get("config"))
    own = spoken(reader.file.name, seed_in(config.get("sae_release", document.get("sae_release"))), config, document)
    observe(reader, own.condition, own.seed, document, "$")
    settings = {key: config[key] for key in _CONFIG if key in config}
    settings["total_rows"] = table(document.get("cebench_summary")).get("total_rows", document.get("total_rows"))
    found = reader.measurements(own.condition)
    return [Result(BENCHMARK, (own,), TOOL, "unknown", (reader.file.name,), settings, found)]


def observe(reader: Reader, condition: str, seed: int, document: Mapping[str, Any], place: str) -> None:
    own = table(document.get("custom_metrics")) or document
    where = f"{place}.custom_metrics" if "custom_metrics" in document else place
    matched = table(document.get("matched_baseline_metrics"))
    stated = table(document.get("delta_vs_matched_baseline"))
    for score in _SCORES:
        field = f"{score}_score_mean_max"
        if field in own:
            reader.observe(f"earlier_ce_bench_{score}", condition, (seed,), own[field], f"{where}.{field}")
        if finite(own.get(field)) and finite(matched.get(field)):
            expected = own[field] - matched[field]
            reader.expect(stated.get(field), expected, f"{place}.delta_vs_matched_baseline.{field}", "the difference")
    rows = table(document.get("cebench_summary")).get("total_rows", document.get("total_rows"))
    others = table(document.get("matched_baseline_payload")).get("total_rows")
    if others is not None and rows != others:
        rule = f"the baseline has {others} rows, and the dictionary {rows}"
        reader.note(f"{place}.matched_baseline_payload.total_rows", rule, "compare nothing with it")

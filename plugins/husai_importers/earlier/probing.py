"""Probe summaries of the earlier scripts: means over data sets by the number of latents, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.importer import Result
from husai_importers.earlier.dictionary import TOOL, seed_in, spoken
from husai_importers.reader import Reader, rows, table, whole

BENCHMARK = "earlier_saebench"
_SCORES = {"auc": "test_auc", "accuracy": "test_accuracy", "f1": "test_f1"}


def recognises(document: Mapping[str, Any]) -> bool:
    return isinstance(table(document.get("summary")).get("sae_metrics_by_k"), list)


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    config = table(document.get("config"))
    own = spoken(reader.file.name, seed_in(config.get("sae_release")), config, document)
    observe(reader, own.condition, own.seed, document, "$", {})
    return [Result(BENCHMARK, (own,), TOOL, "unknown", (reader.file.name,), config, reader.measurements(own.condition))]


def observe(
    reader: Reader, condition: str, seed: int, document: Mapping[str, Any], place: str, setting: Mapping[str, str]
) -> float | None:
    """The scores of one dictionary, and what its best number of latents gives over the model's own probe."""
    summary, at = table(document.get("summary")), f"{place}.summary"
    by_k: dict[int, Any] = {}
    for index, scores in enumerate(rows(summary.get("sae_metrics_by_k"))):
        k = whole(scores.get("k"))
        for score, field in _SCORES.items():
            where = f"{at}.sae_metrics_by_k[{index}].{field}"
            if k is not None and field in scores:
                reader.observe(f"earlier_probe_{score}", condition, (seed,), scores[field], where, {"k": k, **setting})
        if k is not None:
            by_k[k] = scores.get("test_auc")
    llm = table(summary.get("llm_metrics"))
    for score, field in _SCORES.items():
        if f"llm_{field}" in llm:
            where = f"{at}.llm_metrics.llm_{field}"
            reader.observe(f"earlier_llm_probe_{score}", condition, (seed,), llm[f"llm_{field}"], where, setting)
    best = max((value for value in by_k.values() if isinstance(value, float)), default=None)
    base = llm.get("llm_test_auc")
    delta = best - base if best is not None and isinstance(base, float) else None
    reader.expect(
        summary.get("best_minus_llm_auc"), delta, f"{at}.best_minus_llm_auc", "the best AUC minus the model's"
    )
    if delta is not None:
        reader.observe("earlier_probe_best_delta", condition, (seed,), delta, at, setting)
    return delta

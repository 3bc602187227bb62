"""Probe summaries of the earlier scripts: means over data sets by the number of latents, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.evidence import Scalar
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
    aucs: list[float] = []
    for index, scores in enumerate(rows(summary.get("sae_metrics_by_k"))):
        k = whole(scores.get("k"))
        for score, field in _SCORES.items():
            where = f"{at}.sae_metrics_by_k[{index}].{field}"
            if k is not None and field in scores:
                at_k: dict[str, Scalar] = {"k": k, **setting}
                seen = reader.observe(f"earlier_probe_{score}", condition, (seed,), scores[field], where, at_k)
                aucs += [seen] if score == "auc" and seen is not None else []
    llm, base = table(summary.get("llm_metrics")), None
    for score, field in _SCORES.items():
        if f"llm_{field}" in llm:
            where = f"{at}.llm_metrics.llm_{field}"
            own = llm[f"llm_{field}"]
            seen = reader.observe(f"earlier_llm_probe_{score}", condition, (seed,), own, where, setting)
            base = seen if score == "auc" else base
    delta = max(aucs) - base if aucs and base is not None else None
    reader.expect(
        summary.get("best_minus_llm_auc"), delta, f"{at}.best_minus_llm_auc", "the best AUC minus the model's"
    )
    if delta is not None:
        reader.observe("earlier_probe_best_delta", condition, (seed,), delta, at, setting)
    return delta

"""Where a SAEBench result keeps its numbers: one row for each data set, letter, latent or attribute that it scored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EVALS = {
    "core": "core",
    "sparse_probing": "sparse_probing",
    "sparse_probing_sae_probes": "sparse_probing_sae_probes",
    "absorption_first_letter": "absorption",
    "scr": "scr",
    "tpp": "tpp",
    "autointerp": "autointerp",
    "ravel": "ravel",
    "unlearning": "unlearning",
    "meta_structure_decoder_variance": "meta_structure",
}
"""The evals that are understood, by `eval_type_id` in lower case."""

_SUFFIX = re.compile(r"(_tpp)?_results?$")
WHOLE = ("core", "unlearning", "meta_structure")  # evals that give one value for all of what they read


@dataclass(frozen=True)
class Cell:
    """One value as it stands in the file, and its JSON path."""

    value: Any
    place: str


@dataclass(frozen=True)
class Row:
    """What one result says of one thing that it scored; rows of a group are averaged before groups are."""

    part: str
    group: str
    cells: Mapping[str, Cell]


def eval_of(result: Mapping[str, Any]) -> str | None:
    """Which eval a result is of, by what it says of itself; None where it is of no eval that is understood."""
    stated = result.get("eval_type_id")
    if isinstance(stated, str):
        return EVALS.get(stated.lower())
    old_core = all(isinstance(result.get(key), Mapping) for key in ("eval_cfg", "metrics"))
    return "core" if stated is None and old_core else None


def config_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings that the result says it was made with."""
    config = result.get("eval_config", result.get("eval_cfg"))
    return config if isinstance(config, Mapping) else {}


def rows(result: Mapping[str, Any]) -> list[Row]:
    """The rows from which every number of the result must follow; empty where it kept none."""
    kind = eval_of(result)
    if kind in WHOLE:
        cells = headline(result)
        return [Row("", "", cells)] if cells else []
    if kind == "autointerp":
        return list(_latents(result))
    if kind == "ravel":
        return list(_attributes(result))
    return list(_details(result))


def headline(result: Mapping[str, Any]) -> dict[str, Cell]:
    """The numbers at the head of the result, without their categories."""
    key = "eval_result_metrics" if "eval_result_metrics" in result else "metrics"
    found = {}
    for category, fields in _mapping(result.get(key)).items():
        for name, value in _mapping(fields).items():
            found[name] = Cell(value, f"$.{key}.{category}.{name}")
    return found


def _details(result: Mapping[str, Any]) -> Iterator[Row]:
    details = result.get("eval_result_details")
    for index, detail in enumerate(details if isinstance(details, list) else []):
        place = f"$.eval_result_details[{index}]"
        fields = _mapping(detail)
        name = fields.get("dataset_name", fields.get("first_letter"))
        part = _SUFFIX.sub("", name) if isinstance(name, str) else ""
        cells = {key: Cell(value, f"{place}.{key}") for key, value in fields.items()}
        for k, scores in _mapping(fields.get("sae_metrics_by_k")).items():
            for score, value in _mapping(scores).items():
                cells.setdefault(f"sae_top_{k}_{score}", Cell(value, f"{place}.sae_metrics_by_k.{k}.{score}"))
        yield Row(part, part, cells)


def _latents(result: Mapping[str, Any]) -> Iterator[Row]:
    for latent, found in _mapping(result.get("eval_result_unstructured")).items():
        place = f"$.eval_result_unstructured.{latent}.score"
        yield Row(str(latent), str(latent), {"score": Cell(_mapping(found).get("score"), place)})


def _attributes(result: Mapping[str, Any]) -> Iterator[Row]:
    for entity, attributes in _mapping(result.get("eval_result_unstructured")).items():
        for attribute, scores in _mapping(attributes).items():
            place = f"$.eval_result_unstructured.{entity}.{attribute}"
            cells = {key: Cell(value, f"{place}.{key}") for key, value in _mapping(scores).items()}
            yield Row(attribute, entity, cells)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

"""Selected candidates of the earlier scripts: one condition that was the best of many, with its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.importer import Result, SpokenOf, digest_of, identifier
from husai_importers.earlier.dictionary import TOOL
from husai_importers.reader import Reader, rows, table, text, whole

BENCHMARK = "earlier_selection"
_FIELDS = {
    "saebench_delta": "earlier_probe_best_delta",
    "cebench_interpretability_max": "earlier_ce_bench_interpretability",
    "train_explained_variance": "earlier_explained_variance",
}


def recognises(document: Mapping[str, Any]) -> bool:
    chosen = _chosen(document)
    return isinstance(chosen.get("condition_id"), str) and isinstance(chosen.get("metrics"), Mapping)


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    chosen = _chosen(document)
    at = "$.selected_candidate" if chosen is not document else "$"
    name = identifier(f"{reader.file.name}.{chosen['condition_id']}")
    members = rows(chosen.get("seed_candidates")) or [chosen]
    found: dict[int, SpokenOf] = {}
    for index, member in enumerate(members):
        place = f"{at}.seed_candidates[{index}]" if member is not chosen else at
        seed = whole(member.get("seed"))
        if seed is None or seed in found:
            reader.note(
                f"{place}.seed", "is no seed, or one that stands there before", "ask for the file as it was written"
            )
            continue
        found[seed] = _spoken(name, seed, chosen, member)
        for field, metric in _FIELDS.items():
            values = table(member.get("metrics"))
            if field in values:
                reader.observe(metric, name, (seed,), values[field], f"{place}.metrics.{field}")
    _notes(reader, document, chosen, at)
    measurements = reader.measurements(name)
    return (
        [Result(BENCHMARK, tuple(found.values()), TOOL, "unknown", (reader.file.name,), {}, measurements)]
        if found
        else []
    )


def _chosen(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The candidate itself, or the one that a summary of the selection holds."""
    held = document.get("selected_candidate")
    return held if isinstance(held, Mapping) else document


def _notes(reader: Reader, document: Mapping[str, Any], chosen: Mapping[str, Any], at: str) -> None:
    counts = table(document.get("counts"))
    among = counts.get("eligible_candidates", counts.get("total_candidates"))
    many = f"{among} candidates" if among is not None else "candidates that the file does not count"
    rule = f"is the best of {many}, chosen by the numbers that it is shown with"
    reader.note(at, rule, "judge it on seeds that took no part in the choice")
    mode = table(chosen.get("selection")).get("uncertainty_mode")
    if mode and mode != "mean":
        rule = f"holds '{mode}' bounds under the names of values; the values of the seeds are read"
        reader.note(f"{at}.metrics", rule, "none")


def _spoken(name: str, seed: int, chosen: Mapping[str, Any], member: Mapping[str, Any]) -> SpokenOf:
    return SpokenOf(
        condition=name,
        seed=seed,
        model="unknown",
        hook=text(chosen.get("hook_name")),
        architecture=text(chosen.get("architecture")),
        source=digest_of([name, seed, member]),
        unverified=("which model it is of, and how wide it is: the file says neither",),
    )

"""Frontier results of the earlier scripts: architectures on several seeds, each with its training and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.importer import Result, SpokenOf, identifier
from husai_importers.earlier import ce_bench, probing
from husai_importers.earlier.dictionary import TOOL, spoken
from husai_importers.reader import Reader, rows, table, text, whole

_TRAINED = {"explained_variance": "earlier_explained_variance", "mse": "earlier_mse", "l0": "earlier_l0"}
_ASK = "ask for the file as it was written"
_PREFIXES = {
    probing.BENCHMARK: ("earlier_probe", "earlier_llm"),
    ce_bench.BENCHMARK: ("earlier_ce_bench",),
    "earlier_training": tuple(_TRAINED.values()),
}


def recognises(document: Mapping[str, Any]) -> bool:
    found = rows(document.get("records"))
    return bool(found) and all("architecture" in record and "seed" in record for record in found)


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    config = table(document.get("config"))
    groups: dict[str, dict[int, SpokenOf]] = {}
    for index, record in enumerate(rows(document["records"])):
        place = f"$.records[{index}]"
        architecture, seed = text(record.get("architecture")), whole(record.get("seed"))
        name = identifier(f"{reader.file.name}.{architecture}")
        if seed is None or seed in groups.get(name, {}):
            reader.note(f"{place}.seed", "is no seed, or one that stands there before", _ASK)
            continue
        about = {"sae_meta": table(table(record.get("saebench")).get("sae_meta")), "record": record}
        own = spoken(name, seed, config, about, architecture)
        if any(_alike(own) != _alike(other) for other in groups.get(name, {}).values()):
            reader.note(place, f"is no seed of {name}: it differs from those before in what it says of itself", _ASK)
            continue
        groups.setdefault(name, {})[seed] = own
        _observe(reader, name, seed, record, place)
    results = []
    for name, members in groups.items():
        for benchmark, prefixes in _PREFIXES.items():
            found = tuple(m for prefix in prefixes for m in reader.measurements(name, prefix))
            if found:
                all_seeds, files = tuple(members.values()), (reader.file.name,)
                results.append(Result(benchmark, all_seeds, TOOL, "unknown", files, _plain(config), found))
    _note_missing(reader, groups)
    return results


def _alike(one: SpokenOf) -> tuple[object, ...]:
    """What all seeds of a condition share."""
    return one.dims, one.settings, one.architecture


def _observe(reader: Reader, name: str, seed: int, record: Mapping[str, Any], place: str) -> None:
    for field, metric in _TRAINED.items():
        trained = table(record.get("train_metrics"))
        if field in trained:
            reader.observe(metric, name, (seed,), trained[field], f"{place}.train_metrics.{field}")
    if probed := table(record.get("saebench")):
        probing.observe(reader, name, seed, probed, f"{place}.saebench", {})
    if scored := table(record.get("cebench")):
        ce_bench.observe(reader, name, seed, scored, f"{place}.cebench")


def _note_missing(reader: Reader, groups: Mapping[str, Mapping[int, SpokenOf]]) -> None:
    """A metric that some seeds of an architecture lack would be judged on the others alone."""
    for name, members in groups.items():
        for measurement in reader.measurements(name):
            lacking = set(members) - {o.seeds[0] for o in measurement.observations}
            if lacking:
                listed = ", ".join(map(str, sorted(lacking)))
                reader.note(
                    "$.records", f"{measurement.metric} of {name} is not there for seeds {listed}", "measure them"
                )


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the paths of the machine it ran on."""
    dropped = ("_path", "_dir", "_repo", "_summary", "_glob", "source_files", "run_id", "device", "command")
    return {key: value for key, value in config.items() if not key.endswith(dropped)}

"""Transcoder stress summaries of the earlier scripts: how far seeds of a transcoder and of an SAE agree at one site."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import fsum
from typing import Any

from husai_core.importer import Result, SpokenOf, digest_of, identifier
from husai_importers.earlier.dictionary import TOOL
from husai_importers.reader import Reader, finite, rows, table, whole

BENCHMARK = "earlier_transcoder"
_SIDES = ("transcoder", "sae")


def recognises(document: Mapping[str, Any]) -> bool:
    return all(isinstance(table(document.get(side)).get("pairwise_pwmcc_values"), list) for side in _SIDES)


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    config = table(document.get("config"))
    per_seed = rows(document.get("per_seed"))
    seeds = [seed for seed in (whole(row.get("seed")) for row in per_seed) if seed is not None]
    results, means = [], {}
    for side in _SIDES:
        name = identifier(f"{reader.file.name}.{side}")
        for index, row in enumerate(per_seed):
            seed, own = whole(row.get("seed")), table(row.get(side))
            for field in ("mse", "l0"):
                if seed is not None and field in own:
                    reader.observe(f"earlier_{field}", name, (seed,), own[field], f"$.per_seed[{index}].{side}.{field}")
        means[side] = _pairs(reader, name, table(document[side]), seeds, f"$.{side}")
        found = reader.measurements(name)
        members = tuple(_spoken(name, side, seed, config, document) for seed in seeds)
        if members:
            unverified = ("which pair of seeds each agreement is of: the file lists the values alone",)
            files = (reader.file.name,)
            results.append(Result(BENCHMARK, members, TOOL, "unknown", files, {}, found, unverified=unverified))
    if means["transcoder"] is not None and means["sae"] is not None:
        gap = means["transcoder"] - means["sae"]
        for key in ("delta", "transcoder_delta"):
            reader.expect(document.get(key), gap, f"$.{key}", "the two sides")
    return results


def _pairs(reader: Reader, name: str, side: Mapping[str, Any], seeds: list[int], place: str) -> float | None:
    values = side["pairwise_pwmcc_values"]
    pairs = list(combinations(sorted(set(seeds)), 2))
    if len(values) != len(pairs):
        rule = f"{len(values)} values, and {len(seeds)} seeds have {len(pairs)} pairs"
        reader.note(f"{place}.pairwise_pwmcc_values", rule, "measure every pair")
        return None
    places = [f"{place}.pairwise_pwmcc_values[{index}]" for index in range(len(values))]
    if any(reader.of("earlier_pwmcc", value, where) is None for value, where in zip(values, places, strict=True)):
        return None  # agreement over some of the pairs would be that of picked ones
    for pair, value, where in zip(pairs, values, places, strict=True):
        reader.observe("earlier_pwmcc", name, pair, value, where)
    mean = fsum(values) / len(values) if values and all(map(finite, values)) else None
    reader.expect(table(side.get("summary")).get("mean"), mean, f"{place}.summary.mean", "the pairs")
    return mean


def _spoken(name: str, side: str, seed: int, config: Mapping[str, Any], document: Mapping[str, Any]) -> SpokenOf:
    data = table(document.get("data"))
    dims = {}
    for key, value in (("d_in", data.get("d_model")), ("d_sae", config.get("d_sae"))):
        if number := whole(value):
            dims[key] = number
    settings = {key: config[key] for key in ("k", "epochs", "learning_rate", "batch_size") if key in config}
    hook = f"layer {config.get('layer', 'unknown')}, {config.get('position', 'unknown')} position"
    return SpokenOf(
        condition=name,
        seed=seed,
        model=f"modular addition modulo {config.get('modulus', 'unknown')}",
        hook=f"{hook}, MLP input" if side == "transcoder" else f"{hook}, MLP output",
        hook_out=f"{hook}, MLP output",
        architecture=side,
        source=digest_of([side, seed, document]),
        settings=settings,
        dims={**dims, "d_out": dims["d_in"]} if "d_in" in dims else dims,
    )

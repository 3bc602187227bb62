"""Do HUSAI's own benchmarks give what the official SAEBench gives for the same dictionaries and rows?

The bundle has both: `saebench_sae_probes` and `sparse_probing` with its settings of sae-probes, and core beside what is
right of it. Needs no torch.

    python benchmarks/official_agreement.py evidence/official --out benchmarks/official_agreement.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

Key = tuple[str, str, int, str]  # condition, k, seed, set

PROBES = (  # official, ours
    ("saebench_sae_probes_accuracy", "probe_accuracy"),
    ("saebench_sae_probes_auc", "probe_auc"),
    ("saebench_sae_probes_f1", "probe_f1"),
    ("saebench_sae_probes_llm_auc", "dense_probe_auc"),
)
CORE = (
    ("saebench_explained_variance", "explained_variance"),
    ("saebench_explained_variance_legacy", "explained_variance"),
    ("saebench_mse", "mse"),
)


def main() -> None:
    """Print the tables; with `--out FILE`, write them too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    evidence = {
        path.name.partition(".")[0]: json.loads(path.read_bytes()) for path in options.bundle.glob("evidence/*")
    }
    probing = dict(_values(evidence["saebench_sae_probes"])), dict(_values(evidence["sparse_probing"]))
    core = dict(_values(evidence["saebench_core"]))
    found = {
        "probing": {
            f"{theirs}{f', k = {k}' if k else ''}": _compared(_at(probing[0][theirs], k), _at(probing[1][ours], k))
            for theirs, ours in PROBES
            for k in sorted({key[1] for key in probing[1][ours]})
        },
        "core_wrong_and_right": {f"{wrong} against {right}": _apart(core[wrong], core[right]) for wrong, right in CORE},
    }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _values(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[Key, float]]]:
    """The observations of every metric."""
    found: dict[str, dict[Key, float]] = {}
    for measurement in document["measurements"]:
        k = str(measurement["setting"].get("k", ""))
        for observation in measurement["observations"]:
            part = observation.get("part", "").removeprefix("sae_probes:")
            key = (measurement["condition"], k, observation["seeds"][0], part)
            found.setdefault(measurement["metric"]["name"], {})[key] = observation["value"]
    yield from found.items()


def _at(values: Mapping[Key, float], k: str) -> dict[Key, float]:
    return {key: value for key, value in values.items() if key[1] == k}


def _compared(theirs: Mapping[Key, float], ours: Mapping[Key, float]) -> dict[str, Any]:
    """How often both say the same of one dictionary, k and set, and by how much they differ where they do not."""
    both = sorted(theirs.keys() & ours.keys())
    apart = {key: ours[key] - theirs[key] for key in both}
    worst = max(both, key=lambda key: abs(apart[key]))
    return {
        "compared": len(both),
        "only_one_has": len(theirs.keys() ^ ours.keys()),
        "equal_to_1e-9": sum(abs(value) < 1e-9 for value in apart.values()),
        "within_0.01": sum(abs(value) <= 0.01 for value in apart.values()),
        "mean_difference": fmean(apart.values()),
        "largest_difference": apart[worst],
        "largest_at": list(worst),
    }


def _apart(wrong: Mapping[Key, float], right: Mapping[Key, float]) -> dict[str, Any]:
    """By condition, the mean over seeds of the official number and of the right one on the same tokens."""
    conditions = sorted({key[0] for key in wrong})
    return {
        name: {
            "official": fmean(value for key, value in wrong.items() if key[0] == name),
            "right": fmean(value for key, value in right.items() if key[0] == name),
        }
        for name in conditions
    }


if __name__ == "__main__":
    main()

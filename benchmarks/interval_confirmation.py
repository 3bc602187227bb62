"""Do the default intervals hold the truth in cells that took no part in choosing them?

    python benchmarks/interval_confirmation.py

The default interval of pairs was chosen after a look at the cells of `interval_coverage.py`, so what these say
of it is flattering. Here are others: other numbers of seeds, correlations, dictionaries, layouts, and another random
stream. It writes `benchmarks/interval_confirmation.json` and the table of `docs/statistics.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import interval_coverage as coverage
import numpy as np
from interval_methods import CROSSED, PAIRS

RESULT = coverage.ROOT / "benchmarks" / "interval_confirmation.json"
SEED = 20261121
DRAWS = 40_000
SEEDS = (3, 4, 6, 10)
CORRELATIONS = (0.05, 0.18, 0.33, 0.45)
SEEN = {"dictionaries of a common truth, half seen": (0.4, 0.6), "dictionaries of a common truth, mixed": (0.3, 0.9)}
LAYOUTS = ((3, 8), (4, 40), (6, 15))
SPREADS = {"seeds and parts": (0.7, 0.7, 0.3), "a little of both": (0.3, 0.3, 1.0)}
MARK = "confirmation"


def cells(pairs: str, parts: str, draw: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Coverage of the two defaults."""

    def cell(kind: str, values: np.ndarray, truth: float, method: Any) -> dict[str, Any]:
        low, high = method(values, draw)
        return {"drawn": kind, "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4)}

    for n in SEEDS:
        for correlation in CORRELATIONS:
            values = coverage.components(DRAWS, n, correlation, draw)
            yield {"seeds": n, "correlation": correlation, **cell("components", values, 0.0, PAIRS[pairs])}
    for name, seen in SEEN.items():
        drawn = {n: coverage.dictionaries(DRAWS // 4, n, seen, draw) for n in SEEDS}
        truth = float(drawn[max(SEEDS)].mean())
        for n, values in drawn.items():
            yield {"seeds": n, **cell(name, values, truth, PAIRS[pairs])}
    for s, p in LAYOUTS:
        for name, spread in SPREADS.items():
            values = coverage.parts(DRAWS, s, p, spread, draw)
            yield {"seeds": s, "parts": p, **cell(f"spread of {name}", values, 0.0, CROSSED[parts])}


def table(result: dict[str, Any]) -> str:
    """The least coverage of each kind of cell, and where it is."""
    lines = ["| drawn | cells | least coverage | at |", "|---|---|---|---|"]
    for kind in dict.fromkeys(cell["drawn"] for cell in result["cells"]):
        here = [cell for cell in result["cells"] if cell["drawn"] == kind]
        least = min(here, key=lambda cell: cell["coverage"])
        at = ", ".join(f"{least[key]} {key}" for key in ("seeds", "parts") if key in least)
        at += f", correlation {least['correlation']}" if "correlation" in least else ""
        lines.append(f"| {kind} | {len(here)} | {100 * least['coverage']:.1f} % | {at} |")
    return "\n".join(lines)


def main() -> None:
    chosen = json.loads(coverage.RESULT.read_text())
    pairs, parts = chosen["pairs_default"], chosen["parts_default"]
    found = list(cells(pairs, parts, np.random.default_rng(SEED)))
    result = {
        "command": "python benchmarks/interval_confirmation.py",
        "random_stream": SEED,
        "draws": DRAWS,
        "pairs": pairs,
        "parts": parts,
        "least": min(cell["coverage"] for cell in found),
        "cells": found,
    }
    print(table(result))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    coverage.PAGE.write_text(coverage.put(coverage.PAGE.read_text(), MARK, table(result)))


if __name__ == "__main__":
    main()

"""How often do intervals hold the truth? Of pairs of seeds, and of seeds and parts, by simulation.

    python benchmarks/interval_coverage.py

writes `benchmarks/interval_coverage.json`, the figure `docs/interval_coverage.svg`, and the tables of
`docs/statistics.md` between their marks. The random stream is fixed, so the same numbers come again. `--quick` prints
a smaller simulation and writes nothing.

Pairs are drawn in two ways. *Components*: an effect of each seed and one of each pair, at an intraclass correlation
(that of two pairs that share a seed) from 0, where seeds share nothing, to 0.5, where pairs add nothing; 0.26 is about
what trained dictionaries have. *Dictionaries*: PWMCC of all pairs of small Gaussian dictionaries, and of dictionaries
that are a common truth seen through noise whose size differs from seed to seed, by less or by more. A method is fit to
be the default if it holds the truth in `LEAST` of the draws of every cell with `SEEDS` seeds;
of those that are, the narrowest is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from interval_methods import CONFIDENCE, CROSSED, PAIRS, RESAMPLES, Method, pairs_of

ROOT = Path(__file__).parents[1]
RESULT, FIGURE, PAGE = (
    ROOT / "benchmarks" / "interval_coverage.json",
    ROOT / "docs" / "interval_coverage.svg",
    ROOT / "docs" / "statistics.md",
)

LEAST = 0.94
SEED = 20260131
SEEDS = (3, 5, 8, 16)
CORRELATIONS = (0.0, 0.1, 0.26, 0.4, 0.5)
TRAINED = 0.26  # the correlation that trained dictionaries have, about
FEATURES, DIMENSIONS = 32, 16
SEEN = {  # how much of the common truth a seed sees; the further apart, the more seeds differ in quality
    "dictionaries of a common truth": (0.6, 0.77),
    "dictionaries of a common truth, further apart": (0.5, 0.8),
}
LAYOUTS = ((3, 20), (5, 12), (8, 30))
SPREADS = {
    "seeds": (1.0, 0.3, 0.3),
    "parts": (0.3, 1.0, 0.3),
    "parts only": (0.0, 1.0, 0.3),
    "neither": (0.0, 0.0, 1.0),
}

Cell = dict[str, Any]


def components(draws: int, n: int, correlation: float, draw: np.random.Generator) -> np.ndarray:
    """Pairs around nought: the effects of two seeds, and one of the pair."""
    effects = draw.standard_normal((draws, n)) * correlation**0.5
    one, other = pairs_of(n).T
    rest = draw.standard_normal((draws, len(one))) * max(0.0, 1 - 2 * correlation) ** 0.5
    return effects[:, one] + effects[:, other] + rest


def directions(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    rows = draw.standard_normal((*shape, FEATURES, DIMENSIONS))
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def dictionaries(draws: int, n: int, seen: tuple[float, float] | None, draw: np.random.Generator) -> np.ndarray:
    """PWMCC of all pairs of n dictionaries, random ones or ones that see a common truth."""
    truth = directions((), np.random.default_rng(SEED))
    one, other = pairs_of(n).T
    found = []
    for begin in range(0, draws, 100):
        rows = directions((min(100, draws - begin), n), draw)
        if seen:
            share = draw.uniform(*seen, size=(len(rows), n, 1, 1))
            rows = share * truth + np.sqrt(1 - share**2) * rows
            rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
        cosines = np.abs(rows[:, one] @ rows[:, other].swapaxes(-1, -2))
        found.append((cosines.max(axis=3).mean(axis=2) + cosines.max(axis=2).mean(axis=2)) / 2)
    return np.concatenate(found)


def correlation_of(values: np.ndarray, n: int) -> float:
    """The correlation of two pairs that share a seed."""
    pairs = pairs_of(n)
    shared = (pairs[:, None, :, None] == pairs[None, :, None, :]).any(axis=(2, 3)) & ~np.eye(len(pairs), dtype=bool)
    covariance = np.cov(values.T)
    return float(covariance[shared].mean() / np.diag(covariance).mean())


def parts(draws: int, s: int, p: int, spread: tuple[float, float, float], draw: np.random.Generator) -> np.ndarray:
    """Seeds and parts around nought: an effect of the seed, one of the part, and one of both."""
    effects = (draw.standard_normal(shape) for shape in ((draws, s, 1), (draws, 1, p), (draws, s, p)))
    return sum((size * effect for size, effect in zip(spread, effects, strict=True)), np.zeros((draws, s, p)))


def measured(
    values: np.ndarray, truth: float, methods: Mapping[str, Method], few: int, draw: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Of each method, how often it holds the truth, and how wide it is. Resampling is done of fewer draws."""
    found = {}
    for name, method in methods.items():
        used = values[:few] if "bootstrap" in name else values
        low, high = method(used, draw)
        held = float(((low <= truth) & (truth <= high)).mean())
        found[name] = {"coverage": round(held, 4), "width": round(float((high - low).mean()), 4), "draws": len(used)}
    return found


def pair_cells(draws: int, small: int, draw: np.random.Generator) -> Iterator[Cell]:
    for n in SEEDS:
        for correlation in CORRELATIONS:
            values = components(draws, n, correlation, draw)
            cell = {"drawn": "components", "seeds": n, "correlation": correlation}
            yield {**cell, "methods": measured(values, 0.0, PAIRS, small, draw)}
    for name, seen in {"random dictionaries": None, **SEEN}.items():
        drawn = {n: dictionaries(draws // 2, n, seen, draw) for n in SEEDS}
        truth = float(drawn[max(SEEDS)].mean())
        correlation = round(correlation_of(drawn[max(SEEDS)], max(SEEDS)), 3)
        for n, values in drawn.items():
            cell = {"drawn": name, "seeds": n, "correlation": correlation}
            yield {**cell, "methods": measured(values, truth, PAIRS, small, draw)}


def part_cells(draws: int, small: int, draw: np.random.Generator) -> Iterator[Cell]:
    for s, p in LAYOUTS:
        for name, spread in SPREADS.items():
            values = parts(draws, s, p, spread, draw)
            cell = {"drawn": f"spread of {name}", "seeds": s, "parts": p, "spread": spread}
            yield {**cell, "methods": measured(values, 0.0, CROSSED, small, draw)}


def fit(cells: list[Cell], methods: Mapping[str, Method]) -> list[dict[str, Any]]:
    """Of each method the least coverage and the mean width, relative to the widest of the fit ones."""
    found = []
    for name in methods:
        here = [cell["methods"][name] for cell in cells]
        least = min(one["coverage"] for one in here)
        width = float(np.exp(np.mean([np.log(one["width"]) for one in here])))
        found.append({"method": name, "least_coverage": least, "fit": least >= LEAST, "width": round(width, 4)})
    return found


def chosen(fits: list[dict[str, Any]]) -> str | None:
    """The narrowest of the methods that hold the truth often enough."""
    return min((one for one in fits if one["fit"]), key=lambda one: one["width"], default={"method": None})["method"]


def check_against_the_gate(draw: np.random.Generator) -> None:
    """The gate's own implementation gives the bounds of the methods that are chosen here."""
    from husai_gates.crossed import crossed_interval
    from husai_gates.interval import pairwise_interval

    for n in SEEDS:
        for row in components(20, n, TRAINED, draw):
            found = pairwise_interval(
                {(int(a), int(b)): float(v) for (a, b), v in zip(pairs_of(n), row, strict=True)}, CONFIDENCE
            )
            np.testing.assert_allclose(
                [found.low, found.high], np.ravel(PAIRS["seed jackknife t"](row[None], draw)), atol=1e-9
            )
    for s, p in LAYOUTS:
        for table in parts(20, s, p, (0.5, 0.5, 0.5), draw):
            found = crossed_interval(
                {(i,): {str(j): float(v) for j, v in enumerate(row)} for i, row in enumerate(table)}, CONFIDENCE
            )
            np.testing.assert_allclose(
                [found.low, found.high], np.ravel(CROSSED["crossed components t"](table[None], draw)), atol=1e-9
            )


def pair_table(result: Mapping[str, Any]) -> str:
    """Coverage in per cent, and mean width, of cells with the correlations that are asked for."""
    cells = [c for c in result["pairs"] if c["drawn"] != "components" or c["correlation"] in (0.0, TRAINED)]
    kinds = list(dict.fromkeys((c["drawn"], c["correlation"]) for c in cells))
    lines = []
    for drawn, correlation in kinds:
        here = [c for c in cells if (c["drawn"], c["correlation"]) == (drawn, correlation)]
        lines += ["", f"**{drawn.capitalize()}, correlation {correlation:g}**", ""]
        lines += table(here, [f"{c['seeds']} seeds" for c in here], result["pairs_fit"], result["pairs_default"])
    rest = [c for c in result["pairs"] if c["drawn"] == "components" and c not in cells]
    lines += ["", "**Components, other correlations: coverage**", ""]
    names = [f"{c['correlation']:g}, {c['seeds']}" for c in rest]
    lines += ["| method | " + " | ".join(names) + " |", "|" + " --- |" * (len(rest) + 1)]
    for method in (one["method"] for one in result["pairs_fit"]):
        lines.append(
            f"| {method} | " + " | ".join(f"{100 * c['methods'][method]['coverage']:.1f}" for c in rest) + " |"
        )
    return "\n".join([*lines, "", *summary(result["pairs_fit"], result["pairs_default"])]).strip()


def part_table(result: Mapping[str, Any]) -> str:
    lines = []
    for name in dict.fromkeys(c["drawn"] for c in result["parts"]):
        here = [c for c in result["parts"] if c["drawn"] == name]
        lines += ["", f"**{name.capitalize()}**", ""]
        lines += table(
            here,
            [f"{c['seeds']} seeds, {c['parts']} parts" for c in here],
            result["parts_fit"],
            result["parts_default"],
        )
    return "\n".join([*lines, "", *summary(result["parts_fit"], result["parts_default"])]).strip()


def table(cells: list[Cell], heads: list[str], fits: list[dict[str, Any]], default: str | None) -> list[str]:
    lines = ["| method | " + " | ".join(heads) + " |", "|" + " --- |" * (len(heads) + 1)]
    for one in fits:
        method = one["method"]
        shown = (c["methods"][method] for c in cells)
        words = " | ".join(f"{100 * m['coverage']:.1f} % ({m['width']:.3g})" for m in shown)
        lines.append(f"| {bold(method, default)} | {words} |")
    return lines


def summary(fits: list[dict[str, Any]], default: str | None) -> list[str]:
    lines = ["| method | least coverage of all cells | holds everywhere | mean width |", "| --- | --- | --- | --- |"]
    for one in fits:
        holds = "yes" if one["fit"] else "no"
        lines.append(
            f"| {bold(one['method'], default)} | {100 * one['least_coverage']:.1f} % | {holds} | {one['width']:.3f} |"
        )
    return lines


def bold(name: str, default: str | None) -> str:
    return f"**{name}**" if name == default else name


TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"pairs": pair_table, "parts": part_table}


def put(page: str, name: str, text: str) -> str:
    """The page with the text between the marks of that name."""
    begin, end = f"<!-- coverage {name} -->", f"<!-- end of coverage {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}"


def figure(result: Mapping[str, Any]) -> None:
    """Coverage of every method by number of seeds, a panel per way of drawing."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "husai"
    from matplotlib import pyplot

    kinds = [("components", 0.0), ("components", TRAINED)]
    kinds += [(c["drawn"], c["correlation"]) for c in result["pairs"] if c["drawn"] != "components"]
    kinds = list(dict.fromkeys(kinds))
    canvas, axes = pyplot.subplots(2, 3, figsize=(12, 6.4), sharex=True, sharey=True, layout="constrained")
    for axis in axes.flat[len(kinds) :]:
        axis.set_axis_off()
    for axis, (drawn, correlation) in zip(axes.flat, kinds, strict=False):
        here = [c for c in result["pairs"] if (c["drawn"], c["correlation"]) == (drawn, correlation)]
        for method in PAIRS:
            held = [100 * c["methods"][method]["coverage"] for c in here]
            thick = 2.6 if method == result["pairs_default"] else 1.1
            axis.plot(range(len(here)), held, marker="o", markersize=3, linewidth=thick, label=method)
        axis.axhline(100 * CONFIDENCE, color="#8f8f8f", linewidth=0.8)
        axis.axhline(100 * LEAST, color="#8f8f8f", linewidth=0.8, linestyle=":")
        axis.set_title(f"{drawn}, correlation {correlation:g}", fontsize=9)
        axis.set_xticks(range(len(here)), [str(c["seeds"]) for c in here])
        axis.set_ylim(40, 101)
    for axis in axes[1]:
        axis.set_xlabel("seeds")
    for axis in axes[:, 0]:
        axis.set_ylabel("% of intervals that hold the truth")
    canvas.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    canvas.savefig(FIGURE, metadata={"Date": None})


def simulate(draws: int, small: int) -> dict[str, Any]:
    draw = np.random.default_rng(SEED)
    check_against_the_gate(draw)
    pairs, both = list(pair_cells(draws, small, draw)), list(part_cells(draws, small, draw))
    pairs_fit, parts_fit = fit(pairs, PAIRS), fit(both, CROSSED)
    return {
        "command": "python benchmarks/interval_coverage.py",
        "random_stream": {"generator": "numpy.random.default_rng, PCG64", "seed": SEED, "numpy": np.__version__},
        "nominal": CONFIDENCE,
        "least": LEAST,
        "resamples": RESAMPLES,
        "pairs_default": chosen(pairs_fit),
        "pairs_fit": pairs_fit,
        "parts_default": chosen(parts_fit),
        "parts_fit": parts_fit,
        "pairs": pairs,
        "parts": both,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    begin = time.perf_counter()
    result = simulate(4000, 400) if quick else simulate(40_000, 4000)
    print(pair_table(result), part_table(result), sep="\n\n")
    print(f"{time.perf_counter() - begin:.0f} s")
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        figure(result)
        page = PAGE.read_text()
        for name, render in TABLES.items():
            page = put(page, name, render(result))
        PAGE.write_text(page)


if __name__ == "__main__":
    main()

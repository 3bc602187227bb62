"""The page on statistics is what the simulation said, and the gate computes what the simulation chose."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
stats = pytest.importorskip("scipy.stats")

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / "benchmarks" / "interval_coverage.json").read_text())
PAGE = (ROOT / "docs" / "statistics.md").read_text()


@pytest.fixture(scope="module", name="coverage")
def coverage_module() -> Any:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("interval_coverage")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
        for name in ("interval_coverage", "interval_methods"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["pairs", "parts"])
def test_the_tables_of_the_page_are_what_the_result_says(coverage: ModuleType, name: str) -> None:
    fresh = coverage.put(PAGE, name, coverage.TABLES[name](RESULT))
    assert fresh == PAGE, "run: python benchmarks/interval_coverage.py"


def test_every_number_of_seeds_was_simulated_without_and_with_an_effect_of_the_seed() -> None:
    cells = {(cell["drawn"], cell["seeds"], cell["correlation"]) for cell in RESULT["pairs"]}
    for seeds in (3, 5, 8, 16):
        assert {("components", seeds, 0.0), ("components", seeds, 0.26)} <= cells
        dictionaries = {cell[2] for cell in cells if cell[:2] != ("components", seeds) and cell[1] == seeds}
        assert min(dictionaries) < 0.02
        assert 0.2 < max(dictionaries) < 0.32


@pytest.mark.parametrize("name", ["pairs", "parts"])
def test_the_default_is_the_narrowest_of_those_that_hold_the_truth_everywhere(coverage: ModuleType, name: str) -> None:
    fits = coverage.fit(RESULT[name], coverage.PAIRS if name == "pairs" else coverage.CROSSED)
    assert fits == RESULT[f"{name}_fit"]
    fit = {one["method"]: one["width"] for one in fits if one["least_coverage"] >= 0.94}
    assert RESULT[f"{name}_default"] == min(fit, key=lambda method: fit[method])


def test_the_gate_computes_the_defaults(coverage: ModuleType) -> None:
    assert RESULT["pairs_default"] == "seed jackknife t"
    assert RESULT["parts_default"] == "crossed components t"
    coverage.check_against_the_gate(numpy.random.default_rng(0))


def test_the_same_stream_gives_the_same_numbers(coverage: ModuleType) -> None:
    one, other = (coverage.simulate(40, 20) for _ in range(2))
    assert one == other
    assert one["random_stream"]["seed"] == RESULT["random_stream"]["seed"]


def test_coverage_and_width_are_what_was_written(coverage: ModuleType) -> None:
    draw = numpy.random.default_rng(1)
    (kept,) = (c for c in RESULT["pairs"] if (c["drawn"], c["seeds"], c["correlation"]) == ("components", 5, 0.26))
    found = coverage.measured(coverage.components(4000, 5, 0.26, draw), 0.0, coverage.PAIRS, 400, draw)
    for method, one in found.items():
        error = (kept["methods"][method]["coverage"] * (1 - kept["methods"][method]["coverage"]) / one["draws"]) ** 0.5
        assert abs(one["coverage"] - kept["methods"][method]["coverage"]) < 5 * error, method
        assert one["width"] == pytest.approx(kept["methods"][method]["width"], rel=0.1)


def test_bca_is_scipys_on_the_same_resamples(coverage: ModuleType) -> None:
    intervals = sys.modules["interval_methods"]
    values = numpy.random.default_rng(2).exponential(size=12)
    plain = stats.bootstrap(
        (values,), numpy.mean, n_resamples=400, method="percentile", rng=numpy.random.default_rng(3)
    )
    expected = stats.bootstrap(
        (values,), numpy.mean, n_resamples=0, method="BCa", bootstrap_result=plain
    ).confidence_interval
    table = values[None, :, None]
    means = plain.bootstrap_distribution[None]
    low, high = intervals.bca(means, numpy.array([values.mean()]), intervals.leave_one_out(table))
    assert (float(low[0]), float(high[0])) == (
        pytest.approx(expected.low, rel=1e-9),
        pytest.approx(expected.high, rel=1e-9),
    )


def test_the_methods_that_the_page_names_are_those_that_decisions_record() -> None:
    from husai_gates.crossed import crossed_interval
    from husai_gates.interval import interval
    from husai_gates.welch import apart
    from husai_gates.wilson import wilson

    seeds = interval({(1,): 0.5, (2,): 0.6}, 0.95)
    pairs = interval({(1, 2): 0.5, (1, 3): 0.6, (2, 3): 0.7}, 0.95)
    parts = crossed_interval({(1,): {"a": 0.1, "b": 0.2}, (2,): {"a": 0.3, "b": 0.1}}, 0.95)
    for found in (seeds, pairs, parts, wilson(1, 2, 0.95)):
        assert f"| `{found.method}` |" in PAGE
    assert apart(seeds, seeds, 0.95).method.startswith("Welch: ")

"""The page on peers is what was measured, and the measurement is of the threats and the corpus that there are."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from husai_core.testing.corpus import CASES

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / "benchmarks" / "threats_of_peers.json").read_text())
PAGE = (ROOT / "docs" / "peers.md").read_text()


@pytest.fixture(scope="module", name="bench")
def bench_module() -> Any:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("threats_of_peers")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
        for name in ("threats_of_peers", "peer_formats"):
            sys.modules.pop(name, None)


def test_the_page_is_what_the_result_says(bench: Any) -> None:
    assert bench.rendered(PAGE, RESULT) == PAGE, "run: python benchmarks/threats_of_peers.py --render"


def test_the_result_is_of_the_trials_that_the_script_makes(bench: Any) -> None:
    made = [(p.name, p.asked, [(t.threat, t.what) for t in p.trials]) for p in bench.PEERS]
    measured = [(p["name"], p["asked"], [(t["threat"], t["what"]) for t in p["trials"]]) for p in RESULT["peers"]]
    assert measured == made, "run: python benchmarks/threats_of_peers.py --peers PEERS/bin --out FILE"
    assert all(t["outcome"] in bench.OUTCOMES for p in RESULT["peers"] for t in p["trials"])
    assert all((t["exit"] == 0) == (t["outcome"] == "passed") for p in RESULT["peers"] for t in p["trials"])


def test_our_own_column_says_nothing_that_the_corpus_does_not(bench: Any) -> None:
    cases = Counter(case.threat for case in CASES)
    for row in RESULT["husai"]["threats"]:
        assert row["stopped"] == row["cases"] <= cases[row["threat"]]
    tried = {trial["threat"] for peer in RESULT["peers"] for trial in peer["trials"]}
    assert tried <= bench.titles().keys()
    assert tried <= {row["threat"] for row in RESULT["husai"]["threats"]}


def test_no_path_of_the_machine_is_in_the_result() -> None:
    said = [trial["said"] for peer in RESULT["peers"] for trial in peer["trials"]]
    assert not [text for text in said if "/tmp" in text or "/home" in text or "/site-packages" in text]


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([], ""),
        (["stopped", "passed"], "1 of 2"),
        (["traceback", "passed", "stopped", "hung"], "1 of 4 (1 traceback, 1 hung)"),
    ],
)
def test_refusals_by_a_traceback_and_silence_are_counted_apart(bench: Any, outcomes: list[str], text: str) -> None:
    assert bench.cell([{"outcome": outcome} for outcome in outcomes]) == text

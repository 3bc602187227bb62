"""The page on mutants says what was measured, and every explanation belongs to a mutant that can still be made."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / "benchmarks" / "mutants.json").read_text())


@pytest.fixture(scope="module", name="writer")
def page_module() -> Any:
    spec = importlib.util.spec_from_file_location("mutants_page", ROOT / "benchmarks" / "mutants_page.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_was_measured(writer: Any) -> None:
    assert writer.page(RESULT) == (ROOT / "docs" / "mutation.md").read_text(), "run: python benchmarks/mutants_page.py"


def test_every_mutant_is_accounted_for() -> None:
    for name, module in RESULT["modules"].items():
        fates = module["killed"] + module["timeouts"] + len(module["equivalent"]) + len(module["survived"])
        assert module["mutants"] == fates > 0, name


def test_what_is_explained_is_still_in_the_code() -> None:
    for name, module in RESULT["modules"].items():
        text = (ROOT / "gates" / "husai_gates" / f"{name}.py").read_text()
        for one in (*module["equivalent"], *module["survived"]):
            assert one["mutant"].partition(" => ")[0] in text, f"run: python benchmarks/mutants.py --only {name}"
        assert all(one["why"] for one in module["equivalent"])


def test_no_comparison_and_no_early_return_of_the_judge_or_a_rule_survives() -> None:
    judges = [m for name, m in RESULT["modules"].items() if name in ("decision", "judge") or name.startswith("rules/")]
    assert len(judges) >= 12
    grave = ("ReplaceComparisonOperator", "RemoveStatement", "TurnMembership")
    assert not [one for m in judges for one in m["survived"] if one["operator"].startswith(grave)]

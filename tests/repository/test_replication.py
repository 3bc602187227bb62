"""The page on replication says what its bundles say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from husai_gates.pipeline import gate

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "studies" / "replication" / "table.py"
PAGE = (ROOT / "docs" / "replication.md").read_text()
STUDIES = sorted(path.stem for path in (ROOT / "studies" / "replication").glob("*.toml"))


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_the_tables_are_what_the_script_prints(script: dict[str, Any]) -> None:
    (kept,) = re.findall(r"<!-- table.py -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert kept.splitlines() == script["lines"](), "run: python studies/replication/table.py"


def test_every_number_of_the_page_is_in_its_tables_or_was_reported(script: dict[str, Any]) -> None:
    prose = re.sub(r"<!-- table.py -->.*?<!-- end -->", "", PAGE, flags=re.DOTALL)
    printed = set(re.findall(r"-?\d+\.\d{3,}", "\n".join(script["lines"]())))
    claims = [line.split("|") for line in prose.splitlines() if line.startswith("| ") and line.count("|") == 7]
    assert len(claims) == 8, "a head and seven claims"
    for _, _, _, ours, corrected, *_ in claims[1:]:
        found = re.findall(r"-?\d+\.\d{3,}", ours + corrected)
        assert found
        assert set(found) <= printed


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_its_bundle_and_it_is_not_released(name: str) -> None:
    folder = ROOT / "evidence" / "replication" / name
    assert (folder / "study.toml").read_bytes() == (SCRIPT.parent / f"{name}.toml").read_bytes()
    assert gate(folder, "replication").exit_code == 2

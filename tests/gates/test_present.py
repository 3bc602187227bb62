"""Present: this very condition was measured, every metric on every seed, and the row says where."""

from __future__ import annotations

from typing import Any

import pytest

RULE = """
schema = "husai:policy/v1"
name = "present"
version = "1"
purpose = "Was it measured?"
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Was it measured?"
reason = "It must be."
kind = "present"
benchmark = "reconstruction"
"""


@pytest.fixture
def row(draft: Any, decide: Any) -> Any:
    def judged() -> Any:
        return decide(draft.files(), RULE).rows[0]

    return judged


def test_it_says_what_was_measured_and_in_which_file(row: Any) -> None:
    found = row()
    assert (found.status, found.says) == ("pass", "measured: dead_fraction, explained_variance, l0")
    assert found.cells[0].evidence == "evidence/reconstruction.addition.json"


def test_what_was_measured_of_others_is_not_enough(row: Any, draft: Any) -> None:
    kept = [m for m in draft.reconstruction["measurements"] if m["condition"] != "addition.topk"]
    draft.reconstruction["measurements"] = kept
    found = row()
    assert (found.status, found.code) == ("missing", "EV-ABSENT")
    assert found.says == "reconstruction measured nothing of 'addition.topk'"


def test_every_metric_has_every_seed(row: Any, draft: Any) -> None:
    draft.measurement("l0")["observations"].pop()
    found = row()
    assert (found.status, found.code) == ("inconclusive", "EV-SEEDS-MISSING")
    assert found.says == "seeds 5 of 'addition.topk' were not observed"


def test_what_others_lack_is_no_matter(row: Any, draft: Any) -> None:
    draft.measurement("l0", "addition.relu")["observations"].pop()
    assert row().status == "pass"

"""Migrations: every old version has a step, a valid document stays valid, and nothing is said that was not meant."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import husai_schemas
from husai_schemas.migrations import STEPS

FOLDER = Path(husai_schemas.__file__).parent
OLD = [(name, version) for name in husai_schemas.NAMES for version in range(1, husai_schemas.newest(name))]
ADDED = {"agreement": 0.0, "decay_share": 0.2}


def valid(name: str) -> list[Any]:
    files = sorted((FOLDER / name / "examples" / "valid").iterdir())
    return [tomllib.loads(f.read_text()) if f.suffix == ".toml" else json.loads(f.read_text()) for f in files]


def test_every_version_but_the_newest_has_a_step_and_no_other_has() -> None:
    assert sorted(STEPS) == sorted(OLD)


@pytest.mark.parametrize("name", husai_schemas.NAMES)
def test_every_valid_document_is_valid_once_lifted_and_is_left_as_it_was(name: str) -> None:
    for document in valid(name):
        before = copy.deepcopy(document)
        lifted = husai_schemas.lift(name, document)
        assert document == before
        assert husai_schemas.version_of(name, lifted) == husai_schemas.newest(name)
        assert husai_schemas.problems(name, lifted) == []
        assert husai_schemas.lift(name, lifted) is lifted


def of_version_1(name: str) -> list[Any]:
    return [document for document in valid(name) if husai_schemas.version_of(name, document) == 1]


@pytest.mark.parametrize("document", of_version_1("subject"), ids=lambda d: f"{d['role']} {d['name']}")
def test_a_subject_of_version_1_says_what_it_meant(document: Any) -> None:
    lifted = husai_schemas.lift("subject", document)
    assert {key: value for key, value in lifted.items() if key not in ("schema", "budget")} == {
        key: value for key, value in document.items() if key not in ("schema", "budget")
    }
    added = {} if document["budget"].get("pretrained") else ADDED
    assert lifted["budget"] == {**added, **document["budget"]}


BUDGETS = st.fixed_dictionaries(
    {
        "steps": st.integers(0, 9), "batch_size": st.integers(0, 9), "rows_seen": st.integers(0, 99),
        "learning_rate": st.floats(0, 1), "data_order_seed": st.integers(0, 9),
    },
    optional={"decay_share": st.floats(0, 1)},
)  # fmt: skip
JOINT = st.fixed_dictionaries({"agreement": st.floats(0, 9, exclude_min=True), "match_every": st.integers(1, 99)})


@given(budget=BUDGETS, joint=st.one_of(st.just({}), JOINT))
def test_what_a_budget_said_is_never_changed(budget: dict[str, Any], joint: dict[str, Any]) -> None:
    document = {**of_version_1("subject")[0], "budget": {**budget, **joint}}
    assert husai_schemas.problems("subject", document) == []
    lifted = husai_schemas.lift("subject", document)
    assert husai_schemas.problems("subject", lifted) == []
    assert lifted["budget"] == {**ADDED, **budget, **joint}


def test_a_choice_of_version_1_says_so_of_everything_that_it_compared() -> None:
    (document,) = (d for d in of_version_1("choice") if len(d["compared"]) == 2 and d["result"]["chosen"])
    lifted = husai_schemas.lift("choice", document)
    assert [entry["budget"] for entry in lifted["compared"]] == [
        {**ADDED, **entry["budget"]} for entry in document["compared"]
    ]
    assert {**lifted, "schema": "", "compared": []} == {**document, "schema": "", "compared": []}


def test_a_pretrained_dictionary_that_was_chosen_gets_no_past() -> None:
    document = copy.deepcopy(of_version_1("choice")[-1])
    budgets = [entry["budget"] for entry in document["compared"]]
    budgets[0].clear()
    budgets[0] |= {"pretrained": True, "format": "sae_lens"}
    assert husai_schemas.problems("choice", document) == []
    lifted = husai_schemas.lift("choice", document)
    assert lifted["compared"][0]["budget"] == budgets[0]
    assert husai_schemas.problems("choice", lifted) == []

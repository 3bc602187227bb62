"""Versions: a document says which one it is of, exactly; nothing else is one, and a later one names the way out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import husai_schemas

FOLDER = Path(husai_schemas.__file__).parent


def subject(name: str = "candidate", **changes: Any) -> dict[str, Any]:
    document = json.loads((FOLDER / "subject" / "examples" / "valid" / f"{name}.json").read_text())
    return {**document, **changes}


def test_a_document_is_held_to_the_version_that_it_names() -> None:
    old = subject()
    assert husai_schemas.problems("subject", old) == []
    (first, second) = husai_schemas.problems("subject", {**old, "schema": "husai:subject/v2"})
    assert {first.rule, second.rule} == {"the key 'agreement' is missing", "the key 'decay_share' is missing"}
    # What version 2 says of a dictionary trained alone, version 1 has no words for.
    assert husai_schemas.problems("subject", {**subject("v2-candidate"), "schema": "husai:subject/v1"})


@pytest.mark.parametrize("stated", ["husai:subject/v3", "husai:subject/v12"])
def test_a_version_of_a_newer_husai_says_what_is_known_and_what_to_do(stated: str) -> None:
    (problem,) = husai_schemas.problems("subject", subject("v2-candidate", schema=stated))
    assert problem.path == "$.schema"
    assert "husai:subject/v1, husai:subject/v2" in problem.rule
    assert "install a newer husai" in problem.rule


STRANGE: list[Any] = [
    "husai:subject/v01", "husai:subject/v2 ", " husai:subject/v2", "husai:subject/v2\n", "husai:subject/V2",
    "husai:subject/v0", "husai:subject/v-1", "husai:subject/v", "husai:subject/v2.0", "husai:subject/v\u0662",
    "husai:subject/v" + "9" * 5000, "subject/v2", "husai:choice/v2", "v2", "", "2", 2, 2.0, True, None,
    ["husai:subject/v2"], {"husai:subject/v2": 2},
]  # fmt: skip


@pytest.mark.parametrize("stated", STRANGE, ids=lambda stated: repr(stated)[:30])
def test_any_other_way_to_write_a_version_names_none(stated: Any) -> None:
    document = subject("v2-candidate", schema=stated)
    assert husai_schemas.version_of("subject", document) is None
    assert any(problem.path == "$.schema" for problem in husai_schemas.problems("subject", document))
    with pytest.raises(ValueError, match="never valid"):
        husai_schemas.lift("subject", document)


def test_without_a_version_there_is_none() -> None:
    document = subject("v2-candidate")
    del document["schema"]
    assert husai_schemas.version_of("subject", document) is None
    assert [p.rule for p in husai_schemas.problems("subject", document)] == ["the key 'schema' is missing"]
    assert husai_schemas.version_of("subject", ["husai:subject/v2"]) is None


@pytest.mark.parametrize(("name", "version"), [("subject", 0), ("subject", 3), ("site", 2)])
def test_a_version_that_is_not_there_cannot_be_loaded(name: str, version: int) -> None:
    with pytest.raises(KeyError, match=f"no version {version} of the schema '{name}'"):
        husai_schemas.load(name, version)


def test_what_a_caller_gets_is_its_own() -> None:
    one = husai_schemas.load("subject", 1)
    one["properties"].clear()
    assert husai_schemas.load("subject", 1) != one
    assert copy.deepcopy(husai_schemas.versions("subject")) == {"husai:subject/v1": 1, "husai:subject/v2": 2}

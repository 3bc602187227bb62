"""Compiled schemas: they accept what the library accepts, and nothing else."""

from __future__ import annotations

import copy
import json
import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import husai_schemas
from husai_schemas.compiled import Compiler
from husai_schemas.registry import NAMES, _is_valid, _validator, newest, version_of

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 0.5, -1e300]), st.text(max_size=3),
    st.sampled_from(["a\n", "sha256:" + "0" * 64 + "\n", "x" * 5000]),
    st.just([]), st.just({}), st.just([1, 1]), st.just({"name": "a"}), st.just([[], []]),
)  # fmt: skip


def _examples() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in NAMES:
        for kind in ("valid", "invalid"):
            folder = resources.files("husai_schemas").joinpath(name, "examples", kind)
            for file in sorted(folder.iterdir(), key=lambda f: f.name) if folder.is_dir() else ():
                raw = file.read_bytes()
                document = json.loads(raw) if file.name.endswith("json") else tomllib.loads(raw.decode())
                found.setdefault(name, []).append(document)
    return found


EXAMPLES = _examples()


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_compiles_and_agrees_on_its_examples(name: str) -> None:
    for document in EXAMPLES.get(name, []):
        for version in range(1, newest(name) + 1):
            assert _is_valid(name, version)(document) == _validator(name, version).is_valid(document)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_no_change_of_an_example_is_judged_otherwise_than_by_the_library(data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(EXAMPLES)))
    document = copy.deepcopy(data.draw(st.sampled_from(EXAMPLES[name])))
    version = version_of(name, document) or newest(name)
    here = document
    while True:
        keys = sorted(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
            here = here[key]
            continue
        action = data.draw(st.sampled_from(["replace", "delete", "add", "twice"]))
        if action == "delete":
            del here[key]
        elif action == "add" and isinstance(here, dict):
            here[data.draw(st.text(max_size=3))] = data.draw(VALUES)
        elif action == "twice" and isinstance(here, list):
            here.append(here[key])
        else:
            here[key] = data.draw(VALUES)
        break
    assert _is_valid(name, version)(document) == _validator(name, version).is_valid(document)


@pytest.mark.parametrize("schema", [{"format": "uri"}, {"$ref": "https://example.org/x"}, {"const": [1]}])
def test_what_is_not_known_does_not_compile(schema: Any) -> None:
    with pytest.raises(NotImplementedError):
        Compiler(schema).compile(schema)


def test_a_definition_may_refer_to_itself() -> None:
    schema = {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
    check = Compiler(schema).compile(schema)
    assert check([[], [[]]])
    assert not check([[], [1]])


def test_what_is_wrong_is_still_said_by_the_library() -> None:
    assert husai_schemas.problems("manifest", {"schema": "husai:manifest/v1"})

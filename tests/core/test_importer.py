"""What importers share: names, settings and files as a bundle can hold them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import husai_schemas
from husai_core import strict_json
from husai_core.errors import UsageError
from husai_core.importer import Note, digest_of, identifier, listing, plain_settings, source_file

NAME = re.compile(husai_schemas.load("subject")["$defs"]["name"]["pattern"])
KEY = re.compile(r"[a-z][a-z0-9_]*")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


@given(st.text(max_size=300))
def test_any_text_gives_a_name_that_is_a_name(text: str) -> None:
    assert NAME.match(identifier(text))
    assert identifier(identifier(text)) == identifier(text)


def test_names_that_differ_far_behind_stay_two() -> None:
    one, other = (identifier("x" * 200 + end) for end in ("a", "b"))
    assert one != other
    assert len(one) <= 90
    assert identifier("google/gemma-2-2b") == "google.gemma-2-2b"
    assert identifier("///") == "unnamed"


@given(st.dictionaries(st.text(max_size=12), JSON, max_size=5))
def test_any_settings_are_held_as_evidence_holds_them(settings: dict[str, Any]) -> None:
    found = plain_settings(settings)
    assert all(KEY.fullmatch(key) for key in found)
    assert len(found) == len(settings)
    assert strict_json.parse(strict_json.encode(found), "settings") == found
    for value in found.values():
        assert value is None or isinstance(value, str | int | float | list)


def test_nested_settings_and_numbers_that_json_cannot_hold_are_written_out() -> None:
    found = plain_settings({"Top-K": [1, 2], "lookup": {"a": [1]}, "big": 2**60, "nan": float("nan"), "4bit": True})
    assert found == {"top_k": [1, 2], "lookup": '{"a": [1]}', "big": str(2**60), "nan": "nan", "s_4bit": True}


def test_a_file_may_hold_what_strict_json_refuses_but_not_one_key_twice() -> None:
    assert source_file("a", b'{"a": NaN, "b": -Infinity}', "a.json").document["b"] == float("-inf")
    with pytest.raises(UsageError, match="the key 'a' stands twice"):
        source_file("a", b'{"b": {"a": 1, "a": 1}}', "a.json")


@given(JSON)
def test_a_digest_is_of_the_content_and_not_of_the_order(value: Any) -> None:
    turned = dict(reversed(list(value.items()))) if isinstance(value, dict) else value
    assert digest_of(value) == digest_of(turned)
    assert digest_of(value) == digest_of(json.loads(json.dumps(value)))


def test_a_note_is_one_line_and_stands_once() -> None:
    note = Note("a", "$.x", "is null", "measure it")
    assert listing([note, note]) == ("a $.x: is null (measure it)",)

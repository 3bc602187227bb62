"""Handed documents: train and test from different ones, the same every time, and enough of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_saebench.official.handed import Texts


def texts(by_class: dict[str, list[str]]) -> Texts:
    found = Texts(None)
    found.by_class = by_class
    return found


@given(
    st.dictionaries(st.text("abc", min_size=1), st.lists(st.text("xyz", max_size=4), max_size=30), max_size=3),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 5),
)
def test_no_document_stands_on_both_sides_or_twice_on_one(by_class, train, test, seed):
    needed = train // 2 + test // 2
    if any(len(set(found)) < needed for found in by_class.values()):
        with pytest.raises(ValueError, match=r"documents, .* are needed"):
            texts(by_class).by_split(train, test, seed)
        return
    parts = texts(by_class).by_split(train, test, seed)
    assert parts == texts(by_class).by_split(train, test, seed)
    for name, given_texts in by_class.items():
        first, second = parts[0][name], parts[1][name]
        assert (len(first), len(second)) == (train // 2, test // 2)
        assert not set(first) & set(second)
        assert len(set(first)) == len(first)
        assert {*first, *second} <= set(given_texts)


def test_too_few_are_counted_without_repeats():
    with pytest.raises(ValueError, match="'a' has 2 documents, 3 are needed"):
        texts({"a": ["x", "x", "y", "y"]}).by_split(4, 2, 0)


def test_another_seed_draws_others():
    many = texts({"a": [f"text {n}" for n in range(50)]})
    assert many.by_split(20, 10, 0) != many.by_split(20, 10, 1)


def test_the_order_of_handed_documents_is_that_of_their_file(tmp_path: Path):
    by_class = {"b": ["2", "1"], "a": ["3"]}
    (tmp_path / "texts.json").write_text(json.dumps(by_class))
    assert Texts(tmp_path / "texts.json").documents() == ["2", "1", "3"]


def test_what_was_read_is_remembered_by_a_digest_that_tells_texts_apart():
    found = Texts(None)
    found.note("one", ["ab", "c"])
    found.note("other", ["a", "bc"])
    found.note("broken", ["\ud800"])
    assert found.taken["one"][1] == 2
    assert found.taken["one"][0] != found.taken["other"][0]
    assert found.taken["broken"][0].startswith("sha256:")

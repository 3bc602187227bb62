"""Splits: no document on both sides, both classes in every part, and the official rows where they are asked for."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_benchmarks.splits import folds, leak_free, official, official_leakage
from husai_core import EvaluationError

SIZES = st.tuples(st.integers(3, 60), st.integers(3, 60), st.integers(4, 80), st.integers(2, 40), st.integers(0, 9))


@given(SIZES)
@settings(max_examples=25)
def test_both_sides_are_balanced_and_share_nothing(sizes) -> None:
    one, other, train, test, seed = sizes
    texts = [f"text {n}" for n in range(one + other)]
    labels = [1] * one + [0] * other
    split = leak_free(texts, labels, train, test, seed, "here")
    assert not set(split.train) & set(split.test)
    assert split.leakage(texts) == 0
    for numbers, held, most in ((split.train, split.train_labels, train), (split.test, split.test_labels, test)):
        assert [labels[n] for n in numbers] == list(held)
        assert len(set(numbers)) == len(numbers) <= most
        assert 2 * sum(held) == len(held) > 0
    if min(one, other) >= train // 2 + test // 2:
        assert (len(split.train), len(split.test)) == (train // 2 * 2, test // 2 * 2)


def test_the_order_and_the_spelling_of_documents_do_not_matter() -> None:
    texts, labels = [f"Text  {n}" for n in range(30)], [n % 2 for n in range(30)]
    split = leak_free(texts, labels, 10, 6, 0, "here")
    turned = [text.lower() for text in texts[::-1]]
    again = leak_free(turned, labels[::-1], 10, 6, 0, "here")
    assert [turned[n] for n in again.train] == [texts[n].lower() for n in split.train]
    assert leak_free(texts, labels, 10, 6, 1, "here").train != split.train


@pytest.fixture(scope="module")
def theirs():
    """The function of sae-probes that draws rows, alone: its package imports half of what there is."""
    spec = find_spec("sae_probes")
    if spec is None:
        pytest.skip("sae_probes is not installed")
    source = Path(next(iter(spec.submodule_search_locations)), "utils_data.py").read_text()
    names = {"np": np}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "get_train_test_indices":
            exec(ast.get_source_segment(source, node), names)
    return names["get_train_test_indices"]


@pytest.mark.peers
@given(rows=st.integers(20, 60), seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_the_official_rows_are_those_of_sae_probes(theirs, rows, seed) -> None:
    labels = [n % 2 for n in range(rows)]
    split = official(labels, 10, 7, seed, "here")
    train, test = theirs(np.array(labels), 10, 7, 0.5, seed)
    assert (list(split.train), list(split.test)) == (train.tolist(), test.tolist())


def test_rows_that_are_not_there_are_not_drawn() -> None:
    with pytest.raises(EvaluationError, match="here: its classes have"):
        official([0, 1] * 5, 8, 6, 0, "here")


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_rows_of_a_rare_and_of_a_common_class_are_mixed(seed) -> None:
    labels = [int(n % 4 == 0) for n in range(600)]
    split = leak_free([f"text {n}" for n in range(600)], labels, 160, 80, seed, "here")
    assert 20 < sum(split.train_labels[80:]) < 60
    assert len(folds(torch.tensor(split.train_labels))) == 1


def test_folds_of_sorted_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="random order"):
        folds(torch.tensor([0] * 100 + [1] * 100))


def test_leakage_of_the_official_split_at_its_own_sizes() -> None:
    texts = [f"text {n % 300}" for n in range(600)]  # every text twice: 500 of 600 rows train
    leak = official_leakage(texts, [n % 2 for n in range(600)], 42, "here")
    assert 0.7 < leak < 0.95
    assert official_leakage([f"text {n}" for n in range(600)], [n % 2 for n in range(600)], 42, "here") == 0


@given(st.integers(2, 80))
@settings(max_examples=40)
def test_every_fold_has_both_classes_on_both_sides(half) -> None:
    labels = torch.tensor([0, 1] * half)
    found = folds(labels)
    assert len(found) == (half * half if half <= 6 else 6 if half < 64 else 1)
    for kept in found:
        assert len(labels[kept].unique()) == len(labels[~kept].unique()) == 2
    if 6 < half < 64:
        assert ((~found).sum(0) == 1).all()
    if half >= 64:
        assert found.sum() == 2 * half - min(2 * half // 5, 100)

"""Scores of many classifications at once are those of scikit-learn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from husai_benchmarks.classification import accuracy, auc, weighted_f1

VALUES = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1), st.booleans()), min_size=6, max_size=30)


@given(VALUES)
@settings(max_examples=40, deadline=None)
def test_scores_are_those_of_scikit_learn_with_ties(rows) -> None:
    values = torch.tensor([float(value) for value, _, _ in rows])
    labels = torch.tensor([label for _, label, _ in rows])
    said = (values > 0).long()
    assert float(accuracy(values, labels)) == pytest.approx(accuracy_score(labels, said))
    expected = f1_score(labels, said, average="weighted", zero_division=0)
    assert float(weighted_f1(values, labels)) == pytest.approx(expected)
    if len(labels.unique()) == 2:
        assert float(auc(values, labels)) == pytest.approx(roc_auc_score(labels, values), abs=1e-12)


@given(VALUES)
@settings(max_examples=40, deadline=None)
def test_auc_of_some_rows_leaves_the_others_out(rows) -> None:
    values = torch.tensor([float(value) for value, _, _ in rows])
    labels = torch.tensor([label for _, label, _ in rows])
    used = torch.tensor([kept for _, _, kept in rows])
    if len(labels[used].unique()) == 2:
        expected = roc_auc_score(labels[used], values[used])
        both = auc(torch.stack([values, -values]), labels.expand(2, -1), used.expand(2, -1))
        assert both.tolist() == pytest.approx([expected, 1 - expected], abs=1e-12)

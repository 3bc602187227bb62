"""MCC: the best one-to-one assignment, by brute force over permutations."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from husai_metrics.mcc import MCC
from husai_metrics.pwmcc import PWMCC

metric = MCC()


def brute(a: torch.Tensor, b: torch.Tensor) -> float:
    cosines = torch.nn.functional.cosine_similarity(a.unsqueeze(1), b.unsqueeze(0), dim=-1).abs()
    sums = [sum(float(cosines[i, j]) for i, j in enumerate(p)) for p in permutations(range(len(b)), len(a))]
    return max(sums) / len(a)


@pytest.mark.parametrize(("m", "n"), [(5, 5), (3, 6)])
def test_agrees_with_all_permutations(m, n, rows):
    a, b = rows(m, 4, 1).double(), rows(n, 4, 2).double()
    assert metric.compare(a, b) == pytest.approx(brute(a, b), abs=1e-12)
    assert metric.compare(b, a) == pytest.approx(brute(a, b), abs=1e-12)


def test_a_permuted_and_flipped_dictionary_matches_itself(rows):
    a = rows(30, 6)
    value = metric.compare(a, -2 * a.flip(0))
    assert value == pytest.approx(1)
    assert metric.card.allows(value)


def test_never_above_pwmcc_for_equal_sizes(rows):
    a, b = rows(40, 6, 1), rows(40, 6, 2)
    assert metric.compare(a, b) <= PWMCC().compare(a, b)


def test_a_feature_may_be_used_once():
    a = torch.eye(2)
    b = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert metric.compare(a, b) == pytest.approx(0.5)
    assert PWMCC().compare(a, b) == pytest.approx(0.75)
    assert metric.chance(10, 10) is None

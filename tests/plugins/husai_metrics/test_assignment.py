"""Assignment: the matching among candidates is scipy's over all pairs, whatever makes the candidates poor."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from husai_metrics import assignment
from husai_metrics.assignment import best_mean


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Every width goes the way of the widest, with few candidates and small blocks."""
    for name, value in {"DENSE": 0, "PARTNERS": 2, "BLOCK": 5}.items():
        monkeypatch.setattr(assignment, name, value)


def found(matrix: torch.Tensor) -> float:
    return best_mean(lambda chosen: matrix[chosen], *matrix.shape)


def exact(matrix: torch.Tensor) -> float:
    return float(matrix.numpy()[linear_sum_assignment(matrix.numpy(), maximize=True)].mean())


def drawn(seed: int, rows: int, columns: int) -> torch.Tensor:
    return 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 25), st.integers(0, 12))
def test_random_similarities(seed, rows, more):
    matrix = drawn(seed, rows, rows + more)
    assert found(matrix) == pytest.approx(exact(matrix), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 25), st.integers(0, 12))
def test_all_rows_want_the_same_columns(seed, rows, more):
    """The best partners of all rows are the same few, so nearly every pair of the matching was left out at first."""
    matrix = 0.2 * drawn(seed, rows, rows + more) + torch.linspace(0.8, -0.8, rows + more, dtype=torch.float64)
    assert found(matrix) == pytest.approx(exact(matrix), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20))
def test_ties_and_zeros(seed, rows):
    matrix = (2 * drawn(seed, rows, rows)).round() / 2
    assert found(matrix) == pytest.approx(exact(matrix), abs=1e-9)


def test_candidates_are_added_where_the_first_ones_do_not_do(monkeypatch):
    """A solver that stopped at the first candidates would be wrong here."""
    matrix = 0.2 * drawn(3, 20, 20) + torch.linspace(0.8, -0.8, 20, dtype=torch.float64)
    monkeypatch.setattr(assignment._Candidates, "_add_better_pairs", lambda *_: False)
    assert found(matrix) < exact(matrix) - 0.01


def test_a_matching_that_no_prices_prove_is_refused(monkeypatch):
    """Were scipy's matching not the best, the prices would say so."""
    import scipy.sparse.csgraph

    rows = torch.arange(3).numpy()
    monkeypatch.setattr(scipy.sparse.csgraph, "min_weight_full_bipartite_matching", lambda _: (rows, rows))
    with pytest.raises(ArithmeticError, match="no prices prove"):
        found(torch.tensor([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 0.5]], dtype=torch.float64))
    with pytest.raises(ArithmeticError, match="no prices prove"):
        found(torch.tensor([[0.1, 0.0, 0.0, 0.9], [0.0, 0.5, 0, 0], [0.0, 0.0, 0.5, 0.0]], dtype=torch.float64))

"""Aggregations: each forgets what it is there to forget, and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_benchmarks.aggregation import AGGREGATIONS, aggregated, pool

TABLES = st.integers(0, 2**32).map(
    lambda seed: torch.randn(9, 5, generator=torch.Generator().manual_seed(seed)).relu().double()
)
TOP = 3


def under(name: str, x: torch.Tensor) -> torch.Tensor:
    return next(aggregated([x], name, TOP))


@settings(deadline=None)
@given(TABLES, st.sampled_from(sorted(AGGREGATIONS)), st.permutations(range(9)))
def test_documents_may_come_in_any_order(x: torch.Tensor, name: str, order: list[int]) -> None:
    torch.testing.assert_close(under(name, x)[order], under(name, x[order]))


@settings(deadline=None)
@given(TABLES, st.floats(0.01, 100), st.floats(-5, 5))
def test_what_each_forgets(x: torch.Tensor, scale: float, shift: float) -> None:
    torch.testing.assert_close(under("zscore", x), under("zscore", scale * x + shift), atol=1e-6, rtol=1e-6)
    assert torch.equal(under("quantile", x), under("quantile", x.square()))
    assert torch.equal(under("binary", x), under("binary", scale * x))
    torch.testing.assert_close(under("log1p", x).expm1(), x)
    assert torch.equal(under("plain", x), x)


@settings(deadline=None)
@given(TABLES)
def test_top_k_keeps_the_largest_of_each_document(x: torch.Tensor) -> None:
    kept = under("topk", x)
    assert ((kept != 0).sum(-1) <= TOP).all()
    assert torch.equal(kept.sort(-1).values[:, -TOP:], x.sort(-1).values[:, -TOP:])


def test_quantiles_are_those_of_ranks_and_ties_share_theirs() -> None:
    x = torch.tensor([[0.0], [0.0], [5.0], [1.0]])
    assert under("quantile", x).flatten().tolist() == [0.25, 0.25, 0.875, 0.625]


def test_a_latent_that_never_changes_says_nothing() -> None:
    x = torch.tensor([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]])
    assert under("zscore", x)[:, 0].tolist() == [0, 0, 0]
    assert under("zscore", x)[:, 1].std(unbiased=False) == pytest.approx(1.0)


def test_pooling() -> None:
    rows = torch.tensor([[1.0, 5.0], [3.0, 1.0]])
    assert [pool(rows, how).tolist() for how in ("mean", "max", "last")] == [[2, 3], [3, 5], [3, 1]]

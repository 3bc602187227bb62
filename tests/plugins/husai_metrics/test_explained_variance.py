"""Explained variance is sklearn's variance-weighted R2, whatever the slicing and however large the mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from husai_core import Reconstruction
from husai_metrics.explained_variance import ExplainedVariance


def score(target: torch.Tensor, output: torch.Tensor, size: int) -> float:
    metric, state, latents = ExplainedVariance(), None, target.new_zeros(len(target), 1)
    for slices in zip(target.split(size), latents.split(size), output.split(size), strict=True):
        state = metric.update(state, Reconstruction(*slices))
    return metric.finish(state)


def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.tensor([0.1, 1.0, 5.0, 30.0])
    target = torch.randn(50, 4, generator=generator) * scales
    return target, target + torch.randn(50, 4, generator=generator)


seeds, sizes = st.integers(0, 2**31), st.integers(1, 60)


@settings(max_examples=40)
@given(seeds, sizes)
def test_agrees_with_sklearn(seed, size):
    target, output = draw(seed)
    expected = r2_score(target.double(), output.double(), multioutput="variance_weighted")
    assert score(target, output, size) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40)
@given(seeds, sizes, st.floats(-1e4, 1e4))
def test_a_large_mean_costs_no_digits(seed, size, offset):
    target, output = (t.double() for t in draw(seed))
    assert score(target + offset, output + offset, size) == pytest.approx(score(target, output, 50), abs=1e-9)


def test_float32_rows_with_a_large_mean():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(4000, 3, generator=generator) + 1e4
    output = target + 0.5 * torch.randn(4000, 3, generator=generator)
    expected = r2_score(target.double(), output.double(), multioutput="variance_weighted")
    assert score(target, output, 64) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20)
@given(seeds, sizes)
def test_perfect_is_one_and_the_mean_is_zero(seed, size):
    target = draw(seed)[0].double()
    assert score(target, target, size) == 1
    assert score(target, target.mean(0).expand_as(target), size) == pytest.approx(0, abs=1e-12)


def test_a_constant_target_is_refused():
    with pytest.raises(ValueError, match="no variance to explain"):
        score(torch.ones(5, 2), torch.zeros(5, 2), 5)

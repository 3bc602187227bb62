"""Activation MCC against NumPy's correlations and scipy's assignment, whatever the slicing and the sparsity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from husai_metrics import activation_mcc
from husai_metrics.activation_mcc import ActivationMCC

metric = ActivationMCC()


def score(first: torch.Tensor, second: torch.Tensor, size: int = 1000) -> float:
    state = None
    for pair in zip(first.split(size), second.split(size), strict=True):
        state = metric.update(state, *pair)
    return metric.finish(state)


def by_numpy(first: torch.Tensor, second: torch.Tensor) -> float:
    m = first.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.corrcoef(first.double().numpy().T, second.double().numpy().T)[:m, m:]
    correlations = np.nan_to_num(correlations)  # a latent that does not vary
    return float(correlations[linear_sum_assignment(correlations, maximize=True)].mean())


@pytest.fixture
def latents(rows):
    """Of two coders that see the same rows: dense (70, 12), and sparse (400, 30) with latents that are never active."""
    x = rows(70, 6, 0)
    dense = (x @ rows(6, 12, 1)).relu(), (x @ rows(6, 15, 2)).relu()
    active = torch.rand(400, 30, generator=torch.Generator().manual_seed(3)) < 0.04
    sparse = rows(400, 30, 4).abs() * active, rows(400, 30, 5).abs() * active.roll(1, 1)
    sparse[0][:, 7] = sparse[1][:, 2] = 0
    return {"dense": dense, "sparse": sparse}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_agrees_with_numpy_whatever_the_slices(kind, latents):
    first, second = latents[kind]
    expected = by_numpy(first, second)
    for size in (1000, 70, 9):
        assert score(first, second, size) == pytest.approx(expected, abs=1e-10)
    assert score(second, first) == pytest.approx(expected, abs=1e-10)


def test_sparse_and_dense_products_agree(latents, monkeypatch):
    sparse = score(*latents["sparse"])
    monkeypatch.setattr(activation_mcc, "SPARSE", -1.0)
    assert score(*latents["sparse"]) == pytest.approx(sparse, abs=1e-12)


def test_a_reordered_and_rescaled_coder_agrees_with_itself(latents):
    first = latents["dense"][0]
    value = score(first, 3 * first.flip(1) + 1)
    assert value == pytest.approx(1, abs=1e-9)
    assert metric.card.allows(value)


def test_dictionaries_that_differ_may_act_alike_and_the_other_way_round(latents):
    """What no dictionary metric sees: only the activations are looked at, and their sign counts."""
    first = latents["dense"][0]
    assert score(first, -first) < 0.9
    shuffled = first[torch.randperm(70, generator=torch.Generator().manual_seed(1))]
    assert score(first, shuffled) < 0.6


def test_latents_that_do_not_vary_agree_with_nothing():
    constant = torch.full((20, 3), 0.1)
    assert score(constant, constant) == 0
    assert score(torch.zeros(20, 3), torch.zeros(20, 3)) == 0


def test_memory_is_that_of_the_products():
    state = metric.update(None, torch.ones(4, 6), torch.ones(4, 9))
    assert metric.bytes_held(6, 9) == state.products.numel() * state.products.element_size()

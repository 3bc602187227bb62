"""HierarchicalTopK: the loss at every budget, its backward pass, the budget of inference."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.hierarchical_topk import (
    HierarchicalTopK,
    HierarchicalTopKSettings,
    husai_architectures,
    nested_errors,
)
from husai_architectures.topk import TopK, TopKSettings
from husai_core import Batch


def dense(params, x, y, budgets, weights):
    """The loss written out: the whole latent row cut to each budget and decoded."""
    pre = torch.relu((x - params["b_dec"].unsqueeze(-2)) @ params["W_enc"] + params["b_enc"].unsqueeze(-2))
    order = pre.argsort(-1, descending=True)
    total = 0.0
    for j, weight in zip(budgets, weights, strict=True):
        mask = torch.zeros_like(pre).scatter(-1, order[..., :j], 1.0)
        out = (pre * mask) @ params["W_dec"] + params["b_dec"].unsqueeze(-2)
        total = total + weight * ((y - out) ** 2).sum(-1).mean(-1)
    return total / sum(weights)


def in_float64(coder):
    return {name: value.double().requires_grad_() for name, value in coder.params.items()}


def test_the_module_offers_it():
    assert [a.name for a in husai_architectures()] == ["hierarchical_topk"]


@pytest.mark.parametrize(
    ("settings", "budgets", "weights"),
    [
        ({"budgets": (2, 3, 7)}, (2, 3, 7), (1, 1, 1)),
        ({"budgets": (1, 7), "weights": (3.0, 0.5)}, (1, 7), (3, 0.5)),
        ({}, range(1, 8), [1] * 7),
        ({"weights": (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0)}, (3, 7), (1, 2)),
    ],
)
def test_loss_and_gradients_are_those_of_the_formula(coder_of, rows, settings, budgets, weights):
    coder = coder_of(family=HierarchicalTopK, k=7, **settings)
    x, y = rows(40, 8).double(), rows(40, 8, seed=1).double()
    ours, theirs = in_float64(coder), in_float64(coder)
    loss = coder.architecture.loss(ours, Batch(x, y), coder.settings)["nested_mse"]
    expected = dense(theirs, x, y, budgets, weights)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for name in ours:
        torch.testing.assert_close(ours[name].grad, theirs[name].grad)


def test_the_backward_pass_agrees_with_finite_differences(rows):
    start, values = rows(5, 3).double().requires_grad_(), rows(5, 4, seed=1).double().requires_grad_()
    table = rows(6, 3, seed=2).double().requires_grad_()
    places = torch.stack([torch.randperm(6, generator=torch.Generator().manual_seed(i))[:4] for i in range(5)])
    assert torch.autograd.gradcheck(
        lambda *a: nested_errors(a[0], a[1], places, a[2], [0.2, 0.0, 0.3, 0.5])[0], (start, values, table)
    )


def test_one_budget_is_topk(coder_of, rows):
    coder, x = coder_of(family=HierarchicalTopK, k=4, budgets=(4,), aux_coefficient=0.5), rows(30, 8)
    dead = torch.arange(24) >= 12
    ours = coder.architecture.loss(coder.params, Batch(x, x, dead), coder.settings)
    theirs = TopK().loss(coder.params, Batch(x, x, dead), TopKSettings(k=4, aux_coefficient=0.5))
    torch.testing.assert_close(ours["nested_mse"], theirs["mse"])
    torch.testing.assert_close(ours["aux"], theirs["aux"])


def test_inference_at_a_smaller_budget_keeps_the_largest(coder_of, rows):
    x = rows(50, 8)
    full, few = (coder_of(family=HierarchicalTopK, k=7, inference_k=k) for k in (None, 3))
    kept = full.encode(x)
    expected = torch.where(kept >= kept.sort(-1, descending=True).values[:, 2:3], kept, 0.0)
    torch.testing.assert_close(few.encode(x), expected)
    assert few.architecture.to_sae_lens(few.params, few.settings)[0]["k"] == 3
    assert full.architecture.to_sae_lens(full.params, full.settings)[0]["k"] == 7


def test_the_loss_does_not_depend_on_the_budget_of_inference(coder_of, rows):
    x = rows(20, 8)
    losses = [
        coder.architecture.loss(coder.params, Batch(x, x), coder.settings)["nested_mse"]
        for coder in (coder_of(family=HierarchicalTopK, k=7, inference_k=k) for k in (None, 1))
    ]
    assert losses[0] == losses[1]


def test_nothing_of_rows_by_budgets_by_width_is_made(coder_of, rows):
    """Every tensor that a backward pass would keep is at most rows x d_sae."""
    coder, x = coder_of(family=HierarchicalTopK, k=16, dims=(8, 64, 8)), rows(32, 8)
    sizes = []
    params = {name: value.clone().requires_grad_() for name, value in coder.params.items()}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        coder.architecture.loss(params, Batch(x, x), coder.settings)
    assert max(sizes) <= 32 * 64
    assert sum(sizes) <= 6 * 32 * 64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"budgets": (4, 2, 8)}, "increase"),
        ({"budgets": (2, 2, 8)}, "increase"),
        ({"budgets": (2, 4)}, "end with k = 8"),
        ({"budgets": ()}, "end with k = 8"),
        ({"budgets": (0, 8)}, "at least 1"),
        ({"budgets": (2, 8), "weights": (1.0,)}, "one per budget"),
        ({"budgets": (2, 8), "weights": (0.0, 0.0)}, "not all zero"),
        ({"weights": (1.0, 1.0)}, "one per budget"),
        ({"budgets": (2, 8), "weights": (-1.0, 1.0)}, "weights"),
        ({"inference_k": 9}, "inference_k"),
        ({"inference_k": 0}, "inference_k"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalTopKSettings(k=8, **wrong)

"""JumpReLU: its two ways to be sparse, and its constraints."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.affine import variance
from husai_architectures.jumprelu import JumpRelu, JumpReluSettings, husai_architectures
from husai_core import Batch


def test_the_module_offers_jumprelu():
    assert [a.name for a in husai_architectures()] == ["jumprelu"]


def test_terms_of_both_modes(coder_of, rows):
    x = rows(30, 8)
    for sparsity in ("target", "step"):
        coder = coder_of(family=JumpRelu, sparsity=sparsity, target_l0=3.0, l0_coefficient=0.7, l0_warm_up=0.5)
        terms = coder.architecture.loss(coder.params, Batch(x, x, None, step=1, steps=8), coder.settings)
        assert set(terms) == {"mse", "l0"}
        latents = coder.encode(x)
        l0 = (latents > 0).float().sum(-1).mean()
        penalty = l0 if sparsity == "step" else (l0 / 3 - 1) ** 2 * variance(x)
        torch.testing.assert_close(terms["l0"], 0.7 * 0.25 * penalty)
        torch.testing.assert_close(terms["mse"], (coder.decode(latents) - x).square().sum(-1).mean())


def test_thresholds_fall_no_lower_than_zero(coder_of):
    coder = coder_of(family=JumpRelu)
    params = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
    with torch.no_grad():
        params["threshold"] -= 0.05
    coder.architecture.project(params, coder.settings)
    expected = (coder.params["threshold"] - 0.05).clamp(min=0)
    torch.testing.assert_close(params["threshold"].detach(), expected, rtol=0, atol=0)
    torch.testing.assert_close(params["W_dec"].norm(dim=-1), torch.ones(24))


def test_the_pre_activation_term_reaches_dead_latents_only(coder_of, rows):
    coder, x = coder_of(family=JumpRelu, pre_act_coefficient=0.3), rows(30, 8)
    dead = torch.arange(24) < 5
    params = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
    coder.architecture.loss(params, Batch(x, x, dead), coder.settings)["pre_act"].backward()
    assert (params["b_enc"].grad[:5] < 0).any()
    assert (params["b_enc"].grad[5:] == 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sparsity": "tanh"},
        {"target_l0": 0.0},
        {"bandwidth": 0.0},
        {"l0_coefficient": -1.0},
        {"l0_warm_up": float("nan")},
        {"initial_threshold": -0.1},
        {"pre_act_coefficient": float("inf")},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        JumpReluSettings(**wrong)

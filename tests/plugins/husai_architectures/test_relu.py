"""ReLU: its penalty, and that scale cannot cheat it."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.relu import Relu, ReluSettings, husai_architectures
from husai_core import Batch


def test_the_module_offers_relu():
    assert [a.name for a in husai_architectures()] == ["relu"]


def test_loss_agrees_with_numpy(coder_of, rows):
    coder, x = coder_of(family=Relu, l1_coefficient=0.3), rows(20, 8)
    terms = coder.architecture.loss(coder.params, Batch(x, x), coder.settings)
    p, xs = {k: v.double().numpy() for k, v in coder.params.items()}, x.double().numpy()
    latents = ((xs - p["b_dec"]) @ p["W_enc"] + p["b_enc"]).clip(min=0)
    errors = (latents @ p["W_dec"] + p["b_dec"] - xs) ** 2
    penalty = (latents * (p["W_dec"] ** 2).sum(1) ** 0.5).sum(1).mean()
    assert float(terms["mse"]) == pytest.approx(errors.sum(1).mean(), rel=1e-5)
    assert float(terms["l1"]) == pytest.approx(0.3 * penalty, rel=1e-5)


def test_shrinking_latents_and_growing_directions_gains_nothing(coder_of, rows):
    coder, x = coder_of(family=Relu), rows(20, 8)
    p = coder.params
    scaled = {**p, "W_enc": p["W_enc"] / 8, "b_enc": p["b_enc"] / 8, "W_dec": p["W_dec"] * 8}
    before = coder.architecture.loss(p, Batch(x, x), coder.settings)
    after = coder.architecture.loss(scaled, Batch(x, x), coder.settings)
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_impossible_coefficients_are_refused(wrong):
    with pytest.raises(ValueError, match="l1_coefficient"):
        ReluSettings(l1_coefficient=wrong)


def test_sae_lens_keys():
    keys, _ = Relu().to_sae_lens({"W_enc": torch.zeros(8, 24), "W_dec": torch.zeros(24, 8)}, ReluSettings())
    assert keys == {"architecture": "standard", "apply_b_dec_to_input": True}

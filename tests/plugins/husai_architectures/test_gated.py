"""Gated: the gate decides, the magnitude says how much."""

from __future__ import annotations

import torch

from husai_architectures.gated import Gated, husai_architectures
from husai_core import Batch


def test_the_module_offers_gated():
    assert [a.name for a in husai_architectures()] == ["gated"]


def test_a_latent_needs_its_gate_and_its_magnitude(coder_of, rows):
    coder, x = coder_of(family=Gated), rows(50, 8)
    p = coder.params
    gates = (x - p["b_dec"]) @ p["W_enc"] + p["b_gate"]
    sizes = (x - p["b_dec"]) @ (p["W_enc"] * p["r_mag"].exp()) + p["b_mag"]
    torch.testing.assert_close(coder.encode(x), torch.where(gates > 0, sizes.relu(), 0.0))


def test_the_penalty_warms_up_and_trains_the_gates_alone(coder_of, rows):
    coder, x = coder_of(family=Gated, l1_coefficient=2.0, l1_warm_up=0.5), rows(50, 8)
    params = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
    early, late = (
        coder.architecture.loss(params, Batch(x, x, None, step, 100), coder.settings)["l1"] for step in (25, 50)
    )
    torch.testing.assert_close(early * 2, late)
    late.backward()
    assert (params["b_gate"].grad > 0).any()
    assert params["b_mag"].grad is params["r_mag"].grad is None

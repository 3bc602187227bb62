"""dictionary_learning: with the same weights and rows, latents, outputs and every logged loss are theirs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from husai_architectures.affine import variance
from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK
from husai_architectures.topk import TopK
from husai_core import Batch

pytestmark = pytest.mark.peers
DEAD = torch.arange(24) >= 18
COMMON = {"steps": 10, "activation_dim": 8, "dict_size": 24, "layer": 0, "lm_name": "none", "device": "cpu"}


def trainer_of(kind: Any, params: dict[str, torch.Tensor], **settings: Any) -> Any:
    """One of their trainers, at a step past every warm-up, with these weights and the last six latents dead."""
    with torch.random.fork_rng(devices=[]):
        theirs = kind(**COMMON, warmup_steps=0, **settings)
    theirs.ae.load_state_dict(params, strict=False)
    if hasattr(theirs, "num_tokens_since_fired"):
        theirs.num_tokens_since_fired = torch.where(DEAD, theirs.dead_feature_threshold, 0)
    return theirs


def linear(p: dict[str, torch.Tensor], bias: str = "b_dec") -> dict[str, torch.Tensor]:
    return {"encoder.weight": p["W_enc"].T, "decoder.weight": p["W_dec"].T, bias: p["b_dec"]}


def prepared(coder: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """Live latents that always win, so that the dead ones stay dead in their count too."""
    coder.params["b_enc"][~DEAD] += 20
    return coder, coder.params


@pytest.mark.parametrize(("family", "module"), [(TopK, "top_k"), (BatchTopK, "batch_top_k")])
def test_topk_and_batch_topk(dictionary_learning, coder_of, rows, family, module):
    coder, p = prepared(coder_of(family=family, aux_coefficient=0.5))
    kind = getattr(dictionary_learning(f"trainers.{module}"), f"{family.__name__}Trainer")
    theirs = trainer_of(kind, linear(p) | {"encoder.bias": p["b_enc"]}, k=4, auxk_alpha=0.5)
    same_losses(coder, rows(40, 8), theirs, "l2_loss")


def test_batch_topk_at_inference(dictionary_learning, coder_of, rows):
    coder, x = coder_of(family=BatchTopK), rows(40, 8)
    coder.architecture.calibrate(coder.params, x, coder.settings)
    kind = dictionary_learning("trainers.batch_top_k").BatchTopKTrainer
    weights = linear(coder.params) | {"encoder.bias": coder.params["b_enc"], "threshold": coder.params["threshold"][0]}
    theirs = trainer_of(kind, weights, k=4)
    torch.testing.assert_close(coder.encode(x), theirs.ae.encode(x))


def test_matryoshka(dictionary_learning, coder_of, rows):
    """Their reconstruction term is the sum of ours over the square of the number of levels."""
    coder, p = prepared(coder_of(family=MatryoshkaBatchTopK, aux_coefficient=0.5, prefixes=(0.25, 0.5, 1.0)))
    kind = dictionary_learning("trainers.matryoshka_batch_top_k").MatryoshkaBatchTopKTrainer
    weights = {k: v for k, v in p.items() if k != "threshold"}
    theirs = trainer_of(kind, weights, k=4, auxk_alpha=0.5, group_fractions=[0.25, 0.25, 0.5])
    same_losses(coder, rows(40, 8), theirs, "l2_loss", levels=3)


def same_losses(coder: Any, x: torch.Tensor, theirs: Any, mse: str, levels: int = 1) -> None:
    logged = theirs.loss(x, step=0, logging=True)
    latents = coder.architecture.encode_in_training(coder.params, x, coder.settings)
    torch.testing.assert_close(latents, logged.f, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(coder.decode(latents), logged.x_hat, rtol=1e-5, atol=1e-5)
    terms = dict(coder.architecture.loss(coder.params, Batch(x, x, DEAD), coder.settings))
    aux = float(terms.pop("aux"))
    assert aux > 0
    assert float(sum(terms.values())) / levels**2 == pytest.approx(logged.losses[mse], rel=1e-5)
    assert aux / float(variance(x)) == pytest.approx(0.5 * logged.losses["auxk_loss"], rel=1e-4)


def test_jumprelu(dictionary_learning, coder_of, rows):
    """Theirs normalises activations to mean square norm 1; our target term is in units of their variance."""
    coder, x = coder_of(family=JumpRelu, target_l0=5.0, l0_coefficient=0.3, apply_b_dec_to_input=False), rows(40, 8)
    kind = dictionary_learning("trainers.jumprelu").JumpReluTrainer
    theirs = trainer_of(kind, coder.params, target_l0=5.0, sparsity_penalty=0.3, sparsity_warmup_steps=0)
    logged = theirs.loss(x, step=0, logging=True)
    torch.testing.assert_close(coder.encode(x), logged.f, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(coder.decode(coder.encode(x)), logged.recon, rtol=1e-5, atol=1e-5)
    terms = coder.architecture.loss(coder.params, Batch(x, x, None, 1, 1), coder.settings)
    assert float(terms["mse"]) == pytest.approx(logged.losses["l2_loss"], rel=1e-5)
    ours = float(terms["mse"] + terms["l0"] / variance(x))
    assert ours == pytest.approx(logged.losses["loss"], rel=1e-5)


def test_gated(dictionary_learning, coder_of, rows):
    """Their penalty has no decoder norms, which are 1 in their training, and their second term its own decoder."""
    coder, x = coder_of(family=Gated, l1_coefficient=0.3), rows(40, 8)
    p = coder.params
    p["W_dec"] /= p["W_dec"].norm(dim=-1, keepdim=True)
    kind = dictionary_learning("trainers.gdm").GatedSAETrainer
    weights = linear(p, "decoder_bias") | {"r_mag": p["r_mag"], "gate_bias": p["b_gate"], "mag_bias": p["b_mag"]}
    theirs = trainer_of(kind, weights, l1_penalty=0.3, sparsity_warmup_steps=0)
    logged = theirs.loss(x, step=0, logging=True)
    torch.testing.assert_close(coder.encode(x), logged.f, rtol=1e-5, atol=1e-5)
    terms = coder.architecture.loss(p, Batch(x, x, None, 1, 1), coder.settings)
    expected = (logged.losses["mse_loss"], 0.3 * logged.losses["sparsity_loss"], logged.losses["aux_loss"])
    for name, value in zip(("mse", "l1", "aux"), expected, strict=True):
        assert float(terms[name]) == pytest.approx(value, rel=1e-5)

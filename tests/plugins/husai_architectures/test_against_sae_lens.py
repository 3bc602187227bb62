"""SAELens: with the same weights and rows, outputs, every named loss and gradients are theirs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from husai_architectures.affine import variance
from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK
from husai_architectures.relu import Relu
from husai_architectures.topk import TopK
from husai_core import Batch

APPLY = pytest.mark.parametrize("apply_b_dec_to_input", [True, False])


def training_sae(sae_lens: Any, config: str, coder: Any, **settings: Any) -> Any:
    """SAELens's training coder of this kind with our weights."""
    kind = getattr(sae_lens, config)
    family = kind.__name__.removesuffix("Config")
    apply = coder.settings.apply_b_dec_to_input
    with torch.random.fork_rng(devices=[]):
        chosen = kind(d_in=8, d_sae=24, apply_b_dec_to_input=apply, **settings)
        theirs = getattr(sae_lens, family)(chosen)
    state = {k: v for k, v in coder.params.items() if k in theirs.state_dict()}
    missing = theirs.load_state_dict(state, strict=False).missing_keys
    assert set(missing) <= {"topk_threshold"}
    return theirs


def step(theirs: Any, x: torch.Tensor, dead: torch.Tensor | None = None, **coefficients: float) -> Any:
    from sae_lens.saes.sae import TrainStepInput

    chosen = TrainStepInput(
        sae_in=x, coefficients=coefficients, dead_neuron_mask=dead, n_training_steps=0, is_logging_step=False
    )
    return theirs.training_forward_pass(chosen)


def losses(coder: Any, x: torch.Tensor, dead: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    return dict(coder.architecture.loss(coder.params, Batch(x, x, dead, 1, 1), coder.settings))


def agree(coder: Any, x: torch.Tensor, output: Any) -> None:
    ours = coder.architecture.encode_in_training(coder.params, x, coder.settings)
    torch.testing.assert_close(ours, output.feature_acts, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(coder.decode(ours), output.sae_out, rtol=1e-5, atol=1e-5)


@APPLY
def test_relu(sae_lens, coder_of, rows, apply_b_dec_to_input):
    coder, x = coder_of(family=Relu, apply_b_dec_to_input=apply_b_dec_to_input, l1_coefficient=0.4), rows(40, 8)
    output = step(training_sae(sae_lens, "StandardTrainingSAEConfig", coder), x, l1=0.4)
    agree(coder, x, output)
    ours = losses(coder, x)
    torch.testing.assert_close(ours, {"mse": output.losses["mse_loss"], "l1": output.losses["l1_loss"]})


@APPLY
def test_gated(sae_lens, coder_of, rows, apply_b_dec_to_input):
    coder, x = coder_of(family=Gated, apply_b_dec_to_input=apply_b_dec_to_input, l1_coefficient=0.4), rows(40, 8)
    theirs = training_sae(sae_lens, "GatedTrainingSAEConfig", coder)
    output = step(theirs, x, l1=0.4)
    agree(coder, x, output)
    theirs_named = (output.losses[k] for k in ("mse_loss", "l1_loss", "auxiliary_reconstruction_loss"))
    torch.testing.assert_close(losses(coder, x), dict(zip(("mse", "l1", "aux"), theirs_named, strict=True)))
    same_gradients(coder, x, output.loss, theirs)


@pytest.mark.parametrize("ours_mode", ["step", "target"])
def test_jumprelu(sae_lens, coder_of, rows, ours_mode):
    """Their "quadratic" squares row by row, ours and the paper's the mean: one row has either."""
    x, dead = rows(40 if ours_mode == "step" else 1, 8), torch.arange(24) % 3 == 0
    chosen = {"l0_coefficient": 0.3, "bandwidth": 0.4, "pre_act_coefficient": 0.2}
    coder = coder_of(family=JumpRelu, sparsity=ours_mode, target_l0=5.0, **chosen)
    mode = {"step": "step", "target": "quadratic"}[ours_mode]
    theirs = training_sae(
        sae_lens,
        "JumpReLUTrainingSAEConfig",
        coder,
        jumprelu_bandwidth=0.4,
        jumprelu_sparsity_loss_mode=mode,
        target_l0=5.0,
        pre_act_loss_coefficient=0.2,
    )
    output = step(theirs, x, dead, l0=0.3)
    agree(coder, x, output)
    torch.testing.assert_close(coder.encode(x), output.feature_acts)
    ours = losses(coder, x, dead)
    torch.testing.assert_close(ours["mse"], output.losses["mse_loss"])
    torch.testing.assert_close(ours["pre_act"], output.losses["pre_act_loss"])
    if ours_mode == "step":
        torch.testing.assert_close(ours["l0"], output.losses["l0_loss"])
        same_gradients(coder, x, output.loss, theirs, dead)
    else:  # one row has no variance, the unit of ours
        l0 = (coder.encode(x) > 0).sum()
        torch.testing.assert_close(output.losses["l0_loss"], 0.3 * 2 * 5 * (l0 / 5 - 1) ** 2)
        assert float(ours["l0"]) == 0


@pytest.mark.parametrize(
    ("family", "config", "extra"),
    [
        (TopK, "TopKTrainingSAEConfig", {}),
        (BatchTopK, "BatchTopKTrainingSAEConfig", {}),
        (MatryoshkaBatchTopK, "MatryoshkaBatchTopKTrainingSAEConfig", {"matryoshka_widths": [6, 12, 24]}),
    ],
)
@APPLY
def test_the_topk_families(sae_lens, coder_of, rows, apply_b_dec_to_input, family, config, extra):
    """Their auxiliary term is in raw units and lets negative pre-activations in; ours is relative to the residual."""
    prefixes = {"prefixes": (0.25, 0.5, 1.0)} if extra else {}
    coder = coder_of(family=family, apply_b_dec_to_input=apply_b_dec_to_input, aux_coefficient=0.5, **prefixes)
    x, dead = rows(40, 8), torch.arange(24) >= 18
    coder.params["b_enc"][:18] += 50
    coder.params["b_enc"][dead] += 20
    theirs = training_sae(sae_lens, config, coder, k=4, rescale_acts_by_decoder_norm=False, **extra)
    output = step(theirs, x, dead)
    agree(coder, x, output)
    ours = losses(coder, x, dead)
    expected = {k.replace("mse_loss", "mse"): v for k, v in output.losses.items()}
    left_over = x - output.sae_out
    raw = expected.pop("auxiliary_reconstruction_loss")
    expected["aux"] = 0.5 * raw / variance(left_over) * variance(x)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def same_gradients(coder: Any, x: torch.Tensor, loss: Any, theirs: Any, dead: torch.Tensor | None = None) -> None:
    loss.backward()
    params = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
    terms = coder.architecture.loss(params, Batch(x, x, dead, 1, 1), coder.settings)
    torch.stack(list(terms.values())).sum().backward()
    for name, value in params.items():
        torch.testing.assert_close(value.grad, getattr(theirs, name).grad, rtol=1e-4, atol=1e-5, msg=name)

"""The adapter: what SAELens computes with the same weights and batches is what comes out here."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from husai_architectures.sae_lens_families import SaeLens, husai_architectures
from husai_core import Batch, Coder, Dims, EvaluationError, UsageError, interchange
from husai_core.settings import parse_settings, settings_table

WIDTHS = Dims(8, 24, 8)
OPTIONS: dict[str, dict[str, Any]] = {
    "standard": {"l1_coefficient": 0.3, "l1_warm_up_steps": 4},
    "gated": {"l1_warm_up_steps": 3},
    "topk": {"k": 4},
    "abstopk": {"k": 4},
    "jumprelu": {"l0_coefficient": 0.1, "l0_warm_up_steps": 5, "jumprelu_bandwidth": 0.5},
    "batchtopk": {"k": 4, "topk_threshold_lr": 0.2},
    "matryoshka_batchtopk": {"k": 3.5, "matryoshka_widths": [6, 24], "topk_threshold_lr": 0.2},
    "matching_pursuit": {"max_iterations": 4},
}
MORE = {
    "jumprelu": [
        {"jumprelu_sparsity_loss_mode": "tanh", "pre_act_loss_coefficient": 0.1},
        {"jumprelu_sparsity_loss_mode": "quadratic", "target_l0": 5, "jumprelu_ste_to_input": True},
    ],
    "topk": [
        {"k": 4, "use_sparse_activations": True, "rescale_acts_by_decoder_norm": False},
        {"k": 4, "rescale_acts_by_decoder_norm": False},
    ],
    "matryoshka_batchtopk": [{"k": 4, "matryoshka_widths": [6, 24], "use_matryoshka_aux_loss": True}],
}
CASES = [(family, options) for family, one in OPTIONS.items() for options in (one, *MORE.get(family, []))]
cases = pytest.mark.parametrize(("family", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "")


def chosen(family: str, options: dict[str, Any]) -> Any:
    return parse_settings(SaeLens().Settings, {"family": family, **options}, "$.sae[0].settings")


def start(settings: Any, seed: int = 0) -> dict[str, torch.Tensor]:
    return SaeLens().initialise(WIDTHS, settings, torch.Generator().manual_seed(seed), torch.zeros(8))


def theirs(family: str, options: dict[str, Any], weights: dict[str, torch.Tensor]) -> Any:
    """SAELens's own training module with these weights, made as its users make it."""
    from sae_lens.registry import SAE_TRAINING_CLASS_REGISTRY

    module, config = SAE_TRAINING_CLASS_REGISTRY[family]
    copied = {name: list(value) if isinstance(value, list) else value for name, value in options.items()}
    before = torch.get_rng_state()
    sae = module(config(d_in=8, d_sae=24, **copied))
    torch.set_rng_state(before)
    sae.load_state_dict({name: weights[name].clone() for name in sae.state_dict()})
    return sae.train()


def train_theirs(sae: Any, x: torch.Tensor, dead: torch.Tensor, steps: int) -> list[float]:
    """The loop of SAELens's trainer, without its clipping of gradients."""
    from sae_lens.saes.sae import TrainCoefficientConfig, TrainStepInput
    from sae_lens.training.optim import CoefficientScheduler

    schedulers = {}
    for name, asked in sae.get_coefficients().items():
        full = asked if isinstance(asked, TrainCoefficientConfig) else TrainCoefficientConfig(asked, 0)
        schedulers[name] = CoefficientScheduler(full.warm_up_steps, full.value)
    optimiser = torch.optim.Adam(sae.parameters(), lr=0.02)
    losses = []
    for step in range(steps):
        now = {name: scheduler.value for name, scheduler in schedulers.items()}
        out = sae.training_forward_pass(TrainStepInput(x[step], now, dead, step, False))
        out.loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        for scheduler in schedulers.values():
            scheduler.step()
        losses.append(out.loss.item())
    return losses


def train_ours(params: Any, settings: Any, x: torch.Tensor, dead: torch.Tensor, steps: int) -> list[torch.Tensor]:
    """The loop of HUSAI's trainer, all seeds at once."""
    ours = SaeLens()
    learned = [value.requires_grad_() for name, value in params.items() if name not in ours.fixed]
    optimiser = torch.optim.Adam(learned, lr=0.02)
    losses = []
    for step in range(steps):
        loss = ours.loss(params, Batch(x[step], x[step], dead, step, steps), settings)["loss"]
        optimiser.zero_grad()
        loss.sum().backward()
        for name, value in params.items():
            assert name in ours.fixed or (value.grad is not None and value.grad.isfinite().all())
        optimiser.step()
        with torch.no_grad():
            ours.project(params, settings)
        losses.append(loss.detach())
    with torch.no_grad():
        ours.calibrate(params, x.flatten(0, 1), settings)
    return losses


@cases
def test_training_is_theirs_for_every_seed(family, options, rows):
    settings, x = chosen(family, options), rows(6 * 32, 8).reshape(6, 32, 8)
    starts = [start(settings, seed) for seed in (0, 1)]
    dead = torch.arange(24) >= torch.tensor([[5], [24]])
    params = {name: torch.stack([one[name] for one in starts]) for name in starts[0]}
    losses = torch.stack(train_ours(params, settings, x, dead, 6))
    for i, one in enumerate(starts):
        sae = theirs(family, options, one)
        expected = torch.tensor(train_theirs(sae, x, dead[i], 6))
        torch.testing.assert_close(losses[:, i], expected, rtol=1e-4, atol=1e-5)
        for name, value in sae.state_dict().items():
            value = value.clamp_min(0) if name == "threshold" else value
            torch.testing.assert_close(params[name][i].detach(), value, rtol=1e-4, atol=1e-5)
            assert name == "b_dec" or not torch.equal(value, one[name])


@cases
def test_encode_and_decode_are_theirs(family, options, rows):
    settings, x = chosen(family, options), rows(40, 8)
    params = start(settings)
    sae = theirs(family, options, params)
    latents = SaeLens().encode(params, x, settings)
    with torch.no_grad():
        expected = sae.encode(x)
        expected = expected.to_dense() if expected.is_sparse else expected
        torch.testing.assert_close(latents, expected)
        torch.testing.assert_close(SaeLens().decode(params, latents, settings), sae.decode(expected))
        together = {name: torch.stack([value, value]) for name, value in params.items()}
        twice = SaeLens().encode(together, x, settings)
        torch.testing.assert_close(twice, torch.stack([latents, latents]))
        torch.testing.assert_close(SaeLens().decode(together, twice, settings)[1], sae.decode(expected))


@cases
def test_what_is_saved_loads_in_sae_lens_and_reads_back(family, options, rows, tmp_path):
    from sae_lens import SAE

    settings, x = chosen(family, options), rows(4 * 32, 8).reshape(4, 32, 8)
    params = start(settings)
    train_ours(params, settings, x, torch.zeros(24, dtype=torch.bool), 4)
    params = {name: value.detach() for name, value in params.items()}
    coder = Coder(SaeLens(), settings, WIDTHS, 0, params, params)
    files = interchange.saved_files(coder, "model", "hook")
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
    loaded, held_out = SAE.load_from_disk(str(tmp_path)), rows(50, 8, seed=9)
    latents = coder.encode(held_out)
    with torch.no_grad():
        torch.testing.assert_close(loaded.encode(held_out), latents, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(loaded.decode(loaded.encode(held_out)), coder.decode(latents), rtol=1e-5, atol=1e-5)
    read = interchange.read_params(SaeLens(), files)
    again = Coder(SaeLens(), settings, WIDTHS, 0, read, read)
    assert set(read) == set(params)
    torch.testing.assert_close(again.encode(held_out), latents, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(again.decode(again.encode(held_out)), coder.decode(latents), rtol=1e-5, atol=1e-5)
    config = {"architecture": loaded.cfg.architecture(), **coder.architecture.to_sae_lens(params, settings)[0]}
    assert (
        parse_settings(SaeLens().Settings, SaeLens().from_sae_lens(config, read | _maybe(config))[0], "$") == settings
    )


def _maybe(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {"threshold": torch.ones(24)} if config["architecture"] == "jumprelu" else {}


def test_every_registered_family_is_tried_here():
    from sae_lens.registry import SAE_TRAINING_CLASS_REGISTRY

    assert set(OPTIONS) == set(SAE_TRAINING_CLASS_REGISTRY)


@pytest.mark.parametrize("family", ["batchtopk", "matryoshka_batchtopk"])
def test_a_trained_row_does_not_depend_on_its_neighbours_and_an_untrained_one_keeps_k_on_average(family, rows):
    settings, x = chosen(family, {**OPTIONS[family], "k": 4}), rows(4 * 32, 8).reshape(4, 32, 8)
    params, ours = start(settings), SaeLens()
    assert (ours.encode(params, x[0], settings) != 0).sum() <= 4 * 32
    assert params["topk_threshold"] == params["released_threshold"] == 0
    train_ours(params, settings, x, torch.zeros(24, dtype=torch.bool), 4)
    assert params["released_threshold"] == params["topk_threshold"] > 0
    with torch.no_grad():
        whole = ours.encode(params, x[0], settings)
        torch.testing.assert_close(whole[:1], ours.encode(params, x[0, :1], settings))


def test_a_look_at_the_loss_moves_no_threshold(rows):
    settings, x = chosen("batchtopk", {"k": 4}), rows(32, 8)
    params = start(settings)
    with torch.no_grad():
        SaeLens().loss(params, Batch(x, x), settings)
    assert params["topk_threshold"] == 0
    SaeLens().loss(params, Batch(x, x), settings)
    assert params["topk_threshold"] > 0


def test_negative_thresholds_do_not_outlive_a_step():
    params = {"threshold": torch.tensor([-0.1, 0.2])}
    SaeLens().project(params, None)
    assert params["threshold"].tolist() == pytest.approx([0.0, 0.2])


@pytest.mark.parametrize(
    ("table", "place", "message"),
    [
        ({"family": "matryoshka"}, "$.s", "registers no family 'matryoshka'.*'matryoshka_batchtopk'"),
        ({"family": "temporal"}, "$.s", "registers no family 'temporal' for training"),
        (
            {"family": "topk", "l1_coefficient": 1.0},
            "$.s",
            "topk has no setting 'l1_coefficient'.*aux_loss_coefficient",
        ),
        ({"family": "topk", "kk": 1}, "$.s.kk", "unknown setting"),
        ({"family": "topk", "k": 2.5}, "$.s", "k of SAELens's topk must be a whole number"),
        ({"family": "topk", "k": "4"}, "$.s.k", "not of type"),
        ({"family": "jumprelu", "jumprelu_sparsity_loss_mode": "stpe"}, "$.s", "none of SAELens's.*'step'"),
        ({"family": "matching_pursuit", "decoder_init_norm": 0.5}, "$.s", "makes decoder_init_norm 1.0"),
        ({"family": "topk", "normalize_activations": "layer_norm"}, "$.s.normalize_activations", "unknown setting"),
        ({}, "$.s", "'family' is missing"),
    ],
)
def test_wrong_settings_say_what_is_known(table, place, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_settings(SaeLens().Settings, table, "$.s")
    assert caught.value.place == place


def test_evidence_records_the_defaults_that_were_used():
    table = settings_table(chosen("batchtopk", {}))
    assert table["k"] == 100
    assert table["topk_threshold_lr"] == 0.01
    assert table["l1_coefficient"] is None


def test_what_it_cannot_train_is_refused(rows):
    settings = chosen("topk", {"k": 4})
    with pytest.raises(ValueError, match="not 8 to 9"):
        SaeLens().initialise(Dims(8, 24, 9), settings, torch.Generator(), torch.zeros(9))
    with pytest.raises(EvaluationError, match=r"target is something else.*topk_transcoder"):
        SaeLens().loss(start(settings), Batch(rows(4, 8), rows(4, 8, seed=1)), settings)


def test_a_family_with_state_of_its_own_is_refused(monkeypatch):
    from sae_lens.registry import SAE_TRAINING_CLASS_REGISTRY as registry

    module, config = registry["topk"]

    class Counting(module):
        def initialize_weights(self):
            super().initialize_weights()
            self.register_buffer("steps_seen", torch.zeros(()))

    monkeypatch.setitem(registry, "counting", (Counting, config))
    with pytest.raises(ValueError, match="counting keeps 'steps_seen'"):
        start(chosen("counting", {"k": 4}))


def test_starts_differ_by_seed_only():
    settings = chosen("topk", {"k": 4})
    one, same, other = start(settings, 3), start(settings, 3), start(settings, 4)
    assert torch.equal(one["W_dec"], same["W_dec"])
    assert not torch.allclose(one["W_dec"], other["W_dec"])


def test_listing_it_imports_neither_sae_lens_nor_torch():
    (offered,) = husai_architectures()
    assert (offered.name, offered.requires) == ("sae_lens", ("torch", "sae_lens"))
    assert "sae-lens." in offered.version
    probe = (
        "import sys; from husai_core.plugins import PluginTable; "
        "p = PluginTable().get('architectures', 'sae_lens', '$'); "
        "sys.exit(p.status != 'ready' or 'sae_lens' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0

"""Controls leave their base untouched and score what they say they score."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from husai_controls.degraded import Degraded
from husai_controls.permuted_decoder import PermutedDecoder
from husai_controls.random_decoder import RandomDecoder
from husai_controls.untrained import Untrained
from husai_core.control import FittedControl, KnownControl, ModelControl
from husai_core.plugins import PluginTable
from husai_gates.audit.controls import BY_RECIPE, OF_A_PAST, OF_ANOTHER_MODEL, ONE_FOR_ALL, TRAINED, UNTRAINED
from husai_metrics.decoder_movement import CosineToInitial
from husai_metrics.mcc import MCC
from husai_metrics.pwmcc import PWMCC

CONTROLS = pytest.mark.parametrize("control", [Untrained(), RandomDecoder(), PermutedDecoder(), Degraded()])


@pytest.fixture(scope="module")
def plugins():
    return PluginTable()


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_modules_offer_them(plugins):
    shipped = {plugin.name: plugin.item for plugin in plugins.of_kind("controls")}
    assert set(shipped) == UNTRAINED | TRAINED
    for name, control in shipped.items():
        assert control.trained == (name in TRAINED)
        assert control.deterministic == (name in ONE_FOR_ALL)
        assert control.needs_recipe == (name in BY_RECIPE)
        assert (control.needs_initial or control.needs_recipe) == (name in OF_A_PAST)
        assert isinstance(control, ModelControl) == (name in OF_ANOTHER_MODEL)
        assert isinstance(control, FittedControl | KnownControl) == (name in ONE_FOR_ALL)
        for metric in ("pwmcc", "mcc", "cosine_to_initial", "explained_variance", "mse", "l0"):
            assert metric in control.expectation, name


@CONTROLS
def test_the_base_is_untouched_and_shares_no_storage(control, coder_of):
    base = coder_of()
    before = {k: v.clone() for k, v in (*base.params.items(),)}
    start = {k: v.clone() for k, v in base.initial.items()}
    made = control.make(base, control.Settings(), generator(1))
    for tensor in made.values():
        tensor.fill_(7)
    assert all(torch.equal(before[k], base.params[k]) for k in before)
    assert all(torch.equal(start[k], base.initial[k]) for k in start)


@CONTROLS
def test_same_seed_same_control_and_same_shapes(control, coder_of):
    base = coder_of()
    first, again = (control.make(base, control.Settings(), generator(5)) for _ in range(2))
    assert first.keys() == base.params.keys()
    for name in first:
        assert first[name].shape == base.params[name].shape
        assert torch.equal(first[name], again[name])


def test_untrained_has_not_moved(coder_of):
    base = coder_of()
    made = Untrained().make(base, Untrained.Settings(), generator(0))
    assert CosineToInitial().of(replace(base, params=made)) == pytest.approx(1, abs=1e-6)
    assert CosineToInitial().of(base) < 0.99


def test_random_decoder_replaces_the_directions_only(coder_of, rows):
    base = coder_of(dims=(8, 400, 8))
    made = RandomDecoder().make(base, RandomDecoder.Settings(), generator(2))
    assert all(torch.equal(made[k], base.params[k]) for k in ("W_enc", "b_enc", "b_dec"))
    torch.testing.assert_close(made["W_dec"].norm(dim=-1), torch.ones(400))
    assert abs(CosineToInitial().of(replace(base, params=made))) < 0.1
    x = rows(20, 8)
    assert torch.equal(replace(base, params=made).encode(x), base.encode(x))


def test_random_decoders_meet_at_chance(coder_of):
    base, metric = coder_of(dims=(32, 256, 32)), PWMCC()
    first, second = (RandomDecoder().make(base, None, generator(s))["W_dec"] for s in (1, 2))
    assert metric.compare(first, second) == pytest.approx(metric.chance(256, 32), abs=0.01)


def test_a_coder_without_a_known_start_has_random_directions_and_no_untrained_self(coder_of):
    pretrained = replace(coder_of(), initial=None)
    assert Untrained.needs_initial
    assert not RandomDecoder.needs_initial
    assert RandomDecoder().make(pretrained, RandomDecoder.Settings(), generator(1)).keys() == pretrained.params.keys()
    with pytest.raises(ValueError, match="no initial weights"):
        Untrained().make(pretrained, Untrained.Settings(), generator(1))


def error(base, params, x):
    coder = replace(base, params=params)
    return float((coder.reconstruct(x, coder.encode(x)) - x).square().sum())


def test_a_permuted_decoder_has_the_same_directions_at_other_latents(coder_of, rows):
    base, x = coder_of(dims=(16, 40, 16)), rows(200, 16)
    made = PermutedDecoder().make(base, PermutedDecoder.Settings(), generator(3))
    assert PWMCC().compare(base.params["W_dec"], made["W_dec"]) == pytest.approx(1, abs=1e-6)
    assert MCC().compare(base.params["W_dec"], made["W_dec"]) == pytest.approx(1, abs=1e-6)
    assert not (base.params["W_dec"] == made["W_dec"]).all(-1).any()
    assert sorted(made["W_dec"].tolist()) == sorted(base.params["W_dec"].tolist())
    assert torch.equal(replace(base, params=made).encode(x), base.encode(x))
    assert error(base, made, x) > error(base, base.params, x)


def test_a_permuted_decoder_of_one_latent_is_refused(coder_of):
    with pytest.raises(ValueError, match="no other direction"):
        PermutedDecoder().make(coder_of(dims=(4, 1, 4), k=1), PermutedDecoder.Settings(), generator(1))


def test_degraded_replaces_its_fraction_and_more_is_worse(coder_of):
    base = coder_of(dims=(32, 200, 32))
    metric, agreements = PWMCC(), []
    for fraction in (0.1, 0.5, 1.0):
        made = Degraded().make(base, Degraded.Settings(fraction=fraction), generator(4))
        old, new = base.params["W_dec"], made["W_dec"]
        assert int((old != new).any(-1).sum()) == round(200 * fraction)
        torch.testing.assert_close(new.norm(dim=-1), old.norm(dim=-1))
        agreements.append(metric.compare(old, new))
        assert agreements[-1] > 1 - fraction
        assert all(torch.equal(made[k], base.params[k]) for k in ("W_enc", "b_enc", "b_dec"))
    assert agreements == sorted(agreements, reverse=True)
    assert agreements[-1] == pytest.approx(metric.chance(200, 32), abs=0.02)


def test_what_a_smaller_fraction_replaces_a_larger_one_replaces_alike(coder_of):
    base = coder_of(dims=(8, 40, 8))
    some, more = (Degraded().make(base, Degraded.Settings(fraction=f), generator(4))["W_dec"] for f in (0.25, 0.5))
    replaced = (some != base.params["W_dec"]).any(-1)
    assert torch.equal(some[replaced], more[replaced])


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction must be"):
        Degraded.Settings(fraction=fraction)


def test_a_fraction_that_replaces_no_latent_is_refused(coder_of):
    with pytest.raises(ValueError, match="none of them"):
        Degraded().make(coder_of(), Degraded.Settings(fraction=0.01), generator(0))

"""TopK: sparsity, the auxiliary loss, unit rows."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.topk import TopK, TopKSettings, husai_architectures
from husai_core import Batch, Dims


def test_the_module_offers_topk():
    assert [a.name for a in husai_architectures()] == ["topk"]


def test_latents_are_the_largest_pre_activations(coder_of, rows):
    coder, x = coder_of(), rows(50, 8)
    p = coder.params
    pre = torch.clamp((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"], min=0)
    kept = torch.where(pre >= pre.sort(-1, descending=True).values[:, 3:4], pre, 0.0)
    torch.testing.assert_close(coder.encode(x), kept)


def test_latents_are_never_negative_and_at_most_k(coder_of, rows):
    latents = coder_of(k=20).encode(rows(200, 8))
    assert (latents >= 0).all()
    assert (latents != 0).sum(-1).max() <= 20


def test_ties_do_not_exceed_k(coder_of):
    coder = coder_of(k=3)
    flat = {"W_enc": torch.zeros(8, 24), "b_enc": torch.ones(24)}
    latents = coder.architecture.encode({**coder.params, **flat}, torch.zeros(2, 8), coder.settings)
    assert (latents != 0).sum(-1).tolist() == [3, 3]


def test_mse_is_summed_over_dimensions_and_averaged_over_rows(coder_of, rows):
    coder, x = coder_of(), rows(10, 8)
    terms = coder.architecture.loss(coder.params, Batch(x, x), coder.settings)
    assert set(terms) == {"mse"}
    errors = (x - coder.decode(coder.encode(x))).numpy() ** 2
    assert float(terms["mse"]) == pytest.approx(errors.sum(1).mean(), rel=1e-6)


def test_aux_is_zero_without_dead_latents(coder_of, rows):
    coder, x = coder_of(), rows(10, 8)
    dead = torch.zeros(24, dtype=torch.bool)
    assert float(coder.architecture.loss(coder.params, Batch(x, x, dead), coder.settings)["aux"]) == 0


def test_aux_agrees_with_the_formula_and_reaches_dead_latents_only(coder_of, rows):
    coder, x = coder_of(k=2, aux_k=3, aux_coefficient=0.5), rows(40, 8)
    dead = torch.arange(24) >= 12
    params = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
    aux = coder.architecture.loss(params, Batch(x, x, dead), coder.settings)["aux"]

    p = coder.params
    residual = x - coder.decode(coder.encode(x))
    pre = torch.relu((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"])[:, 12:]
    kept = torch.where(pre >= pre.sort(-1, descending=True).values[:, 2:3], pre, 0.0)
    error = ((kept @ p["W_dec"][12:] - residual) ** 2).sum(1).mean()
    expected = 0.5 * error / residual.var(0, correction=0).sum() * x.var(0, correction=0).sum()
    assert aux.item() == pytest.approx(float(expected), rel=1e-5)

    aux.backward()
    assert (params["W_dec"].grad[:12] == 0).all()
    assert (params["W_dec"].grad[12:] != 0).any()


def test_aux_vanishes_by_setting(coder_of, rows):
    coder, x = coder_of(aux_coefficient=0.0), rows(10, 8)
    dead = torch.ones(24, dtype=torch.bool)
    assert set(coder.architecture.loss(coder.params, Batch(x, x, dead), coder.settings)) == {"mse"}


def test_project_gives_unit_rows_in_place(coder_of):
    coder = coder_of()
    params = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
    decoder = params["W_dec"]
    coder.architecture.project(params, coder.settings)
    assert params["W_dec"] is decoder
    torch.testing.assert_close(decoder.norm(dim=-1), torch.ones(24))


@pytest.mark.parametrize("wrong", [{"k": 0}, {"aux_k": 0}, {"aux_coefficient": -1.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TopKSettings(**wrong)


def test_k_beyond_the_dictionary_is_refused():
    with pytest.raises(ValueError, match="k 9 must be at most d_sae 8"):
        TopK().initialise(Dims(4, 8, 4), TopKSettings(k=9), torch.Generator(), torch.zeros(4))


def test_sae_lens_keys():
    keys, _ = TopK().to_sae_lens({"W_enc": torch.zeros(8, 24), "W_dec": torch.zeros(24, 8)}, TopKSettings(k=7))
    assert keys == {
        "architecture": "topk",
        "k": 7,
        "apply_b_dec_to_input": True,
        "rescale_acts_by_decoder_norm": False,
    }

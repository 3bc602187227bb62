"""Skip transcoder: the linear map, its start, and what is left for the latents."""

from __future__ import annotations

import torch

from husai_architectures.skip_transcoder import SkipTranscoder, husai_architectures
from husai_architectures.topk_transcoder import TopKTranscoder
from husai_core import Batch

DIMS = (6, 24, 10)


def test_the_module_offers_it():
    assert [a.name for a in husai_architectures()] == ["skip_transcoder"]


def test_it_starts_as_a_transcoder(coder_of, rows):
    skip, plain = (coder_of(family=f, dims=DIMS, k=4) for f in (SkipTranscoder, TopKTranscoder))
    x, y = rows(20, 6), rows(20, 10, seed=1)
    assert (skip.initial["W_skip"] == 0).all()
    batch = Batch(x, y)
    ours = skip.architecture.loss(skip.initial, batch, skip.settings)["mse"]
    assert ours == plain.architecture.loss(plain.initial, batch, plain.settings)["mse"]


def test_it_agrees_with_sae_lens_where_every_latent_is_kept(coder_of, rows):
    from sae_lens.saes.transcoder import SkipTranscoder as Theirs
    from sae_lens.saes.transcoder import SkipTranscoderConfig

    coder, x = coder_of(family=SkipTranscoder, dims=DIMS, k=24), rows(30, 6)
    before = torch.get_rng_state()
    theirs = Theirs(SkipTranscoderConfig(d_in=6, d_sae=24, d_out=10, apply_b_dec_to_input=False))
    torch.set_rng_state(before)
    theirs.load_state_dict({**coder.params, "W_skip": coder.params["W_skip"].T})
    torch.testing.assert_close(coder.reconstruct(x, coder.encode(x)), theirs(x))


def test_loss_aux_and_reconstruction_include_the_map(coder_of, rows):
    coder = coder_of(family=SkipTranscoder, dims=DIMS, k=4, aux_k=3, aux_coefficient=1.0)
    p, x, y = coder.params, rows(30, 6), rows(30, 10, seed=1)
    assert (p["W_skip"] != 0).any()
    latents = coder.encode(x)
    expected = latents @ p["W_dec"] + p["b_dec"] + x @ p["W_skip"]
    torch.testing.assert_close(coder.reconstruct(x, latents), expected)
    dead = torch.arange(24) >= 12
    terms = coder.architecture.loss(p, Batch(x, y, dead), coder.settings)
    residual = y - expected
    torch.testing.assert_close(terms["mse"], (residual**2).sum(-1).mean())
    pre = torch.relu(x @ p["W_enc"] + p["b_enc"])[:, 12:]
    kept = torch.where(pre >= pre.sort(-1, descending=True).values[:, 2:3], pre, 0.0)
    error = ((kept @ p["W_dec"][12:] - residual) ** 2).sum(1).mean()
    ratio = y.var(0, correction=0).sum() / residual.var(0, correction=0).sum()
    torch.testing.assert_close(terms["aux"], error * ratio)


def test_a_file_of_it_is_not_called_by_the_name_of_sae_lenss_relu_family(coder_of):
    coder = coder_of(family=SkipTranscoder, dims=DIMS, k=4)
    keys, _ = coder.architecture.to_sae_lens(coder.params, coder.settings)
    assert keys == {}

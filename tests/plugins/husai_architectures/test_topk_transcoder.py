"""TopK transcoder: its input is read as it is, its widths are free."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.topk_transcoder import TopKTranscoder, TopKTranscoderSettings, husai_architectures
from husai_core import Batch


def test_the_module_offers_it():
    assert [a.name for a in husai_architectures()] == ["topk_transcoder"]


def test_latents_read_the_input_as_it_is(coder_of, rows):
    coder, x, y = coder_of(family=TopKTranscoder, dims=(6, 24, 10), k=4), rows(30, 6), rows(30, 10, seed=1)
    p = coder.params
    pre = torch.relu(x @ p["W_enc"] + p["b_enc"])
    latents = torch.where(pre >= pre.sort(-1, descending=True).values[:, 3:4], pre, 0.0)
    torch.testing.assert_close(coder.encode(x), latents)
    loss = coder.architecture.loss(p, Batch(x, y), coder.settings)["mse"]
    torch.testing.assert_close(loss, ((y - latents @ p["W_dec"] - p["b_dec"]) ** 2).sum(-1).mean())


def test_it_agrees_with_sae_lens_where_every_latent_is_kept(coder_of, rows):
    """With k = d_sae TopK is ReLU, which is SAELens's transcoder."""
    from sae_lens.saes.transcoder import Transcoder, TranscoderConfig

    coder, x = coder_of(family=TopKTranscoder, dims=(6, 24, 10), k=24), rows(30, 6)
    before = torch.get_rng_state()
    theirs = Transcoder(TranscoderConfig(d_in=6, d_sae=24, d_out=10, apply_b_dec_to_input=False))
    torch.set_rng_state(before)
    theirs.load_state_dict(coder.params)
    torch.testing.assert_close(coder.encode(x), theirs.encode(x))
    torch.testing.assert_close(coder.reconstruct(x, coder.encode(x)), theirs(x))


def test_equal_widths_do_not_tie_the_two_spaces(coder_of):
    coder = coder_of(family=TopKTranscoder, dims=(8, 24, 8), k=4)
    assert not torch.allclose(coder.initial["W_enc"].T, coder.initial["W_dec"])
    torch.testing.assert_close(coder.initial["W_enc"].norm(dim=0), torch.ones(24))


def test_a_subtracted_bias_is_refused():
    with pytest.raises(ValueError, match="apply_b_dec_to_input must be false"):
        TopKTranscoderSettings(apply_b_dec_to_input=True)


def test_it_claims_no_sae_lens_equivalent(coder_of):
    coder = coder_of(family=TopKTranscoder, dims=(6, 24, 10), k=4)
    assert coder.architecture.to_sae_lens(coder.params, coder.settings) == ({}, coder.params)

"""Raw TopK keeps negative latents, writes no bias, and pushes unused latents as the earlier program did."""

from __future__ import annotations

import pytest
import torch

from husai_core import Batch
from husai_replication.raw_topk import RawTopK, RawTopKSettings, husai_architectures


@pytest.fixture
def coder(coder_of):
    return coder_of(family=RawTopK, k=20)


def test_the_module_offers_it():
    assert [a.name for a in husai_architectures()] == ["raw_topk"]


def test_the_largest_pre_activations_are_kept_whatever_their_sign(coder, rows):
    x = rows(50, 8)
    latents = coder.encode(x)
    raw = x @ coder.params["W_enc"] + coder.params["b_enc"]
    kept = torch.where(raw >= raw.sort(-1, descending=True).values[:, 19:20], raw, 0.0)
    torch.testing.assert_close(latents, kept)
    assert (latents < 0).any(), "20 of 24 latents: some are negative"


def test_nothing_is_reconstructed_from_no_latents(coder):
    assert (coder.decode(torch.zeros(2, 24)) == 0).all()
    assert "b_dec" not in coder.params


def test_the_start_is_uniform_with_unit_directions(coder):
    assert coder.initial["W_enc"].abs().max() <= (6 / 8) ** 0.5
    torch.testing.assert_close(coder.initial["W_dec"].norm(dim=-1), torch.ones(24))


def test_the_loss_is_a_mean_over_rows_and_dimensions(coder, rows):
    x = rows(10, 8)
    terms = coder.architecture.loss(coder.params, Batch(x, x), coder.settings)
    expected = torch.nn.functional.mse_loss(coder.decode(coder.encode(x)), x)
    assert {name: float(value) for name, value in terms.items()} == {"mse": pytest.approx(float(expected), rel=1e-5)}


def test_unused_latents_are_pushed_by_the_error_of_their_row(coder_of, rows):
    coder, x = coder_of(family=RawTopK, k=3, push_unused=True), rows(10, 8)
    terms = coder.architecture.loss(coder.params, Batch(x, x), coder.settings)
    raw = x @ coder.params["W_enc"] + coder.params["b_enc"]
    error = (x - coder.decode(coder.encode(x))).square().sum(-1)
    total = 0.0
    for row, wrong in zip(raw, error, strict=True):
        used = row.topk(3).indices
        others = torch.tensor([value for i, value in enumerate(row.abs().tolist()) if i not in used.tolist()])
        total += float(wrong * others.topk(3).values.sum())
    assert float(terms["unused"]) == pytest.approx(total / len(x) / 3, rel=1e-4)


def test_more_latents_than_there_are_is_refused(coder_of):
    with pytest.raises(ValueError, match="k 25 must be at most d_sae 24"):
        coder_of(family=RawTopK, k=25)
    with pytest.raises(ValueError, match="k must be at least 1"):
        RawTopKSettings(k=0)

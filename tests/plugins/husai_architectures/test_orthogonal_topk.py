"""OrthogonalTopK: the penalty against a dense one, what competes, what it costs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_architectures import orthogonal_topk
from husai_architectures.orthogonal_topk import (
    OrthogonalTopK,
    OrthogonalTopKSettings,
    competing_pairs,
    husai_architectures,
    weighted_overlap,
)
from husai_architectures.topk import TopK, TopKSettings, largest
from husai_core import Batch


def dense(latents, directions, threshold):
    """The penalty written out over all d_sae x d_sae pairs of one decoder."""
    mask = (latents > 0).to(directions.dtype)
    competition = mask.T @ mask / len(mask)
    competition = torch.where(competition >= threshold, competition, 0.0).triu(1)
    unit = directions / directions.norm(dim=-1, keepdim=True)
    return (competition * (unit @ unit.T).abs()).sum()


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_module_offers_it():
    assert [a.name for a in husai_architectures()] == ["orthogonal_topk"]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 30),
    d_sae=st.integers(2, 20),
    k=st.integers(1, 8),
    threshold=st.sampled_from([0.0, 0.05, 0.2, 1.0]),
)
def test_the_penalty_is_the_dense_one(seed, rows, d_sae, k, threshold):
    latents = largest(drawn(seed, rows, d_sae).relu(), k)
    directions = drawn(seed + 1, d_sae, 5).requires_grad_()
    twin = directions.detach().clone().requires_grad_()
    ours = weighted_overlap(directions, *competing_pairs(latents, k, threshold))
    theirs = dense(latents, twin, threshold)
    torch.testing.assert_close(ours, theirs)
    if ours.requires_grad:
        ours.backward()
        theirs.backward()
        torch.testing.assert_close(directions.grad, twin.grad)


def test_slices_of_pairs_add_up(monkeypatch):
    latents, directions = largest(drawn(0, 40, 30).relu(), 6), drawn(1, 30, 5)
    pairs, weights = competing_pairs(latents, 6, 0.0)
    assert len(pairs) > 50
    whole = weighted_overlap(directions, pairs, weights)
    monkeypatch.setattr(orthogonal_topk, "PAIRS_AT_ONCE", 7)
    torch.testing.assert_close(weighted_overlap(directions, pairs, weights), whole)


def test_the_loss_has_the_term_on_the_first_rows(coder_of, rows):
    options = {"k": 4, "orthogonality_coefficient": 0.3, "competition_threshold": 0.05, "competition_rows": 16}
    coder, x = coder_of(family=OrthogonalTopK, **options), rows(40, 8)
    terms = coder.architecture.loss(coder.params, Batch(x, x), coder.settings)
    plain = TopK().loss(coder.params, Batch(x, x), TopKSettings(k=4))
    torch.testing.assert_close(terms["mse"], plain["mse"])
    spread = x.var(0, correction=0).sum()
    expected = 0.3 * spread * dense(coder.encode(x)[:16], coder.params["W_dec"], 0.05)
    torch.testing.assert_close(terms["orthogonality"], expected)


def test_orthogonal_or_never_competing_latents_cost_nothing():
    latents = torch.eye(4)
    assert len(competing_pairs(latents, 2, 0.0)[0]) == 0
    together = torch.ones(3, 4)
    assert weighted_overlap(torch.eye(4), *competing_pairs(together, 4, 0.0)) == 0
    assert weighted_overlap(torch.ones(4, 2), *competing_pairs(together, 4, 0.0)) == pytest.approx(6.0)


def test_the_threshold_bounds_the_pairs():
    latents = largest(drawn(3, 200, 400).relu(), 8)
    assert len(competing_pairs(latents, 8, 0.01)[0]) <= 8 * 7 / 2 / 0.01


def test_a_wide_dictionary_is_never_squared():
    """At this width a d_sae x d_sae matrix would hold 4e10 numbers."""
    d_sae = 200_000
    latents = torch.zeros(4, d_sae)
    latents[:, torch.tensor([0, 7, 199_999])] = 1.0
    pairs, shares = competing_pairs(latents, 3, 0.5)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 7), (0, 199_999), (7, 199_999)]
    assert shares.tolist() == [1.0, 1.0, 1.0]
    assert weighted_overlap(torch.ones(d_sae, 2), pairs, shares) == pytest.approx(3.0)


def test_training_with_it_makes_competing_latents_more_orthogonal(coder_of, rows):
    coder = coder_of(family=OrthogonalTopK, k=4, orthogonality_coefficient=1.0, competition_threshold=0.0)
    x = rows(64, 8)
    params = {name: value.clone().requires_grad_() for name, value in coder.params.items()}
    first = coder.architecture.loss(params, Batch(x, x), coder.settings)["orthogonality"]
    first.backward()
    params["W_dec"].data -= 0.05 * params["W_dec"].grad
    assert coder.architecture.loss(params, Batch(x, x), coder.settings)["orthogonality"] < first


def test_the_term_vanishes_by_setting(coder_of, rows):
    coder, x = coder_of(family=OrthogonalTopK, k=4, orthogonality_coefficient=0.0), rows(10, 8)
    assert set(coder.architecture.loss(coder.params, Batch(x, x), coder.settings)) == {"mse"}


@pytest.mark.parametrize(
    "wrong", [{"orthogonality_coefficient": -1.0}, {"competition_threshold": 1.5}, {"competition_rows": 0}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OrthogonalTopKSettings(**wrong)

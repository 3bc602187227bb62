"""Rows that a control is trained on: they keep what they say, lose the rest, and are the same from the same seed."""

from __future__ import annotations

import pytest
import torch

from husai_controls.gaussian_matched import GaussianMatched
from husai_controls.permuted_dimensions import PermutedDimensions

TRAINED = pytest.mark.parametrize("control", [PermutedDimensions(), GaussianMatched()], ids=lambda c: c.name)
ROWS, WIDTH = 20_000, 6


@pytest.fixture(scope="module")
def activations() -> torch.Tensor:
    """Skewed, correlated rows far from zero."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(ROWS, WIDTH, generator=generator).exp() @ torch.randn(WIDTH, WIDTH, generator=generator)
    return mixed + 3


def new_rows(control, x, y=None, seed=0):
    y = x if y is None else y
    new_x = torch.full_like(x, torch.nan)
    new_y = new_x if y is x else torch.full_like(y, torch.nan)
    control.write_rows(x, y, new_x, new_y, control.Settings(), torch.Generator().manual_seed(seed))
    return new_x, new_y


@TRAINED
def test_every_row_is_written_and_the_same_seed_gives_the_same(control, activations):
    before = activations.clone()
    first, again, other = (new_rows(control, activations, seed=s)[0] for s in (1, 1, 2))
    assert torch.equal(activations, before)
    assert first.isfinite().all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_permuted_dimensions_keep_every_marginal_and_no_relation(activations):
    made, _ = new_rows(PermutedDimensions(), activations)
    assert torch.equal(made.sort(0).values, activations.sort(0).values)
    assert torch.corrcoef(activations.T).fill_diagonal_(0).abs().max() > 0.2
    assert torch.corrcoef(made.T).fill_diagonal_(0).abs().max() < 0.04


def test_a_gaussian_keeps_mean_and_covariance_and_no_skew(activations):
    made, _ = new_rows(GaussianMatched(), activations)
    scale = activations.std(0)
    assert ((made.mean(0) - activations.mean(0)).abs() / scale).max() < 0.04
    difference = (torch.cov(made.T) - torch.cov(activations.T)) / torch.outer(scale, scale)
    assert difference.abs().max() < 0.05

    def skew(rows):
        return ((rows - rows.mean(0)) / rows.std(0)).pow(3).mean(0).abs().max()

    assert skew(activations) > 1
    assert skew(made) < 0.1


def test_a_gaussian_of_few_rows_stays_in_their_span(rows):
    flat = rows(50, 3) @ rows(3, WIDTH, 1)
    made, _ = new_rows(GaussianMatched(), flat)
    assert made.isfinite().all()
    assert int(torch.linalg.matrix_rank(made - made.mean(0), rtol=1e-4)) == 3


def test_of_a_transcoder_a_gaussian_keeps_the_relation_of_its_sides_and_a_permutation_does_not(activations):
    written = activations[:, :2] * 2 + 1
    x, y = new_rows(GaussianMatched(), activations, written)
    torch.testing.assert_close(y, x[:, :2] * 2 + 1, atol=1e-3, rtol=1e-3)
    x, y = new_rows(PermutedDimensions(), activations, written)
    assert torch.equal(y.sort(0).values, written.sort(0).values)
    assert abs(float(torch.corrcoef(torch.stack([x[:, 0], y[:, 0]]))[0, 1])) < 0.04

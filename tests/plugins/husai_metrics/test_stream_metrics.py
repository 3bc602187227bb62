"""Stream metrics: known values, independence of the slicing, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import r2_score

NAMES = [
    "explained_variance",
    "explained_variance_per_dimension",
    "explained_variance_per_row",
    "mse",
    "cosine",
    "l2_ratio",
    "relative_reconstruction_bias",
    "l0",
    "l1",
    "dead_fraction",
    "density",
]


@pytest.fixture
def seen(rows):
    target = rows(60, 8, 1)
    latents = rows(60, 24, 2).relu() * (torch.arange(24) > 2)
    return target, latents, target + 0.3 * rows(60, 8, 3)


@pytest.mark.parametrize("name", NAMES)
def test_slicing_does_not_matter_and_bounds_hold(name, seen, score, metric_of):
    whole = score(name, *seen)
    assert score(name, *seen, size=7) == pytest.approx(whole, rel=1e-12)
    assert metric_of(name).card.allows(whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_reconstruction(name, seen, score, metric_of):
    """What is best or faithful by the card is reached, whatever the latents."""
    target, latents, _ = seen
    value = score(name, target, latents, target)
    assert metric_of(name).card.allows(value)
    if name not in ("l0", "l1", "dead_fraction", "density"):
        assert value == pytest.approx(0 if name == "mse" else 1, abs=1e-12)


def test_values_agree_with_numpy(seen, score):
    target, latents, output = (t.double().numpy() for t in seen)
    cosines = (target * output).sum(1) / ((target**2).sum(1) * (output**2).sum(1)) ** 0.5
    distances = ((target - target.mean(0)) ** 2).sum(1)
    expected = {
        "explained_variance_per_dimension": r2_score(target, output, multioutput="uniform_average"),
        "explained_variance_per_row": (1 - ((target - output) ** 2).sum(1) / distances).mean(),
        "mse": ((target - output) ** 2).mean(),
        "cosine": cosines.mean(),
        "l2_ratio": (((output**2).sum(1) / (target**2).sum(1)) ** 0.5).mean(),
        "relative_reconstruction_bias": (output**2).sum(1).mean() / (target * output).sum(1).mean(),
        "l0": (latents != 0).sum(1).mean(),
        "l1": abs(latents).sum(1).mean(),
        "dead_fraction": 3 / 24,
        "density": ((latents != 0).mean(0) > 0.1).mean(),
    }
    for name, value in expected.items():
        assert score(name, *seen) == pytest.approx(value, rel=1e-6)


def test_the_three_explained_variances_are_three_numbers(rows, score):
    """One loud dimension, read well, hides in the total that the other three are lost."""
    target = rows(200, 4, 1) * torch.tensor([30.0, 1.0, 1.0, 1.0])
    output = target * torch.tensor([1.0, 0.0, 0.0, 0.0])
    names = ("explained_variance", "explained_variance_per_dimension", "explained_variance_per_row")
    whole, dimensions, each_row = (score(name, target, target, output) for name in names)
    assert whole > 0.99
    assert dimensions == pytest.approx(0.25, abs=0.02)
    assert dimensions < each_row < whole


def test_a_dimension_that_does_not_vary_has_no_explained_variance(rows, score):
    target = rows(50, 3)
    output = target + 0.1
    constant = torch.full((50, 1), 2.0)
    name = "explained_variance_per_dimension"
    beside = score(name, torch.cat([target, constant], 1), target, torch.cat([output, constant + 1], 1), size=9)
    assert beside == pytest.approx(score(name, target, target, output), rel=1e-12)
    with pytest.raises(ValueError, match="no variance to explain"):
        score(name, constant, target, constant)


def test_explained_variance_per_row_needs_the_mean_and_a_distance_from_it(seen, score, metric_of):
    from husai_core import Reconstruction

    with pytest.raises(ValueError, match="no mean of all targets"):
        metric_of("explained_variance_per_row").update(None, Reconstruction(*seen))
    target = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="row 2 of the targets equals their mean"):
        score("explained_variance_per_row", target, target, target, size=2)


def test_shrinkage_is_read_off(rows, score):
    target = rows(40, 6)
    for factor in (0.5, 1.0, 2.0):
        for name in ("l2_ratio", "relative_reconstruction_bias"):
            assert score(name, target, target, factor * target) == pytest.approx(factor, rel=1e-6)


def test_the_bias_is_the_factor_that_should_have_been_divided_by(rows, score):
    """Equation 10 of arXiv 2404.16014: g minimises the squared error of the reconstruction over g."""
    target = rows(80, 5, 1).double()
    output = 0.7 * target + 0.2 * rows(80, 5, 2).double()
    g = score("relative_reconstruction_bias", target, target, output)
    errors = [float((output / (g * factor) - target).square().sum()) for factor in (0.999, 1.0, 1.001)]
    assert errors[1] == min(errors)


def test_reconstructions_of_zero(rows, score):
    """All latents off is an extreme, not an error: no cosine, no length, the limit of shrinking."""
    target = rows(12, 5)
    nothing = torch.zeros_like(target)
    for name in ("cosine", "l2_ratio", "relative_reconstruction_bias"):
        assert score(name, target, target, nothing, size=5) == 0
    half = target * (torch.arange(12) % 2).unsqueeze(1)
    assert score("cosine", target, target, half, size=5) == pytest.approx(0.5)


def test_a_bias_without_a_nearest_factor_is_refused(score):
    target, output = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    with pytest.raises(ValueError, match="orthogonal to the targets"):
        score("relative_reconstruction_bias", target, target, output)


def test_dense_means_more_than_a_tenth(score):
    latents = torch.zeros(20, 4)
    latents[:2, 0] = latents[:3, 1] = latents[:, 2] = 1
    rows = torch.ones(20, 2)
    assert score("density", rows, latents, rows, size=6) == 0.5


def test_cosine_of_equal_rows_stays_in_bounds(rows, score, metric_of):
    x = rows(1000, 3)
    assert metric_of("cosine").card.allows(score("cosine", x, x, 3 * x))


@pytest.mark.parametrize("name", ["cosine", "l2_ratio"])
def test_a_target_without_length_is_named(name, seen, score):
    broken = [t.clone() for t in seen]
    broken[0][41] = 0
    with pytest.raises(ValueError, match="row 41 of the targets"):
        score(name, *broken, size=10)


def test_a_reconstruction_that_exploded_is_named(seen, score):
    broken = [t.clone() for t in seen]
    broken[2][41, 3] = float("inf")
    with pytest.raises(ValueError, match="row 41 of the reconstructions has norm inf"):
        score("cosine", *broken, size=10)

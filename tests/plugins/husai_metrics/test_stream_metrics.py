"""Stream metrics: known values, independence of the slicing, and what they refuse."""

from __future__ import annotations

import importlib

import pytest
import torch

from husai_core import Reconstruction, StreamMetric

NAMES = ["explained_variance", "mse", "cosine", "l0", "l1", "dead_fraction", "density"]


def metric_of(module: str) -> StreamMetric:
    (metric,) = importlib.import_module(f"husai_metrics.{module}").husai_metrics()
    return metric


def score(metric: StreamMetric, target, latents, output, size: int = 1000) -> float:
    state = None
    for slices in zip(target.split(size), latents.split(size), output.split(size), strict=True):
        state = metric.update(state, Reconstruction(*slices))
    return metric.finish(state)


@pytest.fixture
def seen(rows):
    target = rows(60, 8, 1)
    latents = rows(60, 24, 2).relu() * (torch.arange(24) > 2)
    return target, latents, target + 0.3 * rows(60, 8, 3)


@pytest.mark.parametrize("name", NAMES)
def test_slicing_does_not_matter_and_bounds_hold(name, seen):
    metric = metric_of(name)
    whole = score(metric, *seen)
    assert score(metric, *seen, size=7) == pytest.approx(whole, rel=1e-12)
    assert metric.card.allows(whole)


def test_values_agree_with_numpy(seen):
    target, latents, output = (t.double().numpy() for t in seen)
    cosines = (target * output).sum(1) / ((target**2).sum(1) * (output**2).sum(1)) ** 0.5
    expected = {
        "mse": ((target - output) ** 2).mean(),
        "cosine": cosines.mean(),
        "l0": (latents != 0).sum(1).mean(),
        "l1": abs(latents).sum(1).mean(),
        "dead_fraction": 3 / 24,
        "density": ((latents != 0).mean(0) > 0.1).mean(),
    }
    for name, value in expected.items():
        assert score(metric_of(name), *seen) == pytest.approx(value, rel=1e-6)


def test_dense_means_more_than_a_tenth():
    latents = torch.zeros(20, 4)
    latents[:2, 0] = latents[:3, 1] = latents[:, 2] = 1
    rows = torch.ones(20, 2)
    assert score(metric_of("density"), rows, latents, rows, size=6) == 0.5


def test_cosine_of_equal_rows_stays_in_bounds(rows):
    x = rows(1000, 3)
    metric = metric_of("cosine")
    assert metric.card.allows(score(metric, x, x, 3 * x))


@pytest.mark.parametrize("which", [0, 2])
def test_a_row_without_direction_is_named(which, seen):
    broken = [t.clone() for t in seen]
    broken[which][41] = 0
    with pytest.raises(ValueError, match="row 41 of the"):
        score(metric_of("cosine"), *broken, size=10)

"""Latent density: every living latent is in exactly one bin, and the bins are where numpy puts them."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import torch

from husai_benchmarks.latent_density import LatentDensityBenchmark, LatentDensitySettings
from husai_core import EvaluationError, Reconstruction, Task
from husai_core.site import Site
from husai_metrics.dead_fraction import DeadFraction


@pytest.fixture
def task(coder_of, rows):
    x = rows(200, 8, 9)
    settings = LatentDensitySettings(decades=2, per_decade=2)
    conditions = {"a": [coder_of(s) for s in (7, 3)], "b": [coder_of(1, k=2)]}
    return Task(Site("s", "m", "h", "h"), conditions, x, x, [], settings, lambda f, n: None)


def measured(task):
    return {(m.condition, m.setting["log10_density"]): m for m in LatentDensityBenchmark().measure(task)}


def test_the_bins_are_those_of_numpy(task):
    found = measured(task)
    assert sorted({low for _, low in found}) == [-2.0, -1.5, -1.0, -0.5]
    for condition, coders in task.conditions.items():
        for place, coder in enumerate(coders):
            density = (coder.encode(task.test_in) != 0).double().mean(0).numpy()
            edges = [1e-9, *(10.0**low for low in (-1.5, -1.0, -0.5)), 1.0]
            expected = numpy.histogram(density, edges)[0] / len(density)
            seen = [found[condition, low].observations[place].value for low in (-2.0, -1.5, -1.0, -0.5)]
            assert seen == expected.tolist()
            assert found[condition, -2.0].observations[place].seeds == (coder.seed,)


def test_the_bins_and_the_dead_are_all_latents(task):
    for condition, coders in task.conditions.items():
        for place, coder in enumerate(coders):
            latents = coder.encode(task.test_in)
            batch = Reconstruction(task.test_in, latents, task.test_in)
            dead = DeadFraction().finish(DeadFraction().update(None, batch))
            bins = sum(m.observations[place].value for (name, _), m in measured(task).items() if name == condition)
            assert bins + dead == pytest.approx(1)


def test_it_does_not_depend_on_the_slices(task):
    sliced = replace(task, settings=LatentDensitySettings(2, 2, rows_per_slice=7))
    assert measured(task) == measured(sliced)


def test_a_condition_is_measured_on_its_own_rows(task):
    dark = torch.full_like(task.test_in, -100.0)
    other = measured(replace(task, own={"a": (dark, dark)}))
    assert other["b", -0.5] == measured(task)["b", -0.5]
    assert any(other["a", low] != measured(task)["a", low] for low in (-2.0, -1.5, -1.0, -0.5))


def test_no_rows_are_refused(task):
    with pytest.raises(EvaluationError, match="no test rows"):
        measured(replace(task, test_in=torch.zeros(0, 8)))


def test_impossible_settings_are_refused():
    for name in ("decades", "per_decade", "rows_per_slice"):
        with pytest.raises(ValueError, match=name):
            LatentDensitySettings(**{name: 0})

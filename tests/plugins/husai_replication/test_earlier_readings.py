"""The earlier readings are wrong in the way that they say, and right where there is nothing to get wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from husai_core import EvaluationError, Skipped, Task
from husai_core.site import Site
from husai_metrics.pwmcc import PWMCC
from husai_replication.earlier_readings import (
    EarlierReadings,
    EarlierReadingsSettings,
    husai_benchmarks,
    husai_metrics,
    longer_side,
)


@pytest.fixture
def task(coder_of, rows):
    x = rows(50, 8, 9) + 3
    conditions = {
        "narrow": [coder_of(seed, (8, 4, 8)) for seed in (5, 3)],
        "wide": [coder_of(seed, (8, 24, 8)) for seed in (5, 3)],
    }
    settings = EarlierReadingsSettings(rows_per_slice=7)
    return Task(Site("s", "m", "h", "h"), conditions, x, x, [PWMCC()], settings, lambda fraction, note: None)


def test_the_module_offers_a_benchmark_and_its_two_metrics():
    assert [b.name for b in husai_benchmarks()] == ["earlier_readings"]
    assert [m.name for m in husai_metrics()] == ["pwmcc_longer_side", "explained_variance_pooled"]


def test_a_narrow_dictionary_is_read_along_the_wrong_axis(task):
    found = {(m.condition, m.metric): m for m in EarlierReadings().measure(task)}
    pwmcc = PWMCC()
    for condition, turned in (("narrow", True), ("wide", False)):
        second, first = task.conditions[condition]
        (seen,) = found[condition, "pwmcc_longer_side"].observations
        sides = [c.dictionary().T if turned else c.dictionary() for c in (first, second)]
        assert seen.seeds == (3, 5)
        assert seen.value == pytest.approx(pwmcc.compare(*sides))
    right = pwmcc.compare(*(c.dictionary() for c in task.conditions["narrow"]))
    assert found["narrow", "pwmcc_longer_side"].observations[0].value > right + 0.1


def test_chance_is_that_of_what_is_compared_and_not_of_the_features(task):
    chances = {m.condition: m.chance for m in EarlierReadings().measure(task) if m.metric == "pwmcc_longer_side"}
    assert chances == {"narrow": PWMCC().chance(8, 4), "wide": PWMCC().chance(24, 8)}
    # the numbers of the earlier claim: 128 vectors of length 64 against 64 directions of length 128
    assert PWMCC().chance(128, 64) - PWMCC().chance(64, 128) == pytest.approx(0.12, abs=0.01)


def test_only_a_shorter_side_of_features_is_turned():
    assert longer_side(torch.zeros(4, 8)).shape == (8, 4)
    assert longer_side(torch.zeros(8, 4)).shape == (8, 4)
    assert longer_side(torch.zeros(8, 8)).shape == (8, 8)


def test_pooled_variance_is_around_one_mean_of_everything(task):
    found = {m.condition: m for m in EarlierReadings().measure(task) if m.metric == "explained_variance_pooled"}
    for condition, coders in task.conditions.items():
        for coder, observation in zip(coders, found[condition].observations, strict=True):
            residual = task.test_in - coder.decode(coder.encode(task.test_in))
            expected = 1 - torch.var(residual.double()) / torch.var(task.test_in.double())
            assert observation.seeds == (coder.seed,)
            assert observation.value == pytest.approx(float(expected), rel=1e-6)


def test_it_says_what_it_needs(task):
    with pytest.raises(Skipped, match="pwmcc"):
        list(EarlierReadings().measure(replace(task, metrics=[])))
    with pytest.raises(EvaluationError, match="needs two seeds, has 1"):
        list(EarlierReadings().measure(replace(task, conditions={"one": task.conditions["wide"][:1]})))
    with pytest.raises(ValueError, match="rows_per_slice"):
        EarlierReadingsSettings(rows_per_slice=0)

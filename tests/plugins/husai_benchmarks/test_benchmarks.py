"""Benchmarks yield one measurement per condition and metric, and refuse what they cannot measure."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from husai_benchmarks import consistency
from husai_benchmarks.consistency import Consistency, ConsistencySettings
from husai_benchmarks.reconstruction import ReconstructionBenchmark, ReconstructionSettings
from husai_core import EvaluationError, Task
from husai_core.site import Site
from husai_metrics.activation_mcc import ActivationMCC
from husai_metrics.decoder_movement import CosineToInitial
from husai_metrics.explained_variance import ExplainedVariance
from husai_metrics.explained_variance_per_row import ExplainedVariancePerRow
from husai_metrics.l0 import L0
from husai_metrics.mcc import MCC
from husai_metrics.pwmcc import PWMCC
from husai_metrics.subspace_overlap import SubspaceOverlap

METRICS = [
    ActivationMCC(),
    CosineToInitial(),
    ExplainedVariance(),
    ExplainedVariancePerRow(),
    L0(),
    MCC(),
    PWMCC(),
    SubspaceOverlap(),
]


@pytest.fixture
def task(coder_of, rows):
    x, heard = rows(50, 8, 9), []
    conditions = {"a": [coder_of(s) for s in (7, 3, 5)], "b": [coder_of(s, k=2) for s in (1, 2)]}
    task = Task(
        Site("s", "m", "h", "h"),
        conditions,
        x,
        x,
        METRICS,
        ReconstructionSettings(),
        lambda f, n: heard.append(f),
    )
    yield task
    assert all(0 <= fraction <= 1 for fraction in heard)


def test_reconstruction_has_one_observation_per_seed(task):
    found = {(m.condition, m.metric): m for m in ReconstructionBenchmark().measure(task)}
    names = {"explained_variance", "explained_variance_per_row", "l0", "cosine_to_initial"}
    assert found.keys() == {(c, n) for c in "ab" for n in names}
    assert [o.seeds for o in found["a", "l0"].observations] == [(7,), (3,), (5,)]
    coder, x = task.conditions["a"][1], task.test_in
    latents = coder.encode(x)
    assert found["a", "l0"].observations[1].value == int((latents != 0).sum()) / 50
    residual = (x - coder.decode(latents)).double()
    expected = 1 - float(residual.square().sum() / (x - x.mean(0)).double().square().sum())
    assert found["a", "explained_variance"].observations[1].value == pytest.approx(expected, rel=1e-5)


def test_reconstruction_does_not_depend_on_the_slices(task):
    whole = list(ReconstructionBenchmark().measure(task))
    sliced = list(ReconstructionBenchmark().measure(replace(task, settings=ReconstructionSettings(7))))
    for one, other in zip(whole, sliced, strict=True):
        for a, b in zip(one.observations, other.observations, strict=True):
            assert a.value == pytest.approx(b.value, rel=1e-6)


def test_reconstruction_refuses_exploded_weights_and_no_rows(task, coder_of):
    bad = coder_of()
    bad.params["W_dec"].fill_(float("inf"))
    with pytest.raises(EvaluationError, match=r"broken, seed 0: .*(nan|inf)"):
        list(ReconstructionBenchmark().measure(replace(task, conditions={"broken": [bad]}, metrics=METRICS[2:])))
    with pytest.raises(EvaluationError, match="no test rows"):
        list(ReconstructionBenchmark().measure(replace(task, test_in=torch.zeros(0, 8))))
    with pytest.raises(ValueError, match="rows_per_slice"):
        ReconstructionSettings(0)


@pytest.fixture
def pairs_of(task):
    return replace(task, settings=ConsistencySettings())


def test_explained_variance_per_row_is_centred_on_the_targets_of_all_rows(task):
    found = {
        (m.condition, m.metric): m
        for m in ReconstructionBenchmark().measure(replace(task, settings=ReconstructionSettings(7)))
    }
    coder, x = task.conditions["a"][1], task.test_in.double()
    residual = (x - coder.decode(coder.encode(task.test_in))).square().sum(1)
    expected = float((1 - residual / (x - x.mean(0)).square().sum(1)).mean())
    assert found["a", "explained_variance_per_row"].observations[1].value == pytest.approx(expected, rel=1e-5)


def test_consistency_has_one_observation_per_pair_in_seed_order(pairs_of):
    found = {(m.condition, m.metric): m for m in Consistency().measure(pairs_of) if not m.setting}
    assert found.keys() == {(c, n) for c in "ab" for n in ("activation_mcc", "mcc", "pwmcc", "subspace_overlap")}
    for name in ("activation_mcc", "mcc", "pwmcc", "subspace_overlap"):
        assert [o.seeds for o in found["a", name].observations] == [(3, 5), (3, 7), (5, 7)]
    three, five = pairs_of.conditions["a"][1], pairs_of.conditions["a"][2]
    value = found["a", "pwmcc"].observations[0].value
    assert value == PWMCC().compare(three.dictionary(), five.dictionary())
    assert found["a", "pwmcc"].chance == PWMCC().chance(24, 8)
    assert found["a", "mcc"].chance is None
    assert found["a", "subspace_overlap"].chance == 1 / 8


def test_a_dictionary_with_a_row_of_zeros_is_named_by_condition_metric_and_seed(pairs_of):
    pairs_of.conditions["a"][2].params["W_dec"][5] = 0
    with pytest.raises(EvaluationError, match=r"row 5 of .* has norm 0.0: it has no direction") as caught:
        list(Consistency().measure(pairs_of))
    assert caught.value.place.startswith("benchmark consistency, ")
    assert f"seed {pairs_of.conditions['a'][2].seed}" in caught.value.place
    assert caught.value.next_step.startswith("leave such a latent out of its checkpoint")


def test_consistency_of_activations_is_that_of_the_latents_on_the_test_rows(pairs_of):
    found = [m for m in Consistency().measure(pairs_of) if (m.condition, m.metric) == ("a", "activation_mcc")]
    straight, floor = found
    assert (straight.setting, floor.setting) == ({}, {"rows": "shuffled"})
    assert straight.chance is None  # no closed form: audit wants one that follows from the dimensions alone
    latents = {c.seed: c.encode(pairs_of.test_in) for c in pairs_of.conditions["a"]}
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    metric = ActivationMCC()
    for one, other in zip(straight.observations, floor.observations, strict=True):
        assert one.seeds == other.seeds
        first, second = (latents[seed] for seed in one.seeds)
        assert one.value == pytest.approx(metric.finish(metric.update(None, first, second)), abs=1e-9)
        assert other.value == pytest.approx(metric.finish(metric.update(None, first, second[order])), abs=1e-6)


def test_consistency_does_not_depend_on_slices_or_on_how_many_pairs_fit_in_memory(pairs_of, monkeypatch):
    whole = list(Consistency().measure(pairs_of))
    monkeypatch.setattr(consistency, "MEMORY", 2 * 8 * 24 * 24)
    sliced = list(Consistency().measure(replace(pairs_of, settings=ConsistencySettings(rows_per_slice=7))))
    for one, other in zip(whole, sliced, strict=True):
        assert (one.metric, one.setting, one.chance) == (other.metric, other.setting, other.chance)
        for a, b in zip(one.observations, other.observations, strict=True):
            assert a.seeds == b.seeds
            assert a.value == pytest.approx(b.value, abs=1e-6)


def test_activation_metrics_of_a_wide_dictionary_are_chosen_never_dropped(pairs_of):
    narrow = replace(pairs_of, settings=ConsistencySettings(activation_width=23))
    with pytest.raises(EvaluationError, match="condition a: 24 latents are more than activation_width = 23"):
        next(Consistency().measure(narrow))
    none = replace(pairs_of, settings=ConsistencySettings(activation_width=0))
    assert {m.metric for m in Consistency().measure(none)} == {"mcc", "pwmcc", "subspace_overlap"}
    with pytest.raises(ValueError, match="activation_width"):
        ConsistencySettings(activation_width=-1)
    with pytest.raises(EvaluationError, match="no test rows"):
        list(Consistency().measure(replace(pairs_of, test_in=torch.zeros(0, 8))))


def test_consistency_needs_two_seeds(task, coder_of):
    alone = replace(task, settings=ConsistencySettings(), conditions={**task.conditions, "alone": [coder_of()]})
    with pytest.raises(EvaluationError, match="condition alone: needs two seeds, has 1"):
        next(Consistency().measure(alone))


@pytest.mark.parametrize("benchmark", [ReconstructionBenchmark(), Consistency()])
def test_a_transposed_dictionary_is_refused(benchmark, task, coder_of):
    task = replace(task, settings=benchmark.Settings())
    turned = coder_of(dims=(8, 8, 8))
    turned = replace(turned, dims=replace(turned.dims, d_sae=9))
    with pytest.raises(ValueError, match="transposed"):
        list(benchmark.measure(replace(task, conditions={"a": [turned, turned]})))

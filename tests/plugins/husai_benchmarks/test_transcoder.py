"""Transcoders and the SAEs matched with them are measured side by side, and what is neither is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from husai_architectures.relu import Relu
from husai_architectures.route import Route
from husai_architectures.skip_transcoder import SkipTranscoder
from husai_architectures.topk_of_output import TopKOfOutput
from husai_architectures.topk_transcoder import TopKTranscoder
from husai_benchmarks.affine_map import cross_fitted_residuals
from husai_benchmarks.transcoder import TranscoderBenchmark, TranscoderSettings, husai_metrics
from husai_core import EvaluationError, Skipped, Task
from husai_core.site import Site
from husai_gates.pipeline import gate
from husai_metrics.explained_variance import ExplainedVariance
from husai_metrics.l0 import L0
from husai_metrics.mcc import MCC
from husai_metrics.pwmcc import PWMCC
from husai_tests.studies import run_study

DIMS = (14, 24, 8)  # six columns of A, then eight of B


@pytest.fixture
def task(coder_of: Any, rows: Any) -> Task:
    x = torch.cat([a := rows(60, 6), a @ rows(6, 8, seed=1) + rows(60, 8, seed=2)], 1)
    conditions = {
        "s.transcoder": [coder_of(seed, DIMS, TopKTranscoder, beside_output=True) for seed in (5, 3, 4)],
        "s.skip": [coder_of(seed, DIMS, SkipTranscoder, beside_output=True, k=2) for seed in (1, 2)],
        "s.sae": [coder_of(seed, DIMS, TopKOfOutput) for seed in (3, 4, 5)],
    }
    metrics = [*husai_metrics(), ExplainedVariance(), L0(), MCC(), PWMCC()]
    site = Site("s", "m", ("A", "B"), "B")
    return Task(site, conditions, x, x[:, 6:], metrics, TranscoderSettings(), lambda f, n: None)


def measured(task: Task) -> dict[tuple[str, str], Any]:
    return {(m.condition, m.metric): m for m in TranscoderBenchmark().measure(task)}


def test_every_seed_and_pair_of_both_kinds_is_an_observation(task):
    found = measured(task)
    names = {"explained_variance", "explained_beyond_affine", "pwmcc", "mcc"}
    assert found.keys() == {(condition, name) for condition in task.conditions for name in names}
    for (condition, name), measurement in found.items():
        assert measurement.setting == {"k": 2 if condition == "s.skip" else 4}
        seeds = [o.seeds for o in measurement.observations]
        if name in ("pwmcc", "mcc"):
            assert seeds == ([(1, 2)] if condition == "s.skip" else [(3, 4), (3, 5), (4, 5)])
        else:
            assert seeds == [(coder.seed,) for coder in task.conditions[condition]]
    dictionaries = [coder.dictionary() for coder in task.conditions["s.sae"][:2]]
    assert found["s.sae", "pwmcc"].observations[0].value == PWMCC().compare(*dictionaries)
    assert found["s.sae", "pwmcc"].chance == PWMCC().chance(24, 8)


def test_errors_are_of_the_output_and_relative_to_what_an_affine_map_leaves(task):
    found = measured(task)
    y = task.test_out.double()
    left = cross_fitted_residuals(task.test_in[:, :6], y).square().sum()
    for condition, coders in task.conditions.items():
        for place, coder in enumerate(coders):
            error = (y - coder.reconstruct(task.test_in, coder.encode(task.test_in)).double()).square().sum()
            explained = found[condition, "explained_variance"].observations[place].value
            assert explained == pytest.approx(float(1 - error / (y - y.mean(0)).square().sum()), abs=1e-6)
            beyond = found[condition, "explained_beyond_affine"].observations[place].value
            assert beyond == pytest.approx(float(1 - error / left), abs=1e-6)


def test_at_a_site_that_does_not_read_its_output_there_are_transcoders_alone(task, coder_of):
    coders = [coder_of(seed, (6, 24, 8), TopKTranscoder) for seed in (3, 4, 5)]
    for coder, other in zip(coders, task.conditions["s.transcoder"], strict=True):
        coder.params.update(task.conditions["s.transcoder"][[5, 3, 4].index(coder.seed)].params)
        assert other.architecture.name == coder.architecture.name
    alone = replace(
        task, site=Site("s", "m", "A", "B"), test_in=task.test_in[:, :6], conditions={"s.transcoder": coders}
    )
    beside, without = measured(task), measured(alone)
    for name in ("explained_variance", "explained_beyond_affine", "pwmcc"):
        mine, theirs = (
            {o.seeds: o.value for o in found["s.transcoder", name].observations} for found in (beside, without)
        )
        assert mine == pytest.approx(theirs, rel=1e-6)


def test_a_control_of_another_network_is_held_to_its_own_affine_map(task, rows):
    x = rows(60, 14, seed=9)
    own = {"s.sae": (x, x[:, 6:])}
    found, before = measured(replace(task, own=own)), measured(task)
    left = cross_fitted_residuals(x[:, :6], x[:, 6:]).square().sum()
    coder = task.conditions["s.sae"][0]
    error = (x[:, 6:] - coder.reconstruct(x, coder.encode(x))).double().square().sum()
    beyond = found["s.sae", "explained_beyond_affine"].observations[0].value
    assert beyond == pytest.approx(float(1 - error / left), abs=1e-6)
    assert found["s.skip", "explained_beyond_affine"] == before["s.skip", "explained_beyond_affine"]


def test_a_dictionary_without_k_is_measured_at_no_setting(task, coder_of):
    coders = [coder_of(seed, (6, 24, 8), Relu, apply_b_dec_to_input=False) for seed in (1, 2)]
    found = measured(
        replace(task, site=Site("s", "m", "A", "B"), test_in=task.test_in[:, :6], conditions={"s.relu": coders})
    )
    assert {dict(m.setting) == {} for m in found.values()} == {True}


def test_what_reads_both_sides_is_refused(task, coder_of):
    cheats = [coder_of(seed, DIMS, TopKTranscoder) for seed in (1, 2)]
    with pytest.raises(
        EvaluationError, match=r"s.cheat, seed 1: it reads what is to be written and what stands beside"
    ):
        measured(replace(task, conditions={**task.conditions, "s.cheat": cheats}))


def test_sites_where_nothing_can_be_compared_are_skipped_or_refused(task, coder_of, rows):
    with pytest.raises(Skipped, match="it reads what it writes and nothing else"):
        measured(replace(task, site=Site("s", "m", "B", "B")))
    with pytest.raises(Skipped, match="chooses what it reconstructs"):
        measured(replace(task, conditions={"r": [coder_of(family=Route, dims=(16, 24, 8))]}))
    with pytest.raises(EvaluationError, match="B, A, where what it writes, B, does not stand last"):
        measured(replace(task, site=Site("s", "m", ("B", "A"), "B")))
    with pytest.raises(EvaluationError, match="9 test rows are too few"):
        measured(replace(task, test_in=task.test_in[:9], test_out=task.test_out[:9]))
    with pytest.raises(EvaluationError, match="what is written never varies"):
        measured(replace(task, test_out=torch.ones(60, 8)))
    with pytest.raises(EvaluationError, match="needs two seeds, has 1"):
        measured(replace(task, conditions={"s.one": [task.conditions["s.sae"][0]]}))


STUDY = """
schema = "husai:study/v1"
name = "matched"
question = "Does the transcoder do as well as its SAE?"

[[site]]
name = "sum"
model = "tiny"
hook_in = ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"]
hook_out = "blocks.0.hook_resid_post"

[training]
seeds = [1, 2, 3]
steps = 20
batch_size = 64
learning_rate = 1e-3

[[sae]]
name = "transcoder"
architecture = "topk_transcoder"
role = "candidate"
d_sae = 24
settings = { k = 4, beside_output = true }

[[sae]]
name = "sae"
architecture = "topk_of_output"
role = "baseline"
d_sae = 24
settings = { k = 4 }

[[benchmark]]
name = "transcoder"

[[benchmark]]
name = "splice"
"""

POLICY = """
schema = "husai:policy/v1"
name = "delta"
version = "1"
purpose = "Is a transcoder no worse than its SAE?"
confidence = 0.95
min_units = 3
"""
RULE = """
[[rule]]
id = "{metric}-at-{k}"
question = "Is it as good?"
reason = "The transcoder delta."
kind = "superiority"
benchmark = "transcoder"
metric = "{metric}"
setting = {{ k = {k} }}
over = {{ role = "baseline" }}
"""


def test_a_rule_judges_the_difference_to_the_matched_sae_seed_by_seed(tmp_path):
    (only,) = run_study(STUDY, tmp_path).warnings
    assert "the benchmark was skipped: site sum: the model 'tiny' predicts no next token" in only
    evidence = json.loads((tmp_path / "out" / "evidence" / "transcoder.sum.json").read_text())
    seen = {
        (m["condition"], m["metric"]["name"]): {tuple(o["seeds"]): o["value"] for o in m["observations"]}
        for m in evidence["measurements"]
    }
    rules = [RULE.format(metric=metric, k=k) for metric, k in (("explained_variance", 4), ("pwmcc", 4), ("pwmcc", 5))]
    (tmp_path / "policy.toml").write_text(POLICY + "".join(rules))
    explains, agrees, absent = gate(tmp_path / "out", str(tmp_path / "policy.toml")).rows
    for row, metric in ((explains, "explained_variance"), (agrees, "pwmcc")):
        mine, theirs = seen["sum.transcoder", metric], seen["sum.sae", metric]
        assert mine.keys() == theirs.keys()
        (cell,) = row.cells
        assert cell.against == "sum.sae"
        assert cell.interval.estimate == pytest.approx(sum(mine[unit] - theirs[unit] for unit in mine) / 3, abs=1e-9)
    assert absent.status == "missing"

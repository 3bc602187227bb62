"""The official meta-structure, which reads a decoder and nothing else: no model is loaded for it."""

from __future__ import annotations

import json

import pytest

from husai_saebench.benchmarks import MetaStructure
from husai_saebench.profiles import MetaStructureSettings


@pytest.mark.official
def test_it_runs_without_a_language_model_and_the_same_way_for_every_subject(official, task_of, coder_of, a_table):
    settings = MetaStructureSettings(steps=30, rows_per_step=32)
    twins = {
        "site.topk": [coder_of(0, (16, 32, 16)), coder_of(1, (16, 32, 16))],
        "site.same": [coder_of(0, (16, 32, 16))],
    }
    task = task_of(settings, twins, reader=a_table, model="synthetic")
    found = {(m.condition, m.metric): m.observations for m in MetaStructure().measure(task)}
    assert {metric for _, metric in found} == {"saebench_decoder_variance_explained", "saebench_decoder_mse"}
    for metric in ("saebench_decoder_variance_explained", "saebench_decoder_mse"):
        one, other = found["site.topk", metric]
        (same,) = found["site.same", metric]
        assert one == same, "the third of a list is scored as the first"
        assert one.value != other.value
    run = json.loads(task.external[0].files["run.json"])
    assert run["versions"]["sae-bench"]

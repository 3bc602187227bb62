"""Consistency: how alike the dictionaries are that different seeds find, for every pair of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Observation,
    PairMetric,
    Task,
    hookimpl,
)


@dataclass(frozen=True)
class ConsistencySettings:
    """Nothing to choose."""


class Consistency(Benchmark):
    name = "consistency"
    summary = "Every pair metric on all pairs of seeds of a condition, beside its chance level."
    Settings = ConsistencySettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        groups = {name: sorted(coders, key=lambda c: c.seed) for name, coders in task.conditions.items()}
        for condition, coders in groups.items():
            if len(coders) < 2:
                place = f"benchmark consistency, condition {condition}"
                raise EvaluationError(place, f"needs two seeds, has {len(coders)}", "train more seeds")
        metrics = task.metrics_of_kind(PairMetric)
        for number, ((condition, coders), metric) in enumerate(
            (group, metric) for group in groups.items() for metric in metrics
        ):
            task.progress(number / (len(groups) * len(metrics)), f"consistency: {condition}, {metric.name}")
            pairs = combinations(coders, 2)
            observations = tuple(self._observe(metric, condition, *pair) for pair in pairs)
            dims = coders[0].dims
            yield Measurement(metric.name, condition, observations, chance=metric.chance(dims.d_sae, dims.d_out))
        task.progress(1.0, "consistency: done")

    def _observe(self, metric: PairMetric, condition: str, first: Coder, second: Coder) -> Observation:
        import torch

        seeds = (first.seed, second.seed)
        with torch.no_grad():
            value = metric.compare(first.dictionary(), second.dictionary())
        if not math.isfinite(value):
            place = f"benchmark consistency, {condition}, seeds {seeds}"
            raise EvaluationError(place, f"{metric.name} is {value}", "look for exploding weights")
        return Observation(seeds, value)


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [Consistency()]

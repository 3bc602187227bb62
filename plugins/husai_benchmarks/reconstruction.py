"""Reconstruction: how well and how sparsely each coder describes held-out rows, in one pass over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import (
    Benchmark,
    Coder,
    CoderMetric,
    EvaluationError,
    Measurement,
    Observation,
    Reconstruction,
    StreamMetric,
    Task,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ReconstructionSettings:
    """How many rows are held in memory as latents at once; results do not depend on it beyond rounding."""

    rows_per_slice: int = 4096

    def __post_init__(self) -> None:
        if self.rows_per_slice < 1:
            raise ValueError(f"rows_per_slice must be at least 1, not {self.rows_per_slice}")


class ReconstructionBenchmark(Benchmark):
    name = "reconstruction"
    summary = "Every stream and coder metric that a coder can have, on held-out rows, one observation per seed."
    Settings = ReconstructionSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        if not len(task.test_in):
            raise EvaluationError("benchmark reconstruction", "there are no test rows", "give the corpus some")
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            values: dict[str, list[Observation]] = {}
            rows = task.own_rows(condition)
            for coder in coders:
                task.progress(done / total, f"reconstruction: {condition}, seed {coder.seed}")
                for metric, value in self._values(coder, task, *rows).items():
                    if not math.isfinite(value):
                        place = f"benchmark reconstruction, {condition}, seed {coder.seed}"
                        raise EvaluationError(place, f"{metric} is {value}", "look for exploding weights")
                    values.setdefault(metric, []).append(Observation((coder.seed,), value))
                done += 1
            for metric, observations in values.items():
                yield Measurement(metric, condition, tuple(observations))
        task.progress(1.0, "reconstruction: done")

    def _values(self, coder: Coder, task: Task, test_in: Tensor, test_out: Tensor) -> dict[str, float]:
        """Every metric of one coder, by name."""
        import torch

        streams = task.metrics_of_kind(StreamMetric)
        states: dict[str, Any] = {}
        size = task.settings.rows_per_slice
        with torch.no_grad():
            slices = list(zip(test_in.split(size), test_out.split(size), strict=True))
            mean = sum(coder.target(x, y).double().sum(0) for x, y in slices) / len(test_in)
            for x, y in slices:
                latents = coder.encode(x)
                batch = Reconstruction(coder.target(x, y), latents, coder.reconstruct(x, latents), mean)
                for metric in streams:
                    states[metric.name] = metric.update(states.get(metric.name), batch)
            values = {metric.name: metric.finish(states[metric.name]) for metric in streams}
            weights = [m for m in task.metrics_of_kind(CoderMetric) if coder.initial is not None or not m.needs_initial]
            return values | {metric.name: metric.of(coder) for metric in weights}


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [ReconstructionBenchmark()]

"""Ground truth: which true features a dictionary has found, where the model knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_benchmarks.true_features import (
    Detection,
    chance_of_directions,
    cosines,
    detect,
    directions,
    mean_of,
)
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Skipped, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GroundTruthSettings:
    """`chance_draws` random dictionaries give the chance of what depends on directions alone."""

    rows_per_slice: int = 4096
    chance_draws: int = 16

    def __post_init__(self) -> None:
        for name in ("rows_per_slice", "chance_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class GroundTruth(Benchmark):
    name = "ground_truth"
    summary = "Recovery, detection and uniqueness of the true features of a model that knows them, beside chance."
    requires = ("torch", "scipy")
    Settings = GroundTruthSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        features, truth = task.table("features"), task.label("features")
        self._refuse(task, features)
        chances: dict[int, dict[str, float]] = {}
        for number, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(number / len(task.conditions), f"ground_truth: {condition}")
            width = coders[0].dims.d_sae
            if width not in chances:
                chances[width] = chance_of_directions(width, features, task.settings.chance_draws)
            found = {coder.seed: self._of(coder, features, truth, task) for coder in coders}
            scores = {seed: {**alone, **seen.scores()} for seed, (alone, seen) in found.items()}
            chance = chances[width] | mean_of(seen.chance() for _, seen in found.values())
            for metric, expected in chance.items():
                observations = tuple(Observation((seed,), values[metric]) for seed, values in scores.items())
                yield Measurement(metric, condition, observations, chance=expected)
        task.progress(1.0, "ground_truth: done")

    def _refuse(self, task: Task, features: Tensor) -> None:
        place = f"benchmark {self.name}, site {task.site.name}"
        if not len(task.test_in):
            raise EvaluationError(place, "there are no test rows", "give the corpus some")
        if task.test_out.shape[1] != features.shape[1]:
            rule = (
                f"true features are {features.shape[1]} wide, what dictionaries write is {task.test_out.shape[1]} wide"
            )
            raise Skipped(place, rule, "measure at the hook point where the features live")

    def _of(self, coder: Coder, features: Tensor, truth: Tensor, task: Task) -> tuple[dict[str, float], Detection]:
        """What its directions say, and what it detects."""
        import torch

        size = task.settings.rows_per_slice
        with torch.no_grad():
            close = cosines(coder.dictionary(), features)
            slices = zip(task.test_in.split(size), truth.split(size), strict=True)
            return directions(close), detect(((coder.encode(x), known) for x, known in slices), close.argmax(1))


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [GroundTruth()]

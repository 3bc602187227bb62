"""Ground truth: which true features a dictionary has found, where the model knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_benchmarks.true_features import (
    Detection,
    chance_of_directions,
    cosines,
    detect,
    directions,
)
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Skipped, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GroundTruthSettings:
    """A feature counts as recovered where a latent's |cosine| to it is at least `recovered_at`.

    `chance_draws` random dictionaries give the chance of what depends on directions alone.
    """

    recovered_at: float = 0.9
    rows_per_slice: int = 4096
    chance_draws: int = 16

    def __post_init__(self) -> None:
        for name in ("rows_per_slice", "chance_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.recovered_at <= 1:
            raise ValueError(f"recovered_at must be above 0 and at most 1, not {self.recovered_at}")


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
                draws, least = task.settings.chance_draws, task.settings.recovered_at
                chances[width] = chance_of_directions(width, features, least, draws)
            found = {coder.seed: self._of(coder, features, truth, task) for coder in coders}
            for metric, chance in chances[width].items():
                values = {seed: alone[metric] for seed, (alone, _) in found.items()}
                setting = {"cosine": task.settings.recovered_at} if metric == "feature_recovery" else {}
                yield _measurement(metric, condition, values, setting, chance)
            for metric in next(iter(found.values()))[1].scores():
                scores = {seed: seen.scores()[metric] for seed, (_, seen) in found.items()}
                yield _measurement(metric, condition, scores, {})
                floor = {seed: seen.shuffled()[metric] for seed, (_, seen) in found.items()}
                yield _measurement(metric, condition, floor, {"rows": "shuffled"})
        task.progress(1.0, "ground_truth: done")

    def _refuse(self, task: Task, features: Tensor) -> None:
        place = f"benchmark {self.name}, site {task.site.name}"
        if not len(task.test_in):
            raise EvaluationError(place, "there are no test rows", "give the corpus some")
        if task.test_out.shape[1] != features.shape[1]:
            rule = f"true features are {features.shape[1]} wide, what dictionaries write {task.test_out.shape[1]}"
            raise Skipped(place, rule, "measure at the hook point where the features live")

    def _of(self, coder: Coder, features: Tensor, truth: Tensor, task: Task) -> tuple[dict[str, float], Detection]:
        """What its directions say, and what it detects."""
        import torch

        size = task.settings.rows_per_slice
        with torch.no_grad():
            close = cosines(coder.dictionary(), features)
            slices = zip(task.test_in.split(size), truth.split(size), strict=True)
            return directions(close, task.settings.recovered_at), detect(
                ((coder.encode(x), known) for x, known in slices), close.argmax(1)
            )


def _measurement(
    metric: str, condition: str, values: Mapping[int, float], setting: Mapping[str, Any], chance: float | None = None
) -> Measurement:
    observations = tuple(Observation((seed,), value) for seed, value in values.items())
    return Measurement(metric, condition, observations, setting, chance)


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [GroundTruth()]

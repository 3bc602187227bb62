"""Ground truth: which true features a dictionary has found, where the model knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_benchmarks.true_features import (
    cosines,
    detect,
    directions,
    random_directions,
)
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Skipped, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


Key = tuple[Any, ...]  # a metric, then the names and values of its setting


@dataclass(frozen=True)
class GroundTruthSettings:
    """A feature counts as recovered where a latent's |cosine| to it is at least `recovered_at`.

    `draws` random dictionaries for each seed are the floor of what depends on directions alone.
    """

    recovered_at: float = 0.9
    rows_per_slice: int = 4096
    draws: int = 16

    def __post_init__(self) -> None:
        for name in ("rows_per_slice", "draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.recovered_at <= 1:
            raise ValueError(f"recovered_at must be above 0 and at most 1, not {self.recovered_at}")


class GroundTruth(Benchmark):
    name = "ground_truth"
    summary = "Recovery, detection and uniqueness of the true features of a model that knows them, beside their floors."
    requires = ("torch", "scipy")
    Settings = GroundTruthSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        features, truth = task.table("features"), task.label("features")
        self._refuse(task, features)
        for number, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(number / len(task.conditions), f"ground_truth: {condition}")
            found = {
                coder.seed: self._of(coder, task.own_rows(condition)[0], features, truth, task) for coder in coders
            }
            for key in next(iter(found.values())):
                observations = tuple(Observation((seed,), values[key]) for seed, values in found.items())
                yield Measurement(key[0], condition, observations, dict(key[1:]))
        task.progress(1.0, "ground_truth: done")

    def _refuse(self, task: Task, features: Tensor) -> None:
        place = f"benchmark {self.name}, site {task.site.name}"
        if not len(task.test_in):
            raise EvaluationError(place, "there are no test rows", "give the corpus some")
        if task.test_out.shape[1] != features.shape[1]:
            rule = f"true features are {features.shape[1]} wide, what dictionaries write {task.test_out.shape[1]}"
            raise Skipped(place, rule, "measure at the hook point where the features live")

    def _of(self, coder: Coder, rows: Tensor, features: Tensor, truth: Tensor, task: Task) -> dict[Key, float]:
        """What its directions say and what it detects, each followed by its floor."""
        import torch

        size, least, draws = task.settings.rows_per_slice, task.settings.recovered_at, task.settings.draws
        with torch.no_grad():
            close = cosines(coder.dictionary(), features)
            slices = zip(rows.split(size), truth.split(size), strict=True)
            seen = detect(((coder.encode(x), known) for x, known in slices), close.argmax(1))
        random = random_directions(len(close), features, least, draws, coder.seed)
        found = _at(directions(close, least), least) | _at(random, least, ("directions", "random"))
        return found | _at(seen.scores(), least) | _at(seen.shuffled(), least, ("rows", "shuffled"))


def _at(values: Mapping[str, float], least: float, *setting: tuple[str, Any]) -> dict[Key, float]:
    """Values by metric and setting; only recovery has one of its own."""
    own = {"feature_recovery": (("cosine", least),)}
    return {(metric, *own.get(metric, ()), *setting): value for metric, value in values.items()}


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [GroundTruth()]

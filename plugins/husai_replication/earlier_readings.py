"""Earlier readings: two numbers as the earlier program read them, to stand beside the right ones in one bundle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    PairMetric,
    Skipped,
    Task,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor


class PWMCCLongerSide(Metric):
    card = MetricCard(
        name="pwmcc_longer_side",
        version="1",
        unit="absolute cosine",
        direction="neither",
        definition="pwmcc with the longer side of the decoder taken for its features: where d_sae < d_out it compares "
        "d_out vectors of length d_sae, which are no features; a replica of an earlier mistake",
        low=0.0,
        high=1.0,
    )


class ExplainedVariancePooled(Metric):
    card = MetricCard(
        name="explained_variance_pooled",
        version="1",
        unit="share of variance",
        direction="neither",
        definition="1 - variance of all entries of the residual / variance of all entries of the targets, each around "
        "one mean for all rows and dimensions; a constant offset of a dimension counts as variance to be explained",
        high=1.0,
    )


@dataclass(frozen=True)
class EarlierReadingsSettings:
    """`rows_per_slice` bounds memory; results do not depend on it beyond rounding."""

    rows_per_slice: int = 1024

    def __post_init__(self) -> None:
        if self.rows_per_slice < 1:
            raise ValueError(f"rows_per_slice must be at least 1, not {self.rows_per_slice}")


class EarlierReadings(Benchmark):
    name = "earlier_readings"
    summary = "Replica of two earlier readings: the decoder by its longer side, and pooled explained variance."
    Settings = EarlierReadingsSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        pwmcc = next((m for m in task.metrics_of_kind(PairMetric) if m.name == "pwmcc"), None)
        if pwmcc is None:
            raise Skipped("benchmark earlier_readings", "the metric 'pwmcc' is not installed", "install husai's own")
        for number, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(number / len(task.conditions), f"earlier_readings: {condition}")
            if len(coders) < 2:
                place = f"benchmark earlier_readings, condition {condition}"
                raise EvaluationError(place, f"needs two seeds, has {len(coders)}", "train more seeds")
            yield self._by_longer_side(pwmcc, condition, sorted(coders, key=lambda coder: coder.seed))
            x, y = task.own_rows(condition)
            pooled = tuple(
                Observation((coder.seed,), _pooled(coder, x, y, task.settings.rows_per_slice)) for coder in coders
            )
            yield Measurement("explained_variance_pooled", condition, pooled)
        task.progress(1.0, "earlier_readings: done")

    def _by_longer_side(self, pwmcc: PairMetric, condition: str, coders: Sequence[Coder]) -> Measurement:
        import torch

        with torch.no_grad():
            sides = [(coder.seed, pwmcc.prepare(longer_side(coder.dictionary()))) for coder in coders]
            observations = tuple(
                Observation((a, b), pwmcc.compare(first, second)) for (a, first), (b, second) in combinations(sides, 2)
            )
        dims = coders[0].dims
        chance = pwmcc.chance(max(dims.d_sae, dims.d_out), min(dims.d_sae, dims.d_out))
        return Measurement("pwmcc_longer_side", condition, observations, chance=chance)


def longer_side(dictionary: Tensor) -> Tensor:
    """The mistake itself: (d_sae, d_out) is turned over where d_sae is the shorter of the two."""
    return dictionary.T.contiguous() if dictionary.shape[0] < dictionary.shape[1] else dictionary


def _pooled(coder: Coder, x: Tensor, y: Tensor, rows_per_slice: int) -> float:
    import torch

    sums = torch.zeros(4, dtype=torch.float64)  # of the residual and of the targets, plain and squared
    entries = 0
    with torch.no_grad():
        for rows, wanted in zip(x.split(rows_per_slice), y.split(rows_per_slice), strict=True):
            target = coder.target(rows, wanted).double()
            residual = target - coder.reconstruct(rows, coder.encode(rows)).double()
            sums += torch.stack([part.sum() for side in (residual, target) for part in (side, side.square())])
            entries += target.numel()
    residual_sum, residual_squares, target_sum, target_squares = sums.tolist()
    left = residual_squares - residual_sum**2 / entries
    return 1 - left / (target_squares - target_sum**2 / entries)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [PWMCCLongerSide(), ExplainedVariancePooled()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [EarlierReadings()]

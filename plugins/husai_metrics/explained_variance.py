"""Explained variance: the share of the target's variance that the reconstruction accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """What one or more slices leave behind."""

    rows: int
    mean: Tensor  # (d,)
    deviations: Tensor  # (d,) sums of squared deviations from `mean`
    residuals: Tensor  # scalar, sum of squared residuals over rows and dimensions

    def merged(self, other: Moments) -> Moments:
        """Chan's update: no difference of large sums, so a large mean costs no digits."""
        rows = self.rows + other.rows
        shift = other.mean - self.mean
        return Moments(
            rows,
            self.mean + shift * (other.rows / rows),
            self.deviations + other.deviations + shift.square() * (self.rows * other.rows / rows),
            self.residuals + other.residuals,
        )


class ExplainedVariance(StreamMetric):
    card = MetricCard(
        name="explained_variance",
        version="1",
        unit="share of variance",
        direction="higher",
        definition="1 - sum of squared residuals / sum of squared deviations from the per-dimension mean "
        "of the test targets, both summed over rows and dimensions (variance-weighted R2)",
        high=1.0,
    )

    def update(self, state: Moments | None, batch: Reconstruction) -> Moments:
        target = batch.target.double()
        mean = target.mean(0)
        residuals = (target - batch.output.double()).square().sum()
        new = Moments(len(target), mean, (target - mean).square().sum(0), residuals)
        return new if state is None else state.merged(new)

    def finish(self, state: Moments) -> float:
        total = float(state.deviations.sum())
        if total == 0:
            raise ValueError("the target rows are all equal: there is no variance to explain")
        return 1 - float(state.residuals) / total


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ExplainedVariance()]

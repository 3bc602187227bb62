"""Explained variance per dimension: the mean over dimensions of each one's R2, so that no large one decides alone."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl
from husai_metrics.moments import Moments


class ExplainedVariancePerDimension(StreamMetric):
    card = MetricCard(
        name="explained_variance_per_dimension",
        version="1",
        unit="share of variance",
        direction="higher",
        definition="1 - sum of squared residuals / sum of squared deviations from the mean of the test targets, both "
        "summed over rows in each dimension, then averaged over the dimensions in which the targets vary "
        "(uniformly averaged R2)",
        high=1.0,
    )

    def update(self, state: Moments | None, batch: Reconstruction) -> Moments:
        new = Moments.of(batch)
        return new if state is None else state.merged(new)

    def finish(self, state: Moments) -> float:
        varies = state.deviations > 0
        if not varies.any():
            raise ValueError("the target rows are all equal: there is no variance to explain")
        return float((1 - state.residuals[varies] / state.deviations[varies]).mean())


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ExplainedVariancePerDimension()]

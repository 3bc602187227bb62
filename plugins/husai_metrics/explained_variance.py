"""Explained variance: the share of the target's variance that the reconstruction accounts for."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl
from husai_metrics.moments import Moments


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
        new = Moments.of(batch)
        return new if state is None else state.merged(new)

    def finish(self, state: Moments) -> float:
        total = float(state.deviations.sum())
        if total == 0:
            raise ValueError("the target rows are all equal: there is no variance to explain")
        return 1 - float(state.residuals.sum()) / total


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ExplainedVariance()]

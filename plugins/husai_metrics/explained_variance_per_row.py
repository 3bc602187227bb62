"""Explained variance per row: SAEBench's legacy explained variance, in which a row near the mean counts most."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class ExplainedVariancePerRow(StreamMetric):
    """SAEBench centres each batch on its own mean; here it is that of all test rows, so that slices do not matter."""

    card = MetricCard(
        name="explained_variance_per_row",
        version="1",
        unit="share of variance",
        direction="higher",
        definition="1 - squared residual / squared distance of the target from the mean of all test targets, both "
        "summed over the dimensions of a row, then averaged over rows (SAEBench's explained_variance_legacy, centred "
        "on all rows)",
        high=1.0,
    )

    def update(self, state: tuple[float, int] | None, batch: Reconstruction) -> tuple[float, int]:
        if batch.target_mean is None:
            raise ValueError("the benchmark gave no mean of all targets, which this metric centres on")
        total, rows = state or (0.0, 0)
        target = batch.target.double()
        residuals = (target - batch.output.double()).square().sum(-1)
        deviations = (target - batch.target_mean).square().sum(-1)
        if (deviations == 0).any():
            row = rows + int((deviations == 0).nonzero()[0, 0])
            raise ValueError(f"row {row} of the targets equals their mean: it has no variance to explain")
        return total + float((1 - residuals / deviations).sum()), rows + len(target)

    def finish(self, state: tuple[float, int]) -> float:
        total, rows = state
        return total / rows


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ExplainedVariancePerRow()]

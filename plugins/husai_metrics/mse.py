"""MSE: mean squared error over rows and dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class MeanSquaredError(StreamMetric):
    card = MetricCard(
        name="mse",
        version="1",
        unit="squared activation",
        direction="lower",
        definition="squared difference of target and reconstruction, averaged over rows and dimensions",
        low=0.0,
    )

    def update(self, state: tuple[float, int] | None, batch: Reconstruction) -> tuple[float, int]:
        total, count = state or (0.0, 0)
        squares = (batch.target.double() - batch.output.double()).square()
        return total + float(squares.sum()), count + squares.numel()

    def finish(self, state: tuple[float, int]) -> float:
        total, count = state
        return total / count


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [MeanSquaredError()]

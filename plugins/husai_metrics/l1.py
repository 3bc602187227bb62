"""L1: the total activation of a row's latents."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class L1(StreamMetric):
    card = MetricCard(
        name="l1",
        version="1",
        unit="activation per row",
        direction="neither",
        definition="sum of absolute latents, not weighted by decoder norms, averaged over rows",
        low=0.0,
    )

    def update(self, state: tuple[float, int] | None, batch: Reconstruction) -> tuple[float, int]:
        total, rows = state or (0.0, 0)
        return total + float(batch.latents.double().abs().sum()), rows + len(batch.latents)

    def finish(self, state: tuple[float, int]) -> float:
        total, rows = state
        return total / rows


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [L1()]

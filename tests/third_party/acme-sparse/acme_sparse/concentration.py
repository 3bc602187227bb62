"""Concentration: how much of a row's activity its largest latent has."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class Concentration(StreamMetric):
    card = MetricCard(
        name="acme_concentration",
        version="1",
        unit="share of activity",
        direction="neither",
        definition="largest absolute latent over the sum of absolute latents, averaged over rows with any, else 0",
        low=0.0,
        high=1.0,
    )

    def update(self, state: tuple[float, int] | None, batch: Reconstruction) -> tuple[float, int]:
        total, rows = state or (0.0, 0)
        activity = batch.latents.double().abs()
        active = activity[activity.sum(-1) > 0]
        return total + float((active.amax(-1) / active.sum(-1)).sum()) if len(active) else total, rows + len(active)

    def finish(self, state: tuple[float, int]) -> float:
        total, rows = state
        return total / rows if rows else 0.0


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [Concentration()]

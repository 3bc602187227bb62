"""L0: how many latents are active on a row."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class L0(StreamMetric):
    card = MetricCard(
        name="l0",
        version="1",
        unit="latents per row",
        direction="neither",
        definition="number of latents that are not zero, averaged over rows",
        low=0.0,
        continuous=False,
    )

    def update(self, state: tuple[int, int] | None, batch: Reconstruction) -> tuple[int, int]:
        active, rows = state or (0, 0)
        return active + int(batch.latents.count_nonzero()), rows + len(batch.latents)

    def finish(self, state: tuple[int, int]) -> float:
        active, rows = state
        return active / rows


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [L0()]

"""Density: the share of latents that are active too often to mean one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class DenseFraction(StreamMetric):
    card = MetricCard(
        name="dense_fraction",
        version="1",
        unit="share of latents",
        direction="lower",
        definition="share of latents that are not zero on more than 10 % of the test rows",
        low=0.0,
        high=1.0,
        continuous=False,
    )

    def update(self, state: tuple[Tensor, int] | None, batch: Reconstruction) -> tuple[Tensor, int]:
        counts, rows = (batch.latents != 0).sum(0), len(batch.latents)
        return (counts, rows) if state is None else (state[0] + counts, state[1] + rows)

    def finish(self, state: tuple[Tensor, int]) -> float:
        counts, rows = state
        return int((10 * counts > rows).sum()) / len(counts)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [DenseFraction()]

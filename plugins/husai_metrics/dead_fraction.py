"""Dead fraction: the share of latents that no test row activates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class DeadFraction(StreamMetric):
    card = MetricCard(
        name="dead_fraction",
        version="1",
        unit="share of latents",
        direction="lower",
        definition="share of latents that are zero on every test row",
        low=0.0,
        high=1.0,
        continuous=False,
    )

    def update(self, state: Tensor | None, batch: Reconstruction) -> Tensor:
        alive = (batch.latents != 0).any(0)
        return alive if state is None else state | alive

    def finish(self, state: Tensor) -> float:
        return int((~state).sum()) / len(state)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [DeadFraction()]

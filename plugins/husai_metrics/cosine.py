"""Cosine: how far each reconstruction points where its target does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl
from husai_metrics.directions import bounded, unit_rows

FIRST = MetricCard(
    name="cosine",
    version="1",
    unit="cosine",
    direction="higher",
    definition="cosine of target and reconstruction, neither centred, averaged over rows",
    low=-1.0,
    high=1.0,
)


class Cosine(StreamMetric):
    """A row that is reconstructed as zero points nowhere: it stays in the mean, and gains nothing."""

    card = replace(
        FIRST,
        version="2",
        definition="cosine of target and reconstruction, neither centred, averaged over rows; 0 for a row that is "
        "reconstructed as zero",
    )
    former = (FIRST,)

    def update(self, state: tuple[float, int] | None, batch: Reconstruction) -> tuple[float, int]:
        total, rows = state or (0.0, 0)
        target = unit_rows(batch.target, "the targets", rows)
        somewhere = (batch.output != 0).any(-1)
        output = unit_rows(batch.output.where(somewhere.unsqueeze(-1), batch.target), "the reconstructions", rows)
        return total + float((target * output).sum(-1)[somewhere].sum()), rows + len(target)

    def finish(self, state: tuple[float, int]) -> float:
        total, rows = state
        return bounded(total / rows)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [Cosine()]

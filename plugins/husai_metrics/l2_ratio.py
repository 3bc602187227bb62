"""L2 ratio: how long each reconstruction is beside its target."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class L2Ratio(StreamMetric):
    card = MetricCard(
        name="l2_ratio",
        version="1",
        unit="ratio of norms",
        direction="neither",
        definition="Euclidean norm of the reconstruction over that of the target, averaged over rows; 1 is faithful, "
        "less is shrinkage",
        low=0.0,
    )

    def update(self, state: tuple[float, int] | None, batch: Reconstruction) -> tuple[float, int]:
        total, rows = state or (0.0, 0)
        norms = batch.target.double().norm(dim=-1)
        if (norms == 0).any():
            row = rows + int((norms == 0).nonzero()[0, 0])
            raise ValueError(f"row {row} of the targets has norm 0: there is no ratio to it")
        return total + float((batch.output.double().norm(dim=-1) / norms).sum()), rows + len(norms)

    def finish(self, state: tuple[float, int]) -> float:
        total, rows = state
        return total / rows


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [L2Ratio()]

"""MCC: how well two dictionaries match when every feature may be used once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, PairMetric, hookimpl
from husai_metrics.assignment import best_mean
from husai_metrics.directions import bounded, refuse_directionless, tiles

if TYPE_CHECKING:
    from torch import Tensor


class MCC(PairMetric):
    card = MetricCard(
        name="mcc",
        version="1",
        unit="absolute cosine",
        direction="higher",
        definition="mean |cosine| of the one-to-one assignment of features that makes it largest, "
        "over the features of the smaller dictionary",
        low=0.0,
        high=1.0,
    )
    requires = ("torch", "scipy")

    def compare(self, first: Tensor, second: Tensor) -> float:
        import torch

        names = ("the first dictionary", "the second dictionary")
        for dictionary, name in zip((first, second), names, strict=True):
            refuse_directionless(dictionary, name)
        rows, columns = sorted((first, second), key=len)

        def cosines(chosen: Tensor) -> Tensor:
            found = rows.new_empty(len(chosen), len(columns), dtype=torch.float64)
            for i, j, tile in tiles(rows[chosen], columns, names):
                found[i, j] = tile
            return found

        return bounded(best_mean(cosines, len(rows), len(columns)), low=0.0)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [MCC()]

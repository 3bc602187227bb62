"""MCC: how well two dictionaries match when every feature may be used once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, PairMetric, hookimpl
from husai_metrics.directions import bounded, unit_rows

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
        from scipy.optimize import linear_sum_assignment

        rows, columns = unit_rows(first, "the first dictionary"), unit_rows(second, "the second dictionary")
        cosines = (rows @ columns.T).abs().cpu().numpy()
        return bounded(float(cosines[linear_sum_assignment(cosines, maximize=True)].mean()), low=0.0)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [MCC()]

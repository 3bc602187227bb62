"""PWMCC: how well each feature of one dictionary is found in another, and the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, PairMetric, hookimpl
from husai_metrics.directions import bounded, tiles

if TYPE_CHECKING:
    from torch import Tensor


class PWMCC(PairMetric):
    card = MetricCard(
        name="pwmcc",
        version="1",
        unit="absolute cosine",
        direction="higher",
        definition="mean over features of the largest |cosine| with any feature of the other dictionary, "
        "averaged over both directions",
        low=0.0,
        high=1.0,
    )
    requires = ("torch", "scipy")

    def compare(self, first: Tensor, second: Tensor) -> float:
        import torch

        rows = torch.zeros(len(first), dtype=torch.float64, device=first.device)  # each row's best match so far
        columns = torch.zeros(len(second), dtype=torch.float64, device=second.device)
        for i, j, cosines in tiles(first, second, ("the first dictionary", "the second dictionary")):
            torch.maximum(rows[i], cosines.amax(1), out=rows[i])
            torch.maximum(columns[j], cosines.amax(0), out=columns[j])
        return bounded(float(rows.mean() + columns.mean()) / 2, low=0.0)

    def chance(self, features: int, dimensions: int) -> float:
        """E max |cos| over m random directions: the integral of 1 - F(t^2)^m, F of Beta(1/2, (d - 1)/2)."""
        import math

        from scipy.integrate import quad
        from scipy.special import betainc

        if dimensions == 1:
            return 1.0

        def exceeds(t: float) -> float:
            above = betainc((dimensions - 1) / 2, 0.5, 1 - t * t)  # 1 - F(t^2), exact in the tail
            return -math.expm1(features * math.log1p(-above)) if above < 1 else 1.0

        return float(quad(exceeds, 0, 1, limit=500, epsabs=1e-12)[0])


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [PWMCC()]

"""Moments: what slices of targets and reconstructions leave behind for every kind of explained variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core import Reconstruction


@dataclass(frozen=True)
class Moments:
    """What one or more slices leave behind."""

    rows: int
    mean: Tensor  # (d,)
    deviations: Tensor  # (d,) sums of squared deviations from `mean`
    residuals: Tensor  # (d,) sums of squared residuals

    @classmethod
    def of(cls, batch: Reconstruction) -> Moments:
        """Those of one slice, in float64."""
        target = batch.target.double()
        mean = target.mean(0)
        residuals = (target - batch.output.double()).square().sum(0)
        return cls(len(target), mean, (target - mean).square().sum(0), residuals)

    def merged(self, other: Moments) -> Moments:
        """Chan's update: no difference of large sums, so a large mean costs no digits."""
        rows = self.rows + other.rows
        shift = other.mean - self.mean
        return Moments(
            rows,
            self.mean + shift * (other.rows / rows),
            self.deviations + other.deviations + shift.square() * (self.rows * other.rows / rows),
            self.residuals + other.residuals,
        )

"""The standard normal distribution in pure Python: tail probability and quantile, for shares."""

from __future__ import annotations

import math
from statistics import NormalDist

quantile = NormalDist().inv_cdf


def tail(z: float) -> float:
    """P(Z > z)."""
    return math.erfc(z / math.sqrt(2)) / 2

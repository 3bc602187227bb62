"""The standard normal distribution in pure Python: tail probability and quantile, for shares."""

from __future__ import annotations

import functools
import math


@functools.cache
def quantile(p: float) -> float:
    """The z with P(Z <= z) = p, rounded to 12 digits so that two machines agree on every bit of it."""
    from statistics import NormalDist  # imports decimal and random, which few policies need

    return float(f"{NormalDist().inv_cdf(p):.12g}")


def tail(z: float) -> float:
    """P(Z > z)."""
    return math.erfc(z / math.sqrt(2)) / 2

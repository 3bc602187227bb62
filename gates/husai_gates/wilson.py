"""Wilson's interval of a share, the p-value that belongs to it, and the exact one."""

from __future__ import annotations

import math

from husai_gates import normal
from husai_gates.interval import Interval


def wilson(hits: int, of: int, confidence: float) -> Interval:
    """The shares that a score test would not reject, given how many of the seeds have a property."""
    z = normal.quantile((1 + confidence) / 2)
    share, square = hits / of, z * z
    centre = (share + square / (2 * of)) / (1 + square / of)
    half = z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == of else centre + half
    return Interval(share, low, high, of, "Wilson over seeds", confidence)


def above(hits: int, of: int, share: float) -> float:
    """The p-value of the claim that the true share is above this one."""
    return normal.tail((hits / of - share) / math.sqrt(share * (1 - share) / of))


def exact(hits: int, of: int, share: float) -> float:
    """The probability of as many hits or more, if the true share were this one."""
    misses = range(of - hits + 1)
    terms = (math.comb(of, k) * share ** (of - k) * (1 - share) ** k for k in misses)
    return min(1.0, math.fsum(terms))

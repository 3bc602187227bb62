"""Welch's interval of a difference between two conditions that share no unit."""

from __future__ import annotations

from husai_gates.interval import Interval, Spread, around


def apart(one: Interval, other: Interval, confidence: float) -> Interval:
    """The first estimate minus the second, by the spread of each and Satterthwaite's degrees of freedom.

    Over independent seeds it is Welch's; of other intervals the spread that makes each as wide as it is stands in.
    """
    mine, theirs = one.spread, other.spread
    if mine is None or theirs is None:
        raise ValueError("an interval without a standard error cannot be subtracted")
    square, other_square = mine.error**2, theirs.error**2
    both = square + other_square
    freedom = min(mine.freedom, theirs.freedom)
    if both:
        freedom = both**2 / (square**2 / mine.freedom + other_square**2 / theirs.freedom)
    method = one.method if one.method == other.method else f"{one.method} and {other.method}"
    n = min(one.n, other.n)
    return around(one.estimate - other.estimate, (Spread(both**0.5, freedom),), n, f"Welch: {method}", confidence)

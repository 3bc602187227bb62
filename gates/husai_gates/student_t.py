"""Student's t distribution in pure Python: tail probability and quantile, good to 1e-9 relative.

The tail is half a regularised incomplete beta function, evaluated by its continued fraction (Lentz); the quantile is
found by Newton steps from the median outwards. Importing scipy would take longer than a whole gate run.
"""

from __future__ import annotations

import functools
import math
import sys

_EPSILON = sys.float_info.epsilon
_MOST_TERMS = 10_000


def tail(t: float, df: float) -> float:
    """P(T > t)."""
    if t < 0:
        return 1.0 - tail(-t, df)
    square = t * t
    return 0.5 * _incomplete_beta(df / 2, 0.5, df / (df + square), square / (df + square))


def density(t: float, df: float) -> float:
    """The probability density at t."""
    return math.exp(-_log_beta(df / 2, 0.5) - 0.5 * math.log(df) - (df + 1) / 2 * math.log1p(t * t / df))


@functools.cache
def quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p, rounded to 12 digits so that two machines agree on every bit of it."""
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"no t quantile for p = {p}, df = {df}")
    size = float(f"{_upper_quantile(min(p, 1 - p), df):.12g}")
    return size if p >= 0.5 else -size


def _upper_quantile(q: float, df: float) -> float:
    """The t >= 0 with P(T > t) = q, for q <= 1/2: there the tail is convex, so that no step goes beyond it."""
    t = 0.0
    while (further := t + (tail(t, df) - q) / density(t, df)) > t:
        t = further
    return t


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _incomplete_beta(a: float, b: float, x: float, complement: float) -> float:
    """I_x(a, b); `complement` is 1 - x, passed in because the subtraction would lose digits."""
    if not x or not complement:
        return float(not complement)
    front = math.exp(a * math.log(x) + b * math.log(complement) - _log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(a, b, x) / a
    return 1.0 - front * _continued_fraction(b, a, complement) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function by Lentz's method."""
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in (even, odd):
            d = 1.0 / (1.0 + numerator * d)
            c = 1.0 + numerator / c
            value *= c * d
        if abs(c * d - 1.0) <= _EPSILON:
            return value
    raise ArithmeticError(f"the incomplete beta function did not converge at a={a}, b={b}, x={x}")

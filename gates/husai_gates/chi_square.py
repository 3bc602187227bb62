"""The lower tail of the chi-square distribution in pure Python, for what a standard deviation may be at most.

The lower regularised incomplete gamma function by its power series, and a quantile by bisection: good to 1e-12
relative for the small tails and the few degrees of freedom of a handful of seeds.
"""

from __future__ import annotations

import functools
import math
import sys

_MOST_TERMS = 100_000


def below(x: float, df: int) -> float:
    """P(X <= x) for x >= 0."""
    if x <= 0:
        return 0.0
    shape, half = df / 2, x / 2
    term = total = 1.0
    for k in range(1, _MOST_TERMS):
        term *= half / (shape + k)
        total += term
        if term <= sys.float_info.epsilon * total:
            return total * math.exp(shape * math.log(half) - half - math.lgamma(shape + 1))
    raise ArithmeticError(f"the incomplete gamma function did not converge at df = {df}, x = {x}")


@functools.cache
def quantile(p: float, df: int) -> float:
    """The x with P(X <= x) = p, rounded to 12 digits so that two machines agree on every bit of it."""
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"no chi-square quantile for p = {p}, df = {df}")
    low, high = 0.0, float(df)
    while below(high, df) < p:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if below(middle, df) < p else (low, middle)
    return float(f"{high:.12g}")

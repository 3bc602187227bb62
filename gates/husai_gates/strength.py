"""Strength of a test: its p-value, and the smallest effect that it would have seen.

Every p-value is the error at which the bound of the interval would just touch the number that the rule asks for, so a
rule holds by its interval where its p-value is at most its error. The smallest effect is the distance of the truth from
that number at which the rule would have passed with `POWER`, if the spread were as it was observed:
`(t(1 - error) + t(power)) * standard error`, and `t((1 + power) / 2)` where two bounds must hold at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from husai_gates import student_t
from husai_gates.interval import ROUNDING, Interval, Spread, Unit, mean

POWER = 0.8
MOST_FLIPS = 2**12


@dataclass(frozen=True)
class Strength:
    """Of one cell: the p-value of its rule, the exact one where it can be had, the smallest detectable effect."""

    p: float | None = None
    exact_p: float | None = None
    detectable: float | None = None


def above(interval: Interval, number: float) -> float:
    """The p-value of the claim that the truth is above the number."""
    return max(_tail(interval.estimate - number, spread) for spread in interval.spreads)


def below(interval: Interval, number: float) -> float:
    """The p-value of the claim that the truth is below the number."""
    return max(_tail(number - interval.estimate, spread) for spread in interval.spreads)


def inside(interval: Interval, low: float, high: float) -> float:
    """The p-value of the claim that the truth is above one number and below another: the larger of two."""
    return max(above(interval, low), below(interval, high))


def _tail(gain: float, spread: Spread) -> float:
    if spread.error == 0:
        return 0.0 if gain > 0 else (0.5 if gain == 0 else 1.0)
    return student_t.tail(gain / spread.error, spread.freedom)


def detectable(interval: Interval, error: float, *, both: bool = False) -> float:
    """The smallest effect that a test at this error would have seen; with `both`, the smallest half of a range."""
    power = (1 + POWER) / 2 if both else POWER
    return max(
        (student_t.quantile(1 - error, s.freedom) + student_t.quantile(power, s.freedom)) * s.error
        for s in interval.spreads
    )


def sign_flip(values: Mapping[Unit, float], number: float) -> float | None:
    """The exact p-value of the claim that the mean is above the number, if signs about it are as likely either way.

    None where units are pairs of seeds, whose signs hang together, or too many to go through all flips.
    """
    if any(len(unit) != 1 for unit in values) or 2 ** len(values) > MOST_FLIPS:
        return None
    gains = [value - number for value in values.values()]
    observed = math.fsum(gains)
    least = observed - ROUNDING * math.fsum(max(abs(value), abs(number)) for value in values.values())
    flips = itertools.product((1, -1), repeat=len(gains))
    sums = (math.fsum(sign * gain for sign, gain in zip(signs, gains, strict=True)) for signs in flips)
    return sum(total >= least for total in sums) / float(2 ** len(gains))


def relabelled(ours: Mapping[Unit, float], theirs: Mapping[Unit, float], number: float) -> float | None:
    """The exact p-value of the claim that our mean is above theirs by the number, if labels could be exchanged."""
    if any(len(unit) != 1 for unit in (*ours, *theirs)) or math.comb(len(ours) + len(theirs), len(ours)) > MOST_FLIPS:
        return None
    pool = [*(value - number for value in ours.values()), *theirs.values()]
    observed = _gap(pool, range(len(ours)))
    least = observed - ROUNDING * max(map(abs, (number, *ours.values(), *theirs.values())))
    chosen = list(itertools.combinations(range(len(pool)), len(ours)))
    return sum(_gap(pool, places) >= least for places in chosen) / len(chosen)


def _gap(pool: Sequence[float], places: Sequence[int]) -> float:
    mine = set(places)
    return mean([pool[i] for i in mine]) - mean([value for i, value in enumerate(pool) if i not in mine])

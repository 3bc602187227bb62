"""Strength of a test: its p-value, and the smallest effect that it would have seen.

Every p-value is the error at which the bound of the interval would just touch the number that the rule asks for, so a
rule holds by its interval where its p-value is at most its error. The smallest effect is the distance of the truth from
that number at which the rule would have passed with `POWER`, if the spread were as it was observed:
`(t(1 - error) + t(power)) * standard error`, and `t((1 + power) / 2)` where two bounds must hold at once.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from husai_gates import student_t
from husai_gates.interval import ROUNDING, Interval, Spread, Unit

POWER = 0.8
MOST_SEEDS = 20  # a million flips


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
    if any(len(unit) != 1 for unit in values) or len(values) > MOST_SEEDS:
        return None
    # A flip turns some gains round. Its sum is as large as that observed where what was turned sums to nought or less.
    losses = [number - value for value in values.values()]
    least = -ROUNDING * math.fsum(max(abs(value), abs(number)) for value in values.values())
    return sum(_reaching(losses, least).values()) / float(2 ** len(losses))


def relabelled(ours: Mapping[Unit, float], theirs: Mapping[Unit, float], number: float) -> float | None:
    """The exact p-value of the claim that our mean is above theirs by the number, if labels could be exchanged."""
    if any(len(unit) != 1 for unit in (*ours, *theirs)) or len(ours) + len(theirs) > MOST_SEEDS:
        return None
    mine = [value - number for value in ours.values()]
    pool = [*mine, *theirs.values()]
    least = math.fsum(mine) - ROUNDING * math.fsum(abs(number) + abs(value) for value in pool)
    return _reaching(pool, least)[len(mine)] / math.comb(len(pool), len(mine))


def _reaching(values: Sequence[float], least: float) -> Counter[int]:
    """How many subsets of each size have at least this sum, from the sums of either half."""
    middle = len(values) // 2
    left, right = _sums(values[:middle]), _sums(values[middle:])
    found: Counter[int] = Counter()
    for size, sums in left.items():
        for other_size, others in right.items():
            found[size + other_size] += sum(len(others) - bisect_left(others, least - one) for one in sums)
    return found


def _sums(values: Sequence[float]) -> dict[int, list[float]]:
    """The sums of all subsets, by size, in order."""
    sizes = range(len(values) + 1)
    return {size: sorted(math.fsum(chosen) for chosen in itertools.combinations(values, size)) for size in sizes}

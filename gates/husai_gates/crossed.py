"""Intervals over seeds and parts at once: for what is claimed of other documents, too, and not of these alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

from husai_gates.interval import Interval, Spread, TooFewUnits, Unit, around, mean


def crossed_interval(values: Mapping[Unit, Mapping[str, float]], confidence: float) -> Interval:
    """The mean when seeds and parts both stand for others like them, and every seed has every part.

    The variance of the mean is that of two crossed random effects, from the mean squares of seeds, parts and what is
    left over; t has the degrees of freedom of Satterthwaite, rounded down. The interval is never narrower than that
    over seeds alone or over parts alone. A bootstrap of seeds and parts estimates the same variance, but is blind to
    how few the seeds are (docs/statistics.md).
    """
    units = sorted(values)
    parts = sorted(values[units[0]])
    if any(len(unit) != 1 or sorted(values[unit]) != parts for unit in units):
        raise ValueError("an interval over seeds and parts needs every part of every seed")
    s, p = len(units), len(parts)
    if min(s, p) < 2:
        raise TooFewUnits(min(s, p), 2)
    rows = [mean(list(values[unit].values())) for unit in units]
    columns = [mean([values[unit][part] for unit in units]) for part in parts]
    whole = mean(rows)
    of_seeds = p * math.fsum((row - whole) ** 2 for row in rows) / (s - 1)
    of_parts = s * math.fsum((column - whole) ** 2 for column in columns) / (p - 1)
    rest = math.fsum(
        (values[unit][part] - row - column + whole) ** 2
        for unit, row in zip(units, rows, strict=True)
        for part, column in zip(parts, columns, strict=True)
    ) / ((s - 1) * (p - 1))
    spreads = [Spread(math.sqrt(of_seeds / (s * p)), s - 1), Spread(math.sqrt(of_parts / (s * p)), p - 1)]
    both = of_seeds + of_parts - rest
    if both > max(of_seeds, of_parts):
        sizes = of_seeds**2 / (s - 1) + of_parts**2 / (p - 1) + rest**2 / ((s - 1) * (p - 1))
        spreads.append(Spread(math.sqrt(both / (s * p)), max(1, int(both**2 / sizes))))
    return around(whole, spreads, s, "t over seeds and parts", confidence)

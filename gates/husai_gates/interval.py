"""Confidence intervals whose unit of replication is the seed, by Student's t."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from husai_gates import student_t

Unit = tuple[int, ...]
"""The seeds an observation belongs to: one, or an ordered pair."""

ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with two-sided bounds; `n` counts seeds."""

    estimate: float
    low: float
    high: float
    n: int
    method: str
    confidence: float


class TooFewUnits(Exception):
    """There are not enough seeds for any interval."""

    def __init__(self, has: int, needs: int) -> None:
        self.has, self.needs = has, needs
        super().__init__(f"{has} seeds, an interval needs {needs}")


def seeds_of(units: Mapping[Unit, float]) -> list[int]:
    """The seeds that take part in any of the units, in order."""
    return sorted({seed for unit in units for seed in unit})


def interval(values: Mapping[Unit, float], confidence: float) -> Interval:
    """The interval that fits the units: over seeds, or over complete pairs of seeds."""
    if all(len(unit) == 1 for unit in values):
        return mean_interval([values[unit] for unit in sorted(values)], confidence)
    return pairwise_interval(values, confidence)


def replicates(values: Mapping[Unit, float]) -> list[float]:
    """One value per seed, of which the interval is made: those observed, or the pseudo-values of the jackknife."""
    if all(len(unit) == 1 for unit in values):
        return [values[unit] for unit in sorted(values)]
    return _pseudo_values(values)


def variance(values: Sequence[float]) -> float:
    """Over independent seeds, with n - 1."""
    if len(values) < 2:
        raise TooFewUnits(len(values), 2)
    centre = mean(values)
    return math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1)


def is_flat(values: Collection[float], raw: Iterable[float]) -> bool:
    """Whether no value differs from another by more than rounding, measured against the raw ones."""
    spread = max(values) - min(values)
    return spread <= ROUNDING * max(map(abs, (*raw, *values)))


def is_nothing(values: Collection[float], raw: Iterable[float]) -> bool:
    """Whether no value differs from zero by more than rounding, measured against the raw ones."""
    return max(map(abs, values)) <= ROUNDING * max(map(abs, raw))


def mean(values: Sequence[float]) -> float:
    """The correctly rounded mean, whatever the order."""
    return math.fsum(values) / len(values)


def mean_interval(values: Sequence[float], confidence: float) -> Interval:
    """The mean of independent seeds: t with n - 1 degrees of freedom."""
    if len(values) < 2:
        raise TooFewUnits(len(values), 2)
    return _around(mean(values), values, confidence, "t over seeds")


def pairwise_interval(values: Mapping[Unit, float], confidence: float) -> Interval:
    """The mean over all pairs of n seeds: leave one seed out, t with n - 1 degrees of freedom.

    Ten pairs of five seeds are five units, not ten: every seed sits in four of the pairs.
    """
    pseudo = _pseudo_values(values)
    return _around(mean(list(values.values())), pseudo, confidence, "jackknife over seeds, t")


def _pseudo_values(values: Mapping[Unit, float]) -> list[float]:
    seeds = seeds_of(values)
    n = len(seeds)
    if n < 3:
        raise TooFewUnits(n, 3)
    if set(values) != set(itertools.combinations(seeds, 2)):
        raise ValueError("a pairwise interval needs every pair of its seeds exactly once, smaller seed first")
    whole = mean(list(values.values()))
    return [n * whole - (n - 1) * mean([v for unit, v in values.items() if seed not in unit]) for seed in seeds]


def _around(estimate: float, units: Sequence[float], confidence: float, method: str) -> Interval:
    n = len(units)
    half = student_t.quantile((1 + confidence) / 2, n - 1) * math.sqrt(variance(units) / n)
    return Interval(estimate, estimate - half, estimate + half, n, method, confidence)

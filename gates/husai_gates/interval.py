"""Confidence intervals whose unit of replication is the seed, by Student's t; docs/statistics.md says why these."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from husai_gates import student_t

Unit = tuple[int, ...]
"""The seeds an observation belongs to: one, or an ordered pair."""

ROUNDING = 1e-12
OVER_PARTS = "t over parts"


@dataclass(frozen=True)
class Spread:
    """A standard error of an estimate, and the degrees of freedom of the t distribution it is used with."""

    error: float
    freedom: float

    def half(self, confidence: float) -> float:
        """Half the width of the two-sided interval."""
        return student_t.quantile((1 + confidence) / 2, self.freedom) * self.error


@dataclass(frozen=True)
class Interval:
    """An estimate with two-sided bounds; `n` counts seeds, or parts where the method is over those.

    It is as wide as the widest of its spreads makes it.
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str
    confidence: float
    spreads: tuple[Spread, ...] = ()

    @property
    def spread(self) -> Spread | None:
        """The spread that makes the interval as wide as it is; an interval of a share has none."""
        return max(self.spreads, key=lambda spread: spread.half(self.confidence), default=None)


def around(estimate: float, spreads: Sequence[Spread], n: int, method: str, confidence: float) -> Interval:
    """The two-sided interval that holds every interval of these spreads."""
    half = max(spread.half(confidence) for spread in spreads)
    return Interval(estimate, estimate - half, estimate + half, n, method, confidence, tuple(spreads))


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
    """One value per seed whose spread is that between seeds: those observed, or the pseudo-values of the jackknife."""
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
    n = len(values)
    spread = Spread(math.sqrt(variance(values) / n), n - 1)
    return around(mean(values), (spread,), n, "t over seeds", confidence)


def pairwise_interval(values: Mapping[Unit, float], confidence: float) -> Interval:
    """The mean over all pairs of n seeds: leave one seed out, t with n - 1 degrees of freedom.

    Ten pairs of five seeds are five units, not ten: every seed sits in four of the pairs.
    """
    pseudo = _pseudo_values(values)
    spread = Spread(math.sqrt(variance(pseudo) / len(pseudo)), len(pseudo) - 1)
    return around(mean(list(values.values())), (spread,), len(pseudo), "jackknife over seeds, t", confidence)


def _pseudo_values(values: Mapping[Unit, float]) -> list[float]:
    seeds = seeds_of(values)
    n = len(seeds)
    _require_pairs(values)
    whole = mean(list(values.values()))
    return [n * whole - (n - 1) * mean([v for unit, v in values.items() if seed not in unit]) for seed in seeds]


def _require_pairs(values: Mapping[Unit, float]) -> None:
    seeds = seeds_of(values)
    if len(seeds) < 3:
        raise TooFewUnits(len(seeds), 3)
    if set(values) != set(itertools.combinations(seeds, 2)):
        raise ValueError("a pairwise interval needs every pair of its seeds exactly once, smaller seed first")

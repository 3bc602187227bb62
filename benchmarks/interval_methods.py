"""The intervals that `interval_coverage.py` compares, of many draws at once, in numpy.

`PAIRS` takes draws of all pairs of n seeds (draws, pairs) and `CROSSED` draws of seeds and parts (draws, seeds, parts);
each gives the lower and upper bounds of a two-sided 95 % interval. The gate has its own implementation of the one that
is chosen, and `interval_coverage.py` checks that it gives the same bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

Bounds = tuple[np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, np.random.Generator], Bounds]

CONFIDENCE = 0.95
RESAMPLES = 400


def t(freedom: float | np.ndarray) -> np.ndarray:
    return np.asarray(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def pairs_of(n: int) -> np.ndarray:
    """The pairs of n seeds, in the order of their values: (pairs, 2)."""
    return np.column_stack(np.triu_indices(n, 1))


def seeds_in(pairs: int) -> int:
    return round((1 + (1 + 8 * pairs) ** 0.5) / 2)


def symmetric(half: np.ndarray, values: np.ndarray) -> Bounds:
    centre = values.mean(axis=1)
    return centre - half, centre + half


def mean_squares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between seeds, what is left, and of all pairs together."""
    n = seeds_in(values.shape[1])
    pairs, centred = pairs_of(n), values - values.mean(axis=1, keepdims=True)
    member = (pairs[:, :, None] == np.arange(n)).any(axis=1)
    effects = centred @ member / (n - 2)
    of_seeds = (n - 2) * (effects**2).sum(axis=1)
    total = (centred**2).sum(axis=1)
    rest = np.maximum(total - of_seeds, 0) / (n * (n - 3) / 2) if n > 3 else np.zeros(len(values))
    return of_seeds / (n - 1), rest, total / (len(pairs) - 1)


def pair_t(values: np.ndarray, _: np.random.Generator) -> Bounds:
    many = values.shape[1]
    return symmetric(t(many - 1) * values.std(axis=1, ddof=1) / many**0.5, values)


def pair_bootstrap(values: np.ndarray, draw: np.random.Generator) -> Bounds:
    many = values.shape[1]
    counts = draw.multinomial(many, np.full(many, 1 / many), RESAMPLES)
    return percentiles(values @ counts.T / many)


def seed_bootstrap(values: np.ndarray, draw: np.random.Generator) -> Bounds:
    """Seeds with replacement; a seed drawn twice makes no pair with itself."""
    n = seeds_in(values.shape[1])
    pairs = pairs_of(n)
    counts = draw.multinomial(n, np.full(n, 1 / n), RESAMPLES)
    weights = counts[:, pairs[:, 0]] * counts[:, pairs[:, 1]]
    weights = weights[weights.sum(axis=1) > 0]
    return percentiles(values @ (weights / weights.sum(axis=1, keepdims=True)).T)


def percentiles(means: np.ndarray) -> Bounds:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=1)
    return low, high


def seed_jackknife(values: np.ndarray, _: np.random.Generator) -> Bounds:
    return symmetric(of_components(values, 0.0), values)


def of_components(values: np.ndarray, taken_off: float) -> np.ndarray:
    """Half the width by mean squares: the jackknife's variance of the mean, less a share of what pairs add to it."""
    n = seeds_in(values.shape[1])
    seeds, rest, _ = mean_squares(values)
    variance = 4 * seeds / (n * (n - 2)) - taken_off * 2 * rest / ((n - 1) * (n - 2))
    return t(n - 1) * np.sqrt(np.maximum(variance, 0))


def without_effect(values: np.ndarray, freedom: int) -> np.ndarray:
    """Half the width if no seed had an effect."""
    many = values.shape[1]
    return t(freedom) * values.std(axis=1, ddof=1) / many**0.5


def components(values: np.ndarray, _: np.random.Generator) -> Bounds:
    """All of it taken off, and never below the standard error of independent pairs."""
    least = without_effect(values, seeds_in(values.shape[1]) - 1)
    return symmetric(np.maximum(of_components(values, 1.0), least), values)


def hedged(values: np.ndarray, _: np.random.Generator) -> Bounds:
    """Half of it taken off, and never below the standard error of independent pairs."""
    least = without_effect(values, seeds_in(values.shape[1]) - 1)
    return symmetric(np.maximum(of_components(values, 0.5), least), values)


def satterthwaite(values: np.ndarray, draw: np.random.Generator) -> Bounds:
    """All of it taken off, with Satterthwaite's degrees of freedom; never wider than the jackknife."""
    n = seeds_in(values.shape[1])
    seeds, rest, _ = mean_squares(values)
    plus, minus = 4 * seeds / (n * (n - 2)), 2 * rest / ((n - 1) * (n - 2))
    variance = np.maximum(plus - minus, 1e-300)
    spread = plus**2 / (n - 1) + (minus**2 / (n * (n - 3) / 2) if n > 3 else 0)
    half = t(np.maximum(variance**2 / spread, 0.3)) * np.sqrt(variance)
    return symmetric(
        np.maximum(np.minimum(half, of_components(values, 0.0)), without_effect(values, values.shape[1] - 1)), values
    )


PAIRS: Mapping[str, Method] = {
    "pair bootstrap": pair_bootstrap,
    "pair t": pair_t,
    "seed bootstrap": seed_bootstrap,
    "seed jackknife t": seed_jackknife,
    "variance components t": components,
    "variance components, Satterthwaite": satterthwaite,
    "hedged variance components t": hedged,
}


def over_seeds(values: np.ndarray, _: np.random.Generator) -> Bounds:
    seeds = values.mean(axis=2)
    n = seeds.shape[1]
    return symmetric(t(n - 1) * seeds.std(axis=1, ddof=1) / n**0.5, seeds)


def cluster_means(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Means of seeds and parts, each drawn with replacement: (draws, resamples)."""
    _, s, p = values.shape
    seeds = draw.multinomial(s, np.full(s, 1 / s), RESAMPLES) / s
    parts = draw.multinomial(p, np.full(p, 1 / p), RESAMPLES) / p
    return np.einsum("dsp,rs,rp->dr", values, seeds, parts, optimize=True)


def cluster_bootstrap(values: np.ndarray, draw: np.random.Generator) -> Bounds:
    return percentiles(cluster_means(values, draw))


def cluster_bca(values: np.ndarray, draw: np.random.Generator) -> Bounds:
    return bca(cluster_means(values, draw), values.mean(axis=(1, 2)), leave_one_out(values))


def leave_one_out(values: np.ndarray) -> np.ndarray:
    """The mean without each seed, and without each part."""
    _, s, p = values.shape
    rows, columns = values.mean(axis=2), values.mean(axis=1)
    whole = values.mean(axis=(1, 2))[:, None]
    without_rows = (s * whole - rows) / (s - 1)
    if p == 1:
        return without_rows
    return np.concatenate([without_rows, (p * whole - columns) / (p - 1)], axis=1)


def bca(means: np.ndarray, estimate: np.ndarray, left_out: np.ndarray) -> Bounds:
    """Efron's bias-corrected and accelerated bounds; the acceleration is that of all that can be left out."""
    below = (means < estimate[:, None]).mean(axis=1) + (means == estimate[:, None]).mean(axis=1) / 2
    bias = stats.norm.ppf(np.clip(below, 1e-6, 1 - 1e-6))
    away = left_out.mean(axis=1, keepdims=True) - left_out
    square = (away**2).sum(axis=1)
    acceleration = (away**3).sum(axis=1) / (6 * np.where(square > 0, square, 1.0) ** 1.5)
    bounds = []
    for z in stats.norm.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]):
        level = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        bounds.append(np.array([np.quantile(row, q) for row, q in zip(means, level, strict=True)]))
    return bounds[0], bounds[1]


def crossed(values: np.ndarray, _: np.random.Generator) -> Bounds:
    """Two crossed random effects, by mean squares; never narrower than over seeds alone or over parts alone."""
    _, s, p = values.shape
    rows, columns, whole = values.mean(axis=2), values.mean(axis=1), values.mean(axis=(1, 2))
    of_seeds = p * rows.var(axis=1, ddof=1)
    of_parts = s * columns.var(axis=1, ddof=1)
    left = values - rows[:, :, None] - columns[:, None, :] + whole[:, None, None]
    rest = (left**2).sum(axis=(1, 2)) / ((s - 1) * (p - 1))
    both = of_seeds + of_parts - rest
    both = np.where(both > np.maximum(of_seeds, of_parts), both, 0)
    sizes = of_seeds**2 / (s - 1) + of_parts**2 / (p - 1) + rest**2 / ((s - 1) * (p - 1))
    freedom = np.maximum(1, np.floor(both**2 / sizes))
    halves = [t(s - 1) * np.sqrt(of_seeds), t(p - 1) * np.sqrt(of_parts), t(freedom) * np.sqrt(both)]
    half = np.max(halves, axis=0) / (s * p) ** 0.5
    return whole - half, whole + half


CROSSED: Mapping[str, Method] = {
    "t over seeds": over_seeds,
    "cluster bootstrap": cluster_bootstrap,
    "cluster bootstrap, BCa": cluster_bca,
    "crossed components t": crossed,
}

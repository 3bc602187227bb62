"""Intervals: t over seeds, leave one seed out for pairs, and none where there are too few."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_gates.interval import (
    Spread,
    TooFewUnits,
    around,
    interval,
    is_flat,
    is_nothing,
    mean,
    mean_interval,
    pairwise_interval,
    replicates,
    seeds_of,
    variance,
)

stats = pytest.importorskip("scipy.stats")
numpy = pytest.importorskip("numpy")

finite = st.floats(-1e3, 1e3, allow_nan=False)


@given(st.lists(finite, min_size=2, max_size=20), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_mean_interval_is_scipys(values: list[float], confidence: float) -> None:
    found = mean_interval(values, confidence)
    half = float(stats.t.isf((1 - confidence) / 2, len(values) - 1)) * float(stats.sem(values))
    assert found.estimate == pytest.approx(float(numpy.mean(values)), rel=1e-9, abs=1e-9)
    assert found.high - found.estimate == pytest.approx(half, rel=1e-6, abs=1e-9)
    assert found.n == len(values)


def drawn_pairs(n: int, effect: float) -> dict[tuple[int, ...], float]:
    """All pairs of n seeds: an effect of each seed of this size, and what is left."""
    draw = random.Random(n)
    effects = [draw.gauss(0, effect) for _ in range(n)]
    return {(a, b): effects[a] + effects[b] + draw.gauss(0, 1) for a, b in itertools.combinations(range(n), 2)}


@pytest.mark.parametrize("n", [3, 4, 5, 8, 16])
def test_the_pairwise_interval_is_the_jackknifes(n: int) -> None:
    for effect in (0.0, 0.5):
        values = drawn_pairs(n, effect)
        leave_out = [numpy.mean([v for pair, v in values.items() if seed not in pair]) for seed in range(n)]
        variance = (n - 1) / n * numpy.sum((leave_out - numpy.mean(leave_out)) ** 2)
        half = float(stats.t.ppf(0.975, n - 1) * variance**0.5)
        found = pairwise_interval(values, 0.95)
        assert found.n == n
        assert found.estimate == pytest.approx(float(numpy.mean(list(values.values()))), rel=1e-9)
        assert (found.estimate - found.low, found.high - found.estimate) == pytest.approx((half, half), rel=1e-9)
        assert found.spread.freedom == n - 1


def test_pairs_are_not_counted_as_independent() -> None:
    """A pair's value that is only its two seeds' sum: taking ten pairs for ten samples would be too sure."""
    draw = random.Random(0)
    effect = [draw.gauss(0, 1) for _ in range(5)]
    values = {(a, b): effect[a] + effect[b] for a, b in itertools.combinations(range(5), 2)}
    naive = mean_interval(list(values.values()), 0.95)
    found = pairwise_interval(values, 0.95)
    assert found.high - found.low > 1.5 * (naive.high - naive.low)


@pytest.mark.parametrize("values", [{}, {(1,): 0.5}])
def test_there_is_no_interval_below_two_seeds(values: dict[tuple[int, ...], float]) -> None:
    with pytest.raises(TooFewUnits) as stop:
        interval(values, 0.95)
    assert (stop.value.has, stop.value.needs) == (len(values), 2)


def test_there_is_no_pairwise_interval_below_three_seeds() -> None:
    with pytest.raises(TooFewUnits) as stop:
        interval({(1, 2): 0.5}, 0.95)
    assert (stop.value.has, stop.value.needs) == (2, 3)


def test_an_incomplete_set_of_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="every pair"):
        interval({(1, 2): 0.5, (2, 3): 0.5}, 0.95)


@settings(max_examples=50)
@given(st.lists(finite, min_size=2, max_size=8), st.randoms())
def test_the_order_of_units_changes_no_bit(values: list[float], shuffler: random.Random) -> None:
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert mean(values) == mean(shuffled)
    one = mean_interval(values, 0.95)
    other = mean_interval(shuffled, 0.95)
    assert one == other


def test_coverage_over_seeds_is_what_it_says() -> None:
    draw = random.Random(1)
    hits = 0
    for _ in range(2000):
        found = mean_interval([draw.gauss(0, 1) for _ in range(5)], 0.9)
        hits += found.low <= 0 <= found.high
    assert 0.88 < hits / 2000 < 0.92


def test_seeds_are_counted_once() -> None:
    assert seeds_of({(1, 2): 0.0, (2, 3): 0.0}) == [1, 2, 3]


def test_values_are_flat_up_to_rounding_of_what_they_were_made_of() -> None:
    for step, flat in ((0.0, True), (1e-12, True), (1.1e-12, False)):
        assert is_flat([0.0, step], [-1.0]) is is_nothing([0.0, -step], [-1.0]) is flat
    assert is_flat([0.0, 0.0], [])
    assert is_nothing([0.0, 0.0], [0.0])
    assert is_flat([-3.0, -3.0], [])
    assert not is_nothing([-3.0, -3.0], [-3.0])
    assert not is_flat([-1.0, 1.0], [0.0])


@pytest.mark.parametrize("n", [3, 5])
def test_one_value_per_seed_has_the_mean_and_the_error_of_the_interval(n: int) -> None:
    for values in (drawn_pairs(n, 0.5), {(seed,): 0.5 * seed * seed for seed in range(n)}):
        found, each = interval(values, 0.95), replicates(values)
        assert len(each) == n
        assert mean(each) == pytest.approx(found.estimate)
        assert found.spread is not None
        assert (variance(each) / n) ** 0.5 == pytest.approx(found.spread.error)


def test_seeds_are_taken_in_their_order() -> None:
    assert replicates({(3,): 0.3, (1,): 0.1, (2,): 0.2}) == [0.1, 0.2, 0.3]


def test_the_interval_of_several_spreads_is_that_of_the_widest() -> None:
    narrow, wide = Spread(1.0, 4.0), Spread(1.5, 40.0)
    found = around(2.0, (narrow, wide), 5, "both", 0.95)
    half = max(spread.error * float(stats.t.ppf(0.975, spread.freedom)) for spread in (narrow, wide))
    assert (found.low, found.high) == (pytest.approx(2.0 - half), pytest.approx(2.0 + half))
    assert found.spread is wide
    assert around(2.0, (narrow, wide), 5, "both", 0.5).spread is wide
    assert around(2.0, (narrow, Spread(1.2, 40.0)), 5, "both", 0.95).spread is narrow

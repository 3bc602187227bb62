"""Intervals over seeds and parts: they cover, and are a bootstrap's where that works."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_gates.crossed import crossed_interval
from husai_gates.interval import TooFewUnits, Unit, mean_interval

Values = dict[Unit, dict[str, float]]


def drawn(draw: random.Random, seeds: int, parts: int, spread: tuple[float, float, float]) -> Values:
    """Values around nought: an effect of the seed, one of the part, and one of both."""
    of_parts = [draw.gauss(0, spread[1]) for _ in range(parts)]
    found: Values = {}
    for seed in range(seeds):
        effect = draw.gauss(0, spread[0])
        found[(seed,)] = {str(n): effect + part + draw.gauss(0, spread[2]) for n, part in enumerate(of_parts)}
    return found


@pytest.mark.parametrize(("seeds", "parts"), [(3, 20), (5, 12)])
@pytest.mark.parametrize("spread", [(0.0, 1.0, 0.3), (0.3, 1.0, 0.3), (1.0, 0.3, 0.3), (0.0, 0.0, 1.0)])
def test_the_truth_is_inside_as_often_as_is_claimed(seeds: int, parts: int, spread: tuple[float, float, float]) -> None:
    draw = random.Random(0)
    intervals = [crossed_interval(drawn(draw, seeds, parts, spread), 0.95) for _ in range(400)]
    assert sum(found.low <= 0 <= found.high for found in intervals) / 400 >= 0.925


def test_over_seeds_alone_it_would_not_be() -> None:
    """As the first case above: the seeds agree with one another, on documents that are not all there are."""
    draw = random.Random(0)
    covered = 0
    for _ in range(400):
        values = drawn(draw, 3, 20, (0.0, 1.0, 0.3))
        found = mean_interval([sum(parts.values()) / 20 for parts in values.values()], 0.95)
        covered += found.low <= 0 <= found.high
    assert covered / 400 < 0.75


def test_the_variance_is_that_of_a_bootstrap_of_both() -> None:
    """Where seeds are many. The bootstrap counts what is left over three times, so it is kept small here."""
    draw = random.Random(1)
    values = drawn(draw, 25, 25, (1.0, 1.0, 0.1))
    found = crossed_interval(values, 0.95)
    means = []
    for _ in range(400):
        seeds, parts = draw.choices(range(25), k=25), draw.choices(range(25), k=25)
        means.append(sum(values[(seed,)][str(part)] for seed in seeds for part in parts) / 625)
    centre = sum(means) / 400
    error = math.sqrt(sum((one - centre) ** 2 for one in means) / 399)
    assert (found.high - found.low) / 2 / error == pytest.approx(2.0, rel=0.15)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 1000), st.floats(-100, 100), st.floats(0.1, 10))
def test_it_moves_and_stretches_with_the_values(s: int, p: int, seed: int, shift: float, scale: float) -> None:
    values = drawn(random.Random(seed), s, p, (1.0, 1.0, 1.0))
    moved = {unit: {part: scale * v + shift for part, v in parts.items()} for unit, parts in values.items()}
    one, other = crossed_interval(values, 0.9), crossed_interval(moved, 0.9)
    for end in ("low", "estimate", "high"):
        assert getattr(other, end) == pytest.approx(scale * getattr(one, end) + shift, rel=1e-6, abs=1e-6)
    assert one.n == s


def test_seeds_that_agree_leave_the_parts_and_parts_that_agree_leave_the_seeds() -> None:
    parts = [1.0, 2.0, 4.0, 8.0]
    values: Values = {(seed,): dict(zip("abcd", parts, strict=True)) for seed in range(3)}
    alone = mean_interval(parts, 0.95)
    found = crossed_interval(values, 0.95)
    assert (found.low, found.high) == (pytest.approx(alone.low), pytest.approx(alone.high))
    turned: Values = {(seed,): dict.fromkeys("abc", value) for seed, value in enumerate(parts)}
    found = crossed_interval(turned, 0.95)
    assert (found.low, found.high) == (pytest.approx(alone.low), pytest.approx(alone.high))


def test_what_is_not_complete_has_no_interval() -> None:
    with pytest.raises(ValueError, match="every part of every seed"):
        crossed_interval({(1,): {"a": 1.0, "b": 2.0}, (2,): {"a": 1.0}}, 0.95)
    with pytest.raises(ValueError, match="every part of every seed"):
        crossed_interval({(1, 2): {"a": 1.0, "b": 2.0}}, 0.95)
    for values in ({(1,): {"a": 1.0, "b": 2.0}}, {(1,): {"a": 1.0}, (2,): {"a": 1.0}}):
        with pytest.raises(TooFewUnits) as caught:
            crossed_interval(values, 0.95)
        assert (caught.value.has, caught.value.needs) == (1, 2)


@pytest.mark.parametrize(
    ("s", "p", "seed", "left"),
    [
        *((s, p, 3, left) for s, p in ((3, 5), (4, 2), (4, 6), (5, 5)) for left in (0.0, 0.2)),
        *((s, p, seed, 1.0) for s, p, seed in ((4, 6, 76), (5, 5, 90))),  # degrees of freedom right above a number
        *((s, p, seed, 1.0) for s, p, seed in ((4, 6, 21), (5, 5, 5))),  # right below one
    ],
)
def test_its_spreads_are_those_of_the_analysis_of_variance(s: int, p: int, seed: int, left: float) -> None:
    numpy = pytest.importorskip("numpy")
    values = drawn(random.Random(seed), s, p, (1.0, 1.0, left or 0.2))
    if not left:  # seeds that agree better than what is left over explains
        values = {unit: {k: v - 0.99 * sum(of.values()) / p for k, v in of.items()} for unit, of in values.items()}
    table = numpy.array([[values[(seed,)][str(part)] for part in range(p)] for seed in range(s)])
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    of_seeds, of_parts = p * rows.var(ddof=1), s * columns.var(ddof=1)
    over = table - rows[:, None] - columns[None, :] + table.mean()
    rest = (over**2).sum() / ((s - 1) * (p - 1))
    expected = [((of_seeds / (s * p)) ** 0.5, s - 1), ((of_parts / (s * p)) ** 0.5, p - 1)]
    both = of_seeds + of_parts - rest
    assert bool(both > max(of_seeds, of_parts)) is bool(left)
    if left:
        sizes = of_seeds**2 / (s - 1) + of_parts**2 / (p - 1) + rest**2 / ((s - 1) * (p - 1))
        expected.append(((both / (s * p)) ** 0.5, math.floor(both**2 / sizes)))
    found = crossed_interval(values, 0.95).spreads
    assert [(one.error, one.freedom) for one in found] == [pytest.approx(one) for one in expected]


def test_there_is_no_third_spread_where_the_parts_add_nothing() -> None:
    values: Values = {(seed,): dict.fromkeys("abc", float(2**seed)) for seed in range(4)}
    assert [one.freedom for one in crossed_interval(values, 0.95).spreads] == [3, 2]


def test_there_is_at_least_one_degree_of_freedom() -> None:
    """Two seeds that differ by 2, two parts that do, and nearly as much of both: by Satterthwaite it is a half."""
    values: Values = {(1,): {"a": 2.9, "b": -0.9}, (2,): {"a": -0.9, "b": -1.1}}
    assert [one.freedom for one in crossed_interval(values, 0.95).spreads] == [1, 1, 1]

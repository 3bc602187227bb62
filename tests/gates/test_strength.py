"""Strength: p-values are those of scipy and statsmodels, and the smallest effect is seen four times in five."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_gates.interval import mean_interval, pairwise_interval
from husai_gates.strength import above, below, detectable, inside, relabelled, sign_flip

stats = pytest.importorskip("scipy.stats")
weightstats = pytest.importorskip("statsmodels.stats.weightstats")
numpy = pytest.importorskip("numpy")

VALUES = [[0.1, 0.4, 0.2, 0.35, 0.15], [0.9, 0.7, 1.1], [-0.2, 0.3, 0.1, 0.05, -0.4, 0.6, 0.2]]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("number", [-0.5, 0.0, 0.21, 3.0])
def test_the_p_of_a_bound_is_that_of_a_one_sided_t_test(values: list[float], number: float) -> None:
    found = mean_interval(values, 0.95)
    for ours, side in ((above, "greater"), (below, "less")):
        expected = float(stats.ttest_1samp(values, number, alternative=side).pvalue)
        assert ours(found, number) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("values", VALUES)
def test_the_p_of_a_margin_is_that_of_two_one_sided_tests(values: list[float]) -> None:
    expected, *_ = weightstats.DescrStatsW(values).ttost_mean(-0.5, 0.6)
    assert inside(mean_interval(values, 0.9), -0.5, 0.6) == pytest.approx(float(expected), rel=1e-9)


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([3, 4, 5, 8]), st.sampled_from([0.8, 0.95, 0.99]), st.booleans())
def test_p_is_the_error_at_which_the_bound_touches(seed: int, n: int, confidence: float, pairs: bool) -> None:
    draw = random.Random(seed)
    if pairs:
        found = pairwise_interval({pair: draw.gauss(0, 1) for pair in itertools.combinations(range(n), 2)}, confidence)
    else:
        found = mean_interval([draw.gauss(0, 1) for _ in range(n)], confidence)
    error = (1 - confidence) / 2
    assert above(found, found.low) == pytest.approx(error, rel=1e-9)
    assert below(found, found.high) == pytest.approx(error, rel=1e-9)
    assert above(found, found.low - 1e-6) < error < above(found, found.low + 1e-6)


def test_values_without_spread_leave_nothing_to_chance() -> None:
    still = mean_interval([0.5, 0.5, 0.5], 0.95)
    assert [above(still, number) for number in (0.4, 0.5, 0.6)] == [0.0, 0.5, 1.0]
    assert [below(still, number) for number in (0.4, 0.5, 0.6)] == [1.0, 0.5, 0.0]
    assert detectable(still, 0.025) == 0.0


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("number", [-0.1, 0.0, 0.12])
def test_the_exact_p_is_scipys_over_all_sign_flips(values: list[float], number: float) -> None:
    shifted = [value - number for value in values]
    expected = stats.permutation_test(
        (shifted,), numpy.mean, permutation_type="samples", alternative="greater", n_resamples=numpy.inf
    )
    found = sign_flip({(seed,): value for seed, value in enumerate(values)}, number)
    assert found == pytest.approx(float(expected.pvalue), rel=1e-9)


@pytest.mark.parametrize("number", [-0.1, 0.0, 0.3])
def test_the_exact_p_of_unpaired_seeds_is_scipys_over_all_labels(number: float) -> None:
    ours, theirs = VALUES[0], VALUES[2]
    expected = stats.permutation_test(
        ([v - number for v in ours], theirs),
        lambda one, other: numpy.mean(one) - numpy.mean(other),
        alternative="greater",
        n_resamples=numpy.inf,
    )
    sides = ({(seed,): value for seed, value in enumerate(side)} for side in (ours, theirs))
    assert relabelled(*sides, number) == pytest.approx(float(expected.pvalue), rel=1e-9)


def test_equal_values_count_as_ties_whatever_the_rounding() -> None:
    for size in (1e-6, 1.0, 1e6):
        more, less = 0.1 * 3 * size, 0.3 * size
        assert more != less
        assert sign_flip({(seed,): more for seed in range(3)}, less) == 1.0
        assert relabelled({(1,): more, (2,): less}, {(1,): less, (2,): less}, 0.0) == 1.0
        assert sign_flip({(seed,): less * (1 + 1e-9) for seed in range(3)}, less) == 0.125
        assert relabelled({(1,): less * (1 + 1e-9), (2,): less}, {(1,): less, (2,): less}, 0.0) == 0.5


def test_sixteen_seeds_a_side_of_ten_are_gone_through() -> None:
    draw = random.Random(4)
    values = {(seed,): draw.gauss(0.3, 1) for seed in range(16)}
    count = sum(
        sum(sign * value for sign, value in zip(signs, values.values(), strict=True)) >= sum(values.values()) - 1e-12
        for signs in itertools.product((1, -1), repeat=16)
    )
    assert sign_flip(values, 0.0) == count / 2**16
    ours, theirs = ({(seed,): draw.gauss(mean, 1) for seed in range(10)} for mean in (0.5, 0.0))
    approximate = stats.permutation_test(
        (list(ours.values()), list(theirs.values())),
        lambda one, other, axis: numpy.mean(one, axis=axis) - numpy.mean(other, axis=axis),
        alternative="greater",
        vectorized=True,
        n_resamples=9999,
        rng=numpy.random.default_rng(0),
    )
    assert relabelled(ours, theirs, 0.0) == pytest.approx(float(approximate.pvalue), abs=0.02)


def test_pairs_of_seeds_and_very_many_seeds_have_no_exact_p() -> None:
    assert sign_flip({(1, 2): 0.5, (1, 3): 0.4, (2, 3): 0.6}, 0.0) is None
    assert sign_flip({(seed,): 1.0 for seed in range(21)}, 0.0) is None
    assert sign_flip({(seed,): 1.0 for seed in range(20)}, 0.0) == 2**-20
    assert relabelled({(1, 2): 0.5}, {(1,): 0.5}, 0.0) is None
    assert relabelled({(s,): 0.5 for s in range(11)}, {(s,): 0.5 for s in range(10)}, 0.0) is None


@pytest.mark.parametrize(("both", "least"), [(False, 0.76), (True, 0.78)])
def test_the_smallest_effect_is_seen_about_four_times_in_five(both: bool, least: float) -> None:
    """The spread is known to the simulation, as it is to nobody else."""
    draw, error, seen = random.Random(0), 0.05 if both else 0.025, 0
    known = mean_interval([-1.0, 1.0, 0.0, 2**0.5, -(2**0.5)], 0.95)
    spread = known.spreads[0].error * 5**0.5
    effect = detectable(known, error, both=both)
    assert detectable(known, error) == detectable(known, error, both=False) < detectable(known, error, both=True)
    for _ in range(1000):
        found = mean_interval([draw.gauss(0 if both else effect, spread) for _ in range(5)], 0.95)
        seen += (inside(found, -effect, effect) if both else above(found, 0.0)) <= error
    assert least < seen / 1000 < 0.86

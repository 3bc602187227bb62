"""Welch's interval agrees with scipy and statsmodels, and takes any two intervals with a standard error."""

from __future__ import annotations

import pytest

from husai_gates.interval import Interval, mean_interval
from husai_gates.strength import above, inside
from husai_gates.welch import apart
from husai_gates.wilson import wilson

stats = pytest.importorskip("scipy.stats")
weightstats = pytest.importorskip("statsmodels.stats.weightstats")

ONE, OTHER = [0.91, 0.94, 0.9, 0.95, 0.93], [0.85, 0.7, 0.8, 0.9]


def welch(one: list[float], other: list[float], confidence: float) -> Interval:
    return apart(mean_interval(one, confidence), mean_interval(other, confidence), confidence)


@pytest.mark.parametrize(("one", "other"), [(ONE, OTHER), (OTHER, ONE), (ONE, [0.5, 0.51]), (ONE, [0.9, 0.9, 0.91])])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_it_is_scipys(one: list[float], other: list[float], confidence: float) -> None:
    found = welch(one, other, confidence)
    test = stats.ttest_ind(one, other, equal_var=False, alternative="greater")
    reach = stats.ttest_ind(one, other, equal_var=False).confidence_interval(confidence)
    assert found.spread is not None
    assert found.spread.freedom == pytest.approx(float(test.df), rel=1e-9)
    assert (found.low, found.high) == (pytest.approx(reach.low, rel=1e-9), pytest.approx(reach.high, rel=1e-9))
    assert above(found, 0.0) == pytest.approx(float(test.pvalue), rel=1e-9)
    assert found.n == min(len(one), len(other))


def test_equivalence_of_unpaired_seeds_is_that_of_statsmodels() -> None:
    expected, *_ = weightstats.ttost_ind(ONE, OTHER, -0.2, 0.3, usevar="unequal")
    assert inside(welch(ONE, OTHER, 0.9), -0.2, 0.3) == pytest.approx(float(expected), rel=1e-9)


def test_equivalence_of_paired_seeds_is_that_of_statsmodels() -> None:
    expected, *_ = weightstats.ttost_paired(weightstats.np.array(ONE[:4]), weightstats.np.array(OTHER), -0.05, 0.3)
    found = mean_interval([a - b for a, b in zip(ONE, OTHER, strict=False)], 0.9)
    assert inside(found, -0.05, 0.3) == pytest.approx(float(expected), rel=1e-9)


def test_two_sides_without_spread_differ_by_a_number() -> None:
    found = welch([0.5] * 3, [0.25] * 4, 0.95)
    assert (found.low, found.estimate, found.high) == (0.25, 0.25, 0.25)


def test_a_share_has_no_standard_error_to_be_subtracted() -> None:
    with pytest.raises(ValueError, match="without a standard error"):
        apart(wilson(3, 5, 0.95), mean_interval(ONE, 0.95), 0.95)
    with pytest.raises(ValueError, match="without a standard error"):
        apart(mean_interval(ONE, 0.95), wilson(3, 5, 0.95), 0.95)

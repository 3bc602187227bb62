"""Wilson's interval and its p-values are those of statsmodels and scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_gates import normal
from husai_gates.wilson import above, exact, wilson

stats = pytest.importorskip("scipy.stats")
proportion = pytest.importorskip("statsmodels.stats.proportion")

counts = st.integers(1, 40).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_is_that_of_statsmodels(count: tuple[int, int], confidence: float) -> None:
    low, high = proportion.proportion_confint(*count, alpha=1 - confidence, method="wilson")
    found = wilson(*count, confidence)
    assert (found.low, found.high) == (pytest.approx(float(low), abs=1e-9), pytest.approx(float(high), abs=1e-9))
    assert 0.0 <= found.low <= found.estimate <= found.high <= 1.0


@given(counts, st.sampled_from([0.05, 0.5, 0.9]))
def test_the_p_values_are_those_of_a_score_test_and_of_the_binomial(count: tuple[int, int], share: float) -> None:
    _, expected = proportion.proportions_ztest(*count, share, alternative="larger", prop_var=share)
    assert above(*count, share) == pytest.approx(float(expected), rel=1e-9, abs=1e-15)
    tail = stats.binomtest(*count, share, alternative="greater").pvalue
    assert exact(*count, share) == pytest.approx(float(tail), rel=1e-9)
    assert 0.0 < exact(*count, share) <= 1.0


def test_as_many_hits_or_more_than_none_are_certain_and_no_more() -> None:
    """Rounded, the probabilities of 0 to 3 hits sum to more than 1."""
    assert exact(0, 3, 0.1) == exact(0, 1, 0.5) == 1.0
    assert exact(5, 5, 1.0) == 1.0


@given(counts, st.sampled_from([0.8, 0.95]))
def test_p_is_the_error_at_which_the_bound_touches(count: tuple[int, int], confidence: float) -> None:
    if count[0]:
        low = wilson(*count, confidence).low
        assert above(*count, low) == pytest.approx((1 - confidence) / 2, rel=1e-6)


@pytest.mark.parametrize("z", [-3.0, -0.5, 0.0, 1.0, 1.96, 6.0, 12.0])
def test_the_tail_of_the_normal_is_scipys(z: float) -> None:
    assert normal.tail(z) == pytest.approx(float(stats.norm.sf(z)), rel=1e-9)
    if abs(z) < 5:
        assert normal.quantile(1 - normal.tail(z)) == pytest.approx(z, abs=1e-9)

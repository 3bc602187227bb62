"""The chi-square quantile agrees with scipy's, and is the inverse of its own tail."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_gates import chi_square


@given(st.floats(0.001, 0.5), st.integers(1, 200))
def test_the_quantile_is_that_of_scipy(p: float, df: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi_square.quantile(p, df) == pytest.approx(stats.chi2.ppf(p, df), rel=1e-9)


@given(st.floats(0.001, 0.999), st.integers(1, 50))
def test_the_quantile_inverts_the_tail(p: float, df: int) -> None:
    assert chi_square.below(chi_square.quantile(p, df), df) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(("p", "df"), [(0.0, 3), (1.0, 3), (-0.1, 3), (1.1, 3), (0.5, 0)])
def test_what_has_no_quantile_is_refused(p: float, df: int) -> None:
    with pytest.raises(ValueError, match="no chi-square quantile"):
        chi_square.quantile(p, df)


def test_nothing_is_below_nought() -> None:
    assert [chi_square.below(x, 3) for x in (-1.0, 0.0)] == [0.0, 0.0]
    with pytest.raises(ArithmeticError, match="did not converge"):
        chi_square.below(math.nan, 3)

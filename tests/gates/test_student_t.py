"""Student's t agrees with scipy."""

from __future__ import annotations

import math

import pytest

from husai_gates import student_t

stats = pytest.importorskip("scipy.stats")

DEGREES = [*range(1, 31), 40, 50, 75, 99, 100, 150, 199, 200]
PROBABILITIES = [0.5001, 0.51, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.99999, 1 - 1e-8]


@pytest.mark.parametrize("df", DEGREES)
def test_the_quantile_agrees_to_nine_digits(df: int) -> None:
    for p in PROBABILITIES:
        # scipy's own ppf loses digits in the far tail: its isf of the same tail is the reference.
        expected = float(stats.t.isf(1 - p, df))
        assert student_t.quantile(p, df) == pytest.approx(expected, rel=1e-9)
        assert student_t.quantile(1 - p, df) == pytest.approx(-expected, rel=1e-7 if p > 0.9999 else 1e-9)


@pytest.mark.parametrize("df", DEGREES)
def test_the_tail_agrees_to_nine_digits(df: int) -> None:
    for t in (0.0, 1e-6, 0.01, 0.5, 1.0, 1.96, 3.0, 10.0, 50.0):
        assert student_t.tail(t, df) == pytest.approx(float(stats.t.sf(t, df)), rel=1e-9)
        assert student_t.tail(-t, df) == pytest.approx(float(stats.t.sf(-t, df)), rel=1e-9)
        assert student_t.density(t, df) == pytest.approx(float(stats.t.pdf(t, df)), rel=1e-9)


def test_one_degree_of_freedom_is_cauchy() -> None:
    for p in (0.6, 0.9, 0.975, 0.999):
        assert student_t.quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-11)


def test_the_median_is_zero_and_the_two_sides_mirror() -> None:
    assert math.copysign(1.0, student_t.quantile(0.5, 4)) == 1.0
    assert [student_t.quantile(0.5, 4), student_t.tail(0.0, 4), student_t.tail(-1e200, 4)] == [0.0, 0.5, 1.0]
    assert student_t.tail(1e200, 4) == student_t.tail(1e100, 4) == 0.0
    assert student_t.quantile(0.025, 4) == pytest.approx(-student_t.quantile(0.975, 4), rel=1e-12)


def test_no_number_has_no_tail() -> None:
    with pytest.raises(ArithmeticError, match="did not converge"):
        student_t.tail(math.nan, 4)


@pytest.mark.parametrize(("p", "df"), [(0.0, 3), (1.0, 3), (-0.1, 3), (1.1, 3), (0.9, 0), (float("nan"), 3)])
def test_what_has_no_quantile_is_refused(p: float, df: int) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        student_t.quantile(p, df)

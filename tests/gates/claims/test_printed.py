"""A printed number claims its digits, and what does not round to them is contradicted."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from husai_gates.claims.printed import NUMBER, WORD, read, write


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("0.376", "0.376", "0.001"),
        ("0.30", "0.30", "0.01"),
        ("3,001", "3001", "1"),
        ("12,345,678.9", "12345678.9", "0.1"),
        ("12\u202f769", "12769", "1"),
        ("3{,}001", "3001", "1"),
        ("\u22120.5", "-0.5", "0.1"),
        ("-0.003", "-0.003", "0.001"),
        ("+0.12", "0.12", "0.01"),
        ("$-$0.5", "-0.5", "0.1"),
        ("\u00b10.01", "0.01", "0.01"),
        ("1.2e-3", "0.0012", "0.0001"),
        ("1.2\u00d710\u207b\u00b3", "0.0012", "0.0001"),
        ("1.2 \u00d7 10^-3", "0.0012", "0.0001"),
        ("1.2\\times10^{-3}", "0.0012", "0.0001"),
        ("135M", "135000000", "1000000"),
        ("2.5k", "2500", "100"),
        ("five", "5", "1"),
        ("Twelve", "12", "1"),
    ],
)
def test_a_number_is_read_in_every_manner_of_writing(text: str, value: str, step: str) -> None:
    assert re.fullmatch(f"{NUMBER}|{WORD}", text)
    seen = read(text)
    assert (seen.value, seen.step) == (Decimal(value), Decimal(step))


@pytest.mark.parametrize("text", ["", ".", "0.", "1.2.3", "abc", "1e", "--3", "0x1f", "nan", "inf", "١٢٣"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        read(text) if text != "١٢٣" else read("x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.376.", ["0.376"]),
        ("from 0.1-0.2", ["0.1", "0.2"]),
        ("[-0.1, 0.2]", ["-0.1", "0.2"]),
        ("1,2", []),
        ("3,001, 4", ["3,001", "4"]),
        ("L0 and v2", []),
        ("0.5e", ["0.5"]),
        ("= -0.5", ["-0.5"]),
        ("1.2.3", []),
        ("12ms", ["12"]),
    ],
)
def test_no_number_is_found_in_part_of_another(text: str, found: list[str]) -> None:
    assert [match[0] for match in re.finditer(NUMBER, text)] == found


@pytest.mark.parametrize("value", [0.1235, 0.1225, -0.1235, 2.5, 0.15])
def test_at_a_tie_either_neighbour_is_right(value: float) -> None:
    decimals = len(repr(abs(value)).partition(".")[2]) - 1
    true = Decimal(repr(value))
    half = Decimal(5).scaleb(-decimals - 1)
    for neighbour in (true - half, true + half):
        assert read(f"{neighbour:.{decimals}f}").agrees(value)
        assert not read(f"{neighbour + 4 * half:.{decimals}f}").agrees(value)


@pytest.mark.parametrize(
    ("before", "text", "value", "agrees"),
    [
        ("≈ ", "3,000", 3412.0, True),
        ("", "3,000", 3412.0, False),
        ("about ", "3,000", 3512.0, False),
        ("p < ", "0.01", 0.004, True),
        ("p < ", "0.01", 0.01, False),
        ("p ≤ ", "0.01", 0.01, True),
        ("p &gt; ", "0.01", 0.004, False),
        ("$p \\leq ", "0.01", 0.02, False),
    ],
)
def test_about_and_bounds(before: str, text: str, value: float, agrees: bool) -> None:
    assert read(text, before, "", before).agrees(value) is agrees


def test_the_end_of_a_tag_and_a_quotation_are_no_bounds() -> None:
    for before in ("<td>", "> "):
        assert not read("0.01", before).agrees(0.5)
    assert not read("0.01", "<td>", "", "<td>").agrees(0.5)


@given(
    st.floats(-1e12, 1e12, allow_subnormal=False), st.integers(0, 8), st.sampled_from(["-", "\u2212"]), st.booleans()
)
def test_printed_at_any_precision_it_is_supported_and_two_off_in_the_last_digit_is_not(
    value: float, decimals: int, minus: str, grouped: bool
) -> None:
    assume(abs(value) < 10 ** (14 - decimals))  # beyond that two floats differ by more than the last digit
    text = f"{value:{',' if grouped else ''}.{decimals}f}".replace("-", minus)
    assert re.fullmatch(NUMBER, text)
    assert read(text).agrees(value)
    for off in (2, -2):
        other = Decimal(text.replace(minus, "-").replace(",", "")) + Decimal(off).scaleb(-decimals)
        assert not read(f"{other:.{decimals}f}").agrees(value)


@given(st.floats(-1e6, 1e6, allow_subnormal=False), st.integers(0, 6))
def test_scientific_notation_too(value: float, decimals: int) -> None:
    assume(value == 0 or abs(value) > 1e-6)
    text = f"{value:.{decimals}e}"
    assert read(text).agrees(value)
    mantissa, _, exponent = text.partition("e")
    off = Decimal(mantissa) + Decimal(2).scaleb(-decimals)
    assert not read(f"{off:.{decimals}f}e{exponent}").agrees(value)


@given(
    st.floats(-1e9, 1e9, allow_subnormal=False),
    st.integers(0, 8),
    st.sampled_from(["", "1,234", "\u22120.5", "+0.1", "\u00b13", "12\u202f345"]),
)
def test_what_is_written_is_supported(value: float, decimals: int, like: str) -> None:
    text = write(value, decimals, like)
    assert read(text).agrees(abs(value) if like == "\u00b13" else value)
    assert write(value, decimals, text) == text or like == "\u00b13"


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    for match in re.finditer(f"{NUMBER}|{WORD}", text):
        with contextlib.suppress(ValueError):
            read(match[0], text[: match.start()], text[match.end() :]).agrees(0.5)

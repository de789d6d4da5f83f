"""Tests of how numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from studies.numerals import bound, count, interval, number

BACK = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def read(text: str) -> float:
    """What a reader takes the text for."""
    text = text.replace("−", "-").replace("∞", "inf")
    mantissa, _, power = text.partition("·10")
    return float(f"{mantissa}e{power.translate(BACK)}") if power else float(mantissa)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (3, "3"),
        (-3.0, "−3"),
        (999999, "999999"),
        (10**6, "1.00·10⁶"),
        (0.31, "0.310"),
        (-0.314159, "−0.314"),
        (12.345, "12.3"),
        (123.456, "123"),
        (12345.6, "12346"),
        (999.9999, "1000"),
        (0.00012345, "1.23·10⁻⁴"),
        (-1.5e-12, "−1.50·10⁻¹²"),
        (6.02e23, "6.02·10²³"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_known_numbers(value: float, text: str) -> None:
    """A hyphen for a minus, a signed zero, a lost power."""
    assert number(value) == text


def test_nan_is_no_number() -> None:
    """A page that reports "nan"."""
    with pytest.raises(ValueError, match="got nan"):
        number(math.nan)


@given(st.floats(-1e300, 1e300), st.integers(2, 8))
def test_the_reader_gets_the_number(value: float, digits: int) -> None:
    """A digit lost, or a power off by one where rounding carries over."""
    shown = read(number(value, digits=digits))
    assert math.isclose(shown, value, rel_tol=0.51 * 10 ** (1 - digits))
    assert "-" not in number(value, digits=digits)


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=3, max_size=3).map(sorted))
def test_interval_tells_the_ends_apart_where_six_digits_can(values: list[float]) -> None:
    """An interval that looks like a point."""
    low, value, high = values
    _, left, right = interval(value, low, high)
    if number(low, digits=6) != number(high, digits=6):
        assert left != right


@given(st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3).map(sorted))
def test_interval_is_right_to_a_twentieth_of_its_length(values: list[float]) -> None:
    """A rounding that moves an end by a visible part of the interval, or over a border."""
    low, value, high = values
    assume(max(-low, high) >= 1e-4)  # smaller ones are written with powers of ten
    for text, exact in zip(interval(value, low, high), (value, low, high), strict=True):
        assert abs(read(text) - exact) <= max(0.0501 * (high - low), 0.6e-5 * abs(exact))


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ((0.5, 0.4, 0.6), ("0.50", "0.40", "0.60")),
        ((1.0014, 0.9951, 1.0077), ("1.001", "0.995", "1.008")),
        ((1519.2, 1203.4, 1811.9), ("1519", "1203", "1812")),
        ((-0.001, -0.04, 0.03), ("−0.001", "−0.040", "0.030")),
        ((-0.0001, -0.04, 0.03), ("0.000", "−0.040", "0.030")),
        ((2, 2, 2), ("2", "2", "2")),
        ((2e7, 1e7, 3e7), ("2.00·10⁷", "1.00·10⁷", "3.00·10⁷")),
        ((0.12345, 0.12344, 0.12346), ("0.123450", "0.123440", "0.123460")),
    ],
)
def test_interval_digits(numbers: tuple[float, ...], texts: tuple[str, ...]) -> None:
    """Ends with other decimals than the value, decimals that mean nothing, a signed zero."""
    assert interval(*numbers) == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98, "0.98"),
        (1.02, "1.02"),
        (-0.5, "−0.5"),
        (100, "100"),
        (2e7, "2·10⁷"),
        (1e-5, "1·10⁻⁵"),
    ],
)
def test_bounds_are_shown_as_typed(value: float, text: str) -> None:
    """Zeros that claim a precision nobody gave, or the zeros of 100 lost."""
    assert bound(value) == text


def test_counts_are_grouped() -> None:
    """73720 read as 7372, or a break between the groups."""
    assert [count(n) for n in (0, 999, 73720)] == ["0", "999", "73\u202f720"]

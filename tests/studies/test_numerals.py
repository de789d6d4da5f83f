"""Tests of how numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.numerals import interval, number

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
    texts = interval(value, low, high)
    assert (texts[1] == texts[2]) == (
        low == high or number(low, digits=6) == number(high, digits=6)
    ) or number(low) != number(high)


def test_interval_digits() -> None:
    """Three digits where more are needed, six where three do."""
    assert interval(0.5, 0.4, 0.6) == ("0.500", "0.400", "0.600")
    assert interval(0.12345, 0.12344, 0.12346) == ("0.1235", "0.1234", "0.1235")
    assert interval(2, 2, 2) == ("2", "2", "2")

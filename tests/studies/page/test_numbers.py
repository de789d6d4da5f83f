"""Tests of how numbers are written, and of those that the prose cites."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from studies.page import numbers
from studies.page.numbers import count, estimate, number, publish

BACK = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def read(text: str) -> float:
    """What a reader takes the text for."""
    text = text.replace("−", "-").replace("∞", "inf").replace("\u202f", "")
    mantissa, _, power = text.partition("·10")
    return float(f"{mantissa}e{power.translate(BACK)}") if power else float(mantissa)


def ends(text: str) -> list[float]:
    """Value and both ends of a written estimate."""
    value, _, interval = text.partition(" ")
    if interval.startswith("± "):
        middle, half = read(value), read(interval[2:])
        return [middle, middle - half, middle + half]
    return [read(value), *map(read, interval.strip("[]").split(", ") if interval else [value] * 2)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (-3.0, "−3"),
        (999999, "999\u202f999"),
        (10**6, "1·10⁶"),
        (0.98, "0.98"),
        (-0.314159, "−0.314159"),
        (12345.678, "12\u202f345.7"),
        (999999.9, "1·10⁶"),
        (0.00012345, "1.2345·10⁻⁴"),
        (-1.5e-12, "−1.5·10⁻¹²"),
        (6.02e23, "6.02·10²³"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_known_numbers(value: float, text: str) -> None:
    """A hyphen for a minus, a signed zero, a lost power, zeros that nobody typed."""
    assert number(value) == text


@given(st.floats(-1e300, 1e300), st.integers(2, 8))
def test_the_reader_gets_the_number(value: float, digits: int) -> None:
    """A digit lost, or a power off by one where rounding carries over."""
    shown = number(value, digits=digits)
    assert math.isclose(read(shown), value, rel_tol=0.51 * 10 ** (1 - digits))
    assert not {"-", ","} & set(shown)


def test_counts_are_grouped() -> None:
    """73720 read as 7372, or a break between the groups."""
    assert [count(n) for n in (0, 999, 73720)] == ["0", "999", "73\u202f720"]


@pytest.mark.parametrize(
    ("three", "text"),
    [
        ((0.5, 0.4, 0.6), "0.50 [0.40, 0.60]"),
        ((1.0014, 0.9951, 1.0077), "1.001 [0.995, 1.008]"),
        ((1519.2, 1203.4, 1811.9), "1\u202f519 [1\u202f203, 1\u202f812]"),
        ((-0.0001, -0.04, 0.03), "0.000 [−0.040, 0.030]"),
        ((2e7, 1e7, 3e7), "2.0·10⁷ [1.0·10⁷, 3.0·10⁷]"),
        ((2.5e-8, -2e-9, 3e-8), "2.5·10⁻⁸ [−0.2·10⁻⁸, 3.0·10⁻⁸]"),
        ((0.12345, 0.12344, 0.12346), "0.123450 [0.123440, 0.123460]"),
        ((0.9999999931, 0.9999999783, 1.0000000079), "1 ± 3·10⁻⁸"),
        ((-1, -math.inf, 2.5), "−1.00 [−∞, 2.50]"),
        ((-1, -1519.234, math.inf), "−1 [−1\u202f519, ∞]"),
        ((2, 2, 2), "2"),
        ((1.000000018543266,) * 3, "1"),
        ((16.32653061224,) * 3, "16.3265"),
        ((4.440892098500626e-16,) * 3, "4·10⁻¹⁶"),
    ],
)
def test_estimates(three: tuple[float, float, float], text: str) -> None:
    """Ends with other decimals than the value, digits that mean nothing, a signed zero."""
    assert estimate(*three) == text


@given(st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3).map(sorted))
def test_estimates_are_right_to_a_twentieth_of_their_length(values: list[float]) -> None:
    """A rounding that moves an end by a visible part of the interval, or makes it a point."""
    low, value, high = values
    assume(max(-low, high) >= 1e-4)
    shown = ends(estimate(value, low, high))
    if " ± " in estimate(value, low, high):  # nothing is cut off
        assert shown[1] <= low + 1e-12 * abs(low)
        assert high <= shown[2] + 1e-12 * abs(high)
        return
    assert low == high or shown[1] < shown[2]
    for written, exact in zip(shown, (value, low, high), strict=True):
        assert abs(written - exact) <= max(0.0501 * (high - low), 0.6e-5 * abs(exact))


@given(
    st.lists(st.floats(-1e4, 1e4) | st.just(math.inf), min_size=2, max_size=2).map(sorted),
    st.floats(-1e4, 1e4),
    st.floats(-1, 1),
)
def test_what_is_written_means_the_same(interval: list[float], value: float, edge: float) -> None:
    """0.9999 below 1 written as 1.00: more digits, until both ends stand where they are."""
    low, high = min(interval[0], value), max(interval[1], value)
    assume(high - low >= 1e-6 * max(abs(low), abs(high)) or low == high)

    def sides(a: float, b: float) -> tuple[bool, bool]:
        return a < edge, b > edge

    shown = ends(estimate(value, low, high, same=lambda a, b: sides(a, b) == sides(low, high)))
    if abs(low - edge) > 1e-9 < abs(high - edge):
        assert sides(*shown[1:]) == sides(low, high)


def test_a_narrow_interval_stays_on_its_side() -> None:
    """A number just below 1 written as 1 ± something."""
    three = (1 - 5e-9, 1 - 9e-9, 1 - 1e-9)
    assert estimate(*three) == "1 ± 9·10⁻⁹"
    assert estimate(*three, same=lambda _, high: high < 1) == "0.999999995 ± 4·10⁻⁹"


def test_nan_is_no_number() -> None:
    """A page that reports "nan"."""
    with pytest.raises(ValueError, match="got nan"):
        number(math.nan)
    for three in ((math.nan, 0, 1), (0, math.nan, 1), (0, 0, math.nan), (math.inf,) * 3, (2, 0, 1)):
        with pytest.raises(ValueError, match="need a finite value, low <= value <= high"):
            estimate(*three)


@pytest.fixture
def glued(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What reaches the page, by key."""
    found: dict[str, Any] = {}

    def glue(key: str, value: Any, *, display: bool) -> None:
        assert not display
        found[key] = value

    monkeypatch.setattr(numbers, "glue", glue)
    return found


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (3, 3),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([0.25]), 0.25),
        (Fraction(1, 4), 0.25),
    ],
)
def test_published_numbers_become_plain(glued: dict[str, Any], value: Any, plain: float) -> None:
    """A NumPy scalar, which prints as `np.float64(…)`, warns, and shows nothing."""
    publish("key", value)
    publish("pruning", kept=value, of_all=1)
    assert glued == {"key": plain, "pruning-kept": plain, "pruning-of-all": 1}
    assert type(glued["key"]) is type(glued["pruning-kept"]) is type(plain)


def test_any_name_can_be_published(glued: dict[str, Any]) -> None:
    """A name that collides with the function's own."""
    publish("x", key=1, value=2)
    assert glued == {"x-key": 1, "x-value": 2}


@pytest.mark.parametrize("value", [True, np.bool_(True), "3", None, [1.0], np.ones(2), 1j])
def test_what_is_no_number_is_refused(glued: dict[str, Any], value: Any) -> None:
    """Something on the page that is no number."""
    with pytest.raises(TypeError, match=r"publish\('key'\): need a single number, got "):
        publish("key", value)
    with pytest.raises(TypeError, match=r"publish\('a-key'\): need a single number, got "):
        publish("a", key=value)
    assert glued == {}


@pytest.mark.parametrize("value", [float("nan"), np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(glued: dict[str, Any], value: float) -> None:
    """A page that reports "nan"."""
    with pytest.raises(ValueError, match=r"publish\('a-b'\): need a finite number"):
        publish("a", b=value)
    assert glued == {}

"""Intervals: against SciPy, against closed forms, and against how often they cover the truth."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compressibility.estimates import (
    Estimate,
    exact,
    mean_interval,
    share_interval,
    slope_interval,
)


def test_mean_interval_is_scipys():
    """Catches ddof = 0, a one-sided quantile, or n in the place of n - 1."""
    values = [1.2, 0.7, 3.1, 2.2, 1.9]
    ends = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    got = mean_interval(values, level=0.95)
    assert (got.low, got.high) == pytest.approx((ends.low, ends.high), rel=1e-12)
    assert got.value == pytest.approx(np.mean(values), rel=1e-12)
    assert (got.n, got.level) == (5, 0.95)


def test_two_values_by_hand():
    """Catches a wrong quantile: with one degree of freedom it is tan(pi level / 2) (Cauchy)."""
    got = mean_interval([0.0, 2.0], level=0.9)
    assert got.high - 1 == pytest.approx(math.tan(math.pi * 0.9 / 2), rel=1e-9)


def test_mean_interval_covers_as_often_as_it_says():
    """Catches an interval that is too short: 2000 samples of 4, 5 standard errors."""
    rows = np.random.default_rng(0).standard_normal((2000, 4))
    covered = sum(e.low <= 0 <= e.high for e in (mean_interval(row, level=0.8) for row in rows))
    assert covered / 2000 == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / 2000))


def test_slope_interval_is_scipys_row_by_row():
    """Catches a slope through the origin, or rows and points exchanged."""
    rng = np.random.default_rng(1)
    x, ys = rng.standard_normal(6), rng.standard_normal((4, 6))
    slopes = [stats.linregress(x, y).slope for y in ys]
    got, reference = slope_interval(x, ys, level=0.9), mean_interval(slopes, level=0.9)
    assert got.value == pytest.approx(reference.value, rel=1e-10)
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high), rel=1e-10)
    assert got.n == 4


@settings(deadline=None, max_examples=50)
@given(slope=st.floats(-5, 5), offset=st.floats(-5, 5))
def test_slope_of_straight_lines(slope, offset):
    """Catches an offset that leaks into the slope."""
    x = np.array([1.0, 2.0, 4.0, 7.0])
    got = slope_interval(x, [slope * x + offset + shift for shift in (0.0, 10.0, -3.0)])
    assert got.value == pytest.approx(slope, abs=1e-12)
    assert got.high - got.low < 1e-10


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 17), (250, 1000)])
def test_share_interval_is_clopper_pearson(successes, n):
    """Catches a normal approximation or a one-sided end: against the beta quantiles."""
    got = share_interval(successes, n, level=0.95)
    low = stats.beta.ppf(0.025, successes, n - successes + 1) if successes else 0.0
    high = stats.beta.ppf(0.975, successes + 1, n - successes) if successes < n else 1.0
    assert got.value == successes / n
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-9)


def test_exact_is_a_point():
    """Catches a count that is given an error."""
    assert exact(3, 7) == Estimate(3.0, 3.0, 3.0, 7, 1.0)


def test_fields_are_plain_numbers():
    """Catches NumPy scalars, which do not go into JSON."""
    values = np.array([1.0, 2.0], dtype=np.float32)
    for got in (
        mean_interval(values),
        slope_interval(values, [values, values]),
        share_interval(np.int64(1), np.int64(3)),
        exact(np.float64(2.0), np.int64(3)),
    ):
        assert type(got.n) is int
        assert {type(getattr(got, name)) for name in ("value", "low", "high", "level")} == {float}


def test_wider_for_a_higher_level_and_scaled_as_the_values():
    """Catches level and its complement exchanged."""
    values = [1.0, 2.0, 4.0]
    narrow, wide = mean_interval(values, level=0.5), mean_interval(values, level=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    normal = NormalDist().inv_cdf(0.995) * np.std(values, ddof=1) / math.sqrt(3)
    assert wide.high - wide.value > normal


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1.0]), "need at least 2 values for an interval, got 1"),
        (lambda: mean_interval([[1.0, 2.0]]), r"need values with 1 axes, got shape \(1, 2\)"),
        (lambda: mean_interval([1.0, math.nan]), "need finite values"),
        (lambda: mean_interval([1.0, 2.0], level=1.0), "need 0 < level < 1, got 1.0"),
        (lambda: slope_interval([1.0, 1.0], [[0.0, 1.0]] * 2), "need at least 2 different x"),
        (lambda: slope_interval([1.0, 2.0], [[0.0] * 3] * 2), r"need ys of shape \(rows, 2\)"),
        (lambda: slope_interval([1.0, 2.0], [[0.0, 1.0]]), "need at least 2 values"),
        (lambda: share_interval(4, 3), "need 0 <= successes <= 3, got 4"),
        (lambda: share_interval(0, 0), "need n >= 1, got 0"),
        (lambda: share_interval(1, 3, level=99), "need 0 < level < 1, got 99"),
        (lambda: exact(math.inf, 1), "need a finite value, got inf"),
        (lambda: exact(1.0, 0), "need n >= 1, got 0"),
        (lambda: Estimate(1.0, 2.0, 3.0, 1, 0.9), "need low <= value <= high"),
        (lambda: Estimate(1.0, 1.0, 1.0, 1, 0.0), "need 0 < level <= 1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    """Catches an interval made of nothing."""
    with pytest.raises(ValueError, match=message):
        call()

"""Intervals: against SciPy, against closed forms, and against how often they cover the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from compressibility.estimates import Estimate, exact, exceptions, mean, median, share, slope, worst
from tests.compressibility.helpers import refuses


def test_mean_is_scipys():
    """Catches ddof = 0, a one-sided quantile, or n in the place of n - 1."""
    values = [1.2, 0.7, 3.1, 2.2, 1.9]
    ends = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    got = mean(values, level=0.95)
    assert (got.low, got.high) == pytest.approx((ends.low, ends.high), rel=1e-12)
    assert got.value == pytest.approx(np.mean(values), rel=1e-12)
    assert (got.n, got.level) == (5, 0.95)


@pytest.mark.parametrize("log", [False, True])
def test_mean_covers_as_often_as_it_says(log):
    """Catches an interval that is too short, a log left out: 1000 samples of 4, 5 sigma."""
    rows = np.random.default_rng(0).standard_normal((1000, 4)) * 3
    found = [mean(np.exp(row) if log else row, level=0.8, log=log) for row in rows]
    covered = sum(estimate.low <= float(log) <= estimate.high for estimate in found)
    assert covered / 1000 == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / 1000))
    assert not log or min(estimate.low for estimate in found) > 0


def test_geometric_mean_by_hand():
    """Catches a scale mixed up: 1, 10 and 100 have geometric mean 10, ends as far apart."""
    got, plain = mean([1.0, 10.0, 100.0], log=True), mean([0.0, 1.0, 2.0])
    assert got.value == pytest.approx(10, rel=1e-14)
    logs = [math.log10(got.low), math.log10(got.high)]
    assert logs == pytest.approx([plain.low, plain.high], rel=1e-12)
    assert mean([1e-300] * 3, log=True).low == pytest.approx(1e-300, rel=1e-12)


def test_median_covers():
    """Catches ranks that are one too tight, or too wide, and a mean: exact binomial sums."""
    for n in (8, 15, 40):
        found = median(np.arange(1.0, n + 1) ** 2)
        low, high = math.isqrt(int(found.low)), math.isqrt(int(found.high))
        assert low + high == n + 1
        assert 1 - 2 * stats.binom.cdf(low - 1, n, 0.5) >= 0.99
        assert 1 - 2 * stats.binom.cdf(low, n, 0.5) < 0.99
        assert found.value == np.median(np.arange(1.0, n + 1) ** 2)
    even = median(np.arange(1.0, 9), level=1 - 2 / 2**8)  # P(B < 1) = 2⁻⁸, exactly
    assert (even.low, even.high) == (1, 8)


def test_slope_is_scipys_row_by_row():
    """Catches a slope through the origin, or rows and points exchanged."""
    rng = np.random.default_rng(1)
    x, ys = rng.standard_normal(6), rng.standard_normal((4, 6))
    slopes = [stats.linregress(x, y).slope for y in ys]
    got, reference = slope(x, ys, level=0.9), mean(slopes, level=0.9)
    assert got.value == pytest.approx(reference.value, rel=1e-10)
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high), rel=1e-10)
    assert got.n == 4


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 17), (250, 1000)])
def test_share_is_clopper_pearson(successes, n):
    """Catches a normal approximation or a one-sided end: against the beta quantiles."""
    got = share(successes, n, level=0.95)
    low = stats.beta.ppf(0.025, successes, n - successes + 1) if successes else 0.0
    high = stats.beta.ppf(0.975, successes + 1, n - successes) if successes < n else 1.0
    assert got.value == successes / n
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-9)


def test_exact_is_a_point():
    """Catches a count that is given an error."""
    assert exact(3, 7) == Estimate(3.0, 3.0, 3.0, 7, 1.0)


def test_worst_is_the_least_favourable_end():
    """Catches the worst value taken for the worst end, or sides exchanged."""
    wide, low, high = (Estimate(*ends, 5, 0.9) for ends in ((5, 1, 9), (3, 2, 4), (7, 6, 8)))
    assert worst([low, wide, high], side="low") is wide
    assert worst((e for e in (low, wide, high)), side="high") is wide
    assert worst([low, high], side="low") is low
    assert worst([low, high], side="high") is high


def test_exceptions_are_counted():
    """Catches ties counted, a broadcast that loses values, infinities that are dropped."""
    values = np.array([[1.0, 2.0, math.inf], [3.0, -math.inf, 0.0]])
    assert exceptions(values, [1.0, 1.0, 5.0]) == exact(3, 6)
    assert exceptions([math.inf], [math.inf]) == exact(0, 1)
    assert exceptions(0.5, [0.0, 1.0]) == exact(1, 2)


def test_fields_are_plain_numbers():
    """Catches NumPy scalars, which do not go into JSON."""
    values = np.array([1.0, 2.0], dtype=np.float32)
    for got in (
        mean(values),
        median([*values] * 4),
        slope(values, [values, values]),
        share(np.int64(1), np.int64(3)),
        exact(np.float64(2.0), np.int64(3)),
        mean(values, log=True),
        exceptions(values, 1.5),
    ):
        assert type(got.n) is int
        assert {type(getattr(got, name)) for name in ("value", "low", "high", "level")} == {float}


test_bad_arguments_are_named = refuses(
    (lambda: mean([1.0]), "need at least 2 values for an interval, got 1"),
    (lambda: mean([[1.0, 2.0]]), r"need values with 1 axes, got shape \(1, 2\)"),
    (lambda: mean([1.0, math.nan]), "need finite values"),
    (lambda: mean([1.0, 2.0], level=1.0), "need 0 < level < 1, got 1.0"),
    (lambda: median([1.0, 2.0]), "enough values for level 0.99, got 2"),
    (lambda: median([1.0, math.inf]), "need finite values"),
    (lambda: median(np.ones((9, 9))), "need values with 1 axes"),
    (lambda: median([1.0] * 9, level=1.0), "need 0 < level < 1, got 1.0"),
    (lambda: slope([1.0, 1.0], [[0.0, 1.0]] * 2), "need at least 2 different x"),
    (lambda: slope([1.0, 2.0], [[0.0] * 3] * 2), r"need ys of shape \(rows, 2\)"),
    (lambda: slope([1.0, 2.0], [[0.0, 1.0]]), "need at least 2 values"),
    (lambda: share(4, 3), "need 0 <= successes <= 3, got 4"),
    (lambda: share(0, 0), "need n >= 1, got 0"),
    (lambda: share(1, 3, level=99), "need 0 < level < 1, got 99"),
    (lambda: exact(math.inf, 1), "need a finite value, got inf"),
    (lambda: exact(1.0, 0), "need n >= 1, got 0"),
    (lambda: Estimate(1.0, 2.0, 3.0, 1, 0.9), "need low <= value <= high"),
    (lambda: Estimate(1.0, 1.0, 1.0, 1, 0.0), "need 0 < level <= 1"),
    (lambda: mean([1.0, 0.0], log=True), "need values > 0 on the log scale, got 0.0"),
    (lambda: mean([1e-300, 1e300], log=True), "need a finite high, got inf"),
    (lambda: worst([], side="low"), "need at least 1 estimate, got none"),
    (lambda: worst([exact(1, 1)], side="least"), "need side 'low' or 'high', got 'least'"),
    (lambda: exceptions([1.0, math.nan], 2.0), "need values that are numbers, got nan"),
    (lambda: exceptions([1.0], math.nan), "need limits that are numbers, got nan"),
    (lambda: exceptions([], 1.0), "need at least 1 value, got none"),
)

"""Intervals: against SciPy, against closed forms, and against how often they cover the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from compressibility import estimates
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


# Law: draws, mean, mean of the logarithms.
LAWS = {
    "normal": (lambda r, shape: r.standard_normal(shape), 0.0, None),
    "lognormal": (lambda r, shape: np.exp(r.standard_normal(shape)), math.exp(0.5), 0.0),
    "exponential": (lambda r, shape: r.standard_exponential(shape), 1.0, -np.euler_gamma),
    "pareto": (lambda r, shape: 1 + r.pareto(2.5, shape), 5 / 3, 0.4),
    "half": (lambda r, shape: (r.random(shape) < 0.5) * 1.0, 0.5, None),
    "tenth": (lambda r, shape: (r.random(shape) < 0.1) * 1.0, 0.1, None),
}
SIZES, SAMPLES = (4, 5, 8, 20), 100_000
# Intervals of level .99 that miss, in percent, for the SIZES: of a million samples each.
MISSES = {
    ("mean", "normal"): (1.0, 1.0, 1.0, 1.0),
    ("mean", "lognormal"): (7.7, 8.9, 9.4, 7.3),
    ("mean", "exponential"): (4.65, 5.0, 4.85, 3.45),
    ("mean", "pareto"): (10.9, 12.2, 12.9, 10.7),
    ("mean", "half"): (0.0, 0.0, 0.0, 1.2),
    ("mean", "tenth"): (0.0, 0.0, 0.0, 0.0),
    ("log", "lognormal"): (1.0, 1.0, 1.0, 1.0),
    ("log", "exponential"): (1.55, 1.7, 1.9, 1.7),
    ("log", "pareto"): (4.65, 5.0, 4.85, 3.45),
    ("slope", "normal"): (1.0, 1.0, 1.0, 1.0),
    ("slope", "lognormal"): (0.45, 0.4, 0.45, 0.65),
    ("slope", "exponential"): (0.6, 0.6, 0.65, 0.85),
    ("slope", "pareto"): (0.4, 0.35, 0.4, 0.5),
    ("slope", "half"): (0.7, 0.7, 0.95, 1.1),
    ("slope", "tenth"): (0.0, 0.0, 0.0, 0.25),
}
AT = np.array([0.0, 1.0, 3.0])  # where slopes are fitted


def ends(values):
    """Of Student's intervals for many samples (…, n) at once."""
    n = values.shape[-1]
    half = stats.t.ppf(0.995, n - 1) * values.std(-1, ddof=1) / math.sqrt(n)
    half = np.where(np.ptp(values, axis=-1) > 1e-12, half, np.inf)
    return values.mean(-1) - half, values.mean(-1) + half


def misses(low, high, truth, expected):
    """Whether as many miss as expected, in percent: 5 sigma, and what the table rounds."""
    found = 100 * ((low > truth) | (high < truth)).mean()
    sigma = 100 * math.sqrt(max(expected, 0.05) / 100 / len(low))
    return abs(found - expected) <= 0.05 + 5 * sigma


@pytest.mark.parametrize(("kind", "law"), MISSES)
def test_intervals_miss_as_often_as_documented(kind, law):
    """Catches an interval surer or less sure than it says, of a law it is made for or another."""
    draw, centre, log_centre = LAWS[law]
    truth = {"mean": centre, "log": log_centre, "slope": 0.0}[kind]
    for n, expected in zip(SIZES, MISSES[kind, law], strict=True):
        shape = (SAMPLES, n, len(AT)) if kind == "slope" else (SAMPLES, n)
        drawn = draw(np.random.default_rng(n), shape)
        make = {
            "mean": mean,
            "log": lambda row: mean(row, log=True),
            "slope": lambda y: slope(AT, y),
        }
        weights = (AT - AT.mean()) / np.square(AT - AT.mean()).sum()
        values = {"mean": drawn, "log": np.log(drawn) if kind == "log" else None}.get(kind)
        low, high = ends(drawn @ weights if values is None else values)
        for row in range(20):  # the library's own are these
            got = make[kind](drawn[row])
            both = np.exp([low[row], high[row]]) if kind == "log" else (low[row], high[row])
            assert (got.low, got.high) == pytest.approx(tuple(both), rel=1e-9, abs=1e-12)
        assert misses(low, high, truth, expected), n


def test_the_documented_misses_are_these():
    """Catches words of the module's that say something else than the table."""
    told = (estimates.__doc__ or "").replace("\n", " ")
    laws = ("exponential", "lognormal", "pareto")

    def ends(kind):
        rounded = [[*map(round, MISSES[kind, law])] for law in laws]
        return [min(one) for one in rounded], [max(one) for one in rounded]

    (least, most), (log_least, log_most) = ends("mean"), ends("log")
    assert (
        "exponential ones 3 to 5 miss, lognormal (σ = 1) 7 to 9, Pareto (index 2.5) 11 to" in told
    )
    assert (least, most) == ([3, 7, 11], [5, 9, 13])
    assert "``log=True`` 2, 1 and 3 to 5." in told
    assert (log_least, log_most) == ([2, 1, 3], [2, 1, 5])
    assert max(max(MISSES[key]) for key in MISSES if key[0] == "slope") <= 1.1


def test_worst_is_short_of_the_truth_up_to_as_often_as_there_are():
    """Catches a docstring that promises the level of one: eight equal laws, least low ends."""
    for n, expected in zip(SIZES, (0.0, 0.1, 0.9, 2.9), strict=True):
        low, high = ends(np.random.default_rng(n).standard_normal((SAMPLES, 8, n)))
        at = low.argmin(1)[:, None]
        low, high = (np.take_along_axis(end, at, 1)[:, 0] for end in (low, high))
        assert misses(low, high, 0.0, expected)
        assert (low > 0).mean() < 0.005  # beyond: no more often than one
        assert 100 * (high < 0).mean() < 8 * 0.5


@pytest.mark.parametrize("n", SIZES)
def test_shares_cover_whatever_the_chance(n):
    """Catches ends that are no bounds for some chance: exact sums, and not one point too wide."""
    found = [share(k, n) for k in range(n + 1)]
    low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
    chance = np.linspace(0.001, 0.999, 999)[:, None]
    inside = (low <= chance) & (chance <= high)
    covered = (stats.binom.pmf(np.arange(n + 1), n, chance) * inside).sum(1)
    assert 0.99 <= covered.min() <= 0.99 + 0.01 / 2 + 1e-4


def test_equal_values_prove_nothing():
    """Catches an interval of no width, which passes for exact, or one as wide as a rounding."""
    whole = (-math.inf, math.inf)
    for values in ([3.0] * 5, [0.0] * 4, [0.1, 0.1, 0.3 - 0.2, 0.1]):
        got = mean(values)
        assert (got.low, got.high, got.level) == (*whole, 0.99)
        assert got.value == pytest.approx(values[0])
    got = slope([0.0, 1.0], [[0.0, 2.0], [5.0, 7.0]])
    assert (got.low, got.value, got.high) == (-math.inf, 2.0, math.inf)
    got = mean([3.0] * 5, log=True)
    assert (got.low, got.high) == (0.0, math.inf)
    assert mean([1.0, 1.0 + 1e-9]).high < 2  # little is not nothing
    # Whatever the law, a median lies among eight equal values as often as it says.
    assert median([3.0] * 8).high == 3


def test_geometric_mean_by_hand():
    """Catches a scale mixed up: 1, 10 and 100 have geometric mean 10, ends as far apart."""
    got, plain = mean([1.0, 10.0, 100.0], log=True), mean([0.0, 1.0, 2.0])
    assert got.value == pytest.approx(10, rel=1e-14)
    logs = [math.log10(got.low), math.log10(got.high)]
    assert logs == pytest.approx([plain.low, plain.high], rel=1e-12)
    assert mean([1e-300, 2e-300] * 2, log=True).low == pytest.approx(1.3e-301, rel=0.02)


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
        mean(values[[0, 0]]),
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
    (lambda: Estimate(1.0, math.nan, 3.0, 1, 0.9), "need low <= value <= high"),
    (lambda: Estimate(math.inf, 1.0, math.inf, 1, 0.9), "need a finite value, got inf"),
    (lambda: worst([], side="low"), "need at least 1 estimate, got none"),
    (lambda: worst([exact(1, 1)], side="least"), "need side 'low' or 'high', got 'least'"),
    (lambda: exceptions([1.0, math.nan], 2.0), "need values that are numbers, got nan"),
    (lambda: exceptions([1.0], math.nan), "need limits that are numbers, got nan"),
    (lambda: exceptions([], 1.0), "need at least 1 value, got none"),
)

"""Tail-index estimators: built samples, literal loops, other libraries, and Monte Carlo."""

import math
import statistics
import warnings
from functools import cache

import numpy as np
import powerlaw
import pytest
import torch
from scipy import stats

from compressibility.noise import tails
from tests.compressibility.helpers import refuses

X = [8.0, 2, -1, -1, 1, 1, 4, -2]


def dice(seed):
    return np.random.default_rng(seed)


def stable(alpha, shape, seed):
    """Symmetric stable numbers, drawn by SciPy."""
    return stats.levy_stable.rvs(alpha, 0, size=shape, random_state=dice(seed))


def pareto(index, shape, seed):
    return dice(seed).random(shape) ** (-1 / index)


def quantiles(index, total):
    return (total / np.arange(1, total + 1)) ** (1 / index)


def at(values, *sizes, **options):
    return tails.blocks(values, sizes, centre=False, **options)


def literal(sample, m):
    """What the brackets average, block by block."""
    log = lambda x: math.log(math.sqrt(sum(v * v for v in np.atleast_1d(x))))  # noqa: E731
    found = []
    for i in range(len(sample) // m):
        block = sample[i * m : (i + 1) * m]
        found.append(log(sum(block)) - sum(log(x) for x in block) / m)
    return found


@pytest.mark.parametrize(
    ("values", "size", "index"),
    [
        ([1, 1, -1, 1, 1, -1, 1, 1] * 2, 8, 3 / 2),
        ([1, -1, 1, 1] * 3, 4, 2),
        ([7.0] * 12, 6, 1),
        (np.tile(np.eye(4), (2, 1)), 4, 2),
        (X, 4, 16 / 13),
    ],
)
def test_blocks_where_the_answer_is_known(values, size, index):
    """Catches 1/α, log n for log m, a log of means, absolute values before sums, the l1 norm."""
    found = at(values, size)
    assert found.values[0] == pytest.approx(index, rel=1e-12)
    assert found.index.value == pytest.approx(index, rel=1e-12)
    assert found.counts == (len(values) // size,)


@pytest.mark.parametrize("columns", [None, 3])
def test_blocks_equal_the_literal_loop(columns):
    """Catches wrong blocks, remainders that count, or another jackknife than that of 20 parts."""
    shape, sizes = (1237,) if columns is None else (1237, columns), (2, 7, 30, 400)
    sample = dice(1).standard_t(2, shape)
    found = at(sample, *sizes)
    all_grown = [literal(sample, m) for m in sizes]
    inverse = [np.mean(grown) / math.log(m) for grown, m in zip(all_grown, sizes, strict=True)]
    assert found.values == pytest.approx(1 / np.array(inverse), rel=1e-12)
    assert found.index.value == pytest.approx(min(2, statistics.median(found.values)), rel=1e-12)
    errors = []
    for grown, m in zip(all_grown, sizes, strict=True):
        n, left = len(grown), []
        for part in range(20):
            low, high = part * n // 20, (part + 1) * n // 20
            left.append(np.mean(grown[:low] + grown[high:]) / math.log(m))
        errors.append(math.sqrt(19 / 20 * sum((x - np.mean(left)) ** 2 for x in left)))
    assert found.errors == pytest.approx(found.values**2 * errors, rel=1e-9)


def test_the_median_comes_before_the_cap_and_is_no_lower_one():
    """Catches {3, 1.5} → 1.75 (cap first), → 1.5 (lower median) or → 2.25 (no cap)."""
    found = at([1, -1, 1, -1, 1, -1, 1, 1] * 16, 8, 64)
    assert found.values == pytest.approx([3, 1.5], rel=1e-12)
    ends = (found.index.value, found.index.low, found.index.high)
    assert ends == (2, 2, 2)
    four = at(stable(1.3, 4000, 3), 2, 8, 32, 128)
    assert four.index.value == pytest.approx(np.median(four.values), rel=1e-12)


@pytest.mark.parametrize(
    ("total", "sizes"),
    [
        (10, (2, 5)),
        (11, (2, 5)),
        (1001, (2, 5, 10, 20, 25, 50, 100, 500)),
        (4, (2,)),
        (2 * 101, (2,)),
        (2048 * 784, (2, 4, 8, 16, 49, 98, 448, 896, 1024)),
    ],
)
def test_the_sizes_of_the_paper(total, sizes):
    """Catches the divisor 1 of odd N, whose log is 0, a size above N/2, and a lost √N."""
    sample = dice(2).standard_normal(total)
    found = tails.blocks(sample)
    assert found.sizes == sizes
    assert found.counts == tuple(total // 2 * 2 // m for m in sizes)
    if total % 2:
        shorter = tails.blocks(sample[:-1])
        assert np.array_equal(found.values, shorter.values)


def test_centring():
    """Catches a median that is not subtracted, or of all coordinates at once: N(3, 1) reads .97."""
    sample = dice(3).standard_normal(100_000) + 3
    assert tails.blocks(sample, [10]).index.value == pytest.approx(1.99, abs=0.02)
    assert at(sample, 10).index.value == pytest.approx(0.972, abs=0.01)
    pair = np.stack([sample[:50_000], 1e3 * sample[50_000:] - 5e3], 1)
    assert tails.blocks(pair, [10]).index.value == pytest.approx(1.98, abs=0.03)
    low, high = np.sort(sample)[[49_999, 50_000]]
    own = sample - (low + (high - low) / 3)
    assert tails.slope_index(sample).value == pytest.approx(
        tails.slope_index(own, centre=False).value, rel=1e-9
    )


def test_the_middle_values_may_share_a_block():
    """Catches centring at the midpoint of the two middle values: their sum would be 0."""
    assert tails.blocks([1.0, 2.0, -3.0, 9.0], [2]).values.shape == (1,)


def test_a_few_zeros_count_as_the_least_of_the_others():
    """Catches -inf from the ties that rounding makes, and a law with an atom that goes through."""
    sample = dice(5).standard_normal(4000)
    rounded = np.where(np.arange(4000) < 4, 0, sample)
    least = np.where(rounded == 0, np.abs(rounded[4:]).min(), rounded)
    assert tails.blocks(rounded, [10], centre=False).index.value == pytest.approx(
        tails.blocks(least, [10], centre=False).index.value, abs=1e-3
    )
    with pytest.raises(ValueError, match="got 5 in 4000"):
        tails.blocks(np.where(np.arange(4000) < 5, 0, sample), [10], centre=False)


def laplace_growth(m):
    """E log|Y_m| - E log|X| of Laplace numbers, exactly."""
    harmonic = lambda n: sum(1 / i for i in range(1, n + 1))  # noqa: E731
    return sum(math.comb(m - 1 + j, j) * 2.0 ** (1 - m - j) * harmonic(m - 1 - j) for j in range(m))


@cache
def laplace():
    return dice(4).laplace(size=1_280_000)


def test_what_laplace_reads():
    """Catches a block estimate off its population value, which is below 2: no proof of a power."""
    assert [laplace_growth(m) for m in (4, 5, 10)] == pytest.approx([11 / 12, 25 / 24, 7129 / 5040])
    found = at(laplace(), 4, 5, 10)
    wanted = np.array([1.512321, 1.545060, 1.627862])
    assert (abs(found.values - wanted) < 4 * found.errors).all()
    assert (found.errors < 0.006).all()
    assert tails.blocks(laplace()[:250_000]).index.value == pytest.approx(1.72, abs=0.03)


def test_the_slope_form_unmasks_laplace():
    """Catches a slope not inverted (.507), through 0 (1.63) or over m = 2…32 (1.84)."""
    logs = np.log(tails.SLOPE)
    exact = 1 / np.polyfit(logs, [laplace_growth(m) for m in tails.SLOPE], 1)[0]
    assert exact == pytest.approx(1.9720, abs=1e-4)
    found = tails.slope_index(laplace(), centre=False)
    assert abs(found.value - exact) < 0.05
    assert found.low < exact < found.high
    assert found.high - found.low < 0.15
    growth = [np.mean(literal(laplace()[:5120], m)) for m in tails.SLOPE]
    wanted = 1 / np.polyfit(logs, growth, 1)[0]
    small = tails.slope_index(laplace()[:5120], centre=False)
    assert small.value == pytest.approx(wanted, rel=1e-9)
    assert small.n == 5120 // 64


def bound(alpha, m, total):
    """The standard error of α̂(m) is not above it, and nearly so great."""
    variance = math.pi**2 / 6 * (1 / alpha**2 + 0.5)
    return alpha**2 / math.log(m) * math.sqrt(variance * (1 + m) / total)


@pytest.mark.parametrize("alpha", [1.2, 1.45, 1.7, 2.0])
def test_errors_are_standard_errors(alpha):
    """Catches an error without α², 1 + m or log m, or of n in place of N values."""
    assert bound(1.45, 50, 20_000) == pytest.approx(0.034381, abs=1e-6)
    sizes, total, draws = (2, 10, 50), 3000, 150
    found = [at(row, *sizes) for row in stable(alpha, (draws, total), 5)]
    spread = np.std([one.values for one in found], axis=0)
    stated = np.median([one.errors for one in found], axis=0)
    assert stated == pytest.approx(spread, rel=0.2)
    ratio = stated / [bound(alpha, m, total) for m in sizes]
    assert 0.6 < ratio[0] < 0.9
    assert (ratio[1:] > 0.8).all()
    assert (ratio[1:] < 1.15).all()


@pytest.mark.parametrize("alpha", [1.0, 1.7])
def test_intervals_cover(alpha):
    """Catches a jackknife without its factor, or an interval turned around wrongly."""
    covered = {"blocks": [], "slope": []}
    for row in stable(alpha, (120, 3000), 6):
        for name, one in (
            ("blocks", tails.blocks(row, level=0.9).index),
            ("slope", tails.slope_index(row, level=0.9)),
        ):
            covered[name].append(one.low <= alpha <= one.high)
    for share in covered.values():
        assert 0.84 < np.mean(share) < 0.995


def test_hill_where_the_answer_is_known():
    """Catches x_k for x_(k+1), k - 1 or k + 1 for k, and γ for α."""
    for k, wanted in ((5, 2.996664), (50, 2.598023)):
        sample = dice(7).permutation(quantiles(2.5, 1000)) * dice(8).choice([-3.0, 3.0], 1000)
        found = tails.hill(sample, k)
        exact = 2.5 * k / (k * math.log(k + 1) - math.lgamma(k + 1))
        assert found.value == pytest.approx(exact, rel=1e-12)
        assert found.value == pytest.approx(wanted, abs=1e-6)
        assert found.n == k


def test_hill_is_scipys_fit():
    """Catches a maximum of another likelihood: SciPy fits a Pareto law above x_(k+1)."""
    sample = dice(9).standard_t(2, 3000)
    sizes = np.sort(abs(sample))[::-1]
    fitted, *_ = stats.pareto.fit(sizes[:120], floc=0, fscale=sizes[120])
    assert tails.hill(sample, 120).value == pytest.approx(fitted, rel=1e-6)


def test_hill_covers_on_pareto():
    """Catches an interval other than the exact one: covered 90 of 100 times, mean ak/(k - 1)."""
    k, found = 40, [tails.hill(row, 40, level=0.9) for row in pareto(2.5, (1000, 1000), 10)]
    values = np.array([one.value for one in found])
    assert abs(values.mean() - 2.5 * k / (k - 1)) < 4 * 2.5 / math.sqrt(k * 1000)
    assert 0.87 < np.mean([one.low < 2.5 < one.high for one in found]) < 0.93
    for side in (lambda one: one.low > 2.5, lambda one: one.high < 2.5):
        assert 0.03 < np.mean([side(one) for one in found]) < 0.07


@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.0])
def test_pickands_is_exact_on_generalized_pareto_quantiles(gamma):
    """Catches another order statistic than the k-th, 2k-th, 4k-th, γ for α, or a natural log."""
    sample = dice(11).permutation((quantiles(1 / gamma, 400) - 1) / gamma)
    for k in (1, 7, 100):
        assert tails.pickands(sample, k).value == pytest.approx(1 / gamma, rel=1e-9)


def test_no_power_is_infinite():
    """Catches a negative tail index: exponential and bounded tails have none."""
    steps = np.arange(1, 401)
    exponential, bounded = np.log(401 / steps), 1 - steps / 401
    assert tails.pickands(exponential, 50).value > 1e9
    assert 1 < tails.pickands(exponential, 50).low < 1e9
    for found in (tails.pickands(bounded, 50), tails.moment(bounded, 50)):
        assert found.value == found.high == math.inf


def test_sums_that_do_not_grow_are_infinite_and_capped():
    """Catches a negative index where sums are smaller than their terms, or an error of nan."""
    found = at([3.0, -2, -3, 2] * 8, 2)
    assert found.values[0] == found.errors[0] == math.inf
    assert (found.index.value, found.index.high) == (2, 2)
    assert tails.slope_index([3.0, -2, -3, 4, 1, 1, 1, -4] * 16, [2, 4], centre=False).low > 0


@pytest.mark.parametrize("gamma", [0.5, 1.0])
@pytest.mark.parametrize("name", ["moment", "pickands"])
def test_order_statistics_cover(name, gamma):
    """Catches a wrong standard error: of 600 samples of a power 90 in 100 are covered."""
    k, estimate = 60, getattr(tails, name)
    samples = (pareto(1 / gamma, (600, 4000), 13) - (name == "pickands")) / gamma
    found = [estimate(row, k, level=0.9) for row in samples]
    assert 0.86 < np.mean([one.low < 1 / gamma < one.high for one in found]) < 0.94
    half = np.median([1 / one.low - 1 / one.high for one in found]) / 2
    spread = np.std([1 / one.value for one in found])
    assert half / stats.norm.ppf(0.95) == pytest.approx(spread, rel=0.12)


def test_moment_equals_its_formula():
    """Catches M2 for M1², a lost half, or a threshold other than x_(k+1)."""
    sample = dice(14).standard_t(3, 500)
    sizes = sorted(map(abs, sample), reverse=True)
    first, second = (sum(math.log(x / sizes[30]) ** r for x in sizes[:30]) / 30 for r in (1, 2))
    gamma = first + 1 - 0.5 * second / (second - first**2)
    found = tails.moment(sample, 30, level=0.9)
    assert found.value == pytest.approx(1 / gamma, rel=1e-9)
    low = gamma + stats.norm.ppf(0.95) * math.sqrt((1 + gamma**2) / 30)
    assert found.low == pytest.approx(1 / low, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_scale_is_ignored(scale):
    """Catches a machine epsilon inside a logarithm, which is all that small weights then are."""
    sample = dice(15).standard_t(2, 4000)
    for estimate in (
        lambda x: tails.blocks(x).index.value,
        lambda x: tails.slope_index(x).value,
        lambda x: tails.hill(x, 40).value,
        lambda x: tails.moment(x, 40).value,
        lambda x: tails.pickands(x, 40).value,
        lambda x: tails.spectral_exponent(x.reshape(80, 50)).value,
    ):
        assert estimate(sample * scale) == pytest.approx(estimate(sample), rel=1e-9)


def test_tensors_are_taken_as_they_are():
    """Catches a tensor that requires gradients, or single precision in the sums."""
    sample = torch.tensor(dice(16).standard_t(2, 4000), dtype=torch.float32, requires_grad=True)
    plain = sample.detach().double().numpy()
    assert tails.blocks(sample).index == tails.blocks(plain).index
    assert tails.hill(sample, 40) == tails.hill(plain, 40)


def fit(eigenvalues):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranges = {"alpha": [1.001, 500]}  # by default none above 3
        return powerlaw.Fit(eigenvalues, parameter_ranges=ranges, verbose=False).power_law


@pytest.mark.parametrize("degrees", [1, 3, 300])
def test_spectral_exponent_is_that_of_powerlaw(degrees):
    """Catches a tail index in place of a density's exponent, or singular values not squared."""
    matrix = dice(17).standard_t(degrees, (60, 90))
    eigenvalues = np.linalg.eigvalsh(matrix @ matrix.T)
    found, other = tails.spectral_exponent(matrix), fit(eigenvalues)
    assert found.value == pytest.approx(other.alpha, rel=1e-4)
    assert found.n == (eigenvalues >= other.xmin * (1 - 1e-9)).sum()
    assert found.low < found.value < found.high


def test_spectral_exponent_of_a_power():
    """Catches a cut that is not the best: below the 300 largest eigenvalues lies another law."""
    eigenvalues = np.concatenate([pareto(1.5, 300, 20), dice(21).uniform(0.9, 1, 300)])
    found = tails.spectral_exponent(np.diag(np.sqrt(eigenvalues)))
    assert found.low < 2.5 < found.high
    assert 100 < found.n <= 310


NORMAL = dice(22).standard_normal(100)

test_refusals = refuses(
    (lambda: tails.blocks([]), "at least 1 value"),
    (lambda: tails.blocks([1.0, 2.0, 3.0]), "N >= 4, got 2"),
    (lambda: tails.blocks([1.0, math.nan, 3.0, 4.0]), "finite values"),
    (lambda: tails.blocks(np.ones((4, 2, 2))), "values with 1 or 2 axes"),
    (lambda: tails.blocks([5.0] * 10), r"0 at most once in 1000"),
    (lambda: at([1.0, -1.0] * 4, 2), r"0 at most once in 1000"),
    (lambda: tails.blocks(NORMAL, [51]), "2 <= size <= N/2 = 50, got 51"),
    (lambda: tails.blocks(NORMAL, [1]), "2 <= size"),
    (lambda: tails.blocks(NORMAL, [2.5]), "a whole size"),
    (lambda: tails.blocks(NORMAL, []), "at least 1 block size"),
    (lambda: tails.blocks(NORMAL, level=1.0), "0 < level < 1"),
    (lambda: tails.slope_index(NORMAL), "2 <= size <= N/2 = 50"),
    (lambda: tails.slope_index(NORMAL, [10, 10]), "at least 2 different sizes"),
    (lambda: tails.hill(NORMAL, 100), r"1 \* count <= 99 of N = 100, got 100"),
    (lambda: tails.hill(NORMAL, 0), "a whole count"),
    (lambda: tails.hill(NORMAL, 9, level=0), "0 < level < 1"),
    (lambda: tails.hill([2.0] * 9, 3), r"x_1 > x_\(k\+1\) > 1e-300 x_1"),
    (lambda: tails.hill([1.0, 0, 0, 0], 2), r"x_1 > x_\(k\+1\) > 1e-300 x_1"),
    (lambda: tails.hill([1e300, 1e-320, 1e-321], 2), "1e-300 x_1"),  # was 0
    (lambda: tails.hill(NORMAL + 1j, 5), "all real"),
    (lambda: tails.blocks(["1", "2", "3", "4"]), "all real"),
    (lambda: tails.hill(NORMAL.reshape(10, 10), 5), "values with 1 axes"),
    (lambda: tails.moment([2.0, 2.0, 1.0], 2), "x_1 > x_k"),
    (lambda: tails.pickands(NORMAL, 26), r"4 \* count <= 100 of N = 100, got 26"),
    (lambda: tails.pickands([3.0, 3.0, 2.0, 1.0], 1), "x_k > x_2k > x_4k"),
    (lambda: tails.pickands([1.7e308, 1e-308, 5e-309, 0.0], 1), "1e150 times less"),  # was 0
    (lambda: tails.spectral_exponent(np.eye(5)), "at least 3 eigenvalues above 0, not all equal"),
    (lambda: tails.spectral_exponent(np.outer(NORMAL, NORMAL)), "got 1"),
    (lambda: tails.spectral_exponent(NORMAL), "values with 2 axes"),
)

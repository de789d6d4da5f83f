"""Stable laws: closed forms, tail series, SciPy in the bulk, and Monte Carlo."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from compressibility.dice import dice
from compressibility.noise import stable
from tests.compressibility.helpers import refuses

INDICES = [0.3, 0.8, 1.0, 1.25, 1.7, 2.0]
EULER = 0.5772156649015329


def series(alpha, x, derivative=0):
    """P(X > x), or the density, by the first six terms at infinity (Bergström)."""
    terms = (
        (-1) ** (k + 1)
        * math.gamma(alpha * k + derivative)
        / math.factorial(k)
        * math.sin(math.pi * alpha * k / 2)
        * x ** (-alpha * k - derivative)
        for k in range(1, 7)
    )
    return sum(terms) / math.pi


def distance(sample, cdf):
    """Kolmogorov's distance of a sample to a law, times the root of its size."""
    return stats.ks_1samp(sample, cdf).statistic * math.sqrt(len(sample))


def errors_of_kterm(alpha, share, size, draws, seed):
    """Relative l2 errors of keeping a share of the largest of N draws, times N^(1/α - 1/2)."""
    squares = stable.symmetric(alpha, (draws, size), dice("kterm", seed)).square()
    kept = squares.topk(math.ceil(share * size), dim=1).values.sum(1)
    total = squares.sum(1)
    return size ** (1 / alpha - 0.5) * ((total - kept) / total).sqrt()


def below(alpha, bound):
    """E[X²; |X| ≤ bound], by the density."""
    return 2 * integrate.quad(lambda x: x**2 * stable.density(alpha, x).item(), 0, bound)[0]


@pytest.mark.parametrize("alpha", INDICES)
def test_characteristic_functions(alpha):
    """Catches a wrong scale (α = 2 of variance 1), index or φ without its 2: 5 standard errors."""
    count = 100_000
    draws = stable.symmetric(alpha, (count,), dice("characteristic"))
    vectors = stable.elliptical(alpha, count, 2, dice("elliptical"))
    for u in (0.3, 1.0, 2.5):
        wanted = stable.characteristic(alpha, u).item()
        assert wanted == pytest.approx(math.exp(-(u**alpha)), rel=1e-12)
        turned = vectors @ torch.tensor([0.6 * u, -0.8 * u], dtype=torch.float64)
        error = math.sqrt((1 + wanted ** (2**alpha) - 2 * wanted**2) / 2 / count)
        for angle in (u * draws, turned, u * vectors[:, 1]):
            assert abs(angle.cos().mean().item() - wanted) < 5 * error + 1e-9
            assert abs(angle.sin().mean().item()) < 5 / math.sqrt(2 * count)


@pytest.mark.parametrize("alpha", INDICES[:-1])
def test_logarithms(alpha):
    """Catches a law that is right near 0 only: E log|X| = γ(1/α - 1), and its variance."""
    count = 100_000
    logs = stable.symmetric(alpha, (count,), dice("logs")).abs().log()
    variance = math.pi**2 / 6 * (1 / alpha**2 + 0.5)
    assert abs(logs.mean().item() - EULER * (1 / alpha - 1)) < 5 * math.sqrt(variance / count)
    assert logs.var().item() == pytest.approx(variance, rel=0.05)
    logs = stable.positive(alpha, (count,), dice("logs")).log()
    variance = math.pi**2 / 6 * (4 / alpha**2 - 1)
    assert abs(logs.mean().item() - EULER * (2 / alpha - 1)) < 5 * math.sqrt(variance / count)
    assert logs.var().item() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.5, 1.99, 2.0])
def test_laplace_transform(alpha):
    """Catches index α in the place of α/2, and the S1 scale cos(πα/4)^(2/α)."""
    draws = stable.positive(alpha, (100_000,), dice("laplace", 1))
    for gamma in (0.2, 1.0, 4.0):
        values = (-gamma * draws).exp()
        error = values.std().item() / math.sqrt(len(values))
        assert abs(values.mean().item() - math.exp(-(gamma ** (alpha / 2)))) < 5 * error + 1e-12


def test_laws_at_one():
    """Catches any fault of the law that its moments hide: α = 1 is Cauchy, and S is 1/(2Z²)."""
    drawn = stable.symmetric(1.0, (200_000,), dice("laws", 1)).numpy()
    assert distance(drawn, stats.cauchy.cdf) < 2
    drawn = stable.positive(1.0, (200_000,), dice("laws", 2)).numpy()
    assert distance(drawn, lambda x: special.erfc(1 / (2 * np.sqrt(x)))) < 2


@pytest.mark.parametrize("alpha", [0.7, 1.0, 1.6])
def test_exceedances(alpha):
    """Catches a tail that is cut: counts at 10⁻³ … 10⁻⁷ inside binomial regions of 1 - 2·10⁻⁶."""
    count = 2_000_000
    sizes = stable.symmetric(alpha, (count,), dice("exceed")).abs()
    for chance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        bound = stable.quantile(alpha, 1 - chance / 2)
        assert 2 * series(alpha, bound) == pytest.approx(chance, rel=1e-6)
        seen = int((sizes > bound).sum())
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], count, chance)
        assert low <= seen <= high, (chance, seen)


def test_all_bits():
    """Catches single precision (24 bits): 10⁶ Cauchy draws then take 97 % as many values."""
    drawn = stable.symmetric(1.0, (1_000_000,), dice("bits"))
    shares = (drawn.atan() / math.pi * 2**40).round()
    assert len(shares.unique()) > len(drawn) - 50
    doubled = stable._open((100_000,), dice("bits")) * 2.0**53
    assert (doubled.remainder(2) == 1).all()


def test_ends_of_the_uniforms(monkeypatch):
    """Catches log 0, 0/0 and a 1 that comes from rounding 1 - 2⁻⁵⁴, where chance never looks."""
    ends = torch.tensor([0.0, 0.5 - 2.0**-53, 0.5, 1 - 2.0**-53], dtype=torch.float64)
    pairs = iter(ends.repeat(60, 1) if i % 2 else ends[:, None].expand(4, 60) for i in range(99))
    monkeypatch.setattr(stable, "uniforms", lambda _shape, _: next(pairs).reshape(-1)[:240])
    for alpha in (0.01, 0.3, 1.0, 1.999, 2.0):
        drawn = stable.symmetric(alpha, (240,), dice("ends"))
        assert not drawn.isnan().any()
        assert (drawn[drawn.isfinite()] != 0).any()
        if alpha == 1:
            assert drawn.abs().max().item() == pytest.approx(2**54 / math.pi, rel=1e-9)
        if alpha < 2:
            assert not stable.positive(alpha, (240,), dice("ends")).isnan().any()


def test_tiny_indices():
    """Catches nan from infinity times zero: half of the draws of α = 0.001 are infinite or 0."""
    drawn = stable.symmetric(0.001, (10_000,), dice("tiny"))
    assert not drawn.isnan().any()
    assert drawn.isinf().any()
    assert not stable.positive(0.001, (10_000,), dice("tiny")).isnan().any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "median", "tenth"), [(1.0, 9.18e6, 6.04e7), (1.25, 3.227e5, 1.457e6)]
)
def test_maxima_of_ten_million(alpha, median, tenth):
    """Catches float32's maxima, three values in nine blocks: here nine, as spread as predicted."""
    maxima = [
        stable.symmetric(alpha, (10_000_000,), dice("maxima", block)).abs().max().item()
        for block in range(9)
    ]
    assert len(set(maxima)) == 9
    constant = stable.tail_constant(alpha) * 1e7
    for chance, wanted in ((0.5, median), (0.9, tenth)):
        assert (constant / -math.log(chance)) ** (1 / alpha) == pytest.approx(wanted, rel=1e-3)
        low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 9, chance)
        assert low <= sum(largest < wanted for largest in maxima) <= high


@pytest.mark.parametrize("alpha", [0.6, 0.9, 1.0, 1.1, 1.5, 1.95, 2.0])
def test_density_and_quantile_in_the_bulk(alpha):
    """Catches a wrong power or factor of the integrals; SciPy's own error is about 10⁻⁹."""
    law = stats.cauchy if alpha == 1 else stats.levy_stable(alpha, 0)
    x = np.array([[0.0, -0.4, 1.0], [2.0, -5.0, 0.05]])
    assert stable.density(alpha, x).numpy() == pytest.approx(law.pdf(x), rel=1e-4)
    assert stable.density(alpha, 0.0).item() == pytest.approx(
        math.gamma(1 + 1 / alpha) / math.pi, rel=1e-11
    )
    for q in (0.1, 0.5, 0.6, 0.97):
        assert law.cdf(stable.quantile(alpha, q)) == pytest.approx(q, abs=1e-8)
    total = integrate.quad(lambda x: 2 * stable.density(alpha, x).item(), 0, 10)[0]
    assert total + 2 * law.sf(10.0) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.25, 1.7])
def test_density_and_quantile_in_the_tail(alpha):
    """Catches a quadrature that misses the tail, as SciPy's does, and a wrong C."""
    for x in (1e4, 1e7, 1e12):
        assert stable.density(alpha, -x).item() == pytest.approx(series(alpha, x, 1), rel=1e-9)
        limit = 2 / alpha * x ** (1 + alpha) * stable.density(alpha, x).item()
        assert limit == pytest.approx(stable.tail_constant(alpha), rel=20 * x**-alpha)
    for tail in (1e-7, 1e-14):
        assert series(alpha, -stable.quantile(alpha, tail)) == pytest.approx(tail, rel=1e-9)


def test_gaussian_end_and_both_sides_of_one():
    """Catches cancellation at α = 2, and a quadrature too coarse where its integrand is a step."""
    for x in (0.0, 1e-9, 0.5, 3.0, 10.0):
        wanted = math.exp(-(x**2) / 4) / math.sqrt(4 * math.pi)
        assert stable.density(2.0, x).item() == pytest.approx(wanted, rel=1e-11)
    for x in (0.5, 10.0):
        middle = math.sqrt(stable.density(0.999, x).item() * stable.density(1.001, x).item())
        assert middle == pytest.approx(1 / (math.pi * (1 + x**2)), rel=1e-5)
    for q in (0.4, 1e-7, 1e-15):
        wanted = math.sqrt(2) * stats.norm.ppf(q)
        assert stable.quantile(2.0, q) == pytest.approx(wanted, rel=1e-11)
    assert stable.quantile(1.0, 0.5) == stable.quantile(1.5, 0.5) == 0


def test_constants():
    """Catches 1/π, a missing Γ, a wrong exponent; values of the theory sheets."""
    assert stable.tail_constant(1.0) == pytest.approx(2 / math.pi, rel=1e-14)
    assert stable.tail_constant(1.25) == pytest.approx(0.533110, abs=1e-6)
    assert stable.tail_constant(1.45) == pytest.approx(0.428739, abs=1e-6)
    assert stable.tail_constant(2.0) == 0
    for alpha in (0.2, 1.0, 1.45, 1.9):
        literal = stable.tail_constant(alpha) * math.gamma(1 - alpha / 2)
        assert stable.squares_scale(alpha) == pytest.approx(literal ** (2 / alpha), rel=1e-12)
    assert stable.squares_median(2.0) == pytest.approx(2, rel=1e-12)  # the variance


def test_medians_of_the_squares():
    """Catches the median of S alone, or a wrong quadrature: A10, A11, Lévy's law, Monte Carlo."""
    normal = stats.norm.ppf(0.75)
    assert stable.squares_median(1.0) == pytest.approx(2 / (math.pi * normal**2), rel=1e-11)
    assert stable.squares_median(1.0) == pytest.approx(1.399360, abs=1e-6)
    assert stable.squares_median(1.45) == pytest.approx(1.44014, abs=1e-5)
    for alpha in (0.3, 1.45, 1.9, 1.998):
        limits = stable.squares_scale(alpha) * stable.positive(alpha, (40_000,), dice("median"))
        share = (limits < stable.squares_median(alpha)).double().mean().item()
        assert abs(share - 0.5) < 5 * 0.5 / 200


def test_rate_of_kterm_errors():
    """Catches any wrong constant of the limit law √(b/S) (A10, A11), with its own N."""
    bound = stable.quantile(1.0, 1 - 0.3 / 2)
    constant = below(1.0, bound)
    assert (bound, constant) == pytest.approx((1.962611, 0.549437), abs=1e-6)
    errors = errors_of_kterm(1.0, 0.3, 500, 6000, 0)
    predicted = math.sqrt(constant / stable.squares_median(1.0))
    assert predicted == pytest.approx(0.626605, abs=1e-6)
    # The region of the sheet, and three standard errors of 6000 draws.
    assert errors.median().item() == pytest.approx(predicted, abs=0.016 + 0.02)
    half = stats.halfnorm(scale=math.sqrt(math.pi * constant / 2))
    assert stats.ks_1samp(errors.numpy(), half.cdf).statistic < 0.014 + 0.02
    constant = below(1.45, stable.quantile(1.45, 1 - 0.25 / 2))
    assert constant == pytest.approx(0.60817, abs=1e-5)
    predicted = 4000 ** (0.5 - 1 / 1.45) * math.sqrt(constant / stable.squares_median(1.45))
    assert predicted == pytest.approx(0.13479, abs=1e-5)
    errors = errors_of_kterm(1.45, 0.25, 4000, 600, 1)
    assert errors.median().item() * 4000 ** (0.5 - 1 / 1.45) == pytest.approx(predicted, rel=0.12)


@pytest.mark.slow
def test_rate_of_kterm_errors_with_all_draws():
    """Catches 5 % in the constant: distance to the half-normal law of A10."""
    errors = errors_of_kterm(1.0, 0.3, 500, 20_000, 2)
    assert errors.median().item() == pytest.approx(0.626605, abs=0.016)
    assert stats.ks_1samp(errors.numpy(), stats.halfnorm(scale=0.929006).cdf).statistic < 0.014


def test_laws_of_norms():
    """Catches φ without its 2, and independent entries for elliptical columns (A17)."""
    for drawn, wanted in (
        (stable.symmetric(1.0, (4000, 400), dice("norms", 1)) / 400, 1.39936),
        (stable.elliptical(1.0, 4000, 400, dice("norms", 2)) / math.sqrt(400), 2.19811),
    ):
        norms = drawn.square().sum(1)
        # The law is c/Z²: P(norm ≤ x) = P(|Z| ≥ √(c/x)); c from the median.
        scale = wanted * stats.norm.ppf(0.75) ** 2
        distances = stats.ks_1samp(norms.numpy(), partial(_inverse_square, scale))
        assert distances.statistic < 0.03


def _inverse_square(scale, x):
    return 2 * stats.norm.sf(np.sqrt(scale / x))


def test_shapes_and_dice():
    """Catches a draw that depends on anything but its generator, or a lost shape."""
    for shape in ((), (0,), (3,), (2, 3, 4), (20_000,)):
        first, again = (stable.symmetric(1.3, shape, dice("shape")) for _ in range(2))
        assert first.shape == torch.Size(shape)
        assert first.dtype == torch.float64
        assert torch.equal(first, again)
        assert stable.positive(1.3, shape, dice("shape")).shape == torch.Size(shape)
    assert (stable.positive(2.0, (2, 3), dice("shape")) == torch.ones(2, 3)).all()
    assert stable.density(1.5, torch.ones(2, 3)).shape == (2, 3)
    assert stable.density(1.5, []).shape == (0,)
    assert not stable.density(1.5, torch.ones(1, requires_grad=True)).requires_grad


test_bad_arguments = refuses(
    *(
        (partial(call, alpha, *rest), "need 0 < alpha <= 2")
        for alpha in (0.0, -1.0, 2.1, math.nan)
        for call, *rest in (
            (stable.symmetric, (1,), dice("bad")),
            (stable.positive, (1,), dice("bad")),
            (stable.elliptical, 1, 1, dice("bad")),
            (stable.characteristic, 1.0),
            (stable.density, 1.0),
            (stable.quantile, 0.3),
            (stable.tail_constant,),
            (stable.squares_scale,),
            (stable.squares_median,),
        )
    ),
    (partial(stable.quantile, 1.5, 0.0), "1e-20 <= q"),
    (partial(stable.quantile, 1.5, 1.0), "1e-20 <= q"),
    (partial(stable.density, 1.0001, 1.0), "at least 0.001 from it"),
    (partial(stable.squares_median, 1.9999), "at least 0.001 from it"),
    (partial(stable.squares_median, 0.1), "an index of at least 0.1, got 0.05"),
    (partial(stable.density, 0.05, 0.0), "an index of at least 0.1"),  # not exact near 0
    (partial(stable.quantile, 0.05, 1e-19), "an index of at least 0.1"),  # beyond the floats
    (partial(stable.density, 1.5, 1j), "real numbers"),
    (partial(stable.characteristic, 1.5, torch.tensor([1 + 1j])), "real numbers"),
    (partial(stable.density, 1.5, math.nan), "finite x"),
    (partial(stable.elliptical, 1.5, 0, 1, dice("bad")), "whole count"),
)

"""Tests of the tail of streaming SGD on linear regression."""

import math
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expi
from scipy.stats import chi2

from compressibility.bounds.heavy_tails.regression import (
    Regression,
    critical_rate,
    diverging_rate,
    drift,
    growth,
    second_moment,
    tail_index,
)
from compressibility.dice import dice
from tests.compressibility.helpers import refuses


def moments(degrees, most):
    """E X^i of chi-square, i = 0, …, most: each factor is 2 more than the last."""
    return [1, *accumulate((degrees + 2 * i for i in range(most)), lambda a, b: a * b)]


def exact_growth(rate, b, d, power):
    """E[((1 - cX)² + c²XY)^(power/2)] for an even power: expanded, moment by moment."""
    c, half = Fraction(rate) / b, power // 2
    x, y = moments(b, power), moments(d - 1, half)
    total = Fraction(0)
    for i in range(half + 1 if d > 1 else 1):
        rest = power - 2 * i
        inner = sum(math.comb(rest, j) * (-c) ** j * x[i + j] for j in range(rest + 1))
        total += math.comb(half, i) * c ** (2 * i) * y[i] * inner
    return total


def by_hand(rate, power):
    """h(power), or h'(0) for power 0, at b = 2 and d = 3: T is χ² of 4, V = X/T uniform."""

    def inner(t):  # the mean over V of (1 + Vz)^(power/2), or of log(1 + Vz)/2
        z = rate / 2 * t * (rate / 2 * t - 2)
        if abs(z) < 1e-6:
            return 1 + power * z / 4 if power else z / 4
        if power:
            return ((1 + z) ** (power / 2 + 1) - 1) / ((power / 2 + 1) * z)
        return ((1 + z) * math.log(1 + z) - z) / z / 2

    def integrand(t):
        return inner(t) * t * math.exp(-t / 2) / 4

    ends = [0, 2 / rate, 4 / rate, 200 + 10 * power]
    return sum(quad(integrand, *piece, epsabs=1e-12)[0] for piece in pairwise(ends))


@pytest.mark.parametrize(
    ("rate", "b", "d", "power"),
    [
        (Fraction(9, 10), 4, 7, 2),
        (Fraction(1, 2), 3, 4, 4),
        (Fraction(7, 5), 1, 1, 6),
        (Fraction(6, 5), 1, 2, 8),
        (Fraction(3, 5), 5, 10, 10),
        (1, 1, 1, 30),
        (Fraction(17, 100), 10, 100, 28),
        (Fraction(1, 10), 1000, 1, 30),
        (Fraction(1, 2), 100, 50, 100),
        (Fraction(1, 10**4), 1, 10**5, 30),
        (Fraction(1, 2000), 10**4, 10**7, 30),
        (Fraction(1, 250), 1, 1, 500),
    ],
)
def test_even_moments_are_polynomials(rate, b, d, power):
    """Catches Y of d degrees, a lost Y, the exponent, few nodes, a range too narrow for powers."""
    exact = exact_growth(rate, b, d, power)
    rel = 1e-11 if power <= 100 else 1e-8
    assert growth(Regression(float(rate), b, d), power) == pytest.approx(float(exact), rel=rel)


def test_printed_moments():
    """Catches an error that the literal polynomial would share: 1.63 and 11/18 were by hand."""
    assert growth(Regression(0.9, 4, 7), 2) == pytest.approx(1.63, rel=1e-12)
    assert growth(Regression(0.5, 3, 4), 4) == pytest.approx(11 / 18, rel=1e-12)
    assert growth(Regression(0.3, 2, 5), 0) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.7, 1 / math.log(2), 2.5, 6.0])
def test_one_dimension_has_closed_forms(rate):
    """Catches X of b - 1 degrees, and the corner at X = b/η, which even moments do not see."""
    regression = Regression(rate, batch=2, dimension=1)
    assert growth(regression, 1) == pytest.approx(
        1 - rate + 2 * rate * math.exp(-1 / rate), rel=1e-12
    )
    assert drift(regression) == pytest.approx(
        -math.exp(-1 / rate) * expi(1 / rate), rel=1e-11, abs=1e-12
    )


@pytest.mark.parametrize("rate", [0.2, 0.9, 1.6])
def test_three_dimensions_by_one_integral(rate):
    """Catches what only odd powers show with d > 1; V and T in place of X and Y."""
    regression = Regression(rate, batch=2, dimension=3)
    for power in (0.3, 1, 2.7, 5):
        assert growth(regression, power) == pytest.approx(by_hand(rate, power), rel=1e-9)
    assert drift(regression) == pytest.approx(by_hand(rate, 0), abs=1e-9)


def test_matrices_thrown():
    """Catches a law that is not the one of ||Me||: the matrices themselves, 4 sigmas."""
    rate, b, d, throws = 0.8, 3, 4, 200_000
    draws = {"generator": dice("growth of matrices"), "dtype": torch.float64}
    a = torch.randn(throws, b, d, **draws)
    logs = (torch.eye(d)[0] - rate / b * torch.einsum("tbi,tb->ti", a, a[:, :, 0])).norm(dim=1)
    logs = logs.log().numpy()
    regression = Regression(rate, b, d)
    for power, told in [(0.7, 1), (1.5, 1), (3, 1), (0, 0)]:
        found = np.exp(power * logs) if told else logs
        expected = growth(regression, power) if told else drift(regression)
        assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(throws)


@pytest.mark.parametrize(
    ("rate", "b", "d", "alpha"),
    [
        (1 / math.log(2), 2, 1, 1),
        (1.0, 2, 1, 2),
        (0.769186, 2, 1, 3),
        (0.626538, 2, 1, 4),
        (0.8779321, 5, 3, 4),
        (10 / 9, 5, 3, 2),
        (1.442695 / 2, 1, 1, 1.793877),
    ],
)
def test_printed_tail_indices(rate, b, d, alpha):
    """Catches another root; the rates of 3 and 4 are printed to six digits."""
    assert tail_index(Regression(rate, b, d)) == pytest.approx(alpha, abs=1e-5)


def test_index_is_no_function_of_the_ratio():
    """Catches X of a law without b: η/b is .25 in all three."""
    found = [tail_index(Regression(b / 4, b, 1)) for b in (2, 4, 8)]
    assert found == pytest.approx([5.38, 3.50, 0.80], abs=0.005)
    joint = [tail_index(Regression(rate, 10, 100)) for rate in (0.170, 0.178, 0.1802)]
    assert joint == pytest.approx([28.56, 8.07, 1.944], rel=1e-3)


@pytest.mark.parametrize(("b", "d"), [(1, 1), (5, 1), (2, 2)])
def test_each_index_has_one_rate(b, d):
    """Catches two rates of one index, below 1 too: h(α) < 1 up to one rate, > 1 from there on."""
    rates = np.linspace(0.05, 1.5, 20) * diverging_rate(b, d)
    for alpha in (0.2, 1, 3.3):
        below = np.array([growth(Regression(rate, b, d), alpha) < 1 for rate in rates])
        assert below[0]
        assert not below[-1]
        assert np.count_nonzero(below[1:] != below[:-1]) == 1


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_the_root_is_one(share):
    """Catches a bisection that stops early, or at 0: powers around the root on both sides."""
    regression = Regression(share * diverging_rate(4, 3), 4, 3)
    alpha = tail_index(regression)
    assert growth(regression, alpha) == pytest.approx(1, abs=1e-10)
    assert growth(regression, alpha / 2) < 1 < growth(regression, 2 * alpha)


def test_critical_rates():
    """Catches d + 2 or d for d + 1, b for 2b: there the exact second moment is 1."""
    assert critical_rate(3, 6) == pytest.approx(0.6, rel=1e-15)
    for b, d in [(1, 1), (5, 3), (10, 100)]:
        assert exact_growth(Fraction(2 * b, b + d + 1), b, d, 2) == 1
        assert critical_rate(b, d) == 2 * b / (b + d + 1)


def test_diverging_rates():
    """Catches a rate at which h(α) = 1 for some α > 0; (2, 1) is the zero of Ei(1/η)."""
    assert diverging_rate(2, 2) == pytest.approx(1.399851, abs=1e-5)
    assert expi(1 / diverging_rate(2, 1)) == pytest.approx(0, abs=1e-12)
    printed = {(1, 1): 3.6, (5, 1): 1.83, (5, 3): 1.37, (5, 10): 1.105, (10, 30): 1.028}
    for (b, d), ratio in printed.items():
        assert diverging_rate(b, d) / critical_rate(b, d) == pytest.approx(ratio, rel=0.01)
    assert 1 < diverging_rate(10, 10**4) / critical_rate(10, 10**4) < 1 + 1e-6


def test_second_moment_is_the_chains():
    """Catches a lost d, s for s², noise without the multiplicative part: SGD itself, 4 sigmas."""
    regression = Regression(0.25, batch=3, dimension=2, label_noise=1.3)
    assert second_moment(regression) == pytest.approx(0.187778, abs=5e-7)
    draws = {"generator": dice("second moment of chains"), "dtype": torch.float64}
    x = torch.zeros(30_000, 2, dtype=torch.float64)  # x* = 0
    for _ in range(30):  # what is left of the start is h(2)^30 = 1e-6
        a = torch.randn(len(x), 3, 2, **draws)
        residual = torch.einsum("cbi,ci->cb", a, x) - 1.3 * torch.randn(len(x), 3, **draws)
        x = x - 0.25 / 3 * torch.einsum("cbi,cb->ci", a, residual)
    squares = x.square().sum(1)
    error = float(squares.std()) / math.sqrt(len(x))
    assert abs(float(squares.mean()) - second_moment(regression)) < 4 * error
    assert error < 0.003
    assert second_moment(Regression(0.25, 3, 2, label_noise=0)) == 0


def test_ranges_reach_the_tails():
    """Catches a range of X that leaves out what a high power weighs."""
    assert chi2.sf(60, 1) < 1e-14
    assert growth(Regression(1.0, 1, 1), 200) > 1e300
    assert growth(Regression(1.0, 1, 1), 1000) == math.inf


test_refusals = refuses(
    (lambda: Regression(0, 1, 1), "0 < rate < inf"),
    (lambda: Regression(1.0, 0, 1), "batch >= 1"),
    (lambda: Regression(1.0, 1, 1.5), "dimension >= 1"),
    (lambda: Regression(1.0, 1, 1, -1), "0 <= label_noise"),
    (lambda: growth(Regression(1.0, 1, 1), -1), "0 <= alpha <= 1024"),
    (lambda: tail_index(Regression(0.5, 1, 1, label_noise=0)), "label_noise > 0"),
    (lambda: tail_index(Regression(1e-17, 2, 1)), "1e-9 <= rate"),  # no drift in floats
    (lambda: growth(Regression(1e160, 2, 3), 2), "rate <= 1e100"),
    (lambda: tail_index(Regression(2.7, 2, 1)), r"E log \|\|Me\|\| < 0"),
    (lambda: tail_index(Regression(0.1, 1000, 1)), "a tail index below 1024"),
    (lambda: second_moment(Regression(0.6, 3, 6)), r"rate < 2b/\(b\+d\+1\) = 0.6"),
    (lambda: critical_rate(0, 1), "batch >= 1"),
    (lambda: diverging_rate(1, 0), "dimension >= 1"),
)

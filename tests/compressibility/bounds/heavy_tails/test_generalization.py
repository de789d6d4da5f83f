"""Tests of the bound for sparse networks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from compressibility.bounds.heavy_tails.generalization import (
    Fixed,
    best_resolution,
    read_off,
    root,
    sparse_gap,
    unpruned_gap,
    vacuous_from,
)
from tests.compressibility.helpers import refuses

SMALL = Fixed(weights=12, samples=16, delta=0.1, resolution=0.1)  # with k = 3: .997618
WIDE = Fixed(weights=40_000, samples=2500, delta=0.01, resolution=1 / 50)


@pytest.mark.parametrize("fixed", [SMALL, replace(SMALL, radius=7.0, lipschitz=0.3, choices=5)])
@pytest.mark.parametrize("k", [1, 3, 12])
def test_the_union_fails_with_delta(fixed, k):
    """Catches a lost constant: the root is where the union of all points fails with delta."""
    points = (math.e * fixed.weights / k) ** k * (3 * fixed.radius / fixed.resolution) ** k
    fails = 2 * points * math.exp(-2 * fixed.samples * root(fixed, k) ** 2)
    assert fails == pytest.approx(fixed.delta / fixed.choices, rel=1e-12)
    # What the proof counts: supports, and points whose balls of half the distance are disjoint.
    nets = (1 + 2 * fixed.radius / fixed.resolution) ** k
    assert math.comb(fixed.weights, k) * nets <= points
    moved = 2 * fixed.lipschitz * fixed.resolution
    assert sparse_gap(fixed, k) - root(fixed, k) == pytest.approx(moved, rel=1e-12)


def test_smallest_problems_below_one():
    """Catches n for 2n, log(1/δ), Lρ for 2Lρ, d for k and their like: numbers found by hand."""
    found = [sparse_gap(replace(SMALL, samples=n), 3) for n in (15, 16)]
    assert found == pytest.approx([1.023776, 0.997618], abs=1e-6)
    assert sparse_gap(read_off(SMALL, pairs=8), 3) == pytest.approx(1.082513, abs=1e-6)
    single = [Fixed(weights=1, samples=n, delta=0.05, resolution=0.5) for n in (5, 6)]
    best = [sparse_gap(best_resolution(fixed, 1), 1) for fixed in single]
    assert best == pytest.approx([1.02345, 0.93854], abs=1e-5)


@pytest.mark.parametrize(
    ("d", "least", "printed"), [(10, 0.45, 0.50), (10**4, 0.6, 0.675), (10**6, 0.7, 0.734)]
)
def test_one_of_many_signs_is_near_the_bound(d, least, printed):
    """Catches a bound that is too low, or too high by half, beside an exact quantile.

    z is uniform on {±1}^d, the loss max(0, max_j z_j w_j)/B: over 1-sparse w of the ball the
    largest gap is max_j |p_j - 1/2|, p_j the share of z_j = 1 among n.
    """
    n, delta = 1000, 0.05
    away = np.arange(n // 2 + 1)  # of n/2
    inside = binom.cdf(n // 2 + away, n, 0.5) - binom.cdf(n // 2 - away - 1, n, 0.5)
    quantile = away[np.argmax(inside**d >= 1 - delta)] / n
    fixed = Fixed(d, n, delta, resolution=1 / 100)
    best = best_resolution(fixed, 1)
    if d == 10**4:
        assert sparse_gap(fixed, 1) == pytest.approx(0.119003, abs=1e-6)
        assert quantile == 0.072
        assert 1 / best.resolution == pytest.approx(834, abs=0.5)
    assert quantile / sparse_gap(best, 1) == pytest.approx(printed, abs=0.006)
    assert least < quantile / sparse_gap(best, 1) < 1
    # The bound fails with a probability below delta: exactly.
    most = math.floor(n * sparse_gap(best, 1))
    assert 1 - inside[most] ** d <= delta


@pytest.mark.parametrize(
    ("fixed", "k"),
    [
        (SMALL, 3),
        (WIDE, 200),
        (replace(WIDE, lipschitz=1e-3, radius=5.0), 40),
        (read_off(replace(WIDE, lipschitz=50.0), pairs=4), 1),
        (Fixed(weights=10**40, samples=10**6, delta=1e-200, resolution=1, lipschitz=1e6), 7),
    ],
)
def test_best_resolution_beats_a_grid(fixed, k):
    """Catches a wrong zero of the derivative; with a small L the zero lies beyond the radius."""
    best = best_resolution(fixed, k)
    grid = fixed.radius * np.geomspace(1e-12, 1, 4001)
    gaps = [sparse_gap(replace(fixed, resolution=rho), k) for rho in grid]
    least = sparse_gap(best, k)
    assert least <= min(gaps) + 1e-12
    assert least == pytest.approx(min(gaps), rel=1e-4)
    assert best == replace(fixed, resolution=best.resolution)
    if fixed.lipschitz == 1e-3:
        assert best.resolution == fixed.radius
    assert best_resolution(replace(fixed, lipschitz=0), k).resolution == fixed.radius


def test_what_is_read_off_costs_a_logarithm():
    """Catches J without d, or d without J: log(dJ) under the root, the resolution as it was."""
    chosen = read_off(WIDE, pairs=6)
    added = 2 * WIDE.samples * (root(chosen, 9) ** 2 - root(WIDE, 9) ** 2)
    assert added == pytest.approx(math.log(40_000 * 6), rel=1e-9)
    smaller = replace(WIDE, delta=WIDE.delta / (40_000 * 6))
    assert root(chosen, 9) == pytest.approx(root(smaller, 9), rel=1e-13)


def test_not_pruned_costs_the_absolute_error_twice():
    """Catches the error counted once, or squared: .48."""
    fixed = replace(SMALL, radius=3.0, lipschitz=0.4)
    added = unpruned_gap(fixed, 3, error=0.2, norm=3.0) - sparse_gap(fixed, 3)
    assert added == pytest.approx(0.48, rel=1e-12)


def test_vacuous_from():
    """Catches one k too many or too few, and a search that ends before the first."""
    assert vacuous_from(WIDE) == 479
    assert root(WIDE, 478) == pytest.approx(0.999450, abs=1e-6)
    for n in (1, 2, 5, 30, 2000):
        fixed = replace(SMALL, samples=n)
        roots = [root(fixed, k) for k in range(1, 13)]
        assert roots == sorted(roots)
        first = next((k for k, value in enumerate(roots, 1) if value >= 1), None)
        assert vacuous_from(fixed) == first
    assert vacuous_from(replace(SMALL, samples=2000)) is None
    assert root(Fixed(2000, 1000, 0.999, resolution=1), 2000) > 1  # k = 2n


def test_any_number_of_weights():
    """Catches d, or (ed/k)^k, as a float: a number of weights that no float holds."""
    huge = read_off(replace(WIDE, weights=10**400), pairs=3)
    expected = 5 * (1 + 400 * math.log(10) - math.log(5) + math.log(150))
    expected += math.log(6 / 0.01) + 400 * math.log(10)
    assert root(huge, 5) == pytest.approx(math.sqrt(expected / 5000), rel=1e-12)
    assert vacuous_from(huge) == 5  # 4 (921 + 5) + 927 < 2n = 5000


test_refusals = refuses(
    (lambda: replace(SMALL, weights=0), "weights >= 1"),
    (lambda: replace(SMALL, samples=1.5), "samples >= 1"),
    (lambda: replace(SMALL, samples=10**400), r"samples < 2\*\*60"),
    (lambda: replace(SMALL, choices=0), "choices >= 1"),
    (lambda: replace(SMALL, delta=1), "0 < delta < 1"),
    (lambda: replace(SMALL, resolution=2.0), "0 < resolution <= radius < inf"),
    (lambda: replace(SMALL, radius=math.inf), "0 < resolution <= radius < inf"),
    (lambda: replace(SMALL, lipschitz=-1), "0 <= lipschitz"),
    (lambda: root(SMALL, 0), "k >= 1"),
    (lambda: sparse_gap(SMALL, 13), "k <= weights = 12"),
    (lambda: unpruned_gap(SMALL, 3, error=-1, norm=1), "0 <= error"),
    (lambda: unpruned_gap(SMALL, 3, error=0.1, norm=2), "norm <= radius = 1.0"),
    (lambda: read_off(SMALL, pairs=0), "pairs >= 1"),
)

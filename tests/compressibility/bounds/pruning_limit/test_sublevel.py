"""The cone over an ellipsoid: exact planes, balls, brute force, and ends that are attained."""

import math
from dataclasses import replace

import pytest
import torch

from compressibility.bounds.pruning_limit.cones import circular
from compressibility.bounds.pruning_limit.sublevel import SublevelCone, effective_dimension
from compressibility.dice import dice
from compressibility.spectrum.density import Spectrum
from tests.compressibility.bounds.pruning_limit.cases import (
    numbers,
    seen,
    spectrum,
    three_decades,
    waves,
)
from tests.compressibility.helpers import normal, refuses


def test_effective_dimension():
    """Catches a mean over D - 1, r = 0 without curvature, ε for 2ε, and r or R for squares."""
    assert effective_dimension(spectrum(0, 0, 0, 1, 1), 1.0, 0.25) == pytest.approx(5 - 4 / 3)
    assert effective_dimension(spectrum(0.3, 1, 7), 1.0, 0.1) == pytest.approx(
        0.2 / 0.5 + 0.2 / 1.2 + 0.2 / 7.2, abs=1e-12
    )
    assert effective_dimension(spectrum(1, 4), 0.0, 0.1) == 2
    pairs = Spectrum(numbers(0.2, 2.0, 0.0), numbers(0.375, 0.375, 0.25), 8, "gauss_newton")
    assert effective_dimension(pairs, 1.0, 0.5) / 8 == pytest.approx(0.6875, abs=1e-12)


@pytest.mark.parametrize("sine2", [0.01, 0.3, 0.99])
def test_a_ball_is_seen_as_a_circular_cone(sine2):
    """Catches the tangent for the sine (R for ϱ): the window's ends are nearly attained."""
    dimension = 10**4
    ball = Spectrum.dense(torch.ones(dimension), "positive")
    cone = SublevelCone(ball, ball, radius2=3.0, epsilon=3.0 * sine2 / 2)
    delta = circular(dimension, math.asin(math.sqrt(sine2))).delta
    assert cone.confocal == pytest.approx(3 * (1 - sine2), rel=1e-12)
    assert cone.window[0] <= delta <= cone.window[1] == cone.window[0] + 1
    middle = effective_dimension(ball, cone.confocal, cone.epsilon)
    assert delta - middle == pytest.approx(1 - 2 * sine2, abs=1e-3)


@pytest.mark.parametrize(
    ("c", "r2", "confocal", "low", "delta"),
    [
        ((1, 2), (0.5, 0.25), 4.701941, 0.087689, 0.691388),
        ((3, 1), (4, 0.1), 6.583524, 0.094058, 0.698442),
    ],
)
def test_planes_are_exact(c, r2, confocal, low, delta):
    """Catches another root, R² less the mean r², λ in another order, and a wrong projection."""
    cone = seen(1 / numbers(*r2), numbers(*c), 0.5)
    assert cone.confocal == pytest.approx(confocal, abs=1e-6)
    assert cone.window[0] == pytest.approx(low, abs=1e-6)  # sin² of the wedge's half-angle
    exact = 0.5 + 2 * math.asin(math.sqrt(low)) / math.pi
    assert exact == pytest.approx(delta, abs=1e-5)
    found = cone.estimate(draws=20_000, generator=dice("plane", c[0]))
    assert found.low < exact < found.high
    assert found.high - found.low < 0.05


def test_quotients_of_one_and_below():
    """Catches a cone where the ellipsoid holds 0, and a half-space taken for all."""
    inside, edge = (
        seen(1 / numbers(*r2), numbers(1.0, 0.0), 0.5) for r2 in ((2.0, 0.5), (1.0, 1.0))
    )
    for cone, delta in ((inside, 2.0), (edge, 1.5)):
        assert cone.window == (delta, delta)
        assert cone.confocal == 0
        assert cone.estimate(draws=10, generator=dice("edge")).value == delta
    gone = SublevelCone(spectrum(1, 1), spectrum(1, 1), radius2=0.0, epsilon=1.0)
    assert gone.window == (2.0, 2.0)
    just = replace(edge, epsilon=edge.epsilon * (1 - 1e-9))
    assert just.window[0] < 1.5 < just.window[1]


@pytest.mark.parametrize(
    ("part", "confocal", "kappa", "low", "delta"),
    [
        ("flat", 0.550078, 0.65744, 106.4535, 107.010),
        ("sharp", 2.226648, 0.01029, 56.6298, 57.287),
        ("all", 1.769147, 0.10095, 64.0128, 64.647),
    ],
)
def test_orientation_moves_the_cone(part, confocal, kappa, low, delta):
    """Catches R for ϱ, κ with the other sign, and "δ <= Δ(R²)": one spectrum, three vectors."""
    cone = three_decades(part)
    assert cone.confocal == pytest.approx(confocal, abs=1e-6)
    assert cone.window[0] == pytest.approx(low, abs=1e-4)
    found = effective_dimension(cone.spectrum, cone.confocal, 0.03)
    assert found - cone.window[0] == pytest.approx(kappa, abs=1e-5)
    estimate = cone.estimate(draws=2000, generator=dice("decades", part))
    assert estimate.low - 0.045 < delta < estimate.high + 0.045  # the sheet's own error: 3 of .015
    assert cone.window[0] < estimate.value < cone.window[1]
    assert estimate.high - estimate.low < 0.15  # unpaired draws: 1 and more
    star = effective_dimension(cone.spectrum, 2.25, 0.03)
    assert star == pytest.approx(56.311, abs=1e-3)
    assert star < estimate.low
    assert star / delta > 0.97 or part != "sharp"
    assert found / 300 == pytest.approx(1 - cone.confocal / 2.25, abs=1e-10) or part != "all"


def test_plain_projections():
    """Catches a bracket that is not δ less its known part: plain means of ‖Πg‖², by brute force.

    In space, over all unit vectors of the cone that a fine net finds.
    """
    c, r2 = numbers(0.9, 0.4, 1.1), numbers(0.5, 1.2, 0.1)
    cone = seen(1 / r2, c, 0.5)
    points = normal(40_000, 3, seed=1)
    points = points / points.norm(dim=1, keepdim=True)
    ahead, size = points @ (c / r2), (points.square() / r2).sum(1).sqrt()
    inside = points[ahead >= math.sqrt(cone.quotient - 1) * size]
    g = normal(6000, 3, seed=2)
    plain = (g @ inside.T).amax(1).clamp(min=0).square()
    found = cone.estimate(draws=20_000, generator=dice("brute"))
    error = 4 * float(plain.std()) / math.sqrt(len(plain)) + 0.01
    assert abs(found.value - float(plain.mean())) < error < 0.1
    assert found.high - found.low < error


def test_free_directions_are_factors():
    """Catches infinite axes: a cone times a plane has two dimensions more, whatever c there."""
    r2, c = numbers(0.5, 1.2, 0.1), numbers(0.9, 0.4, 1.1)
    cone = seen(1 / r2, c, 0.5)
    wide = seen(torch.cat([1 / r2, numbers(0.0, 1e-12)]), torch.cat([c, numbers(0.3, 0.7)]), 0.5)
    assert wide.confocal == pytest.approx(cone.confocal, rel=1e-9)
    assert wide.window[0] == pytest.approx(cone.window[0] + 2, rel=1e-9)
    values = [one.estimate(draws=9, generator=dice("free")).value for one in (cone, wide)]
    assert values[1] == pytest.approx(values[0] + 2, abs=1e-6)


@pytest.mark.parametrize(("dimension", "cosine2", "most"), [(100, 0.1, 0.11), (10**4, 0.01, 0.011)])
def test_the_limit_is_attained_by_sharp_directions(dimension, cosine2, most):
    """Catches a bound that is not δ >= Δ(R²): all but one direction flat, c along that one."""
    values = torch.full((dimension,), 1 / (1 / cosine2 - 1), dtype=torch.float64)
    values[0] = 1e12
    c = torch.zeros_like(values)
    c[0] = 1.0
    cone, delta = seen(values, c, 0.5), circular(dimension, math.acos(math.sqrt(cosine2))).delta
    assert cone.window[0] - 1e-6 < delta < cone.window[1]
    assert 0 < delta - effective_dimension(cone.spectrum, 1.0, 0.5) <= most


def test_neither_lower_bound_implies_the_other():
    """Catches "the window is always sharper"."""
    i = torch.arange(1, 31, dtype=torch.float64)
    c = torch.where(i == 30, 3.0, 0.0).double()
    cone = seen(i**2 / 4, c, 0.5)
    assert effective_dimension(cone.spectrum, 9.0, 0.5) == pytest.approx(0.564879, abs=1e-6)
    assert cone.window[0] == pytest.approx(0.564611, abs=1e-6)


def test_vectors_are_seen_in_the_eigenbasis():
    """Catches c that is not rotated: .711129, and a run from c without its factor R²."""
    bowl, vectors = waves()
    c = torch.cos(torch.arange(1, 81, dtype=torch.float64))
    c *= 1.5 / c.norm()
    cone = SublevelCone(bowl.spectrum, bowl.along(c), 2.25, 0.02)
    assert cone.quotient == pytest.approx(1.748454, abs=1e-6)
    assert cone.confocal == pytest.approx(0.946595, abs=1e-6)
    root = float(
        c
        @ bowl.matrix
        @ torch.linalg.solve(cone.confocal * bowl.matrix + torch.eye(80).double() * 0.04, c)
    )
    assert root == pytest.approx(1, abs=1e-9)
    c = vectors[:, 0] - vectors[:, 4] / 2 + 2 * vectors[:, 30]
    few = SublevelCone(bowl.spectrum, bowl.along(c), 5.25, 0.02)
    assert few.confocal == pytest.approx(4.044342, abs=1e-6)


def test_thin_bowls_are_seen_as_rays():
    """Catches an end of the bracket whose sign rounding hides: ε of less than R² λ's last digit."""
    for seed in range(20):
        cone = seen(normal(20, seed=seed).abs(), normal(20, seed=seed + 100), 1e-20)
        assert cone.confocal == pytest.approx(cone.radius2, rel=1e-12)
        assert 0 <= cone.window[0] + 1e-9 < 1e-6
        assert cone.confocal <= cone.radius2


def one(**changed):
    return SublevelCone(
        **{"spectrum": spectrum(1, 2), "along": spectrum(1, 2), "radius2": 9.0, "epsilon": 1.0}
        | changed
    )


signed = Spectrum.dense(numbers(1.0, -2.0), "signed")
short = Spectrum(numbers(1.0), numbers(1.0), 2, "positive")
test_refusals = refuses(
    (lambda: effective_dimension(signed, 1.0, 1.0), "absolute.., positive.. or Gauss-Newton"),
    (lambda: effective_dimension(spectrum(1), 1.0, 0.0), "0 < epsilon"),
    (lambda: one(radius2=-1.0), "0 <= squared"),
    (lambda: one(spectrum=signed), "positive semi-definite"),
    (lambda: one(along=spectrum(1, 2).absolute()), "of one operator"),
    (lambda: one(along=spectrum(1, 2, 3)), "of one operator"),
    (lambda: one(along=short).estimate(draws=9, generator=dice("x")), "all 2 eigenvalues"),
)

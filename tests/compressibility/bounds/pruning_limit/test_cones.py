"""Widths, statistical dimensions, and exact laws of when cones meet."""

import math

import pytest
import torch
from scipy import optimize, stats

from compressibility.bounds.pruning_limit import cones
from compressibility.dice import dice
from tests.compressibility.helpers import normal, refuses

THIN = math.asin(0.1)  # sin² = .01
ETA = 1e-12


def test_widths_of_ellipsoids():
    """Catches the root of the mean square for the mean of the root: 5 for 4.409."""
    flat, thin = torch.ones(50), torch.tensor([1.0] + 49 * [0.01])
    assert cones.ellipsoid_width(torch.tensor([3.0, 4.0])) == pytest.approx(4.409009, abs=1e-6)
    assert cones.ellipsoid_width(flat) / math.sqrt(50) == pytest.approx(0.995013, abs=1e-6)
    assert cones.ellipsoid_width(thin) == pytest.approx(0.805513, abs=1e-6)
    assert cones.ellipsoid_width(torch.tensor([0.0, 2e6])) == pytest.approx(
        2e6 * math.sqrt(2 / math.pi), rel=1e-12
    )
    many = cones.ellipsoid_width(torch.ones(100, 200))  # in the memory of its axes
    assert many == pytest.approx(cones.subspace(20_000).width, rel=1e-11)
    axes = torch.linspace(0.1, 3, 20, dtype=torch.float64)
    drawn = (normal(100_000, 20) * axes).norm(dim=1)
    error = float(drawn.std()) / math.sqrt(1e5)
    assert abs(float(drawn.mean()) - cones.ellipsoid_width(axes)) < 4 * error


@pytest.mark.parametrize("shift", [0.0, 9.0])
def test_widths_of_points(shift):
    """Catches a lost half, E|⟨g, u⟩| for a segment, and a width that depends on where a set is."""
    segment = torch.tensor([[0.0, 0.0], [0.0, 2.0]]) + shift
    found = cones.points_width(segment, draws=20_000, generator=dice("segment"))
    assert found.low < 0.797885 < found.high
    assert found.high - found.low < 0.03


def test_circular_cones_in_closed_form():
    """Catches D sin² α alone: the plane, space, the ray, the half-space, and large D."""
    for angle in (0.0, 0.3, 1.2, math.pi / 2):
        plane, space = cones.circular(2, angle), cones.circular(3, angle)
        assert plane.delta == pytest.approx(0.5 + 2 * angle / math.pi, abs=1e-9)
        wedge = (angle + math.sin(angle)) ** 2 / (2 * math.pi)
        assert plane.width**2 == pytest.approx(wedge, abs=1e-9)
        known = 1.5 + math.sin(angle) - math.cos(angle)
        assert space.delta == pytest.approx(known, abs=1e-9)
    assert cones.circular(3, 0.4).delta == pytest.approx(0.968357, abs=1e-6)
    for dimension in (60, 300, 10**4, 10**6):
        for angle in (0.6, 0.7, 0.9):
            known = dimension * math.sin(angle) ** 2 + math.cos(2 * angle)
            assert cones.circular(dimension, angle).delta == pytest.approx(known, abs=1e-5)


def test_polar_cones_share_the_space():
    """Catches a part of the sphere left out: δ + δ of the polar cone is D."""
    for dimension, angle in ((2, 0.2), (7, 0.9), (60, math.asin(0.3**0.5))):
        both = [cones.circular(dimension, a).delta for a in (angle, math.pi / 2 - angle)]
        assert sum(both) == pytest.approx(dimension, abs=1e-9)
    assert both == pytest.approx([18.4, 41.6], abs=1e-6)


def test_gap_between_delta_and_squared_width():
    """Catches δ = w² and δ = w² + 1, or the ball for the sphere."""
    known = [
        (cones.circular(10**4, THIN), 0.99500),
        (cones.circular(10**4, math.pi / 2 - THIN), 0.50499),
        (cones.circular(300, 0.7), 0.79232),
        (cones.subspace(1), 1 - 2 / math.pi),
        (cones.circular(2, 0.3), 0.690986 - 0.056443),
        (cones.orthant(1), 0.5),
    ]
    for cone, gap in known:
        assert cone.delta - cone.width**2 == pytest.approx(gap, abs=1e-5)
    for k in (10**4, 10**6, 10**8):  # differences of log-gammas lose all digits
        assert cones.subspace(k).width ** 2 - k == pytest.approx(-0.5, abs=1e-3)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_orthants(dimension):
    """Catches the width of the ball's part, or of ones that miss the negative draws."""
    g = normal(200_000, dimension, seed=dimension)
    assert abs(float(g.clamp(min=0).square().sum(1).mean()) - dimension / 2) < 0.03
    best = torch.where(g.amax(1) > 0, g.clamp(min=0).norm(dim=1), g.amax(1))
    cone = cones.orthant(dimension)
    assert cone.delta == dimension / 2
    assert abs(float(best.mean()) - cone.width) < 4 * float(best.std()) / math.sqrt(2e5)


def meets(k, dimension, angle):
    """P(a random subspace of k dimensions meets a circular cone): exactly, a Beta law."""
    return stats.beta.sf(math.cos(angle) ** 2, k / 2, (dimension - k) / 2)


def least(chance, dimension, angle):
    return optimize.brentq(lambda k: meets(k, dimension, angle) - chance, 1, dimension - 1)


def test_the_threshold_lies_at_the_complement():
    """Catches the threshold at k = δ, 124.7, and w or the width's square: the exact law."""
    half = least(0.5, 300, 0.7)
    assert half == pytest.approx(175.38, abs=0.01)
    assert abs(300 - cones.circular(300, 0.7).delta - half) < 0.5
    width = (least(0.9, 300, 0.7) - least(0.1, 300, 0.7)) / math.sqrt(300)
    assert width == pytest.approx(1.784, abs=0.02)
    # Wendel: a subspace of k dimensions misses the orthant as often as D - 1 coins show < k heads.
    wendel = [stats.binom.cdf(k - 1, 29, 0.5) for k in (12, 15, 18)]
    assert wendel == pytest.approx([0.132465, 0.5, 0.867535], abs=1e-6)
    assert 30 - cones.orthant(30).delta == 15


def test_margins():
    """Catches another base or no 4 in a_η, η's own margin off, and ω² = δ for the smaller side."""
    assert cones.margin(0.02, 6400) / 80 == pytest.approx(6.51049, abs=1e-5)
    assert cones.margin(0.010362, 300, delta=220.0) == pytest.approx(90.0, abs=1e-3)
    assert cones.margin(0.010362, 300, delta=80.0) == pytest.approx(90.0, abs=1e-3)
    thin = cones.circular(10**6, THIN)
    allowed = cones.margin(ETA, 10**6, delta=thin.delta)
    assert allowed == pytest.approx(1644.2, abs=0.1)
    # What the exact law needs on either side, of what is allowed: neither vacuous nor broken.
    # Below the law of the other beta variable is taken, whose tail has digits.
    threshold, cut = 10**6 - thin.delta, math.sin(THIN) ** 2
    below = optimize.brentq(
        lambda x: math.log(meets(threshold - x, 10**6, THIN)) - math.log(ETA), 1, 3000
    )
    above = optimize.brentq(
        lambda x: stats.beta.logsf(cut, (thin.delta - x) / 2, (threshold + x) / 2) - math.log(ETA),
        1,
        3000,
    )
    assert below / allowed == pytest.approx(0.61, abs=0.005)
    assert above / allowed == pytest.approx(0.59, abs=0.005)


@pytest.mark.parametrize("angle", [0.6, math.pi / 4])
@pytest.mark.parametrize("refined", [False, True])
def test_guarantees_are_kept(refined, angle):
    """Catches sides exchanged, δ for D - δ, a margin too small: the exact law of a ball's cone."""
    dimension, eta = 1000, 0.01
    delta = cones.circular(dimension, angle).delta
    distance = cones.margin(eta, dimension, delta=delta if refined else None)
    said = {k: cones.guaranteed(delta, k, dimension, margin=distance) for k in range(1, 1000)}
    assert set(said.values()) == {"meet", "miss", "open"}
    for k, what in said.items():
        chance = meets(k, dimension, angle)
        assert what == "open" or (chance if what == "miss" else 1 - chance) <= eta
    opened = [k for k, what in said.items() if what == "open"]
    assert len(opened) == pytest.approx(2 * distance, abs=1)
    assert (opened[0] + opened[-1]) / 2 == pytest.approx(dimension - delta, abs=1)
    needed = least(0.5, dimension, angle) - least(eta, dimension, angle)
    assert needed < distance
    assert needed / distance == pytest.approx(0.237, abs=0.005) or refined or angle == 0.6


def test_union_over_all_supports():
    """Catches entropy in bits, or of the kept share alone; D h just above log of the number."""
    assert cones.union_margin(60, 600, delta=300.0) == pytest.approx(1817.9, abs=0.05)
    exponent = 1817.9**2 / 8 / (300 + 1817.9)
    number = math.lgamma(601) - math.lgamma(61) - math.lgamma(541)
    assert number == pytest.approx(192.135, abs=1e-3)
    assert 0.98 < number / exponent < 1
    assert cones.union_margin(600, 600, delta=300.0) == 0 == cones.union_margin(0, 9, delta=3.0)


test_refusals = refuses(
    (lambda: cones.subspace(0), "a whole k >= 1"),
    (lambda: cones.circular(1, 0.3), "dimension >= 2"),
    (lambda: cones.circular(5, 1.6), "angle <= pi / 2"),
    (lambda: cones.ellipsoid_width(torch.zeros(3)), "semi-axis != 0"),
    (lambda: cones.ellipsoid_width(torch.ones(0)), "semi-axis != 0"),
    (lambda: cones.ellipsoid_width(torch.tensor([1.0, math.inf])), "finite semi_axes"),
    (
        lambda: cones.points_width(torch.ones(3), draws=9, generator=torch.Generator()),
        r"points \(n, D\)",
    ),
    (lambda: cones.margin(1.0, 10), "0 < eta < 1"),
    (lambda: cones.margin(0.1, 10, delta=11.0), "delta <= dimension = 10"),
    (lambda: cones.union_margin(11, 10, delta=3.0), "k <= dimension"),
    (lambda: cones.union_margin(-1, 10, delta=3.0), "0 <= k"),
    (lambda: cones.guaranteed(3.0, 11, 10, margin=1.0), "k <= dimension"),
    (lambda: cones.guaranteed(3.0, 2, 10, margin=-1.0), "0 <= margin"),
)

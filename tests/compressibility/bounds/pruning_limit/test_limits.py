"""The limits' fixed points: continuum answers, roots that are none, and what they are of."""

import math
from functools import partial

import pytest
import torch

from compressibility.bounds.pruning_limit.cones import margin
from compressibility.bounds.pruning_limit.costs import Ranking, Scan, readjusted_costs, removable
from compressibility.bounds.pruning_limit.limits import (
    kept_guaranteed,
    removed_cone,
    removed_generic,
    removed_limit,
    removed_orthogonal,
    removed_star,
    removed_trace,
)
from compressibility.dice import dice
from compressibility.spectrum.density import Bowl, Spectrum
from tests.compressibility.bounds.pruning_limit.cases import (
    ball,
    four_decades,
    haar,
    numbers,
    spectrum,
)
from tests.compressibility.helpers import refuses

RULES = (removed_star, removed_trace, removed_generic, removed_orthogonal)


def limit(rule, weights, epsilon=54.0, size=1000):
    return removed_limit(
        rule, Ranking.magnitude(weights), Spectrum.dense(torch.ones(size), "absolute"), epsilon
    )


def test_four_limits_of_a_ball():
    """Catches ε for 2ε, R or r for squares, R²/D, R of all or of half, c kept, a kept share."""
    bowl, ranking, epsilon = ball()
    whole = bowl.spectrum
    found = [removed_limit(rule, ranking, whole, epsilon) for rule in RULES]
    # In the continuum s = t / (D s³ / 3 + t), t = 108, and its like.
    known = [0.6, 0.6, 0.324 ** (1 / 4), 0.324 ** (1 / 3)]
    assert found == pytest.approx(known, abs=1e-3)
    assert found[0] == pytest.approx(found[1], abs=1e-12)  # Jensen, of a flat spectrum
    counts = range(740, 770)
    assert removed_cone(bowl.along, ranking, whole, epsilon, counts).largest == 0.754
    assert removable(readjusted_costs(bowl, ranking), epsilon).largest == 0.686


def test_fixed_points_of_other_weights():
    """Catches a limit that is no fixed point of these weights: zeros, factors, random supports."""
    steps = torch.arange(1, 1001, dtype=torch.float64) / 1000
    assert limit(removed_star, (steps - 0.2).clamp(min=0)) == pytest.approx(0.7098, abs=1e-3)
    scaled = [limit(removed_star, a * steps) for a in (2, 3)]
    assert scaled == pytest.approx([0.457, 0.385], abs=1e-3)
    ranking = Ranking.random(steps, dice("support"))
    found = removed_limit(
        removed_star, ranking, Spectrum.dense(torch.ones(1000), "signed").absolute(), 54.0
    )
    assert found == pytest.approx(0.429, abs=0.015)
    assert limit(removed_star, steps * 0) == 1
    assert limit(removed_orthogonal, steps * 1e9) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_the_sign_changes_at_the_limit(rule):
    """Catches bisection on something else: by looking at every count, on a true step function."""
    w = torch.tensor([0.1, 0.1, 0.1, 0.7, 0.7, 0.8, 2.0, 2.0, 2.0, 5.0])
    whole, ranking = spectrum(*(0.5**j for j in range(10))), Ranking.magnitude(w)
    for epsilon in (0.01, 0.1, 0.5, 3.0):
        s = removed_limit(rule, ranking, whole, epsilon)
        for step in (-1e-9, 1e-9):
            share = min(max(s + step, 1e-12), 1.0)
            radius2 = float(ranking.squares[math.ceil(share * 10 - 1e-12)])
            above = rule(whole, radius2, epsilon) > share
            assert above == (step < 0) or s == 1


def test_only_one_quotient_enters():
    """Catches a square in the wrong place: λ, ε and R² matter as R²λ/2ε alone."""
    cases = [((0.3, 1, 7), 0.1, 1), ((0.6, 2, 14), 0.1, 0.5), ((0.3, 1, 7), 0.05, 0.5)]
    for rule in RULES:
        found = [rule(spectrum(*values), r2, epsilon) for values, epsilon, r2 in cases]
        assert found == pytest.approx([found[0]] * 3, abs=1e-12)
    twice = [(cases[1][0], 0.1, 1), (cases[0][0], 0.05, 1), (cases[0][0], 0.1, 2)]
    found = [removed_star(spectrum(*values), r2, epsilon) for values, epsilon, r2 in twice]
    assert found == pytest.approx([0.118331] * 3, abs=1e-6)


def test_jensen_on_both_sides():
    """Catches the inequality turned round, D forgotten, and means of 1/λ for means of λ."""
    whole = spectrum(1, 2, 3, 10)
    kept = [1 - rule(whole, 1.0, 1.0) for rule in (removed_star, removed_trace)]
    assert kept == pytest.approx([0.566667, 0.666667], abs=1e-6)
    least = 1 / (1 + 2 * whole.mean(lambda t: 1 / t))  # with the mean of r²
    assert least == pytest.approx(0.508475, abs=1e-6)
    assert least < kept[0]
    kept = [1 - rule(whole, 0.01, 1.0) for rule in (removed_star, removed_trace)]
    assert kept == pytest.approx([0.0193184, 0.0196078], abs=1e-7)
    signed = Spectrum.dense(numbers(3, 1, -1), "signed")
    both = [rule(signed.absolute(), 1.0, 0.5) for rule in (removed_star, removed_trace)]
    assert both == pytest.approx([0.416667, 0.375], abs=1e-6)


def test_sharpness_and_shrinking():
    """Catches 2λ taken as 2r², and l2 without its curvature or without smaller weights."""
    assert 1 - removed_star(spectrum(1, 4), 1.0, 0.5) == pytest.approx(0.65, abs=1e-12)
    assert 1 - removed_star(spectrum(2, 8), 1.0, 0.5) == pytest.approx(0.777778, abs=1e-6)
    assert removed_star(spectrum(1), 2.0, 0.25) == pytest.approx(0.2)
    assert removed_star(spectrum(2), 2.0 / 4, 0.25) == pytest.approx(1 / 3)


def test_orthogonal_thresholds():
    """Catches the roots 0 and 1, (1 - s)/s turned round, and a bracket's arbitrary end."""
    pair = partial(removed_orthogonal, radius2=1.0, epsilon=1.0)
    assert pair(spectrum(2 / 0.2, 2 / 8)) == pytest.approx(0.553571, abs=1e-6)
    assert pair(spectrum(2 / 0.2, 2 / 0.4)) == 0
    assert pair(spectrum(2 / 2, 2 / 3)) == 1
    assert pair(spectrum(0.0, 1e9)) == pytest.approx(0.5, abs=1e-6)  # half the directions are free
    assert removed_orthogonal(spectrum(1, 2), 0.0, 1.0) == 1
    whole = spectrum(2 / 0.25, 2 / 16)
    for s, radius2 in ((0.25, 5.65255), (0.5, 2), (0.8, 0.639626)):
        assert removed_orthogonal(whole, radius2, 1.0) == pytest.approx(s, abs=1e-5)
        # The fixed point of the equation as printed, and beside it s★: it crosses at one half.
        gap = removed_star(whole, radius2 * (1 - s) / s, 1.0) - s
        assert gap == pytest.approx(0, abs=1e-5)
        assert math.copysign(1, removed_star(whole, radius2, 1.0) - s) in (
            math.copysign(1, 0.5 - s),
            *((1.0, -1.0) if s == 0.5 else ()),
        )


@pytest.mark.parametrize(("s", "radius2"), [(0.25, 5.65255), (0.5, 2.0), (0.8, 0.639626)])
def test_orthogonal_thresholds_are_those_of_random_eigenvectors(s, radius2):
    """Catches s★ for the orthogonal threshold: exact costs, averaged over rotations and over c."""
    dimension, generator = 240, dice("orthogonal")
    values = numbers(*([2 / 0.25] * 120), *([2 / 16] * 120))
    count, means = round(s * dimension), []
    for _ in range(8):
        basis = haar(dimension, generator)
        inverse = (basis / values) @ basis.T
        block = torch.linalg.inv(inverse[:count, :count])
        means.append(float(block.trace()) / count / 2)  # the mean cost of R² = 1 over c in P
    found = 1.0 / (sum(means) / len(means))  # ε = 1
    assert found == pytest.approx(radius2, rel=0.03)


def test_a_general_vector_sees_all():
    """Catches the larger root, 1, of its equation, and shares below one where Q <= 1."""
    whole = spectrum(2 / 0.2, 2 / 8)
    s = removed_generic(whole, 1.0, 1.0)
    assert s == pytest.approx(0.668079, abs=1e-6)
    r2 = numbers(0.2, 8)
    assert float((r2 / (r2 + (1 - s))).mean()) == pytest.approx(s, abs=1e-12)
    assert removed_generic(whole, 0.1, 1.0) == 1
    assert removed_generic(whole, 0.0, 1.0) == 1


def test_order_and_what_breaks_it():
    """Catches "★ is below OBS" as a theorem: a diagonal H, where re-adjusting gains nothing."""
    bowl, ranking, epsilon = four_decades()
    found = [removed_limit(rule, ranking, bowl.spectrum, epsilon) for rule in RULES]
    assert found[:2] == pytest.approx([0.402, 0.204], abs=2e-3)
    assert found[3] == pytest.approx(0.372, abs=2e-3)
    cone = removed_cone(bowl.along, ranking, bowl.spectrum, epsilon, range(1, 501, 2))
    assert cone.largest == pytest.approx(0.440, abs=3e-3)
    assert found[1] < found[0] < cone.largest
    assert removable(readjusted_costs(bowl, ranking), epsilon).largest == 0.138


def test_random_eigenvectors_below_one_half():
    """Catches s★ read as safe below one half: .402 against .366, as the orthogonal limit says."""
    generator, exact = dice("random eigenvectors"), []
    for _ in range(6):
        bowl, ranking, epsilon = four_decades(turned=generator)
        exact.append(removable(readjusted_costs(bowl, ranking), epsilon).largest)
    found = removed_limit(removed_orthogonal, ranking, four_decades()[0].spectrum, epsilon)
    assert sum(exact) / 6 == pytest.approx(found, abs=0.015)
    assert sum(exact) / 6 < 0.395


def test_cones_are_scanned():
    """Catches bisection: the eighth weight is forbidden, the ninth makes up for it."""
    sharp = numbers(*[1.0] * 8, 8.0, 0.0)
    bowl = Bowl(10 * sharp.outer(sharp) + torch.eye(10), "positive")
    ranking = Ranking.magnitude(numbers(*(1 + 0.001 * i for i in range(8)), -1.01, 20))
    find = partial(removed_cone, bowl.along, ranking, bowl.spectrum, 4.6)
    assert find(range(1, 11)) == Scan(0.7, 0.9)
    assert find([3, 7, 8]) == Scan(0.7, 0.7)
    zeros = Ranking.magnitude(numbers(*[0.0] * 9, 1))
    assert removed_cone(bowl.along, zeros, bowl.spectrum, 4.6, [1, 9]) == Scan(0.9, 0.9)


@pytest.mark.parametrize("size", [3, 13, 17, 26, 29, 44])
def test_all_may_go_where_nothing_is_lost(size):
    """Catches a share of 1 that a sum of weights misses by rounding, in these sizes."""
    bowl = Bowl(torch.eye(size), "positive")
    zeros, ones = Ranking.magnitude(torch.zeros(size)), Ranking.magnitude(torch.ones(size))
    for rule in RULES:
        assert removed_limit(rule, zeros, bowl.spectrum, 1.0) == 1
        assert removed_limit(rule, ones, spectrum(*[0.0] * size), 1.0) == 1
    found = removed_cone(bowl.along, ones, bowl.spectrum, 100.0, range(1, size + 1))
    assert found == Scan(1.0, 1.0)


def test_shares_that_suffice():
    """Catches a_η/D for a_η/√D, and a kept share reported as removed."""
    assert kept_guaranteed(1600.0, 6400, 0.02) == pytest.approx(0.831381, abs=1e-6)
    assert kept_guaranteed(0.0, 900, 0.02) == pytest.approx(1 + margin(0.02, 900) / 900)


signed = Spectrum.dense(numbers(1, -2), "signed")
weights = Ranking.magnitude(numbers(1, 2))
test_refusals = refuses(
    *((partial(rule, signed, 1.0, 1.0), "positive semi-definite operator") for rule in RULES),
    (lambda: removed_star(spectrum(1), 1.0, -1.0), "0 < epsilon < inf"),
    (lambda: removed_trace(spectrum(1), math.nan, 1.0), "0 <= squared < inf"),
    (lambda: removed_limit(removed_star, weights, spectrum(1, 2, 3), 1.0), "one D, 3"),
    (lambda: removed_cone(lambda _: signed, weights, spectrum(1, 2), 1.0, [0]), "counts >= 1"),
    (lambda: removed_cone(lambda _: signed, weights, spectrum(1, 2), 1.0, [2, 1]), "ascending"),
    (lambda: removed_cone(lambda _: signed, weights, spectrum(1, 2), 1.0, [3]), r"0\.\.2"),
    (lambda: removed_cone(lambda _: signed, weights, spectrum(1, 2), 1.0, [1]), "semi-definite"),
    (lambda: kept_guaranteed(11.0, 10, 0.1), "delta <= dimension"),
)

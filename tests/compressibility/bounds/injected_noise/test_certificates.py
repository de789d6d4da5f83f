"""Tests of certificates, of widths, and of the shares of pure noise."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from compressibility.bounds.injected_noise.certificates import (
    Run,
    accumulated_scale,
    certificate,
    drift_bound,
    error_bound,
    function_change,
    gaussian_share,
    noise_share,
    smallest_width,
)
from compressibility.dice import dice
from compressibility.noise.particles import Levy
from tests.compressibility.helpers import normal, refuses


def planes(noise, drift, kept=0.5):
    """The certificate of diagonal matrices."""
    jumps, moved = (torch.tensor(each, dtype=torch.float64).diag() for each in (noise, drift))
    return certificate(jumps + moved, jumps, kept)


@pytest.mark.parametrize(
    ("noise", "drift", "error", "simple"),
    [
        ((20, 1), (0, 0), 1 / math.sqrt(401), 1 / math.sqrt(401)),
        ((20, 1), (0, 0.5), 0.074790, 0.076825),
        ((10, 0), (0, 1), 0.099504, 1 / 9),
        ((20, 1, 1), (0, 0.3, 0.3), 0.091538, 0.093677),
        ((20, 1), (-3, 0), 0.058722, 0.234949),
    ],
)
def test_near_tight_certificates(noise, drift, error, simple):
    """Catches a sign, a lost ‖D‖, squares, a spectral norm: numbers by hand."""
    found = planes(noise, drift, kept=1 / len(noise))
    assert found.error.item() == pytest.approx(error, abs=2e-6)
    assert found.simple.item() == pytest.approx(simple, abs=2e-6)
    assert found.error <= found.sharp + 1e-12 <= found.simple + 2e-12


def test_the_sharp_certificate_is_attained():
    """Catches another combination of the two angles: 204/325 in the plane."""
    found = planes((12, 5), (-2.2848, 2.8336))
    assert found.error.item() == pytest.approx(204 / 325, rel=1e-12)
    assert found.sharp.item() == pytest.approx(204 / 325, rel=1e-12)
    assert found.tail.item() + found.drift.item() == pytest.approx(0.664615, abs=1e-6)
    assert found.simple.item() == pytest.approx(0.923077, abs=1e-6)


def test_the_error_is_the_least_over_all_sets_of_units():
    """Catches columns for rows, and a count that is not ⌈κn⌉: brute force."""
    jumps, moved = normal(7, 3, seed=1) ** 3, 0.2 * normal(7, 3, seed=2)
    found, total = certificate(jumps + moved, jumps, kept=0.3), jumps + moved
    for matrix, got in ((total, found.error), (jumps, found.tail)):
        rests = (matrix[list(rest)].norm() for rest in combinations(range(7), 4))
        assert got.item() == pytest.approx(min(rests).item() / matrix.norm().item(), rel=1e-12)
    assert found.drift.item() == pytest.approx((moved.norm() / jumps.norm()).item(), rel=1e-12)


def test_no_certificate_fails():
    """Catches a bound that some N and D violate, and a sharper one that is not sharper."""
    size = 10 ** (2 * torch.rand(30_000, 1, 1, generator=dice("size")).double() - 1.5)
    jumps, moved = normal(30_000, 3, 1, seed=3) ** 3, size * normal(30_000, 3, 1, seed=4)
    found = certificate(jumps + moved, jumps, kept=1 / 3)
    assert bool((found.error <= found.sharp + 1e-9).all())
    assert bool((found.sharp <= found.tail + found.drift + 1e-9).all())
    assert bool((found.sharp <= found.simple + 1e-9).all())
    assert (found.error / found.sharp).max().item() > 0.999
    assert 0.05 < (found.sharp == 1).double().mean().item() < 0.9


def test_extremes_of_certificates():
    """Catches squares that leave the floats, noise that is 0, drift as large as the noise."""
    jumps, moved = normal(2, 5, 2, seed=5), 0.1 * normal(2, 5, 2, seed=6)
    plain = certificate(jumps + moved, jumps, kept=0.4)
    for scale in (2.0**900, 2.0**-900):
        far = certificate(scale * (jumps + moved), scale * jumps, kept=0.4)
        assert torch.allclose(far.sharp, plain.sharp, rtol=1e-9)
        assert torch.allclose(far.error, plain.error, rtol=1e-9)
    none = certificate(moved, torch.zeros_like(moved), kept=0.4)
    assert none.drift.tolist() == none.simple.tolist() == [math.inf, math.inf]
    assert none.sharp.tolist() == [1.0, 1.0]
    same = planes((3, 0), (-3, 4))
    assert (same.error.item(), same.sharp.item(), same.simple.item()) == (0.0, 1.0, math.inf)


def test_accumulated_noise():
    """Catches K of floats, K η^(1/α), √(Kη), t for Kη and their like."""
    noise = Levy(1.25, scale=1.5)
    assert accumulated_scale(noise, 0.7, 0.1) == pytest.approx(1.127638, abs=1e-6)
    for time, step, moved in ((0.6, 0.2, 0.6), (1.2, 0.4, 1.2), (1, 0.3, 0.9), (1, 1, 1)):
        assert accumulated_scale(noise, time, step) == pytest.approx(1.5 * moved**0.8, rel=1e-12)
    sums = sum(noise.jumps(0.1, (20_000,), dice("sum", k)) for k in range(7)).abs()
    assert sums.median().item() == pytest.approx(1.127638 * 0.978764, rel=0.04)


def test_drift_is_attained():
    """Catches n for √n, t for Kη: equal units, each step of full length along them."""
    direction = torch.tensor([0.6, 0.8], dtype=torch.float64)
    start = 0.5 * direction.expand(50, 2)
    moved = start + sum(0.3 * 2.0 * direction for _ in range(3))
    bound = drift_bound(start.norm().item(), 2.0, 0.9, 50)
    assert moved.norm().item() == pytest.approx(bound, rel=1e-12)


def test_cross_entropy_comes_near_its_gradient_bound():
    """Catches a documented √2 that is not: output weights (1, -1, 0), sure and wrong."""
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    out = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)
    x = torch.tensor([0.6, 0.8], dtype=torch.float64)
    far = torch.tensor([5.0, -5.0, -10.0], dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy((weight @ x).relu() * out + far, torch.tensor(1))
    loss.backward()
    bound = out.norm().item() * x.norm().item() * math.sqrt(2)
    assert 0.999 < weight.grad.norm().item() / bound <= 1 + 1e-12


def by_hand(run, kept, delta, n):
    """The bound for one Cauchy number behind each unit, or for several: all is closed."""
    log = math.log(3 / delta)
    slack = math.sqrt(log / 2 / n)
    inner, rare, p = kept - slack, log / n, run.noise.dimension
    if run.noise.kind == "shared":
        tau = 1 / math.tan(math.pi / 2 * inner)
        below, per = 2 / math.pi * (tau - math.atan(tau)), math.sqrt(p)
    else:
        c = 2 * p * 2 / math.pi
        tau, below, per = c / inner, 2 * c * c / inner, 1.0
        rare = 1 - (1 - rare) ** (1 / p) if run.noise.kind == "independent" else rare
    u = 1 / math.tan(math.pi / 2 * rare)
    a = math.asin(math.sqrt(n * min(tau**2, below + tau**2 * slack)) / u)
    moved = run.start / (run.time / 2) + run.gradient
    return math.sin(a + math.asin(math.sqrt(n) * moved / (run.noise.scale * per * u)))


@pytest.mark.parametrize("kind", ["shared", "independent", "isotropic"])
def test_error_bound_at_one(kind):
    """Catches n, δ, p, t, σ, r or G in a wrong place: α = 1 in closed form."""
    run = Run(Levy(1.0, 0.7, 3, kind), time=0.8, gradient=1.3, start=0.4)
    for n, delta in ((10**6, 0.1), (10**9, 0.03)):
        wanted = by_hand(run, 0.25, delta, n)
        assert 0 < wanted < 0.7
        assert error_bound(run, 0.25, delta, n) == pytest.approx(wanted, rel=1e-6)
    assert error_bound(run, 0.25, 0.1, 4) == 1.0  # Hoeffding says nothing of so few


def test_worst_time_of_the_drift():
    """Catches t or t/2 for the worse of both: G (Kη)^(1 - 1/α) rises or falls with α - 1."""
    for alpha, worst in ((1.6, 2.0), (0.8, 1.0)):
        run = Run(Levy(alpha), time=2.0, gradient=0.7)
        same = Run(Levy(alpha), time=2.0, start=0.7 * worst ** (1 - 1 / alpha))
        bounds = error_bound(run, 0.3, 0.1, 10**9), error_bound(same, 0.3, 0.1, 10**9)
        assert 0 < bounds[0] < 1
        assert bounds[0] == pytest.approx(bounds[1], rel=1e-12)  # r/(t/2)^(1/α) is r


@pytest.mark.parametrize("kind", ["shared", "independent", "isotropic"])
def test_the_bound_holds_and_is_not_empty(kind):
    """Catches a bound that more than δ of the runs exceed, or far more than is seen."""
    run = Run(Levy(1.25, 1.0, 2, kind), time=1.0, gradient=0.5)
    n, delta, moved = 20_000, 0.5, 1.0
    jumps = run.noise.jumps(moved, (40, n), dice("holds"))
    worst = -0.5 * moved * torch.nn.functional.normalize(jumps, dim=-1)
    found = certificate(jumps + worst, jumps, kept=0.3)
    bound = error_bound(run, 0.3, delta, n)
    assert (found.error > bound).double().mean().item() < delta
    assert bound < 25 * found.sharp.median().item()


def test_smallest_width():
    """Catches the width before or behind: it is the first of the last stretch."""
    run = Run(Levy(1.0), time=1.0, gradient=0.2)
    width = smallest_width(run, 0.3, 0.3, 0.1)
    assert error_bound(run, 0.3, 0.1, width) <= 0.3 < error_bound(run, 0.3, 0.1, width - 1)
    assert all(error_bound(run, 0.3, 0.1, width * 3**j) < 0.3 for j in range(1, 9))


@pytest.mark.parametrize("kind", ["shared", "independent", "isotropic"])
def test_shares_are_those_of_the_reference_protocol(kind):
    """Catches norms for squares, unsquared errors, shares kept: the authors' cumulated sums."""
    noise = Levy(1.5, 3.0, 4, kind)
    found = noise_share(noise, width=200, draws=15, generator=dice("share"))
    generator, shares = dice("share"), []
    for _ in range(15):
        jumps = Levy(1.5, 1.0, 1 if kind == "shared" else 4, kind).jumps(1, (200,), generator)
        squares = np.sort(jumps.square().sum(-1).numpy())
        shares.append(np.argmax(np.cumsum(squares) / squares.sum() > 0.1) / 200)
    assert found.value == np.median(shares)


@pytest.mark.parametrize(
    ("kind", "heavy", "control"),
    [("shared", 0.624, 0.555), ("independent", 0.272, 0.171), ("isotropic", 0.271, 0.171)],
)
def test_shares_of_the_sheet(kind, heavy, control):
    """Catches a control of another kind or of p degrees for one number: p = 20, n = 1000."""
    noise = Levy(1.85, 1.0, 20, kind)
    shares = [
        noise_share(Levy(alpha, 1.0, 20, kind), width=1000, draws=60, generator=dice(kind, at))
        for at, alpha in enumerate((1.85, 2.0))
    ]
    assert shares[0].value == pytest.approx(heavy, abs=0.025)
    assert shares[1].value == pytest.approx(control, abs=0.01)
    assert gaussian_share(noise) == pytest.approx(control, abs=1e-3)
    assert shares[0].low > shares[1].high


@pytest.mark.parametrize(("p", "share"), [(1, 0.555397), (2, 0.412460), (4, 0.301727)])
def test_gaussian_shares(p, share):
    """Catches unsquared errors and degrees d for d + 2: p = 2 solves (1 + t) e^(-t) = .9."""
    assert gaussian_share(Levy(1.9, 1.0, p, "isotropic")) == pytest.approx(share, abs=1e-6)
    assert gaussian_share(Levy(1.9, 1.0, p, "shared")) == pytest.approx(0.555397, abs=1e-6)


def rises(x):
    """Twice bounded, even, 0 at 0."""
    return x.square() / (1 + x.square())


def falls(x):
    """One less it: 1 at 0."""
    return 1 / (1 + x.square())


TURN = math.tan(3 * math.pi / 8)  # a Cauchy number is larger, in size, with chance 1/4


@pytest.mark.parametrize(
    ("h", "kept", "change"),
    [
        (rises, 0.5, -(math.pi / 4 - 1 / 2) / math.pi),
        (falls, 0.5, (math.pi / 4 - 1 / 2) / math.pi),
        (rises, 0.25, -(math.atan(TURN) - TURN / (1 + TURN**2)) / math.pi),
        (torch.sin, 0.25, 0.0),
        (lambda x: x + rises(x) + 3, 0.5, -(math.pi / 4 - 1 / 2) / math.pi),
        (rises, 1.0, 0.0),
    ],
)
def test_change_of_the_function(h, kept, change):
    """Catches a conditional mean, κ as removed, a sign, kept for removed, h(0): Cauchy's."""
    assert function_change(h, 1.0, kept) == pytest.approx(change, abs=1e-12)


@pytest.mark.parametrize(("alpha", "scale"), [(1.0, 0.7), (1.5, 2.0), (2.0, 0.5)])
def test_change_of_the_function_is_that_of_wide_networks(alpha, scale):
    """Catches a scale in the threshold, or none in h: 4 sigma of 100 literal prunings."""
    h = lambda x: (x - 0.3).tanh() + rises(x)  # noqa: E731
    theta = Levy(alpha, scale).jumps(1.0, (100, 4000), dice("function", str(alpha))).squeeze(-1)
    order = theta.abs().argsort(-1)
    pruned = theta.scatter(-1, order[:, : int(0.7 * 4000)], 0.0)
    seen = (h(pruned) - h(theta)).mean(-1)
    found = function_change(h, alpha, 0.3, scale=scale)
    assert abs(found) > 0.01
    assert seen.mean().item() == pytest.approx(found, abs=4 * seen.std().item() / 10 + 1 / 4000)


RUN = Run(Levy(1.5), time=1.0)
test_refusals = refuses(
    (lambda: certificate(torch.ones(2, 2), torch.ones(3, 2), 0.5), r"shape \(2, 2\), got \(3, 2\)"),
    (lambda: certificate(torch.ones(2), torch.ones(2), 0.5), r"weights \(..., n, p\)"),
    (lambda: certificate(torch.full((2, 2), torch.nan), torch.ones(2, 2), 0.5), "finite weight"),
    (lambda: accumulated_scale(Levy(1.5), 1, 2), "0 < step <= time = 1, got 2"),
    (lambda: drift_bound(1.0, math.nan, 1.0, 5), "0 <= gradient"),
    (lambda: Run(Levy(1.5, scale=0.0), 1.0), "noise of scale > 0"),
    (lambda: Run(Levy(1.5), 0.0), "0 < time"),
    (lambda: error_bound(RUN, 1.0, 0.1, 5), "0 < kept < 1"),
    (lambda: error_bound(RUN, 0.5, 0.1, 2**51), "width <= 2"),
    (lambda: smallest_width(Run(Levy(2.0), 1.0), 0.5, 0.1, 0.1), "alpha < 2"),
    (lambda: smallest_width(Run(Levy(1.95), 1.0), 0.1, 0.1, 0.1), r"a width of at most 2\*\*50"),
    (lambda: gaussian_share(Levy(1.5), 2.0), "0 <= error <= 1"),
    (lambda: function_change(torch.sin, 2.1, 0.5), "0 < alpha <= 2"),
    (lambda: function_change(torch.sin, 1.5, 0.0), "0 < kept <= 1"),
    (lambda: function_change(torch.sin, 1.5, 0.5, scale=-1.0), "0 <= scale"),
    (lambda: function_change(torch.log, 1.5, 0.5), "finite h"),
)

"""Tests of the constants of chaos, steps and tails."""

import math

import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from scipy.special import binom

from compressibility.bounds.injected_noise.chaos import (
    chaos_bound,
    column_tail,
    euler_bound,
    largest_mean,
    orders,
    step_conditions,
    tail_sup,
)
from compressibility.dice import dice
from compressibility.noise import stable
from compressibility.noise.particles import Levy, Particles, chaos, coarsened
from tests.compressibility.helpers import refuses

KINDS = ("shared", "independent", "isotropic")


def steep(c):
    """As steep as C allows: h = C sin, and a loss whose derivative is Cf, at most C."""
    return Particles(
        lambda at: c * at.sin(),
        lambda at, mean: -(c * mean).clamp(-c, c) * c * at.cos(),
        Levy(1.5, scale=0.01),
    )


def test_chaos_by_hand():
    """Catches C² or n⁻¹, a lost T, half of the exponent, a rate that tails would spoil."""
    assert chaos_bound(2.0, 0.05, 49) == pytest.approx(8 * 0.05 * math.exp(0.6) / 7, rel=1e-12)
    assert chaos_bound(2.0, 0.05, 49) == pytest.approx(0.104121, abs=1e-6)
    assert chaos_bound(3.0, 100.0, 4) == math.inf


@pytest.mark.parametrize(("c", "n"), [(1.0, 25), (2.0, 49), (1.0, 3)])
def test_short_times_come_near_the_chaos_bound(c, n):
    """Catches a bound that fails, or is too high by a power of C, T or n: error → T C³ E|m̄|/2.

    From ±π/4, m̄ the mean of n signs; the limit's drift is 0 by symmetry.
    """
    time, reps = 0.01 / c**3, 4000
    signs = 2.0 * torch.randint(2, (reps, n, 1), generator=dice("signs", n)) - 1
    start = math.pi / 4 * signs.double()
    seen = chaos(steep(c), start, torch.zeros(4, 1), time=time, generator=dice("chaos")).largest
    mean = sum(binom(n, k) / 2**n * abs(2 * k / n - 1) for k in range(n + 1))
    error = seen.mean(1)
    sure = 5 * error.std().item() / math.sqrt(reps)
    wanted = time * c**3 * mean / 2
    assert error.mean().item() == pytest.approx(wanted, abs=0.02 * wanted + sure)
    assert 0.37 < error.mean().item() / chaos_bound(c, time, n) < 0.45


def test_euler_is_the_mean_of_what_happens_in_a_step():
    """Catches a lost factor of the proof: the forcing by quadrature, then Gronwall."""
    noise, c, time, eta, n = Levy(1.4, 0.8, 3, "isotropic"), 0.7, 1.3, 0.1, 50
    worst = largest_mean(noise, n)
    between = quad(lambda u: c**2 * u + u ** (1 / 1.4) * worst, 0, eta)[0] / eta
    k = c**2 + c**3
    wanted = k * time * math.exp(k * time) * between
    assert euler_bound(noise, c, time, eta, largest_of=n) == pytest.approx(wanted, rel=1e-9)
    # The displayed form of the theorem is larger: no factors ½ and α/(α + 1).
    simple = (
        k * time * math.exp(k * time) * (c**2 + worst / n ** (1 / 1.4)) * (n * eta) ** (1 / 1.4)
    )
    assert wanted < simple


def test_euler_bounds_what_is_measured():
    """Catches a bound below the errors of an admissible system, for each and for the largest."""
    noise = Levy(1.5, scale=0.5)
    system = Particles(torch.sin, lambda at, mean: -mean * at.cos(), noise)
    (found,) = coarsened(system, torch.zeros(60, 20, 1), [64, 4], 0.5, dice("euler"))
    each, worst = found.largest.mean().item(), found.largest.amax(1).mean().item()
    assert 0 < each < euler_bound(noise, 1.0, 0.5, 0.125)
    assert each < worst < euler_bound(noise, 1.0, 0.5, 0.125, largest_of=20)


def test_largest_jumps():
    """Catches n alone, C_α for the supremum, α for α - 1: E max by quadrature, from the sheet."""
    for n, mean in ((10, 17.863), (100, 110.70), (1000, 696.98)):
        assert 0.84 < mean / largest_mean(Levy(1.25), n) < 0.87
        textbook = n**0.8 * (1 + 0.591708 / 0.25)  # a = n^(1/α); 845.71 for n = 1000
        assert largest_mean(Levy(1.25), n) < textbook
    assert largest_mean(Levy(1.25, scale=3.0), 7) == pytest.approx(
        3 * largest_mean(Levy(1.25), 7), rel=1e-9
    )
    for alpha, n in ((1.25, 50), (1.75, 1000)):  # Pareto, c = 1: the mean of the maximum is closed
        noise = Levy(alpha, scale=tail_sup(Levy(alpha)) ** (-1 / alpha))
        exact = math.gamma(1 - 1 / alpha) * math.exp(
            math.lgamma(n + 1) - math.lgamma(n + 1 - 1 / alpha)
        )
        ratio = exact / largest_mean(noise, n)
        assert ratio == pytest.approx(math.gamma(2 - 1 / alpha), rel=0.02)
        assert ratio < 1


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2.0])
def test_tail_sup_of_a_number(alpha):
    """Catches C_α, the limit at infinity, for the supremum; density and quantile by SciPy."""
    law = stats.levy_stable(alpha, 0) if alpha < 2 else stats.norm(scale=math.sqrt(2))
    grid = torch.linspace(0.3, 6, 150).tolist()
    most = max(u**alpha * 2 * float(law.sf(u)) for u in grid)
    assert tail_sup(Levy(alpha)) == pytest.approx(most, rel=1e-3)
    assert tail_sup(Levy(alpha)) > stable.tail_constant(alpha)
    assert tail_sup(Levy(1.0)) == pytest.approx(2 / math.pi, rel=1e-6)  # at infinity


@pytest.mark.parametrize("kind", KINDS)
def test_tail_sup_of_units(kind):
    """Catches a bound below the tail somewhere; p, σ to their powers where it is exact."""
    noise = Levy(1.5, 0.6, 4, kind)
    norms = noise.jumps(1.0, (50_000,), dice("sup")).norm(dim=-1)
    most = max(u**1.5 * (norms > u).double().mean().item() for u in (0.5, 1, 2, 4, 8, 16))
    assert most < 1.02 * tail_sup(noise)
    if kind == "shared":
        assert tail_sup(noise) == pytest.approx(0.6**1.5 * 4**0.75 * tail_sup(Levy(1.5)), rel=1e-12)
        assert most > 0.9 * tail_sup(noise)


@pytest.mark.parametrize(
    ("kind", "unit"), [("shared", 1.059296), ("independent", 1.599329), ("isotropic", 1.199497)]
)
def test_column_tails(kind, unit):
    """Catches powers of p exchanged, scale 2^(-1/2) of the isotropic kind, σ or t^(1/α)."""
    noise = Levy(1.25, 1.0, 3, kind)
    assert column_tail(noise) == pytest.approx(unit, abs=1e-6)
    later = column_tail(Levy(1.25, 1.5, 3, kind), 0.7)
    assert later == pytest.approx(1.5**1.25 * 0.7 * unit, rel=1e-5)
    norms = noise.jumps(1.0, (200_000,), dice("tail", kind)).norm(dim=-1)
    u = norms.topk(1000).values[-1].item()
    assert u**1.25 * 0.005 == pytest.approx(unit, rel=0.15)


def test_a_number_has_one_tail():
    """Catches an isotropic constant that is no C_α for p = 1, or not 2^(α/2) E χ^α/Γ(1 - α/2)."""
    assert column_tail(Levy(1.25, scale=1.5), 0.7) == pytest.approx(0.619482, abs=1e-6)
    for p in (1, 5):
        chi = stats.chi(p).expect(lambda r: r**1.25)
        wanted = 2**0.625 * chi / math.gamma(1 - 0.625)
        assert column_tail(Levy(1.25, 1.0, p, "isotropic")) == pytest.approx(wanted, rel=1e-6)


def test_steps_balance():
    """Catches a condition whose two sides differ: n = 900, α = 1.25."""
    largest, total, batches = step_conditions(1.25, 900)
    assert largest == pytest.approx(1.582544e-5, rel=1e-6)
    at = orders(1.25, 900, largest)
    assert (at.chaos, at.largest) == pytest.approx((1 / 30, 1 / 30))
    at = orders(1.25, 900, total)
    assert (900 * at.each, 900 * at.batches) == pytest.approx((30, 107.409), rel=1e-5)
    assert 900 * at.bearable == pytest.approx(230.884, rel=1e-5)
    at = orders(1.25, 900, batches)
    assert 900 * at.batches == pytest.approx(30)
    assert orders(1.25, 900, 0.1).each == pytest.approx(0.1**0.8)


test_refusals = refuses(
    (lambda: chaos_bound(0.0, 1.0, 5), "0 < constant"),
    (lambda: chaos_bound(1.0, math.inf, 5), "0 < constant, time < 1e50, got .1.0, inf"),
    (lambda: chaos_bound(1.0, 1.0, 0), "a whole width >= 1"),
    (lambda: euler_bound(Levy(1.5), 1.0, 1.0, 1.5), "0 < step <= time = 1.0, got 1.5"),
    (lambda: largest_mean(Levy(1.0), 5), "alpha > 1"),
    (lambda: tail_sup(Levy(2.0, 1.0, 3, "independent")), "alpha < 2"),
    (lambda: column_tail(Levy(2.0)), "alpha < 2"),
    (lambda: column_tail(Levy(1.5), 0.0), "0 < time < inf"),
    (lambda: step_conditions(1.0, 5), "1 < alpha <= 2, got 1.0"),
    (lambda: orders(1.5, 5, 0.0), "0 < step < inf"),
)

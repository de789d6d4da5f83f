"""Best k-term errors: brute force, closed forms, cases in which a formula is nearly attained."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from compressibility.dice import dice, uniforms
from compressibility.pruning import kterm
from compressibility.pruning.kterm import (
    GAUSSIAN,
    LAPLACE,
    UNIFORM,
    errors,
    law_of,
    pareto,
    removable,
    student,
)
from tests.compressibility.helpers import refuses

TABLE = ((GAUSSIAN, 0.2653, 0.5554), (LAPLACE, 0.3534, 0.6678), (UNIFORM, 0.2154, 0.4642))
TABLE += ((student(3), 0.3570, 0.7078), (student(2.5), 0.4144, 0.7891))
HALF_NORMAL_MEDIAN = stats.norm.ppf(0.75)


def normal(*shape, name):
    return torch.randn(*shape, generator=dice("kterm", name), dtype=torch.float64)


def cauchy(*shape, name):
    return normal(*shape, name=name) / normal(*shape, name=name + " below")


def power(total, tail):
    """The quantiles x_i = ((i - ½)/N)^(-1/a) of a power law."""
    return ((torch.arange(total, dtype=torch.float64) + 0.5) / total) ** (-1 / tail)


def ranked(total, tail):
    """The sequence x_i = (N/i)^(1/a)."""
    return (total / torch.arange(1, total + 1, dtype=torch.float64)) ** (1 / tail)


def harmonic(count):
    return special.digamma(count + 1) + np.euler_gamma


whole_numbers = st.lists(st.integers(-9, 9), min_size=1, max_size=6)


@settings(max_examples=40)
@given(values=whole_numbers, p=st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_errors_are_least_over_all_supports(values, p):
    """Catches kept and removed exchanged, a norm without its root, ties that are lost."""
    total = sum(abs(v) ** p for v in values)
    for k in range(len(values) + 1):
        left = itertools.combinations(values, len(values) - k)
        best = min(sum(abs(v) ** p for v in rest) for rest in left)
        found = errors(torch.tensor(values).double(), Fraction(k, len(values)), p=p).item()
        assert found == pytest.approx((best / total) ** (1 / p) if total else 0.0, rel=1e-12)


@given(values=whole_numbers, p=st.sampled_from([1, 2]), level=st.integers(0, 5))
def test_removable_is_exact_in_whole_numbers(values, p, level):
    """Catches < for <= where the error is attained (3, 4 at .6), and an off-by-one in the count."""
    sizes, error = sorted(abs(v) for v in values), Fraction(level, 5)
    total = sum(v**p for v in sizes)
    fits = [sum(v**p for v in sizes[:j]) <= error**p * total for j in range(len(sizes) + 1)]
    found = removable(torch.tensor(values).double(), level / 5, p=float(p))
    assert found.item() == (sum(fits) - 1) / len(values)
    assert removable(torch.tensor([3.0, 4.0]), 0.6).item() == 0.5


def test_removable_undoes_errors():
    """Catches two computations of one error that differ in the last bit."""
    x = cauchy(3, 200, name="undo")
    kept = [Fraction(k, 200) for k in range(0, 201, 7)]
    for p in (0.5, 1.0, 2.0, 3.0):
        seen = errors(x, kept, p=p)
        for column, share in enumerate(kept):
            for row in range(3):
                assert removable(x[row], seen[row, column].item(), p=p) >= float(1 - share)
                below = seen[row, column].item() * (1 - 1e-9)
                assert removable(x[row], below, p=p) < float(1 - share) or share == 1


def test_stacks_scales_and_types():
    """Catches a norm over the whole stack, squares out of range, float32 sums, a gradient kept."""
    x = normal(2, 3, 50, name="stack").requires_grad_()
    one_by_one = torch.stack([errors(row, 0.3) for row in x.reshape(6, 50)]).reshape(2, 3)
    assert torch.equal(errors(x, 0.3), one_by_one)
    assert torch.equal(
        errors(x, [0.1, 0.3, 1]), torch.stack([errors(x, k) for k in (0.1, 0.3, 1)], -1)
    )
    assert errors(x, np.array([0.1, 0.3])).shape == (2, 3, 2)
    assert not errors(x, 0.3).requires_grad
    assert removable(x, 0.1).shape == (2, 3)
    for scale in (1e-170, 1e170):
        assert torch.allclose(errors(x * scale, 0.3), one_by_one, rtol=1e-12)
    single = normal(10**6, name="single").float()
    assert errors(single, 0.5).dtype == torch.float64
    assert errors(single, 0.5) == errors(single.double(), 0.5)
    assert errors(torch.zeros(4), 0.5).item() == 0
    assert removable(torch.zeros(4), 0.0).item() == 1


def test_counts_are_exact():
    """Catches ⌈.28·25⌉ = 8, ⌊.82·150⌋ = 122, one of 75 lost on the way through percents."""
    assert kterm.kept_count(0.28, 25) == 7
    assert 150 - kterm.kept_count(0.18, 150) + kterm.kept_count(0.82, 150) == 123 * 2
    one = removable(torch.arange(1.0, 76.0), 1 / 200)
    assert one.item() == 1 / 75
    assert kterm.kept_count(Fraction(74, 75), 75) == 74
    assert kterm.kept_count(0.0, 5) == 0 and kterm.kept_count(1e-9, 5) == 1  # noqa: PT018


@pytest.mark.parametrize(("law", "plain", "squared"), TABLE)
def test_shares_of_known_laws(law, plain, squared):
    """Catches an error taken for its square, κ for the removed share, a wrong closed form."""
    assert law.removable(0.1) == pytest.approx(plain, abs=5e-5)
    assert law.removable(math.sqrt(0.1)) == pytest.approx(squared, abs=5e-5)


def test_removable_squared():
    """Catches a level that is not squared, or squared twice; the least k of (12, 4, 3) at .3."""
    x = normal(200_000, name="squared")
    assert removable(x, 0.1).item() == pytest.approx(0.2653, abs=0.005)
    assert removable(x, 0.1, squared=True).item() == pytest.approx(0.5554, abs=0.005)
    three = torch.tensor([12.0, 4.0, 3.0])
    assert [3 - 3 * removable(three, 0.3, squared=s).item() for s in (False, True)] == [2.0, 1.0]


def test_limit_of_a_pareto_law():
    """Catches kept energy .4682, κ as removed .0629, q forgotten .7808, a square root of cubes."""
    assert pareto(5).limit(0.15, q=3) == pytest.approx(0.531795, abs=5e-7)
    found = errors(power(10**5, 5), 0.15, p=3).item()
    assert found**3 == pytest.approx(0.533945, abs=1e-6)
    assert found == pytest.approx(0.810180, abs=0.0015)


def test_limit_of_an_exponential_law():
    """Catches a limit that random values do not reach: 40 draws, sd .284/√N each."""
    assert LAPLACE.limit(0.3) == pytest.approx(0.121376, abs=5e-7)
    x = -torch.log1p(-uniforms((40, 50_000), dice("kterm", "exponential")))
    assert errors(x, 0.3).square().mean().item() == pytest.approx(0.121376, abs=0.0009)


def test_limits_without_a_second_moment():
    """Catches p < α held compressible: Cauchy, p = ½; and p >= α held not to be."""
    assert student(1).limit(0.3, q=0.5) == pytest.approx(0.386624, abs=5e-7)
    found = errors(cauchy(20, 10**5, name="half"), 0.3, p=0.5).sqrt().mean().item()
    assert found == pytest.approx(0.386624, abs=0.003)
    assert student(1).limit(1e-9, q=1) == 0.0
    assert pareto(2).limit(0.5) == 0.0
    assert pareto(2).removable(0.1) == 1.0


LAWS = [
    (GAUSSIAN, stats.norm(scale=1e-9), math.inf),
    (LAPLACE, stats.expon(scale=3), math.inf),
    (UNIFORM, stats.uniform(-2, 4), math.inf),
    (student(2.5), stats.t(2.5), 2.5),
    (pareto(6), stats.pareto(6), 6),
]


@pytest.mark.parametrize(("law", "frozen", "moments"), LAWS)
def test_quadrature_against_closed_forms(law, frozen, moments):
    """Catches a support that is missed, one tail in place of two, a heavy tail cut off."""
    found = law_of(frozen, moments=moments)
    for q in (0.7, 2):
        kept = (0.01, 0.6)
        seen = [found.limit(k, q=q) for k in kept]
        assert seen == pytest.approx([law.limit(k, q=q) for k in kept], rel=1e-8)
    assert law.limit(0) == 1
    assert law.limit(1) == 0


def test_quadrature_of_laws_that_are_not_even():
    """Catches quantiles of X for those of |X|: normal around 3, uniform on both sides of 0."""
    for frozen in (stats.norm(3, 2), stats.uniform(-1, 3)):
        x = torch.from_numpy(frozen.ppf((np.arange(10**5) + 0.5) / 10**5))
        expected = errors(x, 0.6, p=1).item()
        assert law_of(frozen).limit(0.6, q=1) == pytest.approx(expected, abs=1e-4)


def test_atoms():
    """Catches an atom that is ignored, or added unscaled; quantiles of a law with atoms."""
    mixed = replace(GAUSSIAN, atom=0.25)
    assert pareto(6).removable(0.3) == pytest.approx(0.131915, abs=5e-7)
    assert GAUSSIAN.removable(0.3) == pytest.approx(0.537604, abs=5e-7)
    assert mixed.removable(0.3) == pytest.approx(0.653203, abs=5e-7)
    assert mixed.removable(0) == 0.25
    assert mixed.limit(0.75) == 0
    x = normal(10**5, name="atom")
    x[:25_000] = 0
    assert removable(x, 0.3).item() == pytest.approx(0.653203, abs=0.006)
    two = torch.cat([torch.ones(700), torch.full((300,), 2.0)])
    assert errors(two, 0.5).item() ** 2 == pytest.approx(5 / 19, rel=1e-12)


def test_bound_without_a_moment():
    """Catches T^q N missed: 920 ones and heavy values, κ = .1, all that goes is (N - k) ones."""
    x = torch.cat([torch.ones(920).double(), power(80, 1.6) + 1])
    removed = errors(x, 0.1).square() * x.square().sum()
    assert removed.item() / 1000 == pytest.approx(0.9, rel=1e-12)


@pytest.mark.parametrize(("total", "value"), [(10**3, 0.184998), (10**5, 0.114662), (10**6, None)])
def test_only_a_logarithm(total, value):
    """Catches a rate claimed at p = α: x_i = N/i, p = 1."""
    exact = (harmonic(total) - harmonic(total // 4)) / harmonic(total)
    assert errors(ranked(total, 1), 0.25, p=1).item() == pytest.approx(exact, rel=1e-9)
    assert value is None or exact == pytest.approx(value, abs=1e-6)


def test_power_rate():
    """Catches the slope of the square, -.2699 for -.1349, and a wrong constant."""
    limit = (0.25 ** (1 - 2 / 1.6) - 1) / ((2 / 1.6 - 1) * special.zeta(2 / 1.6))
    found = {n: errors(ranked(n, 1.6), 0.25).item() for n in (10**3, 10**4, 10**6)}
    scaled = [found[n] ** 2 * n**0.25 for n in (10**4, 10**6)]
    assert scaled == pytest.approx([0.394893, 0.370775], abs=1e-6)
    assert all(1.02 < one / limit < 1.12 for one in scaled)
    slope = math.log(found[10**6] / found[10**3]) / math.log(10**3)
    assert slope == pytest.approx(-0.1349, abs=0.002)


def test_few_kept():
    """Catches a rate in K that holds for the square only: σ_K² ~ K^(1 - 2/a)."""
    kept = [10, 100, 1000]
    seen = errors(ranked(10**6, 1.2), [Fraction(k, 10**6) for k in kept]).square()
    rate = torch.tensor(kept).double() ** (1 - 2 / 1.2)
    ratio = seen / (rate / ((2 / 1.2 - 1) * special.zeta(2 / 1.2)))
    assert ratio.tolist() == pytest.approx([0.967, 0.996, 0.990], abs=0.006)


def test_truncated_laws():
    """Catches "each width needs an infinite moment": bounds that grow do, a fixed one does not."""
    widths = (10**3, 10**5)
    grows, quarter, stays = [], [], []
    for d in widths:
        x = power(d, 1.5)
        for found, most in ((grows, math.log(d)), (quarter, d**0.25), (stays, 5.0)):
            found.append(errors(x.clamp(max=most), 0.2).item())
        assert errors(x.clamp(max=5.0) * float(d) ** 5, 0.2).item() == pytest.approx(stays[-1])
    assert grows == pytest.approx([0.5324, 0.4488], abs=1e-4)
    assert quarter == pytest.approx([0.5731, 0.3919], abs=1e-4)
    assert stays == pytest.approx([0.5986, 0.5986], abs=1e-4)


@pytest.mark.slow
def test_ten_million():
    """Catches sums that lose their digits among many terms."""
    total = 10**7
    assert errors(ranked(total, 1), 0.25, p=1).item() == pytest.approx(0.083035, abs=1e-6)
    x, most = power(total, 1.5), (math.log(total), total**0.25, 5.0)
    found = [errors(x.clamp(max=limit), 0.2).item() for limit in most]
    assert found == pytest.approx([0.4039, 0.2809, 0.5986], abs=1e-4)


def test_heavy_marginals_are_not_enough():
    """Catches compressibility from the law of one weight: all are Cauchy, .0099 to .4655."""
    d, draws, medians = 4000, 300, []
    for groups in (d, 40, 4, 1):
        scale = 1 / normal(draws, groups, 1, name=f"phi {groups}").abs()
        x = scale * normal(draws, groups, d // groups, name=f"normal {groups}")
        medians.append(errors(x.flatten(1), 0.3).median().item())
    assert medians == sorted(medians)
    assert medians[0] == pytest.approx(0.0099, abs=0.003)
    assert medians[-1] == pytest.approx(math.sqrt(GAUSSIAN.limit(0.3)), abs=0.002)
    assert math.sqrt(GAUSSIAN.limit(0.3)) == pytest.approx(0.465503, abs=1e-6)


def test_rate_of_cauchy_values():
    """Catches a wrong constant: κ as removed .132, one-sided t .211, E[·|·] .749, mean .741."""
    angle = math.pi * 0.7 / 2
    exact = 2 / math.pi * (math.tan(angle) - angle)
    assert kterm.bulk(1, 0.3) == pytest.approx(exact, rel=1e-9)
    assert kterm.bulk(1, 0.3) == pytest.approx(0.549437, abs=1e-6)
    scale = math.sqrt(math.pi * exact / 2)
    assert kterm.stable_rate(1, 0.3, 1) == pytest.approx(scale * HALF_NORMAL_MEDIAN, rel=1e-6)
    assert kterm.stable_rate(1, 0.3, 1) == pytest.approx(0.626605, abs=1e-6)
    found = math.sqrt(500) * errors(cauchy(4_000, 500, name="rate"), 0.3) / scale
    assert stats.kstest(found.numpy(), stats.halfnorm.cdf).statistic < 0.03
    assert found.median().item() * scale == pytest.approx(0.626605, abs=0.03)


def stable_draws(alpha, *shape, name):
    """Symmetric stable values by Chambers, Mallows and Stuck's formula, literally."""
    source = dice("kterm", name)
    angle = math.pi * (uniforms(shape, source) - 0.5)
    wait = -torch.log1p(-uniforms(shape, source))
    first = torch.sin(alpha * angle) / angle.cos() ** (1 / alpha)
    return first * (torch.cos((1 - alpha) * angle) / wait) ** ((1 - alpha) / alpha)


@pytest.mark.parametrize("mean", [100.0, 1e4])
def test_quadrature_of_a_peak_far_from_zero(mean):
    """Catches a peak that falls between the nodes: a limit above 1, or a division by 0."""
    high = stats.norm.ppf(0.7)
    # E[(m + Z)²; Z <= z] = (m² + 1) Φ(z) - (z + 2m) φ(z); nothing lies below 0
    part = (mean**2 + 1) * 0.7 - (high + 2 * mean) * stats.norm.pdf(high)
    found = law_of(stats.norm(mean, 1)).limit(0.3)
    assert found == pytest.approx(part / (mean**2 + 1), abs=1e-8)


@pytest.mark.parametrize(("alpha", "kept", "value"), [(1.45, 0.25, 0.13479), (1.2, 0.4, 0.02772)])
def test_rate_of_stable_values(alpha, kept, value):
    """Catches a constant that is right at α = 1 only, or the exponent of the square."""
    assert kterm.stable_rate(alpha, kept, 4000) == pytest.approx(value, abs=2e-5)
    found = errors(stable_draws(alpha, 400, 4000, name=f"stable {alpha}"), kept)
    assert found.median().item() == pytest.approx(value, rel=0.15)


def test_widths():
    """Catches the exponent α/(2-α): at α = 4/3 four times for sixteen times."""
    seen = [kterm.width_factor(alpha) for alpha in (1, 6 / 5, 4 / 3)]
    assert seen == pytest.approx([4, 8, 16], rel=1e-12)
    wider = kterm.width_factor(1.5, smaller=3)
    ratio = kterm.stable_rate(1.5, 0.5, 100) / kterm.stable_rate(1.5, 0.5, 100 * wider)
    assert ratio == pytest.approx(3, rel=1e-9)


test_refusals = refuses(
    (lambda: errors(torch.ones(3), 1.1), "need 0 <= share <= 1"),
    (lambda: errors(torch.ones(0), 0.5), "need values .*not empty"),
    (lambda: errors(torch.tensor([1.0, math.nan]), 0.5), "need finite values"),
    (lambda: errors(torch.ones(3, dtype=torch.int64), 0.5), "need values of dtype"),
    (lambda: errors(torch.ones(3), 0.5, p=0), "need 0 < p <= 20"),
    (lambda: errors(torch.tensor([1.5, 1.0]), 0.5, p=2000), "need 0 < p <= 20"),  # was 0
    (lambda: removable(torch.ones(3), 1.5), "need 0 <= error <= 1"),
    (lambda: law_of(stats.norm), "need a frozen law"),
    (lambda: law_of(stats.norm(0, 1e100)), r"quantiles of \|X\| from exp"),
    (lambda: law_of(stats.norm(0, -1)), r"quantiles of \|X\| from exp"),
    (lambda: law_of(stats.norm(1e12, 1)), r"quartiles of \|X\| that differ"),
    (lambda: student(-1), "need 0.1 <= degrees"),
    (lambda: student(0.01), "need 0.1 <= degrees"),  # its limits were 1
    (lambda: pareto(0), "need tail > 0"),
    (lambda: replace(GAUSSIAN, moments=-1), "need moments > 0"),
    (lambda: UNIFORM.limit(0.5, q=math.inf), "0 < q < inf"),  # was 0
    (lambda: UNIFORM.removable(0.5, q=-1), "0 < q < inf"),
    (lambda: law_of(stats.binom(2, 0.3)), "need a continuous law, got binom"),
    (lambda: law_of(stats.cauchy()).limit(0.3, q=1), r"need E\|X\|\^1 < inf"),
    (lambda: law_of(stats.t(2)).limit(0.3), r"need E\|X\|\^2 < inf"),
    (lambda: GAUSSIAN.limit(1.5), "need 0 <= kept <= 1"),
    (lambda: replace(GAUSSIAN, atom=1.0).limit(0.5), "need 0 <= atom < 1"),
    (lambda: GAUSSIAN.removable(-0.1), "need 0 <= error <= 1"),
    (lambda: kterm.bulk(1.0, 0.0), "need 0 < kept <= 1"),
    (lambda: kterm.stable_rate(2.0, 0.5, 10), "need 0 < alpha < 2"),
    (lambda: kterm.stable_rate(1.5, 0.5, 0), "count >= 1"),
    (lambda: kterm.stable_rate(1.5, 0.5, -1), "count >= 1"),
    (lambda: kterm.width_factor(1.0, smaller=0.5), "smaller >= 1"),
    (lambda: kterm.width_factor(1.999), "< exp"),
)

"""Tests of Lanczos quadrature."""

import io
from itertools import pairwise

import pytest
import torch
from scipy.optimize import brentq

from compressibility.dice import dice
from compressibility.spectrum.lanczos import Run, lanczos, quadrature, signs
from compressibility.spectrum.operators import Operator, gauss_newton, hessian
from tests.compressibility.helpers import normal, refuses
from tests.compressibility.spectrum.cases import FEW, case_c, haar, of, perceptron, sines


def f(t):
    """The share that a direction of curvature t leaves free: ε = 0.1, R² = 1.5."""
    return 0.2 / (1.5 * t + 0.2)


def thirds():
    """The start of case C: -1 where 3 divides the index."""
    return 1.0 - 2.0 * (torch.arange(1, 81) % 3 == 0).double()


def confocal(run, steps, radius=1.5, epsilon=0.02):
    """ϱ² from a run started at c."""
    (seen,) = run.spectra(steps)
    return brentq(
        lambda x: radius**2 * seen.mean(lambda t: t / (x * t + 2 * epsilon)) - 1, 0, 1e3, xtol=1e-13
    )


@pytest.mark.parametrize("seed", range(3))
def test_few_values_are_exact_after_as_many_steps(seed):
    """Weights that are not squares (.65), no weights (.47), f of the mean in place of its mean."""
    operator = of(FEW)
    run = quadrature(operator, 3, dice("few", seed), starts=2)
    expected = [0.182648, 0.445850, 0.639100]
    for steps, value in enumerate(expected, 1):
        for spectrum in run.spectra(steps):
            assert spectrum.mean(f) == pytest.approx(value, abs=5e-7)
    exact = f(FEW).mean().item()
    assert [s.mean(f) for s in run.spectra()] == pytest.approx([exact] * 2, abs=1e-10)
    assert run.spectrum().mean(f) == pytest.approx(exact, abs=1e-10)
    assert run.mean(f).value == pytest.approx(exact, abs=1e-10)
    assert (run.spectrum().dimension, run.spectrum().kind) == (90, "positive")
    # A start of unequal entries sees another measure; going on after the end changes nothing.
    unequal = torch.arange(1, 91).double() / 90
    for steps in (3, 4, 9):
        weighed = lanczos(operator, unequal, steps).spectrum().mean(f)
        assert weighed == pytest.approx(0.376980, abs=5e-7)


def test_errs_on_one_side():
    """Case C: a quadrature that is not monotone in the steps, or converges elsewhere."""
    operator, start = case_c(), thirds()
    run = lanczos(operator, start, 16)
    found = [run.spectrum(steps).mean(f) for steps in range(1, 17)]
    assert [found[m - 1] for m in (2, 4)] == pytest.approx([0.800336, 0.831868], abs=5e-7)
    values, basis = sines()
    exact = (basis.T @ start).square() @ f(values) / 80
    assert found[7] == pytest.approx(0.8320493, abs=5e-8)
    assert found[7] == pytest.approx(exact.item(), abs=1e-8)
    assert all(a <= b + 1e-13 for a, b in zip(found, [*found[1:], exact], strict=True))


@pytest.mark.parametrize("m", [1, 2, 3])
def test_moments_are_exact_to_degree_2m_minus_1_and_no_further(m):
    """A tridiagonal matrix of which an entry is off, or stands in another place."""
    operator, start = case_c(), thirds()
    (spectrum,) = lanczos(operator, start, m).spectra()
    power = start
    for degree in range(1, 2 * m + 1):
        power = operator @ power
        gap = spectrum.mean(lambda t, p=degree: t**p) - (start @ power).item() / 80
        assert abs(gap) < 1e-11 if degree < 2 * m else abs(gap) > 1e-3
    if m == 2:
        assert abs(gap) == pytest.approx(0.070, abs=5e-4)


def test_started_at_the_removed_weights():
    """Case C: ϱ² from a random start (.4457), with c in the wrong basis (.711), or from below."""
    operator = case_c()
    c = torch.arange(1, 81).double().cos()
    c *= 1.5 / c.norm()
    run = lanczos(operator, c, 32)
    found = [confocal(run, steps) for steps in (1, 2, 4, 8, 16)]
    assert found == pytest.approx([0.963149, 0.960740, 0.949817, 0.946642, 0.946595], abs=5e-7)
    quotient = 2.25 * run.spectrum(1).mean(lambda t: t) / 0.04
    assert quotient == pytest.approx(1.748454, abs=5e-7)  # one step knows cᵀHc
    path = [confocal(run, steps) for steps in range(1, 33)]
    assert all(a >= b - 1e-12 for a, b in pairwise(path))
    basis = sines()[1]
    few = basis[:, 0] - 0.5 * basis[:, 4] + 2 * basis[:, 30]
    run = lanczos(operator, few, 3)
    found = [confocal(run, steps, few.norm().item()) for steps in (1, 2, 3)]
    assert found == pytest.approx([5.199786, 4.468976, 4.044342], abs=5e-7)


def test_basis_stays_orthogonal():
    """Ghosts: copies of the largest Ritz value (about 7 above 3.9, where one is right)."""
    run = lanczos(case_c(), thirds(), 60)
    assert (run.spectrum().values > 3.9).sum() == 1
    gram = run.basis[0] @ run.basis[0].T
    assert torch.allclose(gram, torch.eye(61).double(), atol=1e-13)
    single = lanczos(hessian(perceptron(8, 8, 4)), normal(108).float(), 40).basis[0]
    assert torch.allclose(single @ single.T, torch.eye(41).double(), atol=1e-13)


def test_full_length_is_the_spectrum():
    """Signed values whose sign is lost; a run to the very end that divides by 0."""
    values = torch.linspace(-1, 2, 30).double()
    operator = of(haar(30) * values @ haar(30).T, "signed")
    found = lanczos(operator, normal(30), 30).spectrum()
    assert found.kind == "signed"
    assert torch.allclose(found.values, values, atol=1e-10)
    assert torch.equal(lanczos(of(torch.zeros(5)), normal(5), 5).spectrum().values, torch.zeros(5))


def test_several_starts_are_single_runs():
    """A start whose space is exhausted early and spoils its neighbors, or itself."""
    operator = case_c()
    basis = sines()[1]
    starts = torch.stack([thirds(), basis[:, 2], normal(80), basis[:, 0] + basis[:, 9]], 1)
    together = lanczos(operator, starts, 12)
    for start, spectrum in zip(starts.T, together.spectra(), strict=True):
        (alone,) = lanczos(operator, start, 12).spectra()
        assert spectrum.mean(f) == pytest.approx(alone.mean(f), abs=1e-12)
    assert together.spectra()[1].mean(f) == pytest.approx(f(4 * 3**-1.5), abs=1e-12)
    doubled = lanczos(operator, 1e3 * starts, 12)
    assert torch.allclose(doubled.diagonal, together.diagonal, atol=1e-12)


def test_interrupted_run_goes_on_with_the_same_numbers():
    """A run that starts anew, or forgets the vectors that it must stay orthogonal to."""
    operator = hessian(perceptron(4, 5, 3))
    seen = []
    whole = quadrature(operator, 12, dice("whole"), starts=2, progress=seen.append)
    assert [run.steps for run in seen] == list(range(1, 13))
    file = io.BytesIO()
    torch.save(vars(seen[4]), file)
    file.seek(0)
    saved = Run(**torch.load(file))
    on = lanczos(operator, saved, 12)
    for name in ("basis", "diagonal", "beside"):
        assert torch.equal(getattr(on, name), getattr(whole, name))
        assert torch.equal(getattr(seen[-1], name), getattr(whole, name))
    assert saved.steps == 5
    first = zip(whole.spectra(5), saved.spectra(), strict=True)
    assert all(torch.equal(a.values, b.values) for a, b in first)


def test_interval_holds_the_trace():
    """Starts that are not random, or the spread of one start's values taken for the starts'."""
    values = torch.logspace(-3, 1, 60).double()
    operator = of(haar(60) * values @ haar(60).T)
    exact = f(values).mean().item()
    found = [quadrature(operator, 30, dice("interval", i), starts=4).mean(f) for i in range(40)]
    assert sum(not one.low <= exact <= one.high for one in found) <= 3
    means = torch.tensor([one.value for one in found], dtype=torch.float64)
    assert abs(means.mean() - exact) < 4 * means.std() / 40**0.5
    # Var v'Av for signs v: twice the sum of the squares off A's diagonal; here over D and 4 starts.
    A = (haar(60) * f(values)) @ haar(60).T
    spread = (2 * (A.square().sum() - A.diag().square().sum())).sqrt() / 60 / 2
    assert means.std().item() == pytest.approx(spread.item(), rel=0.4)
    assert all(one.n == 4 and one.level == 0.99 for one in found)


def test_starts_are_signs():
    """Starts of unequal size, of one sign, or the same for every run."""
    found = signs(of(torch.ones(400)), 3, dice("signs"))
    assert found.shape == (400, 3)
    assert torch.equal(found.abs(), torch.ones_like(found))
    assert (found.mean(0).abs() < 4 / 400**0.5).all()
    assert ((found.T @ found).fill_diagonal_(0).abs() < 4 * 400**0.5).all()
    assert torch.equal(found, signs(of(torch.ones(400)), 3, dice("signs")))


@pytest.mark.parametrize("make", [hessian, gauss_newton])
def test_networks_against_all_eigenvalues(make):
    """Ritz values of a network whose share is off by more than .01 after 44 of 69 steps."""
    operator = make(perceptron(7, 6, 3, samples=30, sizes=[10, 20]))
    bowl = operator.dense()
    starts = torch.cat([signs(operator, 2, dice("network")), normal(69, 1)], 1)
    found = lanczos(operator, starts, 44).spectra()
    for scale in (0.003, 0.1):

        def share(t, scale=scale):
            return scale / (t.square() + scale)

        exact = [bowl.along(start).mean(share) for start in starts.T]
        assert [one.mean(share) for one in found] == pytest.approx(exact, abs=0.01)
        averaged = quadrature(operator, 44, dice("network"), starts=2).spectrum().mean(share)
        assert averaged == pytest.approx(sum(exact[:2]) / 2, abs=0.01)


TEN = of(torch.linspace(1, 2, 10))
DONE = lanczos(TEN, torch.ones(10), 4)


@pytest.mark.parametrize("size", [1e-30, 1e-200, 1e200])
def test_a_start_of_any_size(size):
    """Catches a square that leaves the floats: of weights that decay has left near 0, say."""
    single = Operator(lambda v: torch.linspace(1, 2, 10)[:, None] * v, torch.zeros(10), "positive")
    c = torch.full((10,), size, dtype=torch.float64)
    for operator in (TEN, single):
        found = lanczos(operator, c, 3).spectrum()
        assert found.mean(lambda t: t) == pytest.approx(1.5, abs=1e-6)


test_bad_arguments = refuses(
    (lambda: lanczos(TEN, torch.ones(10), 11), "1 <= steps <= 10"),
    (lambda: lanczos(TEN, torch.ones(10), 0), "1 <= steps <= 10"),
    (lambda: lanczos(TEN, torch.zeros(10), 2), "starts != 0"),
    (lambda: lanczos(TEN, torch.ones(10, 0), 2), r"starts \(D,\)"),
    (lambda: lanczos(TEN, torch.ones(9), 2), r"starts \(D,\) or \(D, k\), D = 10, got \(9,\)"),
    (lambda: lanczos(of(torch.linspace(2, 5, 10)), DONE, 5), "this operator, got one that differs"),
    (lambda: lanczos(TEN, torch.full((10,), torch.nan), 2), "finite starts"),
    (lambda: lanczos(TEN, DONE, 3), "at most 3 steps"),
    (lambda: lanczos(of(torch.ones(10), "signed"), DONE, 5), "of this operator"),
    (lambda: DONE.spectra(5), "1 <= steps <= 4"),
    (lambda: DONE.mean(f), "at least 2 values"),
    (lambda: quadrature(TEN, 2, dice("x"), starts=0), "a whole count >= 1"),
)

"""From layers to outputs: hybrids, gaps, and a promise in units of the variance."""

import math
from itertools import pairwise

import pytest
import torch

from compressibility.bounds.pruned_layer.promises import (
    certified,
    changes_bound,
    gaps,
    hybrid_bound,
    vacuity,
    xi_for,
)
from tests.compressibility.helpers import normal, refuses

SHEET = {"c1": 5, "m": 3, "radius": 4.8, "variance": 400}


def both(dense, cut, inputs, phi):
    """The change of the outputs, and each layer's damage on what the compressed layers feed it."""
    x, seen, damages = inputs, inputs, []
    for at, (w, a) in enumerate(zip(dense, cut, strict=True)):
        damages.append((seen @ (w - a).T).square().sum(1).mean().item())
        x, seen = x @ w.T, seen @ a.T
        if at + 1 < len(dense):
            x, seen = phi(x), phi(seen)
    return (x - seen).square().sum(1).mean().sqrt().item(), damages


@pytest.mark.parametrize(("cut", "reached"), [((0.5, 1.0), 1.5), ((2.0, 3.0), 4.0)])
def test_hybrids_are_attained(cut, reached):
    """Catches squares added (1.25 < 2.25), the layer's own norm in its product: W = 1, 2."""
    dense, inputs = [torch.tensor([[w]]) for w in (1.0, 2.0)], torch.tensor([[1.0], [-1.0]])
    change, damages = both(dense, [torch.tensor([[a]]) for a in cut], inputs, lambda x: x)
    assert change == reached
    assert hybrid_bound([1, 2], damages) == reached


def test_hybrids_of_three_layers():
    """Catches norms before the layer for those after it, a power, a forgotten root."""
    assert hybrid_bound([7, 3, 2], [4, 9, 16]) == 3 * 2 * 2 + 2 * 3 + 4
    widths = (5, 8, 6, 3)
    for seed in range(20):
        dense = [normal(a, b, seed=9 * seed + a) for b, a in pairwise(widths)]
        cut = [w * (normal(*w.shape, seed=seed) > 0.3 - seed / 10) for w in dense]
        change, damages = both(dense, cut, normal(40, 5, seed=seed), torch.relu)
        assert change <= hybrid_bound([float(torch.linalg.norm(w, 2)) for w in dense], damages)


def test_gaps():
    """Catches the largest minus the smallest, or a sign."""
    found = gaps(torch.tensor([[1.0, 4.0, 2.5], [3.0, -1.0, 3.0]]))
    assert found.tolist() == [1.5, 0]
    assert found.dtype == torch.float64


def test_certificates_are_tight():
    """Catches gap² for half of it: (1, 0) to (.5, .5) is a tie, just before it is not."""
    dense = torch.tensor([[1.0, 0.0]] * 4)
    cut = torch.tensor([[0.5, 0.5], [0.501, 0.499], [0.499, 0.501], [math.nan, 0.0]])
    assert certified(dense, cut).tolist() == [False, True, False, False]


def test_certified_answers_stay():
    """Catches a certificate of an answer that changes: many small and large changes."""
    dense = normal(4000, 3)
    cut = dense + normal(4000, 3, seed=1) * normal(4000, 1, seed=2)
    changed = dense.argmax(1) != cut.argmax(1)
    sure = certified(dense, cut)
    assert not (sure & changed).any()
    assert 0.1 < sure.double().mean() < 0.9
    assert changed.double().mean() > 0.1
    error = (dense - cut).square().sum(1).mean().item()
    for tau in (0.1, 1, 3, 10):
        share = (gaps(dense) <= tau).double().mean().item()
        bound = changes_bound(dense, error, tau)
        assert bound == pytest.approx(share + 2 * error / tau**2)
        assert bound >= changed.double().mean()


def test_the_line_of_markov_is_attained():
    """Catches a lost or doubled 2, τ for τ²: a quarter moved just as far as it takes."""
    dense = torch.tensor([[2.0, 0.0]] * 4, dtype=torch.float64)
    cut = dense.clone()
    cut[0] = torch.tensor([0.999, 1.001])
    error = (dense - cut).square().sum(1).mean().item()
    assert changes_bound(dense, error, 1.9999) == pytest.approx(0.25, rel=3e-3)
    assert changes_bound(dense, 0, 2) == 1  # gaps of τ itself count


def test_vacuity():
    """Catches c1^m (1.2·10⁴ too little), a lost radius, the second moment for the variance."""
    assert vacuity(0.5, **SHEET) == pytest.approx(1518.75, rel=1e-12)
    for xi in (0.01, 0.3, 0.99):
        by_hand = xi / (400 / (4.8**2 * 5**6))
        for _ in range(3):
            by_hand *= 1 + xi
        assert vacuity(xi, **SHEET) == pytest.approx(by_hand)
    assert vacuity(0.5, c1=1, m=1, radius=1, variance=1) == 0.75
    digits = {"c1": 1, "m": 3, "radius": 1, "variance": 0.00104}
    assert vacuity(0.5, **digits) == pytest.approx(1620, abs=5)
    assert xi_for(0.01, **digits) == pytest.approx(1.04e-5, abs=5e-8)


def test_a_budget_and_its_xi():
    """Catches a root of another power, a root that is not relative: tiny and largest budgets."""
    assert xi_for(0.01, **SHEET) == pytest.approx(1.11107e-5, rel=1e-5)
    assert xi_for(0.1, c1=1, m=2, radius=1, variance=1) == pytest.approx(0.0849529, rel=1e-6)
    for m in (1, 2, 5, 40):
        for budget, variance in ((1, 1), (1, 0.5), (0.01, 0.3), (1e-9, 1e-9), (1e-60, 1e-60)):
            network = {"c1": 1.0, "m": m, "radius": 1.0, "variance": variance}
            xi, t = xi_for(budget, **network), budget * variance
            assert vacuity(xi, **network) == pytest.approx(budget, rel=1e-12)
            assert t / (1 + t) ** m * (1 - 1e-12) <= xi <= t * (1 + 1e-12)


test_refusals = refuses(
    (lambda: hybrid_bound([1], [1, 2]), "each layer"),
    (lambda: hybrid_bound([], []), "each layer"),
    (lambda: hybrid_bound([-1], [1]), "least"),
    (lambda: gaps(torch.ones(3, 1)), "classes"),
    (lambda: gaps(torch.tensor([[math.nan, 1.0]])), "finite"),
    (lambda: certified(torch.ones(3, 2), torch.ones(3, 3)), "compressed"),
    (lambda: changes_bound(torch.ones(3, 2), 1, 0), "tau"),
    (lambda: changes_bound(torch.ones(3, 2), -1, 1), "error"),
    (lambda: vacuity(0.5, c1=1, m=1, radius=1, variance=2), "variance"),
    (lambda: xi_for(0.1, c1=1, m=1, radius=1, variance=2), "variance"),
    (lambda: xi_for(1.1, c1=1, m=1, radius=1, variance=1), "budget"),
    (lambda: xi_for(0, c1=1, m=1, radius=1, variance=1), "budget"),
)

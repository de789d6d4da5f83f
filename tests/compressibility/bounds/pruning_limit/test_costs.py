"""Exact costs of pruning: brute force over supports, literal solves, operators by their names."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch

from compressibility.bounds.pruning_limit.costs import (
    Ranking,
    Scan,
    isotropic_costs,
    one_shot_costs,
    readjusted_cost,
    readjusted_costs,
    removable,
)
from compressibility.dice import dice
from compressibility.pruning import removal
from compressibility.spectrum.density import Bowl
from tests.compressibility.bounds.pruning_limit.cases import ball, haar, numbers, three_decades
from tests.compressibility.helpers import normal, refuses

CHAIN = Bowl(numbers((2.0, 1.0, 0.0), (1.0, 2.0, 1.0), (0.0, 1.0, 2.0)), "positive")
PAIR = Bowl(numbers((1.0, 0.9, 0.0), (0.9, 1.0, 0.0), (0.0, 0.0, 1.0)), "positive")
SADDLE = Bowl(numbers((2.0, 1.0), (1.0, -0.5)), "signed")


def removing(weights, removed):
    """A ranking that removes these first."""
    rest = [i for i in range(len(weights)) if i not in removed]
    return Ranking(weights, torch.tensor([*removed, *rest]))


def least(matrix, weights, removed):
    """½ min (w - v)ᵀH(w - v) over v on the rest, by least squares on H^½."""
    values, vectors = np.linalg.eigh(matrix.numpy())
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    rest = [i for i in range(len(weights)) if i not in removed]
    c = np.where(np.isin(range(len(weights)), removed), weights.numpy(), 0.0)
    v = np.linalg.lstsq(root[:, rest], root @ c, rcond=1e-9)[0]
    return float(np.square(root[:, rest] @ v - root @ c).sum() / 2)


def test_counts_and_radii():
    """Catches a floor for a ceiling, a count in floats, R for R², and layers cut one by one."""
    ranking = Ranking.magnitude(torch.arange(1.0, 8.0))
    assert [ranking.radius2(s) for s in (0, 0.3, Fraction(2, 7), 1)] == [0, 14, 5, 140]
    assert Ranking.magnitude(torch.ones(100)).radius2(0.29) == 29
    layers = torch.cat([torch.tensor([0.1, -0.2]), torch.tensor([1.0, 2.0])])
    assert Ranking.magnitude(layers).radius2(0.5) == pytest.approx(0.05, rel=1e-6)
    ranking = Ranking.magnitude(torch.tensor([3.0, -1.0, 2.0, 1.0]))
    assert ranking.removed(2).tolist() == [0, -1, 0, 1]
    assert ranking.squares.tolist() == [0, 1, 2, 6, 15]


def test_the_same_weights_go_as_in_pruning():
    """Catches another choice among equals, and kept weights reported as removed."""
    weight = torch.tensor([[1.0, -1.0, 2.0], [1.0, 0.0, -2.0]])
    ranking = Ranking.magnitude(weight.flatten())
    for k in range(7):
        kept = removal.magnitude(weight, Fraction(k, 6)).weight.flatten()
        assert torch.equal(kept + ranking.removed(6 - k), weight.flatten())
    lots = Ranking.random(weight.flatten(), dice("lots"))
    assert sorted(lots.order.tolist()) == list(range(6))
    assert lots.squares[-1] == ranking.squares[-1]


def test_one_shot_costs_are_the_quadratic_loss():
    """Catches a lost half, a diagonal for H, c of the kept weights: the loss itself."""
    factor, w = normal(9, 9, seed=3), normal(9, seed=4)
    bowl, ranking = Bowl(factor @ factor.T - torch.eye(9), "signed"), Ranking.magnitude(w)
    costs = one_shot_costs(bowl, ranking)
    for j in range(10):
        away = (w - ranking.removed(j)) - w
        assert costs[j].item() == pytest.approx(float(away @ bowl.matrix @ away) / 2, abs=1e-10)
    bowl, ranking, epsilon = ball()
    assert removable(one_shot_costs(bowl, ranking), epsilon).largest == 0.686


def test_isotropic_costs_are_means_over_rotations():
    """Catches the whole trace for that of the removed part: .458 for .125."""
    ranking = removing(numbers(0.3, 0.4, 2.0), [0, 1])
    assert isotropic_costs(numbers(1, 1, 9), ranking)[2].item() == pytest.approx(0.125, abs=1e-12)
    flat = isotropic_costs(numbers(2, 2, 2), ranking)
    bowl = Bowl(torch.eye(3) * 2, "positive")
    assert torch.allclose(flat, one_shot_costs(bowl, ranking), atol=1e-12)
    # On a plane, the mean over all angles.
    angles = torch.arange(64, dtype=torch.float64) * math.pi / 32
    turned = 0.5 * torch.stack([angles.cos(), angles.sin()])
    mean = float((turned * (numbers((1, 0.7), (0.7, 5)) @ turned)).sum(0).mean()) / 2
    assert isotropic_costs(numbers(1, 5, 9), ranking)[2].item() == pytest.approx(mean, abs=1e-12)


def test_scans_of_what_is_not_monotone():
    """Catches bisection, a first crossing for the largest, and Q < 1 for Q <= 1."""
    costs = one_shot_costs(PAIR, Ranking.magnitude(numbers(1, -1.05, 3)))
    assert (4 * costs[1:]).tolist() == pytest.approx([2, 0.425, 18.425], abs=1e-9)  # Q
    assert removable(costs, 0.25) == Scan(0.0, 2 / 3)
    equal = one_shot_costs(Bowl(torch.eye(2), "positive"), Ranking.magnitude(numbers(1, 2)))
    assert removable(equal, 0.5) == Scan(0.5, 0.5)
    assert removable(torch.tensor([0.0, 1.0, 0.0, 9.0, 0.0]), 0.5) == Scan(0.0, 1.0)
    assert removable(torch.zeros(4), 0.5) == Scan(1.0, 1.0)
    assert removable(torch.ones(4), 0.5) == Scan(0.0, 0.0)
    # A sweep that looks at every third count, and begins with a failure.
    assert Scan.over([False, True, False], [3, 6, 9], 12) == Scan(0.0, 0.5)
    assert Scan.over([True, True, False], [3, 6, 9], 12) == Scan(0.5, 0.5)


def test_re_adjusted_costs_of_a_chain():
    """Catches ½cᵀHc, single weights' sums, an inverse left out, a lost half, K and P exchanged."""
    ranking = removing(numbers(0.5, -0.6, 2.0), [0, 1])
    found = readjusted_costs(CHAIN, ranking)
    assert found[2].item() == pytest.approx(0.22, abs=1e-10)
    c = numbers(0.5, -0.6)
    block = torch.linalg.inv(torch.linalg.inv(CHAIN.matrix)[:2, :2])
    assert float(c @ block @ c) / 2 == pytest.approx(0.22, abs=1e-12)
    assert one_shot_costs(CHAIN, ranking)[2].item() == pytest.approx(0.31, abs=1e-12)


def test_re_adjusted_costs_are_least_for_every_count():
    """Catches nested supports in the wrong order, and a factor of the wrong triangle."""
    factor, w = normal(12, 12, seed=5), normal(12, seed=6)
    bowl, ranking = Bowl(factor @ factor.T, "gauss_newton"), Ranking.magnitude(w)
    found = readjusted_costs(bowl, ranking)
    for j in range(13):
        assert found[j].item() == pytest.approx(
            least(bowl.matrix, w, ranking.order[:j].tolist()), rel=1e-8, abs=1e-10
        )
    assert (found.diff() >= 0).all()
    assert (found <= one_shot_costs(bowl, ranking) + 1e-9).all()
    assert found[-1].item() == pytest.approx(float(w @ bowl.matrix @ w) / 2)


def test_singular_operators():
    """Catches an inverse of what has none: rank one, and rank 5 of 12, by least squares."""
    x = numbers(1, 2, 3, 4)
    ranking = removing(numbers(0.1, -0.2, 0.5, 1.0), [0, 1])
    bowl = Bowl(x.outer(x), "gauss_newton")
    assert readjusted_costs(bowl, ranking)[2].item() == pytest.approx(0, abs=1e-10)
    assert one_shot_costs(bowl, ranking)[2].item() == pytest.approx(0.045, abs=1e-12)
    factor, w = normal(12, 5, seed=7), normal(12, seed=8)
    bowl, ranking = Bowl(factor @ factor.T, "gauss_newton"), Ranking.magnitude(w)
    found = readjusted_costs(bowl, ranking)
    known = [least(bowl.matrix, w, ranking.order[:j].tolist()) for j in range(13)]
    assert found.tolist() == pytest.approx(known, abs=1e-9)
    assert known[7] < 1e-12 < known[8]


def test_ends_of_the_range():
    """Catches an error where nothing curves, nothing is left, or there is one weight only."""
    ranking, flat = Ranking.magnitude(numbers(1, 2, 3)), Bowl(torch.zeros(3, 3), "absolute")
    for costs in (readjusted_costs, one_shot_costs):
        assert costs(flat, ranking).tolist() == pytest.approx([0] * 4, abs=1e-99)
    one = Bowl(numbers((4.0,)), "positive"), Ranking.magnitude(numbers(-3))
    assert readjusted_costs(*one).tolist() == pytest.approx([0, 18]) == one_shot_costs(*one)
    product = lambda v: CHAIN.matrix @ v  # noqa: E731
    solve = lambda k, b: torch.linalg.solve(CHAIN.matrix[k][:, k], b)  # noqa: E731
    exact = readjusted_costs(CHAIN, ranking)
    for removed in range(4):
        cost = readjusted_cost(ranking, removed, product, solve if removed < 3 else None)
        assert cost == pytest.approx(exact[removed].item(), abs=1e-9)


def test_against_all_supports():
    """Catches sums over single weights, which look like an optimum, and magnitude taken for it."""
    i = torch.arange(1, 10, dtype=torch.float64)
    matrix = 1 / ((1 + (i[:, None] - i).abs()) * i.outer(i).sqrt())
    bowl, w = Bowl(matrix, "positive"), torch.cos(1.7 * i)
    ranking = Ranking.magnitude(w)
    every = {p: least(matrix, w, list(p)) for p in combinations(range(9), 5)}
    best = min(every, key=every.get)
    assert [j + 1 for j in best] == [1, 3, 5, 8, 9]
    assert every[best] == pytest.approx(0.0769536, abs=1e-7)
    assert sum(cost <= 0.1 for cost in every.values()) == 12
    for support, cost in list(every.items())[::9]:
        found = readjusted_costs(bowl, removing(w, list(support)))[5].item()
        assert found == pytest.approx(cost, abs=1e-10)
    costs = readjusted_costs(bowl, ranking), one_shot_costs(bowl, ranking)
    assert [c[5].item() for c in costs] == pytest.approx([0.0968386, 0.1087255], abs=1e-7)
    assert [removable(c, 0.1).largest * 9 for c in costs] == [5, 4]
    assert min(least(matrix, w, list(p)) for p in combinations(range(9), 6)) <= 0.1


def test_four_operators_give_four_answers():
    """Catches a saddle reported as a minimum, and |H| for H₊."""
    ranking = removing(numbers(1.0, 0.0), [0])
    with pytest.raises(ValueError, match=r"absolute\(\), positive\(\) or Gauss-Newton"):
        readjusted_costs(SADDLE, ranking)
    found = [readjusted_costs(b, ranking)[1].item() for b in (SADDLE.absolute(), SADDLE.positive())]
    # H₊ has rank one: the other weight makes up for all.
    assert found == pytest.approx([0.985096, 0], abs=1e-6)
    with pytest.raises(ValueError, match=r"semi-definite matrix \(positive\(\) cuts what rounding"):
        readjusted_costs(Bowl(SADDLE.matrix, "gauss_newton"), ranking)


def test_one_count_with_products_and_solves():
    """Catches a right-hand side without its sign, and an inexact solve that goes below."""
    factor, w = normal(15, 15, seed=9), normal(15, seed=10)
    bowl, ranking = Bowl(factor @ factor.T, "gauss_newton"), Ranking.magnitude(w)
    exact = readjusted_costs(bowl, ranking)[9].item()

    def solve(kept, b):
        return torch.linalg.solve(bowl.matrix[kept][:, kept], b)

    for part in (1.0, 0.9, 0.0):
        found = readjusted_cost(
            ranking, 9, lambda v: bowl.matrix @ v, lambda k, b, part=part: part * solve(k, b)
        )
        assert found == pytest.approx(exact, rel=1e-9) if part == 1 else found > exact
    assert found == pytest.approx(one_shot_costs(bowl, ranking)[9].item(), rel=1e-9)


def test_gradual_pruning_costs_less_than_one_shot():
    """Catches the old weights' ranking, 2.095, and the right support without re-adjusting, 1.22."""
    w = numbers(1, 1.1, 1.2)
    shot, steps = Ranking.magnitude(w), removing(w, [0, 2])  # w_2 has become 2.0 when w_3 goes
    assert math.sqrt(shot.radius2(Fraction(2, 3))) == pytest.approx(1.4866, abs=1e-4)
    found = [readjusted_costs(PAIR, one)[2].item() for one in (shot, steps)]
    assert found == pytest.approx([2.095, 0.815], abs=1e-9)
    assert one_shot_costs(PAIR, steps)[2].item() == pytest.approx(1.22, abs=1e-12)


def test_random_subspaces_meet_at_the_complement():
    """Catches δ for D - δ: the dimensions that nested random subspaces need, within 4 errors."""
    known = {"flat": 192.99, "sharp": 242.71, "all": 235.35}
    cones, generator = {part: three_decades(part) for part in known}, dice("nested")
    counts = {part: [] for part in known}
    for _ in range(30):
        basis = haar(300, generator)
        turned = Bowl((basis.T * cones["all"].spectrum.values) @ basis, "positive")
        for part, cone in cones.items():
            c = basis.T @ cone.along.weights.sqrt() * 1.5
            costs = readjusted_costs(turned, Ranking(c, torch.arange(299, -1, -1)))
            counts[part].append(300 * (1 - removable(costs, 0.03).largest))
    for part, half in known.items():
        error = np.std(counts[part]) / math.sqrt(30)
        assert abs(np.mean(counts[part]) - half) < 4 * error
        assert 0.3 < np.std(counts[part]) / math.sqrt(300) < 0.8


test_refusals = refuses(
    (lambda: Ranking.magnitude(torch.ones(2, 2)), "weights"),
    (lambda: Ranking.magnitude(torch.tensor([1.0, math.nan])), "finite weights"),
    (lambda: Ranking.magnitude(torch.ones(3)).radius2(1.2), "share"),
    (lambda: Ranking.magnitude(torch.ones(3)).removed(4), r"counts in 0\.\.3, got \[4\]"),
    (lambda: Ranking.magnitude(torch.ones(3)).removed(-1), r"counts in 0\.\.3, got \[-1\]"),
    (lambda: Ranking(torch.ones(3), torch.tensor([0, 0, 1])), "an order of 0..2, each once"),
    (lambda: Ranking(torch.ones(3), torch.arange(2)), "an order of 0..2, each once"),
    (lambda: removable(torch.zeros(3), math.nan), "0 <= allowed < inf"),
    (lambda: Ranking(torch.ones(3), torch.arange(3.0)), "an order of.*float32"),
    (lambda: removable(torch.zeros(1), 1.0), r"costs \(D \+ 1,\)"),
    (lambda: removable(torch.zeros(2, 2), 1.0), r"costs \(D \+ 1,\)"),
    (lambda: isotropic_costs(CHAIN.matrix, Ranking.magnitude(torch.ones(3))), "a diagonal"),
    (lambda: removable(torch.zeros(3), -1.0), "0 <= allowed < inf"),
    (lambda: removable(torch.tensor([0.0, math.nan]), 1.0), "costs that are numbers"),
    (
        lambda: isotropic_costs(numbers(1, math.nan), Ranking.magnitude(torch.ones(2))),
        "finite diagonal",
    ),
    (lambda: one_shot_costs(CHAIN, Ranking.magnitude(torch.ones(4))), "one D, 3 of the operator"),
    (lambda: readjusted_costs(CHAIN, Ranking.magnitude(torch.ones(4))), "one D, 3"),
    (lambda: isotropic_costs(torch.ones(3), Ranking.magnitude(torch.ones(4))), "one D, 3"),
)

"""Tests of trace estimators, solves, and the costs along a path of prunings."""

import math

import pytest
import torch
from torch import nn

from compressibility.bounds.pruning_limit.costs import (
    Ranking,
    one_shot_costs,
    readjusted_cost,
    readjusted_costs,
)
from compressibility.dice import dice
from compressibility.spectrum.lanczos import lanczos, quadrature
from compressibility.spectrum.operators import Objective, Operator, gauss_newton, hessian
from compressibility.spectrum.traces import (
    absolute_trace,
    hutch_plus_plus,
    hutchinson,
    path_costs,
    solve,
)
from tests.compressibility.helpers import normal, refuses
from tests.compressibility.spectrum.cases import haar, of, perceptron

DECAY = 10.0 ** torch.linspace(2, -3, 50).double()
FULL = of(haar(50) * DECAY @ haar(50).T)


@pytest.mark.parametrize("trace", [hutchinson, hutch_plus_plus])
def test_traces_are_unbiased_with_their_interval(trace):
    """The mean over D for the trace; an interval of one probe's products, or of half the spread."""
    found = [trace(FULL, 8, dice("unbiased", i)) for i in range(60)]
    exact = DECAY.sum().item()
    assert sum(not one.low <= exact <= one.high for one in found) <= 4
    values = torch.tensor([one.value for one in found], dtype=torch.float64)
    assert abs(values.mean() - exact) < 4 * values.std() / 60**0.5
    assert all(one.n == 8 for one in found)
    if trace is hutchinson:
        off = FULL.dense().matrix.square().sum() - FULL.dense().matrix.diag().square().sum()
        assert values.std().item() == pytest.approx((2 * off / 8).sqrt().item(), rel=0.35)


def test_hutch_plus_plus_catches_what_is_large():
    """A sketch that is not taken out of the rest, counts twice, or comes from the same vectors."""
    low = of(haar(50)[:, :5] @ haar(50)[:, :5].T)
    found = hutch_plus_plus(low, 5, dice("low"))
    assert found.value == pytest.approx(5, abs=1e-10)
    assert hutchinson(of(DECAY), 2, dice("diagonal")).value == pytest.approx(DECAY.sum().item())
    errors = torch.tensor(
        [
            [abs(trace(FULL, n, dice("error", i)).value - DECAY.sum().item()) for i in range(20)]
            for trace, n in ((hutchinson, 30), (hutch_plus_plus, 10))
        ]
    )
    assert 2 * errors[1].mean() < errors[0].mean()


def test_absolute_trace():
    """The signed trace, 3, of a spectrum whose sizes sum to 5."""
    values = torch.tensor([3.0, 1.0, -1.0]).double()
    run = quadrature(of(values, "signed"), 3, dice("signed"), starts=2)
    assert absolute_trace(run).value == pytest.approx(5, abs=1e-10)
    operator = hessian(perceptron(6, 5, 3))
    values = operator.dense().spectrum.values
    assert (values < 0).sum() > 3
    found = absolute_trace(quadrature(operator, 40, dice("sizes"), starts=6))
    assert found.low < values.abs().sum().item() < found.high
    assert found.value == pytest.approx(values.abs().sum().item(), rel=0.15)


def test_trace_of_the_removed_block():
    """The whole trace (surrogate .458) for that of the removed coordinates (.125)."""
    removed = torch.tensor([True, True, False])
    trace = hutchinson(of([1.0, 1.0, 9.0]).restricted(removed), 2, dice("block")).value
    assert 0.25 * trace / 4 == pytest.approx(0.125)


def readjusted(operator, weights, kept):
    """Least cost of a support, from the value at the minimum and not from the minimizer."""
    c = torch.where(kept, 0.0, weights)
    moved = operator @ c
    x = solve(operator.restricted(kept), moved[kept], tolerance=1e-12)
    return ((c @ moved - moved[kept] @ x) / 2).item()


def test_readjusted_weights_cost_least():
    """½cᵀHc (.31 and .045); weights one by one; kept and removed exchanged (2.67)."""
    H = torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]])
    kept = torch.tensor([False, False, True])
    w = torch.tensor([0.5, -0.6, 2.0], dtype=torch.float64)
    assert readjusted(of(H), w, kept) == pytest.approx(0.22, abs=1e-10)
    x, w = torch.arange(1.0, 5.0), torch.tensor([0.1, -0.2, 0.5, 1.0], dtype=torch.float64)
    kept = torch.tensor([False, False, True, True])
    rank_one = of(x[:, None] * x)
    assert readjusted(rank_one, w, kept) == pytest.approx(0, abs=1e-10)
    cost = path_costs(rank_one, w, torch.arange(4), [2]).item()
    assert cost == pytest.approx(0.045, abs=1e-10)


def test_nine_weights():
    """Case of nine: solves on kept coordinates in another order, or of another block."""
    i = torch.arange(1, 10).double()
    H = 1 / ((1 + (i[:, None] - i).abs()) * (i[:, None] * i).sqrt())
    w = (1.7 * i).cos()
    best = torch.tensor([j not in (1, 3, 5, 8, 9) for j in range(1, 10)])
    assert readjusted(of(H), w, best) == pytest.approx(0.0769536, abs=5e-8)
    ranking = Ranking.magnitude(w)
    size = torch.ones(9, dtype=torch.bool)
    size[ranking.order[:5]] = False
    assert readjusted(of(H), w, size) == pytest.approx(0.0968386, abs=5e-8)
    assert path_costs(of(H), w, ranking.order, [5]).item() == pytest.approx(0.1087255, abs=5e-8)


def test_a_network_without_its_matrix_and_with_it():
    """Costs of other supports; a block that is solved in another order than it is multiplied."""
    objective = perceptron(5, 6, 3, samples=200, sizes=[150, 50])
    operator, ranking = gauss_newton(objective), Ranking.magnitude(objective.weights())
    bowl, counts = operator.dense(), range(58)
    costs = path_costs(operator, ranking.weights, ranking.order, counts)
    assert torch.allclose(costs, one_shot_costs(bowl, ranking), atol=1e-12)
    damped = Operator(lambda v: operator.product(v) + 1e-3 * v, operator.like, "positive")
    exact = readjusted_costs(damped.dense(), ranking)
    for removed in (10, 35, 55):
        found = readjusted_cost(
            ranking, removed, damped.__matmul__, lambda k, b: solve(damped.restricted(k), b)
        )
        assert found == pytest.approx(exact[removed].item(), rel=1e-9)
        assert found >= exact[removed].item() * (1 - 1e-9)


def test_costs_are_those_of_a_quadratic_loss():
    """The half forgotten: 2ε for ε; cross terms between layers or batches left out."""
    model = nn.Linear(6, 2).double().eval()
    x = normal(30, 6)
    y = x @ normal(6, 2, seed=2) + 0.1 * normal(30, 2, seed=3)
    one = torch.cat([x, torch.ones(30, 1).double()], 1)
    least = torch.linalg.lstsq(one, y).solution
    model.weight.data, model.bias.data = least[:-1].T, least[-1]
    batches = [(x[:11], y[:11]), (x[11:], y[11:])]
    objective = Objective(model, nn.functional.mse_loss, batches)
    w = objective.weights()
    order = w.abs().argsort()
    found = path_costs(hessian(objective), w, order, [0, 1, 5, 14])
    for removed, cost in zip((0, 1, 5, 14), found, strict=True):
        pruned = w.clone()
        pruned[order[:removed]] = 0
        rise = objective.mean(lambda b, p=pruned: objective.at(p, b)) - objective.value()
        assert cost.item() == pytest.approx(rise.item(), abs=1e-10)


def test_costs_are_not_monotone():
    """Bisection, or the first failure, where removing two of three weights costs less than one."""
    H = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    w = torch.tensor([1.0, -1.05, 3.0]).double()
    ratios = path_costs(of(H), w, torch.arange(3), [1, 2, 3]) / 0.25
    assert ratios.tolist() == pytest.approx([2, 0.425, 18.425])
    back = path_costs(of(H), w, torch.tensor([2, 1, 0]), [1, 3]) / 0.25
    assert back.tolist() == pytest.approx([18, 18.425])
    assert path_costs(of(H), w, torch.tensor([1, 2, 0]), [2]).item() == pytest.approx(5.05125)


def test_ball():
    """Case A: shares of .545 (half forgotten) for .686; more counts than one product takes."""
    w = torch.arange(1, 1001).double() / 1000
    ball = Operator(lambda v: v, w, "positive")
    costs = path_costs(ball, w, torch.arange(1000), range(1001))
    assert costs.shape == (1001,)
    assert (costs <= 54).sum() - 1 == 686
    assert torch.allclose(costs[1:], w.square().cumsum(0) / 2)


def test_solve_takes_any_precision_and_no_right_side():
    """An answer of another dtype than its question; a division by the length of 0."""
    b = normal(50)
    exact = torch.linalg.solve(FULL.dense().matrix + torch.eye(50), b)
    ridge = Operator(lambda v: FULL.product(v) + v, b, "positive")
    assert torch.allclose(solve(ridge, b, tolerance=1e-10), exact, atol=1e-8)
    assert solve(ridge, b.float(), tolerance=1e-4).dtype == torch.float64
    assert torch.equal(solve(ridge, torch.zeros(50)), torch.zeros(50).double())


ONE = lanczos(of([1.0, 2.0]), torch.ones(2), 2)
SIGNED = of([1.0, -1.0], "signed")

test_bad_arguments = refuses(
    (lambda: hutchinson(SIGNED, 1, dice("x")), "at least 2 values"),
    (lambda: hutch_plus_plus(SIGNED, 3, dice("x")), "probes <= 2"),
    (lambda: absolute_trace(ONE), "at least 2 values"),
    (lambda: solve(SIGNED, torch.ones(2)), "positive semi-definite.*signed"),
    (lambda: solve(FULL, normal(50), steps=3), "residual <= 1e-06 of b within 3 steps"),
    (lambda: solve(FULL, normal(50), steps=0), "a whole steps"),
    (lambda: solve(FULL, normal(50), tolerance=math.inf), "0 < tolerance < 1, got inf"),
    (lambda: solve(FULL, normal(50), tolerance=0.0), "0 < tolerance < 1, got 0.0"),
    (lambda: solve(FULL, normal(50, 1)), r"b \(50,\), got \(50, 1\)"),
    (lambda: solve(FULL, normal(50).fill_(torch.nan)), "finite right"),
    (lambda: solve(of([1.0, 0.0]), torch.ones(2)), "image of H.*without curvature"),
    (lambda: path_costs(SIGNED, torch.ones(3), torch.arange(2), [1]), r"weights \(2,\)"),
    (lambda: path_costs(SIGNED, torch.ones(2), torch.zeros(2), [1]), "an order.*float32"),
    (lambda: path_costs(SIGNED, torch.ones(2), torch.arange(3), [1]), "an order of 0..1"),
    (lambda: path_costs(SIGNED, torch.ones(2), torch.arange(2), [3]), r"counts .* 0\.\.2"),
    (lambda: path_costs(SIGNED, torch.ones(2), torch.arange(2), [-1]), r"counts .* 0\.\.2"),
)

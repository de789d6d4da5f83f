"""The bounds for columns and rows: known answers, brute force over all draws."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from compressibility.bounds import wide_networks

from .blockwork import Block, case_b, exact_mean, largest_block, random_block, row_moves

ROWS = (
    wide_networks.sharpest_rows,
    wide_networks.sharper_rows,
    wide_networks.proposition_25,
)
BLOCK: dict[str, Any] = {
    "input_error": 0.5,
    "sigma1": 1.5,
    "sigma2": 0.8,
    "nu1": 0.3,
    "nu2": 0.4,
    "theta": 1.2,
    "n1": 6,
    "n3": 4,
    "alpha": 0.6,
    "p": 0.4,
}


def columns_mean(
    W: np.ndarray, X: np.ndarray, Y: np.ndarray, chosen: list[int], group: int, p: float
) -> float:
    """Average E‖Wx - Ux'‖² over all coins for the chosen groups of columns."""
    total = 0.0
    for coins in itertools.product((1, 0), repeat=len(chosen)):
        U = W.copy()
        for index, coin in zip(chosen, coins, strict=True):
            U[:, index * group : (index + 1) * group] *= coin / p
        chance = p ** sum(coins) * (1 - p) ** (len(coins) - sum(coins))
        total += chance * float(((X @ W.T - Y @ U.T) ** 2).sum(1).mean())
    return total


def cheapest_columns(W: np.ndarray, Y: np.ndarray, group: int, count: int) -> list[int]:
    scores = [
        ((Y[:, i : i + group] @ W[:, i : i + group].T) ** 2).sum(1).mean()
        for i in range(0, W.shape[1], group)
    ]
    return [int(i) for i in np.argsort(scores, kind="stable")[:count]]


def known(block: Block, group: int) -> dict[str, Any]:
    """Measure what the row bounds ask for."""
    norms = {"nu1": largest_block(block.W1, group), "nu2": largest_block(block.W2, group)}
    return {**block.numbers(), **norms, "n1": block.W1.shape[1], "group": group}


def test_columns_of_case_a() -> None:
    """Catches rows counted for columns: the sheet's 142.712, and its exact mean 0.345219 below."""
    draw = np.random.default_rng(0).standard_normal
    W = draw((8, 30)) / math.sqrt(30)
    X = draw((64, 30))
    X /= np.linalg.norm(X, axis=1).max()
    Y = X + 0.3 * draw((64, 30)) / math.sqrt(30)
    numbers = {
        "input_error": float(((X - Y) ** 2).sum(1).mean()),
        "sigma1": float(np.linalg.norm(W, 2)),
        "nu1": float(np.abs(W).max()),
        "theta": float(np.linalg.norm(Y, axis=1).max()),
        "n2": 8,
    }
    printed = wide_networks.proposition_24(**numbers, alpha=0.9, p=0.3)
    assert printed == pytest.approx(142.712, rel=1e-5)
    chosen = cheapest_columns(W, Y, 1, 27)
    prices = [((Y[:, j : j + 1] @ W[:, j : j + 1].T) ** 2).sum(1).mean() for j in chosen]
    start = float((((X - Y) @ W.T) ** 2).sum(1).mean())
    mean = start + 7 / 3 * sum(prices)
    assert mean == pytest.approx(0.345219, rel=1e-5)
    assert mean < wide_networks.sharper_columns(**numbers, alpha=0.9, p=0.3) < printed


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("group", [1, 2, 3])
def test_columns_below_both_bounds(seed: int, group: int) -> None:
    """Catches a norm of a block taken for an entry, n2 for n2/k: exact means of all coins."""
    block = random_block(seed, 2 * group, 2 * group if seed % 2 else group, 1)
    W, p, alpha = block.W1, [0.2, 0.5, 0.8][seed % 3], 0.5
    numbers = block.numbers()
    options = {
        **{name: numbers[name] for name in ("input_error", "sigma1", "theta")},
        "nu1": largest_block(W, group),
        "n2": len(W),
        "alpha": alpha,
        "p": p,
        "group": group,
    }
    mean = columns_mean(W, block.X, block.Y, cheapest_columns(W, block.Y, group, 1), group, p)
    sharp = wide_networks.sharper_columns(**options)
    assert mean <= sharp <= wide_networks.proposition_24(**options)
    everything = columns_mean(W, block.X, block.Y, [0, 1], group, p)
    assert everything <= wide_networks.sharper_columns(**options | {"alpha": 1.0})


@pytest.mark.parametrize("group", [1, 2])
def test_columns_are_attained(group: int) -> None:
    """Catches waste in the sharper form: equal isometries for blocks, everything drawn."""
    turn = np.array([[1.0]]) if group == 1 else np.array([[0.6, 0.8], [-0.8, 0.6]])
    W, X = np.tile(turn, (3, 2)), np.eye(2 * group)
    mean = columns_mean(W, X, X, [0, 1], group, 0.25)
    options = {"input_error": 0, "sigma1": 1, "nu1": 1, "theta": 1, "n2": 3 * group}
    bound = wide_networks.sharper_columns(**options, alpha=1, p=0.25, group=group)
    assert mean == pytest.approx(bound, rel=1e-12)


def test_rows_of_case_b() -> None:
    """Catches a lost factor in Lambda, omega, Lambda*: the sheet's numbers, and 9 rows left."""
    block, uniforms = case_b()
    numbers = known(block, 1)
    terms = wide_networks.row_terms(
        **{name: numbers[name] for name in ("sigma1", "sigma2", "nu1", "nu2", "theta", "n1", "n3")},
        alpha=0.5,
        p=0.3,
    )
    assert terms.growth == pytest.approx(6.132884, rel=1e-6)
    assert terms.omega == pytest.approx(10.706145, rel=1e-6)
    assert terms.sharper_growth / terms.growth == pytest.approx(math.log(2) / 4)
    bound = wide_networks.proposition_25(**numbers, alpha=0.5, p=0.3)
    assert bound == pytest.approx(30253.5, rel=1e-5)
    A, order = block.W1.copy(), []
    for _ in range(6):
        now, scores = block.psi(A), {}
        for row in sorted(set(range(12)) - set(order)):
            moved = row_moves(0.3, 1)(A, row)
            scores[row] = abs(sum(chance * (block.psi(B) - now) for B, chance in moved))
        order.append(min(scores, key=lambda row: scores[row]))
        A[order[-1]] *= (uniforms[order[-1], 0] < 0.3) / 0.3
    assert order == [9, 2, 11, 4, 1, 0]
    assert block.psi(A) == pytest.approx(0.0127317, rel=1e-5)
    assert int((A != 0).any(1).sum()) == 9


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("group", [1, 2])
def test_rows_below_every_bound(seed: int, group: int) -> None:
    """Catches a bound that a small block exceeds, and rungs in the wrong order: all draws."""
    candidates, steps = (5, 4) if group == 1 else (3, 2)
    block = random_block(seed, 2, candidates * group, 1 if group == 1 else 2)
    p = [0.2, 0.5, 0.8][seed % 3]
    mean = exact_mean(block, row_moves(p, group), candidates, steps)
    rungs = [bound(**known(block, group), alpha=steps / candidates, p=p) for bound in ROWS]
    assert [mean, *rungs] == sorted([mean, *rungs])


def test_rows_written_out_again() -> None:
    """Catches n1 and n3 swapped, k forgotten in one place, a lost 1 + epsilon."""
    root, v, s = math.sqrt(2), 1.5, -math.log(0.4)
    growth = 2 * 0.6 / 0.4 * v * 1.2 * 1.5**2 * 0.4 * 2 / root
    omega = (2 * 1.2 * 0.4 * 2 + 2 * 1.5 * 1.2**2 * 0.8 * 0.3 * math.sqrt(6)) / root + 1.2**2
    f, before = growth * math.exp(growth), (1.5 * 0.8) ** 2 * 0.5
    printed = wide_networks.proposition_25(**BLOCK, group=2, epsilon=0.1)
    assert printed == pytest.approx(1.1 * ((1 + f) * before + f * omega))
    logarithm = wide_networks.proposition_25(**BLOCK, group=2, epsilon=0.1, log=True)
    assert logarithm == pytest.approx(math.log(printed))
    g = growth * 0.4 / (4 * 0.6) * s
    sharper = wide_networks.sharper_rows(**BLOCK, group=2, epsilon=0.1)
    assert sharper == pytest.approx(1.1 * (math.exp(g) * before + math.expm1(g) * omega))
    a = v * 1.2**2 * 1.5**2 * 0.4 * 2 / root * s
    b = v * 1.2**2 * 1.5**2 * 0.4**2 * 4 / 2 * s
    sharpest = wide_networks.sharpest_rows(**BLOCK, group=2, epsilon=0.1)
    square = 1.1 * (math.sqrt(before + b) + a / 2) ** 2
    other = 1.1 * (math.exp(a / 2.4) * before + math.expm1(a / 2.4) * (1.2**2 + b / (a / 2.4)))
    assert sharpest == pytest.approx(min(square, other))


def test_more_costs_and_p_helps() -> None:
    """Catches an argument that enters upside down."""
    for bound in ROWS:
        value = bound(**BLOCK)
        assert bound(**BLOCK | {"p": 0.5}) < value
        for name, more in (("n3", 5), ("alpha", 0.7), ("theta", 1.3), ("sigma1", 1.6), ("nu2", 1)):
            assert bound(**BLOCK | {name: more}) > value
    assert wide_networks.proposition_25(**BLOCK | {"n1": 8}) > wide_networks.proposition_25(**BLOCK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": 4}, r"need a group that divides n1 = 6, got 4"),
        ({"group": 3}, r"need a group that divides n3 = 4, got 3"),
        ({"group": 0}, r"need a whole group >= 1, got 0"),
        ({"alpha": 1}, r"need 0 < alpha < 1, got 1"),
        ({"p": 0.0}, r"need 0 < p < 1, got 0\.0"),
        ({"sigma2": 0}, r"need 0 < sigma2 < inf, got 0"),
        ({"epsilon": math.inf}, r"need 0 <= epsilon < inf, got inf"),
    ],
)
def test_rows_refuse(change: dict[str, Any], message: str) -> None:
    """Catches a silent nonsense bound, or a group that is cut in two."""
    for bound in ROWS:
        with pytest.raises(ValueError, match=message):
            bound(**{**BLOCK, **change})


def test_columns_refuse() -> None:
    """Catches a fraction of a block, and alpha = 1 where the printed form divides by zero."""
    layer: dict[str, Any] = {"input_error": 0, "sigma1": 1, "nu1": 1, "theta": 1, "p": 0.3}
    with pytest.raises(ValueError, match="need a group that divides n2 = 5, got 2"):
        wide_networks.proposition_24(**layer, n2=5, alpha=0.5, group=2)
    with pytest.raises(ValueError, match="need 0 < alpha < 1, got 1"):
        wide_networks.proposition_24(**layer, n2=4, alpha=1, group=2)
    assert wide_networks.sharper_columns(**layer, n2=4, alpha=1, group=2) > 0

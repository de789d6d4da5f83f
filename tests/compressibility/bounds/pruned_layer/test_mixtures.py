"""Dice, masks and mixtures of one layer, by enumeration of all that may happen."""

import math
from functools import partial
from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from compressibility.bounds.pruned_layer.mixtures import (
    best_keep,
    best_value,
    break_evens,
    cost,
    equal_prices,
)
from tests.compressibility.helpers import refuses

RISING = torch.arange(1.0, 11.0)
PAIR = np.array([[1.0, 0.0], [1.0, 2.0]])  # inputs with S = [[1, 1], [1, 2]], C = diag(0, 1)


def sizes(holes, inputs, *, restored=False):
    """The damages (…) of holes (…, rows, n), each on every input."""
    seen = inputs - inputs.mean(0) if restored else inputs
    return np.square(holes @ seen.T).sum(-2).mean(-1)


def thrown(weights, inputs, diced, keep, value, *, restored=False):
    """The mean damage over all outcomes, each by its chance."""
    total = 0.0
    for kept in product([0, 1], repeat=int(diced.sum())):
        hole = np.zeros_like(weights)
        hole[diced] = weights[diced] * (1 - value * np.array(kept))
        chance = np.prod([keep if one else 1 - keep for one in kept])
        total += chance * sizes(hole, inputs, restored=restored)
    return total


def facts(weights, inputs, diced, *, restored=False):
    """M and P of the diced weights: one hole of all of them, and one of each."""
    holes = np.zeros((int(diced.sum()), *weights.shape))
    for hole, at in zip(holes, np.argwhere(diced), strict=True):
        hole[tuple(at)] = weights[tuple(at)]
    whole = sizes(holes.sum(0), inputs, restored=restored)
    return whole, sizes(holes, inputs, restored=restored).sum()


def least_readjusted(weights, second, zeros):
    """The least damage of a mask with this many zeros in all rows, and of the best kept values."""
    rows, n = weights.shape
    best = np.inf
    for gone in combinations(range(rows * n), zeros):
        damage = 0.0
        for row in range(rows):
            out = [at % n for at in gone if at // n == row]
            stay = [at for at in range(n) if at not in out]
            lost = weights[row, out]
            cross = second[np.ix_(stay, out)] @ lost
            moved = np.linalg.pinv(second[np.ix_(stay, stay)]) @ cross
            damage += lost @ second[np.ix_(out, out)] @ lost - cross @ moved
        best = min(best, damage)
    return best


@pytest.mark.parametrize("restored", [False, True])
def test_every_mixture_by_all_its_outcomes(restored):
    """Catches θ for v, p for the odds, rows or cross terms left out: 8 weights, 4–7 diced."""
    source = np.random.default_rng(1)
    for _ in range(12):
        weights, inputs = source.standard_normal((2, 4)), source.standard_normal((9, 4)) + 1
        diced = source.permutation(8).reshape(2, 4) < source.integers(4, 8)
        keep = source.uniform(0.1, 1)
        zeroed, price = facts(weights, inputs, diced, restored=restored)
        for value in (0.0, 1.0, 1 / keep, source.uniform(-1, 3)):
            found = thrown(weights, inputs, diced, keep, value, restored=restored)
            assert cost(value * keep, zeroed, price, keep) == pytest.approx(found, rel=1e-10)
        best, least = best_value(zeroed, price, keep)
        case = partial(thrown, weights, inputs, diced, keep, restored=restored)
        searched = minimize_scalar(case)
        assert least == pytest.approx(searched.fun, rel=1e-9)
        assert best == pytest.approx(searched.x, rel=1e-5)


def test_values_of_the_pair():
    """Catches a doubled parallel sum (3.75), θ* for the value (.625): S = [[1, 1], [1, 2]]."""
    weights, diced = np.ones((1, 2)), np.ones((1, 2), dtype=bool)
    assert facts(weights, PAIR, diced) == (5, 3)
    assert facts(weights, PAIR, diced, restored=True) == (1, 1)
    assert best_value(5, 3, 0.5) == (1.25, 1.875)
    assert [cost(value / 2, 5, 3, 0.5) for value in (2, 1, 0)] == [3, 2, 5]
    assert cost(1, 0, 3, 0.25) == 9
    assert break_evens(0.5) == (1, 3)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_best_values_at_the_ends(keep):
    """Catches a law that is right at one r alone: none, one, infinitely many; and no dice."""
    assert best_value(0, 3, keep) == (0, 0)
    assert best_value(2, 2, keep) == pytest.approx((1, 2 * (1 - keep)))
    assert best_value(1e12, 1, keep) == pytest.approx((1 / keep, (1 - keep) / keep))
    assert best_value(5, 3, 1) == (1, 0)
    for zeroed in (0.3, 2.0, 50.0):
        value, damage = best_value(zeroed, 2, keep)
        smaller = min(zeroed, cost(1, zeroed, 2, keep))
        assert smaller / 2 <= damage < smaller
        assert (1 <= value <= 1 / keep) == (zeroed >= 2)


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5, 0.8])
def test_break_evens_are_where_the_order_turns(keep):
    """Catches 1/p for 1 + 1/p, and p/(1-p) for the odds: both sides of each threshold."""
    for threshold, theta in zip(break_evens(keep), (0, keep), strict=True):
        for shift, better in ((-1e-6, True), (1e-6, False)):
            zeroed = threshold * (1 + shift)
            assert (cost(theta, zeroed, 1, keep) < cost(1, zeroed, 1, keep)) == better
        assert cost(theta, threshold, 1, keep) == pytest.approx(cost(1, threshold, 1, keep))


def test_best_keep_of_rising_prices():
    """Catches dice over all (23.571), over the least share (30): 1 … 10, a tie at α .6 and .7."""
    share, keep, damage = best_keep(RISING, 0.3)
    assert damage == 21
    assert (round(share, 9), round(keep, 9)) in {(0.6, 0.5), (0.7, round(4 / 7, 9))}
    assert best_keep(RISING.flip(0), 0.3)[2] == 21  # in any order
    assert best_keep(RISING, 0.39)[2] == 21  # ⌊3.9⌋
    assert best_keep(RISING, 0)[1:] == (1, 0)


def test_best_keep_by_all_sets():
    """Catches a set that is not the cheapest, another p, α = s: all sets of 6 weights."""
    source = np.random.default_rng(2)
    for _ in range(40):
        prices = source.uniform(0, 1, 6) ** source.integers(1, 5)
        for zeros in range(1, 6):
            costs = [
                cost(1, 0, sum(diced), 1 - zeros / size)
                for size in range(zeros + 1, 7)
                for diced in combinations(prices, size)
            ]
            share, keep, damage = best_keep(torch.from_numpy(prices), zeros / 6 + 1e-9)
            assert damage == pytest.approx(min(costs))
            assert share * (1 - keep) == pytest.approx(zeros / 6)
            mask = np.sort(prices)[:zeros].sum()
            assert damage >= mask / keep * (1 - 1e-12) >= mask / (1 - zeros / 6) * (1 - 1e-9)
    for zeros in range(1, 6):  # attained
        damage = best_keep(torch.full((6,), 2.0), zeros / 6 + 1e-9)[2]
        assert damage == pytest.approx(2 * zeros / (1 - zeros / 6))


def test_the_scope_of_the_dice():
    """Catches dice that choose their weights from all rows: prices 1 and 81, a quarter removed."""
    prices = torch.tensor([[1.0] * 4, [81.0] * 4])
    assert best_keep(prices.flatten(), 0.25) == (0.5, 0.5, 4)
    assert best_keep(prices, 0.25)[2] == pytest.approx(82 / 0.75)
    mixed = torch.tensor([[9.0, 1.0, 4.0], [2.0, 8.0, 5.0]])
    columns = [1 + 2, 4 + 5, 9 + 8]
    by_hand = min(cost(1, 0, sum(columns[:j]), 1 - 1 / j) for j in (2, 3))
    assert best_keep(mixed, 0.34)[2] == pytest.approx(by_hand)


@pytest.mark.parametrize("rho", [-0.1, 0.0, 0.1, 0.37, 1.0])
def test_equal_prices_on_explicit_matrices(rho):
    """Catches k + 1 for k - 1, n for the kept, dice over the zeros alone: S in full."""
    for n, zeros in ((10, 6), (8, 1), (7, 6), (2, 1)):
        second = (1 - rho) * np.eye(n) + rho
        whole, found = second.sum(), equal_prices(n, zeros, rho)
        odds = zeros / (n - zeros)
        kept, gone = second[zeros:, zeros:], second[:zeros, :zeros]
        cross = second[zeros:, :zeros].sum(1)
        left = gone.sum() - cross @ np.linalg.pinv(kept) @ cross
        searched = minimize_scalar(lambda u: (1 - u) ** 2 * whole + u**2 * odds * n)  # noqa: B023
        wanted = {"mask": gone.sum(), "dice": odds * n}
        wanted |= {"mixture": searched.fun, "readjusted": left}
        assert found == pytest.approx(wanted, abs=1e-9)
        turn = zeros / (n - zeros)
        assert (found["mask"] < found["dice"]) == (rho * (zeros - 1) < turn)


def test_the_table_of_equal_prices():
    """Catches S where C is meant: restoring the means turns the order of dice and mask."""
    dense, restored = equal_prices(10, 6, 0.37), equal_prices(10, 6, 0.1)
    wanted = {"mask": 17.1, "dice": 15, "mixture": 11.1407, "readjusted": 7.75706}
    assert dense == pytest.approx(wanted, rel=1e-5)
    wanted = {"mask": 6.3, "dice": 10.5, "mixture": 5.86765, "readjusted": 5.52462}
    assert {name: 0.7 * damage for name, damage in restored.items()} == pytest.approx(wanted)
    assert best_value(43.3, 10, 0.4)[0] == pytest.approx(1.8568, abs=5e-5)
    assert best_value(0.7 * 19, 7, 0.4)[0] == pytest.approx(1.3971, abs=5e-5)


@pytest.mark.parametrize("shape", [(1, 5), (2, 3)])
def test_unbiased_dice_never_beat_the_best_readjusted_mask(shape):
    """Catches a price of the dice that is too low: all sets, all masks, many S of any rank."""
    source = np.random.default_rng(3)
    size, least = shape[0] * shape[1], np.inf
    for draw in range(25):
        weights = source.standard_normal(shape)
        inputs = source.standard_normal((source.integers(1, 8), shape[1]))
        inputs = inputs + source.choice([0, 3]) * source.standard_normal(shape[1])
        if draw == 0:  # all alike: of k zeros dice cost k / (1 - k/n)
            weights, inputs = np.ones(shape), math.sqrt(shape[1]) * np.eye(shape[1])
        second = inputs.T @ inputs / len(inputs)
        prices = (weights**2 * second.diagonal()).ravel()
        floors = [least_readjusted(weights, second, zeros) for zeros in range(size)]
        for count in range(2, size + 1):
            for diced in combinations(prices, count):
                for zeros in range(1, count):
                    dice = cost(1, 0, sum(diced), 1 - zeros / count)
                    assert floors[zeros] <= dice + 1e-12
                    least = min(least, dice / max(floors[zeros], 1e-12))
    assert least == pytest.approx(size / (size - 1))  # the nearest that they come


def test_biased_dice_may_beat_the_best_readjusted_mask():
    """Catches a theorem that is read for all dice: ⅔ below ¾, one zero on average."""
    weights, second = np.array([[1.0, -1.0]]), np.array([[1, 0.5], [0.5, 1]])
    assert least_readjusted(weights, second, 1) == pytest.approx(3 / 4)
    assert best_value(1, 2, 0.5) == pytest.approx((2 / 3, 2 / 3))
    assert cost(1, 1, 2, 0.5) == 2


test_refusals = refuses(
    (lambda: cost(1, -1, 1, 0.5), "zeroed"),
    (lambda: cost(1, 1, -1, 0.5), "price"),
    (lambda: cost(1, 1, 1, 0), "keep"),
    (lambda: best_value(1, 1, 1.1), "keep"),
    (lambda: break_evens(1), "keep"),
    (lambda: best_keep(-RISING, 0.3), "none below 0"),
    (lambda: best_keep(RISING, 1), "removed < 1"),
    (lambda: best_keep(RISING[:0], 0.5), "prices"),
    (lambda: equal_prices(5, 5, 0.1), "kept"),
    (lambda: equal_prices(5, 0, 0.1), "zeros"),
    (lambda: equal_prices(5, 2, -0.3), "rho"),
    (lambda: equal_prices(5, 2, 1.1), "rho"),
)

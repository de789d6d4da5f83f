"""Tests of masks: their prices, their damage, and how what stays makes up for it."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import linalg

from compressibility.pruning.kterm import kept_count
from compressibility.pruning.masks import (
    alignment,
    cheapest,
    damage,
    prices,
    readjust,
    restored_bias,
)
from compressibility.pruning.moments import Moments
from tests.compressibility.helpers import normal, refuses

TWO = torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=torch.float64)  # the sheet's x, each ½
SEEN = Moments.of(TWO)
ONES = torch.ones(1, 2, dtype=torch.float64)
NONE = torch.zeros(1, 2, dtype=torch.float64)
CHAIN = torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
CYCLE = (2 * torch.eye(5) + torch.eye(5).roll(1, 0) + torch.eye(5).roll(-1, 0)).double() / 5


def error(dense, x, cut, x_new, bias=0.0):
    """E‖Wx - Ax' - b‖² by its definition, over all inputs."""
    return float((x @ dense.mT - x_new @ cut.mT - bias).square().sum(1).mean())


def literal_readjust(row, gone, second):
    """Least squares on inputs whose second moments are S: an eigenvalue factor, then lstsq."""
    values, vectors = np.linalg.eigh(second.numpy())
    values[values < 1e-12 * values.max()] = 0
    x = np.sqrt(values)[:, None] * vectors.T
    row, gone = row.numpy(), gone.numpy()
    found = np.where(gone, 0.0, row)
    if not gone.all():
        target = x[:, gone] @ row[gone]
        found[~gone] += np.linalg.lstsq(x[:, ~gone], target, rcond=1e-10)[0]
    return found, float(np.square(x @ (row - found)).sum())


def test_damage_by_its_definition() -> None:
    """Catches a matrix that is transposed or squared, rows that are mixed, a mean left in."""
    x = normal(9, 4) + 1
    dense, cut = normal(3, 4, seed=1), normal(3, 4, seed=2)
    seen, bias = Moments.of(x), restored_bias(dense, cut, x.mean(0))
    by_row = (x @ (dense - cut).mT).square().mean(0)
    torch.testing.assert_close(damage(dense - cut, seen.second), by_row)
    restored = float(damage(dense - cut, seen.covariance).sum())
    assert restored == pytest.approx(error(dense, x, cut, x, bias))
    stack = damage(torch.stack([dense, cut]), seen.second)
    torch.testing.assert_close(stack[1], damage(cut, seen.second))


def test_the_restored_mean_on_the_sheets_inputs() -> None:
    """Catches a bias of the wrong sign (17) and a covariance with divisor N-1 (2)."""
    bias = restored_bias(ONES, NONE, SEEN.mean)
    assert bias.tolist() == [2.0]
    assert float(damage(ONES, SEEN.second)) == error(ONES, TWO, NONE, TWO) == 5
    assert float(damage(ONES, SEEN.covariance)) == error(ONES, TWO, NONE, TWO, bias) == 1


def test_the_restored_mean_on_other_inputs() -> None:
    """Catches (W - A) m' where the target is W x (0.5), and the one target for the other."""
    new = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    bias = restored_bias(ONES, ONES, TWO.mean(0), new.mean(0))
    assert bias.tolist() == [0.5]
    assert error(ONES, TWO, ONES, new, bias) == 0.25
    dense, cut, x, new = (normal(3, 4), normal(3, 4, seed=1), normal(9, 4), normal(9, 4, seed=2))
    bias = restored_bias(dense, cut, x.mean(0), new.mean(0))
    least = error(dense, x, cut, new, bias)
    off = float((dense @ x.mean(0) - cut @ new.mean(0)).square().sum())
    assert least == pytest.approx(error(dense, x, cut, new) - off)
    for step in 0.01 * normal(5, 3, seed=3):
        assert error(dense, x, cut, new, bias + step) > least
    onto_new = restored_bias(dense, cut, new.mean(0), new.mean(0))
    torch.testing.assert_close(onto_new, (dense - cut) @ new.mean(0))


@pytest.mark.parametrize("keep", [0.5, 0.25])
def test_dice_pay_their_prices(keep: float) -> None:
    """Catches prices without squares or of the means: every throw of the dice is enumerated."""
    plain = restored = 0.0
    for kept in itertools.product([0, 1], repeat=2):
        chance = math.prod(keep if k else 1 - keep for k in kept)
        cut = ONES * torch.tensor(kept) / keep
        plain += chance * error(ONES, TWO, cut, TWO)
        restored += chance * error(ONES, TWO, cut, TWO, restored_bias(ONES, cut, SEEN.mean))
    odds = (1 - keep) / keep
    assert plain == pytest.approx(odds * float(prices(ONES, SEEN.second).sum())) == 3 * odds
    assert restored == pytest.approx(odds * float(prices(ONES, SEEN.covariance).sum())) == odds
    saved = prices(ONES, SEEN.second) * (1 - SEEN.mean_to_power)
    torch.testing.assert_close(prices(ONES, SEEN.covariance), saved)


def test_alignment_on_the_sheets_inputs() -> None:
    """Catches the price sum (1), cross terms counted once (4/3), and |w| in place of w."""
    across = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    assert alignment(ONES, SEEN.second) == pytest.approx(5 / 3)
    assert alignment(across, SEEN.second) == pytest.approx(1 / 3)
    assert alignment(ONES, SEEN.covariance) == 1
    assert math.isnan(alignment(NONE, SEEN.second))
    equal = torch.ones(2, 2, dtype=torch.float64)
    assert alignment(torch.cat([ONES, across]), equal) == 1  # rows together: (4 + 0) / 4


def test_fair_signs_align_with_nothing() -> None:
    """Catches cross terms that do not vanish: over all signs the mean of r is 1."""
    dense, second = normal(2, 4), Moments.of(normal(9, 4, seed=1) + 1).second
    found = [
        alignment(dense * torch.tensor(signs).double().reshape(2, 4), second)
        for signs in itertools.product([-1, 1], repeat=8)
    ]
    assert np.mean(found) == pytest.approx(1)
    assert np.ptp(found) > 0.5


def test_alignment_lies_between_the_eigenvalues() -> None:
    """Catches a correlation matrix that is not scaled; attained by equal weights."""
    second = Moments.of(normal(30, 5) * torch.arange(1, 6) + 1).second
    scale = second.diagonal().sqrt()
    low, *_, high = torch.linalg.eigvalsh(second / torch.outer(scale, scale)).tolist()
    found = [alignment(normal(3, 5, seed=seed), second) for seed in range(200)]
    assert low <= min(found) < 1 < max(found) <= high
    rho, k = 0.3, 5
    equal = (1 - rho) * torch.eye(k).double() + rho
    assert alignment(torch.ones(1, k), equal) == pytest.approx(1 + rho * (k - 1))


def test_means_and_fluctuations_align_apart() -> None:
    """Catches S for C: r = (1 - κ) r_C + κ r_m, 2.2 (ii) of the sheet."""
    x = normal(20, 4).abs()
    seen, hole = Moments.of(x), normal(3, 4, seed=1)
    power = hole.square() * seen.mean.square()
    kappa = float(power.sum() / prices(hole, seen.second).sum())
    of_means = float((hole @ seen.mean).square().sum() / power.sum())
    fluctuations = alignment(hole, seen.covariance)
    expected = (1 - kappa) * fluctuations + kappa * of_means
    assert alignment(hole, seen.second) == pytest.approx(expected)


def test_the_sort_on_a_cycle_is_not_the_best_mask() -> None:
    """Catches the price sum as damage (1.2 for 3), and ties that go elsewhere."""
    weight = torch.ones(1, 5, dtype=torch.float64)
    for k, sort, best in ((1, 0.4, 0.4), (2, 1.2, 0.8), (3, 2.0, 1.6)):
        mask = cheapest(prices(weight, CYCLE), Fraction(k, 5))
        assert mask.tolist() == [[True] * k + [False] * (5 - k)]
        assert float(damage(weight * mask, CYCLE)) == pytest.approx(sort)
        picks = itertools.combinations(range(5), k)
        masks = torch.stack([torch.zeros(5).index_fill(0, torch.tensor(p), 1) for p in picks])
        assert float(damage(masks, CYCLE).min()) == pytest.approx(best)


def test_prices_weigh_inputs_by_their_size() -> None:
    """Catches |w| S_jj, which removes the second; w² S_jj and |w| sqrt(S_jj) sort alike."""
    weight, second = torch.tensor([[1.0, 2.0]]), torch.diag(torch.tensor([4.0, 1.5]))
    price = prices(weight, second)
    assert price.tolist() == [[4.0, 6.0]]
    assert cheapest(price, 0.5).tolist() == cheapest(price.sqrt(), 0.5).tolist()
    assert cheapest(price, 0.5).tolist() == [[True, False]]


def test_rows_and_layers_are_sorted_apart() -> None:
    """Catches one sort of all in place of each row (2 in place of 10), and the other way round."""
    weight, second = torch.tensor([[1.0, 1.0], [3.0, 3.0]]), torch.eye(2)
    for by, expected in (("row", 10), ("layer", 2)):
        mask = cheapest(prices(weight, second), 0.5, by=by)
        assert float(damage(weight * mask, second).sum()) == expected
    stack = cheapest(torch.stack([weight, weight.flip(0)]), 0.25, by="layer")
    first = torch.tensor([True, False])
    none = torch.tensor([False, False])
    assert torch.equal(stack, torch.stack([torch.stack([first, none]), torch.stack([none, first])]))


def test_exactly_so_many_are_removed() -> None:
    """Catches shares counted in floats (28 of 29 per cent), and a count that rounds up."""
    price = normal(2, 100).square()
    for share in [k / 100 for k in range(101)] + [Fraction(1, 3), 0.999]:
        gone = cheapest(price, share).sum(1)
        assert gone.tolist() == 2 * [100 - kept_count(1 - Fraction(str(share)), 100)]
    mask = cheapest(price, 0.4)
    assert price[0, mask[0]].max() <= price[0, ~mask[0]].min()


def test_diagonal_covariance_makes_the_sort_best() -> None:
    """Catches a sort that is not the cheapest: 3.6, against all masks of a layer, readjusted."""
    weight, second = normal(2, 3), torch.diag(torch.tensor([0.3, 2.0, 1.0])).double()
    for k in range(7):
        mask = cheapest(prices(weight, second), Fraction(k, 6), by="layer")
        costs = []
        for pick in itertools.combinations(range(6), k):
            other = torch.zeros(6, dtype=torch.bool)
            other[list(pick)] = True
            costs.append(float(readjust(weight, other.reshape(2, 3), second)[1].sum()))
        assert float(damage(weight * mask, second).sum()) == pytest.approx(min(costs))


def test_readjusting_the_sheets_chain() -> None:
    """Catches none (4), minus for plus (10), and costs of single weights added (8/3)."""
    weight, gone = torch.tensor([[1.0, 2.0, 1.0]]).double(), torch.tensor([[True, False, True]])
    found, cost = readjust(weight, gone, CHAIN)
    assert found.tolist() == [[0.0, 3.0, 0.0]]
    assert cost.tolist() == [2.0]
    inverse = linalg.inv(CHAIN)[np.ix_([0, 2], [0, 2])]
    assert np.ones(2) @ linalg.inv(inverse) @ np.ones(2) == pytest.approx(2)


@pytest.mark.parametrize("samples", [200, 5], ids=["regular", "singular"])
def test_readjusting_equals_least_squares(samples: int) -> None:
    """Catches rows that take one another's masks, and a solution lost where S is singular."""
    second = Moments.of(normal(samples, 8) + 0.5).second
    weight = normal(6, 8, seed=1)
    removed = normal(6, 8, seed=2) > 0
    removed[1], removed[4], removed[5] = removed[0], True, False
    found, cost = readjust(weight, removed, second)
    for row in range(6):
        expected, least = literal_readjust(weight[row], removed[row], second)
        np.testing.assert_allclose(found[row], expected, atol=1e-8)
        assert float(cost[row]) == pytest.approx(least, abs=1e-10)
    assert not found[removed].any()
    assert torch.equal(found[5], weight[5])


def test_one_weight_costs_what_others_do_not_explain() -> None:
    """Catches a Schur complement of the wrong block: OBS, w² / (S⁻¹)_ii."""
    second, weight = Moments.of(normal(40, 4) + 1).second, normal(1, 4, seed=1)
    inverse = torch.linalg.inv(second)
    for i in range(4):
        _, cost = readjust(weight, torch.arange(4)[None] == i, second)
        assert float(cost) == pytest.approx(float(weight[0, i] ** 2 / inverse[i, i]))


def test_the_table_of_equal_prices() -> None:
    """Catches S where C is meant (7.757, not 5.525), and any of the sheet's four damages."""
    n, k, kappa, rho = 10, 6, 0.3, 0.1
    mean = torch.full((n,), math.sqrt(kappa)).double()
    covariance = (1 - kappa) * ((1 - rho) * torch.eye(n).double() + rho)
    law = Moments(mean, covariance + torch.outer(mean, mean))
    weight = torch.ones(1, n).double()
    mask = cheapest(prices(weight, law.second), Fraction(k, n))
    for restored, zeroed, adjusted in ((False, 17.1, 7.75706), (True, 6.3, 5.52462)):
        second = law.matrix(restored=restored)
        assert float(damage(weight * mask, second)) == pytest.approx(zeroed)
        assert float(readjust(weight, mask, second)[1]) == pytest.approx(adjusted, abs=5e-6)


def test_the_hierarchy() -> None:
    """Catches a readjustment that is not best: 5.2 of the sheet, and the price sandwich."""
    for seed in range(30):
        seen, weight = Moments.of(normal(20, 6, seed=seed).relu()), normal(3, 6, seed=seed + 100)
        mask = cheapest(prices(weight, seen.covariance), 0.5)
        zeroed = [damage(weight * mask, m) for m in (seen.second, seen.covariance)]
        adjusted = [readjust(weight, mask, m)[1] for m in (seen.second, seen.covariance)]
        more = mask | (torch.arange(6) == seed % 6)
        slack = 1e-12
        assert (adjusted[1] <= zeroed[1] + slack).all()
        assert (adjusted[1] <= adjusted[0] + slack).all()
        assert (adjusted[0] <= zeroed[0] + slack).all()
        assert (adjusted[0] <= readjust(weight, more, seen.second)[1] + slack).all()


def test_twins_stand_in_for_one_another() -> None:
    """Catches a singular S that is refused, or solved by rounding: n equal inputs lose nothing."""
    n = 100
    weight, second = torch.ones(1, n).double(), torch.ones(n, n).double()
    mask = cheapest(prices(weight, second), 0.5)
    found, cost = readjust(weight, mask, second)
    assert float(damage(weight * mask, second)) == 2500
    assert float(cost) == pytest.approx(0, abs=1e-18)
    torch.testing.assert_close(found[~mask], torch.full((50,), 2.0).double())
    for seed in range(20):  # a triple and a sum among six inputs; some factors just do not fail
        x = normal(9, 4, seed=seed)
        x = torch.cat([x, 3 * x[:, :1], x.sum(1, keepdim=True)], 1)
        second, weight = Moments.of(x).second, normal(1, 6, seed=seed)
        mask = torch.tensor([[False, True, False, False, False, False]])
        expected, _ = literal_readjust(weight[0], mask[0], second)
        np.testing.assert_allclose(readjust(weight, mask, second)[0][0], expected, atol=1e-8)


def test_dead_and_faint_inputs() -> None:
    """Catches an unlit input that moves, and a faint one whose part is lost in rounding."""
    x = normal(50, 4)
    x[:, 1], x[:, 2] = 0, x[:, 0] + x[:, 2]
    weight, removed = torch.ones(1, 4).double(), torch.tensor([[True, False, False, False]])
    _, cost = readjust(weight, removed, Moments.of(x).second)
    x[:, 2] *= 1e-8  # as good as before, 1e8 times as large a weight
    found, faint = readjust(weight, removed, Moments.of(x).second)
    assert found[0, 1] == 1
    assert float(faint) == pytest.approx(float(cost))


def test_damping() -> None:
    """Catches a share of anything but the mean diagonal, and a damage that counts the damping."""
    second, weight = Moments.of(normal(6, 5) * torch.arange(1, 6)).second, normal(1, 5, seed=1)
    removed = torch.tensor([[True, False, True, False, False]])
    damp = 0.1 * float(second.diagonal().mean())

    def objective(change):
        hole = torch.zeros(5).double()
        hole[removed[0]], hole[~removed[0]] = weight[0, removed[0]], -change
        return hole @ second @ hole + damp * change.square().sum()

    change = torch.zeros(3).double()
    hessian = torch.autograd.functional.hessian(objective, change)
    gradient = torch.autograd.functional.jacobian(objective, change)
    best = -torch.linalg.solve(hessian, gradient)  # Newton's step ends a quadratic
    found, cost = readjust(weight, removed, second, damp=0.1)
    torch.testing.assert_close(found[0, ~removed[0]], weight[0, ~removed[0]] + best)
    torch.testing.assert_close(cost, damage(weight - found, second))
    assert float(cost) > float(readjust(weight, removed, second)[1])


def test_single_precision() -> None:
    """Catches weights of another dtype, and a damage that is not that of what is returned."""
    second, weight = Moments.of(normal(30, 5)).second, normal(4, 5, seed=1).float()
    mask = cheapest(weight.abs(), 0.4)
    found, cost = readjust(weight.requires_grad_(), mask, second)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert prices(weight, second).dtype == cost.dtype == torch.float64
    assert torch.equal(cost, damage(weight.double() - found.double(), second))


W, B = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)
test_refusals = refuses(
    (lambda: prices(W, torch.eye(2)), r"second \(n, n\)"),
    (lambda: damage(torch.ones(3), torch.eye(3)), r"weight \(\.\.\., n_out, n_in\)"),
    (lambda: damage(W, torch.full((3, 3), math.inf)), "finite second"),
    (lambda: cheapest(W, 1.5), "0 <= share <= 1"),
    (lambda: cheapest(W, 0.5, by="column"), "by 'row' or 'layer'"),
    (lambda: restored_bias(W, torch.ones(2, 2), torch.ones(3)), r"means \(n,\)"),
    (lambda: restored_bias(W, W, torch.ones(3), torch.ones(2)), r"means \(n,\)"),
    (lambda: readjust(W, W, torch.eye(3)), "removed, bool"),
    (lambda: readjust(W[None], B[None], torch.eye(3)), r"weight \(h', n\)"),
    (lambda: readjust(W, B, torch.eye(3), -0.1), "0 <= damp"),
)

"""Tests of the comparison of methods on one layer."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import partial

import pytest
import torch

from compressibility.audit.layer import METHODS, Pruned, compare, readjusted, zeroed
from compressibility.pruning.masks import cheapest, damage, prices, restored_bias
from compressibility.pruning.moments import Moments
from tests.compressibility.helpers import normal, refuses

EXACT = {**METHODS, "readjusted": partial(readjusted, damp=0.0)}


def relu_layer(n=5, seed=0):
    """A layer of three outputs, with calibration inputs and others of another law."""
    old, new = normal(11, n, seed=seed).relu(), normal(7, n, seed=seed + 1).relu()
    return normal(3, n, seed=seed + 2), old + torch.arange(n, 0, -1), new * torch.arange(1, n + 1)


def by_method(frame):
    return {row.method: row for row in frame.itertuples()}


def test_each_damage_by_its_definition() -> None:
    """Catches a damage with other inputs' bias, choice or unit: outputs are made, sample by sample.

    The dice are thrown in all ways.
    """
    weight, old, new = relu_layer()
    found = by_method(compare(weight, Moments.of(old), Moments.of(new), [0.4], methods=EXACT))
    assert list(found) == list(METHODS)

    def shares(cut, bias):
        parts = []
        for x in (old, new):
            target = x @ weight.mT
            gap = (target - x @ cut.mT - bias).square().sum(1).mean()
            parts.append(float(gap / target.var(0, correction=0).sum()))
        return torch.tensor(parts, dtype=torch.float64)

    scores = {
        "magnitude": weight.abs(),
        "Wanda": weight.abs() * old.norm(dim=0),
        "std + mean": weight.abs() * old.std(0),
        "readjusted": weight.abs() * old.std(0),
    }
    for name, score in scores.items():
        cut, bias = weight.clone(), torch.zeros(3).double()
        for row in range(3):
            gone = score[row].argsort()[:2]
            cut[row, gone] = 0
            if name == "readjusted":  # with an intercept: regression on the kept inputs
                stay = [j for j in range(5) if j not in gone.tolist()]
                design = torch.cat([old[:, stay], torch.ones(len(old), 1)], 1)
                best = torch.linalg.lstsq(design, old[:, gone] @ weight[row, gone]).solution
                cut[row, stay] += best[:-1]
                bias[row] = best[-1]
        if name == "std + mean":
            bias = (old @ (weight - cut).mT).mean(0)
        row = found[name]
        assert [row.calibration, row.held_out] == pytest.approx(shares(cut, bias).tolist())
        assert (row.touched, row.keep) == (0.4, 0.0)

    row, total = found["dice"], torch.zeros(2).double()
    diced = cheapest(prices(weight, Moments.of(old).second), Fraction(round(row.touched * 5), 5))
    places = diced.nonzero()
    for kept in itertools.product([0.0, 1.0], repeat=len(places)):
        cut = weight.clone()
        cut[diced] *= torch.tensor(kept).double() / row.keep
        chance = math.prod(row.keep if k else 1 - row.keep for k in kept)
        total += chance * shares(cut, torch.zeros(3))
    assert [row.calibration, row.held_out] == pytest.approx(total.tolist())


def test_the_dice_of_the_sheet() -> None:
    """Catches dice at α = 1 (23.571) or α = 0.4 (30): prices 1 … 10, 21 at best, mask 6."""
    weight = torch.arange(1.0, 11.0).sqrt()[None]
    law = Moments(torch.zeros(10), torch.eye(10))
    found = by_method(compare(weight, law, law, [0.3]))
    assert found["dice"].held_out * 55 == pytest.approx(21)
    assert found["Wanda"].held_out * 55 == pytest.approx(6)
    assert found["dice"].touched * (1 - found["dice"].keep) == pytest.approx(0.3)


def test_rows_are_diced_alike() -> None:
    """Catches a sort of the whole layer: each row dices the share that is best for their sum."""
    weight = torch.tensor([[1.0, 1.0, 1.0, 9.0], [5.0, 6.0, 6.0, 6.0]])
    law = Moments(torch.zeros(4), torch.eye(4))
    found = by_method(compare(weight, law, law, [0.25]))["dice"]
    sums = weight.square().sort(dim=1).values.sum(0).cumsum(0)
    costs = [float(1 * sums[t - 1] / (t - 1)) for t in (2, 3, 4)]  # s F(α) / (α - s)
    assert found.touched * 4 == 2 + costs.index(min(costs))
    assert found.held_out * float(weight.square().sum()) == pytest.approx(min(costs))


def test_shares_of_dice_are_exact() -> None:
    """Catches 0.333… of 3, which is 0 weights: of three equal weights and a dear one in 49."""
    weight = torch.full((1, 49), 9.0)
    weight[0, :3] = 1.0
    law = Moments(torch.zeros(49), torch.eye(49))
    found = by_method(compare(weight, law, law, [Fraction(1, 49)]))["dice"]
    assert found.touched == 3 / 49
    assert found.held_out * float(weight.square().sum()) == pytest.approx(1.5)


def test_restoring_the_mean_turns_the_order() -> None:
    """Catches S for C in any column: equal prices, where dice beat the mask till C counts."""
    n, kappa, rho = 10, 0.3, 0.1
    mean = torch.full((n,), math.sqrt(kappa)).double()
    covariance = (1 - kappa) * ((1 - rho) * torch.eye(n).double() + rho)
    law = Moments(mean, covariance + torch.outer(mean, mean))
    weight = torch.ones(1, n)
    unit = float(damage(weight, law.covariance))
    found = by_method(compare(weight, law, law, [0.6], methods=EXACT))
    expected = {"Wanda": 17.1, "dice": 15.0, "std + mean": 6.3, "readjusted": 5.52462}
    for name, value in expected.items():
        assert found[name].held_out * unit == pytest.approx(value, abs=5e-6)
    assert found["Wanda"].alignment == pytest.approx(2.85)
    assert found["Wanda"].alignment_restored == pytest.approx(1.5)
    assert found["readjusted"].alignment_restored == pytest.approx(1.5)
    assert (found["dice"].touched, found["dice"].keep) == (1, pytest.approx(0.4))


def test_uncorrelated_inputs_leave_nothing_to_readjust() -> None:
    """Catches kept weights that move without a cause: whitened inputs, the price sum for both."""
    x = torch.linalg.qr(normal(20, 4) - normal(20, 4).mean(0)).Q
    x = (x - x.mean(0)) * torch.arange(1, 5) + 3
    white = Moments(x.mean(0), torch.diag(x.var(0)) + torch.outer(x.mean(0), x.mean(0)))
    weight = normal(3, 4, seed=1)
    found = by_method(compare(weight, white, white, [0.5]))
    mask = cheapest(prices(weight, white.covariance), 0.5)
    paid = float(prices(weight, white.covariance)[mask].sum())
    unit = float(damage(weight, white.covariance).sum())
    for name in ("std + mean", "readjusted"):
        assert found[name].held_out == pytest.approx(paid / unit)
        assert found[name].alignment_restored == pytest.approx(1)


def test_a_mean_from_samples() -> None:
    """Catches a bias that is not the calibration's: over all samples 1 + 1/N times (1.3)."""
    law = torch.tensor([[1.0, 0.0], [1.0, 2.0], [-2.0, 1.0]], dtype=torch.float64)
    exact, weight = Moments.of(law), torch.tensor([[1.0, 2.0]]).double()
    cut = torch.tensor([[0.0, 2.0]]).double()
    costs = []
    for pick in itertools.product(range(3), repeat=3):
        bias = restored_bias(weight, cut, law[list(pick)].mean(0))
        costs.append(Pruned(cut, cut == 0, bias).damage(weight, exact))
    least = float(damage(weight - cut, exact.covariance))
    assert sum(costs) / len(costs) == pytest.approx((1 + 1 / 3) * least)


def test_methods_can_be_added_and_left_out() -> None:
    """Catches a table that knows its methods by name; "Wanda + mean" is one line."""
    weight, old, new = relu_layer()
    more = {
        "Wanda": METHODS["Wanda"],
        "Wanda + mean": lambda w, seen, s: zeroed(w, prices(w, seen.second), s, seen.mean),
    }
    old, new = Moments.of(old), Moments.of(new)
    frame = compare(weight.float(), old, new, [0, 0.4, Fraction(4, 5), 1], methods=more)
    assert frame.method.tolist() == 4 * list(more)
    assert frame.removed.tolist() == [0, 0, 0.4, 0.4, 0.8, 0.8, 1, 1]
    assert frame.touched.tolist() == pytest.approx(frame.removed.tolist())
    none, all_of = frame[frame.removed == 0], frame[frame.removed == 1].iloc[1]
    assert (none.held_out == 0).all()
    assert none.alignment.isna().all()
    assert all_of.calibration == pytest.approx(1)  # a constant network


def test_nothing_removed_is_nothing_diced() -> None:
    """Catches a division by 0 at either end of what dice can do."""
    weight, old, _ = relu_layer()
    found = by_method(compare(weight, Moments.of(old), Moments.of(old), [0.0, 0.1]))
    assert found["dice"].held_out == 0
    assert found["dice"].keep == 1


def test_damping_is_there_by_default() -> None:
    """Catches kept weights that blow up: as many samples as kept weights, new inputs."""
    x = normal(400, 12)
    weight, law = normal(2, 12, seed=1), Moments.of(x)
    frame = [by_method(compare(weight, Moments.of(x[:6]), law, [0.5], m)) for m in (METHODS, EXACT)]
    damped, exact = (found["readjusted"].held_out for found in frame)
    assert damped < exact


DARK = Moments.of(torch.ones(2, 3))
test_refusals = refuses(
    (lambda: compare(torch.ones(1, 3), DARK, DARK, [0.5]), "outputs that vary"),
    (lambda: compare(torch.ones(1, 2), DARK, DARK, [0.5]), r"second \(n, n\)"),
    (lambda: compare(torch.ones(1, 3), Moments.of(normal(5, 3)), DARK, [0.5]), "that vary"),
)

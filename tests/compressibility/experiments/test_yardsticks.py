"""Five cuts of one layer against four yardsticks, each by a literal loop."""

import pandas as pd
import pytest
import torch
from torch.nn import functional

from compressibility.bounds.pruned_layer.mixtures import best_keep
from compressibility.dice import dice
from compressibility.experiments import family, yardsticks
from compressibility.experiments.family import Ruler, Variant
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning
from compressibility.pruning.wide import compress_wide
from compressibility.training.loop import Training
from tests.compressibility.experiments.test_family import digits  # noqa: F401

RULER, SHARES, L1, SEEDS = Ruler(batch=50, throws=3), (0.25, 0.5), 0.01, [2, 5]


@pytest.fixture(scope="module")
def run(digits):  # noqa: F811
    how = Training(4, batch_size=50, samples=150)
    return family.train(digits, 20, {"l1": Variant(0.3, l1=L1)}, how, seeds=SEEDS)["l1"]


@pytest.fixture(scope="module")
def frame(digits, run):  # noqa: F811
    return yardsticks.curves(digits, run, L1, RULER, SHARES).set_index(["seed", "cut", "removed"])


def literal(weight, x, cut, share, seed):
    """The cut weights, one by one."""
    made, n = weight.clone(), weight.numel()
    if cut == "magnitude":
        order = weight.abs().flatten().argsort()[: int(share * n)]
        made.view(-1)[order] = 0
    elif cut == "units":
        made[weight.norm(dim=1).argsort()[: int(share * len(weight))]] = 0
    elif cut == "Wanda":
        for row, score in zip(made, weight.abs() * x.square().mean(0).sqrt(), strict=True):
            row[score.argsort(stable=True)[: int(share * len(row))]] = 0
    elif cut == "prices":
        scores = (weight.abs() * x.square().mean(0).sqrt()).flatten()
        made.view(-1)[scores.argsort(stable=True)[: int(share * n)]] = 0
    else:
        paid = (weight.square() * x.square().mean(0)).flatten()
        part, keep, _ = best_keep(paid, share)
        layer = family.Network([weight[None]]).layer(0, 0)
        whole = Cut(Pruning(keep), share=round(part * n) / n)
        return compress_wide(layer, x, whole, dice("family", "dice", seed), throws=3).weight
    return made[None]


@pytest.mark.parametrize("cut", yardsticks.CUTS)
def test_cuts_are_those_named_and_yardsticks_those_of_the_network(digits, run, frame, cut):  # noqa: F811
    """Catches another order, scope or share; squares for roots, ε of another network, V cut too."""
    x, y = digits.train_inputs[:150], digits.train_targets[:150]
    for e, seed in enumerate(SEEDS):
        w, v = (weight[e].detach() for weight in run.network.weights)
        eps = family.allowed_rise(run.network.member(e), x, y, RULER, seed)

        def total(one, v=v, x=x):
            return functional.cross_entropy((x @ one.T).relu() @ v.T, y) + L1 * one.abs().sum()

        def right(one, v=v):
            z = (digits.test_inputs @ one.T).relu() @ v.T
            return (z.argmax(1) == digits.test_targets).double().mean()

        for share in SHARES:
            made, row = literal(w, x, cut, share, seed), frame.loc[seed, cut, share]
            hole = [float((w - one).square().sum()) for one in made]
            error = torch.tensor(hole).mean() / w.square().sum()
            gap = torch.stack([(x @ (w - one).T).square().sum(1).mean() for one in made]).mean()
            spread = (x @ w.T).var(0, correction=0).sum()
            loss = torch.stack([total(one) - total(w) for one in made]).mean() / eps
            lost = torch.stack([right(w) - right(one) for one in made]).mean() * 100
            assert row.weights == pytest.approx(float(error.sqrt()), rel=1e-6)
            assert row.outputs == pytest.approx(float((gap / spread).sqrt()), rel=1e-6, abs=1e-9)
            assert row.loss == pytest.approx(float(loss), rel=1e-6, abs=1e-9)
            assert row.accuracy == pytest.approx(float(lost), abs=1e-9)


def test_within_takes_the_largest_share_that_passes():
    """Catches the last before the first failure, a strict limit, seeds mixed up, no 0."""
    frame = pd.DataFrame(
        {
            "seed": [1, 1, 1, 2, 2, 2],
            "cut": ["dice"] * 6,
            "removed": [0.1, 0.2, 0.3] * 2,
            "loss": [0.0, 2.0, 1.0, 2.0, 3.0, 4.0],
            "weights": [0.1, 0.2, 0.3, 0.0, 0.0, 0.4],
        }
    )
    found = yardsticks.within(frame, {"loss": 1.0, "weights": 0.1}).set_index("seed")
    assert found.loss.tolist() == [0.3, 0.0]
    assert found.weights.tolist() == [0.1, 0.2]

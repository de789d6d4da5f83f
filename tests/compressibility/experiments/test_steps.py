"""Grids of rates and batch sizes: against the loop by hand, measures against literal ones."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from compressibility.data.sets import load
from compressibility.dice import dice
from compressibility.experiments.steps import accuracies, measure, train_grid
from compressibility.metrics import accuracy
from compressibility.models.network import Network, mlp
from compressibility.noise import tails
from compressibility.training.loop import Average, Training, train
from tests.compressibility.helpers import refuses

SEEDS, WIDTHS = (5, 2), [64, 24, 16, 10]


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def start(seeds=SEEDS):
    return mlp(WIDTHS, init="torch", seeds=seeds)


def grid(digits, rates, **changes):
    how = {"seeds": SEEDS, "steps": 10, "samples": 100} | changes
    return train_grid(digits, start(how["seeds"]), rates, **how)


def test_each_cell_is_its_network_trained_alone(digits):
    """Catches a cell with the rate, seed, batch or scores of another, a wrong count of steps."""
    found = grid(digits, {20: (0.05, 0.3), 100: (0.2,)}, steps=12, average=5)
    cells = found.cells
    assert cells[["batch", "rate", "seed", "steps"]].values.tolist() == [
        *([20, rate, seed, 15] for seed in SEEDS for rate in (0.05, 0.3)),
        *([100, 0.2, seed, 12] for seed in SEEDS),
    ]
    assert cells.network.tolist() == [*range(6)]
    assert cells.diverged.isna().all()
    x, y = digits.train_inputs[:100], digits.train_targets[:100]
    for cell in cells.itertuples():
        epochs = cell.steps // math.ceil(100 / cell.batch)
        how = Training(epochs, cell.rate, cell.batch, optimizer="sgd")
        alone, mean = start((cell.seed,)), Average(cell.steps - 5)
        train(alone, x, y, how, loss="cross_entropy", seeds=(cell.seed,), hooks=[mean])
        member = found.network.member(cell.network)
        means = found.average.member(cell.network).weights
        for one, other, averaged, own in zip(
            member.weights, alone.weights, means, mean.means, strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
            torch.testing.assert_close(averaged.double(), own, rtol=0, atol=1e-5)
        outputs, test = member(x)[0].detach(), member(digits.test_inputs)[0].detach()
        assert cell.train_loss == pytest.approx(functional.cross_entropy(outputs, y).item())
        assert cell.train_accuracy == accuracy(outputs, y).item()
        assert cell.test_accuracy == accuracy(test, digits.test_targets).item()
    assert not found.network.weights[0].requires_grad


def test_full_batch_and_more_is_full_batch(digits):
    """Catches a batch size beyond the samples, or orders that matter where none can."""
    full, more = (grid(digits, {size: (0.2,)}) for size in (100, 5000))
    assert more.cells.batch.tolist() == [100, 100]
    for one, other in zip(full.network.weights, more.network.weights, strict=True):
        assert torch.equal(one, other)


def test_networks_that_diverge_are_named_and_left_out(digits):
    """Catches a crash, positions that shift, a lost network measured in place of another."""
    found = grid(digits, {20: (1e30, 0.1), 50: (0.1, 1e30)})
    assert found.cells.network.tolist() == [-1, 0, -1, 1, 2, -1, 3, -1]
    lost = found.cells[found.cells.network < 0]
    assert lost.diverged.between(1, 3).all()
    assert lost[["train_loss", "train_accuracy", "test_accuracy"]].isna().all(axis=None)
    kept = grid(digits, {20: (0.1,), 50: (0.1,)})
    for one, other in zip(found.network.weights, kept.network.weights, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    merged = found.cells.merge(measure(found.network))
    assert set(merged.rate) == {0.1}
    last = grid(digits, {100: (1e38, 0.1)}, steps=1)  # only the last step leaves the floats
    assert last.cells.diverged.dropna().tolist() == [1, 1]
    assert last.network.networks == 2


def shuffled(vectors):
    """Five orders of vectors, less a point between the two middle values of each coordinate."""
    thrown, middle = dice("orders", len(vectors)), len(vectors) // 2
    lower, upper = np.sort(vectors, axis=0)[middle - 1 : middle + 1]
    orders = [torch.randperm(len(vectors), generator=thrown).numpy() for _ in range(5)]
    return [(vectors - (2 * lower + upper) / 3)[order] for order in orders]


def test_measures_are_the_literal_ones():
    """Catches another layer or network, columns for rows, measures of even rows and of raw ones."""
    network = mlp(WIDTHS, seeds=SEEDS, dtype=torch.float64)
    scale = 1 + 3 * torch.rand(24, 1, generator=torch.Generator().manual_seed(0)).double()
    network = network.with_weight(0, network.weights[0].detach() * scale)
    found = measure(network, error=0.2)
    assert len(found) == 6
    for row in found.itertuples():
        weight = network.weights[row.layer - 1][row.network].detach().numpy()
        norms = np.array([math.sqrt(sum(v * v for v in line)) for line in weight])
        for values, share, kurtosis in (
            (weight, row.share, row.kurtosis),
            (weight / norms[:, None], row.even_share, row.even_kurtosis),
        ):
            flat = values.ravel()
            squares, removed = np.sort(flat**2), 0
            while sum(squares[: removed + 1]) <= 0.04 * sum(squares):
                removed += 1
            assert share == pytest.approx(removed / flat.size, abs=1e-12)
            gaps = flat - flat.mean()
            assert kurtosis == pytest.approx((gaps**4).mean() / (gaps**2).mean() ** 2)
        assert row.norms == pytest.approx(norms.max() / norms.min())
        flat, vectors = weight.ravel(), weight.T if row.layer == 3 else weight
        orders = shuffled(flat[:, None])
        assert row.block == pytest.approx(
            np.median([tails.blocks(v, centre=False).index.value for v in orders])
        )
        each = [tails.blocks(v, centre=False).index.value for v in shuffled(vectors)]
        assert row.vectors == pytest.approx(np.median(each))
        assert row.hill == pytest.approx(tails.hill(flat, max(5, flat.size // 100)).value)
        sizes = [m for m in (10, 16, 32, 64, 128, 256) if m <= flat.size / 8]
        slopes = [tails.slope_index(v, sizes, centre=False).value for v in orders]
        assert row.slope == pytest.approx(np.median(slopes))


def test_accuracies_are_those_of_the_pruned_networks(digits):
    """Catches a pruned head, the kept share for the removed one, stored numbers of other layers."""
    network = grid(digits, {20: (0.1,)}).network
    found = accuracies(network, digits, [0, 0.25, 1])
    dense = accuracy(network(digits.test_inputs), digits.test_targets).tolist()
    whole = 64 * 24 + 24 * 16 + 16 * 10
    assert len(found) == 18
    for (pruning, removed), some in found.groupby(["pruning", "removed"]):
        stored = {"magnitude": 0.75 * (64 * 24 + 24 * 16), "nodes": 48 * 24 + 18 * 16}
        stored["ranks"] = 18 * (64 + 24) + 12 * (24 + 16)
        assert some.network.tolist() == [0, 1]
        if removed == 0 and pruning != "ranks":
            assert some.stored.tolist() == [1, 1]
        if removed == 0:
            assert some.test_accuracy.tolist() == pytest.approx(dense, abs=1e-12)
        elif removed == 1:
            assert some.stored.tolist() == pytest.approx([160 / whole] * 2)
            zeros = (digits.test_targets == 0).double().mean().item()
            assert some.test_accuracy.tolist() == pytest.approx([zeros] * 2)
        else:
            assert some.stored.tolist() == pytest.approx([(stored[pruning] + 160) / whole] * 2)
    weights = []
    for weight in network.weights[:2]:
        least = weight.abs().flatten(1).sort().values[:, weight[0].numel() // 4]
        weights.append(torch.where(weight.abs() >= least[:, None, None], weight, 0.0))
    by_hand = Network([*weights, network.weights[2]])
    expected = accuracy(by_hand(digits.test_inputs).detach(), digits.test_targets).tolist()
    row = found[(found.pruning == "magnitude") & (found.removed == 0.25)]
    assert row.test_accuracy.tolist() == expected


@pytest.mark.slow
def test_large_steps_make_layers_prunable(digits):
    """Catches a grid that no longer shows what the chapter is about."""
    begin = mlp([64, 128, 128, 128, 10], init="torch")
    found = train_grid(digits, begin, {5: (0.01, 0.15)}, seeds=[0], steps=1000, samples=1437)
    frame = found.cells.merge(measure(found.network)).query("layer == 1")
    low, high = frame.to_dict("records")
    assert high["share"] > low["share"] + 0.03
    assert high["block"] < low["block"] - 0.05
    assert high["even_share"] < high["share"] - 0.01


def bad(rates=None, problem="digits", **changes):
    def call():
        how = {"seeds": SEEDS, "steps": 5, "samples": 20} | changes
        train_grid(load(problem), start(), {5: [0.1]} if rates is None else rates, **how)

    return call


test_bad_requests_are_refused = refuses(
    (bad(problem="diabetes"), "need a task of classification, got regression"),
    (bad(rates={}), "need rates for each batch size"),
    (bad(rates={5: []}), "need rates for each batch size"),
    (bad(rates={5: [0.0]}), "need 0 < learning_rate < inf"),
    (bad(rates={0: [0.1]}), "need a whole batch >= 1"),
    (bad(seeds=(1,)), "need 2 seeds, one per network"),
    (bad(seeds=()), "need at least 1 seed"),
    (bad(steps=0), "need a whole steps >= 1"),
    (bad(samples=0), "need a whole samples >= 1"),
    (bad(average=6), "need average <= steps = 5, got 6"),
    (bad(rates={5: [1e30]}), "need a network that does not diverge"),
    (lambda: measure(start(), orders=0), "need a whole orders >= 1"),
    (lambda: accuracies(start(), load("digits"), []), "need at least 1 share"),
)

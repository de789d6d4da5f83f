"""Training under injected noise: against a loop by hand, measures against literal ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from compressibility.data.sets import load
from compressibility.dice import dice
from compressibility.experiments.noisy import curve, measure, scores, table, train_noisy
from compressibility.models.meanfield import MeanField, meanfield
from compressibility.models.network import convnet, mlp
from compressibility.noise import stable
from compressibility.noise.injection import HeavyTailedNoise
from compressibility.training.loop import Training
from tests.compressibility.helpers import refuses

HOW = Training(2, 0.1, 50, 100, "sgd")  # four steps
LAW = HeavyTailedNoise(alpha=1.5, scale=0.05, kind="independent")
SEEDS = [3, 1]


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def start(widths=(64, 20, 10)):
    return mlp(list(widths), init="torch", seeds=SEEDS)


def by_hand(problem, weights, seed, *, rate=0.1, eta=0.1):
    """Train one network of two layers; its weights, and what was added to the first."""
    w, v = (x.clone().requires_grad_() for x in weights)
    order, noise = torch.Generator().manual_seed(seed), dice("injected noise", seed)
    x, y, total = problem.train_inputs[:100], problem.train_targets[:100], 0
    for _ in range(2):
        for batch in torch.randperm(100, generator=order).split(50):
            loss = functional.cross_entropy((x[batch] @ w.T).relu() @ v.T, y[batch])
            slopes = torch.autograd.grad(loss, [w, v])
            jump = 0.05 * eta ** (1 / 1.5) * stable.symmetric(1.5, w.shape, noise)
            total = total + jump
            with torch.no_grad():
                w -= rate * slopes[0]
                v -= rate * slopes[1]
                w += jump.float()
    return w.detach(), v.detach(), total


def test_each_network_is_trained_as_by_hand(digits):
    """Catches dice shared by seeds, noise of another rate or layer, a start that is changed."""
    first = start()
    run = train_noisy(digits, first, HOW, LAW, seeds=SEEDS)
    for e, seed in enumerate(SEEDS):
        w, v, total = by_hand(digits, [x[e].detach() for x in first.weights], seed)
        torch.testing.assert_close(run.network.weights[0][e], w, rtol=0, atol=1e-4)
        torch.testing.assert_close(run.network.weights[1][e], v, rtol=0, atol=1e-4)
        torch.testing.assert_close(run.injected[0][e], total, rtol=1e-5, atol=1e-6)
    assert torch.equal(run.start.weights[0], first.weights[0])
    assert (run.seeds, run.samples, run.diverged) == ((3, 1), 100, {})


def test_noise_has_a_rate_of_its_own(digits):
    """Catches mean-field training whose noise has the rate ηn, and networks that thaw."""
    first = meanfield(64, 8, outer=2.0, seeds=SEEDS)
    how = replace(HOW, learning_rate=0.8)
    binary = digits.against_rest(0)
    run = train_noisy(binary, first, how, LAW, seeds=SEEDS, rate=0.1)
    other = train_noisy(binary, first, how, LAW, seeds=SEEDS, rate=0.8)
    torch.testing.assert_close(other.injected[0], 8 ** (1 / 1.5) * run.injected[0])
    assert isinstance(run.network, MeanField)
    assert torch.equal(run.network.weights[1], first.weights[1])
    assert list(run.injected) == [0]


def literal_removed(units, error):
    """How many of the smallest units go: one by one, squares added up."""
    squares = sorted(float(u @ u) for u in units.double())
    gone, total = 0.0, sum(squares)
    for m, square in enumerate(squares):
        gone += square
        if gone > error * total:
            return m
    return len(squares)


def test_measures_are_those_of_the_weights(digits):
    """Catches W₀ or N left out, columns for rows, norms for squares, a layer's number."""
    noise = replace(LAW, layers=["weights.1"])
    run = train_noisy(digits, start((64, 20, 12, 10)), HOW, noise, seeds=SEEDS)
    found = measure(run, error=0.2, kept=0.25)
    assert found.layer.tolist() == [2, 2]
    assert found.seed.tolist() == SEEDS
    for e, row in enumerate(found.itertuples()):
        w, old = (one.weights[1][e].detach().double() for one in (run.network, run.start))
        n = run.injected[1][e]
        assert row.share * 12 == pytest.approx(literal_removed(w, 0.2))
        assert row.noise_share * 12 == pytest.approx(literal_removed(old + n, 0.2))
        assert row.noise == pytest.approx(float(n.norm() / old.norm()))
        assert row.moved == pytest.approx(float((w - n - old).norm() / old.norm()))
        assert row.drift == pytest.approx(float((w - n).norm() / n.norm()))
        best = np.sort(w.norm(dim=1).numpy())[:9]  # of 12 three stay
        assert row.error == pytest.approx(np.sqrt((best**2).sum()) / float(w.norm()))
        assert row.error <= row.sharp <= row.simple


def test_scores_are_those_of_pruned_networks(digits):
    """Catches the unpruned network scored, units of the wrong side, shares of units for weights."""
    widths = (64, 30, 20, 10)
    run = train_noisy(digits, start(widths), HOW, LAW, seeds=SEEDS)
    found = scores(run, digits, error=0.3)
    x, y = digits.test_inputs, digits.test_targets
    for e, row in enumerate(found.itertuples()):
        w, u, v = (layer[e].detach().clone() for layer in run.network.weights)
        before = ((x @ w.T).relu() @ u.T).relu() @ v.T
        gone = [literal_removed(layer, 0.3) for layer in (w, u)]
        for layer, m in zip((w, u), gone, strict=True):
            layer[layer.norm(dim=1).argsort()[:m]] = 0
        after = ((x @ w.T).relu() @ u.T).relu() @ v.T
        expected = (gone[0] * 64 + gone[1] * 30) / (30 * 64 + 20 * 30)
        assert row.removed == pytest.approx(expected)
        assert row.test_accuracy == (before.argmax(1) == y).double().mean().item()
        assert row.pruned_accuracy == (after.argmax(1) == y).double().mean().item()
    used = digits.train_inputs[:100], digits.train_targets[:100]
    seen = (run.network(used[0]).argmax(-1) == used[1]).double().mean(-1)
    assert found.train_accuracy.tolist() == seen.tolist()


def test_curve_removes_the_smallest_units(digits):
    """Catches inputs pruned for units, kept for removed; at 0 the network is whole, at 1 dumb."""
    run = train_noisy(digits, start(), HOW, LAW, seeds=SEEDS)
    found = curve(run, digits, [0, 0.75, 1])
    assert found.removed.tolist() == [0, 0, 0.75, 0.75, 1, 1]
    whole = scores(run, digits).test_accuracy.tolist()
    assert found.test_accuracy.tolist()[:2] == whole
    first = (digits.test_targets == 0).double().mean().item()  # all logits are 0
    assert found.test_accuracy.tolist()[4:] == [first, first]
    w, v = (layer[0].detach().clone() for layer in run.network.weights)
    w[w.norm(dim=1).argsort()[:15]] = 0
    pruned = ((digits.test_inputs @ w.T).relu() @ v.T).argmax(1) == digits.test_targets
    assert found.test_accuracy[2] == pruned.double().mean().item()


def test_filters_are_units_of_a_convolution(digits):
    """Catches kernels for filters, a first convolution that gets noise or loses units."""
    first = convnet([1, 6, 8], outputs=10, size=8, seeds=SEEDS)
    noise = replace(LAW, units="filters", layers=["weights.1"])
    run = train_noisy(digits, first, HOW, noise, seeds=SEEDS)
    assert list(run.injected) == [1]
    found = measure(run).merge(scores(run, digits))
    for e, row in enumerate(found.itertuples()):
        filters = run.network.weights[1][e].detach().flatten(1)
        assert row.share * 8 == pytest.approx(literal_removed(filters, 0.1))
        assert row.removed == pytest.approx(row.share)


def test_table_joins_noises_and_names_those_that_diverge(digits):
    """Catches rows of another noise, and a diverged network that counts or goes without a word."""
    mild, wild = replace(LAW, scale=0.0), replace(LAW, alpha=0.3, scale=1e14)
    found = table(digits, start(), HOW, [mild, wild, LAW], seeds=SEEDS)
    assert found.scale.tolist() == [0, 0, 1e14, 1e14, 0.05, 0.05]
    assert found.seed.tolist() == SEEDS * 3
    lost = found.diverged.notna()
    assert lost.tolist() == [False, False, False, True, False, False]
    assert found.diverged[3] == 3
    assert found[lost].share.isna().all()
    assert found[~lost].share.notna().all()
    assert (found.noise[:2] == 0).all()
    assert (found.sharp[:2] == 1).all()
    alone = measure(train_noisy(digits, start(), HOW, LAW, seeds=SEEDS))
    assert found.share.tolist()[4:] == alone.share.tolist()


def trained(**changes):
    """A run with some arguments changed."""
    given = {"problem": load("digits"), "how": HOW, "seeds": SEEDS} | changes
    return train_noisy(given["problem"], start(), given["how"], LAW, seeds=given["seeds"])


test_bad_arguments = refuses(
    (lambda: trained(problem=load("diabetes")), "a task of classification"),
    (lambda: trained(how=replace(HOW, learning_rate=(0.1, 0.2))), "one rate"),
    (lambda: trained(seeds=[0]), "2 seeds"),
    (lambda: trained(seeds=[5, 5]), "distinct seeds"),
    (lambda: curve(trained(), load("digits"), []), "at least 1 share"),
    (lambda: load("diabetes").against_rest(0), "a task of classification"),
    (lambda: load("digits").against_rest(10), "0 <= label < 10"),
)

"""One family before four theories: each number against a second way to it."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import stats

from compressibility.bounds.wide_networks import Asked, Constants, audit, wide_bound
from compressibility.bounds.wide_networks.facts import LayerFacts, Seen
from compressibility.data.sets import load
from compressibility.dice import dice
from compressibility.experiments import family, oneshot
from compressibility.experiments.family import Ruler, Variant
from compressibility.experiments.noisy import NoisyRun, train_noisy
from compressibility.models.network import Network, mlp
from compressibility.noise.injection import HeavyTailedNoise
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Pruning
from compressibility.pruning.kterm import GAUSSIAN, LAPLACE, UNIFORM, removable, stable_rate
from compressibility.pruning.wide import compress_wide
from compressibility.training.loop import Training
from compressibility.training.recipes import trained

HOW = Training(2, batch_size=50, samples=150)
NOISE = HeavyTailedNoise(alpha=1.75, scale=0.02, kind="isotropic")
VARIANTS = {"none": Variant(0.0), "l1": Variant(0.3, l1=0.01), "noise": Variant(0.2, noise=NOISE)}
RULER = Ruler(batch=50, shares=tuple(Fraction(j, 40) for j in range(4, 41)), steps=6, throws=3)
SEEDS = [0, 4]


@pytest.fixture(scope="module")
def digits():
    data = load("digits")
    inputs = (data.train_inputs.double(), data.test_inputs[:60].double())
    data = replace(data, train_inputs=inputs[0], test_inputs=inputs[1])
    return replace(data, test_targets=data.test_targets[:60])


@pytest.fixture(scope="module")
def runs(digits):
    return family.train(digits, 16, VARIANTS, HOW, seeds=SEEDS)


@pytest.fixture(scope="module")
def found(digits, runs):
    frames = {
        name: family.theories(digits, run, VARIANTS[name].l1, RULER) for name, run in runs.items()
    }
    return {
        name: frame.set_index(["number", "seed"]).sort_index() for name, frame in frames.items()
    }


def begun():
    return mlp([64, 16, 10], init="torch", seeds=SEEDS, dtype=torch.float64)


def test_variants_train_from_the_same_start_each_in_its_way(digits, runs):
    """Catches a rate, penalty or noise that is lost, and a start that trains along."""
    for own, start in zip(runs["none"].network.weights, begun().weights, strict=True):
        assert torch.equal(own, start)
    assert runs["none"].injected[0].count_nonzero() == 0
    how = replace(HOW, learning_rate=0.3, l1=0.01, optimizer="sgd")
    for own, other in zip(
        runs["l1"].network.weights, trained(digits, begun(), how, seeds=SEEDS).weights, strict=True
    ):
        torch.testing.assert_close(own, other, rtol=0, atol=1e-12)
    how = replace(HOW, learning_rate=0.2, optimizer="sgd")
    other = train_noisy(digits, begun(), how, NOISE, seeds=SEEDS)
    assert torch.equal(runs["noise"].network.weights[0], other.network.weights[0])
    assert torch.equal(runs["noise"].injected[0], other.injected[0])


def one_layer(weight):
    """A run of one network of which only W matters."""
    first = torch.as_tensor(weight, dtype=torch.float64)[None]
    network = Network([first, torch.ones(1, 2, first.shape[1], dtype=torch.float64)])
    return NoisyRun(network, network, {0: torch.zeros_like(first)}, (0,), 1, {})


@pytest.mark.parametrize(("law", "limit"), [(stats.laplace, LAPLACE), (stats.norm, GAUSSIAN)])
def test_law_is_known_from_two_moments(law, limit):
    """Catches moments of another order, and a wrong shape: quantiles have their own law."""
    values = law.ppf((np.arange(4000) + 0.5) / 4000).reshape(40, 100)
    rows = {row[2]: row for row in family._heavy(one_layer(values), Ruler())}
    assert rows["law"][4] == pytest.approx(limit.removable(0.1), abs=0.003)
    assert rows["law"][5] == removable(torch.tensor(values).flatten(), 0.1).item()
    assert not rows["stable"][7]


def test_uniform_weights_have_the_flattest_law():
    """Catches a search that ends in an error where weights are uniform, as before training."""
    values = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    assert family.fitted(values).removable(0.1) == pytest.approx(UNIFORM.removable(0.1), abs=0.01)


def test_block_estimate_is_taken_at_its_word():
    """Catches kept for removed, another N, and an index that is not interpolated."""
    shares = family._stable_shares(1000, 0.1)
    for alpha, share in zip(family._INDICES[:-1], shares, strict=False):
        assert stable_rate(alpha, 1 - share, 1000) == pytest.approx(0.1, rel=0.05)
    assert shares[-1] == GAUSSIAN.removable(0.1)
    drawn = torch.from_numpy(stats.cauchy.rvs(size=(200, 100), random_state=1))
    rows = {row[2]: row for row in family._heavy(one_layer(drawn), Ruler())}
    assert rows["stable"][4] == pytest.approx(family._stable_shares(20_000, 0.1)[0])
    assert rows["stable"][7]
    assert 0.7 < rows["stable"][6] < 1.4  # Hill's, of an index of 1


def test_weights_are_shuffled_before_their_blocks_are_summed():
    """Catches block sums of equal neighbors, which grow as under no variance at all."""
    rows = torch.randn(40, 1, generator=dice("rows"), dtype=torch.float64).expand(40, 50)
    said = {row[2]: row for row in family._heavy(one_layer(rows), Ruler())}
    assert said["stable"][4] < 0.5  # unshuffled, .99


def test_certificate_and_noise_are_those_of_the_run():
    """Catches bound and error exchanged, and a theory that speaks without noise."""
    noise = torch.diag(torch.tensor([12.0, 5.0], dtype=torch.float64))
    start = torch.diag(torch.tensor([-2.2848, 2.8336], dtype=torch.float64))
    head = torch.ones(1, 2, 2, dtype=torch.float64)
    first, last = (Network([w[None], head]) for w in (start, start + noise))
    run = NoisyRun(first, last, {0: noise[None]}, (7,), 1, {})
    certified, alone = family._noise(run, Ruler(squared=0.4))
    drift = math.hypot(2.2848, 2.8336) / 13
    expected = (7, "II", "certificate", "error", 204 / 325, 204 / 325, drift, True)
    assert certified[:4] == expected[:4]
    assert certified[4:7] == pytest.approx(expected[4:7])
    assert alone[4:6] == (0.5, 0.5)
    assert certified[7]
    assert alone[7]
    start, noise, drift = torch.randn(3, 9, 4, generator=dice("own"), dtype=torch.float64)
    head = torch.ones(1, 2, 9, dtype=torch.float64)
    first, last = (Network([w[None], head]) for w in (start, start + 3 * noise + drift))
    moved = replace(run, start=first, network=last, injected={0: 3 * noise[None]})
    certified, alone = family._noise(moved, Ruler(kept=Fraction(4, 9), squared=0.4))
    before, after, plus = (
        w.square().sum(1).sort().values
        for w in (3 * noise, last.weights[0][0].detach(), start + 3 * noise)
    )
    angles = math.asin((before[:5].sum() / before.sum()).sqrt())
    angles += math.asin((start + drift).norm() / (3 * noise).norm())
    assert certified[4] == pytest.approx(math.sin(angles))
    assert certified[5] == pytest.approx(float((after[:5].sum() / after.sum()).sqrt()))
    shares = [int((one.cumsum(0) <= 0.4 * one.sum()).sum()) / 9 for one in (plus, after)]
    assert alone[4:6] == tuple(shares)
    assert shares[0] != shares[1]
    silent = replace(moved, network=first, injected={0: 0 * noise[None]})
    assert [row[7] for row in family._noise(silent, Ruler())] == [False, False]


@pytest.mark.parametrize("name", ["l1", "none"])
def test_limits_are_those_of_the_experiment(digits, runs, found, name):
    """Catches another ε, objective, ranking or grid than in ``oneshot.measure``."""
    run, how = runs[name], replace(HOW, l1=VARIANTS[name].l1, optimizer="sgd")
    protocol = oneshot.Protocol(50, 50, RULER.shares, steps=6)
    table = oneshot.measure(digits, run.network.member(0), how, protocol, seeds=[0]).table.iloc[0]
    own = found[name].xs(0, level="seed")
    for number in ("u2", "star", "orthogonal"):
        assert own.predicted[number] == pytest.approx(table[number], abs=1e-6)
        assert own.measured[number] == table.total_within
        assert own.assumed[number] == pytest.approx(table.slope, rel=1e-6)
        assert own.speaks[number] == (abs(table.slope) <= 1)
    assert {"cone", "u2"} <= set(own.index)


def test_dense_hessians_know_the_surgeon(digits):
    """Catches a name that is left out where the dense Hessian gives it."""
    run = family.train(digits, 3, {"plain": Variant(0.3)}, HOW, seeds=[1])["plain"]
    rows = family._limit(digits, run, 0.0, replace(RULER, steps=None))
    assert [row[2] for row in rows] == ["u2", "star", "orthogonal", "cone", "obs"]


@pytest.mark.parametrize("name", VARIANTS)
def test_dice_cost_what_prices_say_and_bounds_bound_it(digits, runs, found, name):
    """Catches damage over power for variance, other throws, another layer's bound."""
    x = digits.train_inputs[:150]
    network, own = runs[name].network, found[name].xs(4, level="seed")
    w, v = (weight[1].detach() for weight in network.weights)
    spread = (x @ w.T).var(0, correction=0).sum()
    paid = (w.square() * x.square().mean(0)).flatten().sort().values[: w.numel() // 2].sum()
    cut = Cut(Pruning(0.5), share=0.5)
    made = compress_wide(network.layer(0, 1), x, cut, dice("family", 4), throws=3).weight
    before = np.mean([float((x @ (w - one).T).square().sum(1).mean()) for one in made])
    printed = wide_bound(LayerFacts.of(w), Seen.of(x), cut)
    for number, predicted, measured in (
        ("identity", paid / spread, before / spread),
        ("bound", printed / spread, before / spread),
    ):
        assert own.predicted[number] == pytest.approx(float(predicted))
        assert own.measured[number] == pytest.approx(float(measured))
    outputs = (x @ w.T).relu() @ v.T
    total = outputs.var(0, correction=0).sum()
    moved = np.mean(
        [float(((x @ o.T).relu() @ v.T - outputs).square().sum(1).mean()) for o in made]
    )
    assert own.measured["promise"] == pytest.approx(float(moved / total))
    c1 = max(float(torch.linalg.matrix_norm(one, 2)) for one in (w, v))
    unit = float(x.square().sum(1).max()) * c1**4 * 1.5**2 / 2
    assert own.predicted["promise"] == pytest.approx(float(unit / total))
    plan, asked = Plan((64, 16, 10), wide=(1,)), Asked(0.5, share=0.5)
    narrow, steep = audit("2", plan, Pruning(0.5), Constants.of(network, 1), asked).rows
    short = max(narrow.right / narrow.left, steep.left / steep.right)
    assert own.assumed["promise"] == pytest.approx(short)
    assert own.speaks.loc[["identity", "bound", "promise"]].tolist() == [True, False, False]


def test_epsilon_and_variance_of_a_layer(digits):
    """Catches another batch size, and powers in place of variances."""
    network, x = begun().member(0).requires_grad_(False), digits.train_inputs[:100]
    eps = family.allowed_rise(network, x, digits.train_targets[:100], Ruler(batch=10), 3)
    z = network(x)[0]
    each = torch.nn.functional.cross_entropy(z, digits.train_targets[:100], reduction="none")
    assert eps == pytest.approx(float(each.std()) * math.sqrt(0.09), rel=0.15)  # 50 shuffles
    w = network.weights[0][0]
    spread = float((x @ w.T).var(0, correction=0).sum())
    assert family.variance(w, family.Moments.of(x)) == pytest.approx(spread)


def test_no_rise_is_allowed_where_nothing_is_lost(digits):
    """Catches an ε of 0 that fails deep in the limit, in words of another theory."""
    network = mlp([digits.features, 4, digits.outputs], dtype=torch.float64).requires_grad_(False)
    for weight in network.weights:
        weight.zero_()
    x = digits.train_inputs[:100].double()
    same = torch.zeros(100, dtype=torch.int64)
    with pytest.raises(ValueError, match="need losses that differ: where all are 0"):
        family.allowed_rise(network, x, same, Ruler(batch=10), 3)

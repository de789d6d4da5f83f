"""Sweeps over the width, on tiny networks, against their parts done by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from compressibility.data.sets import load
from compressibility.experiments import sweep as experiment
from compressibility.experiments.sweep import compress_layer, sweep
from compressibility.metrics import accuracy, r2
from compressibility.models.network import convnet, mlp
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning, Quantization

SEEDS, THROWS, SAMPLES = [0, 4], 3, 30
WEIGHTS = Cut(Pruning(keep=0.3), share=0.9, scorings=2)
GROUPS = Cut(Pruning(keep=0.3), share=0.9, groups=True)


def dense(width, activation="tanh"):
    return mlp([64, width, 5, 10], activation=activation, seeds=SEEDS).requires_grad_(False)


def convolutions(width, activation="tanh"):
    nets = convnet([1, width, 3], outputs=10, size=8, activation=activation, seeds=SEEDS)
    return nets.requires_grad_(False)


@pytest.fixture(scope="module")
def digits():
    """Fifty test images suffice."""
    whole = load("digits").in_unit_ball()
    return replace(whole, test_inputs=whole.test_inputs[:50], test_targets=whole.test_targets[:50])


def curves(build, problem, cut, widths=(4, 10), **changes):
    options = {"seeds": SEEDS, "throws": THROWS, "samples": SAMPLES, **changes}
    return sweep({w: build(w) for w in widths}, problem, cut, **options)


def norms(network, e):
    """Of every layer, from what torch's own layer makes of unit inputs."""
    for module in network.as_sequential(e):
        if hasattr(module, "weight"):
            image = (module.weight.shape[1], *((8, 8) if module.weight.ndim == 4 else ()))
            units = torch.eye(int(np.prod(image))).reshape(-1, *image)
            yield torch.linalg.matrix_norm(module(units).flatten(1).double(), ord=2).item()


@pytest.mark.parametrize("kind", ["block", "wide"])
@pytest.mark.parametrize(
    ("build", "cut"), [(dense, WEIGHTS), (dense, GROUPS), (convolutions, GROUPS)]
)
def test_numbers_are_those_of_the_compressed_networks(digits, build, cut, kind):
    """Catches an error, score, share or norm of another network, throw, layer or data set."""
    curve, network, at = curves(build, digits, cut)[kind], build(10), ("block", "wide").index(kind)
    dice = [experiment._dice(kind, 10, seed, build is convolutions) for seed in SEEDS]
    inputs = digits.train_inputs[:SAMPLES]
    stacks = compress_layer(network, kind, inputs, cut, dice, THROWS)
    x, y = digits.test_inputs, digits.test_targets
    for e, stack in enumerate(stacks):
        assert stack.shape == (THROWS, *network.weights[at].shape[1:])
        assert not torch.equal(stack[0], stack[1])
        member = network.member(e)
        thin = torch.stack([member.with_weight(at, w[None])(x)[0] for w in stack])
        whole = member(x)[0]
        error = (thin - whole).square().sum(-1).mean()
        assert curve.error[1, e] == pytest.approx(error.item(), rel=1e-4)
        shares = (thin.softmax(-1) - whole.softmax(-1)).square().sum(-1).mean()
        assert curve.probability_error[1, e] == pytest.approx(shares.item(), rel=1e-4)
        assert curve.quality[1, e] == pytest.approx(accuracy(thin, y).mean().item())
        assert curve.dense_quality[1, e] == pytest.approx(accuracy(whole, y).item())
        assert curve.kept_share[1, e] == pytest.approx((stack != 0).double().mean().item())
        assert curve.c1[1, e] == pytest.approx(max(norms(network, e)), rel=1e-5)
    assert (curve.depth, curve.widths, curve.draws) == (3, (4, 10), THROWS)
    np.testing.assert_allclose(curve.delta, curve.error / curve.c1**6)


def test_wide_error_of_a_linear_network_has_a_closed_form(digits):
    """Catches the wrong matrix, wrong inputs or a lost throw in what is measured.

    With the identity as activation the error is W3 (W2 - U) W1 x, whose mean square is the sum of
    Var(t_ij) E h_j^2 |W3_:i|^2 over the cheapest weights, h = W1 x on the *test* inputs.
    """
    network = dense(12, "identity")
    options = {"widths": [12], "layers": ["wide"], "throws": 1500}
    curve = curves({12: network}.get, digits, WEIGHTS, **options)["wide"]
    variance = WEIGHTS.draw.variance(network.weights[1].double())
    seen = network.layer_inputs(digits.train_inputs[:SAMPLES], 1).double().square().mean(1)
    ranks = (variance * seen[:, None, :]).flatten(1).argsort(1).argsort(1)
    chosen = (ranks < 54).reshape(2, 5, 12)  # nine tenths of sixty
    power = network.layer_inputs(digits.test_inputs, 1).double().square().mean(1)
    gain = network.weights[2].double().square().sum(1)
    expected = (variance * power[:, None, :] * gain[..., None] * chosen).sum((1, 2))
    assert curve.error[0] == pytest.approx(expected.numpy(), rel=0.1)


def test_filters_share_networks_and_dice(digits):
    """Catches curves that differ by luck: relu makes the two ways the same one."""
    found = curves(lambda w: convolutions(w, "relu"), digits, GROUPS)
    np.testing.assert_allclose(found["block"].error, found["wide"].error, rtol=1e-4)
    np.testing.assert_array_equal(found["block"].kept_share, found["wide"].kept_share)


@pytest.mark.parametrize(("build", "cut"), [(dense, WEIGHTS), (convolutions, GROUPS)])
def test_curves_do_not_disturb_one_another(digits, build, cut):
    """Catches dice shared between layers or widths: what else is asked for must not matter."""
    both = curves(build, digits, cut)
    alone = curves(build, digits, cut, layers=["wide"], widths=[10])
    assert list(alone) == ["wide"]
    np.testing.assert_array_equal(alone["wide"].error[0], both["wide"].error[1])
    assert not np.array_equal(both["wide"].error, both["block"].error)
    if build is dense:
        seeds = {experiment._dice(k, 4, 0, False).initial_seed() for k in ("block", "wide")}
        assert len(seeds) == 2


def test_groups_are_neurons(digits):
    """Catches columns and rows mixed up, or single weights cut in place of neurons."""
    dice = [torch.Generator().manual_seed(s) for s in SEEDS]
    for kind, axis in (("block", 2), ("wide", 1)):
        inputs = digits.train_inputs[:SAMPLES]
        zero = compress_layer(dense(10), kind, inputs, GROUPS, dice, THROWS)[0] == 0
        assert bool(zero.any())
        assert torch.equal(zero.any(axis), zero.all(axis))


def test_quantization_and_regression():
    """Catches a sweep that only works for pruning a classifier."""
    problem = load("diabetes").in_unit_ball()
    network = mlp([10, 8, 4, 1], seeds=SEEDS).requires_grad_(False)
    cut = replace(WEIGHTS, draw=Quantization(levels=4))
    whole = r2(network(problem.test_inputs), problem.test_targets)
    found = curves({8: network}.get, problem, cut, widths=[8])
    for at, (kind, curve) in enumerate(found.items()):
        assert curve.dense_quality[0] == pytest.approx(whole.numpy())
        assert np.array_equal(curve.error, curve.probability_error)
        dice = [experiment._dice(kind, 8, seed, False) for seed in SEEDS]
        inputs = problem.train_inputs[:SAMPLES]
        for e, stack in enumerate(compress_layer(network, kind, inputs, cut, dice, THROWS)):
            thin = network.member(e).repeated(THROWS).with_weight(at, stack)(problem.test_inputs)
            after = r2(thin, problem.test_targets).mean().item()
            assert curve.quality[0, e] == pytest.approx(after)
            assert abs(after - whole[e].item()) > 2e-5  # what is compared differs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": {}}, "need 2 networks of each of increasing widths"),
        ({"widths": {10: 10, 4: 4}}, "increasing widths"),
        ({"widths": {4: 10}}, "need 2 networks of each of increasing widths"),
        ({"seeds": [1, 2, 3]}, "need 3 networks of each"),
        ({"seeds": [1]}, "need at least 2 seeds"),
        ({"layers": []}, "need layers 'block' or 'wide'"),
        ({"layers": ["rows"]}, "need layers 'block' or 'wide'"),
    ],
)
def test_bad_requests_are_refused(digits, changes, message):
    """Catches curves whose points are not what their axis says."""
    widths = changes.pop("widths", {4: 4})
    with pytest.raises(ValueError, match=message):
        curves(lambda w: dense(widths[w]), digits, WEIGHTS, widths=widths, **changes)

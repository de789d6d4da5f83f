"""The experiment of figure 5 on tiny networks, against its parts done by hand."""

import numpy as np
import pytest
import torch

from compressibility.data import load
from compressibility.filter_sweeps import (
    FilterCut,
    dice,
    filter_sweep,
    outputs_of,
    pruned_kernels,
    trained_convnet,
)
from compressibility.metrics import accuracy
from compressibility.schemes import Pruning
from compressibility.trained import Training

TRAINING = Training(epochs=2, samples=120, batch_size=32)
CUT = FilterCut(Pruning(keep=0.3), fraction=0.9, draws=3, samples=40)
SEEDS = [0, 4]


def digits():
    return load("digits").in_unit_ball()


def nets(activation="tanh", widths=(4, 10)):
    options = {"activation": activation, "seeds": SEEDS, "training": TRAINING}
    return {w: trained_convnet(digits(), [w, 3], **options) for w in widths}


def sweep(networks=None, **changes):
    options = {"cut": CUT, "seeds": SEEDS, "test_samples": 50, **changes}
    return filter_sweep(nets() if networks is None else networks, digits(), **options)


@pytest.mark.parametrize("which", ["output", "input"])
def test_numbers_are_those_of_the_pruned_networks(which):
    """Catches an error, score or norm of another network, draw, layer or data set."""
    networks, problem = nets(), digits()
    curve, network = sweep(networks)[which], networks[10]
    kernels = pruned_kernels(network, which, problem.train_inputs[:40], CUT, dice(10, SEEDS))
    x, y = problem.test_inputs[:50], problem.test_targets[:50]
    layer = int(which == "input")
    for e in range(2):
        member = network.member(e)
        thin = torch.stack([member.with_kernel(layer, k[None])(x)[0] for k in kernels[e]])
        torch.testing.assert_close(outputs_of(member, which, kernels[e], x), thin)
        dense = member(x)[0]
        error = (thin - dense).square().sum(-1).mean()
        assert curve.error[1, e] == pytest.approx(error.item(), rel=1e-4)
        shares = (thin.softmax(-1) - dense.softmax(-1)).square().sum(-1).mean()
        assert curve.probability_error[1, e] == pytest.approx(shares.item(), rel=1e-4)
        assert curve.quality[1, e] == pytest.approx(accuracy(thin, y).mean().item())
        assert curve.dense_quality[1, e] == pytest.approx(accuracy(dense, y).item())
        ordinary = member.as_sequential(0)
        norms = [torch.linalg.matrix_norm(ordinary[-1].weight.double(), ord=2).item()]
        images = torch.eye(64).reshape(64, 1, 8, 8)
        columns = ordinary[0](images).flatten(1).T.double()
        norms.append(torch.linalg.matrix_norm(columns, ord=2).item())
        units = torch.eye(640).reshape(640, 10, 8, 8)
        columns = ordinary[2](units).flatten(1).T.double()
        norms.append(torch.linalg.matrix_norm(columns, ord=2).item())
        assert curve.c1[1, e] == pytest.approx(max(norms), rel=1e-5)
    np.testing.assert_allclose(curve.delta, curve.error / curve.c1**6)
    assert curve.depth == 3


def test_both_kinds_share_networks_and_dice():
    """Catches curves that differ by luck: relu makes the two ways the same one."""
    curves = sweep(nets("relu"))
    np.testing.assert_allclose(curves["output"].error, curves["input"].error, rtol=1e-4)
    np.testing.assert_array_equal(curves["output"].kept_share, curves["input"].kept_share)
    assert [g.initial_seed() for g in dice(4, SEEDS)] != [g.initial_seed() for g in dice(5, SEEDS)]


def test_one_kind_alone_is_the_same_curve():
    """Catches dice that depend on what else is measured."""
    alone, both = sweep(filters=["input"]), sweep()
    assert list(alone) == ["input"]
    np.testing.assert_array_equal(alone["input"].error, both["input"].error)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": {}}, "need .* widths"),
        ({"networks": {10: 10, 4: 4}}, "increasing widths"),
        ({"networks": {4: 10}}, "need 2 networks of each of increasing widths"),
        ({"seeds": [1]}, "need 1 networks of each"),
        ({"filters": []}, "filters 'output' or 'input'"),
        ({"filters": ["rows"]}, "filters 'output' or 'input'"),
    ],
)
def test_bad_requests_are_refused(changes, message):
    """Catches curves whose points are not what their axis says."""
    trained = nets()
    wanted = {w: trained[of] for w, of in changes.pop("networks", {4: 4, 10: 10}).items()}
    with pytest.raises(ValueError, match=message):
        sweep(wanted, **changes)


def test_tables_are_refused():
    """Catches a regression task, whose rows are no images."""
    with pytest.raises(ValueError, match="need classes of square images"):
        trained_convnet(load("diabetes"), [4, 3], activation="tanh", seeds=SEEDS, training=TRAINING)

"""Sweeps over the width, and the recipe by which their networks are trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from compressibility import data
from compressibility.curves import Curve
from compressibility.greedy import compress_wide
from compressibility.metrics import accuracy, r2
from compressibility.models import mlp
from compressibility.schemes import Pruning, Quantization
from compressibility.sweeps import Cut, compressed_layers, sweep
from compressibility.trained import Training, trained
from compressibility.training import train

DIGITS = data.load("digits").in_unit_ball()
QUICK = Training(epochs=1, samples=100)
CUT = Cut(Pruning(keep=0.3), fraction=0.9, draws=3, samples=30, rescorings=2)


def quick_sweep(**changes: object) -> dict[str, Curve]:
    settings = {
        "widths": [6, 12],
        "hidden": 5,
        "activation": "tanh",
        "cut": CUT,
        "seeds": [0, 1],
        "training": QUICK,
        "test_samples": 50,
    }
    return sweep(DIGITS, **{**settings, **changes})  # type: ignore[arg-type]


def test_training_recipe_is_the_training_loop() -> None:
    """Catches a recipe that drops a setting: samples, rate, batches, seeds."""
    recipe = Training(epochs=2, learning_rate=1e-2, batch_size=16, samples=90)
    found = trained(DIGITS, [64, 7, 10], activation="relu", seeds=[4, 9], training=recipe)
    network = mlp([64, 7, 10], activation="relu", seeds=[4, 9])
    train(
        network,
        DIGITS.train_inputs[:90],
        DIGITS.train_targets[:90],
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=1e-2,
        epochs=2,
        batch_size=16,
        seeds=[4, 9],
    )
    for one, other in zip(found.weights, network.weights, strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad


def test_training_recipe_survives_a_small_data_set() -> None:
    """Catches a batch larger than the data set."""
    recipe = Training(epochs=1, batch_size=64, samples=10)
    trained(DIGITS, [64, 3, 10], activation="relu", seeds=[0], training=recipe)


def test_wide_error_of_a_linear_network_has_a_closed_form() -> None:
    """Catches the wrong matrix, wrong inputs or a lost draw in what is measured.

    With the identity as activation the error is W3 (W2 - U) W1 x, whose mean square is the sum of
    Var(t_ij) E h_j^2 |W3_:i|^2 over the compressed weights, h = W1 x on the *test* inputs.
    """
    cut = replace(CUT, draws=1500)
    curve = quick_sweep(widths=[12], activation="identity", cut=cut, layers=["wide"])["wide"]
    network = trained(DIGITS, [64, 12, 5, 10], activation="identity", seeds=[0, 1], training=QUICK)
    seen = network.layer_inputs(DIGITS.train_inputs[:30], 1)
    plan = compress_wide(
        network.weights[1], seen, CUT.scheme, fraction=0.9, generator=torch.Generator()
    )
    power = network.layer_inputs(DIGITS.test_inputs[:50], 1).double().square().mean(1)
    gain = network.weights[2].double().square().sum(1)
    price = CUT.scheme.variance(network.weights[1].double()) * power[:, None, :] * gain[..., None]
    expected = (price * plan.compressed).sum((1, 2))
    assert curve.error[0] == pytest.approx(expected.numpy(), rel=0.1)
    c1 = [max(np.linalg.norm(w[e].numpy(), 2) for w in network.weights) for e in range(2)]
    assert curve.delta[0] == pytest.approx(curve.error[0] / np.array(c1) ** 6, rel=1e-5)


@pytest.mark.parametrize("layer", ["block", "wide"])
def test_qualities_and_shares_are_those_of_the_cut_networks(layer: str) -> None:
    """Catches a quality of the wrong network or data, and a share counted over other weights."""
    network = trained(DIGITS, [64, 12, 5, 10], activation="tanh", seeds=[0, 1], training=QUICK)
    dice = [torch.Generator().manual_seed(s) for s in (5, 6)]
    stacks = compressed_layers(network, layer, DIGITS.train_inputs[:30], CUT, dice)  # type: ignore[arg-type]
    position = {"block": 0, "wide": 1}[layer]
    assert [s.shape for s in stacks] == [(3, *network.weights[position].shape[1:])] * 2
    assert not torch.equal(stacks[0][0], stacks[0][1])
    changed = (stacks[0] != network.weights[position][0]).double().mean((1, 2))
    assert bool((changed <= 0.9).all())
    curve = quick_sweep()[layer]
    dense = accuracy(network(DIGITS.test_inputs[:50]), DIGITS.test_targets[:50])
    assert curve.dense_quality[1] == pytest.approx(dense.numpy())
    assert curve.kept_share == pytest.approx(0.37, abs=0.1)
    assert (curve.probability_error <= 2).all()
    assert (curve.quality_band[0] <= curve.quality_band[1]).all()


@pytest.mark.parametrize("structured", [False, True])
def test_layers_do_not_disturb_one_another(structured: bool) -> None:
    """Catches dice shared between layers or widths: what else is asked for must not matter."""
    cut = replace(CUT, structured=structured)
    both = quick_sweep(cut=cut)
    alone = quick_sweep(cut=cut, layers=["wide"], widths=[12])["wide"]
    assert np.array_equal(alone.error[0], both["wide"].error[1])
    assert not np.array_equal(both["wide"].error, both["block"].error)


def test_structured_cuts_remove_neurons() -> None:
    """Catches columns and rows mixed up, or single weights cut in place of neurons."""
    network = trained(DIGITS, [64, 10, 5, 10], activation="relu", seeds=[0], training=QUICK)
    cut = replace(CUT, structured=True)
    dice = [torch.Generator().manual_seed(0)]
    (rows,) = compressed_layers(network, "block", DIGITS.train_inputs[:30], cut, dice)
    (columns,) = compressed_layers(network, "wide", DIGITS.train_inputs[:30], cut, dice)
    zero_rows, zero_columns = (rows == 0).all(2), (columns == 0).all(1)
    assert bool(zero_rows.any())
    assert bool(zero_columns.any())
    assert torch.equal((rows == 0).any(2), zero_rows)
    assert torch.equal((columns == 0).any(1), zero_columns)


def test_quantization_and_regression() -> None:
    """Catches a sweep that only works for pruning a classifier."""
    problem = data.load("diabetes").in_unit_ball()
    cut = replace(CUT, scheme=Quantization(levels=4))
    curves = sweep(
        problem,
        widths=[8],
        hidden=4,
        activation="relu",
        cut=cut,
        seeds=[0, 1],
        training=QUICK,
    )
    network = trained(problem, [10, 8, 4, 1], activation="relu", seeds=[0, 1], training=QUICK)
    dense = r2(network(problem.test_inputs), problem.test_targets)
    for curve in curves.values():
        assert curve.dense_quality[0] == pytest.approx(dense.numpy())
        assert np.array_equal(curve.error, curve.probability_error)


def test_widths_are_reported_as_they_begin() -> None:
    """Catches a long run without a sign of life."""
    seen: list[int] = []
    quick_sweep(report=seen.append)
    assert seen == [6, 12]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": [12, 6]}, "need increasing widths"),
        ({"widths": []}, "need increasing widths"),
        ({"seeds": [0]}, "need at least 2 seeds"),
        ({"layers": ["deep"]}, "need layers"),
        ({"layers": []}, "need layers"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], message: str) -> None:
    """Catches settings that would fail late, after hours of training."""
    with pytest.raises(ValueError, match=message):
        quick_sweep(**changes)

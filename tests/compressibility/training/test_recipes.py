"""The recipe: against the loop with its settings written out."""

import pytest
import torch

from compressibility.data.sets import load
from compressibility.models.network import convnet, mlp
from compressibility.training.loop import Training, train
from compressibility.training.recipes import trained

SEEDS = (5, 2)


@pytest.mark.parametrize(
    ("name", "make", "loss"),
    [
        ("digits", lambda: mlp([64, 8, 10], seeds=SEEDS), "cross_entropy"),
        ("digits", lambda: convnet([1, 2], outputs=10, size=8, seeds=SEEDS), "cross_entropy"),
        ("diabetes", lambda: mlp([10, 8, 1], activation="tanh", seeds=SEEDS), "mse"),
    ],
)
def test_the_recipe_is_the_loop_on_the_first_samples(name, make, loss):
    """Catches another loss, other samples, another order of minibatches, gradients left on."""
    problem, how = load(name), Training(epochs=2, samples=50, batch_size=80)
    network = make()
    with torch.no_grad():
        got = trained(problem, network, how, seeds=SEEDS)
    assert got is network
    expected, whole = make(), Training(epochs=2, batch_size=50)
    x, y = problem.train_inputs[:50], problem.train_targets[:50]
    train(expected, x, y, whole, loss=loss, seeds=SEEDS)
    for one, other in zip(got.weights, expected.weights, strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad

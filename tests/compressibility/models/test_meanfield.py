"""Mean-field networks: literal sums over units, frozen signs, constants, particle steps."""

import math

import pytest
import torch

from compressibility.models.meanfield import MeanField, meanfield
from compressibility.models.network import Network
from compressibility.training.loop import Training, train
from tests.compressibility.helpers import normal, refuses

DOUBLE = {"dtype": torch.float64}


def test_outputs_are_averages_over_units():
    """Catches a missing 1/n, c² for c, the second output with another sign."""
    network = meanfield(3, 7, outer=5.0, seeds=(0, 1), **DOUBLE)
    x = normal(4, 3)
    for e in range(2):
        theta, sign = network.weights[0][e].detach(), network.weights[1][e, 0].sign()
        for sample, found in zip(x, network(x)[e], strict=True):
            each = [
                5 * s * math.tanh(t @ sample) for t, s in zip(theta, sign.tolist(), strict=True)
            ]
            assert found.tolist() == pytest.approx([sum(each) / 7, -sum(each) / 7], rel=1e-12)
    assert network(1e9 * x).abs().max() <= 5  # bounded, whatever n
    assert meanfield(3, 7, paired=False)(x.float()).shape == (1, 4, 1)


@pytest.mark.parametrize("paired", [True, False])
def test_a_step_is_that_of_the_particles(paired):
    """Catches a rate without n, and a slope that is not tanh f - y, against the drift by hand."""
    eta, n = 0.25, 9
    network = meanfield(3, n, outer=2.0, paired=paired, seeds=(5,), **DOUBLE)
    theta, c = network.weights[0][0].detach().clone(), 2 * network.weights[1][0, 0].sign()
    x, y = normal(6, 3), torch.tensor([1.0, -1, 1, 1, -1, -1], **DOUBLE)
    f = (theta @ x.T).tanh().T @ c / n
    slope = f.tanh() - y if paired else 2 * (f - y)
    expected = theta.clone()
    for i in range(n):
        for s in range(6):
            grad = c[i] * (1 - math.tanh(float(theta[i] @ x[s])) ** 2) * x[s]
            expected[i] -= eta * slope[s] * grad / 6
    how = Training(epochs=1, learning_rate=eta * n, batch_size=6, optimizer="sgd")
    targets = ((1 - y) / 2).long() if paired else y[:, None]
    loss = "cross_entropy" if paired else "mse"
    before = network.weights[1].clone()
    train(network, x, targets, how, loss=loss, seeds=(5,))
    torch.testing.assert_close(network.weights[0][0].detach(), expected, rtol=1e-12, atol=1e-14)
    assert torch.equal(network.weights[1], before)


def test_signs_stay_frozen_in_copies():
    """Catches copies whose signs train again, or that forget what they are."""
    network = meanfield(3, 8, seeds=(0, 1, 2))
    pruned = network.with_weight(0, torch.zeros_like(network.weights[0]))
    for found in (network.member(1), network.repeated(2), pruned):
        assert isinstance(found, MeanField)
        assert [w.requires_grad for w in found.weights] == [True, False]
    assert torch.equal(network.member(1).weights[0][0], network.weights[0][1])
    plain = Network(list(network.weights), activation="tanh")
    assert torch.equal(plain(normal(2, 3).float()), network(normal(2, 3).float()))


def test_start():
    """Catches 1/p for 1/√p, Glorot's scale, signs that depend on particles or favor one side."""
    network = meanfield(64, 20_000, outer=3.0, spread=2.0, seeds=(0,), **DOUBLE)
    theta, head = network.weights[0][0].detach(), network.weights[1][0]
    assert theta.square().mean().item() == pytest.approx(4 / 64, rel=0.01)
    assert theta.pow(4).mean().item() == pytest.approx(3 * (4 / 64) ** 2, rel=0.03)
    assert (20_000 * head.abs()).sub(3).abs().max() < 1e-9
    assert torch.equal(head[1], -head[0])
    assert abs(head[0].sign().mean().item()) < 0.04
    # The sum of signed particles, over √n, is N(0, spread² I / p): its norm is 2 ± 0.18.
    assert abs((head[0].sign() @ theta).norm().item() / math.sqrt(20_000) - 2) < 0.5


def test_a_seed_is_the_same_network_in_any_batch_and_precision():
    """Catches draws that depend on the batch or the precision."""
    batch = meanfield(5, 6, seeds=(4, 9))
    for e, seed in enumerate((4, 9)):
        alone = meanfield(5, 6, seeds=(seed,), **DOUBLE)
        for a, b in zip(alone.weights, batch.weights, strict=True):
            assert torch.equal(a[0].float(), b[e])
    assert not torch.equal(batch.weights[0][0], batch.weights[0][1])


@pytest.mark.parametrize("size", [0.3, 1.1, 4.0])
def test_smoothness_bounds_and_is_attained(size):
    """Catches 1/n inside C, X for X², a second derivative of 1: the largest of three on a grid."""
    network = meanfield(2, 50, outer=1.5, **DOUBLE)
    x = torch.tensor([[0.0, size], [size / 2, 0.0]], **DOUBLE)
    t = torch.linspace(-12, 12, 200_001, **DOUBLE)
    h = 1.5 * (t * size).tanh()  # along x, where derivatives are largest
    first = 1.5 * size * (1 - (t * size).tanh() ** 2)
    second = first.diff().abs().max().item() / (t[1] - t[0]).item()
    largest = max(1.5, first.max().item(), second)
    assert h.abs().max() <= 1.5
    assert network.smoothness(x) == pytest.approx(largest, rel=1e-6)
    assert meanfield(2, 500, outer=1.5).smoothness(x) == pytest.approx(largest, rel=1e-6)


WEIGHTS = [torch.ones(1, 4, 3), torch.ones(1, 1, 4)]

test_bad_arguments = refuses(
    (lambda: meanfield(0, 3), "need a whole inputs >= 1"),
    (lambda: meanfield(3, 2.5), "need a whole width >= 1"),
    (lambda: meanfield(3, 3, outer=0.0), "need 0 < outer < inf"),
    (lambda: meanfield(3, 3, spread=-1.0), "need 0 <= spread < inf"),
    (lambda: meanfield(3, 3, seeds=()), "need at least 1 seed"),
    (lambda: meanfield(3, 3, dtype=torch.float16), "need dtype float32 or float64"),
    (lambda: MeanField(WEIGHTS[:1]), "need 2 layers, got 1"),
    (lambda: MeanField([*WEIGHTS, torch.ones(1, 1, 1)]), "need 2 layers, got 3"),
    (lambda: MeanField(WEIGHTS, activation="relu").smoothness(torch.ones(1, 3)), "need tanh"),
    (lambda: meanfield(3, 3).smoothness(torch.tensor([[1.0, math.nan, 0.0]])), "finite inputs"),
)

"""One-shot pruning against weights zeroed by hand, loops by hand, and cases known exactly."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from compressibility.models.network import Network, convnet, mlp
from compressibility.pruning import oneshot
from compressibility.pruning.oneshot import epsilon, flat, kept, like, retrained
from compressibility.training.loop import Training, train
from tests.compressibility.helpers import normal, refuses


def dense(seeds=(0, 1, 2)):
    return mlp([4, 5, 3], seeds=seeds, dtype=torch.float64).requires_grad_(False)


def samples(n=22):
    return normal(n, 4), torch.randint(3, (n,), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["dense", "maps"])
def test_weights_as_rows_and_back(kind):
    """Catches layers in another order, networks mixed up, copies that share memory."""
    network = dense()
    if kind == "maps":
        network = convnet([1, 2, 3], outputs=3, size=3, kernel_size=2, seeds=(0, 1))
    rows = flat(network)
    for e, row in enumerate(rows):
        assert torch.equal(row, torch.cat([w[e].detach().flatten() for w in network.weights]))
    again = like(network, rows[[1, 0, 1]])
    for weight, old in zip(again.weights, network.weights, strict=True):
        assert torch.equal(weight, old[[1, 0, 1]])
    assert (again.size, again.activation.name) == (network.size, network.activation.name)
    again.weights[0].zero_()
    assert flat(network).count_nonzero() == rows.count_nonzero()


def test_the_path_zeroes_one_weight_after_the_other():
    """Catches a count too many or too few, kept for removed, ranks for positions, a dense start."""
    network, (x, y) = dense((4,)), samples()
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    first, second = (w[0].clone() for w in network.weights)
    found = []
    for position in [None, *order.tolist()]:
        if position is not None:
            weight, at = (first, position) if position < 20 else (second, position - 20)
            weight.view(-1)[at] = 0.0
        found.append(functional.cross_entropy((x @ first.T).relu() @ second.T, y).item())
    loss = lambda one: oneshot.losses(one, x, y).mean(1)  # noqa: E731
    made = oneshot.along(network, order, range(36), loss)
    assert made.tolist() == pytest.approx(found, abs=1e-12)
    assert kept(order, [0, 12, 35]).sum(1).tolist() == [35, 23, 0]
    assert oneshot.along(network, order, [12], loss).item() == pytest.approx(found[12])


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_losses_are_those_of_each_sample(loss):
    """Catches a mean over samples or outputs, targets of another network, a gradient's graph."""
    network, (x, y) = dense(), samples()
    targets = y if loss == "cross_entropy" else normal(22, 3, seed=5)
    network.requires_grad_(True)
    found = oneshot.losses(network, x, targets, loss)
    assert (found.shape, found.requires_grad) == ((3, 22), False)
    for e in range(3):
        outputs = (x @ network.weights[0][e].T).relu() @ network.weights[1][e].T
        if loss == "mse":
            expected = (outputs - targets).square().sum(1)
        else:
            expected = functional.cross_entropy(outputs, targets, reduction="none")
        torch.testing.assert_close(found[e], expected.detach(), rtol=0, atol=1e-12)


def test_epsilon_is_the_deviation_of_batch_means(monkeypatch):
    """Catches ddof 1, sizes as weights, a last batch dropped, samples or sums for means."""
    losses = torch.arange(7.0).double()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randperm", lambda n, **_: torch.arange(n))
        assert epsilon(losses, 3, torch.Generator()) == pytest.approx(2.054805, abs=1e-6)
    orders = torch.Generator().manual_seed(1)
    variances = []
    for _ in range(5):
        order = torch.randperm(7, generator=orders)
        parts = [losses[order][i : i + 2].numpy() for i in range(0, 7, 2)]
        variances.append(np.var([part.mean() for part in parts]))
    thrown = torch.Generator().manual_seed(1)
    found = epsilon(losses, 2, thrown, shuffles=5)
    assert found == pytest.approx(math.sqrt(np.mean(variances)), rel=1e-12)


@pytest.mark.parametrize(("b", "root"), [(16, 0.143204), (64, 0.069758), (240, 0.032292)])
def test_epsilon_of_shuffled_batches(b, root):
    """Catches batches in order, σ/√b, a sum over shuffles, one shuffle for all."""
    losses, thrown = 2 * torch.arange(1.0, 961.0) / 960, torch.Generator().manual_seed(b)
    squares = [epsilon(losses, b, thrown) ** 2 for _ in range(400)]
    error = np.std(squares) / math.sqrt(len(squares))
    assert np.mean(squares) == pytest.approx(root**2, abs=4 * error)
    together = epsilon(losses, b, thrown, shuffles=400) ** 2
    assert together == pytest.approx(root**2, abs=5 * error)


def test_kept_weights_train_as_in_the_pruned_network_alone():
    """Catches weights that come back, momentum of removed ones, a mask of another network."""
    network, (x, y) = dense(), samples()
    before = flat(network)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    stay = kept(order, [25, 10, 0])
    how = Training(6, 0.1, 5, optimizer="sgd", momentum=0.9, l1=(0.0, 0.02, 0.01))
    found = retrained(network, stay, (x, y), how, seeds=[7, 8, 9])
    assert torch.equal(flat(network), before)
    assert (flat(found)[~stay] == 0).all()
    assert not any(weight.requires_grad for weight in found.weights)
    for e, (seed, l1) in enumerate(zip([7, 8, 9], how.l1, strict=True)):
        masks = [stay[e, :20].view(5, 4), stay[e, 20:].view(3, 5)]
        weights = [w[e] * m for w, m in zip(network.weights, masks, strict=True)]
        weights = [w.detach().requires_grad_(True) for w in weights]
        speed = [torch.zeros_like(w) for w in weights]
        thrown = torch.Generator().manual_seed(seed)
        for _ in range(6):
            for batch in torch.randperm(22, generator=thrown).split(5):
                a, b = (w * m for w, m in zip(weights, masks, strict=True))
                loss = functional.cross_entropy((x[batch] @ a.T).relu() @ b.T, y[batch])
                loss = loss + l1 * (a.abs().sum() + b.abs().sum())
                slopes = torch.autograd.grad(loss, weights)
                speed = [0.9 * v + g for v, g in zip(speed, slopes, strict=True)]
                with torch.no_grad():
                    for w, v in zip(weights, speed, strict=True):
                        w -= 0.1 * v
        torch.testing.assert_close(
            flat(found)[e], torch.cat([w.flatten() for w in weights]).detach(), rtol=0, atol=1e-12
        )


def test_a_mask_of_all_is_the_dense_control():
    """Catches a control that is reset, pruned, or trained in another way."""
    network, (x, y) = dense(), samples()
    how = Training(3, 0.1, 5, optimizer="sgd", momentum=0.9)
    control = retrained(network, torch.ones(3, 35).bool(), (x, y), how, seeds=[1, 2, 3])
    by_hand = network.repeated(1).requires_grad_(True)
    train(by_hand, x, y, how, loss="cross_entropy", seeds=[1, 2, 3])
    assert torch.equal(flat(control), flat(by_hand))


def test_pruning_at_an_l1_minimum():
    """Catches the sheet's mutant 74, the first loss taken for the total: 3/8 for 1/8."""
    a, l1 = torch.tensor([3.0, 1.0, 0.2]).double(), 0.5
    x, y = math.sqrt(1.5) * torch.eye(3).double(), math.sqrt(1.5) * a[:, None]
    network = Network([torch.zeros(1, 1, 3).double()])
    how = Training(800, 0.3, 3, optimizer="sgd", l1=l1, schedule="cosine")
    history = train(network, x, y, how, loss="mse", seeds=[0])
    w = flat(network)[0]
    assert w.tolist() == pytest.approx([2.5, 0.5, 0.0], abs=1e-4)
    assert history.losses[-1].item() == pytest.approx((0.25 + 0.25 + 0.04) / 2, abs=1e-3)
    network = like(network, torch.tensor([[2.5, 0.5, 0.0]]))
    both = oneshot.along(
        network,
        torch.tensor([2, 1, 0]),
        [0, 1, 2],
        lambda one: torch.stack(
            [
                loss := oneshot.losses(one, x, y, "mse").mean(1),
                loss + l1 * flat(one).abs().sum(1),
            ],
            1,
        ),
    )
    rise = both[2] - both[0]
    assert rise.tolist() == pytest.approx([0.375, 0.125], abs=1e-12)
    assert both[1].tolist() == both[0].tolist()


ROWS = torch.arange(7.0)
test_bad_arguments = refuses(
    (lambda: kept(torch.arange(5), [6]), r"need counts in 0\.\.5, got \[6\]"),
    (lambda: kept(torch.arange(5), [0.5]), r"need counts in 0\.\.5"),
    (lambda: kept(torch.arange(5), []), r"need counts in 0\.\.5"),
    (lambda: kept(torch.tensor([0, 2, 2]), [1]), r"need an order of 0\.\.2, each once"),
    (lambda: epsilon(ROWS.view(7, 1), 2, torch.Generator()), r"need losses \(N,\), got \(7, 1\)"),
    (lambda: like(dense(), torch.ones(3, 34)), r"need rows \(E, 35\), .*got \(3, 34\)"),
    (lambda: oneshot.along(dense(), torch.arange(35), [0], flat), "need one network, got 3"),
    (lambda: epsilon(ROWS, 7, torch.Generator()), "need batch_size < 7 samples, got 7"),
    (lambda: epsilon(ROWS, 0, torch.Generator()), "need a whole batch_size >= 1"),
    (lambda: epsilon(ROWS / 0, 2, torch.Generator()), "need finite losses"),
    (lambda: oneshot.losses(dense(), normal(2, 4), ROWS[:2].long(), "hinge"), "need loss in"),
    (lambda: oneshot.losses(dense(), normal(2, 4), ROWS[:1].long()), r"targets \(2,\)"),
    (lambda: oneshot.losses(dense(), normal(2, 4), normal(2), "mse"), r"targets \(2, 3\) for mse"),
    (
        partial(oneshot.losses, dense(), torch.full((2, 4), math.nan).double(), ROWS[:2].long()),
        "need finite losses",
    ),
)

"""The training loop: a batch against single runs, against plain PyTorch, and its hooks."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from compressibility.models.network import convnet, mlp
from compressibility.training.loop import Average, History, Training, train
from tests.compressibility.helpers import normal, refuses

SEEDS = (5, 2, 9)


def samples(loss):
    if loss == "mse":
        return normal(22, 4), normal(22, 3, seed=1)
    return normal(22, 4), torch.randint(3, (22,), generator=torch.Generator().manual_seed(0))


def run(network, x, y, *, loss="cross_entropy", seeds=SEEDS, hooks=(), **changes):
    how = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 3, "batch_size": 5} | changes
    return train(network, x, y, Training(**how), loss=loss, seeds=seeds, hooks=hooks)


def network(seeds=SEEDS, kind="dense"):
    how = {"activation": "tanh", "seeds": seeds, "dtype": torch.float64}
    if kind == "maps":
        return convnet([1, 4, 2], outputs=3, size=2, kernel_size=2, **how)
    return mlp([4, 8, 3], **how)


@pytest.mark.parametrize("kind", ["dense", "maps"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"optimizer": "adam", "learning_rate": 0.01},
        {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.1},
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    ],
    ids=["adam", "adam, decay", "sgd, momentum"],
)
def test_a_batch_equals_single_runs(kind, loss, optimizer):
    """Catches networks that share gradients, minibatches or optimizer state."""
    x, y = samples(loss)
    together = network(kind=kind)
    history = run(together, x, y, loss=loss, **optimizer)
    for e, seed in enumerate(SEEDS):
        alone = network((seed,), kind)
        single = run(alone, x, y, loss=loss, seeds=(seed,), **optimizer)
        for stacked, own in zip(together.weights, alone.weights, strict=True):
            torch.testing.assert_close(stacked[e], own[0], rtol=0, atol=1e-10)
        torch.testing.assert_close(history.losses[:, e], single.losses[:, 0], rtol=0, atol=1e-10)


def test_one_rate_per_network_equals_single_runs():
    """Catches rates in another order, or one network's rate in the step or the decay of another."""
    x, y = samples("cross_entropy")
    rates = (0.01, 0.3, 0.07)
    for momentum in (0.0, 0.9):
        together = network()
        history = run(together, x, y, learning_rate=rates, momentum=momentum)
        for e, (seed, rate) in enumerate(zip(SEEDS, rates, strict=True)):
            alone = network((seed,))
            single = run(alone, x, y, seeds=(seed,), learning_rate=rate, momentum=momentum)
            for stacked, own in zip(together.weights, alone.weights, strict=True):
                torch.testing.assert_close(stacked[e], own[0], rtol=0, atol=1e-12)
            torch.testing.assert_close(
                history.losses[:, e], single.losses[:, 0], rtol=0, atol=1e-12
            )
        again = network()
        run(again, x, y, learning_rate=(0.05,) * 3, momentum=momentum)
        shared = network()
        run(shared, x, y, learning_rate=0.05, momentum=momentum)
        torch.testing.assert_close(again.weights[0], shared.weights[0], rtol=0, atol=1e-12)


def test_a_network_that_diverges_is_named_and_leaves_the_others_alone():
    """Catches nan that spreads, a last step or a wrong network named, an infinity overlooked."""
    x, y = samples("mse")
    trained = network()
    history = run(trained, x, y, loss="mse", learning_rate=(0.01, 50.0, 0.02), epochs=40)
    at = int(history.losses[:, 1].isfinite().sum())
    assert history.diverged == {1: at}
    assert 0 < at < len(history.losses)
    assert history.losses[:at, 1].isfinite().all()
    for e, rate in ((0, 0.01), (2, 0.02)):
        alone = network((SEEDS[e],))
        run(alone, x, y, loss="mse", seeds=(SEEDS[e],), learning_rate=rate, epochs=40)
        torch.testing.assert_close(trained.weights[0][e], alone.weights[0][0], rtol=0, atol=1e-12)
    losses = torch.tensor([[1.0, 2.0, 3.0], [math.inf, 2.0, math.nan], [1.0, 2.0, math.nan]])
    assert History(losses).diverged == {0: 1, 2: 1}


def test_the_average_is_that_of_the_iterates():
    """Catches a step too early or too late, sums in single precision, weights before the step."""
    x, y = samples("cross_entropy")
    seen, average, last = [], Average(11), Average(14)

    def record(module, *_):
        seen.append([weight.clone() for weight in module.weights])

    trained = network()
    run(trained, x, y, hooks=[record, average, last])
    assert (average.count, last.count) == (4, 1)
    for at, mean in enumerate(average.means):
        expected = torch.stack([weights[at] for weights in seen[11:]]).mean(0)
        torch.testing.assert_close(mean, expected, rtol=1e-12, atol=1e-15)
        assert torch.equal(last.means[at], trained.weights[at])
    small = mlp([4, 3], seeds=SEEDS)
    x32 = x.float()
    run(small, x32, y, hooks=[late := Average(0)])
    assert late.means[0].dtype == torch.float64
    assert not late.means[0].requires_grad


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_penalty_and_schedule_are_plain_pytorch(optimizer):
    """Catches one λ for all, ‖w‖² or a mean for ‖w‖₁, a cosine a step off, λ times no rate."""
    x, y = samples("cross_entropy")
    l1, how = (0.0, 0.05, 0.2), {"optimizer": optimizer, "schedule": "cosine", "epochs": 2}
    rates = (0.1, 0.02, 0.05) if optimizer == "sgd" else (0.1,) * 3
    together = network()
    each = rates if optimizer == "sgd" else 0.1
    history = run(together, x, y, l1=l1, learning_rate=each, **how)
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    for e, (seed, rate) in enumerate(zip(SEEDS, rates, strict=True)):
        plain, order, step = network().as_sequential(e), torch.Generator().manual_seed(seed), 0
        steps = kind(plain.parameters(), lr=rate)
        for _ in range(2):
            for batch in torch.randperm(22, generator=order).split(5):
                steps.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / 10)) / 2
                steps.zero_grad()
                value = nn.functional.cross_entropy(plain(x[batch]), y[batch])
                penalty = l1[e] * sum(w.abs().sum() for w in plain.parameters())
                (value + penalty).backward()
                steps.step()
                assert history.losses[step, e].item() == pytest.approx(value.item(), rel=1e-9)
                step += 1
        for linear, weight in zip(plain[::2], together.weights, strict=True):
            torch.testing.assert_close(weight[e], linear.weight, rtol=1e-9, atol=1e-12)


def test_the_penalty_has_no_slope_at_zero():
    """Catches a subgradient that moves weights held at 0."""
    x, y = torch.zeros(4, 3).double(), torch.zeros(4, 2).double()
    still = mlp([3, 2], seeds=SEEDS, dtype=torch.float64)
    still.weights[0].data.zero_()
    run(still, x, y, loss="mse", l1=0.5, batch_size=2)
    assert still.weights[0].count_nonzero() == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_single_run_is_plain_pytorch(loss, optimizer):
    """Catches a scaled loss, a missed zero_grad, a lost last batch: against a loop by hand."""
    x, y = samples(loss)
    ours = network((7,))
    plain = ours.as_sequential(0)
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    steps = kind(plain.parameters(), lr=0.03)
    order, expected = torch.Generator().manual_seed(7), []
    for _ in range(2):
        for batch in torch.randperm(22, generator=order).split(5):
            steps.zero_grad()
            if loss == "mse":
                value = nn.functional.mse_loss(plain(x[batch]), y[batch], reduction="sum")
                value = value / len(batch)
            else:
                value = nn.functional.cross_entropy(plain(x[batch]), y[batch])
            value.backward()
            steps.step()
            expected.append(value.item())
    changes = {"loss": loss, "optimizer": optimizer, "learning_rate": 0.03, "epochs": 2}
    history = run(ours, x, y, seeds=(7,), **changes)
    assert history.losses[:, 0].tolist() == pytest.approx(expected, rel=1e-10)
    assert history.losses.dtype == torch.float64
    for linear, weight in zip(plain[::2], ours.weights, strict=True):
        torch.testing.assert_close(weight[0], linear.weight, rtol=1e-10, atol=1e-12)


def test_same_seeds_same_weights_and_no_global_state():
    """Catches randomness from anywhere but the seeds."""
    x, y = samples("cross_entropy")
    before = torch.get_rng_state()
    one, two = network(), network()
    run(one, x, y)
    run(two, x, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.weights, two.weights, strict=True))
    other = network()
    run(other, x, y, seeds=(6, 2, 9))
    assert not torch.equal(other.weights[0][0], one.weights[0][0])
    assert torch.equal(other.weights[0][1:], one.weights[0][1:])


def test_hooks_see_each_step_and_may_move_the_weights():
    """Catches hooks called before the step, at other steps, or whose changes are lost."""
    x, y = samples("cross_entropy")
    seen, trained = [], network()

    def record(module, step, losses):
        assert module is trained
        assert not torch.is_grad_enabled()
        seen.append((step, losses.clone(), module.weights[0].clone()))

    def forget(module, *_):
        module.weights[1].zero_()

    history = run(trained, x, y, hooks=[record, forget])
    assert [step for step, _, _ in seen] == list(range(15))
    assert torch.equal(torch.stack([losses for _, losses, _ in seen]), history.losses)
    assert trained.weights[1].abs().max().item() == 0.0
    assert history.losses[1:].numpy() == pytest.approx(math.log(3), rel=1e-12)
    first = network()
    assert not torch.equal(seen[0][2], first.weights[0])
    assert torch.equal(seen[-1][2], trained.weights[0])


def test_any_stacked_module_trains():
    """Catches a loop that knows only perceptrons on flat inputs."""

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2, 3, 4, dtype=torch.float64))

        def forward(self, x):
            return x.flatten(2) @ self.weight.mT

    x, y = samples("cross_entropy")
    module = Flat()
    history = run(module, x.reshape(-1, 2, 2), y, seeds=(0, 1))
    assert history.losses[0].tolist() == pytest.approx([math.log(3)] * 2, rel=1e-12)
    assert module.weight.abs().max().item() > 0


class _Wrong(nn.Module):
    """Three networks by its parameters, one by its outputs."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))

    def forward(self, x):
        return x[0] @ self.weight.mT


def bad(changes):
    """The call of a training that must leave its network alone, with some arguments changed."""

    def call(*, x=None, y=None, module=None, **how):
        inputs, targets = samples(how.get("loss", "cross_entropy"))
        trained = network() if module is None else module
        before = [weight.detach().clone() for weight in trained.parameters()]
        try:
            run(trained, inputs if x is None else x, targets if y is None else y, **how)
        finally:
            now = trained.parameters()
            assert all(torch.equal(a, b.detach()) for a, b in zip(before, now, strict=True))

    return partial(call, **changes)


BAD = [
    ({"learning_rate": 0.0}, "need 0 < learning_rate < inf, got 0.0"),
    ({"learning_rate": math.nan}, "need 0 < learning_rate < inf, got nan"),
    ({"learning_rate": (0.1, 0.0, 0.1)}, "need 0 < learning_rate < inf, got 0.0"),
    ({"learning_rate": (0.1, 0.1)}, "need 3 learning rates, one per network, got 2"),
    ({"learning_rate": ()}, "need 3 learning rates, one per network, got 0"),
    ({"learning_rate": (0.1,) * 3, "optimizer": "adam"}, "need sgd without weight_decay .* adam"),
    ({"learning_rate": (0.1,) * 3, "weight_decay": 0.1}, "need sgd without .* weight_decay 0.1"),
    ({"epochs": 0}, "need a whole epochs >= 1"),
    ({"samples": 0}, "need a whole samples >= 1"),
    ({"weight_decay": math.nan}, "need 0 <= weight_decay"),
    ({"batch_size": 23}, "need 1 <= batch_size <= 22, got 23"),
    ({"batch_size": 0}, "need a whole batch_size >= 1"),
    ({"seeds": (1, 2)}, "need 3 seeds, one per network, got 2"),
    ({"momentum": 1.0}, "need 0 <= momentum < 1"),
    ({"optimizer": "adam", "momentum": 0.5}, "need momentum = 0 with adam"),
    ({"weight_decay": -1.0}, "need 0 <= weight_decay"),
    ({"l1": -0.1}, "need 0 <= l1 < inf, got -0.1"),
    ({"l1": (0.1, math.nan, 0.1)}, "need 0 <= l1 < inf, got nan"),
    ({"l1": [0.1, 0.1, 0.1]}, "need l1 a number or a tuple, got list"),
    ({"l1": (0.1, 0.1)}, "need 3 l1, one per network, got 2"),
    ({"schedule": "linear"}, "need schedule in .*'linear'"),
    ({"loss": "hinge"}, "need loss in .*'hinge'"),
    ({"optimizer": "lion"}, "need optimizer in .*'lion'"),
    ({"x": torch.ones(22, 4)}, "need inputs of dtype torch.float64, got torch.float32"),
    ({"x": torch.full((22, 4), math.nan).double()}, "need finite inputs"),
    ({"x": torch.ones(21, 4).double()}, "need as many targets as inputs, got 22 and 21"),
    ({"x": torch.ones(22, 5).double()}, "need inputs"),
    ({"y": torch.ones(22).double()}, "need targets of dtype torch.int64"),
    ({"y": torch.ones(22, 1).long()}, r"need targets \(N,\) for cross_entropy"),
    ({"y": torch.full((22,), 3)}, r"need 0 <= targets < 3, got 3\.\.3"),
    ({"loss": "mse", "y": torch.ones(22, 1).double()}, r"need targets \(N, 3\) for mse"),
    ({"loss": "mse", "y": torch.ones(22, 3)}, "need targets of dtype torch.float64"),
    ({"module": nn.Identity()}, "need parameters with one first axis"),
    ({"module": _Wrong()}, r"need a network with outputs \(3, B, outputs\), got \(1, 3\)"),
]
test_bad_arguments_are_refused_before_work = refuses(
    *((bad(changes), message) for changes, message in BAD),
    (lambda: Average(-1), "need start >= 0, got -1"),
)

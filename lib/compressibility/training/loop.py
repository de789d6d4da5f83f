"""One training loop for a batch of networks; experiments hook into it and never edit it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from compressibility.checks import finite, need, not_negative, whole

Loss = Literal["cross_entropy", "mse"]
Optimizer = Literal["adam", "sgd"]
Schedule = Literal["constant", "cosine"]
Hook = Callable[[nn.Module, int, Tensor], None]
"""Called after each step as hook(network, step, losses), without gradient tracking."""


@dataclass(frozen=True)
class Training:
    """How networks learn.

    [EGM] (cited in full in ``models.activations``), Appendix C, uses Adam and gives no numbers:
    the defaults are our choices.

    >>> Training(epochs=5).learning_rate
    0.003
    """

    epochs: int = 40
    learning_rate: float | tuple[float, ...] = 3e-3  # for all networks, or one for each
    batch_size: int = 64  # the last batch of an epoch may be smaller
    samples: int = 5000  # a recipe takes at most so many training samples
    optimizer: Optimizer = "adam"  # with PyTorch's own betas
    momentum: float = 0.0  # for sgd only
    weight_decay: float = 0.0  # as PyTorch's optimizers take it; for Adam an L2 penalty
    l1: float | tuple[float, ...] = 0.0  # λ of a penalty λ‖w‖₁; for all networks, or one for each
    schedule: Schedule = "constant"  # "cosine": rates times (1 + cos πt/T)/2 in step t of T

    def __post_init__(self) -> None:
        whole(epochs=self.epochs, batch_size=self.batch_size, samples=self.samples)
        each = isinstance(self.learning_rate, tuple)
        for rate in np.atleast_1d(self.learning_rate).tolist():
            need(0 < rate < math.inf, "0 < learning_rate < inf", rate)
        known = sorted(get_args(Optimizer))
        need(self.optimizer in known, f"optimizer in {known}", repr(self.optimizer))
        need(0 <= self.momentum < 1, "0 <= momentum < 1", self.momentum)
        without = self.optimizer != "adam" or not self.momentum
        need(without, "momentum = 0 with adam", self.momentum)
        not_negative(weight_decay=self.weight_decay)
        need(isinstance(self.l1, Real | tuple), "l1 a number or a tuple", type(self.l1).__name__)
        for one in np.atleast_1d(self.l1).tolist():
            not_negative(l1=one)
        shapes = sorted(get_args(Schedule))
        need(self.schedule in shapes, f"schedule in {shapes}", repr(self.schedule))
        # Each gradient is multiplied by its rate: Adam is blind to that, a decay knows no rate.
        plain = self.optimizer == "sgd" and not self.weight_decay
        rule = "sgd without weight_decay for one learning_rate per network"
        need(plain or not each, rule, f"{self.optimizer}, weight_decay {self.weight_decay}")


@dataclass(frozen=True, eq=False)
class History:
    """What training leaves besides the trained weights."""

    losses: Tensor  # (steps, E) float64 on the CPU: minibatch losses before each step; no penalty

    @property
    def diverged(self) -> dict[int, int]:
        """The first step whose loss is nan or infinite, of each network that has one.

        Nothing of it reaches the other networks, so training goes on without a word.

        >>> History(torch.tensor([[0.5, 2.0], [0.4, torch.nan]])).diverged
        {1: 1}
        """
        broken = ~self.losses.isfinite()
        return {e: int(broken[:, e].int().argmax()) for e in broken.any(0).nonzero()[:, 0].tolist()}


class Average:
    """Hook that averages each parameter over the iterates from a step on, counted from 0.

    [B] (Barsbey et al., NeurIPS 2021, arXiv 2106.03795) estimates tails on such averages.

    >>> Average(start=3000).means
    []
    """

    means: list[Tensor]  # of each parameter, float64; empty before the first

    def __init__(self, start: int) -> None:
        need(start >= 0, "start >= 0", start)
        self.start, self.count, self.means = start, 0, []

    def __call__(self, network: nn.Module, step: int, losses: Tensor) -> None:  # noqa: ARG002
        """Take in the weights behind this step."""
        if step >= self.start:
            self.count += 1
            now = [weight.detach().double() for weight in network.parameters()]
            old = self.means or [torch.zeros_like(weight) for weight in now]
            self.means = [m.lerp(w, 1 / self.count) for m, w in zip(old, now, strict=True)]


def train(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    training: Training,
    *,
    loss: Loss,
    seeds: Sequence[int],
    hooks: Sequence[Hook] = (),
) -> History:
    r"""Train E networks at once, in place, each as if it were alone.

    .. math:: \frac1{|B|} \sum_{i \in B} -\log \mathrm{softmax}(\Phi(x_i))_{y_i}
              \quad\text{or}\quad \frac1{|B|} \sum_{i \in B} \|\Phi(x_i) - y_i\|^2

    The second is the loss of [EGM], Section 2: summed over outputs, not averaged. On either comes
    :math:`\lambda \|w\|_1` of all parameters, of slope 0 where one is 0. The sum over the networks
    is differentiated, so no gradient of one reaches another; the optimizers act entry by entry.
    Each epoch visits all N samples once, in an order of each network's own, drawn from its seed.

    ``network`` maps (E, B, ...) to (E, B, outputs), and the first axis of every parameter counts
    the networks. It is trained on the device where it is. ``inputs`` (N, ...) are shared;
    ``targets`` are (N,) int64 classes, or (N, outputs). Hooks may change the weights in place,
    which is how noise is injected; the optimizer's own state does not see such changes.

    >>> from compressibility.models.network import mlp
    >>> once = Training(epochs=3, batch_size=2, optimizer="sgd", learning_rate=0.1)
    >>> history = train(mlp([2, 1], seeds=(0, 1)), torch.ones(4, 2), torch.ones(4, 1), once,
    ...     loss="mse", seeds=(0, 1))
    >>> history.losses.shape
    torch.Size([6, 2])
    """
    need(loss in get_args(Loss), f"loss in {sorted(get_args(Loss))}", repr(loss))
    first = _check_network(network, seeds)
    inputs, targets = inputs.to(first.device), targets.to(first.device)
    _check_samples(first, inputs, targets, loss, training.batch_size)
    _check_outputs(network, inputs, targets, loss, len(seeds))
    steps, rates = _optimizer(network, training, first)
    strength = training.l1 if isinstance(training.l1, tuple) else (training.l1,) * len(rates)
    need(len(strength) == len(rates), f"{len(rates)} l1, one per network", len(strength))
    factors = rates.new_tensor(strength)
    per_epoch = math.ceil(len(inputs) / training.batch_size)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(steps, training.epochs * per_epoch)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    losses: list[Tensor] = []
    for _ in range(training.epochs):
        epoch = torch.stack([torch.randperm(len(inputs), generator=order) for order in orders])
        for batch in torch.split(epoch.to(first.device), training.batch_size, dim=1):
            steps.zero_grad()
            total = each = mean_losses(network(inputs[batch]), targets[batch], loss)
            for weight in network.parameters() if any(strength) else ():
                total = total + factors * weight.abs().reshape(len(rates), -1).sum(1)
            torch.autograd.backward(total, rates)
            steps.step()
            if training.schedule == "cosine":
                cosine.step()
            losses.append(each.detach())
            with torch.no_grad():
                for hook in hooks:
                    hook(network, len(losses) - 1, losses[-1])
    return History(torch.stack(losses).double().cpu())


def mean_losses(outputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """Return the mean losses (E,) of outputs (E, B, ...) and targets (E, B) or (E, B, outputs)."""
    if loss == "mse":
        return (outputs - targets).square().sum(-1).mean(1)
    flat = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.reshape(targets.shape).mean(1)


def _optimizer(
    network: nn.Module, how: Training, first: Tensor
) -> tuple[torch.optim.Optimizer, Tensor]:
    """Return the optimizer and what the networks' gradients are multiplied by, (E,)."""
    weights, rate, decay = network.parameters(), how.learning_rate, how.weight_decay
    ones = torch.ones(len(first), dtype=first.dtype, device=first.device)
    if isinstance(rate, tuple):
        need(len(rate) == len(ones), f"{len(ones)} learning rates, one per network", len(rate))
        rate, ones = 1.0, ones.new_tensor(rate)
    if how.optimizer == "adam":
        return torch.optim.Adam(weights, lr=rate, weight_decay=decay), ones
    return torch.optim.SGD(weights, lr=rate, momentum=how.momentum, weight_decay=decay), ones


def _check_network(network: nn.Module, seeds: Sequence[int]) -> Tensor:
    weights = list(network.parameters())
    one = bool(weights) and all(w.ndim > 0 and len(w) == len(weights[0]) for w in weights)
    shapes = [tuple(w.shape) for w in weights]
    need(one, "parameters with one first axis, the networks", shapes)
    count = len(weights[0])
    need(len(seeds) == count, f"{count} seeds, one per network", len(seeds))
    return weights[0]


def _check_samples(
    weight: Tensor, inputs: Tensor, targets: Tensor, loss: Loss, batch_size: int
) -> None:
    samples = len(inputs)
    alike = len(targets) == samples > 0
    need(alike, "as many targets as inputs", f"{len(targets)} and {samples}")
    need(batch_size <= samples, f"1 <= batch_size <= {samples}", batch_size)
    need(inputs.dtype == weight.dtype, f"inputs of dtype {weight.dtype}", inputs.dtype)
    dtype = torch.int64 if loss == "cross_entropy" else weight.dtype
    need(targets.dtype == dtype, f"targets of dtype {dtype} for {loss}", targets.dtype)
    finite(inputs=inputs, targets=targets)


def _check_outputs(
    network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, networks: int
) -> None:
    """Ask the network for one sample's outputs: the only sure way to know their shape."""
    with torch.no_grad():
        shape = tuple(network(inputs[:1].expand(networks, 1, *inputs.shape[1:])).shape)
    holds = len(shape) == 3 and shape[:2] == (networks, 1)
    need(holds, f"a network with outputs ({networks}, B, outputs)", shape)
    got = tuple(targets.shape)
    if loss == "mse":
        need(got == (len(inputs), shape[2]), f"targets (N, {shape[2]}) for mse", got)
        return
    need(len(got) == 1, "targets (N,) for cross_entropy", got)
    lowest, highest = int(targets.min()), int(targets.max())
    need(lowest >= 0 and highest < shape[2], f"0 <= targets < {shape[2]}", f"{lowest}..{highest}")

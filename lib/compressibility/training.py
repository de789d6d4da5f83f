"""One training loop for a batch of networks; experiments hook into it and never edit it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

Loss = Literal["cross_entropy", "mse"]
Optimizer = Literal["adam", "sgd"]
Hook = Callable[[nn.Module, int, Tensor], None]
"""Called after each step as hook(network, step, losses), without gradient tracking."""


@dataclass(frozen=True, eq=False)
class History:
    """What training leaves besides the trained weights."""

    losses: Tensor  # (steps, E) float64 on the CPU: minibatch loss of each network before the step
    steps_per_epoch: int

    @property
    def epoch_losses(self) -> Tensor:
        """Return the mean minibatch loss of each epoch, (epochs, E)."""
        networks = self.losses.shape[1]
        return self.losses.reshape(-1, self.steps_per_epoch, networks).mean(1)


def train(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    loss: Loss,
    optimizer: Optimizer,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    seeds: Sequence[int],
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    hooks: Sequence[Hook] = (),
) -> History:
    r"""Train E networks at once, in place, each as if it were alone.

    .. math:: \frac1{|B|} \sum_{i \in B} -\log \mathrm{softmax}(\Phi(x_i))_{y_i}
              \quad\text{or}\quad \frac1{|B|} \sum_{i \in B} \|\Phi(x_i) - y_i\|^2

    The second is the loss of El Cheairi, Gamarnik, Mazumder (COLT 2026, Section 2): summed over
    outputs, not averaged. The sum of the networks' losses is differentiated, so no gradient of one
    reaches another; the optimizers act entry by entry. Each epoch visits every sample once, in an
    order of each network's own; the last batch may be smaller.

    Parameters
    ----------
    network
        Maps (E, B, ...) to (E, B, outputs), as :class:`compressibility.models.MLP`; the first axis
        of every parameter counts the networks. It is trained on the device where it is.
    inputs
        Shape (N, ...), of the network's dtype; shared by the networks.
    targets
        cross_entropy: (N,) int64 classes. mse: (N, outputs), of the network's dtype.
    loss, optimizer
        By name. Adam with PyTorch's own betas; sgd with ``momentum``.
    learning_rate, weight_decay
        As PyTorch's optimizers take them (Adam: weight decay is an L2 penalty).
    epochs, batch_size
        At least 1; the batch no larger than N.
    seeds
        One per network: the seed of its minibatch order.
    momentum
        For sgd only, 0 <= momentum < 1.
    hooks
        Called after every step as ``hook(network, step, losses)``: ``step`` from 0, ``losses`` (E,)
        before the step. Hooks may change the weights in place, which is how noise is injected; the
        optimizer's own state (Adam's moments, momentum) does not see such changes.

    Returns
    -------
    History
        The losses. The weights are in ``network``.

    Raises
    ------
    ValueError
        Any argument out of range, shapes or dtypes that do not fit: before the first step.

    Examples
    --------
    >>> from compressibility.models import mlp
    >>> network = mlp([2, 1], seeds=(0, 1))
    >>> history = train(network, torch.ones(4, 2), torch.ones(4, 1), loss="mse", optimizer="sgd",
    ...     learning_rate=0.1, epochs=3, batch_size=2, seeds=(0, 1))
    >>> history.losses.shape
    torch.Size([6, 2])
    """
    _check_numbers(learning_rate, epochs, momentum, weight_decay)
    _check_names(loss, optimizer, momentum)
    first = _check_network(network, seeds)
    inputs, targets = inputs.to(first.device), targets.to(first.device)
    _check_samples(first, inputs, targets, loss, batch_size)
    _check_outputs(network, inputs, targets, loss, len(seeds))
    steps = _optimizer(network, optimizer, learning_rate, momentum, weight_decay)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    losses: list[Tensor] = []
    for _ in range(epochs):
        epoch = torch.stack([torch.randperm(len(inputs), generator=order) for order in orders])
        for batch in torch.split(epoch.to(first.device), batch_size, dim=1):
            steps.zero_grad()
            each = _losses(network(inputs[batch]), targets[batch], loss)
            torch.autograd.backward(each.sum())
            steps.step()
            losses.append(each.detach())
            _call(hooks, network, len(losses) - 1, losses[-1])
    return History(torch.stack(losses).double().cpu(), math.ceil(len(inputs) / batch_size))


def _losses(outputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    if loss == "mse":
        return (outputs - targets).square().sum(-1).mean(1)
    flat = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.reshape(targets.shape).mean(1)


def _optimizer(
    network: nn.Module, name: Optimizer, rate: float, momentum: float, decay: float
) -> torch.optim.Optimizer:
    weights = network.parameters()
    if name == "adam":
        return torch.optim.Adam(weights, lr=rate, weight_decay=decay)
    return torch.optim.SGD(weights, lr=rate, momentum=momentum, weight_decay=decay)


def _call(hooks: Sequence[Hook], network: nn.Module, step: int, losses: Tensor) -> None:
    with torch.no_grad():
        for hook in hooks:
            hook(network, step, losses)


def _check_numbers(rate: float, epochs: int, momentum: float, decay: float) -> None:
    if not 0 < rate < math.inf:
        raise ValueError(f"need 0 < learning_rate < inf, got {rate}")
    if epochs < 1:
        raise ValueError(f"need epochs >= 1, got {epochs}")
    if not 0 <= momentum < 1:
        raise ValueError(f"need 0 <= momentum < 1, got {momentum}")
    if not 0 <= decay < math.inf:
        raise ValueError(f"need 0 <= weight_decay < inf, got {decay}")


def _check_names(loss: str, optimizer: str, momentum: float) -> None:
    if loss not in get_args(Loss):
        raise ValueError(f"need loss in {sorted(get_args(Loss))}, got {loss!r}")
    if optimizer not in get_args(Optimizer):
        raise ValueError(f"need optimizer in {sorted(get_args(Optimizer))}, got {optimizer!r}")
    if optimizer == "adam" and momentum:
        raise ValueError(f"need momentum = 0 with adam, got {momentum}")


def _check_network(network: nn.Module, seeds: Sequence[int]) -> Tensor:
    weights = list(network.parameters())
    if not weights or any(w.ndim == 0 or len(w) != len(weights[0]) for w in weights):
        shapes = [tuple(w.shape) for w in weights]
        raise ValueError(f"need parameters with one first axis, the networks, got {shapes}")
    if len(seeds) != len(weights[0]):
        raise ValueError(f"need {len(weights[0])} seeds, one per network, got {len(seeds)}")
    return weights[0]


def _check_samples(
    weight: Tensor, inputs: Tensor, targets: Tensor, loss: Loss, batch_size: int
) -> None:
    if len(inputs) != len(targets) or not len(inputs):
        raise ValueError(f"need as many targets as inputs, got {len(targets)} and {len(inputs)}")
    if not 1 <= batch_size <= len(inputs):
        raise ValueError(f"need 1 <= batch_size <= {len(inputs)}, got {batch_size}")
    if inputs.dtype != weight.dtype:
        raise ValueError(f"need inputs of dtype {weight.dtype}, got {inputs.dtype}")
    dtype = torch.int64 if loss == "cross_entropy" else weight.dtype
    if targets.dtype != dtype:
        raise ValueError(f"need targets of dtype {dtype} for {loss}, got {targets.dtype}")
    for name, values in (("inputs", inputs), ("targets", targets)):
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"need finite {name}, got nan or infinity")


def _check_outputs(
    network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, networks: int
) -> None:
    """Ask the network for one sample's outputs: the only sure way to know their shape."""
    with torch.no_grad():
        shape = tuple(network(inputs[:1].expand(networks, 1, *inputs.shape[1:])).shape)
    if len(shape) != 3 or shape[:2] != (networks, 1):
        raise ValueError(f"need a network with outputs ({networks}, B, outputs), got {shape}")
    if loss == "mse" and tuple(targets.shape) != (len(inputs), shape[2]):
        raise ValueError(f"need targets (N, {shape[2]}) for mse, got {tuple(targets.shape)}")
    if loss == "cross_entropy":
        if targets.ndim != 1:
            raise ValueError(f"need targets (N,) for cross_entropy, got {tuple(targets.shape)}")
        lowest, highest = int(targets.min()), int(targets.max())
        if lowest < 0 or highest >= shape[2]:
            raise ValueError(f"need 0 <= targets < {shape[2]}, got {lowest}..{highest}")

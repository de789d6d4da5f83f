r"""One-shot pruning of whole networks: what goes, what it costs, what training restores.

The magnitude pruning of [Z] (cited in ``bounds.pruning_limit.cones``), there called LOMP: train
with a penalty :math:`\lambda \|w\|_1` (``Training.l1``), then remove the :math:`\lceil sD \rceil`
smallest of all D weights of all layers at once. A network has no biases: all its weights may go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from compressibility.checks import finite, need, order_of, up_to, whole
from compressibility.models.network import Network
from compressibility.training.loop import Loss, Training, mean_losses, train


def flat(network: Network) -> Tensor:
    """Return the weights (E, D) of each network, layer after layer.

    >>> flat(Network([torch.ones(1, 3, 2), torch.zeros(1, 1, 3)])).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    return torch.cat([weight.detach().flatten(1) for weight in network.weights], 1)


def like(network: Network, weights: Tensor) -> Network:
    """Return networks of the shape of one, of any number, with weights (E, D) as of ``flat``."""
    pairs = _parts(list(network.weights), weights)
    made = [part.reshape(-1, *w.shape[1:]).to(w) for w, part in pairs]
    return network.like(made).requires_grad_(False)


def kept(order: Tensor, removed: Sequence[int]) -> Tensor:
    """Mark what stays (C, D) when the first so many of an order (D,) go, exactly so many.

    >>> kept(torch.tensor([2, 0, 1]), [0, 2]).tolist()
    [[True, True, True], [False, True, False]]
    """
    order_of(order, len(order))
    up_to(len(order), removed)
    return order.argsort() >= torch.as_tensor(removed).to(order)[:, None]


def pruned(network: Network, stay: Tensor) -> Network:
    """Return networks in which only the weights marked (E, D) are left; of one, any number."""
    return like(network, torch.where(stay, flat(network), 0.0))


def along(
    network: Network, order: Tensor, removed: Sequence[int], measure: Callable[[Network], Tensor]
) -> Tensor:
    """Measure one network with the first so many weights gone, in the memory of one: (C, ...).

    >>> start = Network([torch.tensor([[[3.0, 4.0]]])])
    >>> along(start, torch.tensor([0, 1]), [0, 1, 2], lambda n: n(torch.ones(1, 2))).flatten()
    tensor([7., 4., 0.])
    """
    need(network.networks == 1, "one network", network.networks)
    return torch.stack([measure(pruned(network, one[None]))[0] for one in kept(order, removed)])


@torch.no_grad()
def losses(
    network: Network, inputs: Tensor, targets: Tensor, loss: Loss = "cross_entropy"
) -> Tensor:
    """Return the loss of each sample (E, N), float64, without a penalty."""
    outputs = network(inputs)
    size = tuple(outputs.shape[1:] if loss == "mse" else outputs.shape[1:2])
    need(loss in get_args(Loss), f"loss in {sorted(get_args(Loss))}", repr(loss))
    need(targets.shape == size, f"targets {size} for {loss}", tuple(targets.shape))
    each = targets.expand(len(outputs), *targets.shape)
    alone = [one.flatten(0, 1)[:, None] for one in (outputs, each)]  # a sample is a batch
    found = mean_losses(alone[0], alone[1], loss).double().reshape(outputs.shape[:2])
    finite(losses=found)
    return found


def epsilon(
    losses: Tensor, batch_size: int, generator: torch.Generator, *, shuffles: int = 1
) -> float:
    r"""Return the standard deviation ε of mini-batches' mean losses, of losses (N,), shuffled.

    .. math:: E \, \varepsilon^2 = \sigma^2 \frac{N - b}{b (N - 1)}

    where b divides N: :math:`1/\sqrt b` only for :math:`b \ll N`. As in [Z] all batches count
    alike, a smaller last one too. Of several shuffles it is the root of the mean square.

    >>> round(epsilon(torch.tensor([1.0, 2.0, 6.0]), 1, torch.Generator()) ** 2, 6)
    4.666667
    """
    whole(batch_size=batch_size, shuffles=shuffles)
    total = losses.numel()
    need(losses.ndim == 1, "losses (N,)", tuple(losses.shape))
    need(batch_size < total, f"batch_size < {total} samples", batch_size)
    finite(losses=losses)
    squares = 0.0
    for _ in range(shuffles):
        order = torch.randperm(total, generator=generator, device=generator.device)
        batches = torch.split(losses.double()[order.to(losses.device)], batch_size)
        means = torch.stack([batch.mean() for batch in batches])
        squares += float(means.var(correction=0)) / shuffles
    return math.sqrt(squares)


class Held:
    """Hook that keeps removed weights at 0: the others train as in the pruned network alone."""

    def __init__(self, stay: Tensor) -> None:
        self.stay = stay  # (E, D)

    def __call__(self, network: nn.Module, step: int, losses: Tensor) -> None:  # noqa: ARG002
        """Undo this step where nothing is kept."""
        for weight, part in _parts(list(network.parameters()), self.stay):
            weight.masked_fill_(~part.reshape(weight.shape), 0.0)


def retrained(
    network: Network,
    stay: Tensor,
    samples: tuple[Tensor, Tensor],
    how: Training,
    *,
    seeds: Sequence[int],
    loss: Loss = "cross_entropy",
) -> Network:
    """Prune copies and train the weights marked (E, D); where all are, that is a dense control.

    A control belongs beside each, as a dense network that goes on learning improves as well.
    """
    found = pruned(network, stay).requires_grad_(True)
    with torch.enable_grad():
        train(found, *samples, how, loss=loss, seeds=seeds, hooks=[Held(stay)])
    return found.requires_grad_(False)


def _parts(weights: Sequence[Tensor], rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Pair layers (E, ...) with their columns of rows (any, D)."""
    sizes = [weight[0].numel() for weight in weights]
    fits = rows.ndim == 2 and rows.shape[1] == sum(sizes) and len(rows) > 0
    need(fits, f"rows (E, {sum(sizes)}), a number for each weight", tuple(rows.shape))
    return list(zip(weights, torch.split(rows, sizes, 1), strict=True))

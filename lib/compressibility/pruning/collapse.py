"""Pruned neurons and filters taken out: a really smaller network that computes the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compressibility.checks import need
from compressibility.models.activations import Activation
from compressibility.models.network import Network

_PLAIN: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"relu": nn.ReLU, "tanh": nn.Tanh, "identity": nn.Identity}
)


@dataclass(frozen=True)
class Size:
    """What a network costs to store and to run."""

    parameters: int  # stored numbers, zeros included
    multiplies: int  # multiplications for one sample, those by zero included


@dataclass(frozen=True, eq=False)
class Collapsed:
    """A network without its dead neurons and channels."""

    network: Network  # a batch of one
    kept: tuple[Tensor, ...]  # per hidden layer: indices of what stays, increasing
    before: Size
    after: Size

    def as_sequential(self) -> nn.Sequential:
        """Return the smaller network in torch's own modules, without biases.

        It can be used and saved without this package, unless its activation is the shifted
        softplus, which torch does not have.
        """
        modules = [
            _PLAIN[m.name]() if isinstance(m, Activation) and m.name in _PLAIN else m
            for m in self.network.as_sequential(0)
        ]
        return nn.Sequential(*modules)


def collapse(network: Network) -> Collapsed:
    r"""Take out every neuron or channel that reaches no output or that no input reaches.

    It is dead if its row of :math:`W_\ell` is zero on the living units below, or its column of
    :math:`W_{\ell+1}` is zero on the living units above. As :math:`\varphi(0) = 0` for all of
    ``ACTIVATIONS``, a dead unit adds nothing, so the smaller network is the same function: exactly,
    but for the order in which a sum is rounded. [EGM] (cited in ``pruning.draws``), Section 3.3,
    lets the columns that zeroed rows feed collapse into one, whose input is the constant
    :math:`\varphi(0)`; under (7) it vanishes.

    Inputs and outputs stay. A hidden layer that is dead as a whole keeps its first unit, so that
    the network has a shape; it is 0 either way. ``network`` is a batch of one, ``member(e)``.

    >>> w1, w2 = torch.tensor([[[1.0], [0.0], [2.0]]]), torch.tensor([[[3.0, 4.0, 0.0]]])
    >>> smaller = collapse(Network([w1, w2]))
    >>> smaller.network.widths, smaller.kept[0].tolist()
    ((1, 1, 1), [0])
    >>> smaller.after
    Size(parameters=2, multiplies=2)
    """
    got = f"{network.networks}: take one with member(e)"
    need(network.networks == 1, "1 network", got)
    # Every weight as (outputs, inputs, numbers of one pair): q² of them, or the pixels of a map.
    pairs = [
        w[0].detach().reshape(w.shape[1], below, -1)
        for w, below in zip(network.weights, network.widths[:-1], strict=True)
    ]
    kept = [mask.nonzero().flatten() for mask in living([(p != 0).any(-1) for p in pairs])]
    smaller = [p[above][:, below] for p, below, above in zip(pairs, kept, kept[1:], strict=False)]
    weights = [
        p.reshape(1, *p.shape[:2], *w.shape[3:]) if w.ndim == 5 else p.flatten(1)[None]
        for p, w in zip(smaller, network.weights, strict=True)
    ]
    new = Network(weights, size=network.size, activation=network.activation.name)
    return Collapsed(new, tuple(kept[1:-1]), size_of(network), size_of(new))


def size_of(network: Network) -> Size:
    """Count the stored numbers of one network, and its multiplications for one sample.

    Every weight of a convolution is multiplied once for each of the r² pixels, others once.

    >>> size_of(Network([torch.ones(1, 2, 1, 3, 3), torch.ones(1, 10, 32)], size=4))
    Size(parameters=338, multiplies=608)
    """
    counts = [w[0].numel() for w in network.weights]
    pixels = [network.size**2 if w.ndim == 5 else 1 for w in network.weights]
    multiplies = sum(count * each for count, each in zip(counts, pixels, strict=True))
    return Size(parameters=sum(counts), multiplies=multiplies)


def living(links: Sequence[Tensor]) -> list[Tensor]:
    """Find the units that lie on a path of links from some input to some output.

    Links are masks (outputs, inputs), one per layer. Returned are masks of inputs, hidden layers
    and outputs: all True at the ends; a hidden layer on no path keeps its first unit.

    >>> one, none = torch.tensor([[True], [True]]), torch.tensor([[False, True]])
    >>> [mask.tolist() for mask in living([one, none])]
    [[True], [False, True], [True]]
    """
    # One sweep up and one sweep down find the fixed point: a unit lies on a whole path if it can
    # be reached from below and can reach the top. Repeated deletion of dead units ends there too.
    reached = [torch.ones_like(links[0][0])]
    for link in links[:-1]:
        reached.append((link & reached[-1]).any(1))
    reaching = [torch.ones_like(links[-1][:, 0])]
    for link in reversed(links[1:]):
        reaching.insert(0, (link & reaching[0].unsqueeze(1)).any(0))
    hidden = [up & down for up, down in zip(reached[1:], reaching[:-1], strict=True)]
    for mask in hidden:
        mask[0] |= ~mask.any()
    return [reached[0], *hidden, reaching[-1]]

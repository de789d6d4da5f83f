"""Pruned neurons taken out: a really smaller network that computes the same function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compressibility.models import MLP, Activation

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
    """A network without its dead neurons."""

    network: MLP  # a batch of one
    kept: tuple[Tensor, ...]  # per hidden layer: indices of the neurons that stay, increasing
    before: Size
    after: Size

    def as_sequential(self) -> nn.Sequential:
        """Return the smaller network as ``nn.Linear`` layers without biases and activations.

        Activations that PyTorch has are PyTorch's, so that the network can be used and saved
        without this package; the shifted softplus it does not have.
        """
        return plain_activations(self.network.as_sequential(0))


def collapse(network: MLP) -> Collapsed:
    r"""Take out every neuron that cannot reach the outputs or that no input reaches.

    A hidden neuron is dead if its row of :math:`W_\ell` is zero on the living neurons below, or its
    column of :math:`W_{\ell+1}` is zero on the living neurons above. As :math:`\varphi(0) = 0` for
    all of ``ACTIVATIONS``, a dead neuron adds nothing, so the smaller network is the same function:
    exactly, but for the order in which a sum is rounded. El Cheairi, Gamarnik, Mazumder
    (COLT 2026), Section 3.3, let the columns of :math:`W_{\ell+1}` that zeroed rows feed collapse
    into one column, whose input is the constant :math:`\varphi(0)`; under (7) it vanishes.

    Inputs and outputs of the network always stay. A hidden layer that is dead as a whole keeps its
    first neuron, so that the network has a shape; its output is 0 either way.

    Parameters
    ----------
    network
        A batch of one: ``network.member(e)`` takes it out of a batch.

    Raises
    ------
    ValueError
        More than one network.

    Examples
    --------
    >>> w1, w2 = torch.tensor([[[1.0], [0.0], [2.0]]]), torch.tensor([[[3.0, 4.0, 0.0]]])
    >>> smaller = collapse(MLP([w1, w2]))
    >>> smaller.network.widths, smaller.kept[0].tolist()
    ((1, 1, 1), [0])
    >>> smaller.before, smaller.after
    (Size(parameters=6, multiplies=6), Size(parameters=2, multiplies=2))
    """
    if network.networks != 1:
        raise ValueError(f"need 1 network, got {network.networks}: take one with member(e)")
    weights = [w[0].detach() for w in network.weights]
    kept = [mask.nonzero().flatten() for mask in living([w != 0 for w in weights])]
    smaller = [w[above][:, below] for w, below, above in zip(weights, kept, kept[1:], strict=False)]
    return Collapsed(
        network=MLP([w.unsqueeze(0) for w in smaller], activation=network.activation.name),
        kept=tuple(kept[1:-1]),
        before=_size(weights),
        after=_size(smaller),
    )


def plain_activations(modules: nn.Sequential) -> nn.Sequential:
    """Return the modules with PyTorch's own activations, where it has them, in place of ours.

    Examples
    --------
    >>> plain_activations(nn.Sequential(Activation("relu")))
    Sequential(
      (0): ReLU()
    )
    """
    return nn.Sequential(
        *(
            _PLAIN[m.name]() if isinstance(m, Activation) and m.name in _PLAIN else m
            for m in modules
        )
    )


def living(links: Sequence[Tensor]) -> list[Tensor]:
    """Find the neurons that lie on a path of links from some input to some output.

    Parameters
    ----------
    links
        Per layer: a mask (n_out, n_in), True where a neuron feeds one of the next layer.

    Returns
    -------
    list of Tensor
        Masks of the inputs, of each hidden layer and of the outputs. Inputs and outputs are all
        True; a hidden layer on no path keeps its first neuron.

    Examples
    --------
    >>> one, none = torch.tensor([[True], [True]]), torch.tensor([[False, True]])
    >>> [mask.tolist() for mask in living([one, none])]
    [[True], [False, True], [True]]
    """
    # One sweep up and one sweep down find the fixed point: a neuron lies on a whole path if it can
    # be reached from below and can reach the top. Repeated deletion of dead neurons ends there too.
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


def _size(weights: Sequence[Tensor]) -> Size:
    """Without biases every stored number is multiplied once per sample."""
    numbers = sum(w.numel() for w in weights)
    return Size(parameters=numbers, multiplies=numbers)

"""Pruned filters taken out: a really smaller convolutional network, the same function."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from compressibility.collapse import Size, living, plain_activations
from compressibility.convnet import ConvNet


@dataclass(frozen=True, eq=False)
class CollapsedFilters:
    """A convolutional network without its dead channels."""

    network: ConvNet  # a batch of one
    kept: tuple[Tensor, ...]  # per convolution: indices of the channels that stay, increasing
    before: Size
    after: Size

    def as_sequential(self) -> nn.Sequential:
        """Return the smaller network as ``nn.Conv2d`` layers and a ``nn.Linear`` head.

        Activations that PyTorch has are PyTorch's, as :func:`plain_activations` makes them.
        """
        return plain_activations(self.network.as_sequential(0))


def collapse_filters(network: ConvNet) -> CollapsedFilters:
    r"""Take out every channel that cannot reach the outputs or that no input reaches.

    A channel goes if the output filter that makes it or the input filters that read it are zero on
    the living channels: both filters leave with it. As :math:`\varphi(0) = 0` for all of
    ``ACTIVATIONS`` it adds nothing, so the smaller network is the same function: exactly, but for
    the order in which a sum is rounded. This is what El Cheairi, Gamarnik, Mazumder (COLT 2026)
    do with zeroed rows, on the blocks of rows that filters are.

    Images and outputs always stay. A map that is dead as a whole keeps its first channel, so that
    the network has a shape; it is 0 either way.

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
    >>> import torch
    >>> kernel = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1, 1)
    >>> smaller = collapse_filters(ConvNet([kernel], torch.ones(1, 3, 8), size=2))
    >>> smaller.network.channels, smaller.kept[0].tolist()
    ((1, 1), [0])
    >>> smaller.before, smaller.after
    (Size(parameters=26, multiplies=32), Size(parameters=13, multiplies=16))
    """
    if network.networks != 1:
        raise ValueError(f"need 1 network, got {network.networks}: take one with member(e)")
    kernels = [k[0].detach() for k in network.kernels]
    head = network.head[0].detach().reshape(-1, network.channels[-1], network.size**2)
    links = [*((k != 0).any(-1).any(-1) for k in kernels), (head != 0).any(-1)]
    kept = [mask.nonzero().flatten() for mask in living(links)]
    smaller = ConvNet(
        [
            k[above][:, below][None]
            for k, below, above in zip(kernels, kept, kept[1:], strict=False)
        ],
        head[:, kept[-2]].flatten(1)[None],
        size=network.size,
        activation=network.activation.name,
    )
    return CollapsedFilters(smaller, tuple(kept[1:-1]), size_of(network), size_of(smaller))


def size_of(network: ConvNet) -> Size:
    """Count the stored numbers of one network, and its multiplications for one image.

    Every weight of a convolution is multiplied once for each of the r² pixels, every weight of the
    head once.

    Examples
    --------
    >>> import torch
    >>> size_of(ConvNet([torch.ones(1, 2, 1, 3, 3)], torch.ones(1, 10, 32), size=4))
    Size(parameters=338, multiplies=608)
    """
    filters = sum(k[0].numel() for k in network.kernels)
    dense = network.head[0].numel()
    return Size(parameters=filters + dense, multiplies=filters * network.size**2 + dense)

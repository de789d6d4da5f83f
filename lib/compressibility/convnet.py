"""Circular convolutional networks without biases, many of one shape as a single batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from compressibility.convolution import check_kernel, conv_norm, convolve
from compressibility.models import Activation

__all__ = ["ConvNet", "convnet", "layer_norms", "layer_spreads"]


class ConvNet(nn.Module):
    r"""E networks of circular convolutions and a dense head, without biases, as one batch.

    .. math:: \Phi_e(x) = W_e\, \mathrm{vec}\,
              \varphi(K_{e,m} * \varphi(\cdots \varphi(K_{e,1} * x)))

    Unit stride, circular padding and no pooling, so that every layer is a layer of a perceptron,
    with the matrix W(K) of :func:`~compressibility.convolution.conv_matrix`. Samples are rows of
    pixels: channels, then rows, then columns. Convolutions count from 0 in code, so
    :math:`K_\ell` is ``kernels[l - 1]``.

    Parameters
    ----------
    kernels
        One tensor (E, d_out, d_in, q, q) per convolution, all of one dtype and device; copied.
    head
        W, shape (E, outputs, d_last r²); copied.
    size
        r, height and width of the maps, q <= r.
    activation
        A name of :data:`compressibility.models.ACTIVATIONS`.

    Raises
    ------
    ValueError
        No kernels, shapes that do not chain, weights that are not finite floats of one dtype, an
        unknown activation.

    Examples
    --------
    >>> network = ConvNet([torch.ones(1, 2, 1, 3, 3)], torch.ones(1, 10, 32), size=4)
    >>> network(torch.ones(5, 16)).shape
    torch.Size([1, 5, 10])
    """

    def __init__(
        self, kernels: Sequence[Tensor], head: Tensor, *, size: int, activation: str = "relu"
    ) -> None:
        super().__init__()
        _check_chain(kernels, head, size)
        self.size = size
        self.activation = Activation(activation)
        self.kernels = nn.ParameterList([nn.Parameter(k.detach().clone()) for k in kernels])
        self.head = nn.Parameter(head.detach().clone())

    @property
    def networks(self) -> int:
        """Number E of networks in the batch."""
        return int(self.head.shape[0])

    @property
    def channels(self) -> tuple[int, ...]:
        """Numbers of channels from the input to the last map, one more than convolutions."""
        return (self.kernels[0].shape[2], *(k.shape[1] for k in self.kernels))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, N, outputs) for samples (N, d) shared by all networks, or (E, N, d)."""
        outputs: Tensor = self.layer_inputs(x, len(self.kernels)).flatten(2) @ self.head.mT
        return outputs

    def layer_inputs(self, x: Tensor, layer: int) -> Tensor:
        """Return the images (E, N, channels, r, r) that convolution ``layer`` (from 0) sees.

        ``layer = len(kernels)`` gives what the head sees, not yet flattened.

        Raises
        ------
        ValueError
            A layer that does not exist, or samples of another shape or dtype.
        """
        if not 0 <= layer <= len(self.kernels):
            raise ValueError(f"need 0 <= layer <= {len(self.kernels)}, got {layer}")
        self._check_inputs(x)
        maps = (self.channels[0], self.size, self.size)
        seen = x.expand(self.networks, -1, -1).reshape(self.networks, -1, *maps)
        for kernel in self.kernels[:layer]:
            # One call per network is faster on a processor than one call with groups.
            seen = torch.stack([convolve(s, k) for s, k in zip(seen, kernel, strict=True)])
            seen = self.activation(seen)
        return seen

    def member(self, network: int) -> ConvNet:
        """Return a copy of one network, as a batch of one."""
        self._check_member(network)
        only = slice(network, network + 1)
        return self._with([k[only] for k in self.kernels], self.head[only])

    def with_kernel(self, layer: int, kernel: Tensor) -> ConvNet:
        """Return a copy in which ``kernel`` (E, d_out, d_in, q, q) stands for that layer's.

        Raises
        ------
        ValueError
            A layer that does not exist, or a kernel of another shape, dtype or device.
        """
        if not 0 <= layer < len(self.kernels):
            raise ValueError(f"need 0 <= layer < {len(self.kernels)}, got {layer}")
        old = self.kernels[layer]
        for kind in ("shape", "dtype", "device"):
            if getattr(kernel, kind) != getattr(old, kind):
                raise ValueError(
                    f"need kernel of {kind} {getattr(old, kind)}, got {getattr(kernel, kind)}"
                )
        changed = [kernel if at == layer else k for at, k in enumerate(self.kernels)]
        return self._with(changed, self.head)

    def as_sequential(self, network: int) -> nn.Sequential:
        """Return a copy of one network as ordinary layers, for samples (N, channels, r, r)."""
        self._check_member(network)
        modules: list[nn.Module] = []
        for kernel in self.kernels:
            k = kernel[network].detach()
            conv = nn.Conv2d(
                k.shape[1],
                k.shape[0],
                k.shape[-1],
                padding="same",
                padding_mode="circular",
                bias=False,
                dtype=k.dtype,
                device="meta",
            ).to_empty(device=k.device)
            conv.load_state_dict({"weight": k})
            modules += [conv, Activation(self.activation.name)]
        w = self.head[network].detach()
        linear = nn.Linear(
            w.shape[1], w.shape[0], bias=False, dtype=w.dtype, device="meta"
        ).to_empty(device=w.device)
        linear.load_state_dict({"weight": w})
        return nn.Sequential(*modules, nn.Flatten(), linear)

    def _with(self, kernels: Sequence[Tensor], head: Tensor) -> ConvNet:
        return ConvNet(kernels, head, size=self.size, activation=self.activation.name)

    def _check_member(self, network: int) -> None:
        if not 0 <= network < self.networks:
            raise ValueError(f"need 0 <= network < {self.networks}, got {network}")

    def _check_inputs(self, x: Tensor) -> None:
        features = self.channels[0] * self.size**2
        fits = x.ndim == 2 or (x.ndim == 3 and x.shape[0] == self.networks)
        if not fits or x.shape[-1] != features:
            need = f"(N, {features}) or ({self.networks}, N, {features})"
            raise ValueError(f"need inputs {need}, got {tuple(x.shape)}")
        if x.dtype != self.head.dtype:
            raise ValueError(f"need inputs of dtype {self.head.dtype}, got {x.dtype}")


def convnet(
    channels: Sequence[int],
    *,
    outputs: int,
    size: int,
    kernel_size: int = 3,
    activation: str = "relu",
    seeds: Sequence[int] = (0,),
    dtype: torch.dtype = torch.float32,
) -> ConvNet:
    r"""Networks with Glorot-uniform weights, each drawn from its own seed.

    .. math:: K_{o,i}[u,v] \sim U(-b, b), \qquad
              b = \sqrt{6 / (q^2 d_\text{in} + q^2 d_\text{out})}

    The weights are drawn in float64 and rounded to ``dtype``: one seed is the same network in
    either precision, alone or in a batch.

    Parameters
    ----------
    channels
        From the input to the last map, at least two numbers, each >= 1.
    outputs
        Of the dense head.
    size
        r, height and width of the maps.
    kernel_size
        q <= r. Default 3, as in El Cheairi, Gamarnik, Mazumder (COLT 2026, Appendix C).
    activation
        A name of :data:`compressibility.models.ACTIVATIONS`. Default relu, as in that appendix.
    seeds
        One per network.
    dtype
        torch.float32 or torch.float64.

    Raises
    ------
    ValueError
        Numbers below 1, fewer than two channels, q > r, no seeds, another dtype, an unknown name.

    Examples
    --------
    >>> convnet([1, 20, 16], outputs=10, size=8, seeds=(0, 1)).head.shape
    torch.Size([2, 10, 1024])
    """
    if len(channels) < 2 or any(count < 1 for count in channels):
        raise ValueError(f"need at least 2 channels, each >= 1, got {list(channels)}")
    if min(outputs, size, kernel_size) < 1:
        got = f"{outputs}, {size}, {kernel_size}"
        raise ValueError(f"need outputs, size, kernel_size >= 1, got {got}")
    if not len(seeds):
        raise ValueError("need at least 1 seed, got none")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"need dtype float32 or float64, got {dtype}")
    filters = [(after, before, kernel_size, kernel_size) for before, after in pairwise(channels)]
    shapes = [*filters, (outputs, channels[-1] * size**2)]
    members = [_glorot(shapes, seed) for seed in seeds]
    *kernels, head = (torch.stack(layer).to(dtype) for layer in zip(*members, strict=True))
    return ConvNet(kernels, head, size=size, activation=activation)


def layer_norms(network: ConvNet) -> Tensor:
    r"""Operator norms of all layers, the head last; their maximum is the paper's :math:`c_1`.

    Shape (E, m), float64, for E networks of m layers.

    Examples
    --------
    >>> layer_norms(ConvNet([torch.ones(1, 1, 1, 1, 1)], torch.ones(1, 1, 4), size=2)).tolist()
    [[1.0, 2.0]]
    """
    norms = [conv_norm(kernel, network.size) for kernel in network.kernels]
    norms.append(torch.linalg.matrix_norm(network.head.detach().double(), ord=2))
    return torch.stack(norms, dim=1)


def layer_spreads(network: ConvNet) -> Tensor:
    r"""Least :math:`c_2` of each convolution.

    .. math:: q \sqrt{d_\ell \vee d_{\ell+1}}\; \|W(K_\ell)\|_\infty

    El Cheairi, Gamarnik, Mazumder (COLT 2026), (33); the head is no convolution and has none.

    Shape (E, convolutions), float64.

    Examples
    --------
    >>> layer_spreads(ConvNet([torch.ones(1, 4, 1, 3, 3)], torch.ones(1, 1, 64), size=4)).tolist()
    [[6.0]]
    """
    largest = [
        k.shape[-1] * math.sqrt(max(k.shape[1:3])) * k.detach().double().abs().amax((1, 2, 3, 4))
        for k in network.kernels
    ]
    return torch.stack(largest, dim=1)


def _glorot(shapes: Sequence[tuple[int, ...]], seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    empty = [torch.empty(shape, dtype=torch.float64) for shape in shapes]
    return [nn.init.xavier_uniform_(w, generator=generator) for w in empty]


def _check_chain(kernels: Sequence[Tensor], head: Tensor, size: int) -> None:
    if not len(kernels):
        raise ValueError("need at least 1 kernel, got none")
    shapes = [tuple(k.shape) for k in kernels]
    if any(len(shape) != 5 or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(f"need kernels (E, d_out, d_in, q, q) with one E, got {shapes}")
    for kernel in kernels:
        check_kernel(kernel, size)
    if any(upper[2] != lower[1] for lower, upper in pairwise(shapes)):
        raise ValueError(f"need d_in of each kernel = d_out of the one before, got {shapes}")
    features = shapes[-1][1] * size**2
    if (
        head.ndim != 3
        or not head.shape[1]
        or (len(head), head.shape[2]) != (shapes[0][0], features)
    ):
        need = f"({shapes[0][0]}, outputs, {features})"
        raise ValueError(f"need head {need}, got {tuple(head.shape)}")
    if len({(w.dtype, w.device) for w in (*kernels, head)}) > 1:
        raise ValueError(f"need weights of one dtype, got {[w.dtype for w in (*kernels, head)]}")
    if not bool(torch.isfinite(head).all()):
        raise ValueError("need finite weights, got nan or infinity in the head")

"""Networks without biases, many of one shape as a single batch: convolutions, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from compressibility.checks import floats, need, of_kind, whole
from compressibility.models.activations import Activation
from compressibility.models.layers import Block, Layer
from compressibility.models.maps import convolve


class Network(nn.Module):
    r"""E networks of one shape, evaluated as one batch.

    .. math:: \Phi_e(x) = W_{e,m}\, \varphi(W_{e,m-1} \cdots \varphi(W_{e,1}\, x))

    where the first W may be those of convolutions, :meth:`Layer.matrix`, with unit stride, circular
    padding and no pooling. The last layer is dense and linear. Layers count from 0 in code, so
    layer :math:`\ell` of the papers is ``weights[l - 1]``.

    >>> Network([torch.ones(1, 2, 1, 3, 3), torch.ones(1, 10, 32)], size=4).widths
    (1, 2, 10)
    """

    weights: nn.ParameterList  # each (E, d_out, d_in, q, q), then each (E, n_out, n_in); copies
    size: int  # r, height and width of the maps of the convolutions; 1 without convolutions
    activation: Activation

    def __init__(
        self, weights: Sequence[Tensor], *, size: int = 1, activation: str = "relu"
    ) -> None:
        super().__init__()
        _check_chain(weights, size)
        if size == 1:  # on one pixel every layer is dense
            weights = [w.flatten(2) for w in weights]
        self.size = size
        self.activation = Activation(activation)
        self.weights = nn.ParameterList([nn.Parameter(w.detach().clone()) for w in weights])

    @property
    def networks(self) -> int:
        """Number E of networks in the batch."""
        return int(self.weights[0].shape[0])

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels, then units: one number more than there are layers.

        A dense layer behind maps of d channels reads d r² numbers; d stands here.
        """
        return (self.weights[0].shape[2], *(w.shape[1] for w in self.weights))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, N, n_out) for samples (N, features) shared by all networks, or (E, N, …).

        A sample is a row of pixels: channels, then rows, then columns.
        """
        last = len(self.weights) - 1
        return self.through(last, self.layer_inputs(x, last))

    def layer_inputs(self, x: Tensor, at: int) -> Tensor:
        """Return what layer ``at`` (from 0) sees for samples x as :meth:`forward` takes them.

        (E, N, d, r, r) where it is a convolution, (E, N, n) where it is dense.
        """
        self._check_layer(at)
        self._check_inputs(x)
        seen = x.expand(self.networks, -1, -1)
        if self._is_convolution(0):
            seen = seen.reshape(self.networks, -1, self.widths[0], self.size, self.size)
        for index in range(at):
            seen = self.through(index, seen)
        return seen if self._is_convolution(at) else seen.flatten(2)

    def through(self, at: int, seen: Tensor) -> Tensor:
        """Return what layer ``at`` makes of what it sees, behind its activation; the last has none.

        (E, N, d, r, r) behind a convolution, else (E, N, n).
        """
        weight = self.weights[at]
        if self._is_convolution(at):
            # One call per network is faster on a processor than one call with groups.
            after = torch.stack([convolve(s, k) for s, k in zip(seen, weight, strict=True)])
        else:
            after = seen.flatten(2) @ weight.mT
        return after if at + 1 == len(self.weights) else cast(Tensor, self.activation(after))

    def layer(self, at: int, e: int) -> Layer:
        """Return layer ``at`` of network ``e``; it shares the weights' memory."""
        self._check_layer(at)
        self._check_member(e)
        weight = self.weights[at][e]
        return Layer(weight, self.size) if self._is_convolution(at) else Layer.dense(weight)

    def block(self, at: int, e: int) -> Block:
        """Return layer ``at`` of network ``e`` with the layer on top of it."""
        return Block(self.layer(at, e), self.layer(at + 1, e), self.activation)

    def member(self, e: int) -> Network:
        """Return a copy of one network, as a batch of one."""
        return self.members([e])

    def members(self, those: Sequence[int]) -> Network:
        """Return a copy of some networks."""
        need(all(0 <= e < self.networks for e in those), f"0 <= network < {self.networks}", those)
        return self.like([w[list(those)] for w in self.weights])

    def repeated(self, times: int) -> Network:
        """Return a copy with each network ``times`` times in a row: room for as many throws."""
        whole(times=times)
        return self.like([w.repeat_interleave(times, 0) for w in self.weights])

    def with_weight(self, at: int, weight: Tensor) -> Network:
        """Return a copy in which ``weight``, of its shape and dtype, stands for that layer's."""
        self._check_layer(at)
        old = self.weights[at]
        for kind in ("shape", "dtype", "device"):
            got = getattr(weight, kind)
            need(got == getattr(old, kind), f"weight of {kind} {getattr(old, kind)}", got)
        return self.like([weight if index == at else w for index, w in enumerate(self.weights)])

    def as_sequential(self, e: int) -> nn.Sequential:
        """Return a copy of one network as torch's own layers.

        Behind convolutions it reads maps (N, channels, r, r), else rows.
        """
        self._check_member(e)
        modules: list[nn.Module] = []
        for at, stack in enumerate(self.weights):
            weight = stack[e].detach()
            if at and self._is_convolution(at - 1) and not self._is_convolution(at):
                modules.append(nn.Flatten())
            modules += [_module(weight), Activation(self.activation.name)]
        return nn.Sequential(*modules[:-1])

    def like(self, weights: Sequence[Tensor]) -> Network:
        """Return networks of other weights, else as these."""
        return Network(weights, size=self.size, activation=self.activation.name)

    def _is_convolution(self, at: int) -> bool:
        return bool(self.weights[at].ndim == 5)

    def _check_layer(self, at: int) -> None:
        need(0 <= at < len(self.weights), f"0 <= layer < {len(self.weights)}", at)

    def _check_member(self, e: int) -> None:
        need(0 <= e < self.networks, f"0 <= network < {self.networks}", e)

    def _check_inputs(self, x: Tensor) -> None:
        of_kind(Tensor, inputs=x)
        features, count = self.widths[0] * self.size**2, self.networks
        fits = x.ndim == 2 or (x.ndim == 3 and x.shape[0] == count)
        rule = f"inputs (N, {features}) or ({count}, N, {features})"
        need(fits and x.shape[-1] == features, rule, tuple(x.shape))
        need(x.dtype == (dtype := self.weights[0].dtype), f"inputs of dtype {dtype}", x.dtype)


def mlp(
    widths: Sequence[int],
    *,
    activation: str = "relu",
    init: str = "glorot",
    seeds: Sequence[int] = (0,),
    dtype: torch.dtype = torch.float32,
) -> Network:
    r"""Perceptrons with uniform weights, Glorot's or PyTorch's own, each drawn from its own seed.

    .. math:: W_{ij} \sim U(-b, b), \qquad b = \sqrt{6 / (n_\text{in} + n_\text{out})}
              \quad\text{or}\quad b = 1 / \sqrt{n_\text{in}}

    The weights are drawn in float64 and rounded to ``dtype``: one seed is the same network in
    either precision, alone or in a batch.

    >>> mlp([64, 100, 10], seeds=(0, 1)).weights[0].shape
    torch.Size([2, 100, 64])
    """
    need(len(widths) > 1 and min(widths) > 0, "at least 2 widths, each >= 1", list(widths))
    need(init in ("glorot", "torch"), "init 'glorot' or 'torch'", repr(init))
    shapes = [(n_out, n_in) for n_in, n_out in pairwise(widths)]
    return Network(_drawn(shapes, seeds, dtype, init), activation=activation)


def convnet(
    channels: Sequence[int],
    *,
    outputs: int,
    size: int,
    kernel_size: int = 3,
    activation: str = "relu",
    seeds: Sequence[int] = (0,),
    dtype: torch.dtype = torch.float32,
) -> Network:
    r"""Convolutions and a dense head, weights as :func:`mlp` draws them by default.

    .. math:: K_{o,i}[u,v] \sim U(-b, b), \qquad
              b = \sqrt{6 / (q^2 d_\text{in} + q^2 d_\text{out})}

    >>> convnet([1, 20, 16], outputs=10, size=8, seeds=(0, 1)).weights[2].shape
    torch.Size([2, 10, 1024])
    """
    need(len(channels) > 1 and min(channels) > 0, "at least 2 channels, each >= 1", list(channels))
    whole(outputs=outputs, size=size, kernel_size=kernel_size)
    kernels = [(after, before, kernel_size, kernel_size) for before, after in pairwise(channels)]
    shapes = [*kernels, (outputs, channels[-1] * size**2)]
    return Network(_drawn(shapes, seeds, dtype, "glorot"), size=size, activation=activation)


def _drawn(
    shapes: Sequence[tuple[int, ...]], seeds: Sequence[int], dtype: torch.dtype, init: str
) -> list[Tensor]:
    need(len(seeds) > 0, "at least 1 seed", "none")
    need(dtype in (torch.float32, torch.float64), "dtype float32 or float64", dtype)
    torchs = partial(nn.init.kaiming_uniform_, a=5**0.5)  # the a of nn.Linear
    draw: Any = nn.init.xavier_uniform_ if init == "glorot" else torchs
    members = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        empty = [torch.empty(shape, dtype=torch.float64) for shape in shapes]
        members.append([draw(w, generator=generator) for w in empty])
    return [torch.stack(layer).to(dtype) for layer in zip(*members, strict=True)]


def _module(weight: Tensor) -> nn.Module:
    n_out, n_in, *size = weight.shape
    plain: dict[str, Any] = {"bias": False, "dtype": weight.dtype, "device": "meta"}
    module: nn.Module = nn.Linear(n_in, n_out, **plain)
    if size:
        plain |= {"padding": "same", "padding_mode": "circular"}
        module = nn.Conv2d(n_in, n_out, size[-1], **plain)
    module = module.to_empty(device=weight.device)
    module.load_state_dict({"weight": weight})
    return module


def _check_chain(weights: Sequence[Tensor], size: int) -> None:
    """Raise ValueError unless the weights are a chain of convolutions and dense layers."""
    need(len(weights) > 0, "at least 1 layer", "none")
    whole(size=size)
    floats(**{f"weight of layer {at}": w for at, w in enumerate(weights)})
    shapes = [tuple(w.shape) for w in weights]
    form = all(len(s) in (3, 5) and 0 not in s and s[0] == shapes[0][0] for s in shapes)
    need(form, "weights (E, d_out, d_in, q, q) or (E, n_out, n_in) with one E, none empty", shapes)
    axes = [len(s) for s in shapes]
    need(axes == sorted(axes, reverse=True), "convolutions first, then dense layers", shapes)
    need(size == 1 or axes[0] == 5, "size 1 without convolutions", size)
    need(size == 1 or axes[-1] == 3, "a dense layer at the end", shapes)
    for s in shapes:
        need(len(s) == 3 or s[3] == s[4] <= size, f"square kernels, q <= r = {size}", s)
    for lower, upper in pairwise(shapes):
        read = lower[1] * (size**2 if len(lower) > len(upper) else 1)
        need(upper[2] == read, "n_in of each layer = n_out of the one before", shapes)
    kinds = {(w.dtype, w.device) for w in weights}
    need(len(kinds) == 1, "weights of one dtype and device", [w.dtype for w in weights])

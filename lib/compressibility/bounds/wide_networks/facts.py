r"""What the bounds of wide networks ask of a layer, of its inputs, of a network.

[EGM] = El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). A layer is a matrix of blocks: single weights, or a
convolution's :math:`r^2 \times r^2` blocks, one for each pair of channels. So widths count neurons
or channels, and the paper's block size k never appears.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from compressibility import checks
from compressibility.models.layers import Layer
from compressibility.models.network import Network


@dataclass(frozen=True)
class LayerFacts:
    """What the bounds ask of one layer."""

    norm: float  # σ = ‖W‖, operator norm
    entry: float  # ν, largest operator norm of a block: of a dense layer the largest |w|
    inputs: int  # blocks side by side: neurons or channels
    outputs: int  # blocks one below the other
    pixels: int = 1  # r², side of a block

    def __post_init__(self) -> None:
        checks.not_negative(norm=self.norm, entry=self.entry)
        checks.whole(inputs=self.inputs, outputs=self.outputs, pixels=self.pixels)
        for name in ("norm", "entry"):  # in Python's numbers: NumPy's overflow
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("inputs", "outputs", "pixels"):
            object.__setattr__(self, name, int(getattr(self, name)))

    @classmethod
    def of(cls, layer: Layer | Tensor | npt.ArrayLike) -> LayerFacts:
        """Measure a layer, or a matrix (n_out, n_in), in float64.

        >>> LayerFacts.of([[3.0, 0.0], [0.0, -4.0]])
        LayerFacts(norm=4.0, entry=4.0, inputs=2, outputs=2, pixels=1)
        """
        layer = _layer(layer)
        entry = float(layer.entries().max())
        return cls(layer.norm(), entry, layer.inputs, layer.outputs, layer.pixels)


@dataclass(frozen=True)
class Seen:
    r"""The inputs of a compressed layer: :math:`x'`, beside the dense layer's :math:`x`."""

    radius: float  # θ ≥ ‖x'‖: for every input on a block, a root mean square on wide layers
    error: float = 0.0  # E‖x − x'‖²

    def __post_init__(self) -> None:
        checks.not_negative(radius=self.radius, error=self.error)

    @classmethod
    def of(cls, seen: Tensor, dense: Tensor | None = None) -> Seen:
        r"""Measure :math:`\max\|x'\|` and, given x as ``dense``, :math:`\mathbb{E}\|x-x'\|^2`.

        Maps (N, d, r, r) count as vectors; float64.

        >>> Seen.of(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[3.0, 4.0], [0.0, 3.0]]))
        Seen(radius=5.0, error=2.0)
        """
        checks.finite(inputs=seen)
        checks.need(seen.ndim >= 2 and len(seen) > 0, "inputs (N, …), N >= 1", tuple(seen.shape))
        radius = float(_lengths(seen).max())
        if dense is None:
            return cls(radius)
        checks.finite(dense=dense)
        checks.need(dense.shape == seen.shape, f"dense inputs {tuple(seen.shape)}", dense.shape)
        return cls(radius, float(_lengths(dense.double() - seen.double()).square().mean()))


@dataclass(frozen=True)
class Constants:
    r"""What the theorems ask of a network, by :meth:`of` the least that its weights allow.

    :math:`c_1 = \max_\ell \|W_\ell\|`; (11) :math:`c_{2,\ell} = \|W_\ell\|_\infty
    \sqrt{n_\ell \vee n_{\ell+1}}` of a dense layer, (33) :math:`q\,\|K_\ell\|_\infty
    \sqrt{d_\ell \vee d_{\ell+1}}` of a convolution.
    """

    c1: float  # max over layers of the operator norm
    c2: tuple[float, ...]  # (m,) of each layer; one alone is that of every layer
    kernels: tuple[int, ...] = ()  # q of the first layers, the convolutions; one alone as above
    widths: tuple[int, ...] = ()  # (m+1,) neurons, or channels and then neurons, if measured
    layers: tuple[LayerFacts, ...] = ()  # (m,) if measured

    def __post_init__(self) -> None:
        checks.need(0 < self.c1 < math.inf, "0 < c1 < inf", self.c1)
        checks.need(len(self.c2) >= 1, "a c2 for every layer", "none")
        for value in self.c2:
            checks.need(0 < value < math.inf, "0 < c2 < inf", value)
        for kernel in self.kernels:
            checks.whole(kernel=kernel)

    @classmethod
    def of(
        cls, network: Network | Sequence[Layer | Tensor | npt.ArrayLike], e: int = 0
    ) -> Constants:
        r"""Measure the e-th of E networks, or the one made of these layers or matrices.

        >>> found = Constants.of([[[1.0], [1.0], [1.0], [1.0]], [[0.5, 0.5, 0.5, 0.5]]])
        >>> found.c1, found.c2, found.widths
        (2.0, (2.0, 1.0), (1, 4, 1))
        """
        if isinstance(network, Network):
            network = [network.layer(at, e) for at in range(len(network.weights))]
        layers = [_layer(layer) for layer in network]
        checks.need(len(layers) >= 1, "at least one layer", len(layers))
        for number, (before, after) in enumerate(pairwise(layers), start=2):
            fed = before.outputs * before.pixels
            got = after.inputs * after.pixels
            checks.need(got == fed, f"{fed} inputs at layer {number}", got)
        facts = tuple(LayerFacts.of(layer) for layer in layers)
        return cls(
            c1=max(layer.norm for layer in facts),
            c2=tuple(_spread(layer) for layer in layers),
            kernels=tuple(layer.kernel.shape[-1] for layer in layers if not layer.is_dense),
            widths=(layers[0].inputs, *(layer.outputs for layer in layers)),
            layers=facts,
        )


def _layer(layer: Layer | Tensor | npt.ArrayLike) -> Layer:
    if isinstance(layer, Layer):
        return layer
    values = layer.detach() if isinstance(layer, Tensor) else np.asarray(layer, dtype=np.float64)
    return Layer.dense(torch.as_tensor(values, dtype=torch.float64))


def _spread(layer: Layer) -> float:
    """Give c2: of a filter its largest entry times q, not the norm of its transform."""
    q, widest = layer.kernel.shape[-1], max(layer.inputs, layer.outputs)
    return float(q * math.sqrt(widest) * float(layer.kernel.double().abs().max()))


def _lengths(rows: Tensor) -> Tensor:
    rows = rows.detach().flatten(1).double()
    most = float(rows.abs().max())  # beyond these a square leaves the floats' range
    checks.need(most == 0 or 1e-140 < most < 1e140, "inputs between 1e-140 and 1e140", most)
    return rows.square().sum(1).sqrt()

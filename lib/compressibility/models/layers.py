r"""Layers without biases: a dense layer is a circular convolution on maps of one pixel.

A convolution is what PyTorch computes, a cross-correlation, with unit stride and *circular*
padding, on maps of r x r pixels:

.. math:: z_o[a, b] = \sum_{i} \sum_{u, v} K_{o,i}[u, v]\;
          x_i[(a + u - s) \bmod r,\; (b + v - s) \bmod r],
          \qquad s = \lfloor (q - 1) / 2 \rfloor.

Its matrix W(K) is the DFT's block diagonal one, up to unitary changes of basis: one small matrix
:math:`\kappa(f) \in \mathbb{C}^{d_{out} \times d_{in}}` per frequency. On one pixel there is one
frequency and :math:`\kappa = W` is real. [EGM] (cited in full in ``models.activations``) uses W(K)
for its Theorem 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from compressibility.checks import finite, floats, need, of_kind, whole
from compressibility.models.activations import check_activation
from compressibility.models.maps import (
    convolve,
    frequency_weights,
    parts,
    power_of_two,
    spectra,
    symbols,
)

__all__ = ["Block", "Layer", "convolve", "frequency_weights", "spectra"]


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution on r x r maps, or a dense layer: the one on a single pixel.

    >>> Layer.dense([[3.0, -4.0]]).norm(), Layer(torch.ones(1, 1, 3, 3), size=8).norm()
    (5.0, 9.0)
    """

    kernel: Tensor  # K, (d_out, d_in, q, q), q <= r, finite; kept without gradients
    size: int = 1  # r, height and width of the maps

    def __post_init__(self) -> None:
        floats(kernel=self.kernel)
        shape = tuple(self.kernel.shape)
        holds = len(shape) == 4 and 0 not in shape and shape[-1] == shape[-2]
        need(holds, "kernel (d_out, d_in, q, q), none empty", shape)
        whole(size=self.size)
        need(shape[-1] <= self.size, "q <= r", f"q = {shape[-1]} and r = {self.size}")
        object.__setattr__(self, "kernel", self.kernel.detach())

    @classmethod
    def dense(cls, weight: Tensor | ArrayLike) -> Layer:
        """Return the layer of a matrix (n_out, n_in); numbers that are no tensor are copied."""
        if not isinstance(weight, Tensor | nn.Module):
            dtype = getattr(weight, "dtype", np.float64)
            weight = torch.tensor(np.asarray(weight, dtype=dtype))
        of_kind(Tensor, weight=weight)
        shape = tuple(weight.shape)
        need(len(shape) == 2 and 0 not in shape, "weight (n_out, n_in), none empty", shape)
        return cls(weight[:, :, None, None])

    @classmethod
    def of(cls, module: nn.Module, size: int = 1) -> Layer:
        """Return the layer of a module that the theory covers, and refuse every other.

        With zero padding, a stride or groups a convolution has another matrix than W(K), and its
        filters are no blocks of a circulant matrix.

        >>> Layer.of(nn.Conv2d(1, 2, 3, padding=1, bias=False), size=8)
        Traceback (most recent call last):
        ValueError: need padding_mode 'circular', got 'zeros'
        """
        linear = isinstance(module, nn.Linear)
        kind = type(module).__name__
        need(linear or isinstance(module, nn.Conv2d), "a torch.nn.Linear or Conv2d", kind)
        need(module.bias is None, "bias=False", "a bias")
        weight = module.weight
        assert isinstance(weight, Tensor)
        if linear:
            need(size == 1, "size 1 for a Linear", size)
            return cls.dense(weight)
        assert isinstance(module, nn.Conv2d)
        need(module.stride == (1, 1), "stride 1", module.stride)
        need(module.dilation == (1, 1), "dilation 1", module.dilation)
        need(module.groups == 1, "groups 1", module.groups)
        q, other = module.kernel_size
        need(q == other, "a square kernel", module.kernel_size)
        keeps = module.padding == "same" or module.padding == ((q - 1) / 2,) * 2
        need(keeps, "padding that keeps the map's size", f"{module.padding} for q = {q}")
        wraps = q == 1 or module.padding_mode == "circular"
        need(wraps, "padding_mode 'circular'", repr(module.padding_mode))
        return cls(weight, size)

    @property
    def is_dense(self) -> bool:
        """Whether the maps have one pixel; then q = 1 too."""
        return self.size == 1

    @property
    def weight(self) -> Tensor:
        """The matrix (n_out, n_in) of a dense layer, else the kernel."""
        return self.kernel.flatten(1) if self.is_dense else self.kernel

    @property
    def outputs(self) -> int:
        """Number of output channels or neurons."""
        return self.kernel.shape[0]

    @property
    def inputs(self) -> int:
        """Number of input channels or neurons."""
        return self.kernel.shape[1]

    @property
    def pixels(self) -> int:
        """Number of pixels of a map, r²."""
        return self.size**2

    def double(self) -> Layer:
        """Return the layer in float64."""
        return replace(self, kernel=self.kernel.double())

    def __call__(self, maps: Tensor) -> Tensor:
        """Map (N, d_in) to (N, d_out) if dense, else (N, d_in, r, r) to (N, d_out, r, r)."""
        return maps @ self.weight.mT if self.is_dense else convolve(maps, self.kernel)

    def spectrum(self) -> Tensor:
        r"""Return :math:`\kappa(f)`, (f, d_out, d_in) float64; real and f = 1 on one pixel.

        Half the frequencies, r (r/2 + 1), are enough: a real kernel has conjugate matrices at f
        and -f. They are right up to a phase per frequency, which no inner product sees.
        """
        return symbols(self.kernel.double(), self.size)

    def norm(self) -> float:
        r"""Return :math:`\sigma = \|W(K)\| = \max_f \sigma_{\max}(\kappa(f))`, in float64."""
        return float(torch.linalg.matrix_norm(self.spectrum(), ord=2).amax())

    def entries(self) -> Tensor:
        r"""Return the size of each entry, (d_out, d_in) float64.

        .. math:: \|C(K_{o,i})\| = \max_f |\kappa_{o,i}(f)| \le \sum_{u,v} |K_{o,i}[u,v]|,

        [EGM], Lemma 14 (circulant blocks are normal); :math:`|w_{o,i}|` on one pixel.
        """
        return self.spectrum().abs().amax(0)

    def energies(self, maps: Tensor) -> Tensor:
        r"""Return what each input adds to the output, :math:`E\|W_{:,i}\, x_i\|^2`, (d_in,).

        By Parseval :math:`r^{-2} \sum_f \|\kappa_{:,i}(f)\|^2\, E|\hat x_i(f)|^2`, in float64, the
        weights and maps of each input scaled by powers of two so that no square overflows. Energies
        too large or all too small for float64 are refused.

        >>> maps = torch.tensor([[1e200, 2.0]], dtype=torch.float64)
        >>> Layer.dense([[0.0, 3.0]]).energies(maps).tolist()
        [0.0, 36.0]
        """
        self.check_maps(maps)
        maps = maps.detach().reshape(len(maps), self.inputs, self.size, self.size)
        kernel = self.kernel.double()
        energies = self._energies(kernel, maps)
        odd = ~((energies > 2.0**-200) & (energies < 2.0**200))  # a square may have left the range
        if bool(odd.any()):
            gain, loud = (
                power_of_two(t[:, odd].abs().amax((0, 2, 3)).double()) for t in (kernel, maps)
            )
            small_kernel = kernel[:, odd] / gain[:, None, None]
            scaled = self._energies(small_kernel, maps[:, odd].double() / loud[:, None, None])
            energies[odd] = torch.where(scaled > 0, scaled * (gain * loud).square(), 0.0)
            small = float(energies.max()) <= 2.0**-900 and bool(scaled.any())
            holds = bool(torch.isfinite(energies).all()) and not small
            rule = "energies between 2^-900 and 2^1024"
            need(holds, rule, f"weights {gain.max()}, inputs {loud.max()}")
        return energies

    def _energies(self, kernel: Tensor, maps: Tensor) -> Tensor:
        gains = symbols(kernel, self.size).abs().square().sum(1)  # (f, d_in)
        gains *= frequency_weights(self.size, maps.device)[:, None] / len(maps)
        found = kernel.new_zeros(kernel.shape[1])
        for part in parts(maps):
            found += (gains * spectra(part).abs().square().sum(1)).sum(0)
        return found

    def matrix(self) -> Tensor:
        r"""Return W(K), (d_out r², d_in r²), or the matrix of a dense layer.

        .. math:: W(K) = \bigl(C(K_{o,i})\bigr)_{o,i}, \qquad
                  W(K)\,\mathrm{vec}(x) = \mathrm{vec}(K * x)

        vec runs over channels, then rows, then columns, as ``torch.nn.Flatten``. For small maps: a
        pair of channels takes r⁴ entries, q² r² of them not zero.
        """
        kernel, r = self.kernel, self.size
        blocks = kernel.new_zeros(r, r, r, r, self.outputs, self.inputs)  # to a, b, from a', b'
        q = kernel.shape[-1]
        a = torch.arange(r, device=kernel.device)
        for u in range(q):
            for v in range(q):
                row, column = (a + u - (q - 1) // 2) % r, (a + v - (q - 1) // 2) % r
                blocks[a[:, None], a, row[:, None], column] = kernel[:, :, u, v]
        matrix = blocks.permute(4, 0, 1, 5, 2, 3)
        return matrix.reshape(self.outputs * r**2, self.inputs * r**2)

    def check_maps(self, maps: Tensor, name: str = "inputs") -> None:
        """Raise ValueError unless the layer can read ``maps`` and they are finite."""
        finite(**{name: maps})
        shape = (self.inputs,) if self.is_dense else (self.inputs, self.size, self.size)
        fits = maps.ndim == 1 + len(shape) and len(maps) > 0 and tuple(maps.shape[1:]) == shape
        need(fits, f"{name} (N, {', '.join(map(str, shape))}), N >= 1", tuple(maps.shape))
        dtype = self.kernel.dtype
        need(maps.dtype == dtype, f"{name} of dtype {dtype}", maps.dtype)


@dataclass(frozen=True, eq=False)
class Block:
    r"""Two layers with an entrywise activation between them, :math:`W_2\, \varphi(W_1\, x)`."""

    first: Layer
    second: Layer  # on the maps of the first, in its dtype
    phi: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        one, two = self.first, self.second
        of_kind(Layer, first=one, second=two)
        need(two.inputs == one.outputs, f"a second layer of {one.outputs} inputs", two.inputs)
        need(two.size == one.size, f"a second layer on maps of size {one.size}", two.size)
        dtype, other = one.kernel.dtype, two.kernel.dtype
        need(other == dtype, f"a second layer of dtype {dtype}", other)
        sample = torch.linspace(-2, 3, 6, dtype=dtype, device=one.kernel.device).reshape(2, 3)
        check_activation(self.phi, sample)

    def __call__(self, maps: Tensor) -> Tensor:
        """Apply the first layer, the activation, the second layer."""
        return self.second(self.phi(self.first(maps)))

"""Structured pruning of circular convolutions: input filters, output filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import torch
from torch import Tensor

from compressibility.blocks import check_activation
from compressibility.convolution import check_kernel, convolve
from compressibility.filter_moments import BlockMoments, filter_energies
from compressibility.greedy import number_compressed
from compressibility.group_greedy import decide_groups, greedy_groups, random_groups
from compressibility.schemes import Pruning

__all__ = [
    "FilterOrder",
    "InputFilterCompression",
    "OutputFilterCompression",
    "compress_input_filters",
    "compress_output_filters",
    "input_filter_prices",
]

FilterOrder = Literal["greedy", "random"]


@dataclass(frozen=True, eq=False)
class _Filters:
    """What D prunings of whole filters (F of them) did to a convolution."""

    kernel: Tensor  # (d_out, d_in, q, q) the kernel that went in
    scale: Tensor  # (D, F) float64: 1/p kept, 0 zeroed, 1 not drawn
    compressed: Tensor  # (D, F) bool, True where the filter was drawn
    order: Tensor  # (D, count) indices of the drawn filters, first taken first

    @property
    def kept_share(self) -> Tensor:
        """Return the share of the filters that are not zeroed, (D,) float64."""
        return (self.scale != 0).double().mean(1)


@dataclass(frozen=True, eq=False)
class InputFilterCompression(_Filters):
    """A wide convolution whose input filters (all that reads a channel) were pruned D times."""

    expected_increase: Tensor  # (D,) float64, sum of the prices of the drawn filters

    def kernels(self) -> Tensor:
        """Return the compressed kernels, (D, d_out, d_in, q, q)."""
        return self.kernel * self.scale.to(self.kernel.dtype)[:, None, :, None, None]


@dataclass(frozen=True, eq=False)
class OutputFilterCompression(_Filters):
    """A block whose first convolution's output filters were pruned D times."""

    error: Tensor  # (D,) float64, Psi(U) = E||K2 * phi(K1 * x) - K2 * phi(U * x')||^2

    def kernels(self) -> Tensor:
        """Return the compressed first kernels, (D, d_mid, d_in, q, q)."""
        return self.kernel * self.scale.to(self.kernel.dtype)[:, :, None, None, None]


def compress_input_filters(
    kernel: Tensor,
    inputs: Tensor,
    scheme: Pruning,
    *,
    fraction: float | Fraction,
    generator: torch.Generator,
    draws: int = 1,
    order: FilterOrder = "greedy",
) -> InputFilterCompression:
    r"""Prune whole input filters of a wide convolution, least expected damage first.

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Algorithm 1 as in Theorem 7: input filter i, all
    that reads channel i, is a block of :math:`r^2` columns of W(K) and becomes
    :math:`t\,K_{\cdot i}`, :math:`t = \mathrm{Bernoulli}(p)/p`. With
    :math:`\Psi(A) = E\|K * x - A * x'\|^2` its price does not depend on earlier draws, so the
    greedy order is one sort (ties: lowest index) and

    .. math:: E\,\Psi(U) = \Psi(K) + \sum_{i\ \text{drawn}}
              \frac{1-p}{p}\, E\|K_{\cdot i} * x'_i\|^2.

    Parameters
    ----------
    kernel
        K, shape (d_out, d_in, q, q); the convolution is circular, with unit stride.
    inputs
        x', what it sees in the compressed network, shape (N, d_in, r, r).
    scheme
        ``Pruning(keep=p)``.
    fraction
        Alpha, 0 < alpha < 1: exactly ``number_compressed(fraction, d_in)`` filters are drawn.
    generator
        Gives one uniform per draw and filter, drawn or not: a filter is kept where it is below p.
    draws
        D, number of independent realizations.
    order
        "greedy" is the paper's; "random", our control, takes the filters in a random order, new in
        each draw.

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit, values that are not finite, q > r, numbers out of range,
        a scheme other than ``Pruning``, an unknown order.

    Examples
    --------
    >>> kernel, images = torch.tensor([[[[1.0]], [[3.0]]]]), torch.ones(5, 2, 2, 2)
    >>> dice = torch.Generator().manual_seed(0)
    >>> result = compress_input_filters(
    ...     kernel, images, Pruning(keep=0.5), fraction=0.5, generator=dice)
    >>> result.order.tolist(), result.expected_increase.tolist()
    ([[0]], [4.0])
    """
    prices = input_filter_prices(kernel, inputs, scheme)
    count = _count(fraction, len(prices), draws, order)
    uniforms = _uniforms(draws, len(prices), generator, kernel)
    if order == "random":
        drawn = random_groups(keep=scheme.keep, count=count, uniforms=uniforms, generator=generator)
    else:
        ranking = prices.argsort(stable=True)[:count].repeat(draws, 1)
        drawn = decide_groups(ranking, uniforms, keep=scheme.keep)
    return InputFilterCompression(
        kernel=kernel.detach(),
        scale=drawn.scale,
        compressed=drawn.compressed,
        order=drawn.order,
        expected_increase=prices[drawn.order].sum(1),
    )


def input_filter_prices(kernel: Tensor, inputs: Tensor, scheme: Pruning) -> Tensor:
    r"""Expected increase of :math:`\Psi` from drawing each input filter.

    .. math:: rac{1-p}{p}\, E\|K_{\cdot i} * x'_i\|^2

    El Cheairi, Gamarnik, Mazumder (COLT 2026), the score in the proof of Theorem 7, in closed form.

    Parameters
    ----------
    kernel, inputs, scheme
        As for :func:`compress_input_filters`.

    Returns
    -------
    Tensor
        Shape (d_in,), float64.

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit, values that are not finite, q > r, another scheme.

    Examples
    --------
    >>> kernel, images = torch.tensor([[[[1.0]], [[3.0]]]]), torch.ones(5, 2, 2, 2)
    >>> input_filter_prices(kernel, images, Pruning(keep=0.5)).tolist()
    [4.0, 36.0]
    """
    _check_layer(kernel, inputs, scheme)
    return filter_energies(kernel, inputs) * ((1 - scheme.keep) / scheme.keep)


def compress_output_filters(
    kernel1: Tensor,
    kernel2: Tensor,
    activation: Callable[[Tensor], Tensor],
    inputs: Tensor,
    scheme: Pruning,
    *,
    fraction: float | Fraction,
    generator: torch.Generator,
    draws: int = 1,
    dense_inputs: Tensor | None = None,
    order: FilterOrder = "greedy",
) -> OutputFilterCompression:
    r"""Prune whole output filters of the first of two convolutions, least expected damage first.

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Algorithm 1 as in Theorem 7, with the loss of the
    proofs, :math:`\Psi(A) = E\|K_2 * arphi(K_1 * x) - K_2 * arphi(A * x')\|^2`. Output filter
    i, a block of :math:`r^2` rows of W(K1), is multiplied by :math:`t = \mathrm{Bernoulli}(p)/p`
    inside :math:`arphi`. Scores follow the realized error, as :mod:`~compressibility.group_greedy`
    says, from the inner products of :mod:`~compressibility.filter_moments`.

    Parameters
    ----------
    kernel1, kernel2
        Shapes (d_mid, d_in, q, q) and (d_out, d_mid, q', q'); both circular, with unit stride.
    activation
        :math:`arphi`, entrywise; its value at 0 may be any.
    inputs
        x', what the block sees in the compressed network, shape (N, d_in, r, r).
    scheme, fraction, generator, draws, order
        As for :func:`compress_input_filters`, with the d_mid output filters.
    dense_inputs
        x, shaped as x'; x' unless given.

    Raises
    ------
    ValueError
        As :func:`compress_input_filters`, and an activation that is not entrywise.

    Examples
    --------
    >>> first, second = torch.tensor([[[[1.0]]], [[[3.0]]]]), torch.ones(1, 2, 1, 1)
    >>> dice = torch.Generator().manual_seed(0)
    >>> result = compress_output_filters(first, second, torch.relu, torch.ones(5, 1, 1, 1),
    ...     Pruning(keep=0.5), fraction=0.5, generator=dice)
    >>> result.order.tolist(), result.error.tolist()  # the filter is zeroed or doubled: off by 1
    ([[0]], [1.0])
    """
    _check_layer(kernel1, inputs, scheme)
    check_kernel(kernel2, inputs.shape[-1], stacks=False)
    if kernel2.shape[1] != len(kernel1) or kernel2.dtype != kernel1.dtype:
        need = f"kernel2 (d_out, {len(kernel1)}, q, q) of {kernel1.dtype}"
        raise ValueError(f"need {need}, got {tuple(kernel2.shape)} of {kernel2.dtype}")
    dense = inputs if dense_inputs is None else dense_inputs
    if dense.shape != inputs.shape or not bool(torch.isfinite(dense).all()):
        need = f"finite dense_inputs {tuple(inputs.shape)}"
        raise ValueError(f"need {need}, got {tuple(dense.shape)} or values that are not")
    check_activation(activation, convolve(inputs[:1].detach(), kernel1.detach())[0].flatten(1))
    count = _count(fraction, len(kernel1), draws, order)
    uniforms = _uniforms(draws, len(kernel1), generator, kernel1)
    keep = scheme.keep
    block = BlockMoments.of(kernel1, kernel2, activation, inputs, dense, keep=keep)
    if order == "random":
        drawn = random_groups(keep=keep, count=count, uniforms=uniforms, generator=generator)
    else:
        drawn = greedy_groups(*block.terms(keep=keep), keep=keep, count=count, uniforms=uniforms)
    return OutputFilterCompression(
        kernel=kernel1.detach(),
        scale=drawn.scale,
        compressed=drawn.compressed,
        order=drawn.order,
        error=block.errors(drawn.scale),
    )


def _count(fraction: float | Fraction, filters: int, draws: int, order: str) -> int:
    if not 0 < fraction < 1:
        raise ValueError(f"need 0 < fraction < 1, got {fraction}")
    if draws < 1:
        raise ValueError(f"need draws >= 1, got {draws}")
    if order not in get_args(FilterOrder):
        raise ValueError(f"need order in {sorted(get_args(FilterOrder))}, got {order!r}")
    return number_compressed(fraction, filters)


def _uniforms(draws: int, filters: int, generator: torch.Generator, like: Tensor) -> Tensor:
    device = generator.device
    drawn = torch.rand((draws, filters), generator=generator, dtype=torch.float64, device=device)
    return drawn.to(like.device)


def _check_layer(kernel: Tensor, inputs: Tensor, scheme: object) -> None:
    shape = tuple(inputs.shape)
    if inputs.ndim != 4 or 0 in shape or shape[-1] != shape[-2]:
        raise ValueError(f"need inputs (N, d_in, r, r), none empty, got {shape}")
    check_kernel(kernel, shape[-1], stacks=False)
    if shape[1] != kernel.shape[1]:
        raise ValueError(f"need inputs of {kernel.shape[1]} channels, got {shape[1]}")
    if inputs.dtype != kernel.dtype:
        raise ValueError(f"need inputs of dtype {kernel.dtype}, got {inputs.dtype}")
    if not bool(torch.isfinite(inputs).all()):
        raise ValueError("need finite inputs, got nan or infinity")
    if not isinstance(scheme, Pruning):
        raise ValueError(f"need a scheme Pruning(keep=p), got {scheme!r}")

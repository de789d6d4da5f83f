"""Randomized greedy compression of a wide layer: Algorithm 1, by one sort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import torch
from torch import Tensor

from compressibility.schemes import (
    Generators,
    Pruning,
    Quantization,
    Scheme,
    check_weight,
    uniforms_like,
)

__all__ = [
    "Order",
    "Pruning",
    "Quantization",
    "Scheme",
    "WideCompression",
    "compress_wide",
    "number_compressed",
    "redraw",
    "scores_wide",
]

Order = Literal["greedy", "random", "largest_first"]


@dataclass(frozen=True, eq=False)
class WideCompression:
    """A compressed wide layer; leading axes (...) are those of the weight that went in."""

    weight: Tensor  # (..., n_out, n_in) the new weight, of the old one's dtype
    compressed: Tensor  # (..., n_out, n_in) bool, True where a draw was made
    order: Tensor  # (..., count) flat indices of the compressed weights, first taken first
    expected_increase: Tensor  # (...) float64, sum of Var(t) E x'^2 over the compressed weights
    kept_share: Tensor  # (...) float64, share of all entries that are not zero afterwards


def compress_wide(
    weight: Tensor,
    inputs: Tensor,
    scheme: Scheme,
    *,
    fraction: float | Fraction,
    generator: Generators,
    order: Order = "greedy",
) -> WideCompression:
    r"""Compress a share of a wide layer's weights, least expected damage first.

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Algorithm 1 with the loss of its proofs,
    :math:`\Psi(A) = E\|Wx - Ax'\|^2`. As :math:`\Psi` is quadratic in each entry and the draws are
    unbiased and independent, compressing (i, j) is expected to add
    :math:`\mathrm{Var}(t_{ij})\, E[x_j'^2]` whatever was drawn before, so the greedy order is one
    sort (ties: lowest flat index) and

    .. math:: E\,\Psi(U) = \Psi(W) + \sum_{(i,j)\ \text{compressed}}
              \mathrm{Var}(t_{ij})\, E[x_j'^2].

    Parameters
    ----------
    weight
        W, shape (n_out, n_in), or a stack (E, n_out, n_in).
    inputs
        x', what the layer sees in the compressed network: (N, n_in), or (E, N, n_in) for a stack.
    scheme
        How a weight is drawn; unbiased, that is ``scheme.mean(weight)`` is the weight.
    fraction
        Alpha: exactly ``number_compressed(fraction, n_out * n_in)`` weights of each network.
    generator
        One uniform is drawn per weight of the layer, compressed or not, so the decision on a
        weight does not depend on the order. A stack given one generator per network equals as
        many single calls.
    order
        "greedy" is the paper's. Our controls: "random" (a permutation drawn after the uniforms)
        and "largest_first" (greatest score first).

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit, values that are not finite, a fraction outside [0, 1],
        a scheme of the wrong kind or a biased one, an unknown order, a wrong number of generators.

    Examples
    --------
    >>> layer, inputs = torch.tensor([[1.0, 3.0]]), torch.ones(5, 2)
    >>> scheme, generator = Pruning(keep=0.5), torch.Generator().manual_seed(0)
    >>> result = compress_wide(layer, inputs, scheme, fraction=0.5, generator=generator)
    >>> result.compressed.tolist(), result.expected_increase.item()
    ([[True, False]], 1.0)
    """
    scores = scores_wide(weight, inputs, scheme)
    if not torch.equal(scheme.mean(weight), weight):
        raise ValueError(f"need an unbiased scheme, mean(weight) = weight, got {scheme!r}")
    count = number_compressed(fraction, weight.shape[-2] * weight.shape[-1])
    uniforms = uniforms_like(weight, generator)
    flat = scores.flatten(-2)
    taken = _ranking(flat, order, generator)[..., :count]
    compressed = torch.zeros_like(flat, dtype=torch.bool).scatter_(-1, taken, True)
    compressed = compressed.reshape(weight.shape)
    new = torch.where(compressed, scheme.decide(weight, uniforms), weight).detach()
    return WideCompression(
        weight=new,
        compressed=compressed,
        order=taken,
        expected_increase=flat.gather(-1, taken).sum(-1),
        kept_share=(new != 0).double().mean((-2, -1)),
    )


def redraw(
    weight: Tensor,
    compressed: Tensor,
    scheme: Scheme,
    *,
    draws: int,
    generator: torch.Generator,
) -> Tensor:
    """Throw the dice again for the same compressed weights of one layer.

    On a wide layer the greedy set does not depend on the draws, so these are independent
    realizations of :func:`compress_wide`, without sorting once for each.

    Parameters
    ----------
    weight, compressed
        W and the mask of a :class:`WideCompression`, shape (n_out, n_in).
    scheme
        How a weight is drawn; biased ones, the controls, are welcome here.
    draws
        Number of realizations D, at least 1.
    generator
        Gives one uniform per weight and realization.

    Returns
    -------
    Tensor
        Shape (D, n_out, n_in).

    Raises
    ------
    ValueError
        Shapes that differ, or draws < 1.

    Examples
    --------
    >>> W, mask = torch.tensor([[1.0, 3.0]]), torch.tensor([[False, True]])
    >>> dice = torch.Generator().manual_seed(0)
    >>> redraw(W, mask, Pruning(keep=0.5), draws=3, generator=dice)[:, 0, 0].tolist()
    [1.0, 1.0, 1.0]
    """
    if weight.ndim != 2 or compressed.shape != weight.shape:
        shapes = f"{_shape(weight)} and {_shape(compressed)}"
        raise ValueError(f"need weight and compressed (n_out, n_in), got {shapes}")
    if draws < 1:
        raise ValueError(f"need draws >= 1, got {draws}")
    return torch.where(compressed, scheme.draw(weight.expand(draws, -1, -1), generator), weight)


def scores_wide(weight: Tensor, inputs: Tensor, scheme: Scheme) -> Tensor:
    r"""Expected increase of :math:`\Psi` from compressing each weight of a wide layer.

    .. math:: \mathrm{Var}(t_{ij})\, E[x_j'^2]

    for an unbiased scheme; El Cheairi, Gamarnik, Mazumder (COLT 2026), Lemma 15 in closed form.
    For pruning its order is that of :math:`|w_{ij}| \sqrt{E x_j'^2}`.

    Parameters
    ----------
    weight, inputs, scheme
        As for :func:`compress_wide`.

    Returns
    -------
    Tensor
        Shape of the weight, float64.

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit, values that are not finite, no scheme.

    Examples
    --------
    >>> scores_wide(torch.tensor([[1.0, 3.0]]), torch.ones(5, 2), Pruning(keep=0.5)).tolist()
    [[1.0, 9.0]]
    """
    check_layer(weight, inputs)
    if not isinstance(scheme, Scheme) or isinstance(scheme, type):
        raise ValueError(f"need a scheme such as Pruning(keep=0.3), got {scheme!r}")
    second_moment = inputs.detach().square().mean(-2, dtype=torch.float64)
    return scheme.variance(weight.detach().double()) * second_moment.unsqueeze(-2)


def number_compressed(fraction: float | Fraction, total: int) -> int:
    r"""Return how many of ``total`` weights a share is, :math:`\lfloor \alpha N \rfloor` exactly.

    A float is read as the decimal it prints as, so 0.29 of 100 is 29 (in floats 28.99...). For a
    share that is no short decimal pass a ``Fraction``: ``Fraction(1, 3)`` of 3 is 1, ``1/3`` is 0.

    Parameters
    ----------
    fraction
        Alpha, 0 <= alpha <= 1.
    total
        N >= 1.

    Raises
    ------
    ValueError
        A fraction or a total out of range.

    Examples
    --------
    >>> number_compressed(0.29, 100)
    29
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"need 0 <= fraction <= 1, got {fraction}")
    if total < 1:
        raise ValueError(f"need total >= 1, got {total}")
    share = fraction if isinstance(fraction, Fraction) else Fraction(repr(float(fraction)))
    return math.floor(share * total)


def _ranking(scores: Tensor, order: Order, generator: Generators) -> Tensor:
    if order == "greedy":
        return scores.argsort(dim=-1, stable=True)
    if order == "largest_first":
        return scores.argsort(dim=-1, descending=True, stable=True)
    if order == "random":
        # The permutation is a sort of fresh uniforms: one call serves stacks of any shape.
        return uniforms_like(scores.unsqueeze(-2), generator).squeeze(-2).argsort(dim=-1)
    raise ValueError(f"need order in {sorted(get_args(Order))}, got {order!r}")


def check_layer(weight: Tensor, inputs: Tensor) -> None:
    """Raise ValueError unless weight and inputs are finite and belong to one layer, or a stack.

    Examples
    --------
    >>> check_layer(torch.zeros(2, 3), torch.zeros(5, 3))
    """
    check_weight(weight)
    if weight.ndim > 3:
        raise ValueError(f"need weight (n_out, n_in) or (E, n_out, n_in), got {_shape(weight)}")
    n_in, leading = weight.shape[-1], [(), tuple(weight.shape[:-2])]
    fits = inputs.ndim >= 2 and tuple(inputs.shape[:-2]) in leading
    if not fits or inputs.shape[-1] != n_in or not inputs.shape[-2]:
        alternatives = f"(N, {n_in})" + (f" or ({len(weight)}, N, {n_in})" if leading[1] else "")
        raise ValueError(f"need inputs {alternatives}, N >= 1, got {_shape(inputs)}")
    if inputs.dtype != weight.dtype:
        raise ValueError(f"need inputs of dtype {weight.dtype}, got {inputs.dtype}")
    if not bool(torch.isfinite(inputs).all()):
        raise ValueError("need finite inputs, got nan or infinity")


def _shape(tensor: Tensor) -> Sequence[int]:
    return tuple(tensor.shape)

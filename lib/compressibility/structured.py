"""Structured pruning: whole input neurons of a wide layer, whole output neurons of a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import torch
from torch import Tensor

from compressibility.block_changes import BlockChanges
from compressibility.blocks import check_activation
from compressibility.greedy import number_compressed
from compressibility.group_greedy import (
    decide_groups,
    greedy_groups,
    peeking_groups,
    random_groups,
)
from compressibility.schemes import Pruning, Scheme, check_weight

Order = Literal["greedy", "random"]
RowOrder = Literal["greedy", "random", "peeking"]


@dataclass(frozen=True, eq=False)
class _Structured:
    """What D prunings of whole groups (G of them) did to a layer."""

    weight: Tensor  # (n_out, n_in) the layer that went in
    scale: Tensor  # (D, G) float64: 1/p kept, 0 zeroed, 1 not drawn
    compressed: Tensor  # (D, G) bool, True where the group was drawn
    order: Tensor  # (D, count) indices of the drawn groups, first taken first

    @property
    def kept_share(self) -> Tensor:
        """Return the share of the groups that are not zeroed, (D,) float64."""
        return (self.scale != 0).double().mean(1)

    def _each(self, size: int) -> Tensor:
        """One factor per row or column, (D, size), of the weight's dtype."""
        wide = self.scale.repeat_interleave(size // self.scale.shape[1], 1)
        return wide.to(self.weight.dtype)


@dataclass(frozen=True, eq=False)
class ColumnCompression(_Structured):
    """A wide layer whose columns were pruned D times."""

    expected_increase: Tensor  # (D,) float64, sum of the prices of the drawn groups

    def weights(self) -> Tensor:
        """Return the compressed layers, (D, n_out, n_in)."""
        return self.weight * self._each(self.weight.shape[1]).unsqueeze(1)


@dataclass(frozen=True, eq=False)
class RowCompression(_Structured):
    """A block whose first layer's rows were pruned D times; ``weight`` is the first layer."""

    error: Tensor  # (D,) float64, Psi(U) = E||W2 phi(W1 x) - W2 phi(U x')||^2

    def weights(self) -> Tensor:
        """Return the compressed first layers, (D, n2, n1)."""
        return self.weight * self._each(len(self.weight)).unsqueeze(2)


def compress_columns(
    weight: Tensor,
    inputs: Tensor,
    scheme: Scheme,
    *,
    fraction: float | Fraction,
    generator: torch.Generator,
    draws: int = 1,
    group: int = 1,
    order: Order = "greedy",
) -> ColumnCompression:
    r"""Prune whole columns (input neurons) of a wide layer, least expected damage first.

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Section 3.3, with the loss of the proofs,
    :math:`\Psi(A) = E\|Wx - Ax'\|^2`. A group E of columns becomes :math:`t\,W_{:,E}`,
    :math:`t = \mathrm{Bernoulli}(p)/p`, at a price that no earlier draw changes, so that the greedy
    order is one sort (ties: lowest index) and

    .. math:: E\,\Psi(U) = \Psi(W) + \sum_{E\ \text{drawn}}
              \frac{1-p}{p}\, E\|W_{:,E}\, x'_E\|^2.

    Parameters
    ----------
    weight
        W, shape (n_out, n_in).
    inputs
        x', shape (N, n_in).
    scheme
        ``Pruning(keep=p)``.
    fraction
        Alpha, 0 < alpha < 1: exactly ``number_compressed(fraction, groups)`` groups are drawn.
    generator
        Gives one uniform per draw and group, drawn or not: a group is kept where it is below p.
    draws
        D, number of independent realizations.
    group
        Consecutive columns that share one t; must divide n_in. A filter of r x r maps has r².
    order
        "greedy" is the paper's; "random", our control, takes the groups in a random order, new in
        each draw.

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit, values that are not finite, numbers out of range, a scheme
        other than ``Pruning``, an unknown order.

    Examples
    --------
    >>> layer, inputs = torch.tensor([[1.0, 3.0]]), torch.ones(5, 2)
    >>> dice = torch.Generator().manual_seed(0)
    >>> result = compress_columns(layer, inputs, Pruning(keep=0.5), fraction=0.5, generator=dice)
    >>> result.order.tolist(), result.expected_increase.tolist()
    ([[0]], [1.0])
    """
    _check_layer(weight, inputs)
    _check_draws(draws, order, get_args(Order))
    groups = _groups(weight.shape[1], group)
    keep = _keep(scheme)
    count = _count(fraction, groups)
    weight = weight.detach()
    uniforms = _uniforms(draws, groups, generator, weight)
    prices = column_prices(weight, inputs, scheme, group=group)
    if order == "random":
        drawn = random_groups(keep=keep, count=count, uniforms=uniforms, generator=generator)
    else:
        ranking = prices.argsort(stable=True)[:count].repeat(draws, 1)
        drawn = decide_groups(ranking, uniforms, keep=keep)
    return ColumnCompression(
        weight=weight,
        scale=drawn.scale,
        compressed=drawn.compressed,
        order=drawn.order,
        expected_increase=prices[drawn.order].sum(1),
    )


def column_prices(weight: Tensor, inputs: Tensor, scheme: Scheme, *, group: int = 1) -> Tensor:
    r"""Expected increase of :math:`\Psi` from drawing each group of columns.

    .. math:: \frac{1-p}{p}\, E\|W_{:,E}\, x'_E\|^2

    El Cheairi, Gamarnik, Mazumder (COLT 2026), the score in the proof of Proposition 24, in closed
    form.

    Parameters
    ----------
    weight, inputs, scheme, group
        As for :func:`compress_columns`.

    Returns
    -------
    Tensor
        Shape (n_in / group,), float64.

    Examples
    --------
    >>> W, x = torch.tensor([[1.0, 3.0]]), torch.ones(5, 2)
    >>> column_prices(W, x, Pruning(keep=0.5)).tolist()
    [1.0, 9.0]
    >>> column_prices(W, x, Pruning(keep=0.5), group=2).tolist()
    [16.0]
    """
    _check_layer(weight, inputs)
    groups = _groups(weight.shape[1], group)
    keep = _keep(scheme)
    parts = weight.detach().double().reshape(-1, groups, group)
    seen = inputs.detach().double().reshape(-1, groups, group)
    # E|W_E x_E|^2 is the inner product of two small Gram matrices: no outputs are formed.
    gram = torch.einsum("ogk,ogl->gkl", parts, parts)
    moments = torch.einsum("ngk,ngl->gkl", seen, seen) / len(seen)
    return (gram * moments).sum((1, 2)) * ((1 - keep) / keep)


def compress_rows(
    w1: Tensor,
    w2: Tensor,
    activation: Callable[[Tensor], Tensor],
    inputs: Tensor,
    scheme: Scheme,
    *,
    fraction: float | Fraction,
    generator: torch.Generator,
    draws: int = 1,
    group: int = 1,
    dense_inputs: Tensor | None = None,
    order: RowOrder = "greedy",
) -> RowCompression:
    r"""Prune whole rows (output neurons) of a block's first layer, least expected damage first.

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Section 3.3, with the loss of the proofs,
    :math:`\Psi(A) = E\|W_2\varphi(W_1 x) - W_2\varphi(A x')\|^2`. A group of rows is multiplied by
    :math:`t = \mathrm{Bernoulli}(p)/p` inside :math:`\varphi`. Scores follow the realized error;
    :mod:`~compressibility.group_greedy` says how.

    Parameters
    ----------
    w1, w2
        Shapes (n2, n1) and (n3, n2).
    activation
        :math:`\varphi`, entrywise; its value at 0 may be any.
    inputs
        x', shape (N, n1).
    scheme, fraction, generator, draws
        As for :func:`compress_columns`, with groups of rows.
    group
        Consecutive rows that share one t; must divide n2.
    dense_inputs
        x, shape (N, n1); x' unless given.
    order
        "greedy" is the paper's, "random" our control. "peeking" throws the dice first and scores a
        group by its own throw: not the paper's algorithm either, see
        :func:`~compressibility.group_greedy.peeking_groups`.

    Raises
    ------
    ValueError
        As :func:`compress_columns`, and an activation that is not entrywise.

    Examples
    --------
    >>> w1, w2, x = torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0, 1.0]]), torch.ones(5, 1)
    >>> dice = torch.Generator().manual_seed(0)
    >>> result = compress_rows(w1, w2, torch.relu, x, Pruning(keep=0.5), fraction=0.5,
    ...     generator=dice)
    >>> result.order.tolist(), result.error.tolist()  # the row is zeroed or doubled: off by 1
    ([[0]], [1.0])
    """
    _check_layer(w1, inputs)
    check_weight(w2)
    if w2.ndim != 2 or w2.shape[1] != len(w1) or w2.dtype != w1.dtype:
        shape = tuple(w2.shape)
        raise ValueError(f"need w2 (n3, {len(w1)}) of {w1.dtype}, got {shape} of {w2.dtype}")
    _check_draws(draws, order, get_args(RowOrder))
    groups = _groups(len(w1), group)
    keep = _keep(scheme)
    dense = inputs if dense_inputs is None else dense_inputs
    if dense.shape != inputs.shape or not bool(torch.isfinite(dense).all()):
        need = f"finite dense_inputs {tuple(inputs.shape)}"
        raise ValueError(f"need {need}, got {tuple(dense.shape)} or values that are not")
    check_activation(activation, w1.detach() @ inputs.detach()[:2].T)
    count = _count(fraction, groups)
    uniforms = _uniforms(draws, groups, generator, w1)
    block = BlockChanges.of(w1, w2, activation, inputs, dense, keep=keep)
    if order == "random":
        drawn = random_groups(keep=keep, count=count, uniforms=uniforms, generator=generator)
    elif order == "peeking":
        linear, products = block.products(groups)
        drawn = peeking_groups(linear, products, keep=keep, count=count, uniforms=uniforms)
    else:
        terms = block.terms(groups, keep=keep)
        drawn = greedy_groups(*terms, keep=keep, count=count, uniforms=uniforms)
    return RowCompression(
        weight=w1.detach(),
        scale=drawn.scale,
        compressed=drawn.compressed,
        order=drawn.order,
        error=block.errors(drawn.scale),
    )


def _check_layer(weight: Tensor, inputs: Tensor) -> None:
    check_weight(weight)
    if weight.ndim != 2:
        raise ValueError(f"need weight (n_out, n_in), got {tuple(weight.shape)}")
    n_in = weight.shape[1]
    if inputs.ndim != 2 or inputs.shape[1] != n_in or not len(inputs):
        raise ValueError(f"need inputs (N, {n_in}), N >= 1, got {tuple(inputs.shape)}")
    if inputs.dtype != weight.dtype:
        raise ValueError(f"need inputs of dtype {weight.dtype}, got {inputs.dtype}")
    if not bool(torch.isfinite(inputs).all()):
        raise ValueError("need finite inputs, got nan or infinity")


def _check_draws(draws: int, order: str, orders: tuple[str, ...]) -> None:
    if draws < 1:
        raise ValueError(f"need draws >= 1, got {draws}")
    if order not in orders:
        raise ValueError(f"need order in {sorted(orders)}, got {order!r}")


def _groups(size: int, group: int) -> int:
    if group < 1 or size % group:
        raise ValueError(f"need a group that divides {size}, got {group}")
    return size // group


def _keep(scheme: object) -> float:
    if not isinstance(scheme, Pruning):
        raise ValueError(f"need a scheme Pruning(keep=p), got {scheme!r}")
    return scheme.keep


def _count(fraction: float | Fraction, groups: int) -> int:
    if not 0 < fraction < 1:
        raise ValueError(f"need 0 < fraction < 1, got {fraction}")
    return number_compressed(fraction, groups)


def _uniforms(draws: int, groups: int, generator: torch.Generator, like: Tensor) -> Tensor:
    device = generator.device
    drawn = torch.rand((draws, groups), generator=generator, dtype=torch.float64, device=device)
    return drawn.to(like.device)

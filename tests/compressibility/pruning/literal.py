"""Algorithm 1 as it reads, with nothing worked out beforehand.

The reference for ``compressibility.pruning``: slow, and independent of its formulas. It states the
outcomes of a draw itself and learns about the loss only by forward passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from torch import Tensor

from compressibility.models.layers import Layer
from compressibility.pruning.draws import Draw, Pruning

Change = Callable[[Tensor], Tensor]
Outcomes = list[tuple[Change, float]]  # (what it makes of a weight, chance), lowest uniforms first
Loss = Callable[[Tensor], float]


class Literal(NamedTuple):
    """What the literal algorithm did."""

    weight: Tensor
    order: list[int]  # which unit, first taken first


def entry(flat: int, value: float) -> Change:
    """Put a value in the place of one weight."""

    def change(weight: Tensor) -> Tensor:
        new = weight.clone()
        new.view(-1)[flat] = value
        return new

    return change


def scaled(axis: int, index: int, factor: float) -> Change:
    """Multiply all that reads (axis 1) or makes (axis 0) one neuron or channel."""

    def change(weight: Tensor) -> Tensor:
        new = weight.clone()
        new.select(axis, index).mul_(factor)
        return new

    return change


def pruned(weight: Tensor, *, keep: float) -> list[Outcomes]:
    """Every weight is kept and enlarged, or zero."""
    entries = enumerate(weight.flatten().tolist())
    return [[(entry(i, w / keep), keep), (entry(i, 0.0), 1 - keep)] for i, w in entries]


def rounded(weight: Tensor, *, levels: int) -> list[Outcomes]:
    """Every weight becomes its neighbour away from zero, or the one nearer to it."""
    largest, found = weight.abs().max().item(), []
    for i, w in enumerate(weight.flatten().tolist()):
        lower = min(math.floor(abs(w) / largest * levels), levels)
        chance, step = abs(w) / largest * levels - lower, math.copysign(largest / levels, w)
        found.append([(entry(i, (lower + 1) * step), chance), (entry(i, lower * step), 1 - chance)])
    return found


def pruned_groups(weight: Tensor, *, axis: int, keep: float) -> list[Outcomes]:
    """Every output (axis 0) or input (axis 1) is kept and enlarged, or zero."""
    both = ((1 / keep, keep), (0.0, 1 - keep))
    return [[(scaled(axis, i, f), chance) for f, chance in both] for i in range(weight.shape[axis])]


def outcomes(weight: Tensor, draw: Draw, *, axis: int | None = None) -> list[Outcomes]:
    """What the algorithm knows of a draw: of single weights, or of the groups along an axis."""
    if axis is not None:
        return pruned_groups(weight, axis=axis, keep=draw.keep)
    if isinstance(draw, Pruning):
        return pruned(weight, keep=draw.keep)
    return rounded(weight, levels=draw.levels)


def wide_loss(weight: Tensor, x: Tensor, other: Tensor, *, size: int = 1) -> Loss:
    """Mean squared distance to a dense layer's output, by forward passes through its matrix."""
    dense = x.flatten(1) @ matrix(weight, size).T
    return lambda new: _square(dense - other.flatten(1) @ matrix(new, size).T)


def block_loss(w1: Tensor, w2: Tensor, phi: Change, x: Tensor, other: Tensor, *, size=1) -> Loss:
    """Mean squared distance to a dense block's output, by forward passes through its matrices."""
    second = matrix(w2, size).T
    dense = phi(x.flatten(1) @ matrix(w1, size).T) @ second
    return lambda new: _square(dense - phi(other.flatten(1) @ matrix(new, size).T) @ second)


def matrix(weight: Tensor, size: int) -> Tensor:
    """Write a layer out."""
    return weight if weight.ndim == 2 else Layer(weight, size).matrix()


def compress(
    weight: Tensor, loss: Loss, outcomes: list[Outcomes], *, steps: int, uniforms: Tensor
) -> Literal:
    """At every step score every unit left, take the least, draw it."""
    left, order, numbers = list(range(len(outcomes))), [], uniforms.flatten().tolist()
    for _ in range(steps):
        now = loss(weight)
        scores = [
            abs(sum(chance * (loss(change(weight)) - now) for change, chance in outcomes[unit]))
            for unit in left
        ]
        order.append(left.pop(scores.index(min(scores))))
        limits = accumulate(chance for _, chance in outcomes[order[-1]])
        which = sum(numbers[order[-1]] >= limit for limit in list(limits)[:-1])
        weight = outcomes[order[-1]][which][0](weight)
    return Literal(weight, order)


def _square(gap: Tensor) -> float:
    return (gap**2).sum(1).mean().item()

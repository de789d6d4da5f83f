"""Algorithm 1 on a wide layer or a block as it reads, with nothing worked out beforehand.

The reference for ``compressibility.greedy`` and ``compressibility.blocks``: slow, and independent
of their formulas. It states the outcomes of a draw itself and learns about the loss only by
forward passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Outcomes = list[tuple[float, float]]  # (value, probability), in the order the uniform selects them


@dataclass(frozen=True)
class Literal:
    """What the literal algorithm did."""

    weight: Tensor  # (n_out, n_in)
    order: list[int]  # flat indices, first taken first


def pruning_outcomes(weight: Tensor, flat: int, *, keep: float) -> Outcomes:
    """Kept and enlarged, or zero."""
    return [(weight.flatten()[flat].item() / keep, keep), (0.0, 1 - keep)]


def quantization_outcomes(weight: Tensor, flat: int, *, levels: int) -> Outcomes:
    """The neighbour away from zero, or the neighbour nearer to it."""
    entry, largest = weight.flatten()[flat].item(), weight.abs().max().item()
    step = largest / levels
    lower = min(math.floor(abs(entry) / largest * levels), levels)
    chance = abs(entry) / largest * levels - lower
    sign = math.copysign(1.0, entry)
    return [(sign * (lower + 1) * step, chance), (sign * lower * step, 1 - chance)]


def loss(weight: Tensor, current: Tensor, inputs: Tensor, compressed_inputs: Tensor) -> float:
    """Mean squared distance to the dense layer's output, by forward passes."""
    gap = inputs @ weight.T - compressed_inputs @ current.T
    return (gap**2).sum(1).mean().item()


def block_loss(
    w1: Tensor,
    current: Tensor,
    w2: Tensor,
    phi: Callable[[Tensor], Tensor],
    inputs: Tensor,
    compressed_inputs: Tensor,
) -> float:
    """Mean squared distance to the dense block's output, by forward passes."""
    gap = phi(inputs @ w1.T) @ w2.T - phi(compressed_inputs @ current.T) @ w2.T
    return (gap**2).sum(1).mean().item()


def compress(
    weight: Tensor,
    inputs: Tensor,
    compressed_inputs: Tensor,
    outcomes: list[Outcomes],
    *,
    steps: int,
    uniforms: Tensor,
) -> Literal:
    """Run Algorithm 1 on a wide layer."""
    return _greedy(
        weight,
        lambda current: loss(weight, current, inputs, compressed_inputs),
        outcomes,
        steps=steps,
        uniforms=uniforms,
    )


def compress_block(
    w1: Tensor,
    w2: Tensor,
    phi: Callable[[Tensor], Tensor],
    inputs: Tensor,
    compressed_inputs: Tensor,
    outcomes: list[Outcomes],
    *,
    steps: int,
    uniforms: Tensor,
) -> Literal:
    """Run Algorithm 1 on the first layer of a block."""
    return _greedy(
        w1,
        lambda current: block_loss(w1, current, w2, phi, inputs, compressed_inputs),
        outcomes,
        steps=steps,
        uniforms=uniforms,
    )


def _greedy(
    weight: Tensor,
    loss_of: Callable[[Tensor], float],
    outcomes: list[Outcomes],
    *,
    steps: int,
    uniforms: Tensor,
) -> Literal:
    """At every step score every weight left, take the least, draw it."""
    current, left, order = weight.clone(), list(range(weight.numel())), []

    def loss_with(flat: int, value: float) -> float:
        changed = current.clone()
        changed.view(-1)[flat] = value
        return loss_of(changed)

    for _ in range(steps):
        now = loss_of(current)
        scores = [
            abs(sum(chance * (loss_with(flat, value) - now) for value, chance in outcomes[flat]))
            for flat in left
        ]
        chosen = left.pop(scores.index(min(scores)))
        order.append(chosen)
        (first, chance), (second, _) = outcomes[chosen]
        drawn = first if uniforms.view(-1)[chosen].item() < chance else second
        current.view(-1)[chosen] = drawn
    return Literal(current, order)

r"""The greedy core for structured blocks: groups of rows that are kept or zeroed as a whole.

A group i (the rows of :math:`W_1` that make an output neuron, or an output filter) is multiplied by
one :math:`t = \mathrm{Bernoulli}(p)/p`, inside the activation. Each group is drawn once, so its two
possible changes of the block's output are fixed functions of the sample, whatever became of the
other groups:

.. math:: a_i = W_{2,\cdot i}\,(\varphi(z_i / p) - \varphi(z_i)), \qquad
          b_i = W_{2,\cdot i}\,(\varphi(0) - \varphi(z_i)), \qquad
          M_i = p\, a_i + (1 - p)\, b_i .

With the output error r (compressed minus dense) and inner products that average over samples, the
score of Algorithm 1 of El Cheairi, Gamarnik, Mazumder (COLT 2026) is

.. math:: s_i = \bigl|\,2 \langle r, M_i\rangle + p \|a_i\|^2 + (1 - p) \|b_i\|^2\,\bigr|,

and a step adds :math:`a_i` or :math:`b_i` to r. So the inner products of the changes are all that
the greedy has to know: a step costs O(n), and many draws go on in lockstep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Terms(NamedTuple):
    """What the scores are made of, all float64; every field adds up over samples."""

    linear: Tensor  # (n,) <r0, M_i>, r0 the error before the first step
    quadratic: Tensor  # (n,) p |a_i|^2 + (1 - p) |b_i|^2
    cross_kept: Tensor  # (n, n) [k, i] = <a_k, M_i>: what keeping k does to linear[i]
    cross_zeroed: Tensor  # (n, n) [k, i] = <b_k, M_i>: what zeroing k does to linear[i]


@dataclass(frozen=True, eq=False)
class GroupDraws:
    """Which groups were drawn and what became of them, in D independent draws."""

    order: Tensor  # (D, count) indices of the drawn groups, first taken first
    compressed: Tensor  # (D, n) bool, True where the group was drawn
    scale: Tensor  # (D, n) float64: 1/p kept, 0 zeroed, 1 not drawn


def score_terms(kept: Tensor, zeroed: Tensor, residual: Tensor, *, keep: float) -> Terms:
    r"""Work out the terms of the scores from the changes themselves.

    The inner product of the features is the plain dot product: divide by :math:`\sqrt N` before
    to average over N samples, or divide the terms by N after.

    Parameters
    ----------
    kept, zeroed
        :math:`a_i` and :math:`b_i`, shape (n, K): K counts samples and outputs together.
    residual
        :math:`r_0`, shape (K,): zero if the block sees the dense inputs.
    keep
        p, 0 < p <= 1.

    Raises
    ------
    ValueError
        Shapes that do not fit, or keep out of range.

    Examples
    --------
    >>> change = torch.tensor([[1.0], [2.0]])
    >>> score_terms(change, -change, torch.zeros(1), keep=0.5).quadratic.tolist()
    [1.0, 4.0]
    """
    _check_keep(keep)
    if kept.ndim != 2 or zeroed.shape != kept.shape or residual.shape != kept.shape[1:]:
        shapes = ", ".join(str(tuple(t.shape)) for t in (kept, zeroed, residual))
        raise ValueError(f"need kept (n, K), zeroed (n, K) and residual (K,), got {shapes}")
    a, b, r = kept.double(), zeroed.double(), residual.double()
    mean = keep * a + (1 - keep) * b
    return Terms(
        linear=mean @ r,
        quadratic=keep * a.square().sum(1) + (1 - keep) * b.square().sum(1),
        cross_kept=a @ mean.mT,
        cross_zeroed=b @ mean.mT,
    )


def greedy_groups(
    linear: Tensor,
    quadratic: Tensor,
    cross_kept: Tensor,
    cross_zeroed: Tensor,
    *,
    keep: float,
    count: int,
    uniforms: Tensor,
) -> GroupDraws:
    r"""Draw ``count`` groups, least expected damage first, with scores of the realized error.

    Exactly Algorithm 1 on groups of rows, in O(count n) a draw; ties go to the lowest index.

    Parameters
    ----------
    linear, quadratic, cross_kept, cross_zeroed
        See :class:`Terms`: ``greedy_groups(*terms, ...)``.
    keep
        p, 0 < p <= 1.
    count
        Number of groups drawn, 0 <= count <= n.
    uniforms
        Shape (D, n) in [0, 1): group i of draw d is kept where ``uniforms[d, i] < p``, whenever
        its turn comes.

    Raises
    ------
    ValueError
        Shapes that do not fit, terms that are not finite, keep or count out of range.

    Examples
    --------
    >>> change = torch.tensor([[1.0], [2.0]])
    >>> terms = score_terms(change, -change, torch.zeros(1), keep=0.5)
    >>> dice = torch.tensor([[0.9, 0.1]])
    >>> greedy_groups(*terms, keep=0.5, count=1, uniforms=dice).scale.tolist()
    [[0.0, 1.0]]
    """
    _check_keep(keep)
    n = len(quadratic)
    _check_terms(linear, quadratic, cross_kept, cross_zeroed)
    _check_draws(n, count, uniforms)
    draws = len(uniforms)
    # Rows 0..n-1 for a group that stays, n..2n-1 for one that goes: one look-up per step.
    steps = 2 * torch.cat([cross_kept, cross_zeroed]).double()
    outcome_row = torch.arange(n, device=steps.device) + n * (uniforms >= keep)
    signed = (2 * linear + quadratic).double().repeat(draws, 1)
    order = torch.empty(draws, count, dtype=torch.int64, device=steps.device)
    for step in range(count):
        chosen = signed.abs().argmin(1, keepdim=True)
        order[:, step : step + 1] = chosen
        signed += steps[outcome_row.gather(1, chosen).squeeze(1)]
        signed.scatter_(1, chosen, math.inf)  # and infinite it stays: never chosen again
    return decide_groups(order, uniforms, keep=keep)


def peeking_groups(
    linear: Tensor, products: Tensor, *, keep: float, count: int, uniforms: Tensor
) -> GroupDraws:
    r"""Draw ``count`` groups, scored by what their own throw does: not the paper's algorithm.

    Algorithm 1 scores a group by the mean over its t, and throws afterwards. Here the dice are
    thrown first, and with :math:`c_i`, the change that came up, the score is
    :math:`|2\langle r, c_i\rangle + \|c_i\|^2|`. The throws are no worse; the choice knows them, so
    that errors are made to cancel.

    Parameters
    ----------
    linear
        :math:`\langle r_0, a_i\rangle`, then :math:`\langle r_0, b_i\rangle`, shape (2 n,).
    products
        Inner products of :math:`a_1, \dots, a_n, b_1, \dots, b_n`, shape (2 n, 2 n).
    keep, count, uniforms
        As for :func:`greedy_groups`.

    Raises
    ------
    ValueError
        Shapes that do not fit, products that are not finite, keep or count out of range.

    Examples
    --------
    >>> changes = torch.tensor([[1.0], [-1.5], [-1.0], [1.5]])
    >>> dice = torch.tensor([[0.1, 0.1]])  # both kept: the changes are 1 and -1.5
    >>> peeking_groups(torch.zeros(4), changes @ changes.mT, keep=0.5, count=2,
    ...     uniforms=dice).order.tolist()
    [[0, 1]]
    """
    _check_keep(keep)
    n = len(products) // 2
    if linear.shape != (2 * n,) or products.shape != (2 * n, 2 * n) or n < 1:
        shapes = f"{tuple(linear.shape)} and {tuple(products.shape)}"
        raise ValueError(f"need linear (2 n,) and products (2 n, 2 n), n >= 1, got {shapes}")
    _check_finite(linear=linear, products=products)
    _check_draws(n, count, uniforms)
    outcome = torch.arange(n, device=products.device) + n * (uniforms >= keep)
    steps = 2 * products.double()
    signed = (2 * linear.double() + products.diagonal())[outcome]
    order = torch.empty(len(uniforms), count, dtype=torch.int64, device=products.device)
    for step in range(count):
        chosen = signed.abs().argmin(1, keepdim=True)
        order[:, step : step + 1] = chosen
        signed += steps[outcome.gather(1, chosen).squeeze(1)].gather(1, outcome)
        signed.scatter_(1, chosen, math.inf)
    return decide_groups(order, uniforms, keep=keep)


def random_groups(
    *, keep: float, count: int, uniforms: Tensor, generator: torch.Generator
) -> GroupDraws:
    """Control: draw ``count`` groups in a random order, new in each draw.

    Parameters
    ----------
    keep, count, uniforms
        As for :func:`greedy_groups`.
    generator
        Gives the orders; draw the uniforms first to pair the dice with those of the greedy.

    Raises
    ------
    ValueError
        Keep or count out of range.

    Examples
    --------
    >>> dice, source = torch.zeros(1, 3), torch.Generator().manual_seed(0)
    >>> random_groups(keep=0.5, count=3, uniforms=dice, generator=source).scale.tolist()
    [[2.0, 2.0, 2.0]]
    """
    _check_keep(keep)
    _check_draws(uniforms.shape[-1], count, uniforms)
    device = generator.device
    shuffled = torch.rand(uniforms.shape, generator=generator, dtype=torch.float64, device=device)
    order = shuffled.argsort(1)[:, :count].to(uniforms.device)
    return decide_groups(order, uniforms, keep=keep)


def decide_groups(order: Tensor, uniforms: Tensor, *, keep: float) -> GroupDraws:
    """Throw the dice for groups whose order is known.

    Parameters
    ----------
    order
        Shape (D, count): indices of the groups to draw.
    uniforms, keep
        As for :func:`greedy_groups`.

    Examples
    --------
    >>> decide_groups(torch.tensor([[1]]), torch.tensor([[0.1, 0.1]]), keep=0.5).scale.tolist()
    [[1.0, 2.0]]
    """
    compressed = torch.zeros_like(uniforms, dtype=torch.bool).scatter_(1, order, True)
    drawn = (uniforms < keep).double() / keep
    return GroupDraws(order, compressed, torch.where(compressed, drawn, 1.0))


def _check_keep(keep: float) -> None:
    if not 0 < keep <= 1:
        raise ValueError(f"need 0 < keep <= 1, got {keep}")


def _check_terms(linear: Tensor, quadratic: Tensor, kept: Tensor, zeroed: Tensor) -> None:
    n = len(quadratic)
    shapes = [tuple(t.shape) for t in (linear, quadratic, kept, zeroed)]
    if shapes != [(n,), (n,), (n, n), (n, n)] or n < 1:
        raise ValueError(f"need terms of shapes (n,), (n,), (n, n), (n, n), n >= 1, got {shapes}")
    _check_finite(linear=linear, quadratic=quadratic, cross_kept=kept, cross_zeroed=zeroed)


def _check_finite(**tensors: Tensor) -> None:
    for name, values in tensors.items():
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"need finite {name}, got nan or infinity")


def _check_draws(n: int, count: int, uniforms: Tensor) -> None:
    if uniforms.ndim != 2 or uniforms.shape[1] != n or not len(uniforms):
        raise ValueError(f"need uniforms (D, {n}), D >= 1, got {tuple(uniforms.shape)}")
    if not 0 <= count <= n:
        raise ValueError(f"need 0 <= count <= {n}, got {count}")

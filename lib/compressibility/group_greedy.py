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
from collections.abc import Callable
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
    _check_terms(linear, quadratic, cross_kept, cross_zeroed, uniforms)
    if not 0 <= count <= n:
        raise ValueError(f"need 0 <= count <= {n}, got {count}")
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
    if not 0 <= count <= uniforms.shape[-1]:
        raise ValueError(f"need 0 <= count <= {uniforms.shape[-1]}, got {count}")
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


@dataclass(frozen=True, eq=False)
class BlockChanges:
    """What the two outcomes of each row do to the hidden values of a dense block, in float64."""

    w2: Tensor  # (n3, n2)
    kept: Tensor  # (N, n2) phi(z / p) - phi(z)
    zeroed: Tensor  # (N, n2) phi(0) - phi(z)
    residual: Tensor  # (N, n3) W2 phi(W1 x') - W2 phi(W1 x)

    @classmethod
    def of(
        cls,
        w1: Tensor,
        w2: Tensor,
        activation: Callable[[Tensor], Tensor],
        inputs: Tensor,
        dense_inputs: Tensor,
        *,
        keep: float,
    ) -> BlockChanges:
        """Evaluate the block; arguments as for :func:`compressibility.structured.compress_rows`."""
        first, second = w1.detach().double(), w2.detach().double()
        z = inputs.detach().double() @ first.mT
        hidden = activation(z)
        before = activation(dense_inputs.detach().double() @ first.mT)
        return cls(
            w2=second,
            kept=activation(z / keep) - hidden,
            zeroed=activation(torch.zeros_like(z)) - hidden,
            residual=(hidden - before) @ second.mT,
        )

    def terms(self, groups: int, *, keep: float) -> Terms:
        """Return the terms of the scores of ``groups`` groups of consecutive rows.

        The changes themselves, (n, N n3), are never formed: their inner products are those of the
        hidden values times those of the columns of W2.
        """
        gram = self.w2.mT @ self.w2 / len(self.kept)
        mean = keep * self.kept + (1 - keep) * self.zeroed
        pulled = self.residual @ self.w2 / len(self.kept)

        def summed(values: Tensor) -> Tensor:
            """Sum over the rows of each pair of groups."""
            rows = len(values) // groups
            return values.reshape(groups, rows, groups, rows).sum((1, 3))

        def norms(change: Tensor) -> Tensor:
            return summed(gram * (change.mT @ change)).diagonal()

        return Terms(
            linear=(pulled * mean).sum(0).reshape(groups, -1).sum(1),
            quadratic=keep * norms(self.kept) + (1 - keep) * norms(self.zeroed),
            cross_kept=summed(gram * (self.kept.mT @ mean)),
            cross_zeroed=summed(gram * (self.zeroed.mT @ mean)),
        )

    def errors(self, scale: Tensor) -> Tensor:
        r"""Return :math:`\Psi` of each draw, (D,), from its factors (D, G).

        Each row's change is one of two, so no activation is evaluated again.
        """
        errors = []
        for each in scale.repeat_interleave(len(self.w2.mT) // scale.shape[1], 1):
            moved = self.w2.mT * (each > 1).unsqueeze(1)
            gone = self.w2.mT * (each == 0).unsqueeze(1)
            gap = self.residual + self.kept @ moved + self.zeroed @ gone
            errors.append(gap.square().sum(1).mean())
        return torch.stack(errors)


def _check_keep(keep: float) -> None:
    if not 0 < keep <= 1:
        raise ValueError(f"need 0 < keep <= 1, got {keep}")


def _check_terms(
    linear: Tensor, quadratic: Tensor, cross_kept: Tensor, cross_zeroed: Tensor, uniforms: Tensor
) -> None:
    n = len(quadratic)
    wanted = [(n,), (n,), (n, n), (n, n)]
    shapes = [tuple(t.shape) for t in (linear, quadratic, cross_kept, cross_zeroed)]
    if shapes != wanted or n < 1:
        raise ValueError(f"need terms of shapes (n,), (n,), (n, n), (n, n), n >= 1, got {shapes}")
    if uniforms.ndim != 2 or uniforms.shape[1] != n or not len(uniforms):
        raise ValueError(f"need uniforms (D, {n}), D >= 1, got {tuple(uniforms.shape)}")
    for name, values in (
        ("linear", linear),
        ("quadratic", quadratic),
        ("cross_kept", cross_kept),
        ("cross_zeroed", cross_zeroed),
    ):
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"need finite {name}, got nan or infinity")

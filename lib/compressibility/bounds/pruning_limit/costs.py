r"""What pruning costs in the quadratic model, exactly, and how much may be removed at a price.

One-shot pruning costs :math:`\frac12 c^\top H c`, c the removed weights; with the kept weights
re-adjusted it is the least over all v on them of :math:`\frac12 (c-v)^\top H (c-v)`. The first
predicts pruning as it is done, the second is what the limits of ``limits`` speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from compressibility.checks import Share, finite, need, not_negative, order_of, up_to
from compressibility.pruning.kterm import kept_count
from compressibility.spectrum.density import Bowl


@dataclass(frozen=True, eq=False)
class Ranking:
    """Weights in the order in which they are removed; layers are concatenated before.

    >>> Ranking.magnitude(torch.arange(1.0, 8.0)).radius2(0.3)  # 3 of 7 go
    14.0
    """

    weights: Tensor  # w* (D,)
    order: Tensor  # (D,), a permutation: removed first

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", self.weights.detach().double())
        need(self.weights.ndim == 1 and len(self.weights) > 0, "(D,) weights", self.weights.shape)
        finite(weights=self.weights)
        order_of(self.order, len(self.weights))

    @classmethod
    def magnitude(cls, weights: Tensor) -> Ranking:
        """Rank by size; of equal ones the last goes first, as in ``pruning.removal``."""
        return cls(weights, weights.detach().abs().argsort(descending=True, stable=True).flip(0))

    @classmethod
    def random(cls, weights: Tensor, generator: torch.Generator) -> Ranking:
        """Rank by lot."""
        lots = torch.randperm(len(weights), generator=generator, device=generator.device)
        return cls(weights, lots)

    @cached_property
    def squares(self) -> Tensor:
        """R² (D + 1,), after the removal of 0, 1, …, D weights."""
        return pad(self.weights[self.order].square().cumsum(0), (1, 0))

    def radius2(self, removed: Share) -> float:
        r"""R² after the removal of :math:`\lceil sD \rceil` weights, exactly so many."""
        return float(self.squares[kept_count(removed, len(self.weights))])

    def removed(self, count: int) -> Tensor:
        """Return c (D,): the weights that go, and 0 for those that stay."""
        up_to(len(self.weights), [count])
        c, gone = torch.zeros_like(self.weights), self.order[:count]
        c[gone] = self.weights[gone]
        return c

    def check(self, dimension: int) -> int:
        """Return D, the operator's and the weights': of prunable weights, or of all parameters."""
        total = len(self.weights)
        need(total == dimension, f"one D, {dimension} of the operator", f"{total} weights")
        return total


@dataclass(frozen=True)
class Scan:
    """Removed shares that pass, among those looked at: two, where nothing is monotone."""

    first: float  # the last before the first that fails
    largest: float  # the largest that passes

    @classmethod
    def over(cls, passes: Sequence[bool], counts: Sequence[int], total: int) -> Scan:
        """Read off which of these removed counts, ascending, pass."""
        good = [0] + [j for j, ok in zip(counts, passes, strict=True) if ok]
        before = [0, *counts][passes.index(False) if False in passes else len(counts)]
        return cls(before / total, good[-1] / total)


def removable(costs: Tensor, allowed: float) -> Scan:
    """Find what may be removed at costs up to ``allowed``, modeled or measured.

    Costs (D + 1,) are those of 0, 1, …, D removed weights, or of that many equal steps.

    >>> removable(torch.tensor([0.0, 2.0, 0.425, 18.425]), 0.5).largest * 3
    2.0
    """
    not_negative(allowed=allowed)
    need(costs.ndim == 1 and len(costs) > 1, "costs (D + 1,), D >= 1", tuple(costs.shape))
    need(not bool(costs.isnan().any()), "costs that are numbers", "nan")
    return Scan.over((costs <= allowed).tolist(), range(len(costs)), len(costs) - 1)


def one_shot_costs(bowl: Bowl, ranking: Ranking) -> Tensor:
    r"""Return :math:`\frac12 c^\top H c` (D + 1,), of any kind of operator; not monotone."""
    ranking.check(len(bowl.matrix))
    w = ranking.weights[ranking.order]
    parts = bowl.matrix[ranking.order][:, ranking.order] * w.outer(w)
    return pad(parts.cumsum(0).cumsum(1).diagonal() / 2, (1, 0))


def isotropic_costs(diagonal: Tensor, ranking: Ranking) -> Tensor:
    r"""Return :math:`R^2 \, \mathrm{Tr}(H_{PP}) / 2|P|` (D + 1,), P removed, from H's diagonal.

    It is the mean of the one-shot costs over all rotations of c in P.
    """
    finite(diagonal=diagonal)
    need(diagonal.ndim == 1, "a diagonal (D,)", tuple(diagonal.shape))
    total = ranking.check(len(diagonal))
    trace = diagonal.double()[ranking.order].cumsum(0)
    return pad(ranking.squares[1:] * trace / torch.arange(2, 2 * total + 1, 2).to(trace), (1, 0))


def readjusted_costs(bowl: Bowl, ranking: Ranking) -> Tensor:
    r"""Return the least costs (D + 1,) of supports with their weights re-adjusted; monotone.

    Optimal brain surgery on whole sets P, :math:`\frac12 c_P^\top [(H^{-1})_{PP}]^{-1} c_P`. Kept
    weights first and :math:`H = LL^\top`, it is :math:`\frac12 \sum_{i > k} (L^\top w)_i^2`: one
    factorization for all k. :math:`10^{-12} \|H\| I` makes it least squares where H is singular.
    For random subspaces give :math:`Q^\top H Q` and :math:`Q^\top c`.

    >>> bowl = Bowl(torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), "positive")
    >>> ranking = Ranking.magnitude(torch.tensor([0.5, -0.6, 2.0]))
    >>> round(readjusted_costs(bowl, ranking)[2].item(), 6)
    0.22
    """
    total = ranking.check(len(bowl.matrix))
    rule = "absolute(), positive() or Gauss-Newton: else the least cost may be -inf"
    need(bowl.kind != "signed", rule, repr(bowl.kind))
    first = ranking.order.flip(0)
    ridge = 1e-12 * bowl.matrix.norm().clamp(min=1e-99) * torch.eye(total).to(bowl.matrix)
    factor, broken = torch.linalg.cholesky_ex(bowl.matrix[first][:, first] + ridge)
    rule = "a positive semi-definite matrix (positive() cuts what rounding leaves below 0)"
    need(not broken, rule, f"a signed one of kind {bowl.kind!r}")
    squares = (factor.T @ ranking.weights[first]).square()
    return pad(squares.flip(0).cumsum(0) / 2, (1, 0))


def readjusted_cost(
    ranking: Ranking,
    removed: int,
    product: Callable[[Tensor], Tensor],
    solve: Callable[[Tensor, Tensor], Tensor],
) -> float:
    r"""Return one of the ``readjusted_costs`` of a large network; never below the exact one.

    ``product(v)`` is Hv, H positive semi-definite; ``solve(kept, b)``, of indices (k,), an x with
    :math:`H_{KK} x \approx b`, as by conjugate gradients.
    """
    kept, moved = ranking.order[removed:], ranking.removed(removed)
    if len(kept) > 0:
        moved[kept] = -solve(kept, product(moved)[kept]).to(moved)
    return float(moved @ product(moved).to(moved)) / 2

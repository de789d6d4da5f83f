"""What pruning a row of a dense block's first layer may do to the block's output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from compressibility.group_greedy import Terms


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
        hidden = activation(z.clone())  # it may work in place
        before = activation(dense_inputs.detach().double() @ first.mT)
        return cls(
            w2=second,
            kept=activation(z / keep) - hidden,
            zeroed=activation(torch.zeros_like(z)) - hidden,
            residual=(hidden - before) @ second.mT,
        )

    def products(self, groups: int) -> tuple[Tensor, Tensor]:
        """Return what :func:`compressibility.group_greedy.peeking_groups` has to know."""
        both = torch.cat([self.kept, self.zeroed], 1)
        w2 = self.w2.repeat(1, 2)
        pulled = (self.residual @ w2) * both
        gram = (w2.mT @ w2) * (both.mT @ both)
        return (
            pulled.mean(0).reshape(2 * groups, -1).sum(1),
            _summed(gram, 2 * groups) / len(both),
        )

    def terms(self, groups: int, *, keep: float) -> Terms:
        """Return the terms of the scores of ``groups`` groups of consecutive rows.

        The changes themselves, (n, N n3), are never formed: their inner products are those of the
        hidden values times those of the columns of W2.
        """
        gram = self.w2.mT @ self.w2 / len(self.kept)
        mean = keep * self.kept + (1 - keep) * self.zeroed
        pulled = self.residual @ self.w2 / len(self.kept)

        def norms(change: Tensor) -> Tensor:
            return _summed(gram * (change.mT @ change), groups).diagonal()

        return Terms(
            linear=(pulled * mean).sum(0).reshape(groups, -1).sum(1),
            quadratic=keep * norms(self.kept) + (1 - keep) * norms(self.zeroed),
            cross_kept=_summed(gram * (self.kept.mT @ mean), groups),
            cross_zeroed=_summed(gram * (self.zeroed.mT @ mean), groups),
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


def _summed(values: Tensor, groups: int) -> Tensor:
    """Sum over the rows of each pair of groups."""
    rows = len(values) // groups
    return values.reshape(groups, rows, groups, rows).sum((1, 3))

"""Scores of the weights of a block, kept exact at little cost: the engine of ``blocks``."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor

from compressibility.schemes import Scheme

_CHUNK = 2**18  # numbers in a temporary: small enough to stay in a processor's cache
_ROUNDING = 64  # lower bounds give way by so many units in the last place


class BlockScores:
    r"""The state of one block under compression, and what its candidates are known to score.

    The damage is :math:`\Psi(A) = E\|r\|^2` with
    :math:`r = W_2\varphi(Ax') - W_2\varphi(W_1x)`. With :math:`g_i = \langle W_{2,:,i}, r\rangle` and :math:`\Delta\varphi_{ij}` the change of unit i's
    output when weight (i, j) is drawn, the greedy score is

    .. math:: \bigl|2 E[g_i D_{ij}] + \|W_{2,:,i}\|^2 E\,\Delta\varphi_{ij}^2\bigr|,
              \qquad D_{ij}(x) = E_t\,\Delta\varphi_{ij}(x).

    A score is only looked up when it matters. While row i stays as it is, nothing but g_i changes,
    so by Cauchy and Schwarz the score has moved by at most :math:`2\|D_{ij}\|` times the length of
    the path that g_i has gone since: candidates whose score is above the best one even after such
    a move are left alone, and what is returned is exact.
    """

    def __init__(
        self,
        w1: Tensor,
        w2: Tensor,
        activation: Callable[[Tensor], Tensor],
        inputs: Tensor,
        dense_inputs: Tensor,
        scheme: Scheme,
    ) -> None:
        self.w1, self.w2, self.phi = w1, w2, activation
        self.inputs = inputs.T.contiguous()  # (n1, N) x'
        self.outcomes = [
            ((value - w1).flatten(), chance.flatten()) for value, chance in scheme.outcomes(w1)
        ]
        self.weight = w1.clone()  # (n2, n1) A
        self.before = w1 @ self.inputs  # (n2, N) A x'
        self.after = activation(self.before)  # (n2, N) phi(A x')
        self.gap = w2 @ (self.after - activation(w1 @ dense_inputs.T))  # (n3, N) r
        self.norms2 = w2.square().sum(0)  # (n2,) ||W2_:i||^2
        self.reach = self._lengths(self.gap)  # (n2,) path of g_i from 0 until now, float64
        # What is known of each candidate (n2 n1), float64. Rows that have changed since are known
        # to score at least -inf; those that are done score inf.
        self.score = torch.full((w1.numel(),), -math.inf, dtype=torch.float64, device=w1.device)
        self.slope = torch.ones_like(self.score)  # 2 ||D_ij||
        self.since = torch.full_like(self.score, -1.0)  # reach of the row when last looked up
        self.lookups = 0

    def fork(self) -> BlockScores:
        """Return a copy that goes its own way."""
        other = copy.copy(self)
        for name in (
            "weight",
            "before",
            "after",
            "gap",
            "reach",
            "score",
            "slope",
            "since",
            "done",
        ):
            setattr(other, name, getattr(self, name).clone())
        return other

    def smallest(self, count: int) -> Tensor:
        """Return the ``count`` candidates of least score, ascending, ties by lowest flat index."""
        moved = self._by_row(self.since, self.reach, torch.sub).neg_()
        drop = moved * self.slope
        stale = drop != 0
        lower = torch.where(stale, self._safe(drop), self.score)
        known = self.score.masked_fill(stale, math.inf)
        while True:
            limit = known.amin() if count == 1 else known.kthvalue(count).values
            wanted = (stale & (lower <= limit)).nonzero().squeeze(-1)
            if not len(wanted):
                break
            if len(wanted) > 2 * self._batch(count):
                first = lower[wanted].topk(self._batch(count), largest=False).indices
                wanted = wanted[first.sort().values]
            self.look_up(wanted)
            stale[wanted] = False
            known[wanted] = self.score[wanted]
        near = (known <= limit).nonzero().squeeze(-1)
        return near[known[near].argsort(stable=True)][:count]

    def look_up(self, flat: Tensor) -> None:
        """Bring the scores of these candidates (ascending flat indices) up to date."""
        n1, samples = self.inputs.shape
        for part in flat.split(max(1, _CHUNK // samples)):
            rows, columns = part // n1, part % n1
            x, z, y = self.inputs[columns], self.before[rows], self.after[rows]
            mean, square = torch.zeros_like(x), torch.zeros_like(x[:, 0])
            for step, chance in self.outcomes:
                change = self.phi(torch.addcmul(z, step[part, None], x)).sub_(y)
                mean.addcmul_(change, chance[part, None])
                square.addcmul_(torch.linalg.vecdot(change, change), chance[part])
            own, which = rows.unique_consecutive(return_inverse=True)
            pull = (self.w2[:, own].T @ self.gap)[which]
            linear = torch.linalg.vecdot(pull, mean)
            total = (2 * linear + self.norms2[rows] * square) / samples
            self.score[part] = total.abs().double()
            self.slope[part] = mean.norm(dim=1).double() * (2 / math.sqrt(samples))
            self.since[part] = self.reach[rows]
        self.lookups += flat.numel()

    def compress(self, flat: Tensor, drawn: Tensor) -> None:
        """Set these candidates to what was drawn for them, and carry the change through."""
        n1 = self.weight.shape[1]
        self.weight.view(-1)[flat] = drawn.flatten()[flat]
        self.done[flat] = True
        rows = (flat // n1).unique()
        self.before[rows] = self.weight[rows] @ self.inputs
        new = self.phi(self.before[rows])
        change = self.w2[:, rows] @ (new - self.after[rows])
        self.after[rows] = new
        self.gap += change
        self.reach += self._lengths(change)
        self.slope.view(self.weight.shape)[rows] = math.inf

    def _lengths(self, change: Tensor) -> Tensor:
        """Return by how much a change (n3, N) of r moves each g_i, in the norm of L2(x)."""
        gram = change @ change.T / change.shape[1]
        return (gram @ self.w2).mul_(self.w2).sum(0).clamp_(min=0).double().sqrt()

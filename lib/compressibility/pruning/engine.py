"""Scores of the weights of a block, kept exact at little cost: the engine of ``blocks``."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from compressibility.checks import need
from compressibility.models.layers import Block
from compressibility.pruning.draws import Draw

_CHUNK = 2**17  # numbers in a temporary: small enough to stay in a processor's cache
_ROUNDING = 64  # lower bounds give way by so many units in the last place
_ROOM = (1e-140, 1e140)  # and double precision the values themselves, for fourth powers too
_SAFE = (1e-24, 1e24)  # single precision squares without loss if the greatest score lies here


class BlockScores:
    r"""One block under compression, and what its candidates are known to score.

    The loss is :math:`\Psi(A) = E\|r\|^2` with :math:`r = W_2\varphi(Ax') - W_2\varphi(W_1x)`. With
    :math:`g_i = \langle W_{2,:,i}, r\rangle`, and with :math:`\Delta\varphi_{ij}` for the change of
    unit i's output when weight (i, j) is drawn, the greedy score of Algorithm 1 of [EGM] (cited in
    ``pruning.draws``) is

    .. math:: \bigl|2 E[g_i D_{ij}] + \|W_{2,:,i}\|^2 E\,\Delta\varphi_{ij}^2\bigr|,
              \qquad D_{ij}(x) = E_t\,\Delta\varphi_{ij}(x).

    A score is looked up only when it matters. While row i stays as it is, nothing in it but
    :math:`g_i` changes, so by Cauchy and Schwarz it has moved by at most :math:`2\|D_{ij}\|` times
    the length of the path that :math:`g_i` has gone since. Candidates that would lose even after
    such a move are left alone, and what is found is exact all the same. (Not in the paper.)

    Flat indices count row by row.
    """

    def __init__(self, block: Block, inputs: Tensor, dense: Tensor, draw: Draw) -> None:
        w1, w2, phi = block.first.weight, block.second.weight, block.phi
        self.w2, self.phi = w2, phi  # (n3, n2)
        self.norms2 = w2.square().sum(0)  # (n2,) ||W2_:i||^2
        self.inputs = inputs.T.contiguous()  # (n1, N) x'
        self.jumps = _jumps(w1, draw)
        self.weight = w1.clone()  # (n2, n1) A
        self.before = w1 @ self.inputs  # (n2, N) A x'
        self.after = phi(self.before.clone())  # (n2, N) phi(A x'), a tensor of its own
        self.gap = w2 @ (self.after - phi(w1 @ dense.T))  # (n3, N) r
        size = torch.linalg.vector_norm(w2.T @ self.gap, dim=1)
        self.reach = size.double() / math.sqrt(len(inputs))  # (n2,) path of g_i from 0 until now
        # Of each candidate, (n2, n1) float64. Known of a row that has changed: at least -inf.
        self.score = torch.full(w1.shape, -math.inf, dtype=torch.float64, device=w1.device)
        self.slope = torch.ones_like(self.score)  # 2 ||D_ij||
        self.since = torch.full_like(self.score, -1.0)  # reach of the row at the last look
        self.limit = -math.inf  # greatest score of the last choice
        self.lookups = 0

    @classmethod
    def start(cls, block: Block, inputs: Tensor, dense: Tensor, draw: Draw) -> BlockScores:
        """Return a block all of whose candidates are scored, in float64 where float32 won't do.

        The greatest score tells: far below it a square of single precision is no number. Nor has
        float64 room for all squares: ValueError where hidden values leave it.
        """
        state = cls(block, inputs, dense, draw)
        check_room(state.after, state.w2)
        state.look_up(torch.arange(state.weight.numel(), device=inputs.device))
        low, high = _SAFE
        if inputs.dtype == torch.float64 or low < float(state.score.max()) < high:
            return state
        block = Block(block.first.double(), block.second.double(), block.phi)
        return cls.start(block, inputs.double(), dense.double(), draw)

    def fork(self) -> BlockScores:
        """Return a copy that goes its own way."""
        other = copy.copy(self)
        for name in ("weight", "before", "after", "gap", "reach", "score", "slope", "since"):
            setattr(other, name, getattr(self, name).clone())
        return other

    def smallest(self, count: int) -> Tensor:
        """Return the ``count`` candidates of least score, ascending, ties by lowest flat index."""
        tolerance = _ROUNDING * torch.finfo(self.weight.dtype).eps
        moved = self.reach[:, None] - self.since
        stale = (moved * self.slope != 0).flatten()
        moved += tolerance * self.reach[:, None]
        lower = (self.score - moved.mul_(self.slope)).flatten()
        known = self.score.flatten().masked_fill(stale, math.inf)
        batch = max(16, count)
        # Rows that have changed come first, with all that may score less than the last choice.
        wanted = (stale & (lower <= self.limit)).nonzero().squeeze(-1)
        while True:
            self.look_up(wanted)
            stale[wanted] = False
            known[wanted] = self.score.view(-1)[wanted]
            self.limit = float(known.amin() if count == 1 else known.kthvalue(count).values)
            near = stale & (lower <= self.limit * (1 + tolerance))
            wanted = near.nonzero().squeeze(-1)
            if not len(wanted):
                break
            if len(wanted) > 4 * batch:
                wanted = wanted[lower[wanted].topk(batch, largest=False).indices.sort().values]
        # An infinite score would pass for a weight that is compressed already.
        if not math.isfinite(self.limit + float(self.reach.sum())):
            raise ValueError(f"need finite scores, got overflow or nan in {self.weight.dtype}")
        least = (known <= self.limit).nonzero().squeeze(-1)
        return least[known[least].argsort(stable=True)][:count]

    def look_up(self, flat: Tensor) -> None:
        """Bring the scores of these candidates (ascending flat indices) up to date."""
        n1, samples = self.inputs.shape
        length = max(1, _CHUNK // samples)
        for part in (flat[at : at + length] for at in range(0, len(flat), length)):
            rows, columns = part // n1, part % n1
            x, z, y = self.inputs[columns], self.before[rows], self.after[rows]
            mean, square = torch.zeros_like(x), torch.zeros_like(x[:, 0])
            for jump, chance in self.jumps:
                change = self.phi(torch.addcmul(z, jump[part, None], x)).sub_(y)
                mean.addcmul_(change, chance[part, None])
                square.addcmul_(torch.linalg.vecdot(change, change), chance[part])
            own, which = torch.unique_consecutive(rows, return_inverse=True)
            pull = (self.w2[:, own].T @ self.gap)[which]
            score = 2 * torch.linalg.vecdot(pull, mean) + self.norms2[rows] * square
            self.score[rows, columns] = score.abs().double() / samples
            self.slope[rows, columns] = mean.norm(dim=1).double() * (2 / math.sqrt(samples))
            self.since[rows, columns] = self.reach[rows]
        self.lookups += flat.numel()

    def compress(self, flat: Tensor, drawn: Tensor) -> None:
        """Set these candidates to what was drawn, ``drawn`` (n2, n1), and follow the change."""
        rows, columns = flat // self.weight.shape[1], flat % self.weight.shape[1]
        self.weight[rows, columns] = drawn[rows, columns].to(self.weight.dtype)
        self.score[rows, columns] = math.inf
        rows = torch.unique(rows)
        self.before[rows] = self.weight[rows] @ self.inputs
        new = self.phi(self.before[rows])
        change = new - self.after[rows]
        self.after[rows] = new
        self.gap += self.w2[:, rows] @ change
        self.reach += self._lengths(rows, change)
        left = self.score[rows] < math.inf
        self.score[rows] = torch.where(left, -math.inf, math.inf).double()
        self.slope[rows] = left.double()
        self.since[rows] = -1.0

    def _lengths(self, rows: Tensor, change: Tensor) -> Tensor:
        """Return by how much a change (rows, N) of phi moves each g_i, in the norm of L2(x)."""
        pulls = self.w2[:, rows].T @ self.w2  # (rows, n2): g_i moves by their sum times changes
        gram = change @ change.T / change.shape[1]
        squares = (gram @ pulls).mul_(pulls).sum(0).clamp_(min=0)
        # Where the rows cancel, rounding may eat the square: never less than it could have eaten.
        most = gram.diagonal().sqrt() @ pulls.abs()
        rounding = _ROUNDING * torch.finfo(change.dtype).eps
        return (squares + rounding * most.square()).double().sqrt()


def check_room(hidden: Tensor, above: Tensor) -> None:
    """Raise ValueError where hidden values, or what the second layer makes of them, lack room."""
    most, pulled = (float(values.abs().max()) for values in (hidden, above))
    for size in (most, most * pulled):
        need(size == 0 or _ROOM[0] < size < _ROOM[1], "values with room for squares", size)


def _jumps(weight: Tensor, draw: Draw) -> list[tuple[Tensor, Tensor]]:
    """Return how far the draw can move each weight, and with what chance; (n2 n1) each.

    The last chance is what is left, so that they sum to one in either precision.
    """
    values, chances = zip(*draw.outcomes(weight), strict=True)
    shown = [chance.to(weight.dtype) for chance in chances[:-1]]
    shown.append(torch.ones_like(weight) - sum(shown))
    moves = [(value - weight).flatten() for value in values]
    return [(move, chance.flatten()) for move, chance in zip(moves, shown, strict=True)]

r"""The greedy core for groups: rows of :math:`W_1`, or output filters, kept or zeroed as a whole.

A group i is multiplied by one :math:`t = \mathrm{Bernoulli}(p)/p`, inside the activation. Each is
drawn once, so its two possible changes of the block's output are fixed functions of the sample,
whatever became of the other groups:

.. math:: a_i = W_{2,:,i}\,(\varphi(z_i / p) - \varphi(z_i)), \qquad
          b_i = W_{2,:,i}\,(\varphi(0) - \varphi(z_i)), \qquad
          M_i = p\, a_i + (1 - p)\, b_i .

With the output error r (compressed minus dense) and inner products that average over samples, the
score of Algorithm 1 of [EGM] (cited in ``pruning.draws``) is

.. math:: s_i = \bigl|\,2 \langle r, M_i\rangle + p \|a_i\|^2 + (1 - p) \|b_i\|^2\,\bigr|,

and a step adds :math:`a_i` or :math:`b_i` to r. So the inner products of the changes are all that
the greedy has to know: a step costs O(n), and many throws go on in lockstep. By Parseval's identity

.. math:: \langle W_{:,i}\, u,\; W_{:,j}\, v \rangle = \frac1{r^2} \sum_f \mathrm{Re}\Bigl[
          \bigl(\kappa(f)^* \kappa(f)\bigr)_{ij}\; \overline{\hat u(f)}\, \hat v(f) \Bigr],

so outputs are summed over once, not for every sample, and no convolved map is written out. On one
pixel all is real and :math:`\kappa = W`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compressibility.checks import finite
from compressibility.models.layers import Block
from compressibility.models.maps import frequency_weights, parts, spectra
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Draw, Pruning
from compressibility.pruning.engine import check_room


@dataclass(frozen=True, eq=False)
class Moments:
    r"""Inner products of the changes that n groups make to a block; means over samples, float64."""

    keep: float  # p
    residual: Tensor  # () |r0|^2, r0 the error before the first step
    linear_kept: Tensor  # (n,) <r0, a_i>
    linear_zeroed: Tensor  # (n,) <r0, b_i>
    kept_kept: Tensor  # (n, n) <a_i, a_j>
    kept_zeroed: Tensor  # (n, n) <a_i, b_j>
    zeroed_zeroed: Tensor  # (n, n) <b_i, b_j>

    @classmethod
    def of(cls, block: Block, seen: Tensor, dense: Tensor, draw: Draw) -> Moments:
        """Measure them on the maps x' ``seen`` and x ``dense``."""
        assert isinstance(draw, Pruning)
        first, phi = block.first.double(), block.phi
        kappa = block.second.spectrum()  # (f, o, i)
        share = frequency_weights(first.size, seen.device)[:, None, None] / len(seen)
        gram = (kappa.mH @ kappa) * share  # (f, i, j)
        totals = [torch.zeros((), dtype=torch.float64, device=seen.device)] * 6
        for some, true in zip(parts(seen), parts(dense), strict=True):
            before = first(some.double())
            now = phi(before.clone())  # it may work in place
            check_room(now, block.second.kernel)
            a = spectra(phi(before / draw.keep) - now)  # (f, N, i)
            b = spectra(phi(torch.zeros_like(before)) - now)
            gap = spectra(now - phi(first(true.double())))
            pull = gap.conj() @ gram  # (f, N, j)
            sums = (
                (pull * gap).sum(),
                (pull * a).sum((0, 1)),
                (pull * b).sum((0, 1)),
                *((gram * (u.mH @ v)).sum(0) for u, v in ((a, a), (a, b), (b, b))),
            )
            totals = [total + part.real for total, part in zip(totals, sums, strict=True)]
        moments = cls(draw.keep, *totals)
        finite(linear=moments.linear_kept + moments.linear_zeroed)
        finite(products=moments.kept_kept + moments.kept_zeroed + moments.zeroed_zeroed)
        return moments

    def greedy(self) -> tuple[Tensor, Tensor]:
        """Return the signed scores (n,) before the first step, and what each step adds (2n, n).

        Row i of the steps is for a group i that stays, row n + i for one that goes.
        """
        keep, go = self.keep, 1 - self.keep
        linear = keep * self.linear_kept + go * self.linear_zeroed
        squares = keep * self.kept_kept.diagonal() + go * self.zeroed_zeroed.diagonal()
        kept = keep * self.kept_kept + go * self.kept_zeroed
        zeroed = keep * self.kept_zeroed.mT + go * self.zeroed_zeroed
        return 2 * linear + squares, 2 * torch.cat([kept, zeroed])

    def peeking(self) -> tuple[Tensor, Tensor]:
        """Return the same of both outcomes of each group, (2n,) and (2n, 2n): kept, then zeroed."""
        linear = torch.cat([self.linear_kept, self.linear_zeroed])
        upper = torch.cat([self.kept_kept, self.kept_zeroed], 1)
        lower = torch.cat([self.kept_zeroed.mT, self.zeroed_zeroed], 1)
        products = torch.cat([upper, lower])
        return 2 * linear + products.diagonal(), 2 * products

    def errors(self, mask: Tensor, numbers: Tensor) -> Tensor:
        """Return Psi of each throw, (T,): mask (T, n) of what was drawn, by uniforms (T, n)."""
        stays = numbers < self.keep
        kept, zeroed = (mask & stays).double(), (mask & ~stays).double()
        linear = kept @ self.linear_kept + zeroed @ self.linear_zeroed
        quadratic = (
            ((kept @ self.kept_kept) * kept).sum(1)
            + 2 * ((kept @ self.kept_zeroed) * zeroed).sum(1)
            + ((zeroed @ self.zeroed_zeroed) * zeroed).sum(1)
        )
        return (self.residual + 2 * linear + quadratic).clamp(min=0)


def chosen_groups(moments: Moments, cut: Cut, numbers: Tensor) -> Tensor:
    r"""Return the groups that each throw draws, (T, count), first taken first.

    ``numbers`` (T, n): group i of throw d is kept where ``numbers[d, i] < p``, whenever its turn
    comes. Ties go to the lowest index. "peeking", our control and not the paper's algorithm, scores
    a group by what its own throw does, :math:`|2\langle r, c_i\rangle + \|c_i\|^2|` with the change
    :math:`c_i` that came up: the throws are no worse, but the choice knows them, so that errors are
    made to cancel.
    """
    throws, n = numbers.shape
    count = cut.count(n)
    outcome = torch.arange(n, device=numbers.device) + n * (numbers >= moments.keep)  # (T, n)
    peeks = cut.order == "peeking"
    first, steps = moments.peeking() if peeks else moments.greedy()
    signed = first[outcome] if peeks else first.repeat(throws, 1)
    taken = torch.empty(throws, count, dtype=torch.int64, device=numbers.device)
    for step in range(count):
        chosen = signed.abs().argmin(1, keepdim=True)
        taken[:, step : step + 1] = chosen
        added = steps[outcome.gather(1, chosen).squeeze(1)]
        signed += added.gather(1, outcome) if peeks else added
        signed.scatter_(1, chosen, math.inf)  # and infinite it stays: never chosen again
    return taken

r"""Masks: what zeroing weights costs, exactly, with the mean restored, with the rest readjusted.

A layer W (h', n) of inputs x with :math:`S = E\,xx^\top`, :math:`m = E\,x`, :math:`C = S - mm^\top`
becomes A; with the *hole* :math:`\Delta = W - A` its *damage* is

.. math:: E\|Wx - Ax\|^2 = \mathrm{tr}(\Delta S \Delta^\top), \qquad
          \min_b E\|Wx - Ax - b\|^2 = \mathrm{tr}(\Delta C \Delta^\top)

Where the mean is restored pass C for S (``Moments.matrix``). A mask is True where a weight goes.
Known: prices, LeCun et al. 1990 (OBD), sorted by row Sun et al. 2023 (Wanda), with C Coello et al.
2025 (STADE); readjusting, Hassibi, Stork 1993 (OBS), of layers Frantar, Alistarh 2022 (OBC).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from compressibility import checks
from compressibility.checks import Share, floats, need
from compressibility.pruning.draws import check_weight


def prices(weight: Tensor, second: Tensor) -> Tensor:
    r"""Return :math:`c_{ij} = w_{ij}^2 S_{jj}`, (..., h', n) float64: Wanda's scores squared.

    Their sum times (1-p)/p is what dice cost that keep w/p with chance p, not what zeroing costs.

    >>> prices(torch.tensor([[1.0, 3.0]]), torch.diag(torch.tensor([4.0, 1.0]))).tolist()
    [[4.0, 9.0]]
    """
    _check(weight, second)
    return weight.detach().double().square() * second.double().diagonal()


def cheapest(prices: Tensor, removed: Share, by: Literal["row", "layer"] = "row") -> Tensor:
    r"""Mark the least of prices, or of any scores (..., h', n): exactly :math:`\lfloor sN \rfloor`.

    N weights are each row, or a layer. Of equal prices the first goes.

    >>> price = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> cheapest(price, 0.5).tolist(), cheapest(price, 0.5, by="layer").tolist()
    ([[True, False], [True, False]], [[True, True], [False, False]])
    """
    check_weight(prices)
    need(by in ("row", "layer"), "by 'row' or 'layer'", repr(by))
    together = prices if by == "row" else prices.flatten(-2)
    count = checks.count(removed, together.shape[-1])
    first = together.argsort(dim=-1, stable=True)[..., :count]
    return torch.zeros_like(together, dtype=torch.bool).scatter_(-1, first, True).view_as(prices)


def damage(hole: Tensor, second: Tensor) -> Tensor:
    r"""Return :math:`d^\top S d` of each row d of a hole (..., h', n); a layer's is their sum.

    >>> seen = torch.tensor([[1.0, 1.0], [1.0, 2.0]])
    >>> damage(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), seen).tolist()  # both price sums are 3
    [5.0, 1.0]
    """
    _check(hole, second)
    gap = hole.detach().double()
    return ((gap @ second.double()) * gap).sum(-1)


def alignment(hole: Tensor, second: Tensor) -> float:
    r"""Return r = M/P, a hole's damage over its prices, on average over fair signs 1; NaN if P = 0.

    .. math:: M = P + 2 \sum_{i<j} d_i d_j S_{ij}, \qquad
              \lambda_{\min} \le r \le \lambda_{\max} \text{ of } S_{ij} / \sqrt{S_{ii} S_{jj}}

    >>> round(alignment(torch.ones(1, 2), torch.tensor([[1.0, 1.0], [1.0, 2.0]])), 4)
    1.6667
    """
    paid = float(prices(hole, second).sum())
    return float(damage(hole, second).sum()) / paid if paid > 0 else math.nan


def restored_bias(
    weight: Tensor, cut: Tensor, mean: Tensor, cut_mean: Tensor | None = None
) -> Tensor:
    r"""Return the bias that restores the mean, (h',) float64: bias correction, Nagel et al. (2019).

    .. math:: b = W m - A m', \qquad
              E\|Wx - Ax' - b\|^2 = E\|Wx - Ax'\|^2 - \|W m - A m'\|^2

    the least over all b. x' is what the compressed network feeds, x unless ``cut_mean`` is given;
    where the target is Wx', m' is both means.

    >>> restored_bias(torch.ones(1, 2), torch.zeros(1, 2), torch.ones(2)).tolist()
    [2.0]
    """
    seen = mean if cut_mean is None else cut_mean
    fits = weight.shape[-2:] == cut.shape[-2:] and mean.shape == seen.shape == weight.shape[-1:]
    need(fits, "weight and cut (..., h', n), means (n,)", (weight.shape, cut.shape, mean.shape))
    floats(weight=weight, cut=cut, mean=mean, cut_mean=seen)
    return weight.detach().double() @ mean.double() - cut.detach().double() @ seen.double()


def readjust(
    weight: Tensor, removed: Tensor, second: Tensor, damp: float = 0.0
) -> tuple[Tensor, Tensor]:
    r"""Return the best weights (h', n) with a mask's zeros Z, and the damage of each row (h',).

    .. math:: a_K = w_K + S_{KK}^{+} S_{KZ} w_Z, \qquad
              (w - a)^\top S (w - a) = w_Z^\top (S_{ZZ} - S_{ZK} S_{KK}^{+} S_{KZ}) w_Z

    what is removed, regressed on what stays, of the same inputs (x' = x). ``damp`` adds so much of
    the mean diagonal of S to that of :math:`S_{KK}` (SparseGPT: 0.01); the damage is that of S.
    On *new* inputs few samples do more: ``bounds.pruned_layer.samples``.

    >>> seen = torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]])
    >>> removed = torch.tensor([[True, False, True]])
    >>> [found.tolist() for found in readjust(torch.tensor([[1.0, 2.0, 1.0]]), removed, seen)]
    [[[0.0, 3.0, 0.0]], [2.0]]
    """
    _check(weight, second)
    right = weight.ndim == 2 and removed.dtype == torch.bool and removed.shape == weight.shape
    need(right, "weight (h', n) and removed, bool, alike", (weight.shape, removed.shape))
    checks.not_negative(damp=damp)
    dense, seen = weight.detach().double(), second.double()
    power, found = seen.diagonal(), dense.masked_fill(removed, 0.0)
    pull = seen @ (dense - found).mT
    damped = seen + damp * power.mean() * torch.eye(len(seen)).to(seen)
    masks, mask_of = torch.unique(removed, dim=0, return_inverse=True)
    for number, gone in enumerate(masks):
        rows, stays = (mask_of == number).nonzero()[:, 0], (~gone & (power > 0)).nonzero()[:, 0]
        change = _solve(damped[stays][:, stays], pull[stays][:, rows])
        found[rows[:, None], stays] += change.mT
    found = found.to(weight.dtype)
    return found, damage(dense - found, seen)


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve by Cholesky, or by the pseudo-inverse where a pivot is lost in rounding."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    left = factor.diagonal().square() / matrix.diagonal()  # of each variance, given those before
    if bool(failed) or bool((left <= 1e-14 * len(left)).any()):
        inverse: Tensor = torch.linalg.pinv(matrix, rtol=1e-14 * len(left), hermitian=True)
        return inverse @ right
    return torch.cholesky_solve(right, factor)


def _check(weight: Tensor, second: Tensor) -> None:
    check_weight(weight)
    need(second.shape == 2 * weight.shape[-1:], "second (n, n)", (weight.shape, second.shape))
    floats(second=second)

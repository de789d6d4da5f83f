"""Numbers that need no spectrum: traces, solves, and what a path of prunings costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import linalg
from torch import Tensor

from compressibility import estimates
from compressibility.checks import floats, need, order_of, up_to, whole
from compressibility.estimates import Estimate
from compressibility.spectrum.lanczos import Run, signs
from compressibility.spectrum.operators import Operator

_AT_ONCE = 32  # vectors in one product


def hutchinson(operator: Operator, probes: int, generator: torch.Generator) -> Estimate:
    r"""Tr H as the mean of :math:`v^\top H v` over vectors v of signs, with its interval.

    >>> from compressibility.dice import dice
    >>> from compressibility.spectrum.density import Bowl
    >>> of = Operator.of(Bowl(torch.diag(torch.tensor([1.0, 3.0])), "positive"))
    >>> hutchinson(of, 2, dice("example")).value
    4.0
    """
    vectors = signs(operator, probes, generator)
    return estimates.mean(_forms(operator, vectors).tolist())


def hutch_plus_plus(operator: Operator, probes: int, generator: torch.Generator) -> Estimate:
    r"""Tr H, exact on the image of some vectors and by Hutchinson on the rest; 3 probes products.

    .. math:: \mathrm{Tr}(Q^\top H Q) + \mathrm{Tr}\big((1 - QQ^\top) H (1 - QQ^\top)\big)

    Q spans the image of as many random vectors. Better than :func:`hutchinson` where few large
    eigenvalues make the trace (Meyer, Musco, Musco and Woodruff, SOSA 2021, arXiv 2010.09649).
    """
    need(probes <= operator.shape[0], f"probes <= {operator.shape[0]}", probes)
    frame = torch.linalg.qr(operator @ signs(operator, probes, generator)).Q
    rest = signs(operator, probes, generator)
    rest = rest - frame @ (frame.mT @ rest)
    exact = _forms(operator, frame).sum()
    return estimates.mean((exact + _forms(operator, rest)).tolist())


def absolute_trace(run: Run) -> Estimate:
    r"""Return :math:`\sum_i |\lambda_i|`, by quadrature: the trace of a signed H cancels."""
    dimension = run.basis.shape[2]
    return estimates.mean([dimension * one.mean(torch.abs) for one in run.spectra()])


def solve(
    operator: Operator, right: Tensor, *, tolerance: float = 1e-6, steps: int = 10_000
) -> Tensor:
    r"""Solve :math:`H x = b` (D,) by conjugate gradients, to a residual of that share of b.

    With ``operator.restricted(kept)`` and :math:`b = (Hc)_K` it re-adjusts kept weights:
    :math:`(c - x)^\top H (c - x)` is then least of all x on K. On a signed H it would be a saddle.
    """
    need(operator.kind != "signed", "a positive semi-definite operator", repr(operator.kind))
    whole(steps=steps)
    need(0 < tolerance < 1, "0 < tolerance < 1", tolerance)
    need(right.shape == operator.shape[:1], f"b {operator.shape[:1]}", tuple(right.shape))
    floats(right=right)

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return (operator @ torch.as_tensor(vector).to(operator.like)).double().cpu().numpy()

    b = right.detach().double().cpu().numpy()
    matrix = linalg.LinearOperator(operator.shape, matvec=product, dtype=np.float64)
    try:
        with np.errstate(divide="raise", invalid="raise"):
            x, _ = linalg.cg(matrix, b, rtol=tolerance, maxiter=steps)
    except FloatingPointError:
        need(False, "b in the image of H", "a direction of b without curvature")
    rest = float(np.linalg.norm(b - product(x)) / (np.linalg.norm(b) or 1.0))
    need(rest <= 2 * tolerance, f"a residual <= {tolerance} of b within {steps} steps", rest)
    return torch.as_tensor(x, device=right.device)


def path_costs(
    operator: Operator, weights: Tensor, order: Tensor, removed: Sequence[int]
) -> Tensor:
    r"""Return :math:`\frac12 c^\top H c` for counts of removed weights, float64, without a matrix.

    c holds the weights (D,) that are first in ``order`` (D,), which goes by size, say. Divided by
    :math:`\epsilon` it is Q, which is *not* monotone: removed together, weights may cancel.

    >>> from compressibility.spectrum.density import Bowl
    >>> of = Operator.of(Bowl(torch.tensor([[1.0, 0.5], [0.5, 1.0]]), "positive"))
    >>> path_costs(of, torch.tensor([1.0, -1.5]), torch.tensor([0, 1]), [0, 1, 2]).tolist()
    [0.0, 0.5, 0.875]
    """
    D = operator.shape[0]
    need(weights.shape == (D,), f"weights ({D},)", tuple(weights.shape))
    floats(weights=weights)
    order_of(order, D)
    up_to(D, removed)
    rank = order.argsort()[:, None]
    counts = torch.split(torch.tensor(removed, device=order.device), _AT_ONCE)
    gone = (torch.where(rank < part, weights[:, None], 0.0) for part in counts)
    return torch.cat([_forms(operator, c) for c in gone]) / 2


def _forms(operator: Operator, vectors: Tensor) -> Tensor:
    """Return the quadratic form of each column, float64."""
    return ((operator @ vectors).double() * vectors.double()).sum(0)

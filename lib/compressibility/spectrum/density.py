"""A spectrum as values with weights: all eigenvalues, or the Ritz pairs of a Lanczos run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor

from compressibility.checks import finite, need, whole

Kind = Literal["signed", "absolute", "positive", "gauss_newton"]
"""H itself; :math:`|H|`; :math:`H_+`, its negative part cut off; the Gauss-Newton matrix."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""A spectral measure :math:`\sum_j \tau_j \, \delta_{\theta_j}` of total mass 1.

    With equal weights it is all of H, :math:`\sum_j \tau_j f(\theta_j) = \mathrm{Tr} f(H) / D`;
    with those of a vector c it is H as c sees it, :math:`c^\top f(H) c / \|c\|^2`. Every kind but
    "signed" is positive semi-definite: rounding below 0 becomes 0, more is refused.

    >>> spectrum = Spectrum.dense(torch.tensor([1.0, 4.0]), "positive")
    >>> spectrum.mean(lambda t: 1 / t)
    0.625
    """

    values: Tensor  # θ (m,), float64
    weights: Tensor  # τ (m,), float64, >= 0, of sum 1
    dimension: int  # D, also where m is smaller
    kind: Kind

    def __post_init__(self) -> None:
        need(self.kind in get_args(Kind), f"kind in {get_args(Kind)}", repr(self.kind))
        whole(dimension=self.dimension)
        values, weights = (x.detach().double() for x in (self.values, self.weights))
        same = values.ndim == 1 and values.shape == weights.shape and len(values) > 0
        need(same, "values and weights (m,), m >= 1", (self.values.shape, self.weights.shape))
        finite(values=values, weights=weights)
        total = float(weights.sum())
        need(bool((weights >= 0).all()), "weights >= 0", float(weights.min()))
        need(abs(total - 1) <= 1e-6, "weights of sum 1", total)
        if self.kind != "signed":
            least, most = float(values.min()), float(values.max())
            rule = f"values >= 0 of kind {self.kind!r} (signed: absolute() or positive())"
            need(least >= -1e-6 * most, rule, least)
            values = values.clamp(min=0)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "weights", weights / total)

    @classmethod
    def dense(cls, values: Tensor, kind: Kind, *, along: Tensor | None = None) -> Spectrum:
        """All eigenvalues (D,), of equal weight or as a vector sees them.

        ``along`` (D,) is that vector in the basis of eigenvectors.
        """
        seen = torch.ones_like(values) if along is None else along.detach().double()
        need(bool((seen != 0).any()), "a vector along != 0", 0)
        squares = (seen / seen.abs().max()).square()
        return cls(values, squares / squares.sum(), len(values), kind)

    def mean(self, function: Callable[[Tensor], Tensor]) -> float:
        r""":math:`\sum_j \tau_j f(\theta_j)`; a value of weight 0 counts for nothing."""
        return float((self.weights * function(self.values))[self.weights > 0].sum())

    def absolute(self) -> Spectrum:
        """Return the spectrum of :math:`|H|`; exact for eigenvalues, not for Ritz values."""
        return replace(self, values=self.values.abs(), kind="absolute")

    def positive(self) -> Spectrum:
        """Return the spectrum of :math:`H_+`; exact for eigenvalues, not for Ritz values."""
        return replace(self, values=self.values.clamp(min=0), kind="positive")

    def check_positive(self) -> None:
        """Raise ValueError on a signed operator, which has no ellipsoid."""
        rule = "a positive semi-definite operator: absolute(), positive() or Gauss-Newton"
        need(self.kind != "signed", rule, repr(self.kind))


@dataclass(frozen=True, eq=False)
class Bowl:
    """A quadratic model as a dense symmetric matrix (D, D), which says what it is of.

    >>> signed = Bowl(torch.tensor([[2.0, 0.0], [0.0, -0.5]]), "signed")
    >>> signed.absolute().matrix.tolist(), signed.positive().spectrum.values.tolist()
    ([[2.0, 0.0], [0.0, 0.5]], [0.0, 2.0])
    """

    matrix: Tensor
    kind: Kind

    def __post_init__(self) -> None:
        need(self.kind in get_args(Kind), f"kind in {get_args(Kind)}", repr(self.kind))
        matrix = self.matrix.detach().double()
        square = matrix.ndim == 2 and len(matrix) == matrix.shape[-1] > 0
        need(square, "a matrix (D, D), D >= 1", tuple(matrix.shape))
        finite(matrix=matrix)
        gap, most = (float(part.abs().max()) for part in (matrix - matrix.T, matrix))
        need(gap <= 1e-4 * most, "a symmetric matrix", f"a gap of {gap}")
        object.__setattr__(self, "matrix", (matrix + matrix.T) / 2)

    @cached_property
    def eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues (D,), ascending, and eigenvectors (D, D), in columns."""
        values, vectors = torch.linalg.eigh(self.matrix)
        return values, vectors

    @cached_property
    def spectrum(self) -> Spectrum:
        """All eigenvalues, of equal weights."""
        return Spectrum.dense(self.eigen[0], self.kind)

    def along(self, c: Tensor) -> Spectrum:
        """All eigenvalues, weighted as c (D,) sees them."""
        return Spectrum.dense(self.eigen[0], self.kind, along=self.eigen[1].T @ c.double())

    def absolute(self) -> Bowl:
        """Return :math:`|H|`."""
        values, vectors = self.eigen
        return Bowl((vectors * values.abs()) @ vectors.T, "absolute")

    def positive(self) -> Bowl:
        """Return :math:`H_+`."""
        values, vectors = self.eigen
        return Bowl((vectors * values.clamp(min=0)) @ vectors.T, "positive")

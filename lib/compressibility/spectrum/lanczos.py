r"""Lanczos quadrature: the spectrum of an operator from a few dozen products.

m steps from a start v give orthonormal vectors in whose basis the operator is a tridiagonal T.
With :math:`\theta_j` the eigenvalues of T and :math:`\tau_j` the squared first components of its
eigenvectors,

.. math:: \frac{v^\top f(H) v}{\|v\|^2} \approx \sum_j \tau_j f(\theta_j)

is exact for polynomials f of degree 2m-1 (Golub and Meurant, Matrices, Moments and Quadrature with
Applications, Princeton 2010). For :math:`H \succeq 0` and :math:`f(t) = a / (bt + a)` the sum
increases with m to its limit: it errs on one side. The pairs are used as they are: a smoothed
density on a grid loses what falls between its points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from compressibility import estimates
from compressibility.checks import floats, need, whole
from compressibility.dice import uniforms
from compressibility.estimates import Estimate
from compressibility.spectrum.density import Kind, Spectrum
from compressibility.spectrum.operators import Operator


@dataclass(frozen=True, eq=False)
class Run:
    """m steps from each of k starts. Its tensors, saved, are all that going on needs."""

    basis: Tensor  # (k, m + 1, D) of the operator's dtype, orthonormal; the last is for step m + 1
    diagonal: Tensor  # (k, m) float64, of T
    beside: Tensor  # (k, m) float64, next to it; the last belongs to step m + 1
    kind: Kind

    @property
    def steps(self) -> int:
        """The number m of steps done."""
        return self.diagonal.shape[1]

    def spectra(self, steps: int | None = None) -> tuple[Spectrum, ...]:
        """Return the Ritz values of each start and their weights, after all steps or the first."""
        m = self.steps if steps is None else steps
        need(1 <= m <= self.steps, f"1 <= steps <= {self.steps}", m)
        beside = torch.diag_embed(self.beside[:, : m - 1], 1)
        tridiagonal = torch.diag_embed(self.diagonal[:, :m]) + beside + beside.mT
        values, vectors = torch.linalg.eigh(tridiagonal.cpu())
        pairs = zip(values, vectors[:, 0].square(), strict=True)
        return tuple(Spectrum(v, w, self.basis.shape[2], self.kind) for v, w in pairs)

    def spectrum(self, steps: int | None = None) -> Spectrum:
        """Return the Ritz values of all starts as one spectrum."""
        found = self.spectra(steps)
        values = torch.cat([one.values for one in found])
        weights = torch.cat([one.weights for one in found]) / len(found)
        return Spectrum(values, weights, found[0].dimension, self.kind)

    def mean(
        self, function: Callable[[Tensor], Tensor], *, steps: int | None = None, level: float = 0.99
    ) -> Estimate:
        r"""Return :math:`\mathrm{Tr} f(H) / D`, with the interval over the starts, two or more.

        The interval is that of the random starts: it does not see what too few steps lack.
        """
        return estimates.mean([one.mean(function) for one in self.spectra(steps)], level=level)


def lanczos(
    operator: Operator,
    starts: Tensor | Run,
    steps: int,
    *,
    progress: Callable[[Run], object] | None = None,
) -> Run:
    """Run so many steps from vectors (D,) or (D, k), or go on with a run up to so many.

    Each new vector is made orthogonal to all before, twice. ``progress`` is called after each step
    with the run so far, to be saved, say. Memory is that of k (steps + 1) vectors.

    A start that is a vector c, not random, shows H as c sees it:

    >>> from compressibility.spectrum.density import Bowl
    >>> of = Operator.of(Bowl(torch.diag(torch.tensor([1.0, 2.0, 3.0])), "positive"))
    >>> round(lanczos(of, torch.tensor([0.0, 3.0, 4.0]), 2).spectrum().mean(torch.log2), 6)
    1.374376
    """
    dimension = operator.shape[0]
    need(1 <= steps <= dimension, f"1 <= steps <= {dimension}", steps)
    done = starts if isinstance(starts, Run) else _begun(operator, starts)
    holds = (done.basis.shape[2], done.kind) == (dimension, operator.kind) and done.steps <= steps
    need(holds, f"a run of this operator of at most {steps} steps", (done.kind, done.steps))
    k, m = len(done.basis), done.steps
    basis = done.basis.new_empty(k, steps + 1, dimension)
    basis[:, : m + 1] = done.basis
    diagonal, beside = (x.new_zeros(k, steps) for x in (done.diagonal, done.beside))
    diagonal[:, :m], beside[:, :m] = done.diagonal, done.beside
    floor = torch.finfo(basis.dtype).eps * dimension**0.5
    for j in range(m, steps):
        image = (operator @ basis[:, j].T).T[..., None]
        diagonal[:, j] = (basis[:, j, None] @ image).flatten()
        scale = torch.maximum(diagonal.abs(), beside).amax(1)
        if 0 < j == m:  # a run goes on: the one number of T that is known before
            gap = (basis[:, j - 1, None] @ image).flatten() - beside[:, j - 1]
            same = bool((gap.abs() <= 0.05 * scale).all())
            need(same, "a run of this operator", f"one that differs by {gap.tolist()}")
        before = basis[:, : j + 1]
        for _ in range(2):
            image = image - before.mT @ (before @ image)
        length = image[..., 0].norm(dim=1).double()
        # Less is rounding: the space that the start can reach is exhausted, and T complete.
        scale = scale.clamp(min=torch.finfo().tiny)
        beside[:, j] = torch.where(length > floor * scale.to(length), length.to(scale), 0.0)
        over = torch.where(beside[:, j] > 0, 1 / beside[:, j].clamp(min=torch.finfo().tiny), 0.0)
        basis[:, j + 1] = image[..., 0] * over[:, None].to(image)
        if progress:
            far = slice(None), slice(j + 1)
            progress(Run(basis[:, : j + 2], diagonal[far], beside[far], operator.kind))
    return Run(basis, diagonal, beside, operator.kind)


def quadrature(
    operator: Operator,
    steps: int,
    generator: torch.Generator,
    *,
    starts: int = 3,
    progress: Callable[[Run], object] | None = None,
) -> Run:
    """Run Lanczos from random vectors of signs: the whole spectrum, of equal weights."""
    vectors = signs(operator, starts, generator)
    return lanczos(operator, vectors, steps, progress=progress)


def signs(operator: Operator, count: int, generator: torch.Generator) -> Tensor:
    """Draw vectors (D, count) of independent fair signs."""
    whole(count=count)
    return (uniforms((count, operator.shape[0]), generator) < 0.5).T.to(operator.like) * 2 - 1


def _begun(operator: Operator, starts: Tensor) -> Run:
    fits = starts.ndim in (1, 2) and starts.numel() > 0 and len(starts) == operator.shape[0]
    need(fits, f"starts (D,) or (D, k), D = {operator.shape[0]}", tuple(starts.shape))
    floats(starts=starts)
    sizes = starts.reshape(len(starts), -1).T.detach()
    most = sizes.abs().amax(1, keepdim=True)
    need(bool((most > 0).all()), "starts != 0", most.flatten().tolist())
    vectors = (sizes / most).to(operator.like)  # no square underflows
    lengths = vectors.norm(dim=1, keepdim=True)
    none = torch.zeros(len(vectors), 0, dtype=torch.float64, device=vectors.device)
    return Run((vectors / lengths)[:, None], none, none, operator.kind)

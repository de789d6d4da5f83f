r"""Best k-term approximation: what share of a vector may go, and what its law says of wide layers.

.. math:: \bar\sigma_k(x)_p = \min_{\|y\|_0 \le k} \|x - y\|_p / \|x\|_p

Values are (..., N), vectors of N: concatenate layers to prune them together, subtract a center to
prune deviations. Of N exactly :math:`\lceil \kappa N \rceil` are kept; for k pass ``Fraction(k,
N)``. [B] = Barsbey et al., *Heavy Tails in SGD and Compressibility of Overparametrized Neural
Networks*, NeurIPS 2021 (arXiv 2106.03795). [G] = Gribonval, Cevher, Davies, *Compressible
Distributions for High-Dimensional Statistics*, IEEE Trans. Inform. Theory 58 (2012).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import integrate, optimize, special, stats
from torch import Tensor

from compressibility import checks
from compressibility.checks import Share, decimal, floats, need
from compressibility.models.maps import power_of_two
from compressibility.noise import stable

_FAR = 200.0  # in log x: powers of exp(200) have room in float64


def kept_count(kept: Share, total: int) -> int:
    r"""Return :math:`\lceil \kappa N \rceil`, exactly.

    >>> kept_count(0.28, 25)  # in floats 8
    7
    """
    return total - checks.count(1 - decimal(kept), total)


def errors(values: Tensor, kept: Share | Sequence[Share], *, p: float = 2.0) -> Tensor:
    r"""Relative errors :math:`\bar\sigma_{\lceil \kappa N \rceil}(x)_p`; 0 for a vector of zeros.

    Values (..., N) give (...) float64 for one kept share, (..., shares) for several.

    >>> errors(torch.tensor([3.0, -12.0, 4.0]), [0.5, 1.0]).mul(13).tolist()
    [3.0, 0.0]
    """
    curve, total = _curve(values, p), values.shape[-1]
    if isinstance(kept, Sequence | np.ndarray):
        return curve[..., [total - kept_count(share, total) for share in kept]]
    return curve[..., total - kept_count(kept, total)]


def removable(values: Tensor, error: float, *, p: float = 2.0, squared: bool = False) -> Tensor:
    r"""Share that may go, :math:`\max \{ j : \bar\sigma_{N-j}(x)_p \le \varepsilon \} / N`.

    Values (..., N) give (...) float64. With ``squared``, ε bounds the square of the error.

    >>> removable(torch.tensor([12.0, 4.0, 3.0]), 0.3).item() * 3
    1.0
    """
    need(0 <= error <= 1, "0 <= error <= 1", error)
    removed = (_curve(values, p) <= (math.sqrt(error) if squared else error)).sum(-1) - 1
    return removed.double() / values.shape[-1]


def _curve(values: Tensor, p: float) -> Tensor:
    """Relative errors of removing the 0, 1, …, N smallest, (..., N + 1)."""
    need(0 < p <= 20, "0 < p <= 20 (beyond, powers leave the floats)", p)
    floats(values=values)
    need(values.ndim >= 1 and values.numel() > 0, "values (..., N), not empty", values.shape)
    size = values.detach().double().abs()
    size = size / power_of_two(size.amax(-1, keepdim=True))  # exact; no power overflows
    # Without indices, NumPy sorts several times as fast on a CPU.
    sort = torch.from_numpy(np.sort(size.numpy(), -1)) if size.is_cpu else size.sort(-1).values
    removed = torch.nn.functional.pad(sort.pow(p).cumsum(-1), (1, 0))
    total = removed[..., -1:]
    return (removed / torch.where(total > 0, total, 1.0)).pow(1 / p)


@dataclass(frozen=True)
class Law:
    r"""A law of independent values, by the share of their q-th moment that small values hold.

    .. math:: G_q(\kappa) = \int_0^{1-\kappa} Q(u)^q du \Big/ \int_0^1 Q(u)^q du, \qquad
              \bar\sigma_{\lceil \kappa N \rceil}(X_1, \dots, X_N)_q^q \to G_q(\kappa)
              \;\text{ if } E|X|^q < \infty, \text{ else } \to 0 \;\; (\kappa > 0)

    almost surely, Q the quantiles of :math:`|X|`: after Proposition 1 of [G]. Scales do not matter.

    >>> round(GAUSSIAN.removable(0.1), 4), round(student(3).removable(0.1), 4)
    (0.2653, 0.357)
    """

    below: Callable[[float, float], float]  # G_q(κ) of κ in (0, 1) and q < moments, without atom
    moments: float = math.inf  # E|X|^q is finite exactly for q below
    atom: float = 0.0  # P(X = 0) in a mixture: dataclasses.replace(GAUSSIAN, atom=0.25)

    def __post_init__(self) -> None:
        need(self.moments > 0, "moments > 0", self.moments)
        need(0 <= self.atom < 1, "0 <= atom < 1", self.atom)

    def limit(self, kept: float, *, q: float = 2.0) -> float:
        """Return G_q(κ), the limit of the q-th *power* of the error; 0 without the q-th moment."""
        need(0 <= kept <= 1 and 0 < q < math.inf, "0 <= kept <= 1, 0 < q < inf", (kept, q))
        left = float(kept) / (1 - self.atom)
        if left == 0 or left >= 1:
            return float(left == 0)
        return 0.0 if q >= self.moments else float(self.below(left, q))

    def removable(self, error: float, *, q: float = 2.0) -> float:
        """Return the share 1-κ at which the error (not its power) has this limit."""
        need(0 <= error <= 1 and 0 < q < math.inf, "0 <= error <= 1, 0 < q < inf", (error, q))
        if q >= self.moments or error == 1:
            return 1.0
        gap = lambda removed: self.limit(1 - removed, q=q) - error**q  # noqa: E731
        return float(optimize.brentq(gap, self.atom, 1.0)) if error else self.atom


GAUSSIAN = Law(lambda k, q: special.gammainc((q + 1) / 2, special.gammainccinv(0.5, k)))
LAPLACE = Law(lambda k, q: special.gammainc(q + 1, -math.log(k)))
UNIFORM = Law(lambda k, q: (1 - k) ** (q + 1))


def student(degrees: float) -> Law:
    """Student's t; one degree of freedom is Cauchy."""
    need(0.1 <= degrees <= 1e20, "0.1 <= degrees <= 1e20", degrees)
    below = lambda k, q: special.betainc(  # noqa: E731
        (q + 1) / 2, (degrees - q) / 2, special.betainccinv(0.5, degrees / 2, k)
    )
    return Law(below, degrees)


def pareto(tail: float) -> Law:
    """:math:`P(X > x) = x^{-a}` for x >= 1."""
    need(tail > 0, "tail > 0", tail)
    return Law(lambda k, q: 1 - k ** (1 - q / tail), tail)


def law_of(frozen: Any, *, moments: float = math.inf) -> Law:
    """Return the law of a frozen continuous distribution of SciPy, by quadrature; no atoms.

    >>> round(law_of(stats.t(3), moments=3).limit(0.3) / student(3).limit(0.3), 9)
    1.0
    """
    need(hasattr(frozen, "dist"), "a frozen law, with its parameters", frozen)
    need(isinstance(frozen.dist, stats.rv_continuous), "a continuous law", frozen.dist.name)

    def level(chance: float) -> float:  # log t with P(|X| > t) = chance
        def gap(y: float) -> float:
            return float(frozen.sf(math.exp(y)) + frozen.cdf(-math.exp(y)) - chance)

        ends = gap(-_FAR), gap(_FAR)
        need(ends[0] >= 0 >= ends[1], "quantiles of |X| from exp(-200) to exp(200)", ends)
        return float(optimize.brentq(gap, -_FAR, _FAR))

    def part(y: float, q: float) -> float:  # of E|X|^q at x = exp(y), where power tails are short
        x = math.exp(y)
        return math.exp((q + 1) * y + np.logaddexp(frozen.logpdf(x), frozen.logpdf(-x)))

    def integral(low: float, high: float, q: float) -> float:
        ends = sorted({low, high, *(cut for cut in cuts if low < cut < high)})
        pieces = (
            integrate.quad(part, a, b, (q,), epsabs=0, epsrel=1e-10, limit=200)[0]
            for a, b in pairwise(ends)
        )
        return float(sum(pieces))

    left, right = frozen.support()
    middle, spread = level(0.5), level(0.25) - level(0.75)
    need(spread > 1e-9, "quartiles of |X| that differ by more than 1e-9 of them", spread)
    # Far from 0 the density is a peak that quadrature of the whole range does not see.
    cuts = [middle + spread * sign * 8.0**j for j in range(12) for sign in (-1, 0, 1)]
    bottom = math.log(max(left, -right, math.exp(middle - 50)))
    top = min(math.log(max(-left, right)), middle + _FAR)

    @cache
    def moment(q: float) -> float:
        total = integral(bottom, top, q)
        seen = top < middle + _FAR or _FAR * part(top, q) <= 1e-9 * total
        need(seen, f"E|X|^{q:g} < inf, not by a narrow margin; else give moments", moments)
        return total

    return Law(lambda k, q: integral(bottom, level(k), q) / moment(q), moments)


def bulk(alpha: float, kept: float, of: Callable[[NDArray[np.float64]], Any] = np.square) -> float:
    r"""Return :math:`b(\kappa) = E[X^2; |X| \le t]` with :math:`P(|X| > t) = \kappa`, X stable.

    Or that of another even function, of its values at many x.
    """
    need(0 < kept <= 1, "0 < kept <= 1", kept)
    end = math.log1p(float(stable.quantile(alpha, 1 - kept / 2)))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = np.expm1(end / 2 * (nodes + 1))
    return float(end * (weights * of(x) * (1 + x)) @ np.asarray(stable.density(alpha, x)))


def stable_rate(alpha: float, kept: float, count: float) -> float:
    r"""Predicted *median* of the error of N independent symmetric stable values, p = 2; ours.

    .. math:: N^{1/\alpha - 1/2} \, \bar\sigma_{\kappa N} \Rightarrow \sqrt{b(\kappa) / S}, \qquad
              N^{-2/\alpha} \sum_i X_i^2 \Rightarrow S

    The limit is random: its spread stays. N = 1 gives the constant, whatever the scale.

    >>> round(stable_rate(1.0, 0.3, 1), 4)
    0.6266
    """
    need(0 < alpha < 2 and count >= 1, "0 < alpha < 2, count >= 1", (alpha, count))
    constant = math.sqrt(bulk(alpha, kept) / float(stable.squares_median(alpha)))
    return float(constant * float(count) ** (0.5 - 1 / alpha))


def width_factor(alpha: float, *, smaller: float = 2.0) -> float:
    r"""How many times as many values, :math:`c^{2\alpha/(2-\alpha)}`, for 1/c of the error."""
    need(0 < alpha < 2 and smaller >= 1, "0 < alpha < 2, smaller >= 1", (alpha, smaller))
    power = 2 * alpha / (2 - alpha)
    fits = power * math.log(smaller) < 700
    need(fits, "smaller^(2 alpha / (2 - alpha)) < exp(700)", (alpha, smaller))
    return float(smaller**power)

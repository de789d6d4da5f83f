r"""Stable laws: draws with right tails, densities, quantiles, constants.

One convention, here of scale s = 1: the index α, :math:`0 < \alpha \le 2`, and

.. math:: E\,e^{iuX} = e^{-|su|^\alpha}

so α = 2 is N(0, 2s²) and α = 1 Cauchy. They are the weights of [B] = Barsbey, Sefidgaran, Erdogdu,
Richard, Şimşekli, *Heavy Tails in SGD and Compressibility of Overparametrized Neural Networks*,
NeurIPS 2021 (arXiv 2106.03795). Draws are float64; for α below about 0.05 some leave the floats and
are infinite or 0, none is nan. Densities and quantiles are quadratures of the formulas that the
draws use: SciPy's agree in the bulk, but break off in the tail (α = 1.5: at 10⁴).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from torch import Tensor

from compressibility.checks import finite, need, whole
from compressibility.dice import uniforms


def symmetric(alpha: float, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    r"""Draw independent symmetric α-stable numbers (Chambers, Mallows, Stuck 1976).

    .. math:: X = \frac{\sin \alpha V}{(\cos V)^{1/\alpha}}
              \left(\frac{\cos((1 - \alpha) V)}{W}\right)^{(1 - \alpha)/\alpha}

    V uniform on (-π/2, π/2), W exponential.

    >>> symmetric(1.5, (2, 3), torch.Generator()).shape
    torch.Size([2, 3])
    """
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    return _draw(alpha, shape, generator, skew=False)


def positive(alpha: float, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    r"""Draw independent positive stable numbers of index β = α/2 (Kanter 1975); for α = 2 ones.

    .. math:: E\,e^{-\gamma S} = e^{-\gamma^\beta}, \qquad
              S = \frac{\sin \beta U}{(\sin U)^{1/\beta}}
              \left(\frac{\sin((1 - \beta) U)}{W}\right)^{(1 - \beta)/\beta}

    U uniform on (0, π), W exponential.

    >>> bool((positive(1.0, (1000,), torch.Generator()) > 0).all())
    True
    """
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    if alpha == 2:
        return torch.ones(tuple(shape), dtype=torch.float64, device=generator.device)
    return _draw(alpha / 2, shape, generator, skew=True)


def elliptical(alpha: float, count: int, dimension: int, generator: torch.Generator) -> Tensor:
    r"""Draw independent rotation invariant α-stable vectors, (count, dimension).

    .. math:: X = \sqrt{2 S}\, G, \qquad
              E\,e^{i \langle u, X \rangle} = E\,e^{-S \|u\|^2} = e^{-\|u\|^\alpha}

    S from :func:`positive`, one a vector; G standard normal. At α = 1, 2S is 1/Z² with Z normal.

    >>> elliptical(1.5, 4, 3, torch.Generator()).shape
    torch.Size([4, 3])
    """
    whole(count=count, dimension=dimension)
    scale = (2 * positive(alpha, (count, 1), generator)).sqrt()
    return scale * scale.new_empty(count, dimension).normal_(generator=generator)


def characteristic(alpha: float, u: ArrayLike | Tensor) -> Tensor:
    r"""Return :math:`e^{-|u|^\alpha}`, shaped as u."""
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    return (-_reals(u).abs().pow(alpha)).exp()


def density(alpha: float, x: ArrayLike | Tensor) -> Tensor:
    r"""Return the density of the symmetric law, shaped as x; exact to about 10⁻¹¹ of itself.

    .. math:: p(x) = \frac{\alpha}{\pi |1 - \alpha|\, |x|}
              \int_0^{\pi/2} \zeta e^{-\zeta}\, dv, \qquad \zeta(v) = \cos((1-\alpha) v)
              \left(\frac{|x|^\alpha \cos v}{(\sin \alpha v)^\alpha}\right)^{1/(\alpha-1)}

    (Zolotarev). α is at least 0.1, and 1 or at least 0.001 from it.

    >>> round(density(1.5, 0.0).item(), 6)  # Γ(1 + 1/α)/π
    0.287353
    """
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    finite(x=(x := _reals(x)))
    if alpha == 1:
        return 1 / (math.pi * (1 + x.square()))
    (logs, weights), power = _integral(alpha), alpha / (1 - alpha)
    sizes = x.abs().clamp(min=1e-35).reshape(-1, 1)  # so near 0 the density no longer changes
    each = (logs - power * size.log() for size in sizes)  # log ζ
    values = x.new_tensor([(weights @ (log - log.exp()).exp()).item() for log in each])
    return values.mul(abs(power) / 2).reshape(x.shape) / sizes.reshape(x.shape)


def quantile(alpha: float, q: float) -> float:
    r"""Return the x with :math:`P(X \le x) = q` of the symmetric law; α as in :func:`density`.

    :math:`\pi P(X > x)` is the integral of :math:`e^{-\zeta}` for α > 1, of 1 minus it for α < 1.

    >>> round(quantile(1.0, 0.75), 12)
    1.0
    """
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    side, tail = (-1, q) if q < 0.5 else (1, 1 - q)
    need(tail >= 1e-20, "1e-20 <= q <= 1 - 1e-20", q)
    if alpha == 1 or q == 0.5:
        return side / math.tan(math.pi * tail) * (q != 0.5)
    logs, weights = _integral(alpha)

    def excess(log_x: float) -> float:
        zeta = (logs - alpha / (1 - alpha) * log_x).exp()
        return float(weights @ ((-zeta).exp() if alpha > 1 else -(-zeta).expm1())) - 2 * tail

    return side * math.exp(brentq(excess, -80, (5 - math.log(tail)) / alpha, xtol=1e-13))


def tail_constant(alpha: float) -> float:
    r"""Return :math:`C_\alpha` of :math:`P(|X| > x) \sim C_\alpha x^{-\alpha}`; 0 for α = 2.

    .. math:: C_\alpha = \tfrac2\pi\, \Gamma(\alpha) \sin \tfrac{\pi \alpha}2

    >>> round(tail_constant(1.45), 6)
    0.428739
    """
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    return 2 / math.pi * math.gamma(alpha) * math.sin(math.pi / 2 * min(alpha, 2 - alpha))


def squares_scale(alpha: float) -> float:
    r"""Return the factor c of the limit law of sums of squares (ours).

    .. math:: N^{-2/\alpha} \sum_{i \le N} X_i^2 \Rightarrow c\, S, \qquad
              c = \left(C_\alpha \Gamma(1 - \tfrac\alpha2)\right)^{2/\alpha}
              = 4 \left(\Gamma(\tfrac{1 + \alpha}2) / \sqrt\pi\right)^{2/\alpha}

    S from :func:`positive`. The second form also holds at α = 2, where S = 1.

    >>> round(squares_scale(2.0), 12)
    2.0
    """
    need(0 < alpha <= 2, "0 < alpha <= 2", alpha)
    return 4.0 * math.pow(math.gamma((1 + alpha) / 2) / math.sqrt(math.pi), 2 / alpha)


def squares_median(alpha: float) -> float:
    """Return the median of that law c S, by quadrature of Kanter's formula; α ≤ 1.998 or 2.

    >>> round(squares_median(1.45), 5)
    1.44014
    """
    scale, index = squares_scale(alpha), alpha / 2
    if index == 1:
        return scale
    (logs, weights), power = _integral(index, skew=True), index / (1 - index)
    excess = lambda y: float(weights @ (-(logs - power * y).exp()).exp()) - 0.5  # noqa: E731
    return scale * math.exp(brentq(excess, -50 / index, 50 / index, xtol=1e-13))


def _reals(values: ArrayLike | Tensor) -> Tensor:
    numbers = torch.as_tensor(values, dtype=torch.complex128).detach()
    need(bool((numbers.imag == 0).all()), "real numbers", "complex ones")
    return numbers.real


def _open(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw odd multiples of 2⁻⁵³ in (-1, 1): never 0, and 1 - |·| is exact; tails need all bits."""
    return 2 * uniforms(shape, generator) - (1 - 2.0**-53)


def _draw(index: float, shape: Sequence[int], generator: torch.Generator, *, skew: bool) -> Tensor:
    """Draw near · edge^(-1/index) · (middle/W)^(1/index - 1), in blocks that fit into a cache."""
    drawn = torch.empty(tuple(shape), dtype=torch.float64, device=generator.device)
    for block in torch.split(drawn.view(-1), 2**14 if drawn.is_cpu else 2**24):
        signed = _open(block.shape, generator)
        wait = -_open(block.shape, generator).abs().log()  # exponential, never 0
        near, middle, edge = _sines(index, signed.abs(), 1 - signed.abs(), skew)
        power = (middle / (wait * edge)).log().div(index).exp()
        block.copy_(near * (wait / middle) * power * (1 if skew else signed.sign()))
    return drawn


def _sines(index: float, share: Tensor, rest: Tensor, skew: bool) -> tuple[Tensor, ...]:
    """Return sin αV, cos (1-α)V, cos V for V = share π/2; "skew", of U = share π, of Kanter's."""
    if skew:
        turns = index * share, (1 - index) * share, torch.minimum(share, rest)
        return tuple((math.pi * turn).sin() for turn in turns)
    # Of each sine's two angles the small one, without cancellation: α = 2 needs it.
    near = torch.minimum(index * share, (2 - index) * share + 2 * rest)
    turns = near, (1 - abs(1 - index)) * share + rest, rest
    return tuple((math.pi / 2 * turn).sin() for turn in turns)


def _integral(index: float, *, skew: bool = False) -> tuple[Tensor, Tensor]:
    """Return log ζ for |x| = 1 along the angle's range, and weights of sum 1.

    Trapezoids in the logit reach as far as any tail asks. ζ is as steep as the index is near 1.
    """
    need(index >= 0.1, "an index of at least 0.1", index)  # else values leave the floats
    need(abs(1 - index) > 0.999e-3, "an index of 1, or at least 0.001 from it", index)
    step = abs(1 - index) / (4 * max(1.0, index))
    logit = torch.arange(-100, 60, step, dtype=torch.float64)
    share, rest = logit.sigmoid(), (-logit).sigmoid()
    near, middle, edge = _sines(index, share, rest, skew)
    return (index * near.log() - edge.log()) / (1 - index) + middle.log(), step * share * rest

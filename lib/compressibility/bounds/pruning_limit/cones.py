r"""Cones: Gaussian widths, statistical dimensions, and when a random subspace meets a cone.

.. math:: w(S) = E \sup_{x \in S} \langle g, x \rangle, \qquad
          \delta(C) = E \|\Pi_C(g)\|^2, \qquad g \sim N(0, I_D)

[Z] = Zhang, Zhang, Sun, Liu, *How Sparse Can We Prune A Deep Network: A Fundamental Limit
Perspective*, NeurIPS 2024 (arXiv 2306.05857). [A] = Amelunxen, Lotz, McCoy, Tropp, *Living on the
edge: phase transitions in convex programs with random data*, Information and Inference 3 (2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import integrate, special, stats
from torch import Tensor

from compressibility.checks import finite, need, not_negative, whole
from compressibility.estimates import Estimate, mean


@dataclass(frozen=True)
class Cone:
    r"""A closed convex cone of :math:`\mathbb{R}^D`, by two numbers; the polar one has D - δ.

    .. math:: \tfrac12 - \tfrac1{2\pi} \le \delta - w^2 \le 1

    Ours on the left, where [A] has 0; a line has :math:`1 - 2/\pi`.
    """

    delta: float  # δ
    width: float  # w of the cone's part of the unit *sphere*


def subspace(k: int) -> Cone:
    """Return a subspace of k dimensions, in any space: δ = k.

    >>> round(subspace(1).width ** 2, 6)  # 2 / π
    0.63662
    """
    whole(k=k)
    return Cone(float(k), _chi(k))


def orthant(dimension: int) -> Cone:
    """Return the vectors without negative entries: δ = D/2.

    >>> orthant(30).delta
    15.0
    """
    whole(dimension=dimension)
    j = np.arange(1, dimension + 1)  # of g's entries are positive
    width = stats.binom.pmf(j, dimension, 0.5) @ [_chi(int(k)) for k in j]
    # Where none is, the best unit vector takes the one nearest to 0.
    least = integrate.quad(lambda t: special.erfc(t / math.sqrt(2)) ** dimension, 0, 40)[0]
    return Cone(dimension / 2, float(width - 0.5**dimension * least))


def circular(dimension: int, angle: float) -> Cone:
    r"""Return the vectors within an angle :math:`\alpha \le \pi/2` of an axis, by quadrature.

    δ is :math:`D \sin^2\alpha + \cos 2\alpha + O(1/D)`; 1/2 for a ray, D - 1/2 for a half-space.

    >>> round(circular(300, 0.7).delta, 6)
    124.674896
    """
    whole(dimension=dimension)
    need(dimension >= 2, "dimension >= 2", dimension)
    need(0 <= angle <= math.pi / 2, "0 <= angle <= pi / 2", angle)
    reach = min(math.pi / 2, 12 / math.sqrt(dimension))  # g is nearly orthogonal to the axis
    ends = math.pi / 2 - reach, math.pi / 2 + reach
    kinks = [at for at in (angle, angle + math.pi / 2) if ends[0] < at < ends[1]] or None

    def over(function: Callable[[float], float]) -> float:
        part = lambda t: math.sin(t) ** (dimension - 2) * function(t)  # noqa: E731
        found = integrate.quad(part, *ends, points=kinks, epsabs=0, epsrel=1e-11, limit=200)
        return float(found[0])

    def cosine(t: float) -> float:
        return math.cos(max(0.0, t - angle))

    total = over(lambda _: 1.0)
    delta = dimension * over(lambda t: max(0.0, cosine(t)) ** 2) / total
    # The cosine itself has mean 0: without it nothing cancels.
    cosines = over(lambda t: cosine(t) - math.cos(t)) / total
    return Cone(delta, _chi(dimension) * cosines)


def ellipsoid_width(semi_axes: Tensor) -> float:
    r"""Return the width :math:`E (\sum_i r_i^2 g_i^2)^{1/2}` of an ellipsoid, by quadrature.

    .. math:: E\sqrt X = \frac{1}{2\sqrt\pi} \int_0^\infty (1 - E e^{-tX}) \, t^{-3/2} \, dt

    It lies between :math:`\sqrt{2/\pi}` and 1 times :math:`(\sum_i r_i^2)^{1/2}`.

    >>> round(ellipsoid_width(torch.tensor([3.0, 4.0])), 6)
    4.409009
    """
    finite(semi_axes=semi_axes)
    need(bool((semi_axes != 0).any()), "a semi-axis != 0", tuple(semi_axes.shape))
    size = semi_axes.detach().double().abs()
    squares = (size / size.max()).square()
    step = 0.25  # in log t, where the trapezoidal rule is exact to rounding
    logs = torch.arange(-80, 80, step, dtype=torch.float64)
    product = torch.stack([(2 * t * squares).log1p().sum() / 2 for t in logs.exp().tolist()])
    total = -torch.special.expm1(-product.cpu()) @ (-logs / 2).exp()
    return float(size.max()) * float(total) * step / (2 * math.sqrt(math.pi))


def points_width(points: Tensor, *, draws: int, generator: torch.Generator) -> Estimate:
    r"""Width :math:`\frac12 E \sup_{x, y} \langle g, x - y \rangle` of points (n, D) or their hull.

    >>> segment = torch.tensor([[7.0, 0.0], [7.0, 2.0]])  # 2 / (2 π)^½
    >>> found = points_width(segment, draws=4000, generator=torch.Generator())
    >>> found.low < 0.797885 < found.high
    True
    """
    finite(points=points)
    need(points.ndim == 2 and points.numel() > 0, "points (n, D)", tuple(points.shape))
    seen = points.detach().double() @ normal((points.shape[1], draws), generator)
    return mean(((seen.amax(0) - seen.amin(0)) / 2).cpu().numpy())


def margin(eta: float, dimension: int, delta: float | None = None) -> float:
    r"""How far from D a sum of two statistical dimensions must be to decide, but for a chance η.

    .. math:: a_\eta \sqrt D, \;\; a_\eta = \sqrt{8 \log(4/\eta)} \qquad \text{or, with } \delta,
              \qquad 4 \exp\Big(\frac{-\lambda^2/8}{\omega^2 + \lambda}\Big) = \eta, \;\;
              \omega^2 = \min(\delta, D - \delta)

    After Theorem I of [A], for two cones, and Theorem 7.1, for a cone and a subspace.

    >>> round(margin(0.01, 1000), 1), round(margin(0.01, 1000, delta=10.0), 1)
    (218.9, 56.4)
    """
    need(0 < eta < 1, "0 < eta < 1", eta)
    whole(dimension=dimension)
    if delta is None:
        return math.sqrt(8 * math.log(4 / eta) * dimension)
    return _needed(math.log(4 / eta), dimension, delta)


def union_margin(k: int, dimension: int, delta: float) -> float:
    r"""Return the λ with :math:`\lambda^2 / 8(\omega^2 + \lambda) = D h(k/D)`, h in nats.

    Only beyond it would a union over all supports of size k say anything: it is of order D.

    >>> round(union_margin(60, 600, delta=300.0), 1)
    1817.9
    """
    whole(dimension=dimension)
    need(0 <= k <= dimension, f"0 <= k <= dimension = {dimension}", k)
    entropy = float(special.entr([k / dimension, 1 - k / dimension]).sum())
    return _needed(dimension * entropy, dimension, delta)


def guaranteed(
    delta: float, k: int, dimension: int, *, margin: float
) -> Literal["meet", "miss", "open"]:
    r"""Say what a cone and a *uniformly random* subspace of k dimensions do, but for a chance η.

    :math:`k + \delta \ge D + \lambda`: they meet outside 0; :math:`\le D - \lambda`: they miss each
    other. Nothing follows for coordinate subspaces, or for all of them at once.

    >>> [guaranteed(500.0, k, 1000, margin=218.9) for k in (281, 500, 719)]
    ['miss', 'open', 'meet']
    """
    need(0 <= delta <= dimension, f"0 <= delta <= dimension = {dimension}", delta)
    need(0 <= k <= dimension, f"0 <= k <= dimension = {dimension}", k)
    not_negative(margin=margin)
    if k + delta >= dimension + margin:
        return "meet"
    return "miss" if k + delta <= dimension - margin else "open"


def normal(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw normal numbers in float64, on the generator's device."""
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=generator.device)


def _needed(exponent: float, dimension: int, delta: float) -> float:
    """The λ with λ² / 8(ω² + λ) = exponent."""
    need(0 <= delta <= dimension, f"0 <= delta <= dimension = {dimension}", delta)
    omega2 = min(delta, dimension - delta)
    return 4 * exponent + math.sqrt(16 * exponent**2 + 8 * exponent * omega2)


def _chi(k: int) -> float:
    """Expected norm of k normal numbers."""
    return math.sqrt(2) * float(special.poch(k / 2, 0.5))

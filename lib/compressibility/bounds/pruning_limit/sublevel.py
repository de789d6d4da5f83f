r"""The loss's sublevel set as a cone, seen from a pruned network, in the quadratic model.

:math:`r_i^2 = 2\varepsilon/\lambda_i` are the squared semi-axes of :math:`\{v : \frac12 v^\top H v
\le \varepsilon\}`. [Z] is cited in ``cones``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from scipy import optimize
from torch import Tensor

from compressibility.bounds.pruning_limit.cones import normal
from compressibility.checks import need, not_negative, whole
from compressibility.estimates import Estimate, exact, mean
from compressibility.spectrum.density import Spectrum

_BATCH = 2**16  # numbers in a batch of draws
_EDGE = 1e-12  # Q this near 1 is 1
_FREE = 1e8  # r² beyond so many R²: a free direction, to 8 digits of its share


def effective_dimension(spectrum: Spectrum, squared: float, epsilon: float) -> float:
    r"""Return :math:`\Delta(x) = \sum_i r_i^2 / (x + r_i^2)`; no curvature counts as 1.

    >>> flat = Spectrum.dense(torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]), "positive")
    >>> round(effective_dimension(flat, 1.0, epsilon=0.25), 6)
    3.666667
    """
    check(spectrum, squared, epsilon)
    return spectrum.dimension * spectrum.mean(lambda t: 2 * epsilon / (squared * t + 2 * epsilon))


@dataclass(frozen=True, eq=False)
class SublevelCone:
    r"""The cone C over :math:`c + \{v : \frac12 v^\top H v \le \varepsilon\}`.

    It is the sublevel set's as :math:`w^k = w_* - c` sees it. For every c, in every orientation,
    and with :math:`Q = c^\top H c / 2\varepsilon`:

    .. math:: \delta \ge \Delta(R^2), \qquad Q < 1: \delta = D, \qquad Q = 1: \delta = D - \tfrac12

    The first, proved by us, says on which side the limit of [Z] errs. For a c in general position,
    which sees all of H alike, ``along`` is ``spectrum``, and :math:`\delta/D = 1 - \varrho^2/R^2`.

    >>> ball = Spectrum.dense(torch.ones(300), "positive")
    >>> cone = SublevelCone(ball, ball, radius2=4.0, epsilon=0.6)
    >>> round(cone.confocal, 12), [round(end, 6) for end in cone.window]
    (2.8, [89.7, 90.7])
    """

    spectrum: Spectrum  # all of H
    along: Spectrum  # H as c sees it; for large networks from a Lanczos run that starts at c
    radius2: float  # R² = ‖c‖²
    epsilon: float  # ε

    def __post_init__(self) -> None:
        for part in (self.spectrum, self.along):
            check(part, self.radius2, self.epsilon)
        of = [(part.kind, part.dimension) for part in (self.spectrum, self.along)]
        need(of[0] == of[1], "spectrum and along of one operator", of)

    @cached_property
    def quotient(self) -> float:
        """Q: from 1 down, w^k lies in the sublevel set."""
        return self.radius2 * self.along.mean(lambda t: t) / (2 * self.epsilon)

    @cached_property
    def confocal(self) -> float:
        r"""The root :math:`\varrho^2` of :math:`c^\top H (\varrho^2 H + 2\varepsilon)^{-1} c = 1`.

        0 if Q <= 1. The ellipsoid of squared semi-axes :math:`r_i^2 + \varrho^2` is confocal with
        the sublevel set and goes through c: :math:`R^2 - r_{\max}^2 \le \varrho^2 \le R^2 -
        r_{\min}^2`.
        """
        if self.quotient <= 1 + _EDGE:
            return 0.0

        def gap(x: float) -> float:
            return self.radius2 * self.along.mean(lambda t: t / (x * t + 2 * self.epsilon)) - 1

        most, tiny = 2 * self.radius2, 1e-15 * self.radius2  # at R² rounding may hide the sign
        return min(float(optimize.brentq(gap, 0.0, most, xtol=tiny, rtol=1e-14)), self.radius2)

    @cached_property
    def window(self) -> tuple[float, float]:
        r"""Two ends, 1 apart, with δ between them; δ twice where Q <= 1. Ours.

        .. math:: \Delta(\varrho^2) - \kappa \le \delta \le \Delta(\varrho^2) - \kappa + 1, \quad
                  \kappa = \sum_i n_i^2 \frac{r_i^2}{\varrho^2 + r_i^2} \Big/ \sum_i n_i^2, \quad
                  n_i = \frac{c_i}{\varrho^2 + r_i^2}

        C's axes are the eigenvectors of :math:`\mathrm{diag}(r_i^2) - c c^\top`, of values
        :math:`-\varrho^2` (along n) and :math:`\varrho^2 a_i^2`: :math:`C = \{x_0 \ge (\sum_i x_i^2
        / a_i^2)^{1/2}\}`. With :math:`f(g) = \|\Pi_C g\|^2` the lower end is :math:`E f(0, g') =
        \sum_i a_i^2 / (1 + a_i^2)`, and :math:`\frac12 [f(g_0, g') + f(-g_0, g')] - f(0, g')`, the
        bracket, lies in :math:`[0, g_0^2]`.
        """
        if self.confocal == 0:
            half = 0.0 if self.quotient < 1 - _EDGE else 0.5
            return (self.spectrum.dimension - half,) * 2
        x, two = self.confocal, 2 * self.epsilon
        squares = self.along.mean(lambda t: (t / (x * t + two)) ** 2)
        kappa = self.along.mean(lambda t: two * t**2 / (x * t + two) ** 3) / squares
        low = effective_dimension(self.spectrum, x, self.epsilon) - kappa
        return low, low + 1

    def estimate(self, *, draws: int, generator: torch.Generator) -> Estimate:
        r"""Estimate δ by exact projections, for an ``along`` of all eigenvalues.

        Drawn is only the bracket of :attr:`window`, so that 20 000 draws give a standard
        error below .01 whatever D is. Takes :math:`O(D^3)` once and O(D) a draw.

        >>> ball = Spectrum.dense(torch.ones(100), "positive")  # sin² α = .3
        >>> cone = SublevelCone(ball, ball, radius2=1.0, epsilon=0.15)
        >>> found = cone.estimate(draws=1000, generator=torch.Generator())
        >>> found.low < 100 * 0.3 + 1 - 2 * 0.3 < found.high
        True
        """
        whole(draws=draws)
        dimension, theta, two = self.along.dimension, self.along.values, 2 * self.epsilon
        need(len(theta) == dimension, f"all {dimension} eigenvalues", len(theta))
        if self.confocal == 0:
            return exact(self.window[0], 1)
        stiff = _FREE * self.radius2 * theta > two
        c = (self.radius2 * self.along.weights[stiff]).sqrt()
        values = torch.linalg.eigvalsh(torch.diag(two / theta[stiff]) - c.outer(c))
        axes = values[1:].clamp(min=0).to(generator.device) / self.confocal  # a²
        brackets, batch = [], max(1, _BATCH // dimension)
        for start in range(0, draws, batch):
            g = normal((min(batch, draws - start), len(axes) + 1), generator)
            ahead, rest = g[:, 0], g[:, 1:].square()
            both = _projected(axes, ahead, rest) + _projected(axes, -ahead, rest)
            brackets.append(both / 2 - rest @ (axes / (1 + axes)))
        found = mean(torch.cat(brackets).cpu().numpy())
        base = float((axes / (1 + axes)).sum()) + float((~stiff).sum())
        return replace(
            found, value=found.value + base, low=found.low + base, high=found.high + base
        )


def check(spectrum: Spectrum, squared: float, epsilon: float) -> None:
    """Raise ValueError unless the sublevel set is an ellipsoid, free directions allowed."""
    spectrum.check_positive()
    not_negative(squared=squared)
    need(0 < epsilon < math.inf, "0 < epsilon < inf", epsilon)


def _projected(axes: Tensor, ahead: Tensor, rest: Tensor) -> Tensor:
    """Squared norms of the projections onto {x_0 >= (Σ x_i² / a_i²)^½} of n points.

    ``axes`` (m,) are a², ``ahead`` (n,) g_0, ``rest`` (n, m) the other g². The projection is x_i =
    g_i a_i² (1 - u) / (a_i² (1 - u) + u), u in [0, 1] the root of a falling function: Newton's
    steps from 1/2, halves of the bracket where they leave it.
    """
    low, high = torch.zeros_like(ahead), torch.ones_like(ahead)
    u = (low + high) / 2
    for _ in range(60):
        slack = axes * (1 - u[:, None]) + u[:, None]
        parts = rest * axes / slack.square()
        size = parts.sum(1).sqrt()
        left = 1 - 2 * u
        gap = left * size - ahead
        low, high = torch.where(gap > 0, u, low), torch.where(gap > 0, high, u)
        step = u + gap / (2 * size + left * ((parts / slack) @ (1 - axes)) / size)
        step = torch.where((low <= step) & (step <= high), step, (low + high) / 2)
        moved, u = float((step - u).abs().max()), step
        if moved < 1e-12:
            break
    surface = (1 - u) * size  # x_0; inside the cone it is g_0
    others = (1 - u).square() * (parts @ axes)
    return others + torch.maximum(surface, ahead).square()

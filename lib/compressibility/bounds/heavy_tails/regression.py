r"""Streaming SGD on linear regression: how heavy its tail is, exactly (after [B]).

[B] is cited in ``noise.stable``. The theory is that of Gürbüzbalaban, Şimşekli, Zhu, "The
Heavy-Tail Phenomenon in SGD", ICML 2021; the formulas are ours, derived for this book.

A step (``noise.chains``) multiplies the error by :math:`M = I - \frac\eta b\sum_i a_i a_i^\top`.
How its length grows has the same law in all directions e:

.. math:: Q = \|Me\|^2 = \Bigl(1-\tfrac\eta b X\Bigr)^2 + \tfrac{\eta^2}{b^2} X Y, \qquad
          X \sim \chi^2_b,\ Y \sim \chi^2_{d-1} \text{ independent}\ (Y = 0 \text{ if } d = 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logsumexp
from scipy.stats import chi2

from compressibility.checks import need, whole
from compressibility.noise.chains import Regression

Nodes = tuple[NDArray[np.float64], NDArray[np.float64]]
_LARGEST = 1024  # α; beyond it the nodes are too few, and no sample could tell
_NODES = 240  # of a smooth piece: log h(α) to 1e-11; for α > 100, unless h is tiny, to 1e-8
_OUTSIDE = 1e-25  # what an end of the range leaves out


def growth(regression: Regression, alpha: float) -> float:
    r"""Moment of a step's growth, :math:`h(\alpha) = \mathbb{E}\,\|Me\|^\alpha`, for any b and d.

    By tanh–sinh quadrature over X and Y, in logarithms. Closed form: :math:`h(2) = 1 - 2\eta +
    \eta^2\frac{b+d+1}{b}`.

    >>> round(growth(Regression(rate=0.9, batch=4, dimension=7), 2), 9)
    1.63
    """
    need(0 <= alpha <= _LARGEST, f"0 <= alpha <= {_LARGEST}", alpha)
    with np.errstate(over="ignore"):
        return float(np.exp(_log_growth(regression, alpha)))


def drift(regression: Regression) -> float:
    r"""Mean logarithm of a step's growth, :math:`h'(0) = \mathbb{E}\log\|Me\|`.

    >>> drift(Regression(1.0, 2, 1)) < 0 < drift(Regression(3.0, 2, 1))  # a stationary law; none
    True
    """
    logs, weights = _nodes(regression, 0.0)
    return float((logs * np.exp(weights)).sum())


def tail_index(regression: Regression) -> float:
    r"""Tail index of the stationary law: the one :math:`\alpha > 0` with :math:`h(\alpha) = 1`.

    :math:`P(\|x - x^*\| > r) \sim c\,r^{-\alpha}` (Kesten), if labels are noisy. The root is
    unique: a mean of powers, h is convex in :math:`\alpha`; :math:`h(0) = 1`, :math:`h'(0) < 0`,
    and h has no bound, as :math:`\|Me\| > 1` may happen. With :math:`h'(0) \ge 0` there is no root.

    The index depends on :math:`\eta`, b and d, not on :math:`\eta/b` alone, and falls strictly as
    :math:`\eta` grows (proved in the book, heavy-tails/plain-sgd).

    >>> round(tail_index(Regression(1 / math.log(2), batch=2, dimension=1)), 9)
    1.0
    """
    noise, start = regression.label_noise, drift(regression)
    need(noise > 0, "label_noise > 0 (without it the stationary law is a point)", noise)
    need(start < 0, "E log ||Me|| < 0 (else there is no stationary law)", start)
    need(_log_growth(regression, _LARGEST) > 0, f"a tail index below {_LARGEST}", "a larger one")

    def chord(alpha: float) -> float:  # rises from h'(0), since log h is convex
        return _log_growth(regression, alpha) / alpha if alpha > 0 else start

    return _root(chord, 0.0, 1.0)


def critical_rate(batch: int, dimension: int) -> float:
    r"""Rate above which the tail index is below 2: :math:`\eta = 2b/(b+d+1)`, where h(2) = 1.

    >>> critical_rate(batch=3, dimension=6)
    0.6
    """
    whole(batch=batch, dimension=dimension)
    return 2 * batch / (batch + dimension + 1)


def diverging_rate(batch: int, dimension: int) -> float:
    r"""Rate, above the critical one, from which there is no stationary law: :math:`h'(0) = 0`.

    >>> round(diverging_rate(batch=2, dimension=2), 6)
    1.399852
    """
    near = critical_rate(batch, dimension)
    return _root(lambda rate: drift(Regression(rate, batch, dimension)), near / 2, 2 * near)


def second_moment(regression: Regression) -> float:
    r"""Mean square of the stationary law, the fixed point of :math:`v = h(2)\,v + \eta^2 d s^2/b`.

    .. math:: \mathbb{E}\|x - x^*\|^2 = \frac{\eta\,d\,s^2}{2b - \eta(b+d+1)}, \qquad \alpha > 2

    >>> round(second_moment(Regression(0.25, batch=3, dimension=2, label_noise=1.3)), 6)
    0.187778
    """
    rate, b, d = regression.rate, regression.batch, regression.dimension
    need(rate < (most := critical_rate(b, d)), f"rate < 2b/(b+d+1) = {most} (alpha > 2)", rate)
    return rate * d * regression.label_noise**2 / (2 * b - rate * (b + d + 1))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the zero of a function that is negative up to it and positive beyond."""
    while function(high) <= 0:
        low, high = high, 2 * high
    return float(brentq(function, low, high, xtol=1e-14, rtol=1e-13))


def _log_growth(regression: Regression, alpha: float) -> float:
    logs, weights = _nodes(regression, alpha)
    terms = alpha * logs + weights
    return float(terms.max() + np.log(np.exp(terms - terms.max()).sum()))


def _nodes(regression: Regression, alpha: float) -> Nodes:
    """Return nodes log||Me|| and logarithms of their weights, for powers of ||Me|| up to alpha."""
    fits = 1e-9 <= regression.rate <= 1e100  # beyond, floats do not tell the drift
    need(fits, "1e-9 <= rate <= 1e100", regression.rate)
    step = regression.rate / regression.batch
    x, weights = _chi_square(regression.batch, 2 * alpha, 1 / step)
    square = np.square(1 - step * x)
    if regression.dimension > 1:
        y, more = _chi_square(regression.dimension - 1, alpha, 0.0)
        square = square[:, None] + step**2 * x[:, None] * y
        weights = weights[:, None] + more
    return np.log(np.maximum(square, 1e-300)) / 2, weights


def _chi_square(degrees: int, power: float, corner: float) -> Nodes:
    """Return nodes and log-weights of chi-square, for x^(power/2) too; a piece ends at corner."""
    low, high = chi2.ppf(_OUTSIDE, degrees), chi2.isf(_OUTSIDE, degrees + power)
    ends = list(pairwise([low, corner, high] if low < corner < high else [low, high]))
    s = math.pi * np.sinh(t := np.linspace(-4.2, 4.2, _NODES))
    slope = np.log(np.cosh(t)) - np.logaddexp(0, s) - np.logaddexp(0, -s)
    x = np.concatenate([a + (b - a) * expit(s) for a, b in ends])
    weights = np.concatenate([np.log(b - a) + slope for a, b in ends])
    # Relative to the mean: of large terms that cancel no digits would be left.
    weights += (degrees / 2 - 1) * np.log(x / degrees) - (x - degrees) / 2
    return x, weights - logsumexp(weights)

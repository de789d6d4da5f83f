r"""What the theorems of [EGM] (``facts``) say of a whole network: its error, its loss, its size."""

from __future__ import annotations

import math
from fractions import Fraction

from compressibility import checks
from compressibility.bounds.rows import Row


def theorem_error(*, c1: float, m: int, xi: float) -> float:
    r"""Give the error that Theorems 2, 3, 6 and 7 conclude with.

    :math:`\mathbb{E}\|\Phi(x) - \hat\Phi(x)\|^2 \le c_1^{2m}(1+\xi)^m\xi` for ``m`` layers, once
    the audit of its hypotheses holds; with :math:`c_1 = 1` the :math:`\varepsilon` of
    :func:`excess_loss`.

    >>> theorem_error(c1=2, m=1, xi=0.5)
    3.0
    """
    checks.need(0 < c1 < math.inf, "0 < c1 < inf", c1)
    checks.whole(m=m)
    m = int(m)  # NumPy's overflow
    checks.need(0 < xi < 1, "0 < xi < 1", xi)
    return float(c1 ** (2 * m) * (1 + xi) ** m * xi)


def promise(allowed: float, *, variance: float) -> Row:
    r"""State what a theorem allows in the output's variance: the last row of an audit.

    :math:`\mathrm{Var}\,\Phi = \mathbb{E}\|\Phi-\mathbb{E}\Phi\|^2` is what a constant costs; a
    promise (:func:`theorem_error`) of as much, or of more, is empty: that row does not hold.

    >>> promise(3.0, variance=2.0).name, promise(1.0, variance=2.0).holds
    ('empty promise', True)
    """
    checks.not_negative(allowed=allowed)
    checks.need(0 < variance < math.inf, "0 < variance < inf", variance)
    holds = allowed < variance
    name = "promise" if holds else "empty promise"
    return Row(name, "error over variance", None, float(allowed / variance), "<", 1.0, holds)


def excess_loss(*, loss: float, c1: float, m: int, epsilon: float) -> float:
    r"""Bound the compressed network's loss by the dense network's (18).

    .. math:: L(\hat\Phi) \le L(\Phi) + 2c_1^m\sqrt{\varepsilon L(\Phi)} + c_1^{2m}\varepsilon

    for :math:`L(\Phi) = \mathbb{E}\|\Phi(x)-y\|^2` (``loss``), whenever
    :math:`\mathbb{E}\|\hat\Phi-\Phi\|^2 \le c_1^{2m}\varepsilon`; in the theorems
    :math:`\varepsilon = (1+\xi)^m\xi`; a measured :math:`\mathbb{E}\|\hat\Phi-\Phi\|^2` is passed
    as ``epsilon`` with ``c1=1``. Expand :math:`\|(\hat\Phi-\Phi)+(\Phi-y)\|^2` and apply
    Cauchy–Schwarz; equality if the two are collinear and point the same way. What is returned
    bounds :math:`L(\hat\Phi)` itself, not the excess.

    >>> excess_loss(loss=4.0, c1=2.0, m=1, epsilon=0.25)
    9.0
    """
    checks.not_negative(loss=loss, epsilon=epsilon)
    checks.need(0 < c1 < math.inf, "0 < c1 < inf", c1)
    checks.whole(m=m)
    m = int(m)  # NumPy's overflow
    return float(loss + 2 * c1**m * math.sqrt(epsilon * loss) + c1 ** (2 * m) * epsilon)


def corollary_5(*, loss: float, c1: float, m: int, epsilon: float, omega: float) -> float:
    r"""Bound the compressed network's loss as a multiple of the dense one's (Corollary 5).

    .. math:: L(\hat\Phi) \le \Bigl(1 + \frac{2c_1^m\sqrt\varepsilon}{\omega}\Bigr) L(\Phi)
              + c_1^{2m}\varepsilon

    under the noise condition (12), :math:`\mathbb{E}\|y-\mathbb{E}[y|x]\|^2 \ge \omega^2`: then
    every network has :math:`L \ge \omega^2`, so :math:`\sqrt{L} \le L/\omega` in
    :func:`excess_loss`, which is therefore the smaller of the two, equal at :math:`L = \omega^2`. A
    smaller loss contradicts (12), and is refused: the formula would not be a bound.

    >>> corollary_5(loss=4.0, c1=2.0, m=1, epsilon=0.25, omega=1.0)
    13.0
    """
    tight = excess_loss(loss=loss, c1=c1, m=m, epsilon=epsilon)
    checks.need(0 < omega < math.inf, "0 < omega < inf", omega)
    checks.need(loss >= omega**2, f"loss >= omega**2 = {omega**2} (12)", loss)
    return float(tight + 2 * c1**m * math.sqrt(epsilon) * (loss / omega - math.sqrt(loss)))


def kept_share_bound(
    *, share: float | Fraction, p: float, gamma: float = 0.0, n: int | None = None
) -> float:
    r"""Bound the share of a layer's weights that pruning keeps (Proposition 19).

    :math:`1 - \alpha + \alpha(1+\gamma)p`: the weights never drawn, and those kept among the drawn.
    ``gamma=0`` gives the expected share. Of ``n`` weights only :math:`a = \lfloor\alpha n\rfloor`
    are drawn: the printed form falls short by less than :math:`1/n`, and given ``n`` the exact
    :math:`1 - (1-(1+\gamma)p)\,a/n` is returned instead.

    >>> round(kept_share_bound(share=0.9, p=0.3), 12)
    0.37
    >>> kept_share_bound(share=0.9, p=0.5, n=5)  # 4 of 5 weights are drawn
    0.6
    """
    share = checks.plain(share)
    checks.need(0 < share <= 1, "0 < share <= 1", share)
    checks.need(0 < p < 1, "0 < p < 1", p)
    checks.not_negative(gamma=gamma)
    drawn = float(share)
    if n is not None:
        checks.whole(n=n)
        drawn = checks.count(share, n) / n
    return 1 - drawn + drawn * (1 + gamma) * p

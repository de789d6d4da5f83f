r"""The constants that the theorems of [EGM] (``facts``) leave open: how small, how many draws."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import lambertw
from scipy.stats import binom

from compressibility import checks

Slack = Literal["quarter", "half"]
Tail = Literal["chernoff", "exact"]


def concentration_slack(xi: float, *, slack: Slack = "quarter") -> float:
    r"""Give :math:`\varepsilon`, spent on one good throw: :math:`\xi/4`; proofs' :math:`\xi/2`."""
    checks.need(0 < xi < 1, "0 < xi < 1", xi)
    checks.need(slack in ("quarter", "half"), "slack 'quarter' or 'half'", repr(slack))
    return xi / 4 if slack == "quarter" else xi / 2


def delta(xi: float, *, slack: Slack = "quarter", wide_only: bool = False) -> float:
    r"""Give the constant :math:`\delta(\xi)` of the width conditions, explicitly.

    Lemma 17 turns one-step errors :math:`(1+\varepsilon_1)\,c_1^2 e + \varepsilon_2\,c_1^{2\ell}`
    (a wide layer) and :math:`(1+\varepsilon_3)\,c_1^4 e + \varepsilon_4\,c_1^{2(\ell+1)}` (a block)
    into the theorems' error if :math:`\xi \ge 2\varepsilon_1 \vee 2\varepsilon_3 \vee
    \sqrt{2\varepsilon_2} \vee \sqrt{2\varepsilon_4}`. With slack :math:`\varepsilon` for the
    concentration and :math:`f(u) = u e^u`, the width conditions give :math:`\varepsilon_1 =
    \varepsilon`, :math:`\varepsilon_2 = 2\delta(1+\varepsilon)`, :math:`\varepsilon_3 = \varepsilon
    + (1+\varepsilon) f(2\delta)`, :math:`\varepsilon_4 = 5(1+\varepsilon) f(2\delta)`.

    ``slack="quarter"`` takes :math:`\varepsilon = \xi/4` and is the largest :math:`\delta` that
    meets all four,

    .. math:: \delta = \min\Bigl(\tfrac{\xi^2}{4+\xi},\ \tfrac12 W_0\bigl(\tfrac{\xi}{4+\xi}\bigr),\
              \tfrac12 W_0\bigl(\tfrac{2\xi^2}{5(4+\xi)}\bigr)\Bigr),

    :math:`W_0` Lambert's function. ``slack="half"`` keeps the proofs' :math:`\varepsilon = \xi/2`,
    with which :math:`2\varepsilon_3 > \xi` for every :math:`\delta > 0` (a slip of the paper: the
    lemma's hypothesis never holds on a block). A block spans two layers and may grow by
    :math:`(1+\xi)^2`; used in full in (65), :math:`f(2\delta) \le \xi` and :math:`\varepsilon_4
    \le \xi^2(1+\xi)/2` suffice, hence :math:`\delta = \tfrac12 W_0\bigl(\xi^2(1+\xi)/(5(2+\xi))
    \bigr)`, sufficient and simple, not the largest.
    ``wide_only=True`` is for :math:`\mathcal{B} = \emptyset`: :math:`\varepsilon_2` alone binds,
    :math:`\delta = \xi^2/(4(1+\varepsilon))`.

    >>> round(delta(0.5), 6), round(delta(0.5, slack="half"), 6)
    (0.010872, 0.014569)
    >>> delta(0.5, wide_only=True) == 0.5**2 / 4.5
    True
    """
    wide = xi**2 / (4 * (1 + concentration_slack(xi, slack=slack)))
    if wide_only:
        return wide
    if slack == "half":
        return min(wide, _half_lambert(xi**2 * (1 + xi) / (5 * (2 + xi))))
    growth = _half_lambert(xi / (4 + xi))
    added = _half_lambert(2 * xi**2 / (5 * (4 + xi)))
    return min(wide, growth, added)


class SharperDeltas(NamedTuple):
    r"""What takes the place of :math:`\delta(\xi)` with the bounds that are not in the paper."""

    wide: float  # δ1 = 2ξ²/(4+ξ)
    thin: float  # δ2 = 2 √(ξ³/((4+ξ)(4+2ξ)))
    ratio: float  # δ3 = ξ²/(4+2ξ)


def sharper_deltas(xi: float) -> SharperDeltas:
    r"""Give the constants of the sharper width conditions (not in the paper).

    A wide layer adds at most :math:`(1+\varepsilon)\alpha\,v\,c_2^2 c_1^{2(\ell-1)} n_{\ell+1}/
    n_\ell`, which is :math:`\varepsilon_2 c_1^{2\ell}` with :math:`\varepsilon_2 = \xi^2/2` if the
    ratio is at most :math:`\delta_1 c_1^2/(\alpha v c_2^2)`. A block's :math:`(\sqrt{S+b}+a/2)^2`
    is at most :math:`(1+\eta)(S+b) + (1+1/\eta)\,a^2/4`; with :math:`\varepsilon = \xi/4` and
    :math:`\eta = \xi/(4+\xi)` the factor of S is :math:`1+\xi/2`, and :math:`b \le \delta_3
    c_1^{2(\ell+1)}` and :math:`a \le \delta_2 c_1^{\ell+1}` take half of :math:`\varepsilon_4 =
    \xi^2/2` each.

    >>> sharper_deltas(0.5).ratio
    0.05
    """
    checks.need(0 < xi < 1, "0 < xi < 1", xi)
    thin = 2 * math.sqrt(xi**3 / ((4 + xi) * (4 + 2 * xi)))
    return SharperDeltas(wide=2 * xi**2 / (4 + xi), thin=thin, ratio=xi**2 / (4 + 2 * xi))


def _half_lambert(u: float) -> float:
    """Solve f(2 delta) = u for delta."""
    return float(lambertw(u).real) / 2


def smallest_draws(
    p: float, xi: float, *, gamma: float = 0.01, slack: Slack = "quarter", tail: Tail = "chernoff"
) -> int:
    r"""Count the draws from which one good realization is sure to exist (Lemma 12).

    Returns an :math:`n_0` such that for *every* :math:`n \ge n_0`

    .. math:: P\bigl(\mathrm{Bin}(n, p) > (1+\gamma) n p\bigr)
              \le \frac{\varepsilon}{1+\varepsilon}:

    then a good mask has probability at least :math:`1/(1+\varepsilon)`, and the mean error over the
    good is at most :math:`1+\varepsilon` times the mean over all. ``"chernoff"``: :math:`P \le
    e^{-\gamma^2 n p/(2+\gamma)}` gives :math:`n_0 = \lceil (2+\gamma)\ln((1+\varepsilon)/
    \varepsilon)/(\gamma^2 p) \rceil`. ``"exact"``: the least such :math:`n_0`. The tail is a
    saw-tooth in :math:`n`, so the first :math:`n` that passes proves nothing about later ones: all
    beyond :math:`\ln((1+\varepsilon)/\varepsilon) / \mathrm{KL}((1+\gamma)p \,\|\, p)` pass by
    Chernoff's bound in its entropy form, and below that every :math:`n` is tried, downwards, until
    one fails; time grows as :math:`\gamma^{-2}`. ``p`` and ``gamma`` are read as the decimals they
    print as, so that :math:`1.1 \cdot 0.3 \cdot 100` is 33.

    >>> smallest_draws(0.3, 0.5), smallest_draws(0.3, 0.5, gamma=0.2)
    (147215, 403)
    >>> smallest_draws(0.5, 0.5, gamma=1.0, tail="exact")  # no draw exceeds n
    1
    """
    p, gamma = (float(checks.decimal(number)) for number in (p, gamma))
    checks.need(1e-100 < p < 1, "0 < p < 1", p)
    checks.need(gamma > 1e-100, "0 < gamma < inf", gamma)
    checks.need(tail in ("chernoff", "exact"), "tail 'chernoff' or 'exact'", repr(tail))
    epsilon = concentration_slack(xi, slack=slack)
    if tail == "chernoff":
        log_odds = math.log1p(1 / epsilon)
        return math.ceil((2 + gamma) * log_odds / (gamma**2 * p))
    return _exact_draws(p, gamma, epsilon)


@lru_cache(maxsize=256)  # an audit asks again for every width that it is tried on
def _exact_draws(p: float, gamma: float, epsilon: float) -> int:
    log_odds = math.log1p(1 / epsilon)
    rate = (1 + checks.decimal(gamma)) * checks.decimal(p)
    if rate >= 1:
        return 1
    q = float(rate)
    entropy = q * math.log1p(gamma) + (1 - q) * math.log((1 - q) / (1 - p))
    entropy = max(entropy, gamma**2 * p / (2 + gamma))  # it is larger, but for rounding
    high = math.ceil(log_odds / entropy) + 1
    while high > 1:
        low = max(1, high - 50_000)
        n = np.arange(low, high, dtype=object)  # Python integers: no overflow, exact floor
        limit = (n * rate.numerator // rate.denominator).astype(float)
        fails = np.flatnonzero(binom.sf(limit, n.astype(float), p) > epsilon / (1 + epsilon))
        if fails.size:
            return low + int(fails[-1]) + 1
        high = low
    return 1

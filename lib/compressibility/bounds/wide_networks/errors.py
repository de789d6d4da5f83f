r"""Error bounds for one compressed layer, alone or in a block, from numbers measured on it.

Errors are squared, in the units of the output, before the last activation; a 1-Lipschitz
activation and the projection only lower them. :math:`\sigma_i = \|W_i\|`, :math:`\nu_i` the
largest entry (block norm), :math:`\theta \ge \|x'\|`, :math:`\alpha` the share of the weights
(columns, rows, filters) compressed. A draw enters by :math:`v`: :math:`(1-p)/p` for pruning; for
quantization printed :math:`1/k^2`, exact :math:`1/4k^2`. [EGM] is cited in ``facts``.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from compressibility import checks
from compressibility.bounds.wide_networks.facts import LayerFacts, Seen
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Odds, Pruning, Quantization

Form = Literal["printed", "sharper", "sharpest"]  # the last for blocks alone


def wide_bound(
    layer: LayerFacts, seen: Seen, cut: Cut, *, form: Form = "printed", epsilon: float = 0.0
) -> float:
    r"""Bound the error of a wide layer, greedily compressed.

    Propositions 18 (quantization), 19 (pruning) and 24 (pruning columns or filters) of [EGM]:

    .. math:: \mathbb{E}\|Wx - Ux'\|^2 \le (1+\varepsilon)\Bigl[\sigma^2\,\mathbb{E}\|x-x'\|^2
              + \frac{2\alpha}{1-\alpha}\,v\,\theta^2\nu^2 n_2\Bigr]

    A unit that is drawn adds exactly its price, a weight :math:`\mathrm{Var}(t_{ij})\,
    \mathbb{E}x_j'^2`; all prices sum to at most :math:`v\theta^2\nu^2 n_2`, and a step costs at
    most twice (Markov) the mean of those left. ``"sharper"`` (not in the paper) has
    :math:`\alpha v` for :math:`2\alpha v/(1-\alpha)`, v exact: the greedy takes the cheapest, at
    most the share :math:`\alpha` of the sum; there a share of 1 is allowed.

    :math:`\varepsilon = 0` bounds the mean over draws (Proposition 20), :math:`\varepsilon > 0` one
    good realization, which :func:`~.smallest_draws` draws ensure; only pruning needs it.

    >>> layer, seen = LayerFacts(norm=2, entry=1, inputs=4, outputs=3), Seen(radius=1, error=0.5)
    >>> cut = Cut(Pruning(keep=0.5), share=0.5)
    >>> wide_bound(layer, seen, cut), wide_bound(layer, seen, cut, form="sharper")
    (8.0, 3.5)
    """
    checks.need(form in ("printed", "sharper"), "form 'printed' or 'sharper'", repr(form))
    checks.need(cut.groups or layer.pixels == 1, "groups for a convolution", "single weights")
    odds, share = _odds(cut, epsilon), float(cut.share)
    if form == "printed":
        checks.need(0 < share < 1, "0 < share < 1", share)
        added = 2 * share * odds.variance / (1 - share)
    else:
        checks.need(0 < share <= 1, "0 < share <= 1", share)
        added = share * odds.exact
    before = layer.norm**2 * seen.error
    return float((1 + epsilon) * (before + added * seen.radius**2 * layer.entry**2 * layer.outputs))


class BlockTerms(NamedTuple):
    r"""What the bounds of one block are built of."""

    growth: float  # Λ of Propositions 21, 22, 25
    sharper_growth: float  # Λ* = Λ (1-α) ln(1/(1-α)) / (4α)
    omega: float  # ω of Propositions 21, 22, 25
    drift: float  # a: a draw moves the output's mean, by |φ''| ≤ 1
    spread: float  # b: a draw scatters the output
    radius: float  # θ ≥ ‖x'‖


def block_terms(first: LayerFacts, second: LayerFacts, seen: Seen, cut: Cut) -> BlockTerms:
    r"""Compute the constants of a block's bounds, with :math:`s = \ln\frac1{1-\alpha}`.

    Single weights (Propositions 21, 22), with :math:`n_2` units between the layers, :math:`n_3`
    outputs, and a draw moving a weight by at most :math:`j\nu_1`, :math:`j = (p \vee (1-p))/p` or
    :math:`1/k`:

    .. math:: \Lambda = \frac{2\alpha}{1-\alpha}\,v\,\theta\sigma_2\nu_1^2\sqrt{n_2}, \qquad
              \omega = \theta^2 + 2\theta\nu_2^2 n_3\sqrt{n_2}/\sigma_2
                       + 2\theta^2 j\,\nu_1\nu_2\sqrt{n_2 n_3}

    and :math:`a = v\,s\,\theta^2\sigma_2\nu_1^2\sqrt{n_2}`, :math:`b = v\,s\,\theta^2\nu_1^2
    \nu_2^2 n_2 n_3`, v exact. Groups, rows or output filters (Proposition 25), with :math:`n_1`
    inputs, :math:`\tau = 1 \vee v`:

    .. math:: \Lambda = \frac{2\alpha}{1-\alpha}\,v\,\theta\sigma_1^2\nu_2\sqrt{n_3}, \qquad
              \omega = \theta^2 + 2\theta\nu_2\sqrt{n_3} + 2\tau\theta^2\sigma_2\nu_1\sqrt{n_1}

    and :math:`a = v\,s\,\theta^2\sigma_1^2\nu_2\sqrt{n_3}`, :math:`b = v\,s\,\theta^2\sigma_1^2
    \nu_2^2 n_3`. In both :math:`\Lambda^* = \Lambda\,(1-\alpha)s/4\alpha`, v printed.

    >>> first, second = LayerFacts(1, 1, inputs=2, outputs=4), LayerFacts(1, 1, inputs=4, outputs=1)
    >>> terms = block_terms(first, second, Seen(radius=1), Cut(Pruning(keep=0.5), share=0.5))
    >>> terms.growth, terms.omega
    (4.0, 9.0)
    """
    odds, share, theta = _odds(cut), float(cut.share), seen.radius
    checks.need(0 < share < 1, "0 < share < 1", share)
    checks.need(second.norm > 0, "0 < norm of the second layer", second.norm)
    checks.need(second.inputs == first.outputs, f"{first.outputs} inputs above", second.inputs)
    checks.need(second.pixels == first.pixels, "maps of one size", (first.pixels, second.pixels))
    checks.need(cut.groups or first.pixels == 1, "groups for a convolution", "single weights")
    # 1/N + 1/(N-1) + ... over the steps: the share of all scores that each step may cost
    steps = -math.log1p(-share)
    if cut.groups:
        column = second.entry * math.sqrt(second.outputs)  # bounds the norm of a column of blocks
        size = theta * first.norm**2 * column
        jumping = 2 * max(1.0, odds.variance) * theta**2 * second.norm * first.entry
        omega = theta**2 + 2 * theta * column + jumping * math.sqrt(first.inputs)
        spread = odds.exact * (theta * first.norm * column) ** 2 * steps
    else:
        n2, n3 = first.outputs, second.outputs
        size = theta * second.norm * first.entry**2 * math.sqrt(n2)
        drifting = 2 * theta * second.entry**2 * n3 * math.sqrt(n2) / second.norm
        jumping = 2 * theta**2 * odds.jump * first.entry * second.entry
        omega = theta**2 + drifting + jumping * math.sqrt(n2 * n3)
        spread = odds.exact * theta**2 * first.entry**2 * second.entry**2 * n2 * n3 * steps
    terms = BlockTerms(
        growth=float(2 * share / (1 - share) * odds.variance * size),
        sharper_growth=float(odds.variance * size * steps / 2),
        omega=float(omega),
        drift=float(odds.exact * theta * size * steps),
        spread=float(spread),
        radius=float(theta),
    )
    checks.need(all(map(math.isfinite, terms)), "sizes in the floats' range", terms)
    return terms


def block_bound(
    first: LayerFacts,
    second: LayerFacts,
    seen: Seen,
    cut: Cut,
    *,
    form: Form = "printed",
    epsilon: float = 0.0,
    log: bool = False,
) -> float:
    r"""Bound the error of a block :math:`W_2\varphi(W_1 x)` whose first layer is compressed.

    Propositions 21 (quantization), 22 (pruning) and 25 (pruning rows or filters) of [EGM], for
    :math:`\varphi` entrywise, 1-Lipschitz, :math:`|\varphi''| \le 1` (9). With
    :math:`\mathbb{E}\Psi(U) = \mathbb{E}\|W_2\varphi(W_1 x) - W_2\varphi(U x')\|^2`,
    :math:`S = (\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2` and :func:`block_terms`,

    - ``"printed"``: :math:`(1+f(\Lambda))S + f(\Lambda)\,\omega`, :math:`f(u) = ue^u`: a step adds
      at most a multiple of what the earlier ones have done;
    - ``"sharper"`` (not in the paper): :math:`e^{\Lambda^*}S + (e^{\Lambda^*}-1)\,\omega`: the
      least score is at most the *mean* of those left (the paper: twice or four times, by Markov),
      and :math:`\sum_{d<\alpha N}\frac1{N-d} \le s`;
    - ``"sharpest"`` (not in the paper): :func:`sharpest`, which does not grow exponentially,

    each times :math:`1+\varepsilon`, :math:`\varepsilon` as in :func:`wide_bound`; for the greedy
    that scores anew at every step, and in the mean for a random order. ``log=True`` returns the
    natural logarithm; without it a bound beyond the floats' range is ``inf``.

    >>> first, second = LayerFacts(2, 0, inputs=2, outputs=4), LayerFacts(1, 0, inputs=4, outputs=1)
    >>> cut = Cut(Pruning(keep=0.5), share=0.5)
    >>> block_bound(first, second, Seen(radius=1, error=0.5), cut)  # nothing to compress
    2.0
    """
    _odds(cut, epsilon)
    terms = block_terms(first, second, seen, cut)
    before = float((first.norm * second.norm) ** 2 * seen.error)
    if form == "printed":
        growth = _ln(terms.growth) + terms.growth  # ln f(Λ)
        kept = float(np.logaddexp(0.0, growth)) + _ln(before)
        logarithm = float(np.logaddexp(kept, growth + _ln(terms.omega)))
    elif form == "sharper":
        growth = terms.sharper_growth
        # e^g - 1 = e^g (1 - e^-g), which neither overflows nor cancels
        added = growth + _ln(-math.expm1(-growth)) + _ln(terms.omega)
        logarithm = float(np.logaddexp(growth + _ln(before), added))
    else:
        checks.need(form == "sharpest", "form 'printed', 'sharper' or 'sharpest'", repr(form))
        logarithm = _ln(sharpest(terms, before))
    logarithm += math.log1p(epsilon)
    with np.errstate(over="ignore"):
        return logarithm if log else float(np.exp(logarithm))


def sharpest(terms: BlockTerms, before: float) -> float:
    r"""Bound the solution at time 1 of :math:`\Psi' = a\sqrt\Psi + b`, :math:`\Psi(0) = S`.

    A draw moves the loss by exactly :math:`2\langle r, W_2\Delta\varphi\rangle +
    \|W_2\Delta\varphi\|^2`, r the output's error so far. It is unbiased, so by
    :math:`|\varphi''| \le 1` the mean of :math:`\Delta\varphi` is of second order, and the scores
    of *all* units are at most :math:`(a\sqrt\Psi + b)/s` together. The paper puts
    :math:`\theta\sqrt\Psi \le \frac12(\Psi + \theta^2)` into this, and the solution is
    exponential. Here the lesser of :math:`(\sqrt{S+b} + a/2)^2` and, with :math:`g = a/2\theta`, of
    :math:`e^g S + (e^g-1)(\theta^2+b/g)`, so that it is never above the sharper form.
    """
    best = (math.sqrt(before + terms.spread) + terms.drift / 2) ** 2
    growth = terms.drift / (2 * terms.radius) if terms.radius else 0.0
    if 0 < growth < 700:  # beyond, e^g leaves the range, and the square is less
        added = terms.radius**2 + terms.spread / growth
        best = min(best, math.exp(growth) * before + math.expm1(growth) * added)
    return best


def _odds(cut: Cut, epsilon: float = 0.0) -> Odds:
    """Check what the bounds ask of a cut: an unbiased draw, and an order no worse than random."""
    checks.not_negative(epsilon=epsilon)
    checks.need(isinstance(cut.draw, Pruning | Quantization), "an unbiased draw", cut.draw)
    checks.need(cut.order in ("greedy", "random"), "the greedy or a random order", cut.order)
    assert isinstance(cut.draw, Pruning | Quantization)
    return cut.draw.odds


def _ln(value: float) -> float:
    """Give ln, of 0 too."""
    return math.log(value) if value > 0 else -math.inf

r"""How wide is wide enough: the hypotheses of Theorems 2 and 3, audited.

Source: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). The theorems say that a small :math:`\delta(\xi)` and a
width :math:`n_0` exist; here both are numbers, so that a network can be held against the theorem.

Symbols: layer :math:`\ell` (1-based) has the matrix :math:`W_\ell \in
\mathbb{R}^{n_{\ell+1} \times n_\ell}`; :math:`\mathcal{W}` are the wide layers, :math:`\mathcal{B}`
the first layers of blocks; :math:`c_1 \ge \|W_\ell\|` and :math:`\|W_\ell\|_\infty \le
c_2 / \sqrt{n_\ell \vee n_{\ell+1}}`; the share :math:`\alpha` of a layer's weights is compressed,
pruning keeps a weight with probability :math:`p`, quantization has :math:`2k+1` levels.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from compressibility.bounds.wide_networks_audit import (
    Audit,
    Condition,
    Count,
    check_constants,
    check_layers,
    count_rows,
    ratio_row,
    root_row,
    width_row,
)
from compressibility.bounds.wide_networks_delta import (
    Form,
    Tail,
    delta,
    sharper_deltas,
    smallest_draws,
)
from compressibility.bounds.wide_networks_layers import as_decimal, need

__all__ = ["Audit", "Condition", "theorem_2_conditions", "theorem_3_conditions"]


def theorem_2_conditions(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    p: float,
    xi: float,
    c1: float,
    c2: float | Sequence[float],
    alpha: float = 0.99,
    gamma: float = 0.01,
    form: Form = "quarter",
    method: Tail = "chernoff",
    count: Count = "widths",
    sharper: bool = False,
) -> Audit:
    r"""Audit the hypotheses of Theorem 2 (pruning single weights).

    With :math:`g = p(1-\alpha)/(\alpha(1-p))`, :math:`\delta` from :func:`delta` (its ``wide_only``
    form if there are no blocks) the rows are

    - :math:`\min_{\mathcal{W}\cup\mathcal{B}} (n_\ell \vee n_{\ell+1}) \ge n_0`. The paper leaves
      :math:`n_0(p,\xi)` open. What is needed is :func:`smallest_draws` draws, and :math:`\lfloor
      \alpha n_\ell n_{\ell+1} \rfloor` of them are at hand, so :math:`n_0` = draws :math:`/\alpha`,
      and not below :math:`1/(1-\alpha)` (:math:`\alpha \le 1 - 1/N`). ``count="draws"`` replaces
      this row by one per layer that compares the draws themselves: weaker, and all that the proof
      uses;
    - (13) on :math:`\mathcal{W}`: :math:`n_{\ell+1}/n_\ell \le g\,\delta\,c_1^2/c_2^2`;
    - (14) on :math:`\mathcal{B}`: :math:`1/\sqrt{n_{\ell+1}} \le g\,\delta / \bigl(c_1^\ell c_2^2
      (1 \vee c_1^{-4})(1 \vee c_2^2 (1 \vee \frac{1-p}{p}))\bigr)`;
    - (15) on :math:`\mathcal{B}`: :math:`n_{\ell+2}/n_{\ell+1} \le g\,\delta\,c_1^4/c_2^4`.

    ``sharper=True`` takes the conditions under which the bounds
    :func:`~compressibility.bounds.wide_networks.sharper_wide_pruning` and
    :func:`~compressibility.bounds.wide_networks.sharpest_block_pruning` give the same conclusion
    (not in the paper). With :math:`v = (1-p)/p`, :math:`s = \ln\frac1{1-\alpha}` and the three
    numbers of :func:`sharper_deltas`: (13) :math:`n_{\ell+1}/n_\ell \le \delta_1 c_1^2/(\alpha v
    c_2^2)`, (14) :math:`1/\sqrt{n_{\ell+1}} \le \delta_2 c_1^{2-\ell}/(v s c_2^2)`, (15)
    :math:`n_{\ell+2}/n_{\ell+1} \le \delta_3 c_1^4/(v s c_2^4)`.

    Parameters
    ----------
    widths : :math:`n_1, \dots, n_{m+1}`, input first.
    wide, blocks : the sets :math:`\mathcal{W}` and :math:`\mathcal{B}`, layers numbered from 1.
    p : chance that a drawn weight is kept.
    xi : the wanted accuracy.
    c1, c2 : as measured by :func:`~compressibility.bounds.wide_networks.network_constants`. Given
        one ``c2`` per layer, each condition takes those of the layers that it speaks of
        (:math:`c_{2,\ell}c_{2,\ell+1}` for the inner :math:`c_2^2` of (14), its square for
        :math:`c_2^4`), which is all that the proof uses; not in the paper.
    alpha, gamma : share compressed and slack in the kept share; defaults of the theorem.
    form, method : passed to :func:`delta` and :func:`smallest_draws`.

    Raises
    ------
    ValueError
        A broken rule (6) or an argument out of range, or ``sharper`` blocks with ``form="half"``,
        which leaves them nothing. A hypothesis that fails is a row, no error.

    Examples
    --------
    >>> audit = theorem_2_conditions(
    ...     widths=(312, 1200, 312), wide=(2,), blocks=(), p=0.3, xi=0.5, c1=5.5, c2=28.4)
    >>> audit.holds, [f"{row.right:.1e}" for row in audit.rows]
    (False, ['1.5e+05', '9.0e-06'])
    """
    need(0 < p < 1, "0 < p < 1", p)
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    odds = p / (1 - p)
    draws = smallest_draws(p, xi, gamma=gamma, form=form, method=method)
    width_rows = _width_rows(
        widths=widths,
        wide=wide,
        blocks=blocks,
        limits=_sharper(xi, form, blocks, odds, alpha)
        if sharper
        else _printed(xi, form, blocks, odds * (1 - alpha) / alpha, max(1.0, 1 / odds), -4),
        equations=("(13)", "(14)", "(15)"),
        c1=c1,
        c2=c2,
    )
    units = {layer: int(widths[layer - 1]) * int(widths[layer]) for layer in {*wide, *blocks}}
    first = count_rows(widths, units, count=count, draws=draws, alpha=alpha, theorem="Theorem 2")
    return Audit("Theorem 2", (*first, *width_rows))


def theorem_3_conditions(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    k: int,
    xi: float,
    c1: float,
    c2: float | Sequence[float],
    alpha: float = 0.99,
    form: Form = "quarter",
    sharper: bool = False,
    as_printed: bool = False,
) -> Audit:
    r"""Audit the hypotheses of Theorem 3 (quantizing single weights).

    As :func:`theorem_2_conditions` with :math:`g = k^2(1-\alpha)/\alpha`: (19) and (21) are (13)
    and (15), and (20) on :math:`\mathcal{B}` is :math:`1/\sqrt{n_{\ell+1}} \le g\,\delta /
    \bigl(c_1^\ell c_2^2 (1 \vee c_1^{-4})(1 \vee c_2^2/k)\bigr)`. Nothing has to concentrate, so
    :math:`n_0 = 1/(1-\alpha)`. ``sharper=True`` is that of Theorem 2 with :math:`v = 1/(4k^2)`.

    The paper prints :math:`1 \vee c_1^4` in (20). The proof, as that of (14), needs
    :math:`f(\Lambda)\, c_1^{2(\ell-1)} \le f(2\delta)\,c_1^{2(\ell+1)}`, that is :math:`1 \vee
    c_1^{-4}`: the printed factor does not give the theorem for :math:`c_1 < 1` and asks too much
    for :math:`c_1 > 1`. It is had with ``as_printed=True``. :math:`\delta` is that of Theorem 2;
    with no concentration a slightly larger one would do.

    Raises ValueError as :func:`theorem_2_conditions`, unless ``k`` is a whole number >= 1, and if
    it is asked for both ``sharper`` and ``as_printed``.

    Examples
    --------
    >>> audit = theorem_3_conditions(
    ...     widths=(10**6, 1), wide=(1,), blocks=(), k=4, xi=0.5, c1=1.0, c2=1.0)
    >>> audit.holds, [round(row.right, 6) for row in audit.rows]
    (True, [100.0, 0.008979])
    """
    need(k >= 1 and k % 1 == 0, "a whole k >= 1", k)
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    need(not (sharper and as_printed), "sharper or as_printed, not both", "both")
    power = 4 if as_printed else -4
    width_rows = _width_rows(
        widths=widths,
        wide=wide,
        blocks=blocks,
        limits=_sharper(xi, form, blocks, 4 * k**2, alpha)
        if sharper
        else _printed(xi, form, blocks, k**2 * (1 - alpha) / alpha, 1 / k, power),
        equations=("(19)", "(20)", "(21)"),
        c1=c1,
        c2=c2,
    )
    layers = sorted({*wide, *blocks})
    first = width_row(widths, layers, 1 / (1 - as_decimal(alpha)), "Theorem 3")
    return Audit("Theorem 3", (first, *width_rows))


@dataclass(frozen=True)
class _Limits:
    """What (13)–(15) and (19)–(21) allow, but for c1 and c2."""

    wide: float  # times c1²/c2²
    thin: float  # times 1/(c1^ℓ c2²), and divided by what is next
    rest: Callable[[float, float], float]  # of c1 and c2²
    ratio: float  # times c1⁴/c2⁴


def _printed(
    xi: float, form: Form, blocks: Collection[int], gain: float, rounding: float, power: int
) -> _Limits:
    """Take the paper's conditions; c2² times ``rounding`` is what one draw may move."""
    small = gain * delta(xi, form=form, wide_only=not blocks)

    def rest(c1: float, square: float) -> float:
        return max(1.0, c1**power) * max(1.0, square * rounding)

    return _Limits(small, small, rest, small)


def _sharper(
    xi: float, form: Form, blocks: Collection[int], precision: float, alpha: float
) -> _Limits:
    """Take the conditions of the sharper bounds; ``precision`` = 1/v."""
    need(form == "quarter" or not blocks, "form 'quarter' for sharper blocks", repr(form))
    small = sharper_deltas(xi)
    wide = 2 * delta(xi, form=form, wide_only=True)
    gain = precision / -math.log1p(-alpha)
    return _Limits(
        precision * wide / alpha, gain * small.thin, lambda c1, _: c1**-2, gain * small.ratio
    )


def _width_rows(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    limits: _Limits,
    equations: tuple[str, str, str],
    c1: float,
    c2: float | Sequence[float],
) -> tuple[Condition, ...]:
    """Build the rows that Theorems 2 and 3 share."""
    first, second = check_layers(widths, wide, blocks)
    sizes = check_constants(c1, c2, len(widths) - 1)
    rows = []
    for layer in first:
        limit = limits.wide * (c1 / sizes[layer - 1]) ** 2
        sides = (widths[layer], widths[layer - 1])
        rows.append(ratio_row("outputs per input", equations[0], layer, sides, limit))
    for layer in second:
        here, both = sizes[layer - 1], sizes[layer - 1] * sizes[layer]
        limit = limits.thin / (c1**layer * here**2 * limits.rest(c1, both))
        square = Fraction(1, int(widths[layer]))
        rows.append(root_row("1/√(block width)", equations[1], layer, square, limit))
        limit = limits.ratio * c1**4 / both**2
        sides = (widths[layer + 1], widths[layer])
        rows.append(ratio_row("block outputs per width", equations[2], layer, sides, limit))
    return tuple(rows)

r"""The hypotheses of Theorems 6 and 7, structured pruning, audited.

Source: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). Columns are pruned in the wide layers, rows in the first
layers of blocks; in Theorem 7 they are input and output filters. Symbols as in
:mod:`~compressibility.bounds.wide_networks_conditions`.

Two conditions are printed with slips. (27) and (34) have the factor :math:`p(1-\alpha)/
(\alpha(1-p))` upside down, so that they get easier as :math:`\alpha \to 1`, and are then too weak
for the theorem to be true. The first part of (28) and (35) has :math:`(1-p)^2` for
:math:`(1-\alpha)^2` above the line, which does not give the :math:`\Lambda \le 2\delta` of the
proof. ``as_printed=True`` shows them.
"""

import math
from collections.abc import Collection, Sequence
from fractions import Fraction

from compressibility.bounds.wide_networks_audit import (
    Audit,
    Count,
    check_constants,
    check_layers,
    count_rows,
    ratio_row,
    root_row,
)
from compressibility.bounds.wide_networks_delta import (
    Form,
    Tail,
    delta,
    sharper_deltas,
    smallest_draws,
)
from compressibility.bounds.wide_networks_layers import need, need_whole


def theorem_6_conditions(
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
    as_printed: bool = False,
) -> Audit:
    r"""Audit the hypotheses of Theorem 6 (pruning columns and rows).

    With :math:`g = p(1-\alpha)/(\alpha(1-p))` and :math:`\delta` from
    :func:`~compressibility.bounds.wide_networks.delta` the rows are

    - :math:`\min_{\mathcal{W}\cup\mathcal{B}}(n_\ell \vee n_{\ell+1}) \ge n_0`, :math:`n_0` =
      :func:`~compressibility.bounds.wide_networks.smallest_draws` :math:`/\alpha`. The draws are
      :math:`\lfloor\alpha n_\ell\rfloor` columns on :math:`\mathcal{W}` and
      :math:`\lfloor\alpha n_{\ell+1}\rfloor` rows on :math:`\mathcal{B}`; ``count="draws"``
      compares these, one row per layer;
    - (27) on :math:`\mathcal{W}`, corrected: :math:`n_{\ell+1}/n_\ell \le g\,\delta\,c_1^2/c_2^2`;
    - (28) on :math:`\mathcal{B}`, corrected: :math:`n_{\ell+2}/n_{\ell+1} \le g^2\delta^2
      (1 \wedge c_1^8)/(c_1^{2(\ell+1)} c_2^2) \wedge g\,\delta\,c_1^2/c_2^2`;
    - (29) on :math:`\mathcal{B}`: :math:`\sqrt{n_\ell n_{\ell+2}}/n_{\ell+1} \le g\,\delta/\bigl(
      c_1^{\ell-2} c_2^2 (1 \vee \frac{1-p}{p})\bigr)`.

    ``sharper=True`` takes the conditions under which
    :func:`~compressibility.bounds.wide_networks.sharper_columns` and
    :func:`~compressibility.bounds.wide_networks.sharpest_rows` give the same conclusion (not in
    the paper): with :math:`v = (1-p)/p`, :math:`s = \ln\frac1{1-\alpha}` and the three numbers of
    :func:`~compressibility.bounds.wide_networks.sharper_deltas`, (27) :math:`n_{\ell+1}/n_\ell \le
    \delta_1 c_1^2/(\alpha v c_2^2)`, (28) :math:`n_{\ell+2}/n_{\ell+1} \le \delta_2^2
    c_1^{2-2\ell}/(v^2s^2c_2^2) \wedge \delta_3 c_1^2/(v s c_2^2)`, and no (29).

    Parameters as in :func:`~compressibility.bounds.wide_networks.theorem_2_conditions` (with one
    ``c2`` per layer (28) takes :math:`c_{2,\ell+1}`, (29) :math:`c_{2,\ell}c_{2,\ell+1}`);
    ``as_printed`` as in the module's docstring. Raises ValueError as there.

    Examples
    --------
    >>> sizes = dict(widths=(10**6, 1), wide=(1,), blocks=(), c1=1.0, c2=1.0)
    >>> audit = theorem_6_conditions(**sizes, p=0.3, xi=0.5, alpha=0.9)
    >>> printed = theorem_6_conditions(**sizes, p=0.3, xi=0.5, alpha=0.9, as_printed=True)
    >>> round(printed.rows[1].right / audit.rows[1].right)  # ((1-p)α / (p(1-α)))²
    441
    """
    return _audit(
        "Theorem 6",
        ("(27)", "(28)", "(29)"),
        widths=widths,
        wide=wide,
        blocks=blocks,
        p=p,
        xi=xi,
        c1=c1,
        sizes=check_constants(c1, c2, len(widths) - 1),
        alpha=alpha,
        gamma=gamma,
        form=form,
        method=method,
        count=count,
        sharper=sharper,
        as_printed=as_printed,
    )


def theorem_7_conditions(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    kernel: int,
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
    as_printed: bool = False,
) -> Audit:
    r"""Audit the hypotheses of Theorem 7 (pruning filters of a convolutional network).

    ``widths`` are the channels :math:`d_1, \dots, d_{m+1}`, ``kernel`` is q for q × q kernels,
    :math:`c_1` bounds the operator norms of the convolutions and :math:`\|K_\ell\|_\infty \le
    c_2/(q\sqrt{d_\ell \vee d_{\ell+1}})` (33). The rows are those of :func:`theorem_6_conditions`
    with d for n and :math:`c_2^2 q^2` for :math:`c_2^2`, (34)–(36): a block of the matrix is one
    filter, of norm at most :math:`q^2\|K_\ell\|_\infty \le c_2 q/\sqrt{d_\ell \vee d_{\ell+1}}`
    (139).

    Raises ValueError as there, and unless ``kernel`` is a whole number >= 1.

    Examples
    --------
    >>> sizes = dict(wide=(1,), blocks=(), p=0.3, xi=0.5, c1=1.0)
    >>> dense = theorem_6_conditions(widths=(10**6, 1), c2=3.0, **sizes)
    >>> filters = theorem_7_conditions(widths=(10**6, 1), c2=1.0, kernel=3, **sizes)
    >>> dense.rows[1].right == filters.rows[1].right
    True
    """
    need_whole("kernel", kernel)
    return _audit(
        "Theorem 7",
        ("(34)", "(35)", "(36)"),
        widths=widths,
        wide=wide,
        blocks=blocks,
        p=p,
        xi=xi,
        c1=c1,
        sizes=tuple(kernel * size for size in check_constants(c1, c2, len(widths) - 1)),
        alpha=alpha,
        gamma=gamma,
        form=form,
        method=method,
        count=count,
        sharper=sharper,
        as_printed=as_printed,
    )


def _audit(
    theorem: str,
    equations: tuple[str, str, str],
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    p: float,
    xi: float,
    c1: float,
    sizes: tuple[float, ...],  # c2 of each layer, c2 q for convolutions
    alpha: float,
    gamma: float,
    form: Form,
    method: Tail,
    count: Count,
    sharper: bool,
    as_printed: bool,
) -> Audit:
    """Build the audit that both theorems share."""
    need(0 < p < 1, "0 < p < 1", p)
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    need(not (sharper and as_printed), "sharper or as_printed, not both", "both")
    fits = form == "quarter" or not (sharper and blocks)
    need(fits, "form 'quarter' for sharper blocks", repr(form))
    first, second = check_layers(widths, wide, blocks)
    units = {layer: int(widths[layer - 1]) for layer in first}
    units |= {layer: int(widths[layer]) for layer in second}
    draws = smallest_draws(p, xi, gamma=gamma, form=form, method=method)
    rows = list(count_rows(widths, units, count=count, draws=draws, alpha=alpha, theorem=theorem))
    odds, steps = p / (1 - p), -math.log1p(-alpha)
    small = delta(xi, form=form, wide_only=sharper or not blocks)
    gain = odds * (1 - alpha) / alpha * small
    wide_gain = 2 * odds / alpha * small if sharper else gain
    if as_printed:
        wide_gain = alpha / odds / (1 - alpha) * small
    for layer in first:
        limit = wide_gain * (c1 / sizes[layer - 1]) ** 2
        sides = (widths[layer], widths[layer - 1])
        rows.append(ratio_row("outputs per input", equations[0], layer, sides, limit))
    for layer in second:
        sides, after = (widths[layer + 1], widths[layer]), sizes[layer]
        if sharper:
            limit = _sharper_ratio(xi, odds / steps, c1, after, layer)
        else:
            root = p * small / alpha if as_printed else gain
            limit = _ratio(root, gain, c1, after, layer)
        rows.append(ratio_row("block outputs per width", equations[1], layer, sides, limit))
        if not sharper:
            limit = gain / (c1 ** (layer - 2) * sizes[layer - 1] * after * max(1.0, 1 / odds))
            square = Fraction(
                int(widths[layer - 1]) * int(widths[layer + 1]), int(widths[layer]) ** 2
            )
            rows.append(
                root_row("√(inputs × outputs) per width", equations[2], layer, square, limit)
            )
    return Audit(theorem, tuple(rows))


def _ratio(root: float, gain: float, c1: float, c2: float, layer: int) -> float:
    """Take the lesser of the two sides of (28); ``root`` squared is the first one's factor."""
    growth = root**2 * min(1.0, c1**8) / (c1 ** (2 * (layer + 1)) * c2**2)
    return min(growth, gain * c1**2 / c2**2)


def _sharper_ratio(xi: float, gain: float, c1: float, c2: float, layer: int) -> float:
    """Take the lesser of what drift and spread allow; ``gain`` = 1/(v s)."""
    small = sharper_deltas(xi)
    drift = (gain * small.thin) ** 2 * c1 ** (2 - 2 * layer) / c2**2
    return min(drift, gain * small.ratio * c1**2 / c2**2)

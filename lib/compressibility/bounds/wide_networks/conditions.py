r"""How wide is wide enough: the hypotheses of Theorems 2, 3, 6 and 7 of [EGM] (``facts``), audited.

Layer :math:`\ell` (1-based) goes from :math:`n_\ell` to :math:`n_{\ell+1}` neurons or channels;
:math:`\mathcal{W}` are the wide layers, :math:`\mathcal{B}` the first layers of blocks. A verdict
is taken in exact rational arithmetic, from the whole-number widths and the float on the right: at
widths beyond :math:`10^{16}`, where floats skip integers, it is still that of the row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple, get_args

from compressibility import checks
from compressibility.bounds.rows import Row, Rows
from compressibility.bounds.wide_networks.delta import (
    Slack,
    Tail,
    delta,
    sharper_deltas,
    smallest_draws,
)
from compressibility.bounds.wide_networks.facts import Constants
from compressibility.pruning.cuts import Plan
from compressibility.pruning.draws import Draw, Pruning, Quantization

Theorem = Literal["2", "3", "6", "7"]
Conditions = Literal["printed", "repaired", "sharper"]

EQUATIONS: dict[Theorem, tuple[str, str, str]] = {  # of a wide layer, and the two of a block
    "2": ("(13)", "(14)", "(15)"),  # single weights, pruned
    "3": ("(19)", "(20)", "(21)"),  # single weights, quantized
    "6": ("(27)", "(28)", "(29)"),  # columns of wide layers, rows of blocks
    "7": ("(34)", "(35)", "(36)"),  # input filters of wide layers, output filters of blocks
}


@dataclass(frozen=True)
class Asked:
    """What is asked of a theorem; the defaults are its own."""

    xi: float  # ξ, the accuracy
    share: float | Fraction = 0.99  # α of the weights, columns, rows or filters
    gamma: float = 0.01  # slack in the kept share
    slack: Slack = "quarter"  # spent on one good throw: delta, smallest_draws
    tail: Tail = "chernoff"  # how the draws are counted: smallest_draws
    count: Literal["widths", "draws"] = "widths"  # "draws": Lemma 12's own, all the proof uses
    c2: Literal["network", "layers"] = "network"  # "layers" (not in the paper): each layer its own

    def __post_init__(self) -> None:
        checks.need(0 < self.xi < 1, "0 < xi < 1", self.xi)
        object.__setattr__(self, "share", checks.plain(self.share))
        checks.need(0 < self.share < 1, "0 < share < 1", self.share)
        for name, known in (("count", ("widths", "draws")), ("c2", ("network", "layers"))):
            value = getattr(self, name)
            checks.need(value in known, f"{name} {known[0]!r} or {known[1]!r}", repr(value))


@dataclass(frozen=True)
class Audit(Rows):
    """All numerical hypotheses of a theorem, one row each."""

    theorem: str


def audit(
    theorem: Theorem,
    plan: Plan,
    draw: Draw,
    constants: Constants,
    asked: Asked,
    *,
    conditions: Conditions = "repaired",
) -> Audit:
    r"""Audit the hypotheses of Theorem 2, 3, 6 or 7 on the widths of a plan.

    With :math:`v = (1-p)/p`, in Theorem 3 :math:`1/k^2`, :math:`g = (1-\alpha)/(\alpha v)` and
    :func:`delta` (its ``wide_only`` form if there are no blocks) the rows are

    - :math:`\min_{\mathcal{W}\cup\mathcal{B}} (n_\ell \vee n_{\ell+1}) \ge n_0`. The paper leaves
      :math:`n_0(p,\xi)` open: :func:`smallest_draws` :math:`/\alpha`, not below
      :math:`1/(1-\alpha)`, which alone is left in Theorem 3, where nothing has to concentrate.
      ``count="draws"`` asks Lemma 12 of each layer's :math:`\lfloor\alpha N\rfloor` draws, N its
      weights, its columns on :math:`\mathcal{W}`, its rows on :math:`\mathcal{B}`;
    - (13), (19), (27), (34) on :math:`\mathcal{W}`: :math:`n_{\ell+1}/n_\ell \le g\,\delta\,c_1^2/
      c_2^2`;
    - (14), (20) on :math:`\mathcal{B}`: :math:`1/\sqrt{n_{\ell+1}} \le g\,\delta / \bigl(c_1^\ell
      c_2^2 (1 \vee c_1^{-4})(1 \vee c_2^2 j)\bigr)`, :math:`j = 1 \vee v` in (14), 1/k in (20);
    - (15), (21) on :math:`\mathcal{B}`: :math:`n_{\ell+2}/n_{\ell+1} \le g\,\delta\,c_1^4/c_2^4`;
    - (28), (35) on :math:`\mathcal{B}`: :math:`n_{\ell+2}/n_{\ell+1} \le g^2\delta^2
      (1 \wedge c_1^8)/(c_1^{2(\ell+1)} c_2^2) \wedge g\,\delta\,c_1^2/c_2^2`;
    - (29), (36) on :math:`\mathcal{B}`: :math:`\sqrt{n_\ell n_{\ell+2}}/n_{\ell+1} \le g\,\delta/
      \bigl(c_1^{\ell-2} c_2^2 (1 \vee v)\bigr)`,

    in Theorem 7 with d for n and :math:`c_2^2q^2` for :math:`c_2^2`. That is ``"repaired"``;
    ``"printed"`` has slips: (20) with :math:`1 \vee c_1^4`, (27) and (34) with :math:`1/g` for g,
    (28) and (35) with :math:`p\,\delta/\alpha` for :math:`g\,\delta` in the square. ``"sharper"``
    (not in the paper) is what the sharper bounds of wide layers and the sharpest of blocks need,
    with v exact, :math:`s = \ln\frac1{1-\alpha}` and :func:`sharper_deltas`: on :math:`\mathcal{W}`
    :math:`\delta_1 c_1^2/(\alpha v c_2^2)`; on :math:`\mathcal{B}` (14) :math:`\delta_2
    c_1^{2-\ell}/(v s c_2^2)`, (15) :math:`\delta_3 c_1^4/(v s c_2^4)`, (28) :math:`\delta_2^2
    c_1^{2-2\ell}/(v^2s^2c_2^2) \wedge \delta_3 c_1^2/(v s c_2^2)`, and no (29).

    With ``c2="layers"`` a condition takes the :math:`c_2` of the layers that it speaks of. A
    hypothesis that fails is a row, no error; a draw, constants or a slack that do not go with the
    theorem raise ValueError.

    >>> found = audit("2", Plan((312, 1200, 312), wide=(2,)), Pruning(keep=0.3),
    ...               Constants(c1=5.5, c2=(28.4,)), Asked(xi=0.5))
    >>> found.holds, [f"{row.right:.1e}" for row in found.rows]
    (False, ['1.5e+05', '9.0e-06'])
    """
    checks.need(theorem in EQUATIONS, f"theorem in {list(EQUATIONS)}", repr(theorem))
    known = get_args(Conditions)
    checks.need(conditions in known, f"conditions in {list(known)}", repr(conditions))
    fits = asked.slack == "quarter" or not (conditions == "sharper" and plan.blocks)
    checks.need(fits, "slack 'quarter' for sharper blocks", repr(asked.slack))
    factors = _factors(theorem, plan, draw, asked, conditions)
    sizes = _sizes(theorem, plan, constants, asked)
    rows = _count_rows(theorem, plan, draw, asked)
    for layer in plan.wide:
        limit = factors.wide * (constants.c1 / sizes[layer - 1]) ** 2
        ratio = Fraction(int(plan.widths[layer]), int(plan.widths[layer - 1]))
        rows.append(_row("outputs per input", EQUATIONS[theorem][0], layer, ratio, limit))
    for layer in plan.blocks:
        both = sizes[layer - 1], sizes[layer]
        rows += _block_rows(theorem, plan, layer, constants.c1, both, factors)
    return Audit(tuple(rows), f"Theorem {theorem}")


class _Factors(NamedTuple):
    """What the conditions allow, but for c1 and c2."""

    wide: float  # of (13), (19), (27), (34)
    thin: float  # of (14), (20), and of the first side of (28), (35), before it is squared
    ratio: float  # of (15), (21), of the second side of (28), (35), of (29), (36)
    jump: float  # j of (14), (20), (29), (36)
    power: int | None  # of c1 in (14), (20); None for the sharper ones


def _factors(
    theorem: Theorem, plan: Plan, draw: Draw, asked: Asked, conditions: Conditions
) -> _Factors:
    share, sharper, power = float(asked.share), conditions == "sharper", -4
    if theorem == "3":
        checks.need(isinstance(draw, Quantization), "Quantization for Theorem 3", draw)
        assert isinstance(draw, Quantization)
        inverse, jump = float(draw.levels**2), 1 / draw.levels  # 1/v, j
        exact = 4 * inverse
    else:
        checks.need(isinstance(draw, Pruning), f"Pruning for Theorem {theorem}", draw)
        assert isinstance(draw, Pruning)
        checks.need(draw.keep < 1, "keep < 1: something to prune", draw.keep)
        inverse = exact = draw.keep / (1 - draw.keep)
        jump = max(1.0, 1 / inverse)
    small = delta(asked.xi, slack=asked.slack, wide_only=sharper or not plan.blocks)
    if sharper:
        deltas, gain = sharper_deltas(asked.xi), exact / -math.log1p(-share)
        wide = exact * (2 * small) / share
        return _Factors(wide, gain * deltas.thin, gain * deltas.ratio, jump, None)
    wide = thin = gain = inverse * (1 - share) / share * small  # g δ
    if conditions == "printed" and theorem == "3":
        power = 4
    elif conditions == "printed" and isinstance(draw, Pruning) and theorem != "2":
        wide, thin = share / inverse / (1 - share) * small, draw.keep * small / share
    return _Factors(wide, thin, gain, jump, power)


def _block_rows(
    theorem: Theorem, plan: Plan, layer: int, c1: float, c2: tuple[float, float], by: _Factors
) -> list[Row]:
    before, width, after = (int(n) for n in plan.widths[layer - 1 : layer + 2])
    per_width, name = Fraction(after, width), "block outputs per width"
    _, first, second = EQUATIONS[theorem]
    if theorem in ("2", "3"):  # single weights
        square, rest = c2[0] * c2[1], c1**-2
        if by.power is not None:
            rest = max(1.0, c1**by.power) * max(1.0, square * by.jump)
        thin = by.thin / (c1**layer * c2[0] ** 2 * rest)
        return [
            _row("1/√(block width)", first, layer, Fraction(1, width), thin, root=True),
            _row(name, second, layer, per_width, by.ratio * c1**4 / square**2),
        ]
    growth = by.thin**2 * c1 ** (2 - 2 * layer) / c2[1] ** 2
    if by.power is not None:
        growth = by.thin**2 * min(1.0, c1**8) / (c1 ** (2 * (layer + 1)) * c2[1] ** 2)
    limit = min(growth, by.ratio * c1**2 / c2[1] ** 2)
    rows = [_row(name, first, layer, per_width, limit)]
    if by.power is not None:
        limit = by.ratio / (c1 ** (layer - 2) * c2[0] * c2[1] * by.jump)
        sides, name = Fraction(before * after, width**2), "√(inputs × outputs) per width"
        rows.append(_row(name, second, layer, sides, limit, root=True))
    return rows


def _sizes(theorem: Theorem, plan: Plan, constants: Constants, asked: Asked) -> tuple[float, ...]:
    """Give every layer's c2, times q for convolutions."""
    m, c2, kernels = len(plan.widths) - 1, constants.c2, constants.kernels
    checks.need(len(c2) in (1, m), f"one c2, or {m}, one per layer", len(c2))
    if theorem != "7":
        checks.need(not kernels, f"dense layers for Theorem {theorem}", f"kernels {kernels}")
    else:
        last = max((*plan.wide, *(layer + 1 for layer in plan.blocks)))
        covered = len(kernels) if len(c2) > 1 else m * min(1, len(kernels))
        checks.need(last <= covered, "convolutions for Theorem 7", f"a dense layer {last}")
        c2 = c2[:covered]  # (33) speaks of no other layer
        kernels = (*kernels * (m if len(kernels) == 1 else 1),)[:m]
    if len(c2) == 1 or asked.c2 == "network":
        c2 = (max(c2),) * m
    return tuple(size * q for size, q in zip(c2, kernels or (1,) * m, strict=False))


def _count_rows(theorem: Theorem, plan: Plan, draw: Draw, asked: Asked) -> list[Row]:
    """Compare with n0 the widths, or with Lemma 12 the draws themselves."""
    share, widths = checks.decimal(asked.share), [int(n) for n in plan.widths]
    draws, by = 0, asked
    if isinstance(draw, Pruning):
        draws = smallest_draws(draw.keep, by.xi, gamma=by.gamma, slack=by.slack, tail=by.tail)
    if asked.count == "widths" or theorem == "3":
        width = min(max(widths[layer - 1], widths[layer]) for layer in plan.layers)
        least = max(draws / share, 1 / (1 - share))
        sides = float(width), ">=", float(least), width >= least
        return [Row("smallest width", f"Theorem {theorem}", None, *sides)]
    rows = []
    for layer, kind in plan.layers.items():
        units = widths[layer - 1] if kind == "wide" else widths[layer]
        if theorem == "2":
            units = widths[layer - 1] * widths[layer]
        made = checks.count(asked.share, units)
        sides = float(made), ">=", float(draws), made >= draws
        rows.append(Row("number of draws", "Lemma 12", layer, *sides))
    return rows


def _row(
    name: str, equation: str, layer: int, value: Fraction, limit: float, *, root: bool = False
) -> Row:
    """Compare a quotient of widths, or the root of one, with its limit from above."""
    left = math.sqrt(value) if root else float(value)
    holds = value <= Fraction(limit) ** (2 if root else 1)
    return Row(name, equation, layer, left, "<=", float(limit), holds)

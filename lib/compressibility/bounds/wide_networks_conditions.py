r"""How wide is wide enough: the hypotheses of the compression theorems, audited.

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
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Literal

from compressibility.bounds.wide_networks_delta import Form, Tail, delta, smallest_draws
from compressibility.bounds.wide_networks_layers import as_decimal, compressed_count, need


@dataclass(frozen=True)
class Condition:
    """One hypothesis of a theorem, held against a network."""

    name: str  # what is compared, in words
    equation: str  # its number in the paper
    layer: int | None  # 1-based layer, None for a condition on the whole network
    left: float
    relation: str  # "<=" or ">=", read left to right
    right: float
    holds: bool


@dataclass(frozen=True)
class Audit:
    """All numerical hypotheses of a theorem, one row each."""

    theorem: str
    rows: tuple[Condition, ...]

    @property
    def holds(self) -> bool:
        """Whether every row holds."""
        return all(row.holds for row in self.rows)

    def as_records(self) -> list[dict[str, object]]:
        """Return the rows as dictionaries, ready for ``pandas.DataFrame``."""
        return [asdict(row) for row in self.rows]


def check_layers(
    widths: Sequence[int], wide: Collection[int], blocks: Collection[int]
) -> tuple[list[int], list[int]]:
    r"""Check the two sets of layers against (6) and return them sorted.

    (6): :math:`\mathcal{W} \cap \mathcal{B} = \emptyset` and :math:`(\mathcal{W} \cup \mathcal{B})
    \cap (\mathcal{B}+1) = \emptyset`; besides :math:`\mathcal{W} \subset [m]` and
    :math:`\mathcal{B} \subset [m-1]`, :math:`m` = ``len(widths) - 1``. Raises ValueError that names
    the broken rule.
    """
    m = len(widths) - 1
    need(m >= 1, "len(widths) >= 2", len(widths))
    need(all(n >= 1 and n % 1 == 0 for n in widths), "whole widths >= 1", list(widths))
    first, second = set(wide), set(blocks)
    need(bool(first | second), "a layer in 𝒲 ∪ ℬ", "none")
    after = {layer + 1 for layer in second}
    for rule, broken in (
        (f"𝒲 ⊂ {{1, …, {m}}}", first - set(range(1, m + 1))),
        (f"ℬ ⊂ {{1, …, {m - 1}}} (a block is two layers)", second - set(range(1, m))),
        ("𝒲 ∩ ℬ = ∅ (6)", first & second),
        ("(𝒲 ∪ ℬ) ∩ (ℬ + 1) = ∅ (6)", (first | second) & after),
    ):
        need(not broken, rule, f"layers {sorted(broken)}")
    return sorted(first), sorted(second)


def theorem_2_conditions(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    p: float,
    xi: float,
    c1: float,
    c2: float,
    alpha: float = 0.99,
    gamma: float = 0.01,
    form: Form = "quarter",
    method: Tail = "chernoff",
    count: Literal["widths", "draws"] = "widths",
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
    - (13) on :math:`\mathcal{W}`: :math:`n_{\ell+1}/n_\ell \le g\,\delta\,c_1^2/c_2^2`.
      ``sharper=True`` reads :math:`2p/(\alpha(1-p))` for :math:`g` (not in the paper: see
      :func:`~compressibility.bounds.wide_networks.sharper_wide_pruning`);
    - (14) on :math:`\mathcal{B}`: :math:`1/\sqrt{n_{\ell+1}} \le g\,\delta / \bigl(c_1^\ell c_2^2
      (1 \vee c_1^{-4})(1 \vee c_2^2 (1 \vee \frac{1-p}{p}))\bigr)`;
    - (15) on :math:`\mathcal{B}`: :math:`n_{\ell+2}/n_{\ell+1} \le g\,\delta\,c_1^4/c_2^4`.

    Parameters
    ----------
    widths : :math:`n_1, \dots, n_{m+1}`, input first.
    wide, blocks : the sets :math:`\mathcal{W}` and :math:`\mathcal{B}`, layers numbered from 1.
    p : chance that a drawn weight is kept.
    xi : the wanted accuracy.
    c1, c2 : as measured by :func:`~compressibility.bounds.wide_networks.network_constants`.
    alpha, gamma : share compressed and slack in the kept share; defaults of the theorem.
    form, method : passed to :func:`delta` and :func:`smallest_draws`.

    Raises
    ------
    ValueError
        A broken rule (6) or an argument out of range. A hypothesis that fails is a row, no error.

    Examples
    --------
    >>> audit = theorem_2_conditions(
    ...     widths=(312, 1200, 312), wide=(2,), blocks=(), p=0.3, xi=0.5, c1=5.5, c2=28.4)
    >>> audit.holds, [f"{row.right:.1e}" for row in audit.rows]
    (False, ['1.5e+05', '9.0e-06'])
    """
    need(0 < p < 1, "0 < p < 1", p)
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    need(count in ("widths", "draws"), "count 'widths' or 'draws'", repr(count))
    odds = p / (1 - p)
    draws = smallest_draws(p, xi, gamma=gamma, form=form, method=method)
    width_rows = _width_rows(
        widths=widths,
        wide=wide,
        blocks=blocks,
        gain=odds * (1 - alpha) / alpha,
        wide_gain=2 * odds / alpha if sharper else odds * (1 - alpha) / alpha,
        rounding=max(1.0, 1 / odds),
        power=-4,
        equations=("(13)", "(14)", "(15)"),
        small=delta(xi, form=form, wide_only=not blocks),
        c1=c1,
        c2=c2,
    )
    layers = sorted({*wide, *blocks})
    if count == "widths":
        threshold = max(draws / as_decimal(alpha), 1 / (1 - as_decimal(alpha)))
        first = [_smallest_width(widths, layers, threshold, "Theorem 2")]
    else:
        made = {
            layer: compressed_count(alpha, int(widths[layer - 1]) * int(widths[layer]))
            for layer in layers
        }
        first = [
            _condition("number of draws", "Lemma 12", layer, made[layer], ">=", draws)
            for layer in layers
        ]
    return Audit("Theorem 2", (*first, *width_rows))


def theorem_3_conditions(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    k: int,
    xi: float,
    c1: float,
    c2: float,
    alpha: float = 0.99,
    form: Form = "quarter",
    sharper: bool = False,
    as_printed: bool = False,
) -> Audit:
    r"""Audit the hypotheses of Theorem 3 (quantizing single weights).

    As :func:`theorem_2_conditions` with :math:`g = k^2(1-\alpha)/\alpha`: (19) and (21) are (13)
    and (15), and (20) on :math:`\mathcal{B}` is :math:`1/\sqrt{n_{\ell+1}} \le g\,\delta /
    \bigl(c_1^\ell c_2^2 (1 \vee c_1^{-4})(1 \vee c_2^2/k)\bigr)`. Nothing has to concentrate, so
    :math:`n_0 = 1/(1-\alpha)`. ``sharper=True`` reads :math:`8k^2/\alpha` for :math:`g` in (19).

    The paper prints :math:`1 \vee c_1^4` in (20). The proof, as that of (14), needs
    :math:`f(\Lambda)\, c_1^{2(\ell-1)} \le f(2\delta)\,c_1^{2(\ell+1)}`, that is :math:`1 \vee
    c_1^{-4}`: the printed factor does not give the theorem for :math:`c_1 < 1` and asks too much
    for :math:`c_1 > 1`. It is had with ``as_printed=True``. :math:`\delta` is that of Theorem 2;
    with no concentration a slightly larger one would do.

    Raises ValueError as :func:`theorem_2_conditions`, and unless ``k`` is a whole number >= 1.

    Examples
    --------
    >>> audit = theorem_3_conditions(
    ...     widths=(10**6, 1), wide=(1,), blocks=(), k=4, xi=0.5, c1=1.0, c2=1.0)
    >>> audit.holds, [round(row.right, 6) for row in audit.rows]
    (True, [100.0, 0.008979])
    """
    need(k >= 1 and k % 1 == 0, "a whole k >= 1", k)
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    gain = k**2 * (1 - alpha) / alpha
    width_rows = _width_rows(
        widths=widths,
        wide=wide,
        blocks=blocks,
        gain=gain,
        wide_gain=8 * k**2 / alpha if sharper else gain,
        rounding=1 / k,
        power=4 if as_printed else -4,
        equations=("(19)", "(20)", "(21)"),
        small=delta(xi, form=form, wide_only=not blocks),
        c1=c1,
        c2=c2,
    )
    layers = sorted({*wide, *blocks})
    first = _smallest_width(widths, layers, 1 / (1 - as_decimal(alpha)), "Theorem 3")
    return Audit("Theorem 3", (first, *width_rows))


def _width_rows(
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    gain: float,  # g: the larger, the less the draws disturb
    wide_gain: float,  # the same for wide layers
    rounding: float,  # c2² times this is what one draw may move, in (14) and (20)
    power: int,  # of c1 in (14) and (20)
    equations: tuple[str, str, str],
    small: float,  # δ(ξ)
    c1: float,
    c2: float,
) -> tuple[Condition, ...]:
    """Build the rows that Theorems 2 and 3 share."""
    need(0 < c1 < math.inf, "0 < c1 < inf", c1)
    need(0 < c2 < math.inf, "0 < c2 < inf", c2)
    first, second = check_layers(widths, wide, blocks)
    block = max(1.0, float(c1) ** power)
    rows = []
    for layer in first:
        ratio = widths[layer] / widths[layer - 1]
        limit = wide_gain * small * c1**2 / c2**2
        rows.append(_condition("outputs per input", equations[0], layer, ratio, "<=", limit))
    for layer in second:
        limit = gain * small / (c1**layer * c2**2 * block * max(1.0, c2**2 * rounding))
        thin = 1 / math.sqrt(widths[layer])
        rows.append(_condition("1/√(block width)", equations[1], layer, thin, "<=", limit))
        ratio = widths[layer + 1] / widths[layer]
        limit = gain * small * c1**4 / c2**4
        rows.append(_condition("block outputs per width", equations[2], layer, ratio, "<=", limit))
    return tuple(rows)


def _smallest_width(
    widths: Sequence[int], layers: list[int], threshold: Fraction, theorem: str
) -> Condition:
    """Compare the narrowest compressed layer's larger side with n0."""
    left = min(max(widths[layer - 1], widths[layer]) for layer in layers)
    return _condition("smallest width", theorem, None, left, ">=", float(threshold))


def _condition(
    name: str, equation: str, layer: int | None, left: float, relation: str, right: float
) -> Condition:
    """Build a row, with its verdict."""
    holds = left <= right if relation == "<=" else left >= right
    return Condition(name, equation, layer, float(left), relation, float(right), bool(holds))

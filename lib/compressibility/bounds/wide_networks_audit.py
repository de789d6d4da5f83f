r"""Rows of an audit: one hypothesis each, both sides and the verdict.

A verdict is taken in exact rational arithmetic, from the whole-number widths and the float on the
right: at widths beyond :math:`10^{16}`, where floats skip integers, it is still that of the row.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Literal

from compressibility.bounds.wide_networks_layers import as_decimal, compressed_count, need

Count = Literal["widths", "draws"]


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


def check_constants(c1: float, c2: float | Sequence[float], layers: int) -> tuple[float, ...]:
    """Check c1 and c2 and return c2 for every layer, whether given once or per layer."""
    need(0 < c1 < math.inf, "0 < c1 < inf", c1)
    each = tuple(c2) if isinstance(c2, Sequence) else (float(c2),) * layers
    need(len(each) == layers, f"one c2, or {layers}, one per layer", len(each))
    for value in each:
        need(0 < value < math.inf, "0 < c2 < inf", value)
    return tuple(float(value) for value in each)


def ratio_row(
    name: str, equation: str, layer: int, widths: tuple[int, int], limit: float
) -> Condition:
    """Compare the quotient of two widths with a limit from above."""
    ratio = Fraction(int(widths[0]), int(widths[1]))
    return _row(name, equation, layer, float(ratio), "<=", limit, ratio <= Fraction(limit))


def root_row(name: str, equation: str, layer: int, square: Fraction, limit: float) -> Condition:
    """Compare the square root of ``square`` with a limit from above."""
    holds = square <= Fraction(limit) ** 2
    return _row(name, equation, layer, math.sqrt(square), "<=", limit, holds)


def width_row(
    widths: Sequence[int], layers: Sequence[int], threshold: Fraction, theorem: str
) -> Condition:
    """Compare the narrowest compressed layer's larger side with n0."""
    left = min(max(int(widths[layer - 1]), int(widths[layer])) for layer in layers)
    holds = left >= threshold
    return _row("smallest width", theorem, None, float(left), ">=", float(threshold), holds)


def count_rows(
    widths: Sequence[int],
    units: dict[int, int],
    *,
    count: Count,
    draws: int,
    alpha: float,
    theorem: str,
) -> tuple[Condition, ...]:
    r"""Compare with n0 the widths, or with Lemma 12 the draws themselves.

    ``units``: what the layer has to draw, weights, columns or rows, by layer; :math:`n_0` is
    ``draws`` :math:`/\alpha`, not below :math:`1/(1-\alpha)`.
    """
    need(count in ("widths", "draws"), "count 'widths' or 'draws'", repr(count))
    if count == "widths":
        threshold = max(draws / as_decimal(alpha), 1 / (1 - as_decimal(alpha)))
        return (width_row(widths, sorted(units), threshold, theorem),)
    made = {layer: compressed_count(alpha, number) for layer, number in sorted(units.items())}
    return tuple(
        _row("number of draws", "Lemma 12", layer, float(n), ">=", float(draws), n >= draws)
        for layer, n in made.items()
    )


def _row(
    name: str, equation: str, layer: int | None, left: float, relation: str, right: float, ok: bool
) -> Condition:
    return Condition(name, equation, layer, left, relation, float(right), ok)

"""The smallest widths that a compression theorem is content with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from compressibility import checks
from compressibility.bounds.wide_networks.conditions import Asked, Conditions, Theorem, audit
from compressibility.bounds.wide_networks.facts import Constants
from compressibility.pruning.cuts import Plan
from compressibility.pruning.draws import Draw

_LARGEST = 10**300  # beyond any width that finite constants ask for


def smallest_widths(
    theorem: Theorem,
    plan: Plan,
    draw: Draw,
    constants: Constants,
    asked: Asked,
    *,
    conditions: Conditions = "repaired",
) -> tuple[int, ...]:
    r"""Find the least widths with which a network meets a theorem's hypotheses.

    What a theorem wants wide is the input side :math:`n_\ell` of a layer in :math:`\mathcal{W}`,
    the inner side :math:`n_{\ell+1}` of a block in :math:`\mathcal{B}`; all other widths stay. The
    last layer comes first, since its width is an output of the one before. Conditions get easier as
    the wide side grows: the least passing is found by doubling and bisection on the audit itself.
    Raises ValueError if none passes (a limit below the least positive float).

    >>> from compressibility.pruning.draws import Quantization
    >>> given = Plan((64, 1), wide=(1,)), Quantization(levels=4), Constants(c1=1.0, c2=(1.0,))
    >>> smallest_widths("3", *given, Asked(xi=0.5))
    (112, 1)
    """
    found = [int(width) for width in plan.widths]
    for layer, kind in reversed(plan.layers.items()):
        place = layer - 1 if kind == "wide" else layer

        def passes(width: int, layer: int = layer, place: int = place) -> bool:
            tried = (*found[:place], width, *found[place + 1 :])
            given = replace(plan, widths=tried), draw, constants, asked
            larger = max(tried[layer - 1], tried[layer])
            return all(
                row.holds if row.layer == layer else larger >= row.right
                for row in audit(theorem, *given, conditions=conditions).rows
                if row.layer in (layer, None)
            )

        found[place] = _least(passes)
    return tuple(found)


def _least(passes: Callable[[int], bool]) -> int:
    """Find the least whole number from which a monotone test passes."""
    high = 1
    while not passes(high):
        high *= 2
        checks.need(high <= _LARGEST, "a width that passes", f"none up to {_LARGEST:.0e}")
    low = high // 2  # fails, or is 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high

"""The smallest widths that a compression theorem is content with."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from compressibility.bounds.wide_networks_audit import Audit, check_layers
from compressibility.bounds.wide_networks_layers import need

_LARGEST = 10**300  # beyond any width that finite constants ask for


def smallest_widths(
    conditions: Callable[..., Audit],
    *,
    widths: Sequence[int],
    wide: Collection[int],
    blocks: Collection[int],
    **settings: Any,
) -> tuple[int, ...]:
    r"""Find the least widths with which a network meets a theorem's hypotheses.

    What a theorem wants wide is the input side :math:`n_\ell` of a layer in :math:`\mathcal{W}` and
    the inner side :math:`n_{\ell+1}` of a block in :math:`\mathcal{B}`. These are replaced by the
    least whole numbers that pass; every other width stays as given. The last compressed layer comes
    first, since its width is an output of the layer before. Every condition gets easier as its
    layer's wide side grows, so the least width is found by doubling and bisection on the audit
    itself. Widths are Python integers and do not overflow.

    Parameters
    ----------
    conditions : :func:`~compressibility.bounds.wide_networks.theorem_2_conditions`, or that of
        Theorem 3, 6 or 7.
    widths, wide, blocks : the architecture, as there.
    settings : everything else that the audit asks for, its constants and options.

    Returns
    -------
    tuple of int
        :math:`n_1, \dots, n_{m+1}`, of which those wanted wide are the least that pass.

    Raises
    ------
    ValueError
        As the audit, and if no width passes (a limit below the least positive float).

    Examples
    --------
    >>> from compressibility.bounds.wide_networks import theorem_3_conditions
    >>> smallest_widths(theorem_3_conditions, widths=(64, 1), wide=(1,), blocks=(),
    ...     k=4, xi=0.5, c1=1.0, c2=1.0)
    (112, 1)
    """
    first, second = check_layers(widths, wide, blocks)
    found = [int(width) for width in widths]
    for layer in sorted([*first, *second], reverse=True):
        place = layer - 1 if layer in first else layer

        def passes(width: int, layer: int = layer, place: int = place) -> bool:
            tried = [*found[:place], width, *found[place + 1 :]]
            audit = conditions(widths=tried, wide=wide, blocks=blocks, **settings)
            larger = max(tried[layer - 1], tried[layer])
            return all(
                row.holds if row.layer == layer else larger >= row.right
                for row in audit.rows
                if row.layer in (layer, None)
            )

        found[place] = _least(passes)
    return tuple(found)


def _least(passes: Callable[[int], bool]) -> int:
    """Find the least whole number from which a monotone test passes."""
    high = 1
    while not passes(high):
        high *= 2
        need(high <= _LARGEST, "a width that passes", f"none up to {_LARGEST:.0e}")
    low = high // 2  # fails, or is 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high

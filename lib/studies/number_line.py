"""The small picture beside a claim: what was predicted, and where the measurement fell."""

import math

WIDTH, HEIGHT = 220.0, 28.0
EDGE = 8.0  # left free on each side, so that a dot at the end stays whole
ROOM = 0.14  # share of the line left free beyond the outermost number
LEAST = 4.0  # nothing that is drawn is narrower than this


def _at(x: float) -> str:
    """Write a coordinate with at most one decimal."""
    return f"{x:.1f}".removesuffix(".0")


def number_line(
    value: float, low: float, high: float, region_low: float, region_high: float
) -> str:
    """Draw predicted region, measured interval and value on one line, as inline SVG.

    The line spans all numbers that are finite, with room beyond them; a bound at infinity runs
    off the edge. Every part stays visible: a region or interval that is a single point, or small
    beside the other numbers, is drawn a few pixels wide. The colours are set by the style sheet
    (classes ``scale-axis``, ``scale-region``, ``scale-bound``, ``scale-interval``,
    ``scale-value``) and are inherited otherwise, so the drawing serves light and dark pages.

    Parameters
    ----------
    value : float
        What was measured; finite.
    low, high : float
        Its interval, ``low <= high``; may be a point or infinite, and need not meet the region.
    region_low, region_high : float
        The predicted region, ``region_low <= region_high``; either may be infinite.

    Returns
    -------
    str
        An ``<svg>`` element, 220 by 28, without identifiers and hidden from screen readers (the
        numbers stand beside it in words).

    Raises
    ------
    ValueError
        If a number is not a number, the value is not finite, or a pair is in the wrong order.

    Examples
    --------
    >>> number_line(-1.0, -1.1, -0.9, -math.inf, 0.0).count("scale-bound")
    1
    """
    if not math.isfinite(value):
        raise ValueError(f"need a finite value, got {value}")
    if not low <= high:
        raise ValueError(f"need low <= high, got {low} and {high}")
    if not region_low <= region_high:
        raise ValueError(f"need region_low <= region_high, got {region_low} and {region_high}")

    finite = [x for x in (value, low, high, region_low, region_high) if math.isfinite(x)]
    unit = max(map(abs, finite)) or 1.0  # lengths are taken in this unit: no overflow
    left, right = min(finite) / unit, max(finite) / unit
    span = (right - left) or 1.0

    def across(x: float) -> float:
        if math.isinf(x):
            return 0.0 if x < 0 else WIDTH
        share = 0.5 if left == right else (x / unit - left) / span
        return EDGE + (WIDTH - 2 * EDGE) * (ROOM + (1 - 2 * ROOM) * share)

    def stretch(start: float, end: float) -> tuple[float, float]:
        a, b = across(start), across(end)
        if b - a < LEAST:
            centre = (a + b) / 2
            a, b = centre - LEAST / 2, centre + LEAST / 2
        return a, b

    middle = HEIGHT / 2
    a, b = stretch(region_low, region_high)
    parts = [
        f'<path class="scale-axis" d="M0 {_at(middle)}H{_at(WIDTH)}" stroke="currentColor"/>',
        f'<rect class="scale-region" x="{_at(a)}" y="3" width="{_at(b - a)}" '
        f'height="{_at(HEIGHT - 6)}" fill="currentColor" fill-opacity=".16"/>',
    ]
    parts += [
        f'<path class="scale-bound" d="M{_at(x)} 3V{_at(HEIGHT - 3)}" stroke="currentColor"/>'
        for bound, x in ((region_low, a), (region_high, b))
        if math.isfinite(bound)
    ]
    a, b = stretch(low, high)
    parts += [
        f'<rect class="scale-interval" x="{_at(a)}" y="{_at(middle - 2.5)}" '
        f'width="{_at(b - a)}" height="5" fill="currentColor"/>',
        f'<circle class="scale-value" cx="{_at(across(value))}" cy="{_at(middle)}" r="5" '
        'fill="currentColor"/>',
    ]
    return (
        f'<svg class="scale" width="{_at(WIDTH)}" height="{_at(HEIGHT)}" '
        f'viewBox="0 0 {_at(WIDTH)} {_at(HEIGHT)}" aria-hidden="true" focusable="false">'
        f"{''.join(parts)}</svg>"
    )

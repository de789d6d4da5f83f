"""Numbers as a reader wants them: a few significant digits, a real minus sign, powers of ten."""

from __future__ import annotations

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, *, digits: int = 3) -> str:
    """Write ``value`` with ``digits`` significant digits; whole numbers below 10⁶ in full."""
    if math.isnan(value):
        raise ValueError("need a number, got nan")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value)}".replace("-", "−")  # int: zero has no sign
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -4 < power < 6:
        text = f"{value:.{max(0, digits - 1 - power)}f}"
    else:
        text = f"{mantissa}·10{str(power).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def interval(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a value and its interval with as many digits as tell the ends apart, 3 to 6."""
    for digits in range(3, 7):
        texts = tuple(number(v, digits=digits) for v in (value, low, high))
        if low == high or texts[1] != texts[2]:
            break
    return texts[0], texts[1], texts[2]

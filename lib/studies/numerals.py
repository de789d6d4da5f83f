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


def count(value: int) -> str:
    """Write a count with narrow spaces between its thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def bound(value: float) -> str:
    """Write a number that somebody chose: up to six digits, no zeros that were not typed."""
    mantissa, times, power = number(value, digits=6).partition("·")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + times + power


def interval(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a value and its interval alike: as many decimals as show two digits of its length."""
    three = (value, low, high)
    if low == high:
        return bound(value), bound(low), bound(high)
    length, size = high - low, max(map(abs, three))
    if length < math.inf and 1e-4 <= size < 1e6 and length > 1e-6 * size:
        decimals = max(0, 1 - math.floor(math.log10(length)))
        a, b, c = (f"{v:.{decimals}f}" for v in three)
    else:
        a, b, c = _alike(*three)
    return _signed(a), _signed(b), _signed(c)


def _alike(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Very large, very small or very close numbers: as many digits as tell the ends apart."""
    for digits in range(3, 7):
        a, b, c = (number(v, digits=digits) for v in (value, low, high))
        if b != c:
            break
    return a, b, c


def _signed(text: str) -> str:
    """A real minus sign, and none before a zero."""
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", "−")

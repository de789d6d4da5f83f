"""Numbers as a reader wants them, and numbers that the prose cites."""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from myst_nb import glue

# Below it an exact number is what is left of rounding; one digit says how much.
ROUNDING = 1e-12
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, *, digits: int = 6) -> str:
    """Write a number that stands alone: up to ``digits`` digits, no zeros that say nothing."""
    if math.isnan(value):
        raise ValueError("need a number, got nan")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e6:
        return count(int(value))  # int: zero has no sign
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -4 < power < 6:
        mantissa, power = f"{value:,.{max(0, digits - 1 - power)}f}", 0
    return _typeset(mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa, power)


def count(value: int) -> str:
    """Write a whole number in full, with narrow spaces between its thousands."""
    return _typeset(f"{value:,}")


def estimate(
    value: float,
    low: float,
    high: float,
    *,
    same: Callable[[float, float], bool] = lambda low, high: True,  # noqa: ARG005
) -> str:
    """Write a value and its interval: ``0.50 [0.40, 0.61]``.

    All three have the decimals that show two digits of the interval's length, and more only until
    ``same(low, high)`` says of the ends *as written* that they mean what the exact ones do (the
    same verdict, say). A number without error has up to six digits, one if it is nothing but
    rounding (`ROUNDING`); an interval too short to be told from its value is ``1 ± 3·10⁻⁸``.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"need a finite value, low <= value <= high; got {value}, {low}, {high}")
    if low == high:
        exact = range(1 if abs(value) < ROUNDING else 6, 18)
        rounded = ((digits, float(f"{value:.{digits - 1}e}")) for digits in exact)
        return number(value, digits=next((d for d, x in rounded if same(x, x)), 17))
    length, size = high - low, max(abs(x) for x in (value, low, high) if math.isfinite(x))
    if length < 1e-6 * size:
        return _narrow(value, low, high, same)
    top = math.floor(math.log10(size or 1))
    power = 0 if 1e-4 <= size < 1e6 else top
    last = math.floor(math.log10(length)) - 1 if length < math.inf else top - 2
    for place in range(last, last - 16, -1):
        if same(*(_rounded(x, min(place, power)) for x in (low, high))):
            break
    decimals = max(0, power - place)
    centre, left, right = (
        number(x)
        if math.isinf(x)
        else _typeset(f"{Decimal(x).scaleb(-power):,.{decimals}f}", power)
        for x in (value, low, high)
    )
    return f"{centre} [{left}, {right}]"


def publish(key: str, value: Any = None, /, **named: Any) -> None:
    """Make numbers citable in the text: ``{glue:text}`pruning-kept:.3f```.

    ``publish("pruning", kept=…, of_all=…)`` publishes ``pruning-kept`` and ``pruning-of-all``;
    ``publish("key", value)`` publishes one.  Whatever is a number (or has ``item()``, as NumPy's
    scalars and one-element tensors do) becomes a Python int or float: others print as their
    type's name on the page, or not at all.  NaN and infinity are ValueErrors.
    """
    parts = {f"{key}-{name.replace('_', '-')}": part for name, part in named.items()}
    if value is not None or not named:
        parts[key] = value
    for name, part in parts.items():
        if hasattr(part, "item"):
            with contextlib.suppress(ValueError, RuntimeError):  # an array, a tensor of many
                part = part.item()
        glue(name, plain_number(part, f"publish({name!r})", "a single number"), display=False)


def plain_number(value: Any, where: str, wanted: str) -> int | float:
    """Python's own number of this value; TypeError for what is none, ValueError for NaN and ∞."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{where}: need {wanted}, got {type(value).__name__}")
    if isinstance(value, numbers.Integral):
        return int(value)
    if not math.isfinite(value):
        raise ValueError(f"{where}: need a finite number, got {value}")
    return float(value)


def _narrow(value: float, low: float, high: float, same: Callable[[float, float], bool]) -> str:
    """A short interval by its middle and a half length that is rounded up."""
    for digits in range(6, 18):
        middle = float(f"{value:.{digits - 1}e}")
        half = max(high - middle, middle - low)
        step = 10.0 ** math.floor(math.log10(half))
        half = math.ceil(half / step) * step
        if same(middle - half, middle + half):
            break
    return f"{number(middle, digits=digits)} ± {number(half, digits=1)}"


def _rounded(value: float, place: int) -> float:
    return value if math.isinf(value) else float(round(Decimal(value), -place))


def _typeset(text: str, power: int = 0) -> str:
    """A real minus sign and none before a zero, narrow spaces, a power of ten."""
    if not text.strip("-0.,"):
        text = text.removeprefix("-")
    text = text.replace("-", "−").replace(",", "\N{NARROW NO-BREAK SPACE}")
    return text + (f"·10{str(power).translate(_SUPERSCRIPTS)}" if power else "")

"""What arguments must be: one way to say it, and the one exact count of a share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Rational

import numpy as np
import torch
from torch import Tensor

Share = int | float | Fraction | Decimal | np.number
"""A number that is read as it prints."""


def need(holds: bool, rule: str, got: object) -> None:
    """Raise ValueError unless something holds.

    >>> need(2 < 1, "fewer layers", 2)
    Traceback (most recent call last):
    ValueError: need fewer layers, got 2
    """
    if not holds:
        raise ValueError(f"need {rule}, got {got}")


def of_kind(kind: type, **values: object) -> None:
    """Raise ValueError, with its name, for a value of another kind."""
    for name, value in values.items():
        need(isinstance(value, kind), f"a {kind.__name__} as {name}", type(value).__name__)


def finite(**tensors: Tensor) -> None:
    """Raise ValueError, with its name, for no tensor, or one that holds nan or infinity."""
    of_kind(Tensor, **tensors)
    for name, tensor in tensors.items():
        need(bool(torch.isfinite(tensor).all()), f"finite {name}", "nan or infinity")


def floats(**tensors: Tensor) -> None:
    """Raise ValueError, with its name, unless a tensor is float32 or float64 and finite."""
    finite(**tensors)
    for name, tensor in tensors.items():
        known = tensor.dtype in (torch.float32, torch.float64)
        need(known, f"{name} of dtype float32 or float64", tensor.dtype)


def not_negative(**values: float) -> None:
    """Raise ValueError, with its name, for a number outside [0, inf)."""
    for name, value in values.items():
        need(0 <= value < math.inf, f"0 <= {name} < inf", value)


def whole(**numbers: int) -> None:
    """Raise ValueError, with its name, for anything but a whole number >= 1; True is none."""
    for name, number in numbers.items():
        holds = isinstance(number, Integral) and not isinstance(number, bool) and number >= 1
        need(holds, f"a whole {name} >= 1", repr(number))


def order_of(order: Tensor, total: int) -> None:
    """Raise ValueError unless an order (N,) holds 0, …, N - 1, each once."""
    fits = order.shape == (total,) and order.dtype in (torch.int32, torch.int64)
    once = fits and bool((order.sort().values == torch.arange(total).to(order)).all())
    need(once, f"an order of 0..{total - 1}, each once", (order.dtype, tuple(order.shape)))


def up_to(total: int, counts: Sequence[int]) -> None:
    """Raise ValueError unless there are counts, all of them whole numbers from 0 to a total."""
    right = len(counts) > 0 and all(0 <= n <= total and n % 1 == 0 for n in counts)
    need(right, f"counts in 0..{total}", list(counts))


def decimal(value: Share) -> Fraction:
    """Read a number as the decimal that it prints as, in whatever precision it is held.

    >>> decimal(0.29), decimal(np.float32(0.29)), decimal(Fraction(1, 3))
    (Fraction(29, 100), Fraction(29, 100), Fraction(1, 3))
    """
    kinds = (Rational, float, Decimal, np.floating)
    exact = isinstance(value, kinds) and not isinstance(value, bool)
    need(exact, "a number (int, float, Fraction, Decimal, NumPy scalar)", type(value).__name__)
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    need(math.isfinite(value), "a finite number", value)
    return Fraction(str(value))


def plain(value: Share) -> float | Fraction:
    """Return a fraction as it is, any other number as the Python float that prints alike.

    >>> plain(np.float32(0.29))
    0.29
    """
    exact = decimal(value)
    return value if isinstance(value, Fraction) else float(exact)


def count(share: Share, total: int) -> int:
    r"""Return :math:`\lfloor \alpha N \rfloor`, exactly: the one count of a share of N things.

    For a share that is no short decimal pass a ``Fraction``: ``Fraction(1, 3)`` of 3 is 1, the
    float ``1 / 3`` of 3 is 0.

    >>> count(0.57, 200), count(np.float32(0.29), 100)  # in floats 113 and 28
    (114, 29)
    """
    whole(total=total)
    exact = decimal(share)
    need(0 <= exact <= 1, "0 <= share <= 1", share)
    return math.floor(exact * int(total))

"""Numbers for the prose: a cell publishes them, the text cites them with the glue role."""

from __future__ import annotations

import math
import numbers
from typing import Any

from myst_nb import glue


def publish(key: str, value: Any) -> None:
    """Make ``value`` citable in the text under ``key``: ``{glue:text}`key:.3f```.

    Anything that is a number (or has ``item()``, as NumPy scalars and one-element
    tensors do) becomes a Python int or float first: others print as their type's
    name on the page, or not at all.

    Raises
    ------
    TypeError
        If the value is no single number.
    ValueError
        If it is not finite.
    """
    try:
        plain = value.item() if hasattr(value, "item") else value
    except (ValueError, RuntimeError):  # an array, a tensor of many
        plain = None
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise TypeError(f"publish({key!r}): need a single number, got {type(value).__name__}")
    if not math.isfinite(plain):
        raise ValueError(f"publish({key!r}): need a finite number, got {plain}")
    glue(key, int(plain) if isinstance(plain, numbers.Integral) else float(plain), display=False)

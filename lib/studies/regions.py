"""Predicted regions: the sets of numbers in which a theorem says a measurement must fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

from studies.numerals import bound as shown


@dataclass(frozen=True)
class Region:
    """An interval of the real line; an end may be infinite, and is open or closed."""

    low: float
    high: float
    low_closed: bool = True
    high_closed: bool = True

    def __post_init__(self) -> None:
        if not self.low <= self.high:  # so written, it refuses NaN
            raise ValueError(f"need low <= high, got {self.low} and {self.high}")
        closed = self.low_closed and self.high_closed and math.isfinite(self.low)
        if self.low == self.high and not closed:
            raise ValueError(f"need a region with a number in it, got only {self.low}")

    def contains(self, low: float, high: float) -> bool:
        """Whether every point of [low, high] lies in the region."""
        above = low >= self.low if self.low_closed else low > self.low
        below = high <= self.high if self.high_closed else high < self.high
        return above and below

    def misses(self, low: float, high: float) -> bool:
        """Whether no point of [low, high] lies in the region."""
        left = high < self.low if self.low_closed else high <= self.low
        right = low > self.high if self.high_closed else low >= self.high
        return left or right

    def __str__(self) -> str:
        if self.low == self.high:
            return f"exactly {shown(self.low)}"
        left = f"{'at least' if self.low_closed else 'above'} {shown(self.low)}"
        right = f"{'at most' if self.high_closed else 'below'} {shown(self.high)}"
        if math.isinf(self.low):
            return right
        if math.isinf(self.high):
            return left
        if self.low_closed and self.high_closed:
            return f"{shown(self.low)} to {shown(self.high)}"
        return f"{left} and {right}"


def below(bound: float) -> Region:
    """Numbers < bound."""
    return Region(-math.inf, bound, high_closed=False)


def at_most(bound: float) -> Region:
    """Numbers ≤ bound."""
    return Region(-math.inf, bound)


def above(bound: float) -> Region:
    """Numbers > bound."""
    return Region(bound, math.inf, low_closed=False)


def at_least(bound: float) -> Region:
    """Numbers ≥ bound."""
    return Region(bound, math.inf)


def between(low: float, high: float) -> Region:
    """Numbers from low to high, ends included."""
    return Region(low, high)


def exactly(value: float) -> Region:
    """The one number; for counts and other measurements without error."""
    return Region(value, value)

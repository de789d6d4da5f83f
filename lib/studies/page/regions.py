"""Predicted regions: the sets of numbers in which a claim says a measurement must fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

from studies.page.numbers import number


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

    @property
    def of_counts(self) -> bool:
        """Whether a count is meant: each finite end is whole and closed."""
        ends = ((self.low, self.low_closed), (self.high, self.high_closed))
        return all(math.isinf(end) or (closed and end % 1 == 0) for end, closed in ends)

    def __str__(self) -> str:
        if self.low == self.high:
            return f"exactly {number(self.low)}"
        left = f"{'at least' if self.low_closed else 'above'} {number(self.low)}"
        right = f"{'at most' if self.high_closed else 'below'} {number(self.high)}"
        if math.isinf(self.low):
            return right
        if math.isinf(self.high):
            return left
        if not (self.low_closed and self.high_closed):
            return f"{left} and {right}"
        if number(self.low) != number(self.high):
            return f"{number(self.low)} to {number(self.high)}"
        half = (self.high - self.low) / 2
        return f"{number(self.low + half)} ± {number(half, digits=1)}"


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

"""Numbers that say how sure they are: a value, its interval, the count of independent units.

Of 100 intervals of level .99 one misses where values have the law that it is made for: normal; with
``log=True`` lognormal; of medians and shares any, or fewer. Means of skewed values fall too low: of
4 to 20 exponential ones 3 to 5 miss, lognormal (σ = 1) 7 to 9, Pareto (index 2.5) 11 to 13; with
``log=True`` 2, 1 and 3 to 5. Slopes are differences and miss at most once (``test_estimates.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from compressibility.checks import need


@dataclass(frozen=True)
class Estimate:
    """A number with a confidence interval."""

    value: float  # the estimate, low <= value <= high
    low: float  # lower end of the interval, or -inf
    high: float  # upper end of the interval, or inf
    n: int  # independent units: seeds, networks, throws
    level: float  # confidence level; 1.0 where the number is exact

    def __post_init__(self) -> None:
        need(math.isfinite(self.value), "a finite value", self.value)
        ends = f"{self.low}, {self.value}, {self.high}"
        need(self.low <= self.value <= self.high, "low <= value <= high", ends)
        need(self.n >= 1, "n >= 1", self.n)
        need(0 < self.level <= 1, "0 < level <= 1", self.level)


def mean(values: ArrayLike, *, level: float = 0.99, log: bool = False) -> Estimate:
    r"""Mean of independent values with Student's t interval.

    .. math:: \bar v \pm t_{n-1,(1+\text{level})/2} \; s / \sqrt{n}

    with :math:`s` the standard deviation (``ddof=1``), of n >= 2 *independent units*: average the
    throws of one network first. With ``log=True`` the values are positive, the mean is the
    geometric one and the interval that of the logarithms: no end is negative.

    Values that are equal, to rounding, show no spread to measure by: that four throws fell alike
    proves nothing of the fifth. Their interval is the whole line (what needs none is ``exact``).

    >>> mean([2.0, 2.0]).high, round(mean([1.0, 100.0], log=True).value, 12)
    (inf, 10.0)
    """
    sample = _finite("values", values, ndim=1)
    _check_level(level)
    need(sample.size >= 2, "at least 2 values for an interval", sample.size)
    alike = bool(np.ptp(sample) <= 1e-14 * np.abs(sample).max())
    if log:
        need(bool((sample > 0).all()), "values > 0 on the log scale", sample.min())
        sample = np.log(sample)
    centre = float(sample.mean())
    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
    half = math.inf if alike else float(stats.t.ppf((1 + level) / 2, sample.size - 1)) * error
    value, low, high = centre, centre - half, centre + half
    if log:
        with np.errstate(over="ignore"):  # an end beyond the floats is infinite
            value, low, high = np.exp([value, low, high]).tolist()
    return Estimate(value, low, high, sample.size, float(level))


def median(values: ArrayLike, *, level: float = 0.99) -> Estimate:
    r"""Median of independent values, with an interval between two of them, for any law.

    .. math:: [v_{(r)}, v_{(n + 1 - r)}], \qquad
              r = \max \{ j : P(B < j) \le (1 - \text{level}) / 2 \},
              \quad B \sim \mathrm{Bin}(n, \tfrac12)

    of the sorted values, r ≥ 1. It covers at least as often as its level says; .99 needs 8 values.

    >>> median([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 100.0])
    Estimate(value=4.5, low=1.0, high=100.0, n=8, level=0.99)
    """
    sample = _finite("values", values, ndim=1)
    _check_level(level)
    law, tail = stats.binom(max(1, sample.size), 0.5), (1 - level) / 2
    rank = int(law.ppf(tail))
    rank += bool(law.cdf(rank) <= tail)
    need(rank >= 1, f"enough values for level {level}", sample.size)
    low, high = np.sort(sample)[[rank - 1, -rank]].tolist()
    return Estimate(float(np.median(sample)), low, high, sample.size, float(level))


def slope(x: ArrayLike, ys: ArrayLike, *, level: float = 0.99) -> Estimate:
    r"""Mean least-squares slope over independent rows, with Student's t interval over the rows.

    .. math:: b_r = \frac{\sum_i (x_i - \bar x)\, y_{ri}}{\sum_i (x_i - \bar x)^2}

    ``x`` (points,) takes at least two values; ``ys`` is (rows, points), one row per seed. The
    points of one row may depend on one another (the same seed at every width); the rows must not.
    Pass logarithms for the slope of a power law.

    >>> slope([0.0, 1.0], [[0.0, 2.0], [5.0, 7.0]]).value
    2.0
    """
    points = _finite("x", x, ndim=1)
    rows = _finite("ys", ys, ndim=2)
    need(rows.shape[1] == points.size, f"ys of shape (rows, {points.size})", rows.shape)
    varies = points.size >= 2 and bool(np.ptp(points) > 0)
    need(varies, "at least 2 different x", points.tolist())
    centred = points - points.mean()
    return mean(rows @ centred / (centred @ centred), level=level)


def share(successes: int, n: int, *, level: float = 0.99) -> Estimate:
    """Share of successes among n independent trials, with Clopper and Pearson's interval.

    >>> share(0, 10).low
    0.0
    """
    successes, n = index(successes), index(n)
    _check_level(level)
    need(n >= 1, "n >= 1", n)
    need(0 <= successes <= n, f"0 <= successes <= {n}", successes)
    ends = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return Estimate(successes / n, float(ends.low), float(ends.high), n, float(level))


def exact(value: float, n: int) -> Estimate:
    """Return a number without sampling error, found by counting or checking n things.

    >>> exact(0, 240)
    Estimate(value=0.0, low=0.0, high=0.0, n=240, level=1.0)
    """
    return Estimate(float(value), float(value), float(value), index(n), 1.0)


def worst(estimates: Iterable[Estimate], *, side: Literal["low", "high"]) -> Estimate:
    """Return the estimate with the least favourable end: the least low, or the greatest high.

    The worst value may have a narrow interval; what a claim must bear is the worst end. Of K it
    lies beyond the truth no more often than one would, short of it up to K times as often.

    >>> wide, narrow = Estimate(2.0, 0.0, 4.0, 5, 0.99), Estimate(1.0, 0.9, 1.1, 5, 0.99)
    >>> worst([narrow, wide], side="low").value
    2.0
    """
    need(side in ("low", "high"), "side 'low' or 'high'", repr(side))
    found = list(estimates)
    need(len(found) > 0, "at least 1 estimate", "none")
    pick = min if side == "low" else max
    return pick(found, key=lambda one: getattr(one, side))


def exceptions(values: ArrayLike, limits: ArrayLike) -> Estimate:
    """Count the values above their limits, exactly, among all of them; shapes broadcast.

    NaN would never count as an exception, so it is refused. Infinities are compared.

    >>> exceptions([1.0, 3.0, 5.0], 2.0)
    Estimate(value=2.0, low=2.0, high=2.0, n=3, level=1.0)
    """
    both = (np.asarray(given, dtype=np.float64) for given in (values, limits))
    seen, most = np.broadcast_arrays(*both)
    need(seen.size > 0, "at least 1 value", "none")
    need(not np.isnan(seen).any(), "values that are numbers", "nan")
    need(not np.isnan(most).any(), "limits that are numbers", "nan")
    return exact(int((seen > most).sum()), seen.size)


def _check_level(level: float) -> None:
    need(0 < level < 1, "0 < level < 1", level)


def _finite(name: str, values: ArrayLike, *, ndim: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    need(array.ndim == ndim, f"{name} with {ndim} axes", f"shape {array.shape}")
    need(bool(np.isfinite(array).all()), f"finite {name}", "nan or infinity")
    return array

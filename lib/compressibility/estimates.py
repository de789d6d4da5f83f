"""Numbers that say how sure they are: a value, its interval, the count of independent units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A number with a confidence interval.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0], level=0.95).value
    2.0
    """

    value: float  # the estimate, low <= value <= high
    low: float  # lower end of the interval
    high: float  # upper end of the interval
    n: int  # independent units: seeds, networks, draws
    level: float  # confidence level; 1.0 where the number is exact

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"need a finite {name}, got {getattr(self, name)}")
        if not self.low <= self.value <= self.high:
            got = f"{self.low}, {self.value}, {self.high}"
            raise ValueError(f"need low <= value <= high, got {got}")
        if self.n < 1:
            raise ValueError(f"need n >= 1, got {self.n}")
        if not 0 < self.level <= 1:
            raise ValueError(f"need 0 < level <= 1, got {self.level}")


def mean_interval(values: ArrayLike, *, level: float = 0.99) -> Estimate:
    r"""Mean of independent values with Student's t interval.

    .. math:: \bar v \pm t_{n-1,(1+\text{level})/2} \; s / \sqrt{n}

    with :math:`s` the standard deviation (``ddof=1``). The values must be *independent units*:
    average the draws of one network first, then pass one value per network.

    Parameters
    ----------
    values
        Shape (n,), n >= 2, finite.
    level
        Confidence level. Default 0.99: our choice, because a book of some fifty claims should
        not show a false alarm in every other build.

    Raises
    ------
    ValueError
        Fewer than two values, a value that is not finite, or a level outside (0, 1).

    Examples
    --------
    >>> mean_interval([2.0, 2.0]).low
    2.0
    """
    sample = _finite("values", values, ndim=1)
    _check_level(level)
    if sample.size < 2:
        raise ValueError(f"need at least 2 values for an interval, got {sample.size}")
    centre = float(sample.mean())
    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
    half = float(stats.t.ppf((1 + level) / 2, sample.size - 1)) * error
    return Estimate(centre, centre - half, centre + half, sample.size, float(level))


def slope_interval(x: ArrayLike, ys: ArrayLike, *, level: float = 0.99) -> Estimate:
    r"""Mean least-squares slope over independent rows, with Student's t interval over the rows.

    .. math:: b_r = \frac{\sum_i (x_i - \bar x)\, y_{ri}}{\sum_i (x_i - \bar x)^2}

    The points of one row may depend on one another (the same seed at every width); the rows must
    not. Pass logarithms for the slope of a power law.

    Parameters
    ----------
    x
        Shape (points,), at least two different values.
    ys
        Shape (rows, points), at least two rows: one per seed or network.
    level
        Confidence level, see :func:`mean_interval`.

    Raises
    ------
    ValueError
        Shapes that do not fit, equal x, fewer than two rows, values that are not finite.

    Examples
    --------
    >>> slope_interval([0.0, 1.0], [[0.0, 2.0], [5.0, 7.0]]).value
    2.0
    """
    points = _finite("x", x, ndim=1)
    rows = _finite("ys", ys, ndim=2)
    if rows.shape[1] != points.size:
        raise ValueError(f"need ys of shape (rows, {points.size}), got {rows.shape}")
    if points.size < 2 or np.ptp(points) == 0:
        raise ValueError(f"need at least 2 different x, got {points.tolist()}")
    centred = points - points.mean()
    return mean_interval(rows @ centred / (centred @ centred), level=level)


def exact(value: float, n: int) -> Estimate:
    """Return a number without sampling error: a count, a closed form; its interval is the number.

    Parameters
    ----------
    value
        The number.
    n
        How many things were counted or checked.

    Examples
    --------
    >>> exact(0, 240)
    Estimate(value=0.0, low=0.0, high=0.0, n=240, level=1.0)
    """
    return Estimate(float(value), float(value), float(value), index(n), 1.0)


def share_interval(successes: int, n: int, *, level: float = 0.99) -> Estimate:
    """Share of successes among n independent trials, with Clopper and Pearson's interval.

    Parameters
    ----------
    successes, n
        Counts, 0 <= successes <= n and n >= 1.
    level
        Confidence level (coverage is at least this), see :func:`mean_interval`.

    Raises
    ------
    ValueError
        Counts out of order, or a level outside (0, 1).

    Examples
    --------
    >>> share_interval(0, 10).low
    0.0
    """
    successes, n = index(successes), index(n)
    _check_level(level)
    if n < 1:
        raise ValueError(f"need n >= 1, got {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"need 0 <= successes <= {n}, got {successes}")
    ends = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return Estimate(successes / n, float(ends.low), float(ends.high), n, float(level))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"need 0 < level < 1, got {level}")


def _finite(name: str, values: ArrayLike, *, ndim: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"need {name} with {ndim} axes, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"need finite {name}, got nan or infinity")
    return array

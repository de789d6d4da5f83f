r"""Estimates of the tail index :math:`\alpha` of a law, :math:`P(|X| > x) \approx x^{-\alpha}`.

The code of [B] (cited in ``noise.stable``) estimates it by :func:`blocks`, after Mohammadi,
Mohammadpour, Ogata (Metrika 78, 2015). Below 2 there is no variance; but a value below 2 from
:func:`blocks` proves nothing: it presumes a strictly stable law, and reads about 1.72 on Laplace
samples. Values are taken to be independent. Where rounding makes a few values or sums 0, they count
as the least of the others (the code of [B] adds the epsilon).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Tensor

from compressibility.checks import need, whole
from compressibility.estimates import Estimate

Floats = NDArray[np.float64]
Values = ArrayLike | Tensor
GRID = (2, 5, 10, 20, 50, 100, 500, 1000)  # block sizes in the code of [B]
SLOPE = (10, 16, 32, 64, 128, 256)  # ours
_STRETCHES = 20  # of the sample; the jackknife leaves out each


@dataclass(frozen=True)
class TailIndex:
    """A tail index and its interval; where no power is seen infinite, as no ``Estimate`` may be."""

    value: float
    low: float
    high: float
    n: int  # order statistics, or blocks of the middle size
    level: float


@dataclass(frozen=True, eq=False)
class BlockIndex:
    """The block estimates of a sample at several block sizes."""

    sizes: tuple[int, ...]  # m, ascending
    counts: tuple[int, ...]  # blocks of each size
    growth: Floats  # (1 + 20, sizes), the brackets: of all values, and without each stretch
    values: Floats  # α̂(m); infinite where sums do not outgrow their terms
    errors: Floats  # standard error of each
    index: TailIndex  # the median over m, then capped at 2


def blocks(
    values: Values, sizes: Sequence[int] | None = None, *, centre: bool = True, level: float = 0.99
) -> BlockIndex:
    r"""Estimate the index of a strictly stable law, whose sums of m grow like :math:`m^{1/\alpha}`.

    .. math:: \frac1{\hat\alpha(m)} = \frac1{\log m} \Big(\frac1n \sum_{i \le n} \log \|Y_i\| -
        \frac1{nm} \sum_{j \le nm} \log \|X_j\|\Big), \qquad Y_i = \sum_{j \le m} X_{(i-1)m+j}

    ``values`` are numbers (N,) or vectors (N, d). Sizes are by default, as in the code of [B], the
    largest divisors of N up to each m <= N/2 of :data:`GRID` and up to √N. ``centre`` subtracts
    medians, not midpoints: the two middle values would add to 0. For both an odd N loses its last
    value: 1 would be such a divisor, and one value would be the median. Errors, and the interval
    (Student's for :math:`1/\hat\alpha`), leave out each of 20 stretches of the sample in turn.

    >>> found = blocks([8.0, 2, -1, -1, 1, 1, 4, -2], sizes=[4], centre=False)
    >>> round(found.index.value, 6), found.counts  # 16/13
    (1.230769, (2,))
    """
    sample = _sample(values, axes=(1, 2))
    if centre or sizes is None:
        sample = sample[: len(sample) // 2 * 2]
    total = len(sample)
    need(total >= 4, "N >= 4", total)
    if centre:
        sample = sample - np.quantile(sample, (total / 2 - 2 / 3) / (total - 1), axis=0)
    chosen = _grid(total) if sizes is None else tuple(sorted(set(sizes)))
    need(len(chosen) > 0, "at least 1 block size", "none")
    for m in chosen:
        whole(size=m)
        need(2 <= m <= total / 2, f"2 <= size <= N/2 = {total / 2:g}", m)
    counts, logs, terms = tuple(total // m for m in chosen), np.log(chosen), _logs(sample)
    sums, parts = np.empty((2, _STRETCHES, len(chosen)))
    for at, (m, n) in enumerate(zip(chosen, counts, strict=True)):
        cut = (n, m, *sample.shape[1:])  # einsum sums few terms three times as fast as sum
        grown = _logs(np.einsum("ij...->i...", sample[: n * m].reshape(cut)))
        grown -= np.einsum("ij->i", terms[: n * m].reshape(n, m)) / m
        edges = np.arange(_STRETCHES + 1) * n // _STRETCHES
        sums[:, at] = [grown[a:b].sum() for a, b in pairwise(edges)]
        parts[:, at] = np.diff(edges)
    growth = np.vstack([sums.sum(0) / counts, (sums.sum(0) - sums) / (counts - parts)])
    each = _inverted(growth / logs)
    spread = np.sqrt((_STRETCHES - 1) * growth[1:].var(axis=0))
    errors = np.full(len(chosen), math.inf)
    np.divide(spread * logs, growth[0] ** 2, out=errors, where=growth[0] > 0)
    index = _index(1 / np.median(each, axis=1), counts[len(counts) // 2], level, cap=2.0)
    return BlockIndex(chosen, counts, growth, each[0], errors, index)


def slope_index(
    values: Values, sizes: Sequence[int] = SLOPE, *, centre: bool = True, level: float = 0.99
) -> TailIndex:
    r"""Estimate the index by how fast sums grow from one block size to the next.

    :math:`1/\hat\alpha` is the least-squares slope against log m of the bracket in :func:`blocks`:
    what a law that is not stable adds at every m is in the intercept. Laplace reads 1.972 (ours).
    Not capped; interval as of :func:`blocks`.

    >>> round(slope_index(np.ones(512), centre=False).value, 9)
    1.0
    """
    found = blocks(values, sizes, centre=centre)
    need(len(found.sizes) >= 2, "at least 2 different sizes", found.sizes)
    logs = np.log(found.sizes)
    logs -= logs.mean()
    return _index(found.growth @ logs / (logs @ logs), found.index.n, level)


def hill(values: Values, count: int, *, level: float = 0.99) -> TailIndex:
    r"""Hill's estimate from the k largest magnitudes :math:`x_1 \ge \dots \ge x_k`.

    .. math:: \hat\alpha = k \Big/ \sum_{i \le k} \log \frac{x_i}{x_{k+1}}, \qquad
        \frac{2 k \alpha}{\hat\alpha} \sim \chi^2_{2k}

    The interval is exact for a Pareto law, and about :math:`\hat\alpha (1 \pm z/\sqrt k)`.

    >>> round(hill([(100 / i) ** 0.4 for i in range(1, 101)], 5).value, 6)
    2.996664
    """
    return _rate(_excesses(values, count), level)


def moment(values: Values, count: int, *, level: float = 0.99) -> TailIndex:
    r"""Estimate by two moments of the k largest magnitudes (Dekkers, Einmahl, de Haan 1989).

    .. math:: \frac1{\hat\alpha} = M_1 + 1 - \frac12 \Big(1 - \frac{M_1^2}{M_2}\Big)^{-1}, \qquad
        M_r = \frac1k \sum_{i \le k} \log^r \frac{x_i}{x_{k+1}}

    The standard error of :math:`1/\hat\alpha` is :math:`\sqrt{(1 + \hat\alpha^{-2}) / k}`.

    >>> moment([4.0, 2.0, 1.0], 2).value  # 3/2 log 2 - 4 is no power
    inf
    """
    logs = _excesses(values, count)
    first, second = float(logs.mean()), float(np.square(logs).mean())
    need(first**2 < second * (1 - 1e-12), "x_1 > x_k", "ties")
    inverse = first + 1 - 0.5 / (1 - first**2 / second)
    error = math.sqrt((1 + inverse**2) / count)
    return _index(np.array([inverse]), count, level, error=error)


def pickands(values: Values, count: int, *, level: float = 0.99) -> TailIndex:
    r"""Estimate by three magnitudes: the k-th, 2k-th and 4k-th largest (Pickands 1975).

    .. math:: \gamma = \frac1{\hat\alpha} = \log_2 \frac{x_k - x_{2k}}{x_{2k} - x_{4k}}, \qquad
        \mathrm{se}(\gamma) = \frac{\gamma}{2^\gamma - 1}
        \frac{\sqrt{2^{2\gamma + 1} + 1}}{2 \log 2 \sqrt k}

    >>> round(pickands([(100 / i) ** 0.4 for i in range(1, 101)], 20).value, 6)
    2.5
    """
    gaps = -np.diff(_largest(values, count, times=4)[[count - 1, 2 * count - 1, 4 * count - 1]])
    need(gaps.min() > 1e-150 * gaps.max(), "x_k > x_2k > x_4k, none by 1e150 times less", gaps)
    inverse = math.log2(gaps[0] / gaps[1])
    ratio = inverse / math.expm1(inverse * math.log(2)) if inverse else 1 / math.log(2)
    error = ratio * math.sqrt((2 ** (2 * inverse + 1) + 1) / count) / (2 * math.log(2))
    return _index(np.array([inverse]), count, level, error=error)


def spectral_exponent(matrix: Values, *, level: float = 0.99) -> Estimate:
    r"""Fit :math:`\lambda^{-a}` to the density of the largest eigenvalues of :math:`W^\top W`.

    The alpha of WeightWatcher (Martin, Peng, Mahoney, Nature Communications 12, 2021), fitted after
    Clauset, Shalizi, Newman (SIAM Review 51, 2009): of all fits

    .. math:: a = 1 + n \Big/ \sum_{i \le n} \log \frac{\lambda_i}{\lambda_n}, \qquad n \ge 3

    the one least far from the distribution of its n eigenvalues. Their tail index is a - 1. The
    interval takes n as given and eigenvalues as independent, which they are not.

    >>> spectral_exponent(np.diag(np.arange(1, 101) ** -0.5)).n
    100
    """
    array = _sample(matrix, axes=(2,))
    singular = np.linalg.svd(array, compute_uv=False)  # descending
    logs = 2 * np.log(singular[singular > singular[0] * max(array.shape) * np.finfo(float).eps])
    tails = [logs[:n] - logs[n - 1] for n in range(3, len(logs) + 1) if logs[0] > logs[n - 1]]
    need(len(tails) > 0, "at least 3 eigenvalues above 0, not all equal", len(logs))

    def distance(tail: Floats) -> float:  # shares 0, 1/n, … below, as the package powerlaw has it
        shares = 1 - np.arange(1, len(tail) + 1) / len(tail)
        return float(np.abs(shares + np.expm1(-tail / tail.mean())).max())

    rate = _rate(min(tails, key=distance), level)
    return Estimate(1 + rate.value, 1 + rate.low, 1 + rate.high, rate.n, level)


def _grid(total: int) -> tuple[int, ...]:
    """Return the sizes of [B] for an even N: no divisor that is sought is 1."""
    most = [*(m for m in GRID if m <= total / 2), math.isqrt(total)]
    return tuple(sorted({next(d for d in range(m, 0, -1) if total % d == 0) for m in most}))


def _logs(sample: Floats) -> Floats:
    sizes = np.abs(sample) if sample.ndim == 1 else np.linalg.norm(sample, axis=1)
    zeros, total, high = int((sizes == 0).sum()), len(sizes), float(sizes.max())
    rule = "|values| and |sums of blocks| below infinity, 0 at most once in 1000"
    need(1000 * zeros <= total and high < math.inf, rule, f"{zeros} in {total}, up to {high}")
    return np.asarray(np.log(np.maximum(sizes, sizes[sizes > 0].min())))  # rounding makes zeros


def _index(
    inverses: Floats, n: int, level: float, *, error: float | None = None, cap: float = math.inf
) -> TailIndex:
    """Turn 1/α and its interval around, 0 and below to infinity; the error by the jackknife."""
    need(0 < level < 1, "0 < level < 1", level)
    df = _STRETCHES - 1 if error is None else math.inf
    error = math.sqrt(df * inverses[1:].var()) if error is None else error
    half = stats.t.ppf((1 + level) / 2, df) * error
    ends = _inverted(inverses[0] + np.array([0, half, -half]))
    value, low, high = np.minimum(ends, cap).tolist()
    return TailIndex(value, low, high, int(n), level)


def _sample(values: Values, *, axes: tuple[int, ...]) -> Floats:
    plain = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    need(plain.size > 0 and plain.dtype.kind in "fiub", "at least 1 value, all real", plain)
    sample = np.asarray(plain, dtype=np.float64)
    need(sample.ndim in axes, f"values with {' or '.join(map(str, axes))} axes", sample.shape)
    need(bool(np.isfinite(sample).all()), "finite values", "nan or infinity")
    return sample


def _largest(values: Values, count: int, times: int, more: int = 0) -> Floats:
    whole(count=count)
    sizes = np.abs(_sample(values, axes=(1,)))
    start = len(sizes) - times * int(count) - more
    need(start >= 0, f"{times} * count <= {len(sizes) - more} of N = {len(sizes)}", count)
    return np.sort(np.partition(sizes, start)[start:])[::-1]


def _excesses(values: Values, count: int) -> Floats:
    largest = _largest(values, count, times=1, more=1)
    need(largest[0] > largest[-1] > 1e-300 * largest[0], "x_1 > x_(k+1) > 1e-300 x_1", largest)
    return np.asarray(np.log(largest[:-1] / largest[-1]))


def _inverted(inverse: Floats) -> Floats:
    return np.divide(1, inverse, out=np.full_like(inverse, np.inf), where=inverse > 0)


def _rate(excesses: Floats, level: float) -> TailIndex:
    need(0 < level < 1, "0 < level < 1", level)
    value, n = 1 / float(excesses.mean()), len(excesses)
    low, high = (stats.chi2.ppf([(1 - level) / 2, (1 + level) / 2], 2 * n) / (2 * n)).tolist()
    return TailIndex(value, value * min(1.0, low), value * max(1.0, high), n, level)

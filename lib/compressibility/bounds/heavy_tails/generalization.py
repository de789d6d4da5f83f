r"""What sparsity is worth on new data: a bound of our own, after [B] (cited in ``noise.stable``).

The paper's statement has another form; this one is derived for this book. A loss in [0, 1] is
L-Lipschitz in w, for all data, on the ball :math:`\|w\|_2 \le B` of :math:`\mathbb{R}^d`. Fix k, B
and :math:`0 < \rho \le B` before seeing data. With probability :math:`1-\delta` over n independent
samples, for all k-sparse w of the ball (at most k entries are not 0):

.. math:: |R(w) - \hat R(w)| \le 2L\rho + \sqrt{\frac{k\log\frac{ed}{k} + k\log\frac{3B}{\rho}
          + \log\frac{2}{\delta}}{2n}}

Each of :math:`\binom dk \le (ed/k)^k` supports has a net of at most :math:`(3B/\rho)^k` points in
its ball; Hoeffding's inequality at all of them gives the root, and from w to the nearest R and
:math:`\hat R` change by at most :math:`L\rho` each.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

from compressibility.checks import need, not_negative, whole


@dataclass(frozen=True)
class Fixed:
    """What is fixed before the data are seen."""

    weights: int  # d
    samples: int  # n
    delta: float  # δ, the probability that the bound fails
    resolution: float  # ρ, of the nets
    radius: float = 1.0  # B, of the ball
    lipschitz: float = 1.0  # L, of the loss in the weights
    choices: int = 1  # of (k, B, ρ) among which the data choose: each may fail with δ/choices

    def __post_init__(self) -> None:
        whole(weights=self.weights, samples=self.samples, choices=self.choices)
        need(self.samples < 2**60, "samples < 2**60", self.samples)
        need(0 < self.delta < 1, "0 < delta < 1", self.delta)
        fits, both = 0 < self.resolution <= self.radius < math.inf, (self.resolution, self.radius)
        need(fits, "0 < resolution <= radius < inf", both)
        not_negative(lipschitz=self.lipschitz)


def root(fixed: Fixed, k: int) -> float:
    """Give the bound's root, which no Lipschitz constant makes smaller; logarithms for any d.

    >>> round(root(Fixed(12, 16, delta=0.1, resolution=0.1), 3), 6)
    0.797618
    """
    whole(k=k)
    need(k <= fixed.weights, f"k <= weights = {fixed.weights}", k)
    supports = 1 + math.log(fixed.weights) - math.log(k)
    net = math.log(3) + math.log(fixed.radius) - math.log(fixed.resolution)
    events = math.log(2) + math.log(fixed.choices) - math.log(fixed.delta)
    return math.sqrt((k * (supports + net) + events) / (2 * fixed.samples))


def sparse_gap(fixed: Fixed, k: int) -> float:
    r"""Bound :math:`|R(w) - \hat R(w)|` over all k-sparse w of the ball; from 1 on it is vacuous.

    >>> round(sparse_gap(Fixed(12, 16, delta=0.1, resolution=0.1), 3), 6)
    0.997618
    """
    return 2 * fixed.lipschitz * fixed.resolution + root(fixed, k)


def unpruned_gap(fixed: Fixed, k: int, *, error: float, norm: float) -> float:
    r"""Bound :math:`|R(w) - \hat R(w)|` of a w of the ball that is *not* pruned, but could be.

    It adds :math:`2L\varepsilon\|w\|_2`, 2L times the *absolute* error of a k-sparse vector of the
    ball, to :func:`sparse_gap`. The error may be read off; heavy tails do not make it small.

    >>> fixed = Fixed(12, 16, delta=0.1, resolution=0.1, radius=3.0, lipschitz=0.4)
    >>> round(unpruned_gap(fixed, 3, error=0.2, norm=3.0) - sparse_gap(fixed, 3), 9)
    0.48
    """
    not_negative(error=error)
    need(0 <= norm <= fixed.radius, f"0 <= norm <= radius = {fixed.radius}", norm)
    return 2 * fixed.lipschitz * error * norm + sparse_gap(fixed, k)


def read_off(fixed: Fixed, *, pairs: int) -> Fixed:
    r"""Let the data choose k and one of J *pairs* (B, ρ), all fixed beforehand.

    With :math:`\delta/(dJ)` for :math:`\delta` the bound holds for all k and all pairs at once. A
    pair's ρ may depend on k: J radii, each with its :func:`best_resolution`, are J pairs.

    >>> read_off(Fixed(12, 16, delta=0.1, resolution=0.1), pairs=8).choices
    96
    """
    whole(pairs=pairs)
    return replace(fixed, choices=int(fixed.weights) * int(pairs))


def best_resolution(fixed: Fixed, k: int) -> Fixed:
    r"""Choose the resolution for which the bound is least, by what is fixed and k alone.

    With :math:`u = \log\frac{ed}{k} + \log\frac{3B}{\rho} + \frac1k\log\frac2\delta > 2` the root
    is :math:`\sqrt{ku/2n}` and the bound convex in :math:`\rho \le B`. Its derivative vanishes if
    :math:`\rho = k/(8nL\,\text{root})`: a fixed point, to which every step comes 4 times closer.

    >>> fixed = Fixed(weights=1, samples=6, delta=0.05, resolution=0.1)
    >>> round(sparse_gap(best_resolution(fixed, 1), 1), 5)
    0.93854
    """
    fixed = replace(fixed, resolution=fixed.radius)
    for _ in range(32 if fixed.lipschitz > 0 else 0):
        rate = 8 * fixed.samples * fixed.lipschitz * root(fixed, k) / k
        fixed = replace(fixed, resolution=min(fixed.radius, 1 / rate))
    return fixed


def vacuous_from(fixed: Fixed) -> int | None:
    """Find the first k whose root, which rises with k, is 1 or more: no Lipschitz constant helps.

    >>> vacuous_from(Fixed(weights=40_000, samples=2500, delta=0.01, resolution=1 / 50))
    479
    """
    ks = range(1, min(fixed.weights, 2 * fixed.samples) + 1)  # at k = 2n the root exceeds 1
    at = bisect_left(ks, 1.0, key=lambda k: root(fixed, k))
    return ks[at] if at < len(ks) else None

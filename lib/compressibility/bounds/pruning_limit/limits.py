r"""What may be removed: the limit of [Z] (cited in ``cones``) and its corrections.

Names say *kept* or *removed*: :math:`\rho = k/D` is kept, :math:`s = 1 - \rho` removed. With c the
removed weights, :math:`R^2 = \|c\|^2` and :math:`r_i^2 = 2\varepsilon/\lambda_i` the limit is

.. math:: s_\star = \frac{\Delta(R^2)}{D} = \frac1D \sum_i \frac{r_i^2}{R^2 + r_i^2}, \qquad
          \rho_\star = 1 - s_\star

R depends on s: this and its corrections are fixed points. H is positive semi-definite, and its
spectrum says which operator it is. The limits speak of kept weights that are *re-adjusted*.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from scipy import optimize
from torch import Tensor

from compressibility.bounds.pruning_limit.cones import margin
from compressibility.bounds.pruning_limit.costs import Ranking, Scan
from compressibility.bounds.pruning_limit.sublevel import SublevelCone, check, effective_dimension
from compressibility.checks import need
from compressibility.spectrum.density import Spectrum

Rule = Callable[[Spectrum, float, float], float]
"""(spectrum, R², ε) ↦ removed share, which falls as R² rises."""
_REACHED = 1 - 1e-12  # of a count: a share of 1 is a sum of weights, rounded


def removed_star(spectrum: Spectrum, radius2: float, epsilon: float) -> float:
    r"""Return :math:`s_\star = \Delta(R^2)/D` of [Z]; never above the cone's :math:`\delta/D`."""
    return effective_dimension(spectrum, radius2, epsilon) / spectrum.dimension


def removed_trace(spectrum: Spectrum, radius2: float, epsilon: float) -> float:
    r"""Return :math:`\frac{2\varepsilon D}{R^2 \mathrm{Tr} H + 2\varepsilon D} \le s_\star`.

    By Jensen's inequality. On a signed spectrum take ``absolute()``: its own trace bounds nothing.
    """
    check(spectrum, radius2, epsilon)
    return 2 * epsilon / (radius2 * spectrum.mean(lambda t: t) + 2 * epsilon)


def removed_generic(spectrum: Spectrum, radius2: float, epsilon: float) -> float:
    r"""Return :math:`\Delta(\varrho^2)/D = 1 - \varrho^2/R^2`, for a c that sees all of H alike."""
    confocal = SublevelCone(spectrum, spectrum, radius2, epsilon).confocal
    return removed_star(spectrum, confocal, epsilon)


def removed_orthogonal(spectrum: Spectrum, radius2: float, epsilon: float) -> float:
    r"""Return the s up to which subspaces orthogonal to c succeed, H's eigenvectors random. Ours.

    .. math:: \frac1D \sum_i \frac{q_i - 1}{1 + (q_i - 1) s} = 0, \qquad q_i = r_i^2 / R^2

    The sum falls in s: the threshold is 1 if it stays above 0, and 0 if it starts below. It is
    :math:`s = \Delta(R^2 (1-s)/s) / D` without the roots 0 and 1: more than :math:`s_\star` above
    1/2, less below, where :math:`s_\star` promises too much.

    >>> import torch
    >>> two = Spectrum.dense(torch.tensor([10.0, 0.25]), "positive")  # r² = .2, 8
    >>> round(removed_orthogonal(two, 1.0, epsilon=1.0), 6)
    0.553571
    """
    check(spectrum, radius2, epsilon)
    two = 2 * epsilon

    def balance(s: float) -> float:
        return spectrum.mean(lambda t: (two - radius2 * t) / (radius2 * t * (1 - s) + two * s))

    if balance(1.0) >= 0:
        return 1.0
    least = 1e-12  # where the sum is finite even without curvature
    return float(optimize.brentq(balance, least, 1.0, xtol=1e-14)) if balance(least) > 0 else 0.0


def removed_limit(rule: Rule, ranking: Ranking, spectrum: Spectrum, epsilon: float) -> float:
    """Return the s that equals its rule at R(s), on the true step function: the change of sign.

    >>> import torch
    >>> ball = Spectrum.dense(torch.ones(1000), "positive")
    >>> ranking = Ranking.magnitude(torch.arange(1, 1001) / 1000)
    >>> rules = removed_star, removed_orthogonal, removed_generic
    >>> [round(removed_limit(rule, ranking, ball, epsilon=54.0), 3) for rule in rules]
    [0.599, 0.686, 0.754]
    """
    total = ranking.check(spectrum.dimension)

    def share(removed: int) -> float:
        return rule(spectrum, float(ranking.squares[removed]), epsilon)

    passing = bisect_left(range(1, total + 1), True, key=lambda j: share(j) * total < j * _REACHED)
    return 1.0 if passing == total else max(share(passing + 1), passing / total)


def removed_cone(
    along: Callable[[Tensor], Spectrum],
    ranking: Ranking,
    spectrum: Spectrum,
    epsilon: float,
    counts: Sequence[int],
) -> Scan:
    r"""Find :math:`s \le \Delta(\varrho^2)/D`: the true cone's, up to 1/D; not monotone. Ours.

    ``along`` says how c sees H, as ``Bowl.along`` does; ``counts``, ascending, are looked at.
    """
    total = ranking.check(spectrum.dimension)
    ascend = len(counts) > 0 and counts[0] >= 1 and list(counts) == sorted({*counts})
    need(ascend, "counts >= 1, ascending", list(counts))
    passes = []
    for j in counts:
        c, radius2 = ranking.removed(j), float(ranking.squares[j])
        confocal = SublevelCone(spectrum, along(c), radius2, epsilon).confocal if radius2 else 0.0
        passes.append(effective_dimension(spectrum, confocal, epsilon) >= j * _REACHED)
    return Scan.over(passes, counts, total)


def kept_guaranteed(delta: float, dimension: int, eta: float) -> float:
    r"""Return :math:`1 - \delta/D + a_\eta/\sqrt D`: kept shares that suffice but for a chance η.

    For *one random* subspace, after the second half of Theorem I of [A]. In place of δ a lower
    bound will do, such as :math:`\Delta(R^2)`. Above 1 it says nothing.

    >>> round(kept_guaranteed(1600.0, 6400, 0.02), 6)
    0.831381
    """
    need(0 <= delta <= dimension, f"0 <= delta <= dimension = {dimension}", delta)
    return 1 - (delta - margin(eta, dimension)) / dimension

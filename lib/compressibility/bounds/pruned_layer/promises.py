"""From the damage of layers to the network's outputs, and what a promise about them is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import optimize
from torch import Tensor

from compressibility.bounds.wide_networks.losses import promise, theorem_error
from compressibility.checks import finite, need, not_negative


def hybrid_bound(norms: Sequence[float], damages: Sequence[float]) -> float:
    r"""Bound the outputs' root mean square change, for 1-Lipschitz activations [K, hybrids].

    It is at most :math:`\sum_\ell (\prod_{i > \ell} \|W_i\|) \sqrt{D_\ell}`, W *dense*, the damage
    :math:`D_\ell = E\|W_\ell x' - A_\ell x' - b_\ell\|^2` on inputs x' from *compressed* layers.

    >>> hybrid_bound(norms=[1.0, 2.0], damages=[0.25, 0.25])
    1.5
    """
    need(len(norms) == len(damages) > 0, "a norm and a damage of each layer", len(norms))
    not_negative(least=min(*norms, *damages))
    return sum(math.prod(norms[i + 1 :]) * math.sqrt(damage) for i, damage in enumerate(damages))


def gaps(logits: Tensor) -> Tensor:
    """Return the largest minus the second of logits (N, classes), (N,) float64."""
    need(logits.ndim == 2 and logits.shape[1] >= 2, "logits (N, classes >= 2)", logits.shape)
    finite(logits=logits)
    return -logits.detach().double().topk(2).values.diff(dim=1).squeeze(1)


def certified(dense: Tensor, compressed: Tensor) -> Tensor:
    """Say where ‖Φ - Φ̂‖² < gap²/2, so that the top of logits (N, classes) is the same, (N,)."""
    need(compressed.shape == dense.shape, f"compressed of {dense.shape}", compressed.shape)
    moved = (dense.detach().double() - compressed.detach().double()).square().sum(1)
    return moved < gaps(dense).square() / 2  # where something is not finite, False


def changes_bound(dense: Tensor, error: float, tau: float) -> float:
    """Bound the share of changed answers by P(gap ≤ τ) + 2 E‖Φ - Φ̂‖²/τ², any τ (Markov)."""
    need(error >= 0 and 0 < tau < math.inf, "error >= 0, 0 < tau < inf", (error, tau))
    return float((gaps(dense) <= tau).double().mean()) + 2 * error / tau**2


def vacuity(xi: float, *, c1: float, m: int, radius: float, variance: float) -> float:
    r"""Return what Theorems 2, 3 of [EGM] (``wide_networks``) promise, over the outputs' variance.

    :math:`V(\xi) = (1+\xi)^m\,\xi / v \ge \xi`, :math:`v = \mathrm{Var}\,\Phi / (\varrho^2
    c_1^{2m})`, :math:`\|x\| \le \varrho` (≤ 1 with blocks). If V ≥ 1 the constant EΦ keeps it.

    >>> vacuity(0.5, c1=5, m=3, radius=4.8, variance=400)
    1518.75
    """
    found = promise(radius**2 * theorem_error(c1=c1, m=m, xi=xi), variance=variance).left
    need(found >= xi * (1 - 1e-9), "variance <= radius² c1^(2m), as it always is", variance)
    return found


def xi_for(budget: float, *, c1: float, m: int, radius: float, variance: float) -> float:
    r"""Return the ξ that promises a share η of the variance, :math:`V(\xi) = \eta`.

    The root of :math:`\xi(1+\xi)^m = t = \eta v` is between :math:`t/(1+t)^m` and t.

    >>> round(xi_for(0.1, c1=1, m=2, radius=1, variance=1), 7)
    0.0849529
    """
    need(0 < budget <= 1, "0 < budget <= 1", budget)
    half = vacuity(0.5, c1=c1, m=m, radius=radius, variance=variance)
    t = budget * theorem_error(c1=1, m=m, xi=0.5) / half  # ηv
    return float(optimize.brentq(lambda xi: xi * (1 + xi) ** m - t, 0, t, xtol=1e-300))

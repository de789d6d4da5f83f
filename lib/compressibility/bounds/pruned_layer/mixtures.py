r"""What it costs to keep weights by chance, to zero them, or anything between.

A set T of a layer's weights is diced: each stays with chance p at v times its value, else is zero.
With S = E xxᵀ of the inputs, :math:`P = \sum_T w_j^2 S_{jj}` is the **price** of T, :math:`M =
w_T^\top S_{TT} w_T` (summed over rows) the damage when T is zeroed, :math:`r = M/P`, :math:`o =
(1-p)/p`; with restored means the inputs' covariance is S. The mixture is the oracle's linear
shrinkage [K], applied; thresholds and tangent: ours, a few lines each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from compressibility.checks import Share, count, floats, need, not_negative, whole


def cost(theta: float, zeroed: float, price: float, keep: float) -> float:
    r"""Return the expected damage at :math:`v = \theta/p`: :math:`(1-\theta)^2 M + \theta^2\, oP`.

    Bias and noise; θ = 1: unbiased dice; θ = 0: T zeroed; θ = p: what is kept stays as it is.

    >>> [cost(theta, zeroed=5, price=3, keep=0.5) for theta in (0, 0.5, 1)]
    [5.0, 2.0, 3.0]
    """
    not_negative(zeroed=zeroed, price=price)
    need(0 < keep <= 1, "0 < keep <= 1", keep)
    return float((1 - theta) ** 2 * zeroed + theta**2 * price * (1 - keep) / keep)


def best_value(zeroed: float, price: float, keep: float) -> tuple[float, float]:
    r"""Return :math:`v^* = r/(pr + 1 - p)` and the least cost, :math:`M \cdot oP/(M + oP)`.

    Bias and noise in parallel; r = 1 gives v = 1, only r → ∞ gives 1/p, M = 0 gives 0.

    >>> best_value(zeroed=5, price=3, keep=0.5)
    (1.25, 1.875)
    """
    noise = keep * cost(1, zeroed, price, keep)
    value = zeroed / (keep * zeroed + noise) if zeroed > 0 else 0.0
    return float(value), float(value * noise)


def break_evens(keep: float) -> tuple[float, float]:
    """Return the r below which zeroing T, or the same zeros unscaled, beat dice: o and 1 + 1/p."""
    need(0 < keep < 1, "0 < keep < 1", keep)
    return (1 - keep) / keep, 1 + 1 / keep


def best_keep(prices: Tensor, removed: Share) -> tuple[float, float, float]:
    r"""Return share α diced, chance p kept, cost of the best unbiased dice that remove ⌊sn⌋ of n.

    It is o F(α) = s F(α)/(α - s) ≥ F(s)/p, F(α) the sum of the share α of cheapest prices (a mask's
    cost if S is diagonal): a tangent from (s, 0) to the convex F. Prices (n,) are one scope, a row
    or a layer's ``flatten()``; (rows, n): the same α of each row's cheapest.

    >>> best_keep(torch.arange(1.0, 11.0), removed=0.3)  # α = .7 costs the same
    (0.6, 0.5, 21.0)
    """
    floats(prices=prices)
    fits = prices.ndim in (1, 2) and prices.numel() > 0 and bool((prices >= 0).all())
    need(fits, "prices (n,) or (rows, n), none below 0", tuple(prices.shape))
    n = prices.shape[-1]
    zeros = count(removed, n)
    need(zeros < n, "removed < 1", removed)
    curve = prices.double().sort(-1).values.reshape(-1, n).sum(0).cumsum(0)
    costs = zeros * curve[zeros:] / torch.arange(1, n - zeros + 1)
    diced = zeros + int(costs.argmin()) + 1
    return diced / n, 1 - zeros / diced, float(costs.min())


def equal_prices(n: int, zeros: int, rho: float) -> dict[str, float]:
    r"""Return what mask, dice over all, their mixture, a readjusted mask cost n equal weights.

    Prices 1, any two inputs correlated ρ. At k zeros, s = k/n = 1 - p, the mask beats the dice iff
    ρ(k-1) < s/(1-s). Fluctuations correlated ρ around means of one sign, κ = m²/S_jj, have κ +
    (1-κ)ρ in place of ρ; with the means restored ρ itself, and all costs are times 1 - κ.

    >>> {name: round(damage, 4) for name, damage in equal_prices(10, 6, 0.37).items()}
    {'mask': 17.1, 'dice': 15.0, 'mixture': 11.1407, 'readjusted': 7.7571}
    """
    whole(zeros=zeros, kept=n - zeros)
    every, keep = 1 + rho * (n - 1), 1 - zeros / n  # r of all weights
    need(every >= 0 and rho <= 1, f"-1/{n - 1} <= rho <= 1", rho)
    return {
        "mask": zeros * (1 + rho * (zeros - 1)),
        "dice": cost(1, 0, n, keep),
        "mixture": best_value(n * every, n, keep)[1],
        "readjusted": zeros * (1 - rho) * every / (1 + rho * (n - zeros - 1)),
    }

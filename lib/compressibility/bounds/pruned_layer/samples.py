r"""How many calibration samples readjusting needs: Gaussian inputs, least squares, a fixed mask.

A row keeps k weights (the rank of their inputs), readjusted on N samples; σ² is what that costs
with the true moments, M what the mask does. ``mean="known"``: inputs of mean 0; ``"estimated"``: a
bias restores the mean of the same samples, M likewise. [K]: Stein 1960, Breiman and Freedman 1983.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from compressibility.checks import need, not_negative, whole

Mean = Literal["known", "estimated"]


def sampling_factors(samples: int, kept: int, mean: Mean = "estimated") -> tuple[float, float]:
    r"""Return the expected damage over σ², in sample and held out.

    .. math:: 1 - \frac kN, \quad \frac{N-1}{N-k-1}; \qquad
              1 - \frac{k+1}N, \quad \Bigl(1 + \frac1N\Bigr) \frac{N-2}{N-k-2}

    with the mean known; estimated. Held out it is infinite for N = k-1, k, k+1 (estimated: one
    more); below, finite again but no multiple of σ² (pseudoinverse): refused.

    >>> [round(factor, 4) for factor in sampling_factors(40, 12, mean="known")]
    [0.7, 1.4444]
    """
    spent = _spent(mean)
    whole(samples=samples)
    need(kept >= 0 and kept % 1 == 0, "a whole kept >= 0", kept)
    need(kept == 0 or samples >= kept + spent - 1, f"samples >= {kept + spent - 1}", samples)
    free = samples - spent - 1
    growth = 1.0 if kept == 0 else free / (free - kept) if free > kept else math.inf
    return max(0.0, 1 - (kept + spent) / samples), growth * (1 + spent / samples)


def samples_needed(kept: int, explained: float, mean: Mean = "estimated") -> float:
    r"""Return :math:`1 + k/R^2` (2 + with the mean): readjusting beats the mask iff N is above.

    :math:`R^2 = 1 - \sigma^2/M` is the *true* share that the kept explain (:func:`adjusted_r2`).

    >>> round(samples_needed(12, 0.41717, mean="known"), 2)
    29.77
    """
    whole(kept=kept)
    need(0 <= explained <= 1, "0 <= explained <= 1", explained)
    return 1 + _spent(mean) + (kept / explained if explained > 0 else math.inf)


def adjusted_r2(ratio: float, samples: int, kept: int, mean: Mean = "estimated") -> float:
    r"""Estimate R² from the damages' ratio in sample, RSS/TSS; 1 - ratio itself misleads.

    It is 1 - RSS/TSS · N/(N-k), with the mean estimated · (N-1)/(N-k-1): σ² and M free of bias.

    >>> round(adjusted_r2(24.5 / 149, samples=150, kept=100), 4)  # 1 - ratio: .8356
    0.5
    """
    not_negative(ratio=ratio)
    own = samples - _spent(mean)
    need(own > kept >= 1, f"1 <= kept < {own}", kept)
    return 1 - ratio * own / (own - kept)


def held_out(
    rows: Sequence[tuple[float, float, int]], samples: int, mean: Mean = "estimated"
) -> tuple[float, float]:
    r"""Return what rows' (σ², M, k) cost on new inputs: readjusted, and by the mask alone.

    The first is less iff :math:`\sum_i \sigma_i^2 \frac{N-1}{N-k_i-1} < \sum_i M_i` (no mean of k);
    with the mean estimated N - 2 for N - 1. In sample σ² is RSS/(N-k), or RSS/(N-k-1).

    >>> held_out([(1.0, 2.5, 0), (1.0, 2.5, 26)], samples=40, mean="known")
    (4.0, 5.0)
    """
    not_negative(least=min(min(row) for row in rows))
    grown = sum(least * sampling_factors(samples, k, mean)[1] for least, _, k in rows if least > 0)
    return grown, sum(zeroed for _, zeroed, _ in rows) * (1 + _spent(mean) / samples)


def _spent(mean: Mean) -> int:
    need(mean in ("known", "estimated"), "mean 'known' or 'estimated'", repr(mean))
    return int(mean == "estimated")

r"""How far SGD with stable noise is from independent particles: constants, steps, tails.

After [W] (cited in ``noise.injection``); proofs and constants are ours. Assumed for one C, all data
and units: :math:`|h|, \|\nabla h\| \le C`, :math:`\nabla h` C-Lipschitz, the loss's derivative at
most C and C-Lipschitz. So the drift is at most :math:`C^2`, and its change at most :math:`C^2
\|\theta - \theta'\| + C^3 W_1(\mu, \mu')`. Let :math:`K = C^2 + C^3`.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from compressibility.checks import need, whole
from compressibility.noise import stable
from compressibility.noise.particles import Levy


def chaos_bound(constant: float, time: float, width: int) -> float:
    r"""Bound a particle's distance to the limit's, after the theorem on propagation of chaos.

    .. math:: E \sup_{t \le T} \|\theta^{i,n}_t - \theta^{i,\infty}_t\|
              \le C^3\, T\, e^{(C^2 + C^3) T}\, n^{-1/2}

    The noises cancel, so tails do not matter; a bounded h does. It holds for Euler's steps too, and
    is near-tight for short times only.

    >>> round(chaos_bound(2.0, 0.05, 49), 6)
    0.104121
    """
    growth = _growth(constant, time)
    whole(width=width)
    return constant**3 * time * growth / math.sqrt(width)


def euler_bound(
    noise: Levy, constant: float, time: float, step: float, *, largest_of: int = 1
) -> float:
    r"""Bound what steps η cost on their grid, in the largest of n errors: 1 < α ≤ 2.

    .. math:: E \max_{k \eta \le T}\, \max_{i \le n} \|\theta^i_{k\eta} - \hat\theta^i_k\|
              \le K T e^{KT} \left(C^2 \tfrac\eta2
              + \tfrac{\alpha}{\alpha + 1}\, \eta^{1/\alpha} E \max_i \sigma \|\xi^i\|\right)

    with :func:`largest_mean` for the last: of order :math:`(n\eta)^{1/\alpha}`; of one particle for
    ``largest_of=1``. At u behind the grid a particle has moved by at most :math:`C^2 u + \|\sigma
    L_u\|`, whose mean over a step is the bracket. Far from tight: errors are of order η where
    :math:`\nabla b` is smooth; :math:`\eta^{1/\alpha}` is exact at times inside a step only.

    >>> round(euler_bound(Levy(2.0, scale=0.0), 1.0, 1.0, 0.1), 6)  # e² / 10
    0.738906
    """
    growth = _growth(constant, time)
    need(0 < step <= time, f"0 < step <= time = {time}", step)
    alpha, rate = noise.alpha, constant**2 * (1 + constant)
    jumps = alpha / (alpha + 1) * step ** (1 / alpha) * largest_mean(noise, largest_of)
    return float(rate * time * growth * (constant**2 * step / 2 + jumps))


def largest_mean(noise: Levy, count: int) -> float:
    r"""Bound the mean of the largest of n jumps, :math:`c = \sup_u u^\alpha P(\sigma\|\xi\| > u)`.

    .. math:: E \max_{i \le n} \sigma \|\xi^i\| \le a + \int_a^\infty n\, c\, u^{-\alpha} du
              = \tfrac{\alpha}{\alpha - 1} (n c)^{1/\alpha}, \qquad a = (n c)^{1/\alpha}

    the least over a. Pareto tails attain it up to :math:`\Gamma(2 - 1/\alpha)`.
    """
    need(noise.alpha > 1, "alpha > 1 (else there is no mean)", noise.alpha)
    whole(count=count)
    worst = math.pow(count * tail_sup(noise), 1 / noise.alpha)
    return noise.alpha / (noise.alpha - 1) * worst


def tail_sup(noise: Levy) -> float:
    r"""Return :math:`c = \sup_u u^\alpha P(\sigma\|\xi\| > u)`, or a bound.

    One number behind each unit: :math:`p^{\alpha/2} c_1`, exactly. Several (α < 2): at most
    :math:`\frac{2p}{2 - \alpha} c_1`, since :math:`P(\|\xi\| > u) \le E \sum_j \min(\xi_j^2,
    u^2)/u^2`, and each mean is at most :math:`\int_0^u 2 v\, c_1 v^{-\alpha} dv`.

    >>> round(tail_sup(Levy(1.25)), 6)  # above C_α = .533110
    0.591708
    """
    alpha, p = noise.alpha, noise.dimension
    several = "alpha < 2 where p > 1 numbers are behind each unit"
    need(noise.is_scalar or alpha < 2, several, alpha)
    factor = p ** (alpha / 2) if noise.is_scalar else 2 * p / (2 - alpha)
    return float(noise.scale**alpha * factor * _scalar_sup(alpha))


def column_tail(noise: Levy, time: float = 1.0) -> float:
    r"""Return the constant of a unit's tail, :math:`\lim u^\alpha P(\|\theta_t\| > u)`; α < 2.

    .. math:: \sigma^\alpha t \cdot \left(C_\alpha p^{\alpha/2}, \quad C_\alpha p, \quad
              \frac{2^\alpha\, \Gamma(\frac{p + \alpha}2)}{\Gamma(\frac p2)\,
              \Gamma(1 - \frac\alpha2)}\right) \quad \text{(shared, independent, isotropic)}

    that of the noise: a bounded drift and a start of lighter tail change nothing.

    >>> [round(column_tail(Levy(1.25, 1.0, 3, kind)), 6) for kind in ("shared", "isotropic")]
    [1.059296, 1.199497]
    """
    alpha, p = noise.alpha, noise.dimension
    need(alpha < 2, "alpha < 2 (normal tails are lighter)", alpha)
    need(0 < time < math.inf, "0 < time < inf", time)
    if noise.is_scalar:
        unit = stable.tail_constant(alpha) * p ** (alpha / 2)
    elif noise.kind == "independent":
        unit = stable.tail_constant(alpha) * p
    else:
        logs = math.lgamma((p + alpha) / 2) - math.lgamma(p / 2) - math.lgamma(1 - alpha / 2)
        unit = 2**alpha * math.exp(logs)
    return float(noise.scale**alpha * time * unit)


class Orders(NamedTuple):
    """Orders of a particle's errors, without constants: what a step balances."""

    chaos: float  # n^(-1/2)
    each: float  # η^(1/α), a bound; on the grid of smooth drifts η
    largest: float  # (nη)^(1/α), of the worst of n
    batches: float  # η^(1/2), by fresh batches
    bearable: float  # n^(1/α - 1): n smaller ones are lost in the norm of all


def step_conditions(alpha: float, width: int) -> tuple[float, float, float]:
    r"""Return :math:`n^{-\alpha/2 - 1}, n^{-\alpha/2}, n^{-1}`: up to these, errors are as chaos.

    They are for the largest of n errors, the condition of the theorem in [W]; for their sum; for
    their sum with fresh batches. 1 < α ≤ 2. Bounded drifts need none (``certificates``).
    """
    _check_rates(alpha, width)
    return width ** (-alpha / 2 - 1), width ** (-alpha / 2), 1 / width


def orders(alpha: float, width: int, step: float) -> Orders:
    """Return all orders at a step; 1 < α ≤ 2."""
    _check_rates(alpha, width)
    need(0 < step < math.inf, "0 < step < inf", step)
    n, each = width, step ** (1 / alpha)
    return Orders(n**-0.5, each, n ** (1 / alpha) * each, math.sqrt(step), n ** (1 / alpha - 1))


def _check_rates(alpha: float, width: int) -> None:
    need(1 < alpha <= 2, "1 < alpha <= 2", alpha)
    whole(width=width)


def _growth(constant: float, time: float) -> float:
    """Return exp(KT)."""
    need(0 < constant < 1e50 and 0 < time < 1e50, "0 < constant, time < 1e50", (constant, time))
    exponent = constant**2 * (1 + constant) * time
    return math.exp(exponent) if exponent < 700 else math.inf


@cache
def _scalar_sup(alpha: float) -> float:
    """Return sup u^α P(|X| > u) of the symmetric law; at infinity the limit is C_α."""

    def minus(y: float) -> float:
        return -math.exp(y) * math.pow(-stable.quantile(alpha, math.exp(y) / 2), alpha)

    grid = np.linspace(-12, -0.01, 49)
    at = grid[int(np.argmin([minus(y) for y in grid]))]
    least = minimize_scalar(minus, bounds=(at - 0.3, min(at + 0.3, -1e-9)), method="bounded")
    return max(stable.tail_constant(alpha), -float(least.fun))

r"""That noise makes a layer compressible: certificates of a run, a width, and pure noise's share.

Ours, for the main theorem of [W] (cited in ``noise.injection``), without its limit: trained weights
are :math:`\Theta = N + D`, N all jumps, D start and gradient steps. Matrices of k units are a cone,
so angles to it add. With :math:`\sin A = \sigma_k(N)/\|N\|`, σ_k the error of keeping the k largest
units, :math:`\sin B = \|D\|/\|N\|`,

.. math:: \frac{\sigma_k(\Theta)}{\|\Theta\|} \le \sin(A + B) \le \sin A + \sin B
          \le \frac{\sigma_k(N) + \|D\|}{\|N\| - \|D\|}

(1 where A + B is not acute; the last if :math:`\|D\| < \|N\|`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from compressibility.bounds.injected_noise.chaos import tail_sup
from compressibility.checks import Share, decimal, finite, floats, need, not_negative, whole
from compressibility.estimates import Estimate, median
from compressibility.models.maps import power_of_two
from compressibility.noise import stable
from compressibility.noise.particles import Levy
from compressibility.pruning import kterm


@dataclass(frozen=True, eq=False)
class Certificate:
    """What keeping the largest units costs, and what N and D say of it; (...) float64."""

    error: Tensor  # σ_k(Θ)/‖Θ‖
    tail: Tensor  # sin A
    drift: Tensor  # sin B: state it beside each certificate; inf without noise

    @property
    def simple(self) -> Tensor:
        """The triangle inequality's bound, the last; infinite unless ‖D‖ < ‖N‖."""
        return torch.where(self.drift < 1, (self.tail + self.drift) / (1 - self.drift), torch.inf)

    @property
    def sharp(self) -> Tensor:
        """The bound sin(A + B), which some N and D attain; never above 1."""
        angle = self.tail.clamp(max=1).asin() + self.drift.clamp(max=1).asin()
        return torch.where(angle < math.pi / 2, angle.sin(), 1.0)


def certificate(weight: Tensor, noise: Tensor, kept: Share) -> Certificate:
    """Certify trained weights (..., n, p), one unit a row, by the sum of all noise in them.

    >>> noise, drift = torch.diag(torch.tensor([12.0, 5.0])), torch.tensor([-2.2848, 2.8336])
    >>> found = certificate(noise + drift.diag(), noise, kept=0.5)
    >>> round(found.error.item(), 6), round(found.sharp.item(), 6), round(found.simple.item(), 6)
    (0.627692, 0.627692, 0.923077)
    """
    need(weight.shape == noise.shape, f"noise of shape {tuple(weight.shape)}", tuple(noise.shape))
    need(weight.ndim >= 2 and weight.numel() > 0, "weights (..., n, p)", tuple(weight.shape))
    floats(weight=weight, noise=noise)
    both = torch.stack([weight.detach().double(), noise.detach().double()])
    both = both / power_of_two(both.abs().amax((0, -2, -1), keepdim=True))  # exact; squares fit
    moved, size = (part.norm(dim=(-2, -1)) for part in (both[0] - both[1], both[1]))
    errors = kterm.errors(both.norm(dim=-1), kept)
    return Certificate(errors[0], errors[1], torch.where(size > 0, moved / size, torch.inf))


def accumulated_scale(noise: Levy, time: Share, step: Share) -> float:
    r"""Return the scale of all jumps, :math:`\sigma (m\eta)^{1/\alpha}`, :math:`m = ⌊t/\eta⌋`.

    Exact in law, as a sum of stable jumps is stable; m is that of decimals as they print.

    >>> round(accumulated_scale(Levy(1.25, scale=1.5), 0.7, 0.1), 6)  # in floats ⌊.7/.1⌋ is 6
    1.127638
    """
    need(0 < decimal(step) <= decimal(time), f"0 < step <= time = {time}", step)
    moved = decimal(time) // decimal(step) * decimal(step)
    return noise.scale * math.pow(moved, 1 / noise.alpha)


def drift_bound(start: float, gradient: float, moved: float, width: int) -> float:
    r"""Bound :math:`\|D\| \le \|\Theta_0\| + G\, m\eta \sqrt n`: start's norm, G, mη, n.

    G bounds a unit's step over η: C² under ``chaos``'s assumptions; for ReLU :math:`A X C_\ell` of
    frozen output weights, inputs and the loss's gradient (cross-entropy: at most √2, the supremum).
    """
    not_negative(start=start, gradient=gradient, moved=moved)
    whole(width=width)
    return start + gradient * moved * math.sqrt(width)


@dataclass(frozen=True)
class Run:
    """What is known before training: the noise, its time, how far units start and move."""

    noise: Levy
    time: float  # t
    gradient: float = 0.0  # G: each step of each unit is at most ηG
    start: float = 0.0  # r: ‖Θ_0‖ ≤ r√n

    def __post_init__(self) -> None:
        need(self.noise.scale > 0, "noise of scale > 0", self.noise.scale)
        need(0 < self.time < math.inf, "0 < time < inf", self.time)
        not_negative(gradient=self.gradient, start=self.start)


def error_bound(run: Run, kept: float, delta: float, width: int) -> float:
    r"""Bound the error of keeping ⌈κn⌉ of n units, with probability :math:`1 - \delta`, all η ≤ t.

    It is sin(A + B), each term at its worst :math:`m\eta \in (t/2, t]`, of order
    :math:`n^{1/2 - 1/\alpha}`.

    .. math:: \sin A = \frac{\sqrt n}{u} \sqrt{b + \tau^2 s}, \qquad
              \sin B = \frac{\sqrt n}{u}\, \frac{r + G\,m\eta}{\sigma (m\eta)^{1/\alpha}}, \qquad
              s = \sqrt{\lambda/2n}, \quad \lambda = \log\tfrac3\delta

    with :math:`P(\|\xi\| > \tau) \le \kappa - s`, :math:`b \ge E[\|\xi\|^2; \|\xi\| \le \tau]`,
    :math:`P(\|\xi\| > u) \ge \lambda/n`: three events of chance δ/3, more than κn jumps above τ, a
    larger mean of the squares below it, no jump above u.

    >>> run = Run(Levy(1.25), time=1.0)
    >>> [round(error_bound(run, 0.3, 0.5, n), 2) for n in (400, 40_000)]
    [0.4, 0.08]
    """
    need(0 < kept < 1 and 0 < delta < 1, "0 < kept < 1, 0 < delta < 1", (kept, delta))
    whole(width=width)
    need(width <= 2**50, "width <= 2**50", width)
    alpha, p, kind = run.noise.alpha, run.noise.dimension, run.noise.kind
    rare = math.log(3 / delta) / width
    slack = math.sqrt(rare / 2)
    if (inner := kept - slack) <= 0 or rare >= 1:
        return 1.0
    if run.noise.is_scalar:
        limit, below = -stable.quantile(alpha, inner / 2), kterm.bulk(alpha, inner)
    else:
        constant = tail_sup(Levy(alpha, 1.0, p, kind))
        limit = (constant / inner) ** (1 / alpha)
        below = 2 * constant / (2 - alpha) * limit ** (2 - alpha)
    if kind == "independent":  # the largest of p numbers
        rare = -math.expm1(math.log1p(-rare) / p)
    norm = -stable.quantile(alpha, rare / 2) / math.sqrt(width)
    tail = math.sqrt(min(limit**2, below + slack * limit**2)) / norm
    half, power = run.time / 2, 1 - 1 / alpha
    moved = run.start * half ** (-1 / alpha) + run.gradient * max(run.time**power, half**power)
    units = math.sqrt(p) if run.noise.is_scalar else 1.0  # the number's size in a unit's norm
    drift = moved / (run.noise.scale * units * norm)
    angle = math.asin(min(1.0, tail)) + math.asin(min(1.0, drift))
    return math.sin(angle) if angle < math.pi / 2 else 1.0


def smallest_width(run: Run, kept: float, error: float, delta: float) -> int:
    r"""Return a width at which :func:`error_bound` is at most ε, as at all larger powers of two.

    Explicit, up to 2⁵⁰, not optimal; of order :math:`\varepsilon^{-2\alpha/(2 - \alpha)}`. For α up
    to 1.5 the bound was seen to fall throughout; nearer to 2 it may rise between powers of two.
    """
    need(0 < error < 1, "0 < error < 1", error)
    need(run.noise.alpha < 2, "alpha < 2 (the Gaussian's error does not fall)", run.noise.alpha)
    high = 2**50
    need(error_bound(run, kept, delta, high) <= error, "a width of at most 2**50", "a larger one")
    while high > 1 and error_bound(run, kept, delta, high // 2) <= error:
        high //= 2
    widths = range(high // 2 + 1, high)  # the one before fails
    at = bisect_left(widths, True, key=lambda n: error_bound(run, kept, delta, n) <= error)
    return high if at == len(widths) else widths[at]


def noise_share(
    noise: Levy, error: float = 0.1, *, width: int, draws: int, generator: torch.Generator
) -> Estimate:
    r"""Median share of n units of pure noise that may go at *squared* error ε, as tables have it.

    Neither σ nor time matters. In single draws one unit may hold nearly everything: a median.
    """
    whole(width=width, draws=draws)
    unit = replace(noise, scale=1.0, dimension=1 if noise.is_scalar else noise.dimension)
    jumps = (unit.jumps(1.0, (width,), generator) for _ in range(draws))
    return median([kterm.removable(one.square().sum(-1), error, p=1).item() for one in jumps])


def gaussian_share(noise: Levy, error: float = 0.1) -> float:
    r"""Return the control of :func:`noise_share`: its limit for the same kind at α = 2.

    :math:`F_d(F_{d+2}^{-1}(\varepsilon))`, F_d the law of χ²; d = p, or 1 for shared numbers.

    >>> [round(gaussian_share(Levy(1.75, 1.0, 20, kind)), 4) for kind in ("shared", "isotropic")]
    [0.5554, 0.1716]
    """
    need(0 <= error <= 1, "0 <= error <= 1", error)
    degrees = 1 if noise.is_scalar else noise.dimension
    return float(stats.chi2.cdf(stats.chi2.ppf(error, degrees + 2), degrees))


def function_change(
    h: Callable[[Tensor], Tensor], alpha: float, kept: float, *, scale: float = 1.0
) -> float:
    r"""Return what removing the smallest units adds to a mean-field f, in the limit of its width.

    .. math:: f_{\text{pruned}} - f = -\frac1n \sum_{i \text{ removed}} (h(\theta_i) - h(0))
              \to -E[h(\theta) - h(0); |\theta| \le t_\kappa],
              \qquad P(|\theta| > t_\kappa) = \kappa

    not 0, at any width, though the relative error falls to 0: [W]'s theorem is silent about f. θ is
    the number of scale σ behind a unit of pure noise, ``h`` what the unit adds, of numbers (m,). By
    quadrature, exact to 10⁻¹² where h does not oscillate up to a large t.

    >>> round(function_change(lambda x: x**2 / (1 + x**2), 1.0, kept=0.5), 6)
    -0.090845
    """
    not_negative(scale=scale)

    def lost(x: NDArray[np.float64]) -> NDArray[np.float64]:
        at = scale * torch.from_numpy(x)
        values = h(torch.zeros_like(at)) - (h(at) + h(-at)) / 2
        finite(h=values)
        return values.numpy()

    return kterm.bulk(alpha, kept, lost)

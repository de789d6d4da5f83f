r"""Streaming SGD on linear regression, whose tail is solved, simulated exactly in law.

.. math:: x_{k+1} = x_k - \frac\eta b \sum_{i \le b} a_i (\langle a_i, x_k \rangle - y_i),
          \qquad y_i = \langle a_i, x^* \rangle + \varepsilon_i

with fresh :math:`a_i \sim N(0, I_d)`, :math:`\varepsilon_i \sim N(0, s^2)` in every step, after
Gürbüzbalaban, Şimşekli, Zhu, *The Heavy-Tail Phenomenon in SGD*, ICML 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from compressibility.checks import finite, need, not_negative, whole
from compressibility.dice import uniforms


@dataclass(frozen=True)
class Regression:
    """A regression, and the SGD that solves it."""

    rate: float  # η
    batch: int  # b
    dimension: int = 1  # d
    label_noise: float = 1.0  # s, standard deviation; without it the chain ends in x*

    def __post_init__(self) -> None:
        need(0 < self.rate < math.inf, "0 < rate < inf", self.rate)
        whole(batch=self.batch, dimension=self.dimension)
        not_negative(label_noise=self.label_noise)
        squares = self.label_noise == 0 or 1e-100 <= self.label_noise <= 1e100
        need(squares, "1e-100 <= label_noise <= 1e100, or 0", self.label_noise)


def regression(
    problem: Regression,
    *,
    chains: int,
    steps: int,
    generator: torch.Generator,
    averaged: int = 1,
    additive: bool = False,
) -> Tensor:
    r"""Return errors x - x* of independent chains that start in x*, (chains, d) float64.

    From an error of norm r, with :math:`X \sim \chi^2_b`, :math:`\varepsilon \sim N(0, s^2)`,
    :math:`Q \sim s^2 \chi^2_{b-1}`, :math:`Y \sim \chi^2_{d-1}` (ours)

    .. math:: r'^2 = \left(r (1 - \tfrac\eta b X) + \tfrac\eta b \sqrt X \varepsilon\right)^2
              + \tfrac{\eta^2}{b^2} \left((\varepsilon - r \sqrt X)^2 + Q\right) Y;

    for d = 1 with its sign, so that there the last ``averaged`` iterates can be averaged. The
    direction is uniform. Control: ``additive`` leaves the noise, but contracts by 1 - η, the mean.

    >>> regression(Regression(0.5, 2), chains=3, steps=9, generator=torch.Generator()).shape
    torch.Size([3, 1])
    """
    whole(chains=chains, steps=steps, averaged=averaged)
    b, d, s = problem.batch, problem.dimension, problem.label_noise
    need(averaged <= (steps if d == 1 else 1), "averaged <= steps, or 1 if d > 1", averaged)
    need(not additive or problem.rate < 2, "rate < 2 for additive noise", problem.rate)
    pace = problem.rate / b
    error = torch.zeros(chains, dtype=torch.float64, device=generator.device)
    total = torch.zeros_like(error)
    for step in range(steps):
        # A Box–Muller pair, several times as fast as randn: the noise, and an odd b's last square.
        radius = _chi_square(2, chains, generator)
        angle = 2 * math.pi * uniforms((chains,), generator)
        noise = s * radius.sqrt() * angle.cos()
        square = _chi_square(b - b % 2, chains, generator) + b % 2 * radius * angle.sin().square()
        pull = square * (not additive)
        heard = error * pull.sqrt()
        error = error * (1 - pace * pull - problem.rate * additive) + pace * square.sqrt() * noise
        if d > 1:
            residual = (noise - heard).square() + s**2 * _chi_square(b - 1, chains, generator)
            across = pace**2 * residual * _chi_square(d - 1, chains, generator)
            error = (error.square() + across).sqrt()
        if step >= steps - averaged:
            total += error / averaged
    finite(errors=total)
    direction = total.new_empty(chains, d).normal_(generator=generator)
    return functional.normalize(direction) * total[:, None]


def _chi_square(degrees: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw sums of so many squared normal numbers: two together are an exponential number."""
    total = -2 * (-uniforms((degrees // 2, count), generator)).log1p().sum(0)
    last = total.new_empty(degrees % 2, count).normal_(generator=generator)
    return total + last.square().sum(0)

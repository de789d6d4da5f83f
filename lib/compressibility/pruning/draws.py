r"""Random draws that put a cheaper value in the place of a weight, and two biased controls.

A draw turns a weight w into t, independently of all others; it is unbiased if :math:`E\,t = w`.
[EGM] = El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). A new draw states its :meth:`Draw.outcomes`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from compressibility.checks import decimal, floats, need, whole
from compressibility.dice import uniforms as fresh

Outcomes = tuple[tuple[Tensor, Tensor], ...]  # (value, chance) pairs, shaped as the weight


class Odds(NamedTuple):
    r"""All that the bounds know of an unbiased draw, per squared weight (pruning) or M² (grids)."""

    variance: float  # the variance that the paper prints
    exact: float  # the greatest variance
    jump: float  # the farthest that t may be from w


class Draw(ABC):
    """What a compressed weight may become; weights are (..., n_out, n_in), a layer or a stack."""

    unbiased: ClassVar[bool] = False  # whether E t = w, which Algorithm 1 needs of wide layers

    @abstractmethod
    def outcomes(self, weight: Tensor) -> Outcomes:
        """Return what a weight may become and its float64 chance, first the lowest uniforms."""

    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor:
        """Return the outcomes that uniforms in [0, 1) select, (..., n_out, n_in) as they are."""
        *others, (drawn, _) = self.outcomes(weight)
        drawn = drawn.expand(uniforms.shape)
        limits = accumulate(chance for _, chance in others)
        for (value, _), limit in reversed(list(zip(others, limits, strict=True))):
            drawn = torch.where(uniforms < limit, value, drawn)
        return drawn

    def sample(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """Return one random outcome, shaped as the weight: exactly one uniform per weight."""
        return self.decide(weight, fresh(weight.shape, generator).to(weight.device))

    def mean(self, weight: Tensor) -> Tensor:
        """Return the mean of the draw, shaped as the weight: the weight itself if unbiased."""
        if self.unbiased:
            return check_weight(weight)
        return sum(v * chance for v, chance in self.outcomes(weight)).to(weight.dtype)  # type: ignore[union-attr]

    def variance(self, weight: Tensor) -> Tensor:
        """Return the variance of the draw, shaped as the weight."""
        mean = self.mean(weight).double()
        parts = [(v.double() - mean).square() * chance for v, chance in self.outcomes(weight)]
        return torch.stack(parts).sum(0).to(weight.dtype)


@dataclass(frozen=True)
class Pruning(Draw):
    r"""Keep a weight with probability p and enlarge it, else set it to zero.

    .. math:: t = w \,\mathrm{Bernoulli}(p) / p, \qquad \mathrm{Var}\, t = w^2 (1 - p) / p

    [EGM], Algorithm 1. A weight is kept where its uniform is below p.

    >>> Pruning(keep=0.25).variance(torch.tensor([[2.0]])).item()
    12.0
    """

    keep: float  # p, the probability that a weight stays
    unbiased = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", _chance(self.keep))

    @property
    def odds(self) -> Odds:
        """Return (1-p)/p, the same, and (p ∨ (1-p))/p."""
        variance = (1 - self.keep) / self.keep
        return Odds(variance, variance, max(self.keep, 1 - self.keep) / self.keep)

    def outcomes(self, weight: Tensor) -> Outcomes:
        """Return w/p with probability p, then 0."""
        return _kept_or_zero(check_weight(weight) / self.keep, self.keep)

    def variance(self, weight: Tensor) -> Tensor:
        """Return w² (1-p)/p."""
        return check_weight(weight).square() * ((1 - self.keep) / self.keep)


@dataclass(frozen=True)
class Quantization(Draw):
    r"""Round a weight at random to a neighbour on a grid, so that its mean stays.

    The grid is :math:`\{0, \pm M/k, \dots, \pm M\}`, M the largest absolute entry of the layer (of
    each layer of a stack). With f the fractional part of :math:`k|w|/M`:

    .. math:: P(\text{away from } 0) = f, \qquad \mathrm{Var}\, t = (M/k)^2 f (1 - f) \le (M/2k)^2

    [EGM], Section 3.2 and Lemma 8 (which counts 2k values: 0 is missing there). A weight is rounded
    away from 0 where its uniform is below f.

    >>> Quantization(levels=1).variance(torch.tensor([[0.5, 1.0]])).tolist()
    [[0.25, 0.0]]
    """

    levels: int  # k, steps between 0 and M
    unbiased = True

    def __post_init__(self) -> None:
        whole(levels=self.levels)
        object.__setattr__(self, "levels", int(self.levels))  # NumPy's overflow

    @property
    def odds(self) -> Odds:
        """Return 1/k², which the paper prints, 1/(4k²), and 1/k."""
        return Odds(1 / self.levels**2, 1 / (4 * self.levels**2), 1 / self.levels)

    def outcomes(self, weight: Tensor) -> Outcomes:
        """Return the neighbour away from 0 with probability f, then the one nearer 0."""
        steps, largest = _steps(weight, self.levels)
        fraction, lower = steps.frac(), steps.floor()
        # M itself lies on the last step: nothing is farther from 0.
        away = (lower + 1).clamp(max=self.levels)
        return (
            (_on_grid(weight, away, largest, self.levels), fraction),
            (_on_grid(weight, lower, largest, self.levels), 1 - fraction),
        )

    def variance(self, weight: Tensor) -> Tensor:
        """Return (M/k)² f (1-f)."""
        steps, largest = _steps(weight, self.levels)
        fraction = steps.frac()
        return ((largest / self.levels).square() * fraction * (1 - fraction)).to(weight.dtype)


@dataclass(frozen=True)
class Masking(Draw):
    r"""Control, ours: :math:`t = w\,\mathrm{Bernoulli}(p)`, without the division by p: biased.

    >>> Masking(keep=0.25).mean(torch.tensor([[2.0]])).item()
    0.5
    """

    keep: float  # p, the probability that a weight stays

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", _chance(self.keep))

    def outcomes(self, weight: Tensor) -> Outcomes:
        """Return w with probability p, then 0."""
        return _kept_or_zero(check_weight(weight), self.keep)


@dataclass(frozen=True)
class NearestRounding(Draw):
    r"""Control, ours: the *nearest* point of the grid of :class:`Quantization`; midpoints go up.

    No draw, so no variance, but errors that do not average out. Up is away from 0.

    >>> NearestRounding(levels=1).mean(torch.tensor([[0.4, -0.5, 1.0]])).tolist()
    [[0.0, -1.0, 1.0]]
    """

    levels: int  # k, steps between 0 and M

    def __post_init__(self) -> None:
        whole(levels=self.levels)
        object.__setattr__(self, "levels", int(self.levels))  # NumPy's overflow

    def outcomes(self, weight: Tensor) -> Outcomes:
        """Return the nearest grid point, certain."""
        steps, largest = _steps(weight, self.levels)
        nearest = _on_grid(weight, (steps + 0.5).floor(), largest, self.levels)
        return ((nearest, torch.ones_like(steps)),)


def check_weight(weight: Tensor) -> Tensor:
    """Return the numbers (..., n_out, n_in), without gradients: float32 or float64, finite."""
    floats(weight=weight)
    shape = tuple(weight.shape)
    need(weight.ndim >= 2 and 0 not in shape, "weight (..., n_out, n_in), none empty", shape)
    return weight.detach()


def _steps(weight: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Return k|w|/M and M, in float64: the ratio is taken first, so that M falls on step k."""
    size = check_weight(weight).double().abs()
    largest = size.amax((-2, -1), keepdim=True)
    return size / torch.where(largest > 0, largest, 1.0) * levels, largest


def _on_grid(weight: Tensor, steps: Tensor, largest: Tensor, levels: int) -> Tensor:
    return (weight.detach().sign() * (largest * (steps / levels))).to(weight.dtype)


def _chance(keep: float) -> float:
    """Read p as it prints; below 1e-100 nothing that is kept has room in floats."""
    chance = float(decimal(keep))
    need(1e-100 < chance <= 1, "0 < keep <= 1", keep)
    return chance


def _kept_or_zero(kept: Tensor, keep: float) -> Outcomes:
    chance = torch.tensor(keep, dtype=torch.float64, device=kept.device).expand_as(kept)
    return ((kept, chance), (torch.zeros_like(kept), 1 - chance))

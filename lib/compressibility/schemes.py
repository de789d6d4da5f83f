"""Random draws that put a cheaper value in the place of a weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator]
"""One generator, or one per network of a stack."""


@runtime_checkable
class Scheme(Protocol):
    """What a compressed weight may become: independent draws, one uniform number per weight.

    Weights have shape (..., n_out, n_in); the last two axes are one layer.
    """

    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor:
        """Return the outcome that uniforms in [0, 1), shaped as the weight, select."""
        ...

    def draw(self, weight: Tensor, generator: Generators) -> Tensor:
        """Return one random outcome, shaped as the weight: exactly one uniform per weight."""
        ...

    def mean(self, weight: Tensor) -> Tensor:
        """Return the mean of the draw, shaped as the weight."""
        ...

    def variance(self, weight: Tensor) -> Tensor:
        """Return the variance of the draw, shaped as the weight."""
        ...

    def outcomes(self, weight: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Return (value, probability) pairs, shaped as the weight, first the lowest uniforms."""
        ...


class _Draws(ABC):
    """The draw shared by all schemes: decide by fresh uniforms."""

    @abstractmethod
    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor: ...

    def draw(self, weight: Tensor, generator: Generators) -> Tensor:
        """Return one random outcome, shaped as the weight; see :func:`uniforms_like`."""
        return self.decide(weight, uniforms_like(weight, generator))


@dataclass(frozen=True)
class Pruning(_Draws):
    r"""Keep a weight with probability p and enlarge it, else set it to zero.

    .. math:: t = w \,\mathrm{Bernoulli}(p) / p, \qquad E\,t = w, \qquad
              \mathrm{Var}\, t = w^2 (1 - p) / p

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Algorithm 1. A weight is kept where its uniform is
    below p.

    Raises
    ------
    ValueError
        Unless 0 < keep <= 1.

    Examples
    --------
    >>> Pruning(keep=0.25).variance(torch.tensor([[2.0]])).item()
    12.0
    """

    keep: float  # p, the probability that a weight stays

    def __post_init__(self) -> None:
        _check_keep(self.keep)

    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor:
        """Return w/p where the uniform is below p, else 0."""
        check_weight(weight)
        return torch.where(uniforms < self.keep, weight / self.keep, torch.zeros_like(weight))

    def mean(self, weight: Tensor) -> Tensor:
        """Return the weight: the draw is unbiased."""
        check_weight(weight)
        return weight

    def variance(self, weight: Tensor) -> Tensor:
        """Return w² (1-p)/p."""
        check_weight(weight)
        return weight.square() * ((1 - self.keep) / self.keep)

    def outcomes(self, weight: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Return w/p with probability p, then 0 with 1 - p."""
        check_weight(weight)
        return _kept_or_zero(weight / self.keep, self.keep)


@dataclass(frozen=True)
class Quantization(_Draws):
    r"""Round a weight at random to a neighbour on a grid, so that its mean stays.

    The grid is :math:`\{0, \pm M/k, \dots, \pm M\}`, 2k + 1 values with 0, where M is the largest
    absolute entry of the layer (of each layer of a stack). With f the fractional part of
    :math:`k|w|/M`:

    .. math:: P(\text{away from } 0) = f, \qquad E\,t = w, \qquad
              \mathrm{Var}\, t = (M/k)^2 f (1 - f) \le (M/2k)^2

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Section 3.2 and Lemma 8 (which counts 2k values:
    0 is missing there). A weight is rounded away from 0 where its uniform is below f.

    Raises
    ------
    ValueError
        Unless levels is an integer >= 1.

    Examples
    --------
    >>> Quantization(levels=1).variance(torch.tensor([[0.5, 1.0]])).tolist()
    [[0.25, 0.0]]
    """

    levels: int  # k, steps between 0 and M

    def __post_init__(self) -> None:
        _check_levels(self.levels)

    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor:
        """Return the neighbour away from 0 where the uniform is below f, else the one nearer 0."""
        steps, largest = _steps(weight, self.levels)
        away = (uniforms < steps.frac()).to(steps.dtype)
        return _on_grid(weight, steps.floor() + away, largest, self.levels)

    def mean(self, weight: Tensor) -> Tensor:
        """Return the weight: the draw is unbiased."""
        check_weight(weight)
        return weight

    def variance(self, weight: Tensor) -> Tensor:
        """Return (M/k)² f (1-f)."""
        steps, largest = _steps(weight, self.levels)
        fraction = steps.frac()
        return ((largest / self.levels).square() * fraction * (1 - fraction)).to(weight.dtype)

    def outcomes(self, weight: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Return the neighbour away from 0 with probability f, then the other with 1 - f."""
        steps, largest = _steps(weight, self.levels)
        fraction = steps.frac().to(weight.dtype)
        # M itself lies on the last step: nothing is farther from 0.
        away = (steps.floor() + 1).clamp(max=self.levels)
        return (
            (_on_grid(weight, away, largest, self.levels), fraction),
            (_on_grid(weight, steps.floor(), largest, self.levels), 1 - fraction),
        )


@dataclass(frozen=True)
class Masking(_Draws):
    r"""Control: keep a weight with probability p *without* enlarging it, else set it to zero.

    .. math:: t = w \,\mathrm{Bernoulli}(p), \qquad E\,t = p w, \qquad
              \mathrm{Var}\, t = w^2 p (1 - p)

    Our own, biased on purpose: what Algorithm 1's division by p is for.

    Raises
    ------
    ValueError
        Unless 0 < keep <= 1.

    Examples
    --------
    >>> Masking(keep=0.25).mean(torch.tensor([[2.0]])).item()
    0.5
    """

    keep: float  # p, the probability that a weight stays

    def __post_init__(self) -> None:
        _check_keep(self.keep)

    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor:
        """Return w where the uniform is below p, else 0."""
        check_weight(weight)
        return torch.where(uniforms < self.keep, weight, torch.zeros_like(weight))

    def mean(self, weight: Tensor) -> Tensor:
        """Return p w."""
        check_weight(weight)
        return weight * self.keep

    def variance(self, weight: Tensor) -> Tensor:
        """Return w² p (1-p)."""
        check_weight(weight)
        return weight.square() * (self.keep * (1 - self.keep))

    def outcomes(self, weight: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Return w with probability p, then 0 with 1 - p."""
        check_weight(weight)
        return _kept_or_zero(weight, self.keep)


@dataclass(frozen=True)
class NearestRounding(_Draws):
    r"""Control: round a weight to the *nearest* point of the grid of :class:`Quantization`.

    Our own, biased on purpose: no draw, so no variance, but errors that do not average out. The
    midpoint between two grid points goes away from 0.

    Raises
    ------
    ValueError
        Unless levels is an integer >= 1.

    Examples
    --------
    >>> NearestRounding(levels=1).mean(torch.tensor([[0.4, 1.0]])).tolist()
    [[0.0, 1.0]]
    """

    levels: int  # k, steps between 0 and M

    def __post_init__(self) -> None:
        _check_levels(self.levels)

    def decide(self, weight: Tensor, uniforms: Tensor) -> Tensor:  # noqa: ARG002
        """Return the nearest grid point whatever the uniforms are."""
        return self.mean(weight)

    def mean(self, weight: Tensor) -> Tensor:
        """Return the nearest grid point."""
        steps, largest = _steps(weight, self.levels)
        return _on_grid(weight, (steps + 0.5).floor(), largest, self.levels)

    def variance(self, weight: Tensor) -> Tensor:
        """Return zeros."""
        check_weight(weight)
        return torch.zeros_like(weight)

    def outcomes(self, weight: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Return the nearest grid point, certain."""
        return ((self.mean(weight), torch.ones_like(weight)),)


def uniforms_like(weight: Tensor, generator: Generators) -> Tensor:
    """Uniform numbers in [0, 1), one per weight, on the weight's device.

    They are float64 whatever the weight's dtype, drawn on the generator's device: one seed gives
    the same decisions in either precision.

    Parameters
    ----------
    weight
        Shape (..., n_out, n_in).
    generator
        One for all; or one per network of a stack (E, n_out, n_in), whose numbers are then those
        of E single calls.

    Raises
    ------
    ValueError
        A number of generators other than E, or several without a stack.

    Examples
    --------
    >>> uniforms_like(torch.zeros(2, 3), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    if isinstance(generator, torch.Generator):
        drawn = torch.rand(
            weight.shape, generator=generator, dtype=torch.float64, device=generator.device
        )
        return drawn.to(weight.device)
    if weight.ndim != 3 or len(generator) != len(weight):
        need = f"one generator, or one per network of a stack {tuple(weight.shape)}"
        raise ValueError(f"need {need}, got {len(generator)}")
    return torch.stack([uniforms_like(w, g) for w, g in zip(weight, generator, strict=True)])


def check_weight(weight: Tensor) -> None:
    """Raise ValueError unless ``weight`` is (..., n_out, n_in), float32 or float64, finite.

    Examples
    --------
    >>> check_weight(torch.zeros(2, 3))
    """
    if weight.ndim < 2 or 0 in weight.shape:
        raise ValueError(f"need weight (..., n_out, n_in), none empty, got {tuple(weight.shape)}")
    if weight.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"need weight of dtype float32 or float64, got {weight.dtype}")
    if not bool(torch.isfinite(weight).all()):
        raise ValueError("need finite weight, got nan or infinity")


def _steps(weight: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Return k|w|/M and M, in float64: the ratio is taken first, so that M falls on step k."""
    check_weight(weight)
    size = weight.detach().double().abs()
    largest = size.amax((-2, -1), keepdim=True)
    return size / torch.where(largest > 0, largest, 1.0) * levels, largest


def _on_grid(weight: Tensor, steps: Tensor, largest: Tensor, levels: int) -> Tensor:
    return (weight.sign() * (largest * (steps / levels))).to(weight.dtype)


def _kept_or_zero(kept: Tensor, keep: float) -> tuple[tuple[Tensor, Tensor], ...]:
    chance = torch.full_like(kept, keep)
    return ((kept, chance), (torch.zeros_like(kept), 1 - chance))


def _check_keep(keep: float) -> None:
    if not 0 < keep <= 1:
        raise ValueError(f"need 0 < keep <= 1, got {keep}")


def _check_levels(levels: int) -> None:
    if isinstance(levels, bool) or not hasattr(levels, "__index__") or index(levels) < 1:
        raise ValueError(f"need an integer levels >= 1, got {levels!r}")

r"""Particles that stable noise drives: many that interact, their limit, and coarser steps.

.. math:: d\theta^i_t = b(\theta^i_t, \mu^n_t)\, dt + \sigma\, dL^i_t, \qquad
          \mu^n_t = \frac1n \sum_{j \le n} \delta_{\theta^j_t}, \qquad
          b(\theta, \mu) = \text{drift}\Bigl(\theta, \int h\, d\mu\Bigr)

after [W] (cited in ``noise.injection``): a particle is the weights into one of n hidden units, in
:math:`\mathbb{R}^p`. As n grows, a particle's law takes the place of :math:`\mu^n_t`. Steps are
Euler's, :math:`\theta + \eta b + \sigma \eta^{1/\alpha} \xi`: SGD with noise. Particles are (R, n,
p) float64, R independent repetitions in one batch; those that are compared share start and noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from compressibility.checks import finite, need, not_negative, whole
from compressibility.noise import stable
from compressibility.noise.injection import Kind


@dataclass(frozen=True)
class Levy:
    r"""The noise :math:`\sigma L_t` of a unit; :math:`L_t` has the law of :math:`t^{1/\alpha} \xi`.

    The kinds are those of :class:`~compressibility.noise.injection.HeavyTailedNoise`.
    """

    alpha: float  # 2 is the Gaussian control, of variance 2σ²t
    scale: float = 1.0  # σ
    dimension: int = 1  # p
    kind: Kind = "shared"  # for p = 1 all are the same

    def __post_init__(self) -> None:
        need(0 < self.alpha <= 2, "0 < alpha <= 2", self.alpha)
        not_negative(scale=self.scale)
        whole(dimension=self.dimension)
        need(self.kind in get_args(Kind), f"kind in {get_args(Kind)}", repr(self.kind))

    @property
    def is_scalar(self) -> bool:
        r"""One number is behind each vector, of norm :math:`\sqrt p` times its size."""
        return self.kind == "shared" or self.dimension == 1

    def jumps(self, time: float, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        r"""Draw independent increments :math:`\sigma\, \text{time}^{1/\alpha} \xi`, ``(*shape,p)``.

        >>> Levy(1.5, dimension=3).jumps(0.1, (4, 5), torch.Generator()).shape
        torch.Size([4, 5, 3])
        """
        not_negative(time=time)
        p, count = self.dimension, math.prod(shape)
        if self.kind == "isotropic" and p > 1:
            drawn = stable.elliptical(self.alpha, count, p, generator)
        else:
            each = 1 if self.is_scalar else p
            drawn = stable.symmetric(self.alpha, (count, each), generator).expand(count, p)
        return (self.scale * math.pow(time, 1 / self.alpha) * drawn).reshape(*shape, p)


@dataclass(frozen=True, eq=False)
class Particles:
    """A system: what each particle adds to the mean, how the mean moves each, and the noise."""

    features: Callable[[Tensor], Tensor]  # h, (..., n, p) -> (..., n, m)
    drift: Callable[[Tensor, Tensor], Tensor]  # of (..., n, p) and (..., 1, m), as the first
    noise: Levy

    def moved(self, at: Tensor, step: float, jump: Tensor, mean: Tensor | None = None) -> Tensor:
        """Make one step; in a given mean, which no particle moves, it is a step of the limit."""
        if mean is None:
            mean = (each := self.features(at)).mean(-2, keepdim=True)
            need(each.shape[:-1] == at.shape[:-1], "features (..., n, m)", tuple(each.shape))
        return at + step * self.drift(at, mean) + jump


class Distances(NamedTuple):
    """How far each particle is from its pair, (R, n)."""

    largest: Tensor  # over the times of the (coarser) grid
    fixed: Tensor  # at one fixed time


def one_datum(
    h: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], noise: Levy, target: float
) -> Particles:
    r"""Fit one number: :math:`b(\theta, \mu) = -(\int h\, d\mu - y)\, h'(\theta)`, p = 1.

    >>> system = one_datum(torch.sin, torch.cos, Levy(1.5), target=2.0)
    >>> system.moved(torch.zeros(1, 3, 1), 0.5, torch.ones(1, 3, 1)).flatten().tolist()
    [2.0, 2.0, 2.0]
    """
    need(noise.dimension == 1, "noise of dimension 1", noise.dimension)
    return Particles(h, lambda at, mean: (target - mean) * slope(at), noise)


def mean_flow(
    system: Particles, start: Tensor, *, time: float, steps: int, generator: torch.Generator
) -> Tensor:
    r"""Return :math:`\int h\, d\mu` before each step of a large system, (steps, m): the limit's.

    From many particles, (1, n, p): its own error falls as :math:`n^{-1/2}` where h is bounded, but
    as :math:`n^{1/\alpha - 1}` where it is not: give :func:`chaos` a flow that is known there.
    """
    at, means = _start(system, start, time, steps), []
    need(len(at) == 1, "particles (1, n, p)", tuple(at.shape))
    for _ in range(steps):
        means.append(system.features(at).mean(-2, keepdim=True))
        jump = system.noise.jumps(time / steps, at.shape[:2], generator)
        at = system.moved(at, time / steps, jump, means[-1])
    flow = torch.cat(means).flatten(1)
    finite(flow=flow)
    return flow


def chaos(
    system: Particles, start: Tensor, flow: Tensor, *, time: float, generator: torch.Generator
) -> Distances:
    """Compare interacting particles with the limit's, of flow (steps, m); fixed time: the end."""
    need(flow.ndim == 2, "a flow (steps, m)", tuple(flow.shape))
    many = alone = _start(system, start, time, len(flow))
    m = system.features(many).shape[-1]
    need(flow.shape[1] == m, f"a flow (steps, {m}) of these features", tuple(flow.shape))
    largest = last = torch.zeros_like(many[..., 0])
    for mean in flow.to(many):
        jump = system.noise.jumps(time / len(flow), many.shape[:2], generator)
        many = system.moved(many, time / len(flow), jump)
        alone = system.moved(alone, time / len(flow), jump, mean)
        last = (many - alone).norm(dim=-1)
        largest = torch.maximum(largest, last)
    finite(distances=largest)
    return Distances(largest, last)


def coarsened(
    system: Particles, start: Tensor, grids: Sequence[int], time: float, generator: torch.Generator
) -> list[Distances]:
    """Compare grids of steps, each nested in the first and finest: its noise adds up.

    ``grids`` are numbers of steps. The fixed time is half a step of the grid before the end.

    >>> still = Particles(torch.sin, lambda at, mean: 0 * at, Levy(1.5))
    >>> (found,) = coarsened(still, torch.zeros(1, 2, 1), [8, 2], 1.0, torch.Generator())
    >>> bool(found.largest.max() < 1e-12 < found.fixed.min())
    True
    """
    need(len(grids) > 1, "at least 2 grids", grids)
    steps, at = grids[0], [_start(system, start, time, n) for n in grids]
    for n in grids[1:]:
        need(steps % (2 * n) == 0, f"grids whose half steps are whole steps of {steps}", n)
    zero, none = torch.zeros_like(at[0]), torch.zeros_like(at[0][..., 0])
    piled, largest, fixed = ([new] * len(grids) for new in (zero, none, none))
    for k in range(1, steps + 1):
        jump = system.noise.jumps(time / steps, none.shape, generator)
        for g, n in enumerate(grids):  # the finest first: the others look at it
            piled[g] = piled[g] + jump
            if k * n % steps == 0:
                at[g], piled[g] = system.moved(at[g], time / n, piled[g]), zero
                largest[g] = torch.maximum(largest[g], (at[0] - at[g]).norm(dim=-1))
            elif 2 * (steps - k) * n == steps:
                fixed[g] = (at[0] - at[g]).norm(dim=-1)
    finite(distances=torch.stack([*largest[1:], *fixed[1:]]))
    return [Distances(*both) for both in zip(largest[1:], fixed[1:], strict=True)]


def _start(system: Particles, start: Tensor, time: float, steps: int) -> Tensor:
    need(0 < time < math.inf, "0 < time < inf", time)
    whole(steps=steps)
    fits = start.ndim == 3 and start.numel() > 0 and start.shape[2] == system.noise.dimension
    need(fits, f"particles (R, n, {system.noise.dimension})", tuple(start.shape))
    finite(start=start)
    return start.detach().double()

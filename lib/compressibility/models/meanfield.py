r"""One hidden layer scaled by its width, whose output signs are frozen: units are particles.

.. math:: f(x) = \frac1n \sum_{i \le n} h_x(\theta_i), \qquad
          h_x(\theta_i) = c_i\, \varphi(\langle \theta_i, x \rangle), \quad c_i = \pm c

The setting of the theorems of [W] (cited in ``noise.injection``), with φ = tanh, smooth and
bounded; for a control give :class:`MeanField` another. A step of rate η moves a particle by

.. math:: -\eta\, n\, \partial_{\theta_i} R = -\eta\, E[\ell'(f(x), y)\, \nabla h_x(\theta_i)]

so networks of n units train with ``learning_rate = eta * n``, while the noise has the rate η.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from compressibility.checks import finite, need, not_negative, whole
from compressibility.models.network import Network


class MeanField(Network):
    """Such networks as a batch: ``weights[0]`` (E, n, p) the particles, ``weights[1]`` frozen.

    Copies, pruned ones too, stay frozen.

    >>> network = meanfield(64, 100, outer=5.0)
    >>> network.weights[1].requires_grad, round(100 * network.weights[1].abs().max().item(), 4)
    (False, 5.0)
    """

    def __init__(self, weights: Sequence[Tensor], *, activation: str = "tanh") -> None:
        super().__init__(weights, activation=activation)
        need(len(weights) == 2, "2 layers", len(weights))
        self.weights[1].requires_grad_(False)

    def smoothness(self, inputs: Tensor) -> float:
        r"""Return the smallest C that bounds h, its gradient and its Hessian on inputs (N, p).

        .. math:: C = c \max\left(1,\ X,\ \frac{4}{3\sqrt3} X^2\right), \qquad X = \max \|x\|

        for tanh, whose second derivative is at most :math:`4 / (3 \sqrt 3)` in size.

        >>> round(meanfield(2, 10).smoothness(torch.tensor([[0.0, 2.0]])), 6)
        3.079201
        """
        need(self.activation.name == "tanh", "tanh", self.activation.name)
        finite(inputs=inputs)
        outer = float(self.weights[1].detach().double().abs().max()) * self.widths[1]
        radius = float(torch.linalg.vector_norm(inputs.double(), dim=-1).max())
        return outer * max(1.0, radius, 4 / (3 * math.sqrt(3)) * radius**2)

    def like(self, weights: Sequence[Tensor]) -> MeanField:
        """Return networks of other weights, as frozen as these."""
        return MeanField(weights, activation=self.activation.name)


def meanfield(
    inputs: int,
    width: int,
    *,
    outer: float = 1.0,  # c
    spread: float = 1.0,  # of the start: θ is N(0, spread² I / p)
    paired: bool = True,
    seeds: Sequence[int] = (0,),
    dtype: torch.dtype = torch.float32,
) -> MeanField:
    r"""Draw networks, each from its own seed in float64: particles, then signs, all independent.

    With ``paired`` outputs (f, -f), cross-entropy is a smooth loss of bounded slope,

    .. math:: \ell(f, y) = \log(1 + e^{-2 y f}), \qquad \ell'(f, y) = \tanh f - y

    for y = 1 (class 0) and y = -1 (class 1): at most 2, and 1-Lipschitz. Otherwise the only output
    is f.

    >>> [tuple(w.shape) for w in meanfield(64, 100, seeds=[0, 1]).weights]
    [(2, 100, 64), (2, 2, 100)]
    """
    whole(inputs=inputs, width=width)
    need(0 < outer < math.inf, "0 < outer < inf", outer)
    not_negative(spread=spread)
    need(len(seeds) > 0, "at least 1 seed", "none")
    need(dtype in (torch.float32, torch.float64), "dtype float32 or float64", dtype)
    members = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(width, inputs, generator=generator, dtype=torch.float64)
        sign = 2.0 * torch.randint(2, (1, width), generator=generator) - 1
        head = sign.double() * (outer / width)
        members.append((spread / math.sqrt(inputs) * start, torch.cat([head, -head][: 1 + paired])))
    return MeanField([torch.stack(layer).to(dtype) for layer in zip(*members, strict=True)])

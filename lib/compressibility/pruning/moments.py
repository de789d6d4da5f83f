"""What a layer's inputs say of all its prunings: their means and second moments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from compressibility.checks import floats, need, whole


@dataclass(frozen=True, eq=False)
class Moments:
    r"""Mean :math:`m = E\,x` and second moments :math:`S = E\,x x^\top` of the inputs of a layer.

    >>> seen = Moments.of(torch.tensor([[1.0, 0.0], [1.0, 2.0]]))
    >>> seen.second.tolist(), seen.covariance.tolist()
    ([[1.0, 1.0], [1.0, 2.0]], [[0.0, 0.0], [0.0, 1.0]])
    """

    mean: Tensor  # m, (n,); kept in float64
    second: Tensor  # S, (n, n), not the covariance
    samples: int | None = None  # how many inputs they are averages of; None: those of the law

    def __post_init__(self) -> None:
        shapes = self.mean.shape, self.second.shape
        square = len(shapes[0]) == 1 and shapes[1] == 2 * shapes[0] and shapes[0][0] > 0
        need(square, "mean (n,) and second (n, n)", shapes)
        floats(mean=self.mean, second=self.second)
        whole(samples=1 if self.samples is None else self.samples)
        for name in ("mean", "second"):
            object.__setattr__(self, name, getattr(self, name).detach().double())
        holds = bool((self.second.diagonal() * (1 + 1e-6) >= self.mean.square()).all())  # float32
        need(holds, "E x_j² >= (E x_j)²", "another matrix")

    @classmethod
    def of(cls, inputs: Tensor) -> Moments:
        """Return the averages over inputs (N, n), taken in float64."""
        floats(inputs=inputs)
        need(inputs.ndim == 2 and inputs.numel() > 0, "inputs (N, n), none empty", inputs.shape)
        seen = inputs.detach().double()
        return cls(seen.mean(0), seen.mT @ seen / len(seen), len(seen))

    def __add__(self, other: Moments) -> Moments:
        """Pool two batches: the moments of all their inputs."""
        need(self.mean.shape == other.mean.shape, "batches of one layer", len(other.mean))
        a, b = self.samples or 0, other.samples or 0
        need(min(a, b) > 0, "samples, not a law, to pool", (self.samples, other.samples))
        share = a / (a + b)
        mean = share * self.mean + (1 - share) * other.mean
        return Moments(mean, share * self.second + (1 - share) * other.second, a + b)

    @cached_property
    def covariance(self) -> Tensor:
        r""":math:`C = S - m m^\top`, divisor N; exactly 0 for inputs that vary by rounding only."""
        covariance = self.second - torch.outer(self.mean, self.mean)
        constant = covariance.diagonal() <= 1e-13 * self.second.diagonal()
        return covariance.masked_fill(constant | constant[:, None], 0.0)

    def matrix(self, restored: bool) -> Tensor:
        """Return C where the mean is restored (``masks.restored_bias``), else S."""
        return self.covariance if restored else self.second

    @property
    def mean_to_power(self) -> Tensor:
        r""":math:`\kappa_j = m_j^2 / S_{jj}`, (n,), what a restored mean saves; 0 if never lit."""
        power = self.second.diagonal()
        return torch.where(power > 0, self.mean.square() / power, 0.0)

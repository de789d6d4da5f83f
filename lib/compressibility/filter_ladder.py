"""The ladders of filters: from the measured damage up to the printed bounds, rung by rung."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from compressibility.bounds import wide_networks as bounds
from compressibility.convnet import ConvNet
from compressibility.convolution import conv_norm, convolve, filter_norms
from compressibility.filters import (
    compress_input_filters,
    compress_output_filters,
    input_filter_prices,
)
from compressibility.ladder import Ladder
from compressibility.models import ACTIVATIONS
from compressibility.schemes import Pruning

_ROUNDING = 1e-6  # of a logarithm: outputs are float32


@dataclass(frozen=True, eq=False)
class OutputLadder:
    """Upper bounds on the damage to a block of two convolutions, as decimal logarithms.

    All fields have shape (E,), float64; the bounds may lie far beyond the largest float.
    """

    measured: Tensor  # mean over draws of the damage behind the block's last activation
    before: Tensor  # the same draws before that activation: mean of Psi
    sharpest: Tensor  # not in the paper: does not grow exponentially
    sharper: Tensor  # not in the paper: Proposition 25 with a sharper exponent
    printed: Tensor  # Proposition 25 at epsilon = 0

    def steps_down(self) -> tuple[int, int]:
        """Return how many steps go down, by more than rounding, and how many there are."""
        rungs = [getattr(self, field.name) for field in fields(self)]
        down = [upper < lower - _ROUNDING for lower, upper in pairwise(rungs)]
        return sum(int(step.sum()) for step in down), sum(step.numel() for step in down)


def input_ladder(
    network: ConvNet,
    inputs: Tensor,
    scheme: Pruning,
    *,
    fraction: float,
    draws: int,
    generators: Sequence[torch.Generator],
) -> Ladder:
    r"""Measure and bound the damage of pruning input filters of the second convolution.

    Proposition 24 of El Cheairi, Gamarnik, Mazumder (COLT 2026) with groups of :math:`r^2` columns,
    at epsilon = 0, without the projection. The convolution sees its dense inputs.

    Parameters
    ----------
    network
        E networks of two convolutions or more.
    inputs
        Samples (N, features); damage and prices average over them.
    scheme, fraction, draws
        As :func:`~compressibility.filters.compress_input_filters` takes them.
    generators
        One per network.

    Returns
    -------
    Ladder
        Fields of shape (1, E): one share.

    Examples
    --------
    >>> from compressibility.convnet import convnet
    >>> dice = [torch.Generator().manual_seed(0)]
    >>> ladder = input_ladder(convnet([1, 10, 2], outputs=1, size=4), torch.rand(5, 16),
    ...     Pruning(keep=0.3), fraction=0.5, draws=3, generators=dice)
    >>> ladder.steps_down()
    (0, 4)
    """
    seen, size = network.layer_inputs(inputs, 1).detach(), network.size
    phi = ACTIVATIONS[network.activation.name]
    rungs: list[tuple[float, ...]] = []
    for kernel, images, generator in zip(network.kernels[1], seen, generators, strict=True):
        plan = compress_input_filters(
            kernel, images, scheme, fraction=fraction, generator=generator, draws=draws
        )
        before, after = _damages(
            convolve(images, kernel.detach()),
            [convolve(images, thin) for thin in plan.kernels()],
            phi,
        )
        prices = input_filter_prices(kernel, images, scheme)
        constants: dict[str, Any] = {
            "input_error": 0.0,
            "sigma1": conv_norm(kernel, size).item(),
            "nu1": filter_norms(kernel, size).max().item(),
            "theta": _radius(images),
            "n2": len(kernel) * size**2,
            "alpha": fraction,
            "p": scheme.keep,
            "group": size**2,
        }
        rungs.append(
            (
                after,
                before,
                plan.expected_increase[0].item(),
                fraction * prices.sum().item(),
                bounds.sharper_columns(**constants),
                bounds.proposition_24(**constants),
            )
        )
    return Ladder(*torch.tensor(rungs, dtype=torch.float64).T.unsqueeze(1))


def output_ladder(
    network: ConvNet,
    inputs: Tensor,
    scheme: Pruning,
    *,
    fraction: float,
    draws: int,
    generators: Sequence[torch.Generator],
) -> OutputLadder:
    r"""Measure and bound the damage of pruning output filters of the first convolution.

    Proposition 25 of El Cheairi, Gamarnik, Mazumder (COLT 2026) with groups of :math:`r^2` rows, at
    epsilon = 0, without the projection, for the block of the first two convolutions.

    Parameters
    ----------
    network, inputs, scheme, fraction, draws, generators
        As for :func:`input_ladder`; the bounds want an activation that meets (9), such as tanh.

    Examples
    --------
    >>> from compressibility.convnet import convnet
    >>> network = convnet([1, 10, 2], outputs=1, size=4, activation="tanh")
    >>> ladder = output_ladder(network, torch.rand(5, 16), Pruning(keep=0.3),
    ...     fraction=0.5, draws=3, generators=[torch.Generator().manual_seed(0)])
    >>> ladder.steps_down()
    (0, 4)
    """
    seen, size = network.layer_inputs(inputs, 0).detach(), network.size
    phi = ACTIVATIONS[network.activation.name]
    rungs: list[tuple[float, ...]] = []
    for first, second, images, generator in zip(
        network.kernels[0].detach(), network.kernels[1].detach(), seen, generators, strict=True
    ):
        plan = compress_output_filters(
            first,
            second,
            phi,
            images,
            scheme,
            fraction=fraction,
            generator=generator,
            draws=draws,
        )
        before, after = _damages(
            convolve(phi(convolve(images, first)), second),
            [convolve(phi(convolve(images, thin)), second) for thin in plan.kernels()],
            phi,
        )
        constants: dict[str, Any] = {
            "input_error": 0.0,
            "sigma1": conv_norm(first, size).item(),
            "sigma2": conv_norm(second, size).item(),
            "nu1": filter_norms(first, size).max().item(),
            "nu2": filter_norms(second, size).max().item(),
            "theta": _radius(images),
            "n1": first.shape[1] * size**2,
            "n3": len(second) * size**2,
            "alpha": fraction,
            "p": scheme.keep,
            "group": size**2,
        }
        logs = (
            bounds.sharpest_rows(**constants, log=True),
            bounds.sharper_rows(**constants, log=True),
            bounds.proposition_25(**constants, log=True),
        )
        rungs.append((math.log(after), math.log(before), *logs))
    table = torch.tensor(rungs, dtype=torch.float64) / math.log(10)
    return OutputLadder(*table.T)


def _damages(
    dense: Tensor, pruned: Sequence[Tensor], phi: Callable[[Tensor], Tensor]
) -> tuple[float, float]:
    """Mean over draws and samples of the squared distance, before and after the activation."""
    before = torch.stack([_distance(dense, other) for other in pruned])
    after = torch.stack([_distance(phi(dense), phi(other)) for other in pruned])
    return before.mean().item(), after.mean().item()


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).double().square().sum((1, 2, 3)).mean()


def _radius(images: Tensor) -> float:
    return float(images.double().flatten(1).norm(dim=1).max())

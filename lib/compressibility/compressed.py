"""What the compression of a whole network leaves: weights, projections, a record per layer."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from compressibility.models import MLP

Kind = Literal["wide", "block"]
Unit = Literal["weights", "columns", "rows"]

_SLACK = 1 + 1e-6  # of the unit ball: what float32 may add to a norm of one


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What was done to one layer of E networks, measured on the inputs of the compression."""

    layer: int  # from 1
    kind: Kind
    unit: Unit  # what is drawn one by one
    requested: float  # alpha
    achieved: float  # floor(alpha N) / N, for N units in the layer
    kept_share: Tensor  # (E,) float64, share of the layer's weights that are not zero afterwards
    error: Tensor  # (E,) float64, Psi(U): at the layer (wide) or behind the next one (block)
    expected_increase: Tensor | None  # (E,) float64, mean of Psi(U) - Psi(W); None for a block


@dataclass(frozen=True, eq=False)
class CompressedNetwork:
    """E compressed networks, with the projections between their layers if there are any."""

    network: MLP  # the compressed weights; evaluated by itself, it does not project
    radii: Tensor | None  # (E, m) float64, kappa of each layer, inf for none; None: no projections
    layers: tuple[LayerRecord, ...]  # one per compressed layer, first to last

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, N, n_out), projected, for x (N, d) or (E, N, d).

        Raises
        ------
        ValueError
            Inputs of another shape or dtype; inputs outside the unit ball, if there are radii.
        """
        if self.radii is None:
            return self.network(x)  # type: ignore[no-any-return]
        check_ball(x)
        seen = self.network.layer_inputs(x, 0)
        for at in range(len(self.network.weights)):
            seen = onto_ball(one_layer(self.network, at, seen), self.radii[:, at])
        return seen

    __call__ = forward

    @property
    def sizes(self) -> tuple[Tensor, ...]:
        """Return how many weights of each layer are not zero: m tensors (E,), int64."""
        return tuple((w != 0).sum((-2, -1)) for w in self.network.weights)


def one_layer(network: MLP, at: int, seen: Tensor) -> Tensor:
    """One layer with its activation; the last has none."""
    after = seen @ network.weights[at].detach().mT
    return network.activation(after) if at + 1 < len(network.weights) else after  # type: ignore[no-any-return]


def projection_radii(network: MLP, blocks: Collection[int]) -> Tensor:
    """Return kappa_l = c_1^l of each network and layer, (E, m) float64; inf inside the blocks."""
    norms = [torch.linalg.matrix_norm(w.detach().double(), ord=2) for w in network.weights]
    c1 = torch.stack(norms).amax(0)
    radii = torch.stack([c1**layer for layer in range(1, len(norms) + 1)], dim=1)
    radii[:, [layer - 1 for layer in blocks]] = math.inf
    return radii


def onto_ball(values: Tensor, radius: Tensor) -> Tensor:
    """Bring every vector of values (E, N, n) into the ball of its network's radius (E,)."""
    norms = values.norm(dim=-1, keepdim=True)
    limit = radius.to(values.dtype)[:, None, None]
    return torch.where(norms > limit, values * (limit / norms), values)


def check_ball(inputs: Tensor) -> None:
    """Raise ValueError unless the inputs lie in the unit ball, but for rounding."""
    largest = float(inputs.detach().norm(dim=-1).max())
    if largest > _SLACK:
        raise ValueError(f"need inputs with ||x|| <= 1 for the radii c1^l, got {largest}")

"""Whole networks, compressed from the first layer to the last: Algorithm 1 with projections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from compressibility.checks import finite, need, of_kind
from compressibility.models.network import Network
from compressibility.pruning.blocks import check_block, compress_block
from compressibility.pruning.cuts import Cut, Kind, Plan
from compressibility.pruning.wide import check_wide, compress_wide

_SLACK = 1 + 1e-6  # of the unit ball: what float32 may add to a norm of one


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What was done to one layer of E networks, measured on the inputs of the compression."""

    layer: int  # from 1
    kind: Kind
    error: Tensor  # (E,) float64, Ψ(U): at the layer (wide) or behind the next one (block)
    expected: Tensor | None  # (E,) float64, mean of Ψ(U) - Ψ(W); None for a block


@dataclass(frozen=True, eq=False)
class CompressedNetwork:
    """E compressed networks, with the projections between their layers if there are any."""

    network: Network  # the compressed weights; evaluated by itself, it does not project
    radii: Tensor | None  # (E, m) float64, κ of each layer, inf for none; None: no projections
    layers: tuple[LayerRecord, ...]  # one per compressed layer, first to last

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, N, n_out), projected; if there are radii, x must lie in the unit ball."""
        if self.radii is None:
            return cast(Tensor, self.network(x))
        _check_ball(x)
        seen = self.network.layer_inputs(x, 0)
        for at in range(len(self.network.weights)):
            seen = _onto_ball(self.network.through(at, seen), self.radii[:, at])
        return seen

    __call__ = forward


def compress(
    network: Network,
    inputs: Tensor,
    plan: Plan,
    cut: Cut,
    dice: torch.Generator | Sequence[torch.Generator],
    *,
    project: bool = False,
) -> CompressedNetwork:
    r"""Compress the layers of a plan, the first layer first; one throw of the dice per network.

    .. math:: \hat\Phi(x) = [\varphi_m(\hat W_m [\varphi_{m-1}(\cdots \hat W_1 x)]_{\kappa_{m-1}})
              ]_{\kappa_m}, \qquad \kappa_\ell = c_1^\ell

    Algorithm 1 of [EGM] (cited in ``pruning.draws``) with the losses of its proofs. Each layer sees
    the dense network's inputs x and what the compressed layers before it make of them, x'. With
    ``project`` the inputs must lie in the unit ball, and :math:`c_1` is the largest operator norm
    in each dense network. Inside a block (:math:`\kappa_\ell = \infty` for :math:`\ell \in
    \mathcal{B}`) nothing is projected: the theorems print a radius there too, with which they are
    false. ``dice`` are one generator for all networks, or one per network: then each is compressed
    as if it were alone. Whatever a layer would refuse is refused before any work.

    >>> from compressibility.pruning.draws import Pruning
    >>> network, dice = Network([torch.ones(1, 1, 4)]), torch.Generator().manual_seed(0)
    >>> plan, cut = Plan((4, 1), wide=(1,)), Cut(Pruning(keep=0.5), share=0.5)
    >>> compress(network, torch.eye(4), plan, cut, dice).layers[0].expected.item()
    0.5
    """
    of_kind(Network, network=network)
    each = list(dice) if isinstance(dice, Sequence) else [dice] * network.networks
    of_kind(torch.Generator, **{f"dice {e}": one for e, one in enumerate(each)})
    rule = f"one generator, or one per network ({network.networks})"
    need(len(each) == network.networks, rule, len(each))
    _check(network, inputs, plan, cut, project=project)
    radii = _radii(network, plan) if project else None
    compressed, records = network, []
    x = seen = network.layer_inputs(inputs, 0).detach()
    for at in range(len(network.weights)):
        kind, found = plan.layers.get(at + 1), []
        for e, generator in enumerate(each if kind else ()):
            if kind == "wide":
                layer = network.layer(at, e)
                found.append(compress_wide(layer, seen[e], cut, generator, dense=x[e]))
            else:
                block = network.block(at, e)
                found.append(compress_block(block, seen[e], cut, generator, dense=x[e]))
        if kind:
            compressed = compressed.with_weight(at, torch.cat([one.weight for one in found]))
            error = torch.cat([one.error for one in found])
            sums = [one.expected.reshape(()) for one in found if one.expected is not None]
            records.append(LayerRecord(at + 1, kind, error, torch.stack(sums) if sums else None))
        x, seen = network.through(at, x).detach(), compressed.through(at, seen).detach()
        if radii is not None:
            seen = _onto_ball(seen, radii[:, at])
    return CompressedNetwork(compressed, radii, tuple(records))


def _radii(network: Network, plan: Plan) -> Tensor:
    """Return kappa_l = c_1^l of each network and layer, (E, m) float64; inf inside the blocks."""
    layers = range(len(network.weights))
    norms = [[network.layer(at, e).norm() for at in layers] for e in range(network.networks)]
    c1 = torch.tensor(norms, dtype=torch.float64).amax(1).to(network.weights[0].device)
    radii = torch.stack([c1 ** (at + 1) for at in layers], dim=1)
    radii[:, [layer - 1 for layer in plan.blocks]] = math.inf
    return radii


def _onto_ball(values: Tensor, radius: Tensor) -> Tensor:
    """Bring every sample of values (E, N, …) into the ball of its network's radius (E,)."""
    norms = values.flatten(2).norm(dim=-1, keepdim=True)
    limit = radius.to(values.dtype)[:, None, None]
    factor = torch.where(norms > limit, limit / norms, 1.0)
    return values * factor.reshape(*factor.shape[:2], *[1] * (values.ndim - 2))


def _check_ball(inputs: Tensor) -> None:
    largest = float(inputs.detach().norm(dim=-1).max())
    need(largest <= _SLACK, "inputs with ||x|| <= 1 for the radii c1^l", largest)


def _check(network: Network, inputs: Tensor, plan: Plan, cut: Cut, *, project: bool) -> None:
    """Refuse what some layer would refuse, before the first is compressed."""
    of_kind(Plan, plan=plan)
    of_kind(Cut, cut=cut)
    need(plan.widths == network.widths, f"a plan of widths {network.widths}", plan.widths)
    cut.check_inner()
    need(cut.draw.unbiased, "an unbiased draw", cut.draw)
    for e in range(network.networks):
        layers = [network.layer(at, e) for at in range(len(network.weights))]
        for layer, kind in plan.layers.items():
            if kind == "wide":
                check_wide(layers[layer - 1], cut)
            else:
                check_block(network.block(layer - 1, e), cut)
    seen = network.layer_inputs(inputs, 0)
    need(seen.shape[1] >= 1, "inputs, N >= 1", tuple(inputs.shape))
    finite(inputs=seen)
    if project:
        _check_ball(inputs)

"""Whole networks, compressed from the first layer to the last: Algorithm 1 with projections."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor

from compressibility.blocks import compress_block
from compressibility.bounds.wide_networks import check_layers
from compressibility.compressed import (
    CompressedNetwork,
    Kind,
    LayerRecord,
    Unit,
    check_ball,
    one_layer,
    onto_ball,
    projection_radii,
)
from compressibility.greedy import compress_wide, number_compressed
from compressibility.metrics import output_error
from compressibility.models import ACTIVATIONS, MLP
from compressibility.schemes import Generators, Pruning, Scheme, check_weight
from compressibility.structured import compress_columns, compress_rows


@dataclass(frozen=True)
class _Plan:
    """The arguments of :func:`compress` that every layer needs."""

    scheme: Scheme
    fraction: float | Fraction
    structured: bool
    refresh: int
    generators: Generators

    def each(self, networks: int) -> Sequence[torch.Generator]:
        """Return a generator for every network, which may be the same one."""
        if isinstance(self.generators, torch.Generator):
            return [self.generators] * networks
        return self.generators

    @property
    def pruning(self) -> Pruning:
        """Return the scheme of a structured compression."""
        if not isinstance(self.scheme, Pruning):
            raise ValueError(f"need Pruning(keep=p) for structured=True, got {self.scheme!r}")
        return self.scheme


def compress(
    network: MLP,
    inputs: Tensor,
    *,
    wide: Collection[int] = (),
    blocks: Collection[int] = (),
    scheme: Scheme,
    fraction: float | Fraction,
    structured: bool = False,
    project: bool = False,
    generator: Generators,
    refresh: int = 1,
) -> CompressedNetwork:
    r"""Compress chosen layers of whole networks, the first layer first; one throw of the dice.

    .. math:: \hat\Phi(x) = [\varphi_m(\hat W_m [\varphi_{m-1}(\cdots \hat W_1 x)]_{\kappa_{m-1}})
              ]_{\kappa_m}, \qquad \kappa_\ell = c_1^\ell

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Algorithm 1 with the losses of its proofs. A layer
    of ``wide`` goes by :func:`~compressibility.greedy.compress_wide`, the first layer of a block by
    :func:`~compressibility.blocks.compress_block`; each sees the dense network's inputs x and what
    the compressed layers before it make of them, x'. Inside a block (:math:`\kappa_\ell = \infty`
    for :math:`\ell \in \mathcal{B}`) nothing is projected: the paper's theorems print a radius
    there too, with which they are false.

    Parameters
    ----------
    network
        E networks of m layers.
    inputs
        Over which the losses average: (N, d), or (E, N, d).
    wide, blocks
        The sets 𝒲 and ℬ, layers numbered from 1; see :func:`suggest_layers`.
    scheme
        An unbiased draw; ``Pruning`` if structured.
    fraction
        Alpha, 0 < alpha < 1: the same share of every chosen layer.
    structured
        Whether whole columns of wide layers and whole rows of blocks are drawn.
    project
        Whether to project, with c_1 the largest operator norm in each dense network. The inputs
        must then lie in the unit ball.
    generator
        One for all networks, or one per network: then each is compressed as if it were alone.
    refresh
        As in ``compress_block``: 1 is Algorithm 1.

    Raises
    ------
    ValueError
        Before any work: sets that break (6) or name a layer that does not exist, a fraction outside
        (0, 1), weights or inputs that are not finite, inputs of another width or dtype or, with
        projections, outside the unit ball, a scheme of the wrong kind, too few or too many
        generators.

    Examples
    --------
    >>> network, dice = MLP([torch.ones(1, 1, 4)]), torch.Generator().manual_seed(0)
    >>> done = compress(network, torch.eye(4), wide=[1], scheme=Pruning(keep=0.5), fraction=0.5,
    ...     generator=dice)
    >>> done.layers[0].expected_increase.item()  # two of four weights, of price 1/4
    0.5
    """
    first, second = check_layers(network.widths, wide, blocks)
    plan = _Plan(scheme, fraction, structured, refresh, generator)
    _check(network, inputs, [*first, *second], plan, project=project)
    radii = projection_radii(network, second) if project else None
    compressed, records = network, []
    x = seen = network.layer_inputs(inputs, 0).detach()
    for at in range(len(network.weights)):
        if at + 1 in {*first, *second}:
            step = _wide if at + 1 in first else _block
            new, record = step(network, at, x, seen, plan)
            compressed = compressed.with_weight(at, new)
            records.append(record)
        x, seen = one_layer(network, at, x), one_layer(compressed, at, seen)
        if radii is not None:
            seen = onto_ball(seen, radii[:, at])
    return CompressedNetwork(compressed, radii, tuple(records))


def suggest_layers(
    widths: Sequence[int], *, ratio: float = 3.0
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    r"""Choose the layers to compress for an architecture: the sets 𝒲 and ℬ.

    From the first layer to the last: a layer is wide if :math:`n_\ell \gg n_{\ell+1}`; otherwise it
    starts a block if :math:`n_\ell \le n_{\ell+1} \gg n_{\ell+2}`, and then the next layer, though
    many inputs feed few outputs there, stays dense as (6) wants. This is the heuristic of El
    Cheairi, Gamarnik, Mazumder (COLT 2026); :math:`a \gg b` stands for ``a >= ratio * b``.

    Parameters
    ----------
    widths
        n_1, ..., n_{m+1}: at least two whole numbers >= 1.
    ratio
        More than 1. Default 3: our choice, so that the perceptrons inside transformers, which widen
        about fourfold and narrow again, count as blocks.

    Returns
    -------
    tuple
        The layers of 𝒲 and those of ℬ, ascending, numbered from 1. Both may be empty.

    Raises
    ------
    ValueError
        Widths or a ratio out of range.

    Examples
    --------
    >>> suggest_layers((64, 980, 40, 10))
    ((3,), (1,))
    """
    if len(widths) < 2 or any(n < 1 or n % 1 for n in widths):
        raise ValueError(f"need at least 2 whole widths >= 1, got {list(widths)}")
    if not 1 < ratio < math.inf:
        raise ValueError(f"need 1 < ratio < inf, got {ratio}")
    narrows = [before >= ratio * after for before, after in pairwise(widths)]
    wide: list[int] = []
    blocks: list[int] = []
    for layer in range(1, len(widths)):
        if layer - 1 in blocks:
            continue
        if narrows[layer - 1]:
            wide.append(layer)
        elif layer < len(narrows) and widths[layer - 1] <= widths[layer] and narrows[layer]:
            blocks.append(layer)
    return tuple(wide), tuple(blocks)


def _wide(
    network: MLP, at: int, x: Tensor, seen: Tensor, plan: _Plan
) -> tuple[Tensor, LayerRecord]:
    weight = network.weights[at].detach()
    if plan.structured:
        columns = [
            compress_columns(w, s, plan.pruning, fraction=plan.fraction, generator=g)
            for w, s, g in zip(weight, seen, plan.each(len(weight)), strict=True)
        ]
        new = torch.cat([one.weights() for one in columns])
        increase = torch.cat([one.expected_increase for one in columns])
    else:
        found = compress_wide(
            weight, seen, plan.scheme, fraction=plan.fraction, generator=plan.generators
        )
        new, increase = found.weight, found.expected_increase
    error = output_error(weight, new, x, seen)
    return new, _record(at, "wide", new, error, increase, plan)


def _block(
    network: MLP, at: int, x: Tensor, seen: Tensor, plan: _Plan
) -> tuple[Tensor, LayerRecord]:
    weight, after = (network.weights[layer].detach() for layer in (at, at + 1))
    phi = ACTIVATIONS[network.activation.name]
    if plan.structured:
        layers = zip(weight, after, seen, x, plan.each(len(weight)), strict=True)
        rows = [
            compress_rows(
                w, v, phi, s, plan.pruning, fraction=plan.fraction, generator=g, dense_inputs=d
            )
            for w, v, s, d, g in layers
        ]
        new = torch.cat([one.weights() for one in rows])
    else:
        new = compress_block(
            weight,
            after,
            phi,
            seen,
            plan.scheme,
            fraction=plan.fraction,
            generator=plan.generators,
            refresh=plan.refresh,
            dense_inputs=x,
        ).weight
    error = output_error(after, after, phi(x @ weight.mT), phi(seen @ new.mT))
    return new, _record(at, "block", new, error, None, plan)


def _record(
    at: int,
    kind: Kind,
    new: Tensor,
    error: Tensor,
    increase: Tensor | None,
    plan: _Plan,
) -> LayerRecord:
    n_out, n_in = new.shape[1:]
    unit: Unit = "weights"
    units = n_in * n_out
    if plan.structured:
        unit, units = ("columns", n_in) if kind == "wide" else ("rows", n_out)
    return LayerRecord(
        layer=at + 1,
        kind=kind,
        unit=unit,
        requested=float(plan.fraction),
        achieved=number_compressed(plan.fraction, units) / units,
        kept_share=(new != 0).double().mean((-2, -1)),
        error=error,
        expected_increase=increase,
    )


def _check(
    network: MLP, inputs: Tensor, layers: Sequence[int], plan: _Plan, *, project: bool
) -> None:
    """Refuse what some layer would refuse, before the first is compressed."""
    if not 0 < plan.fraction < 1:
        raise ValueError(f"need 0 < fraction < 1, got {plan.fraction}")
    if plan.refresh < 1:
        raise ValueError(f"need refresh >= 1, got {plan.refresh}")
    if not isinstance(plan.scheme, Scheme) or isinstance(plan.scheme, type):
        raise ValueError(f"need a scheme such as Pruning(keep=0.3), got {plan.scheme!r}")
    if plan.structured:
        _ = plan.pruning
    for weight in network.weights:
        check_weight(weight)
    for layer in layers:
        weight = network.weights[layer - 1]
        if not torch.equal(plan.scheme.mean(weight), weight):
            need = "need an unbiased scheme, mean(weight) = weight"
            raise ValueError(f"{need}, got {plan.scheme!r}")
    generators = len(plan.each(network.networks))
    if generators != network.networks:
        need = f"need one generator, or one per network ({network.networks})"
        raise ValueError(f"{need}, got {generators}")
    seen = network.layer_inputs(inputs, 0)
    if not seen.shape[1] or not bool(torch.isfinite(seen).all()):
        raise ValueError("need finite inputs, N >= 1, got none, nan or infinity")
    if project:
        check_ball(inputs)

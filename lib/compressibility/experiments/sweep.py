r"""One layer of trained networks, compressed many times, at one width after another.

The experiment of [EGM] (cited in ``pruning.draws``), Appendix C: networks :math:`\Phi(x) =
W_3\,\varphi(W_2\,\varphi(W_1 x))`, in figure 5 with convolutions for :math:`W_1, W_2`, between
which lies a layer of growing width w. Either :math:`W_1` is compressed, as the first half of the
block :math:`(W_1, W_2)`, or :math:`W_2`, as a wide layer; the other layers stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from compressibility.checks import need
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.experiments.curves import Curve, Point, curve_of
from compressibility.metrics import score
from compressibility.models.layers import Block, Layer
from compressibility.models.network import Network
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.collapse import collapse
from compressibility.pruning.cuts import Compressed, Cut, Kind
from compressibility.pruning.wide import compress_wide

TESTED = 1000
"""At most so many test inputs are measured on."""

_POSITIONS: Mapping[Kind, int] = MappingProxyType({"block": 0, "wide": 1})

_CHUNK = 2**26  # numbers in the largest temporary of a measurement: 256 MiB of float32


def sweep(
    networks: Mapping[int, Network],
    problem: Dataset,
    cut: Cut,
    *,
    layers: Sequence[Kind] = ("block", "wide"),
    seeds: Sequence[int],
    throws: int,
    samples: int,
) -> dict[Kind, Curve]:
    r"""Compress one layer of networks of growing width, many times: one curve per layer.

    The networks come by their width (units or channels behind the first layer), increasing, E each;
    nothing is trained here. The dice of network, width and layer follow from ``seeds``, one per
    network, so that no curve depends on what else is measured. Scores average over ``samples``
    training inputs, damage over the first :data:`TESTED` test inputs.

    >>> from compressibility.data.sets import load
    >>> from compressibility.models.network import mlp
    >>> from compressibility.pruning.draws import Pruning
    >>> nets = {w: mlp([64, w, 4, 10], seeds=[0, 1]).requires_grad_(False) for w in (8, 16)}
    >>> digits, cut = load("digits").in_unit_ball(), Cut(Pruning(keep=0.3), share=0.9)
    >>> sweep(nets, digits, cut, layers=["wide"], seeds=[0, 1], throws=2, samples=20)["wide"].widths
    (8, 16)
    """
    widths = list(networks)
    need(bool(layers) and {*layers} <= {*_POSITIONS}, "layers 'block' or 'wide'", list(layers))
    need(len(seeds) > 1, "at least 2 seeds", list(seeds))
    found = [(network.widths[1], network.networks) for network in networks.values()]
    rule = f"{len(seeds)} networks of each of increasing widths {widths}"
    fits = found == [(width, len(seeds)) for width in sorted(widths)]
    need(bool(widths) and fits, rule, f"(width, networks) {found}")
    points: dict[Kind, list[Point]] = {kind: [] for kind in layers}
    for width, network in networks.items():
        for kind in layers:
            thrown = [_dice(kind, width, seed, _convolves(network)) for seed in seeds]
            inputs = problem.train_inputs[:samples]
            stacks = compress_layer(network, kind, inputs, cut, thrown, throws)
            points[kind].append(_measure(network, kind, problem, stacks))
    return {kind: curve_of(points[kind], widths=widths, throws=throws) for kind in layers}


def compress_layer(
    network: Network,
    kind: Kind,
    inputs: Tensor,
    cut: Cut,
    dice: Sequence[torch.Generator],
    throws: int,
) -> list[Tensor]:
    """Compress the first layer (block) or the second (wide) of each of E networks.

    Scores average over ``inputs``, (N, features); one of the dice per network. E tensors of the
    shape ``(throws, *weight)``.
    """
    at = _POSITIONS[kind]
    seen, made = network.layer_inputs(inputs, at).detach(), []
    for e, generator in enumerate(dice):
        part = network.block(at, e) if kind == "block" else network.layer(at, e)
        made.append(compress_part(part, seen[e], cut, generator, throws).weight)
    return made


def compress_part(
    part: Layer | Block, seen: Tensor, cut: Cut, dice: torch.Generator, throws: int
) -> Compressed:
    """Compress a wide layer, or the first layer of a block."""
    if isinstance(part, Block):
        return compress_block(part, seen, cut, dice, throws=throws)
    return compress_wide(part, seen, cut, dice, throws=throws)


def _dice(kind: Kind, width: int, seed: int, convolution: bool) -> torch.Generator:
    """The dice of one network: in convolutions the same for both layers, so that they pair."""
    return dice("sweep", width, seed) if convolution else dice("sweep", kind, width, seed)


def _convolves(network: Network) -> bool:
    return bool(network.weights[0].ndim > 3)


def _measure(network: Network, kind: Kind, problem: Dataset, stacks: Sequence[Tensor]) -> Point:
    """Damage and score of E networks, (E, throws)."""
    x, y = problem.test_inputs[:TESTED], problem.test_targets[:TESTED]
    classify, quality = problem.task == "classification", score(problem.task)
    dense = network(x).detach()
    rows = []
    for e, stack in enumerate(stacks):
        outputs = _outputs(network.member(e), _POSITIONS[kind], stack, x)
        gaps = outputs - dense[e]
        shares = outputs.softmax(-1) - dense[e].softmax(-1) if classify else gaps
        errors = [gap.double().square().sum(-1).mean(-1) for gap in (gaps, shares)]
        rows.append([*errors, quality(outputs, y), (stack != 0).double().flatten(1).mean(1)])
    columns = [torch.stack(column).double().cpu().numpy() for column in zip(*rows, strict=True)]
    depth = len(network.weights)
    norms = [[network.layer(at, e).norm() for at in range(depth)] for e in range(len(stacks))]
    (error, probability_error, after, kept), c1 = columns, np.array(norms).max(1)
    before = quality(dense, y).double().cpu().numpy()
    return Point(depth, c1, error, probability_error, before, after, kept)


def _outputs(member: Network, at: int, stack: Tensor, x: Tensor) -> Tensor:
    """Outputs (throws, N, outputs) of one network with each of the weights in its place."""
    if _convolves(member):  # without its dead channels: the same function, and faster
        smaller = [collapse(member.with_weight(at, weight[None])).network for weight in stack]
        return torch.stack([network(x)[0] for network in smaller]).detach()
    widest = max(member.widths) * len(x)
    parts = torch.split(stack, max(1, _CHUNK // widest))
    copies = [member.repeated(len(some)).with_weight(at, some) for some in parts]
    return torch.cat([network(x).detach() for network in copies])

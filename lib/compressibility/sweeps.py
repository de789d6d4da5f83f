r"""One layer of a trained network, compressed many times, at one width after another.

The experiment of El Cheairi, Gamarnik, Mazumder (COLT 2026, Appendix C): networks
:math:`\Phi(x) = W_3\,\varphi(W_2\,\varphi(W_1 x))` with a first hidden layer of growing width w
and a second of fixed size. Either :math:`W_1` is compressed, as the first half of the block
:math:`(W_1, W_2)`, or :math:`W_2`, as a wide layer; the other layers stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from compressibility.blocks import compress_block
from compressibility.curves import Curve, Point, curve_of
from compressibility.data import Dataset
from compressibility.greedy import compress_wide, number_compressed, redraw
from compressibility.metrics import accuracy, r2
from compressibility.models import ACTIVATIONS, MLP
from compressibility.schemes import Scheme
from compressibility.structured import compress_columns, compress_rows
from compressibility.trained import Training, trained

Layer = Literal["block", "wide"]
"""What is compressed: W1 as the first half of the block (W1, W2), or W2 as a wide layer."""

_CHUNK = 2**26  # numbers in the largest temporary of a measurement: 256 MiB of float32


@dataclass(frozen=True)
class Cut:
    """What is done to a trained network, and how often."""

    scheme: Scheme
    fraction: float  # alpha, share of the weights (columns, rows) that is compressed
    draws: int  # throws of the dice per network
    samples: int  # training inputs over which the scores are averaged
    structured: bool = False  # columns of W2 and rows of W1 in place of single weights
    rescorings: int = 8  # of a block's single weights; see compress_block's refresh


def sweep(
    problem: Dataset,
    *,
    widths: Sequence[int],
    hidden: int,
    activation: str,
    cut: Cut,
    layers: Sequence[Layer] = ("block", "wide"),
    seeds: Sequence[int],
    training: Training | None = None,
    test_samples: int = 1000,
    report: Callable[[int], None] = lambda _: None,
    inspect: Callable[[MLP], None] = lambda _: None,
) -> dict[Layer, Curve]:
    r"""Train networks of growing width and compress one layer of each, many times.

    Parameters
    ----------
    problem
        What is learned; scale it into the unit ball for the theorems to apply.
    widths
        Of the first hidden layer, increasing.
    hidden
        Width of the second hidden layer: 40 in the paper's figures 1 and 2, 20 in 3 and 4.
    activation
        A name of ``ACTIVATIONS``.
    cut
        How the layers are compressed.
    layers
        Which; each from the same dense networks, each alone.
    seeds
        One network each, at least two; the dice of network, width and layer follow from them.
    training
        How the networks learn; :class:`Training` unless given.
    test_samples
        At most so many test inputs are measured on.
    report
        Called with each width before its networks are trained.
    inspect
        Called with the trained networks of each width: for measurements of the caller's own.

    Returns
    -------
    dict
        One curve per layer.

    Raises
    ------
    ValueError
        Widths that do not increase, fewer than two seeds, no layers, or what training and
        compression refuse.

    Examples
    --------
    >>> from compressibility.data import load
    >>> from compressibility.schemes import Pruning
    >>> cut = Cut(Pruning(keep=0.3), fraction=0.9, draws=2, samples=20)
    >>> curves = sweep(load("digits").in_unit_ball(), widths=[8, 16], hidden=4, activation="tanh",
    ...     cut=cut, seeds=[0, 1], training=Training(epochs=1, samples=100), layers=["wide"])
    >>> curves["wide"].delta.shape
    (2, 2)
    """
    if list(widths) != sorted(set(widths)) or not len(widths):
        raise ValueError(f"need increasing widths, got {list(widths)}")
    if len(seeds) < 2:
        raise ValueError(f"need at least 2 seeds, got {list(seeds)}")
    if not set(layers) <= set(get_args(Layer)) or not len(layers):
        raise ValueError(f"need layers 'block' or 'wide', got {list(layers)}")
    found: dict[Layer, list[Point]] = {layer: [] for layer in layers}
    for width in widths:
        report(width)
        network = trained(
            problem,
            [problem.features, width, hidden, problem.outputs],
            activation=activation,
            seeds=seeds,
            training=training or Training(),
        )
        inspect(network)
        for layer in layers:
            dice = [_generator(width, seed, layer) for seed in seeds]
            found[layer].append(_measure(network, layer, problem, cut, dice, test_samples))
    return {
        layer: curve_of(points, widths=tuple(widths), draws=cut.draws)
        for layer, points in found.items()
    }


def compressed_layers(
    network: MLP, layer: Layer, inputs: Tensor, cut: Cut, generators: Sequence[torch.Generator]
) -> list[Tensor]:
    """Draw the compressed matrix of each network, ``cut.draws`` times.

    Parameters
    ----------
    network
        E networks of three layers; W1 is ``weights[0]``, W2 ``weights[1]``.
    layer
        "block": W1 is compressed, the error is seen behind W2. "wide": W2 is compressed.
    inputs
        Of the network, (N, features); the scores average over them.
    cut
        How.
    generators
        One per network.

    Returns
    -------
    list of Tensor
        E tensors (draws, n_out, n_in).
    """
    w1, w2 = network.weights[0].detach(), network.weights[1].detach()
    phi = ACTIVATIONS[network.activation.name]
    seen = network.layer_inputs(inputs, 1) if layer == "wide" else inputs
    stacks = []
    for e, generator in enumerate(generators):
        if layer == "wide":
            stacks.append(_wide(w2[e], seen[e].detach(), cut, generator))
        else:
            stacks.append(_block(w1[e], w2[e], phi, seen, cut, generator))
    return stacks


def _wide(weight: Tensor, seen: Tensor, cut: Cut, generator: torch.Generator) -> Tensor:
    if cut.structured:
        columns = compress_columns(
            weight,
            seen,
            cut.scheme,
            fraction=cut.fraction,
            generator=generator,
            draws=cut.draws,
        )
        return columns.weights()
    # The set does not depend on the dice: it is found once, and the dice are thrown afresh.
    plan = compress_wide(weight, seen, cut.scheme, fraction=cut.fraction, generator=generator)
    return redraw(weight, plan.compressed, cut.scheme, draws=cut.draws, generator=generator)


def _block(
    w1: Tensor,
    w2: Tensor,
    phi: Callable[[Tensor], Tensor],
    inputs: Tensor,
    cut: Cut,
    generator: torch.Generator,
) -> Tensor:
    if cut.structured:
        rows = compress_rows(
            w1,
            w2,
            phi,
            inputs,
            cut.scheme,
            fraction=cut.fraction,
            generator=generator,
            draws=cut.draws,
        )
        return rows.weights()
    steps = number_compressed(cut.fraction, w1.numel())
    block = compress_block(
        w1,
        w2,
        phi,
        inputs,
        cut.scheme,
        fraction=cut.fraction,
        generator=generator,
        draws=cut.draws,
        refresh=max(1, math.ceil(steps / cut.rescorings)),
    )
    return block.weight.reshape(cut.draws, *w1.shape)


def _measure(
    network: MLP,
    layer: Layer,
    problem: Dataset,
    cut: Cut,
    generators: Sequence[torch.Generator],
    test_samples: int,
) -> Point:
    x, y = problem.test_inputs[:test_samples], problem.test_targets[:test_samples]
    classify = problem.task == "classification"
    quality = accuracy if classify else r2
    stacks = compressed_layers(network, layer, problem.train_inputs[: cut.samples], cut, generators)
    norms = [torch.linalg.matrix_norm(w.detach().double(), ord=2) for w in network.weights]
    dense = network(x).detach()
    rows: list[list[Tensor]] = []
    for e, stack in enumerate(stacks):
        outputs = _outputs(network.member(e), layer, stack, x)
        gaps = outputs - dense[e]
        shares = outputs.softmax(-1) - dense[e].softmax(-1) if classify else gaps
        rows.append(
            [
                gaps.double().square().sum(-1).mean(-1),
                shares.double().square().sum(-1).mean(-1),
                quality(outputs, y),
                (stack != 0).double().mean((-2, -1)),
            ]
        )
    error, probability_error, after, kept = (
        torch.stack(column).double().cpu().numpy() for column in zip(*rows, strict=True)
    )
    return Point(
        depth=len(network.weights),
        c1=torch.stack(norms).amax(0).cpu().numpy(),
        error=error,
        probability_error=probability_error,
        dense_quality=quality(dense, y).double().cpu().numpy(),
        quality=after,
        kept_share=kept,
    )


def _outputs(member: MLP, layer: Layer, stack: Tensor, x: Tensor) -> Tensor:
    """Outputs (D, N, outputs) of one network with each of the matrices in its place."""
    position = 0 if layer == "block" else 1
    widest = max(member.widths) * len(x)
    parts = []
    for some in torch.split(stack, max(1, _CHUNK // widest)):
        copies = member.repeated(len(some)).with_weight(position, some)
        parts.append(copies(x).detach())
    return torch.cat(parts)


def _generator(width: int, seed: int, layer: Layer) -> torch.Generator:
    state = np.random.SeedSequence([width, seed, get_args(Layer).index(layer)]).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))

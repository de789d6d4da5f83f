r"""One convolution of trained networks, pruned many times, at one number of channels after another.

The last experiment of El Cheairi, Gamarnik, Mazumder (COLT 2026, Appendix C, figure 5): networks
:math:`\Phi(x) = W\,\mathrm{vec}\,\varphi(K_2 * \varphi(K_1 * x))` in which :math:`K_1` has w output
filters and :math:`K_2` reads their w channels. Either output filters of :math:`K_1` are pruned, as
the first half of the block :math:`(K_1, K_2)`, or input filters of :math:`K_2`, as a wide layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from compressibility.collapse_filters import collapse_filters
from compressibility.convnet import ConvNet, convnet, layer_norms
from compressibility.curves import Curve, Point, curve_of
from compressibility.data import Dataset
from compressibility.filters import compress_input_filters, compress_output_filters
from compressibility.metrics import accuracy
from compressibility.models import ACTIVATIONS
from compressibility.schemes import Pruning
from compressibility.trained import Training
from compressibility.training import train

Filters = Literal["output", "input"]
"""What is pruned: output filters of K1 (of the block K1, K2), or input filters of K2 (wide)."""


@dataclass(frozen=True)
class FilterCut:
    """What is done to a trained network, and how often."""

    scheme: Pruning
    fraction: float  # alpha, share of the filters that is drawn
    draws: int  # throws of the dice per network
    samples: int  # training images over which the scores are averaged


def filter_sweep(
    problem: Dataset,
    *,
    widths: Sequence[int],
    maps: int,
    activation: str,
    cut: FilterCut,
    filters: Sequence[Filters] = ("output", "input"),
    seeds: Sequence[int],
    training: Training | None = None,
    test_samples: int = 1000,
    report: Callable[[int], None] = lambda _: None,
) -> dict[Filters, Curve]:
    r"""Train networks with more and more channels and prune one convolution of each, many times.

    Parameters
    ----------
    problem
        Classes of square images; scale it into the unit ball for the theorems to apply.
    widths
        w, channels between the two convolutions, increasing.
    maps
        Channels behind the second convolution: 16 in the paper.
    activation
        A name of ``ACTIVATIONS``.
    cut
        How filters are pruned.
    filters
        Which; each from the same dense networks, each alone, with the same dice.
    seeds
        One network each, at least two; the dice of network and width follow from them.
    training
        How the networks learn; :class:`~compressibility.trained.Training` unless given.
    test_samples
        At most so many test images are measured on.
    report
        Called with each width before its networks are trained.

    Returns
    -------
    dict
        One curve per kind of filter.

    Raises
    ------
    ValueError
        Widths that do not increase, fewer than two seeds, no or unknown filters, a problem without
        classes or square images, or what training and pruning refuse.

    Examples
    --------
    >>> from compressibility.data import load
    >>> cut = FilterCut(Pruning(keep=0.3), fraction=0.9, draws=2, samples=20)
    >>> curves = filter_sweep(load("digits").in_unit_ball(), widths=[4, 8], maps=2, cut=cut,
    ...     activation="tanh", seeds=[0, 1], training=Training(epochs=1, samples=100))
    >>> curves["input"].delta.shape
    (2, 2)
    """
    if list(widths) != sorted(set(widths)) or not len(widths):
        raise ValueError(f"need increasing widths, got {list(widths)}")
    if len(seeds) < 2:
        raise ValueError(f"need at least 2 seeds, got {list(seeds)}")
    if not set(filters) <= set(get_args(Filters)) or not len(filters):
        raise ValueError(f"need filters 'output' or 'input', got {list(filters)}")
    found: dict[Filters, list[Point]] = {which: [] for which in filters}
    for width in widths:
        report(width)
        network = trained_convnet(
            problem,
            [width, maps],
            activation=activation,
            seeds=seeds,
            training=training or Training(),
        )
        for which in filters:
            found[which].append(
                _measure(network, which, problem, cut, dice(width, seeds), test_samples)
            )
    return {
        which: curve_of(points, widths=tuple(widths), draws=cut.draws)
        for which, points in found.items()
    }


def trained_convnet(
    problem: Dataset,
    channels: Sequence[int],
    *,
    activation: str,
    seeds: Sequence[int],
    training: Training,
) -> ConvNet:
    """Train one network of 3 x 3 convolutions per seed, all as one batch.

    Parameters
    ----------
    problem
        Classes of square images.
    channels
        Behind each convolution.
    activation, seeds
        As :func:`compressibility.convnet.convnet` takes them.
    training
        Adam's settings.

    Raises
    ------
    ValueError
        A problem without classes or without square images, and what ``convnet`` refuses.

    Examples
    --------
    >>> from compressibility.data import load
    >>> quick = Training(epochs=1, samples=100)
    >>> net = trained_convnet(load("digits"), [4], activation="relu", seeds=[0], training=quick)
    >>> net.channels, net.size
    ((1, 4), 8)
    """
    if problem.task != "classification" or not problem.image or len({*problem.image[1:]}) > 1:
        raise ValueError(f"need classes of square images, got {problem.task} {problem.image}")
    network = convnet(
        [problem.image[0], *channels],
        outputs=problem.outputs,
        size=problem.image[1],
        activation=activation,
        seeds=seeds,
    )
    inputs = problem.train_inputs[: training.samples]
    with torch.enable_grad():
        train(
            network,
            inputs,
            problem.train_targets[: training.samples],
            loss="cross_entropy",
            optimizer="adam",
            learning_rate=training.learning_rate,
            epochs=training.epochs,
            batch_size=min(training.batch_size, len(inputs)),
            seeds=seeds,
        )
    return network.requires_grad_(False)


def pruned_kernels(
    network: ConvNet,
    which: Filters,
    inputs: Tensor,
    cut: FilterCut,
    generators: Sequence[torch.Generator],
) -> list[Tensor]:
    """Prune the filters of each network, ``cut.draws`` times.

    Parameters
    ----------
    network
        E networks of two convolutions or more; the first two matter.
    which
        "output": filters of K1, the error is seen behind K2. "input": filters of K2.
    inputs
        Samples, (N, features); the scores average over them.
    cut
        How.
    generators
        One per network.

    Returns
    -------
    list of Tensor
        E kernels (draws, d_out, d_in, q, q).
    """
    seen = network.layer_inputs(inputs, int(which == "input"))
    phi = ACTIVATIONS[network.activation.name]
    found = []
    for e, generator in enumerate(generators):
        first, second = network.kernels[0][e], network.kernels[1][e]
        if which == "input":
            columns = compress_input_filters(
                second,
                seen[e],
                cut.scheme,
                fraction=cut.fraction,
                generator=generator,
                draws=cut.draws,
            )
            found.append(columns.kernels())
        else:
            rows = compress_output_filters(
                first,
                second,
                phi,
                seen[e],
                cut.scheme,
                fraction=cut.fraction,
                generator=generator,
                draws=cut.draws,
            )
            found.append(rows.kernels())
    return found


def outputs_of(member: ConvNet, which: Filters, kernels: Tensor, x: Tensor) -> Tensor:
    """Outputs (D, N, outputs) of one network with each of D pruned kernels in its place.

    Dead filters are taken out first: the smaller network is the same function and faster.

    Parameters
    ----------
    member
        A batch of one.
    which, kernels
        As :func:`pruned_kernels` takes and gives them.
    x
        Samples (N, features).
    """
    layer = int(which == "input")
    smaller = [collapse_filters(member.with_kernel(layer, k[None])).network for k in kernels]
    return torch.stack([network(x)[0].detach() for network in smaller])


def dice(width: int, seeds: Sequence[int]) -> list[torch.Generator]:
    """Return one generator per network of a width: the same for every kind of filter."""
    states = [np.random.SeedSequence([width, seed]).generate_state(1)[0] for seed in seeds]
    return [torch.Generator().manual_seed(int(state)) for state in states]


def _measure(
    network: ConvNet,
    which: Filters,
    problem: Dataset,
    cut: FilterCut,
    generators: Sequence[torch.Generator],
    test_samples: int,
) -> Point:
    x, y = problem.test_inputs[:test_samples], problem.test_targets[:test_samples]
    stacks = pruned_kernels(network, which, problem.train_inputs[: cut.samples], cut, generators)
    dense = network(x).detach()
    rows: list[list[Tensor]] = []
    for e, kernels in enumerate(stacks):
        outputs = outputs_of(network.member(e), which, kernels, x)
        shares = outputs.softmax(-1) - dense[e].softmax(-1)
        rows.append(
            [
                (outputs - dense[e]).double().square().sum(-1).mean(-1),
                shares.double().square().sum(-1).mean(-1),
                accuracy(outputs, y),
                (kernels != 0).double().mean((1, 2, 3, 4)),
            ]
        )
    error, probability_error, after, kept = (
        torch.stack(column).cpu().numpy() for column in zip(*rows, strict=True)
    )
    return Point(
        depth=len(network.kernels) + 1,
        c1=layer_norms(network).amax(1).cpu().numpy(),
        error=error,
        probability_error=probability_error,
        dense_quality=accuracy(dense, y).cpu().numpy(),
        quality=after,
        kept_share=kept,
    )

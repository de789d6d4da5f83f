r"""One convolution of trained networks, pruned many times, at one number of channels after another.

The last experiment of El Cheairi, Gamarnik, Mazumder (COLT 2026, Appendix C, figure 5): networks
:math:`\Phi(x) = W\,\mathrm{vec}\,\varphi(K_2 * \varphi(K_1 * x))` in which :math:`K_1` has w output
filters and :math:`K_2` reads their w channels. Either output filters of :math:`K_1` are pruned, as
the first half of the block :math:`(K_1, K_2)`, or input filters of :math:`K_2`, as a wide layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
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


FIGURE_5: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "widths": (20, 60, 100),
        "output": (0.70, 6.4e-2, 1.06e-2),
        "input": (2.17, 0.212, 3.7e-2),
        "ends": (20, 100),
        "dense accuracy": (0.982, 0.980),
        "output accuracy": (0.939, 0.973),
        "input accuracy": (0.860, 0.957),
    }
)
"""Delta and accuracies read off the paper's figure 5: to half a per cent, to 0.001."""


@dataclass(frozen=True)
class FilterCut:
    """What is done to a trained network, and how often."""

    scheme: Pruning
    fraction: float  # alpha, share of the filters that is drawn
    draws: int  # throws of the dice per network
    samples: int  # training images over which the scores are averaged


def filter_sweep(
    networks: Mapping[int, ConvNet],
    problem: Dataset,
    *,
    cut: FilterCut,
    seeds: Sequence[int],
    filters: Sequence[Filters] = ("output", "input"),
    test_samples: int = 1000,
) -> dict[Filters, Curve]:
    r"""Prune one convolution of networks with more and more channels, many times.

    Parameters
    ----------
    networks
        By w, the channels between the two convolutions, increasing: E networks each, as
        :func:`trained_convnet` gives them.
    problem
        Where samples come from: training images for the scores, test images for the damage.
    cut
        How filters are pruned.
    seeds
        One per network: the dice of network and width follow from them.
    filters
        Which; each from the same dense networks, each alone, with the same dice.
    test_samples
        At most so many test images are measured on.

    Returns
    -------
    dict
        One curve per kind of filter.

    Raises
    ------
    ValueError
        Widths that do not increase or are not the networks', another number of seeds than
        networks, no or unknown filters, or what pruning refuses.

    Examples
    --------
    >>> from compressibility.data import load
    >>> digits, quick = load("digits").in_unit_ball(), Training(epochs=1, samples=100)
    >>> networks = {w: trained_convnet(digits, [w, 2], activation="tanh", seeds=[0, 1],
    ...     training=quick) for w in (4, 8)}
    >>> cut = FilterCut(Pruning(keep=0.3), fraction=0.9, draws=2, samples=20)
    >>> filter_sweep(networks, digits, cut=cut, seeds=[0, 1])["input"].delta.shape
    (2, 2)
    """
    widths = tuple(networks)
    found = [(network.channels[1], network.networks) for network in networks.values()]
    if (
        not widths
        or list(widths) != sorted(widths)
        or found != [(width, len(seeds)) for width in widths]
    ):
        need = f"{len(seeds)} networks of each of increasing widths {list(widths)}"
        raise ValueError(f"need {need}, got (width, networks) {found}")
    if not set(filters) <= set(get_args(Filters)) or not len(filters):
        raise ValueError(f"need filters 'output' or 'input', got {list(filters)}")
    return {
        which: curve_of(
            [
                _measure(network, which, problem, cut, dice(width, seeds), test_samples)
                for width, network in networks.items()
            ],
            widths=widths,
            draws=cut.draws,
        )
        for which in filters
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
    """Outputs (D, N, outputs) of a batch of one with each of D pruned kernels in its place.

    Dead filters are taken out first: the smaller network is the same function and faster.
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

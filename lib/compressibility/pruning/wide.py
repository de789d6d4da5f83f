r"""Compression of a wide layer: Algorithm 1 of [EGM] (cited in ``pruning.draws``), by one sort.

The loss is that of its proofs, :math:`\Psi(A) = E\|W x - A x'\|^2`. It is quadratic in each entry,
and the draws are unbiased and independent, so drawing an entry is expected to add its price,
whatever was drawn before:

.. math:: E\,\Psi(U) = \Psi(W) + \sum_{\text{drawn}} \text{price}, \qquad
          \text{price of } w_{ij}: \mathrm{Var}(t_{ij})\, E[x_j'^2], \qquad
          \text{of input } j: \frac{1-p}{p}\, E\|W_{:,j}\, x'_j\|^2

(Lemma 15; the proofs of Proposition 24 and Theorem 7). The greedy order is one sort.
"""

from __future__ import annotations

import torch
from torch import Tensor

from compressibility.checks import need, of_kind, whole
from compressibility.dice import uniforms
from compressibility.models.layers import Layer
from compressibility.models.maps import power_of_two
from compressibility.pruning.cuts import Compressed, Cut, both_inputs, psi, random_order, thrown
from compressibility.pruning.draws import Draw, Pruning


def compress_wide(
    layer: Layer,
    seen: Tensor,
    cut: Cut,
    dice: torch.Generator,
    *,
    throws: int = 1,
    dense: Tensor | None = None,
) -> Compressed:
    """Compress a share of a wide layer's weights or inputs, T times.

    ``seen`` is x', the maps in the compressed network, ``dense`` x, the dense network's if they
    differ. ``dice`` give one uniform per throw and weight (or input), drawn or not, then the random
    orders: what becomes of a weight depends neither on the order nor on the share (a random order
    itself depends on ``throws``). Ties go to the lowest index. Single weights need a dense layer:
    those of a convolution are shared.

    >>> dice = torch.Generator().manual_seed(0)
    >>> found = compress_wide(
    ...     Layer.dense([[1.0, 3.0]]), torch.ones(5, 2).double(), Cut(Pruning(0.5), 0.5), dice)
    >>> found.taken.tolist(), found.expected.item()
    ([[0]], 1.0)
    """
    check_wide(layer, cut)
    whole(throws=throws)
    scaled, factor = _scaled_prices(layer, seen, cut.draw, groups=cut.groups)
    seen, dense = both_inputs(layer, seen, dense)
    price, numbers = scaled.flatten(), uniforms((throws, *scaled.shape), dice).to(scaled.device)
    count = cut.count(len(price))
    if cut.order == "random":
        ranking = random_order(len(price), throws, count, dice).to(price.device)
    else:
        most_first = cut.order == "largest"
        ranking = price.argsort(descending=most_first, stable=True)[:count]
    made = thrown(layer, cut, ranking.expand(throws, -1), numbers, axis=1)
    return Compressed(
        **made,
        expected=_times(price[ranking].sum(-1), factor),
        scored=torch.zeros(throws, dtype=torch.int64),
        losses=lambda: psi(layer, made["weight"], seen, dense),
    )


def prices(layer: Layer, seen: Tensor, draw: Draw, *, groups: bool = False) -> Tensor:
    r"""Expected increase of :math:`\Psi` from drawing each weight, or each input of a layer.

    (n_out, n_in) for single weights of a dense layer, (d_in,) for groups, float64. For pruning the
    order of the weights is that of :math:`|w_{ij}| \sqrt{E x_j'^2}`. A weight's price beyond the
    range of float64 is 0 or infinite; the greedy order is right all the same, unless weights or
    inputs lie more than 150 powers of ten below their largest.

    >>> layer, maps = Layer.dense([[1.0, 3.0]]), torch.ones(5, 2).double()
    >>> prices(layer, maps, Pruning(keep=0.5)).tolist()
    [[1.0, 9.0]]
    >>> prices(layer, maps, Pruning(keep=0.5), groups=True).tolist()
    [1.0, 9.0]
    """
    need(isinstance(draw, Draw), "a draw such as Pruning(keep=0.3)", repr(draw))
    return _times(*_scaled_prices(layer, seen, draw, groups=groups))


def check_wide(layer: Layer, cut: Cut) -> None:
    """Raise ValueError unless the cut is one of a wide layer."""
    of_kind(Layer, layer=layer)
    of_kind(Cut, cut=cut)
    check_weights_alone(layer, groups=cut.groups)
    need(cut.draw.unbiased, "an unbiased draw", cut.draw)
    need(cut.order != "peeking", "order 'peeking' for a block only", "a wide layer")


def check_weights_alone(layer: Layer, *, groups: bool) -> None:
    """Raise ValueError for single weights of a convolution."""
    got = f"a convolution on maps of size {layer.size}"
    need(groups or layer.is_dense, "groups=True unless the layer is dense", got)


def _scaled_prices(
    layer: Layer, seen: Tensor, draw: Draw, *, groups: bool
) -> tuple[Tensor, tuple[float, float]]:
    """Return prices up to a power of two, and the two numbers whose squares it is the product of.

    So the order is right where a square would leave the range of float64.
    """
    if groups:
        need(isinstance(draw, Pruning), "a draw Pruning(keep=p) of groups", draw)
        assert isinstance(draw, Pruning)
        return layer.energies(seen.detach()) * draw.odds.exact, (1.0, 1.0)
    check_weights_alone(layer, groups=False)
    layer.check_maps(seen)
    weight, gain = _near_one(layer.weight)
    inputs, loud = _near_one(seen.detach())
    return draw.variance(weight) * inputs.square().mean(0), (gain, loud)


def _near_one(values: Tensor) -> tuple[Tensor, float]:
    """Divide by a power of two, in float64 and exactly, so that the largest is about 1."""
    scale = float(power_of_two(values.abs().max().double()))
    return values.double() / scale, scale


def _times(scaled: Tensor, factor: tuple[float, float]) -> Tensor:
    gain, loud = factor
    return scaled * gain * loud * gain * loud

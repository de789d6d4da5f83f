r"""Compression of a block, a tall layer under a wide one: Algorithm 1 of [EGM].

The loss is that of its proofs (cited in ``pruning.draws``),
:math:`\Psi(A) = E\|W_2\varphi(W_1x) - W_2\varphi(Ax')\|^2`; only :math:`W_1` is compressed. At
every step each weight (i, j) that is left scores

.. math:: \bigl|E_t \Psi(A \text{ with } a_{ij} \to t) - \Psi(A)\bigr|

of the network as it is by then, with the draws made so far; the least score is taken (ties: lowest
index) and its weight is drawn. Groups are scored alike, in :mod:`~compressibility.pruning.groups`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from compressibility.checks import need, of_kind, whole
from compressibility.dice import uniforms
from compressibility.models.layers import Block
from compressibility.pruning.cuts import Compressed, Cut, both_inputs, psi, random_order, thrown
from compressibility.pruning.engine import BlockScores
from compressibility.pruning.groups import Moments, chosen_groups
from compressibility.pruning.wide import check_weights_alone


@torch.no_grad()
def compress_block(
    block: Block,
    seen: Tensor,
    cut: Cut,
    dice: torch.Generator,
    *,
    throws: int = 1,
    dense: Tensor | None = None,
) -> Compressed:
    """Compress a share of the weights or outputs of a block's first layer, T times.

    ``seen``, ``dense``, ``dice`` and ``throws`` are those of
    :func:`~compressibility.pruning.wide.compress_wide`; throws share their first scores. Biased
    draws are welcome: the scores do not need E t = w. ``cut.scorings`` = S is our approximation:
    weights are scored S times in all, and of each scoring as many are drawn.

    >>> from compressibility.models.layers import Layer
    >>> from compressibility.pruning.draws import Pruning
    >>> block = Block(Layer.dense([[1.0], [2.0]]), Layer.dense([[1.0, 1.0]]), torch.relu)
    >>> dice, maps = torch.Generator().manual_seed(0), torch.ones(3, 1).double()
    >>> found = compress_block(block, maps, Cut(Pruning(keep=0.5), share=0.5), dice)
    >>> found.weight.tolist(), found.error.item()
    ([[[0.0], [2.0]]], 1.0)
    """
    check_block(block, cut)
    whole(throws=throws)
    layer = block.first
    layer.check_maps(seen)
    seen, dense = both_inputs(layer, seen, dense)
    shape = (layer.outputs,) if cut.groups else layer.weight.shape
    numbers = uniforms((throws, *shape), dice).to(seen.device)
    moments = Moments.of(block, seen, dense, cut.draw) if cut.groups else None
    scored = torch.zeros(throws, dtype=torch.int64)
    if cut.order == "random":
        units = math.prod(shape)
        taken = random_order(units, throws, cut.count(units), dice).to(seen.device)
    elif moments is not None:
        taken = chosen_groups(moments, cut, numbers)
    else:
        taken, scored = _chosen_weights(block, seen, dense, cut, numbers)
    made = thrown(layer, cut, taken, numbers, axis=0)

    def losses() -> Tensor:
        if moments is not None:
            return moments.errors(made["mask"], numbers)
        return psi(layer, made["weight"], seen, dense, block.phi, block.second.double())

    return Compressed(**made, expected=None, scored=scored, losses=losses)


def check_block(block: Block, cut: Cut) -> None:
    """Raise ValueError unless the cut is one of a block."""
    of_kind(Block, block=block)
    of_kind(Cut, cut=cut)
    check_weights_alone(block.first, groups=cut.groups)
    cut.check_inner()
    need(cut.order != "largest", "order 'largest' for a wide layer only", "a block")


def _chosen_weights(
    block: Block, seen: Tensor, dense: Tensor, cut: Cut, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what each throw takes, (T, count), and the number of scores that it worked out."""
    count = cut.count(numbers[0].numel())
    at_once = math.ceil(count / (cut.scorings or count)) if count else 1
    start = BlockScores.start(block, seen, dense, cut.draw)
    drawn = cut.draw.decide(block.first.weight, numbers)
    runs = [_run(start.fork(), each, count, at_once) for each in drawn]
    return torch.stack([order for order, _ in runs]), torch.tensor([looks for _, looks in runs])


def _run(state: BlockScores, drawn: Tensor, count: int, at_once: int) -> tuple[Tensor, int]:
    """Return the order of compression and the number of scores worked out on the way."""
    taken = [torch.empty(0, dtype=torch.int64, device=drawn.device)]
    for step in range(0, count, at_once):
        taken.append(state.smallest(min(at_once, count - step)))
        state.compress(taken[-1], drawn)
    return torch.cat(taken), state.lookups

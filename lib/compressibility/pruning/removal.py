r"""The three prunings of [B] (cited in ``pruning.kterm``): magnitude, nodes, singular values.

Weights are (..., h', h), one layer or a stack; the h columns are what its inputs send out. Of N
units exactly :math:`\lceil \kappa N \rceil` stay; for k of N pass ``Fraction(k, N)``. The authors'
code prunes deviations from medians: call with ``weight - center`` and add the center afterwards;
the error is then that of the deviations, as theirs is.

For one matrix W and K of its columns, ours:

.. math:: e_{\text{magnitude}}(K h') \le e_{\text{nodes}}(K), \qquad
          e_{\text{ranks}}(K) \le e_{\text{nodes}}(K)

with equality throughout for orthogonal columns of entries equal in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compressibility.checks import Share, need
from compressibility.models.maps import power_of_two
from compressibility.pruning.draws import check_weight
from compressibility.pruning.kterm import kept_count, removable


@dataclass(frozen=True, eq=False)
class Removal:
    """What is left of a layer, or of each layer of a stack.

    The positions of the kept weights or columns are not counted as stored.
    """

    weight: Tensor  # (..., h', h), of the dense weight's dtype
    error: Tensor  # (...) float64, ‖W - W̃‖ / ‖W‖ in Frobenius' norm; 0 for W = 0
    removed_share: Tensor  # (...) float64, share of the weights, columns or singular values
    stored_share: Tensor  # (...) float64, numbers to store / h h'; for ranks it may exceed 1


def magnitude(weight: Tensor, kept: Share) -> Removal:
    """Keep the largest weights, exactly so many; ties go to the lowest index.

    >>> found = magnitude(torch.tensor([[3.0, -12.0], [0.0, 4.0]]), kept=0.25)
    >>> found.weight.tolist(), 13 * found.error.item()
    ([[0.0, -12.0], [0.0, 0.0]], 5.0)
    """
    return magnitude_together([weight], kept)[0]


def magnitude_together(layers: Sequence[Tensor], kept: Share) -> tuple[Removal, ...]:
    """Keep the largest weights of several layers, (..., h', h) each, taken as one vector.

    A layer of small weights may go as a whole: each layer has its own error; that of all is
    ``kterm.errors`` of the concatenation.

    >>> light, heavy = torch.ones(1, 9), torch.full((1, 1), 10.0)
    >>> [found.error.item() for found in magnitude_together([light, heavy], kept=0.1)]
    [1.0, 0.0]
    """
    need(len(layers) > 0, "at least 1 layer", "none")
    for weight in layers:
        check_weight(weight)
    batches = {tuple(weight.shape[:-2]) for weight in layers}
    need(len(batches) == 1, "layers with the same leading axes", sorted(batches))
    size = torch.cat([weight.detach().double().abs().flatten(-2) for weight in layers], -1)
    masks = torch.split(_largest(size, kept), [w.shape[-2:].numel() for w in layers], -1)
    found = []
    for weight, flat in zip(layers, masks, strict=True):
        share = flat.double().mean(-1)
        pruned = torch.where(flat.reshape(weight.shape), weight.detach(), 0.0)
        found.append(Removal(pruned, _error(weight, pruned), _removed(flat), share))
    return tuple(found)


def nodes(weight: Tensor, kept: Share) -> Removal:
    """Keep the columns of largest Euclidean norm; ties go to the lowest index.

    Each takes along all that one input of the layer sends out; for outputs pass ``weight.mT``.

    >>> nodes(torch.tensor([[3.0, 0.0, 5.0], [4.0, 4.0, 5.0]]), kept=0.5).weight.tolist()
    [[3.0, 0.0, 5.0], [4.0, 0.0, 5.0]]
    """
    check_weight(weight)
    norms = torch.linalg.vector_norm(weight.detach().double() / _scale(weight), dim=-2)
    mask = _largest(norms, kept)
    pruned = torch.where(mask.unsqueeze(-2), weight.detach(), 0.0)
    return Removal(pruned, _error(weight, pruned), _removed(mask), mask.double().mean(-1))


def rows_within(weight: Tensor, error: float) -> Removal:
    r"""Remove the smallest rows, as many as a *squared* error allows: the tables of [W].

    .. math:: \max\Bigl\{ m : \sum_{j \le m} \|w_{(j)}\|^2 \le \varepsilon \|W\|^2 \Bigr\}

    [W] is cited in ``noise.injection``. A row is what enters a unit; ties keep the lowest index.

    >>> found = rows_within(torch.tensor([[3.0], [-1.0], [9.0], [3.0]]), 0.1)
    >>> found.weight.flatten().tolist(), found.removed_share.item()
    ([3.0, 0.0, 9.0, 0.0], 0.5)
    """
    check_weight(weight)
    squares = (weight.detach().double() / _scale(weight)).square().sum(-1)
    share, total = removable(squares, error, p=1), squares.shape[-1]
    place = squares.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    mask = place < total - (share * total).round().unsqueeze(-1)
    pruned = torch.where(mask.unsqueeze(-1), weight.detach(), 0.0)
    return Removal(pruned, _error(weight, pruned), _removed(mask), mask.double().mean(-1))


def ranks(weight: Tensor, kept: Share) -> Removal:
    r"""Keep the largest :math:`K = \lceil \kappa \min(h, h') \rceil` singular values.

    K (h + h') numbers are stored, against K h' for as many columns.

    >>> found = ranks(torch.eye(2), kept=0.5)
    >>> round(found.error.item() ** 2, 12), found.stored_share.item()
    (0.5, 1.0)
    """
    check_weight(weight)
    rows, columns = weight.shape[-2:]
    rank = kept_count(kept, min(rows, columns))
    scale = _scale(weight)
    u, s, vh = torch.linalg.svd(weight.detach().double() / scale, full_matrices=False)
    pruned = (u[..., :rank] * s[..., None, :rank]) @ vh[..., :rank, :]
    error = _error(weight.detach().double() / scale, pruned)
    stored = torch.full_like(error, rank * (rows + columns) / (rows * columns))
    removed = torch.full_like(error, (s.shape[-1] - rank) / s.shape[-1])
    return Removal((scale * pruned).to(weight.dtype), error, removed, stored)


def _largest(sizes: Tensor, kept: Share) -> Tensor:
    """Mark the largest of sizes (..., N), exactly so many; of equal ones the first."""
    total = sizes.shape[-1]
    count = kept_count(kept, total)
    if count == 0:
        return torch.zeros_like(sizes, dtype=torch.bool)
    if sizes.is_cpu:  # NumPy's selection is several times as fast, in whatever order sizes are
        least = torch.from_numpy(np.partition(sizes.numpy(), total - count, -1))
        least = least[..., total - count, None]
    else:
        least = sizes.kthvalue(total - count + 1, -1, keepdim=True).values
    above, equal = sizes > least, sizes == least
    room = count - above.sum(-1, keepdim=True)
    return above | (equal & (equal.cumsum(-1) <= room))


def _removed(mask: Tensor) -> Tensor:
    return (~mask).double().mean(-1)


def _scale(weight: Tensor) -> Tensor:
    """Return a power of two: divided by it, no square leaves its range."""
    most: Tensor = weight.detach().abs().amax((-2, -1), keepdim=True)
    return power_of_two(most.double())


def _error(weight: Tensor, pruned: Tensor) -> Tensor:
    dense, scale = weight.detach().double(), _scale(weight)
    whole: Tensor = torch.linalg.vector_norm(dense / scale, dim=(-2, -1))
    gap: Tensor = torch.linalg.vector_norm((dense - pruned) / scale, dim=(-2, -1))
    return gap / torch.where(whole > 0, whole, 1.0)

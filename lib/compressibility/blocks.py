"""Randomized greedy compression of a block, a tall layer under a wide one: Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from operator import index
from typing import Literal, get_args

import torch
from torch import Tensor

from compressibility.block_scores import BlockScores
from compressibility.greedy import check_layer, number_compressed
from compressibility.schemes import Generators, Scheme, check_weight, uniforms_like

BlockOrder = Literal["greedy", "random"]


@dataclass(frozen=True, eq=False)
class BlockCompression:
    """A compressed first layer of a block; the axes (...) are those of a stack or of the draws."""

    weight: Tensor  # (..., n2, n1) the new W1, of the old one's dtype
    compressed: Tensor  # (..., n2, n1) bool, True where a draw was made
    order: Tensor  # (..., count) flat indices of the compressed weights, first taken first
    error: Tensor  # (...) float64, Psi(U) = E||W2 phi(W1 x) - W2 phi(U x')||^2
    kept_share: Tensor  # (...) float64, share of all entries of W1 that are not zero afterwards
    rescored: Tensor  # (...) int64, scores worked out; n1 n2 of them are one look at everything


def compress_block(
    w1: Tensor,
    w2: Tensor,
    activation: Callable[[Tensor], Tensor],
    inputs: Tensor,
    scheme: Scheme,
    *,
    fraction: float | Fraction,
    generator: Generators,
    refresh: int = 1,
    draws: int = 1,
    dense_inputs: Tensor | None = None,
    order: BlockOrder = "greedy",
) -> BlockCompression:
    r"""Compress a share of the weights of a block's first layer, least expected damage first.

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Algorithm 1 with the loss of its proofs,
    :math:`\Psi(A) = E\|W_2\varphi(W_1x) - W_2\varphi(Ax')\|^2`. At every step each weight (i, j)
    that is left scores

    .. math:: \bigl|E_t \Psi(A \text{ with } a_{ij} \to t) - \Psi(A)\bigr|

    of the network as it is by then, with the draws made so far; the least score is taken (ties:
    lowest flat index) and its weight is drawn. With ``refresh=1`` this is exact, up to rounding;
    see :class:`~compressibility.block_scores.BlockScores` for why it needs few looks.

    Parameters
    ----------
    w1, w2
        The dense layers, shapes (n2, n1) and (n3, n2), or stacks (E, n2, n1) and (E, n3, n2). Only
        w1 is compressed.
    activation
        phi between them, an entrywise function of tensors such as ``torch.tanh``.
    inputs
        x', what the block sees in the compressed network: (N, n1), or (E, N, n1) for a stack.
    scheme
        How a weight is drawn. The biased controls are welcome: the scores do not need E t = w.
    fraction
        Alpha, 0 < alpha < 1: exactly ``number_compressed(fraction, n1 * n2)`` weights.
    generator
        One uniform is drawn per weight of w1, compressed or not, so the decision on a weight does
        not depend on the order. A stack given one generator per network equals as many single
        calls.
    refresh
        R: scores are worked out anew every R steps, and the R least are compressed in that order.
        More than 1 is our approximation, not the paper's; the error is measured in the book.
    draws
        D > 1 compresses one network D times, each with its own uniforms: the result has a leading
        axis D. The same as a stack of D copies, but the first scores are shared.
    dense_inputs
        x, shaped as x', where the dense network sees something else.
    order
        "greedy" is the paper's; "random", our control, is a permutation drawn after the uniforms.

    Raises
    ------
    ValueError
        Shapes or dtypes that do not fit, values that are not finite, a fraction outside (0, 1),
        refresh or draws below 1, a scheme of the wrong kind, an unknown order, an activation that
        is not entrywise.

    Examples
    --------
    >>> from compressibility.schemes import Pruning
    >>> w1, w2, x = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, 1.0]]), torch.ones(3, 1)
    >>> dice = torch.Generator().manual_seed(0)
    >>> result = compress_block(w1, w2, torch.relu, x, Pruning(keep=0.5), fraction=0.5,
    ...     generator=dice)
    >>> result.compressed.tolist(), result.weight.tolist(), result.error.item()
    ([[True], [False]], [[0.0], [2.0]], 1.0)
    """
    dense = inputs if dense_inputs is None else dense_inputs
    _check_block(w1, w2, activation, inputs, dense)
    _check_options(scheme, fraction, refresh, draws, order)
    if draws > 1 and w1.ndim == 3:
        raise ValueError(f"need one network (n2, n1) where draws > 1, got {_shape(w1)}")
    count = number_compressed(fraction, w1.shape[-2] * w1.shape[-1])
    layer = w1.detach().expand(draws, -1, -1) if draws > 1 else w1.detach()
    drawn = scheme.decide(layer, uniforms_like(layer, generator))
    if order == "random":
        # The permutation is a sort of fresh uniforms: one call serves stacks of any shape.
        shuffle = uniforms_like(layer.flatten(-2).unsqueeze(-2), generator).squeeze(-2)
        taken = shuffle.argsort(dim=-1)[..., :count]
        looks = torch.zeros(layer.shape[:-2], dtype=torch.int64, device=layer.device)
    else:
        networks = _starts(layer, w2, activation, inputs, dense, scheme)
        runs = [_run(start, _of(drawn, e), count, refresh) for e, start in enumerate(networks)]
        taken = torch.stack([order for order, _ in runs]).reshape(*layer.shape[:-2], count)
        looks = torch.tensor([n for _, n in runs], device=layer.device).reshape(layer.shape[:-2])
    compressed = torch.zeros_like(layer.flatten(-2), dtype=torch.bool).scatter_(-1, taken, True)
    compressed = compressed.reshape(layer.shape)
    weight = torch.where(compressed, drawn, layer)
    return BlockCompression(
        weight=weight,
        compressed=compressed,
        order=taken,
        error=_errors(layer, weight, w2, activation, inputs, dense),
        kept_share=(weight != 0).double().mean((-2, -1)),
        rescored=looks,
    )


def _starts(
    layer: Tensor,
    w2: Tensor,
    activation: Callable[[Tensor], Tensor],
    inputs: Tensor,
    dense: Tensor,
    scheme: Scheme,
) -> Iterator[BlockScores]:
    """Yield the members of a stack with their first scores, worked out once for equal members."""
    shared = all(t.ndim == 2 or t.stride(0) == 0 for t in (layer, w2, inputs, dense))
    start: BlockScores | None = None
    for e in range(1 if layer.ndim == 2 else len(layer)):
        if start is None or not shared:
            w1, w, x, x_dense = (_of(t, e).detach() for t in (layer, w2, inputs, dense))
            start = BlockScores(w1, w, activation, x, x_dense, scheme)
            start.look_up(torch.arange(w1.numel(), device=w1.device))
        yield start.fork()


def _run(state: BlockScores, drawn: Tensor, count: int, refresh: int) -> tuple[Tensor, int]:
    """Return the order of compression and the number of scores worked out on the way."""
    taken = []
    for step in range(0, count, refresh):
        taken.append(state.smallest(min(refresh, count - step)))
        state.compress(taken[-1], drawn)
    order = torch.cat(taken) if taken else torch.empty(0, dtype=torch.int64, device=drawn.device)
    return order, state.lookups


def _errors(
    w1: Tensor,
    weight: Tensor,
    w2: Tensor,
    activation: Callable[[Tensor], Tensor],
    inputs: Tensor,
    dense: Tensor,
) -> Tensor:
    """Psi of each member by a forward pass, one at a time to save memory."""
    found = []
    for e in range(1 if w1.ndim == 2 else len(w1)):
        old, new, w, x, x_dense = (
            _of(t, e).detach().double() for t in (w1, weight, w2, inputs, dense)
        )
        gap = (activation(x_dense @ old.T) - activation(x @ new.T)) @ w.T
        found.append(gap.square().sum(-1).mean())
    return torch.stack(found).reshape(w1.shape[:-2])


def _of(tensor: Tensor, member: int) -> Tensor:
    return tensor if tensor.ndim == 2 else tensor[member]


def check_activation(activation: Callable[[Tensor], Tensor], sample: Tensor) -> None:
    """Raise ValueError unless ``activation`` is entrywise on ``sample``, a matrix.

    Examples
    --------
    >>> check_activation(torch.tanh, torch.ones(3, 2))
    """
    if not callable(activation):
        raise ValueError(f"need an entrywise function as activation, got {activation!r}")
    seen = activation(sample.clone())
    if not isinstance(seen, Tensor) or (seen.shape, seen.dtype) != (sample.shape, sample.dtype):
        got = f"{_shape(seen)} of {seen.dtype}" if isinstance(seen, Tensor) else repr(type(seen))
        need = f"an entrywise activation, {_shape(sample)} of {sample.dtype} from the same"
        raise ValueError(f"need {need}, got {got}")
    turned = activation(sample.T.clone())
    if not torch.allclose(turned.T, seen, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise ValueError("need an entrywise activation, got one that mixes entries")


def _check_block(
    w1: Tensor,
    w2: Tensor,
    activation: Callable[[Tensor], Tensor],
    inputs: Tensor,
    dense: Tensor,
) -> None:
    check_layer(w1, inputs)
    check_weight(w2)
    lead, n2 = tuple(w1.shape[:-2]), w1.shape[-2]
    if tuple(w2.shape[:-2]) != lead or w2.shape[-1] != n2:
        need = ", ".join([*map(str, lead), "n3", str(n2)])
        raise ValueError(f"need w2 ({need}) on top of w1 {_shape(w1)}, got {_shape(w2)}")
    if w2.dtype != w1.dtype:
        raise ValueError(f"need w2 of dtype {w1.dtype}, got {w2.dtype}")
    if dense.shape != inputs.shape or dense.dtype != inputs.dtype:
        need = f"dense_inputs of inputs' shape {_shape(inputs)} and dtype {inputs.dtype}"
        raise ValueError(f"need {need}, got {_shape(dense)} of {dense.dtype}")
    if not bool(torch.isfinite(dense).all()):
        raise ValueError("need finite dense_inputs, got nan or infinity")
    check_activation(activation, _of(w1, 0).detach() @ _of(inputs, 0).detach()[:2].T)


def _check_options(
    scheme: Scheme, fraction: float | Fraction, refresh: int, draws: int, order: BlockOrder
) -> None:
    if not isinstance(scheme, Scheme) or isinstance(scheme, type):
        raise ValueError(f"need a scheme such as Pruning(keep=0.3), got {scheme!r}")
    if not 0 < fraction < 1:
        raise ValueError(f"need 0 < fraction < 1, got {fraction}")
    for name, number in (("refresh", refresh), ("draws", draws)):
        if isinstance(number, bool) or not hasattr(number, "__index__") or index(number) < 1:
            raise ValueError(f"need an integer {name} >= 1, got {number!r}")
    if order not in get_args(BlockOrder):
        raise ValueError(f"need order in {sorted(get_args(BlockOrder))}, got {order!r}")


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)

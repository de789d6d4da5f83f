"""What is done to a layer (``Cut``), to which layers (``Plan``), and what it leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

from compressibility import checks
from compressibility.checks import need, whole
from compressibility.dice import uniforms
from compressibility.models.activations import identity
from compressibility.models.layers import Layer
from compressibility.pruning.draws import Draw, Pruning

Order = Literal["greedy", "random", "largest", "peeking"]
Kind = Literal["wide", "block"]


@dataclass(frozen=True)
class Cut:
    """Draw a share of a layer's weights, or of its neurons or filters, in some order.

    "greedy" is Algorithm 1 of [EGM] (cited in ``pruning.draws``): least expected damage first. The
    other orders are our controls: "random"; "largest", most damage first, for single weights of
    wide layers; "peeking", for groups of blocks, which chooses after the dice have been thrown.

    >>> Cut(Pruning(keep=0.3), share=0.57).count(200)
    114
    """

    draw: Draw
    share: float | Fraction  # α; exactly ⌊αN⌋ of N weights or groups are drawn
    groups: bool = False  # whole inputs of a wide layer, whole outputs of a block's first
    order: Order = "greedy"
    scorings: int | None = None  # of a block's weights; None: anew at every step, Algorithm 1

    def __post_init__(self) -> None:
        need(isinstance(self.draw, Draw), "a draw such as Pruning(keep=0.3)", repr(self.draw))
        self.count(1)
        object.__setattr__(self, "share", checks.plain(self.share))  # for bounds what counts count
        need(self.order in get_args(Order), f"order in {sorted(get_args(Order))}", repr(self.order))
        if self.groups:
            need(isinstance(self.draw, Pruning), "a draw Pruning(keep=p) of groups", self.draw)
            self.check_inner()
        groups = {"largest": False, "peeking": True}.get(self.order, self.groups)
        need(self.groups == groups, f"groups={groups} for order {self.order!r}", self.groups)
        if self.scorings is not None:
            whole(scorings=self.scorings)
            lazy = self.order == "greedy" and not self.groups
            need(lazy, "scorings for the greedy order of single weights", self.scorings)

    def count(self, units: int) -> int:
        """Return how many of so many weights or groups are drawn, exactly."""
        return checks.count(self.share, units)

    def check_inner(self) -> None:
        """Raise ValueError unless 0 < share < 1, as blocks and groups want."""
        need(0 < self.share < 1, "0 < share < 1", self.share)


@dataclass(frozen=True)
class Plan:
    r"""Which layers of a network are compressed, numbered from 1: the sets 𝒲 and ℬ of [EGM].

    (6): :math:`\mathcal{W} \cap \mathcal{B} = \emptyset` and :math:`(\mathcal{W} \cup \mathcal{B})
    \cap (\mathcal{B}+1) = \emptyset`; :math:`\mathcal{W} \subset [m]`,
    :math:`\mathcal{B} \subset [m-1]`.

    >>> Plan((64, 980, 40, 10), wide=(3,), blocks=(1,)).layers
    {1: 'block', 3: 'wide'}
    """

    widths: tuple[int, ...]  # n_1, …, n_{m+1}
    wide: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        need(len(self.widths) >= 2, "len(widths) >= 2", len(self.widths))
        counted = all(n >= 1 and n % 1 == 0 for n in self.widths)
        need(counted, "whole widths >= 1", list(self.widths))
        object.__setattr__(self, "widths", tuple(int(n) for n in self.widths))
        for name in ("wide", "blocks"):
            layers = {int(layer) for layer in getattr(self, name)}
            object.__setattr__(self, name, tuple(sorted(layers)))
        m, wide, blocks = len(self.widths) - 1, set(self.wide), set(self.blocks)
        need(bool(wide | blocks), "a layer in 𝒲 ∪ ℬ", "none")
        for rule, broken in (
            (f"𝒲 ⊂ {{1, …, {m}}}", wide - set(range(1, m + 1))),
            (f"ℬ ⊂ {{1, …, {m - 1}}} (a block is two layers)", blocks - set(range(1, m))),
            ("𝒲 ∩ ℬ = ∅ (6)", wide & blocks),
            ("(𝒲 ∪ ℬ) ∩ (ℬ + 1) = ∅ (6)", (wide | blocks) & {layer + 1 for layer in blocks}),
        ):
            need(not broken, rule, f"layers {sorted(broken)}")

    @property
    def layers(self) -> dict[int, Kind]:
        """The chosen layers, ascending, and what each is."""
        kinds: dict[int, Kind] = dict.fromkeys(self.wide, "wide")
        return dict(sorted((kinds | dict.fromkeys(self.blocks, "block")).items()))

    @classmethod
    def suggest(cls, widths: Sequence[int], *, ratio: float = 3.0) -> Plan:
        r"""Choose the layers by the heuristic of [EGM], from the first to the last.

        A layer is wide if :math:`n_\ell \gg n_{\ell+1}`; else it starts a block if :math:`n_\ell
        \le n_{\ell+1} \gg n_{\ell+2}`, and then the next stays dense, as (6) wants. ``a >> b``
        stands for ``a >= ratio * b``; 3 is our choice: the perceptrons of transformers, which widen
        about fourfold and narrow again, are blocks.

        >>> Plan.suggest((64, 980, 40, 10)).layers
        {1: 'block', 3: 'wide'}
        """
        need(1 < ratio < math.inf, "1 < ratio < inf", ratio)
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
        return cls(tuple(widths), tuple(wide), tuple(blocks))


@dataclass(frozen=True, eq=False)
class Compressed:
    """T throws of the dice for one layer."""

    weight: Tensor  # (T, *layer.weight.shape), of its dtype
    taken: Tensor  # (T, count) flat indices of weights, or indices of groups; first taken first
    mask: Tensor  # (T, n_out, n_in) or (T, groups) bool, True where a draw was made
    kept_share: Tensor  # (T,) float64, share of weights that are not 0, of groups not zeroed
    expected: Tensor | None  # () or, in random order, (T,) float64: sum of prices; None: a block
    scored: Tensor  # (T,) int64, scores worked out on the way; 0 where prices are fixed
    losses: Callable[[], Tensor] = field(repr=False)

    @cached_property
    def error(self) -> Tensor:
        r"""The loss :math:`\Psi(U)` of each throw, (T,) float64, worked out when first asked.

        Of layer and inputs as they are then: ask before you change them in place.
        """
        return self.losses()


def both_inputs(layer: Layer, seen: Tensor, dense: Tensor | None) -> tuple[Tensor, Tensor]:
    """Check x against x', which has been checked, and return x' and x; x is x' unless given."""
    if dense is None:
        return seen.detach(), seen.detach()
    layer.check_maps(dense, "dense inputs")
    shape = tuple(seen.shape)
    need(dense.shape == seen.shape, f"dense inputs of shape {shape}", tuple(dense.shape))
    return seen.detach(), dense.detach()


@torch.no_grad()
def psi(
    layer: Layer,
    weights: Tensor,
    seen: Tensor,
    dense: Tensor,
    phi: Callable[[Tensor], Tensor] = identity,
    above: Callable[[Tensor], Tensor] = identity,
) -> Tensor:
    """Return Ψ of each throw by a forward pass in float64, one at a time to save memory."""
    before, found = phi(layer.double()(dense.double())), []
    for weight in weights.reshape(-1, *layer.kernel.shape).double():
        after = phi(Layer(weight, layer.size)(seen.double()))
        found.append(above(before - after).flatten(1).square().sum(1).mean())
    return torch.stack(found)


def thrown(
    layer: Layer, cut: Cut, taken: Tensor, numbers: Tensor, *, axis: int
) -> dict[str, Tensor]:
    """Throw the dice for what is taken: uniforms (T, n_out, n_in), or (T, groups).

    Groups are outputs (axis 0) or inputs (axis 1), multiplied by 0 or 1/p. The keys are fields of
    :class:`Compressed`.
    """
    same = taken.stride(0) == 0  # one choice for all throws
    mask = torch.zeros_like(numbers[:1] if same else numbers, dtype=torch.bool).flatten(1)
    mask = mask.scatter_(1, taken[: len(mask)], True).reshape(-1, *numbers.shape[1:])
    mask = mask.expand_as(numbers)
    if cut.groups:
        assert isinstance(cut.draw, Pruning)
        factor = torch.where(mask, (numbers < cut.draw.keep).double() / cut.draw.keep, 1.0)
        shape = [len(factor), 1, 1, 1, 1]
        shape[1 + axis] = -1
        weight = layer.kernel * factor.to(layer.kernel.dtype).reshape(shape)
        weight, kept = weight.reshape(-1, *layer.weight.shape), factor
    else:
        weight = torch.where(mask, cut.draw.decide(layer.weight, numbers), layer.weight)
        kept = weight
    kept_share = kept.flatten(1).count_nonzero(1).double() / kept[0].numel()
    checks.finite(**{"compressed weight": weight})
    return {"weight": weight, "taken": taken, "mask": mask, "kept_share": kept_share}


def random_order(units: int, throws: int, count: int, dice: torch.Generator) -> Tensor:
    """Return a random choice in random order for each throw, (T, count)."""
    # A permutation is a sort of fresh uniforms.
    return uniforms((throws, units), dice).argsort(1)[:, :count]

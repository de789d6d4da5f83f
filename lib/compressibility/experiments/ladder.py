"""The ladder of a layer: from the measured damage up to the printed bound, rung by rung."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from compressibility.bounds.wide_networks import LayerFacts, Seen, block_bound, wide_bound
from compressibility.checks import need
from compressibility.estimates import Estimate, exceptions
from compressibility.experiments.sweep import compress_part
from compressibility.models.activations import identity
from compressibility.models.layers import Block, Layer
from compressibility.models.network import Network
from compressibility.pruning.cuts import Compressed, Cut, Kind
from compressibility.pruning.wide import prices

_ROUNDING = 4e-10  # of a decimal logarithm, one part in 10^9; every rung is summed in float64


@dataclass(frozen=True, eq=False)
class Ladder:
    """Upper bounds on a damage, as decimal logarithms, lowest first; each forgets more.

    Names, those that apply: measured (behind the activation), before (the same throws before it),
    exact (mean over throws, before it), all prices (α times their sum), sharpest and sharper (not
    in the paper), printed. All of one shape, such as (widths, E).

    >>> rung = torch.zeros(2, 3)
    >>> Ladder({"measured": rung, "sharper": rung + 2, "printed": rung + 1}).steps_down()
    Estimate(value=6.0, low=6.0, high=6.0, n=12, level=1.0)
    """

    rungs: Mapping[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        """The rung of this name, in decimal logarithms."""
        return self.rungs[name]

    def steps_down(self, *steps: tuple[str, str]) -> Estimate:
        """Count the steps, (lower, upper), that go down by more than rounding.

        Unless named, steps lead from each rung to the next, but not from the throws to the exact
        mean: measured and before are means over the same throws, the others exact numbers.
        """
        chain = steps or [step for step in pairwise(self.rungs) if step[1] != "exact"]
        down = [self.over(lower, upper).flatten() for lower, upper in chain]
        return exceptions(torch.cat(down).cpu(), _ROUNDING)

    def over(self, upper: str, lower: str) -> Tensor:
        """Decimal logarithm of a rung over another; 0 where both damages are zero."""
        one, other = self.rungs[upper], self.rungs[lower]
        return torch.where(one == other, 0.0, one - other)

    def relative_to(self, unit: Tensor) -> Ladder:
        """The ladder divided by a damage that broadcasts, (E,)."""
        return Ladder({name: rung - unit.double().log10() for name, rung in self.rungs.items()})

    @classmethod
    def stack(cls, ladders: Sequence[Ladder], *, axis: int = 0) -> Ladder:
        """Join ladders of the same rungs along a new axis."""
        names = ladders[0].rungs
        return cls({name: torch.stack([one[name] for one in ladders], axis) for name in names})


def ladder(
    network: Network,
    at: int,
    inputs: Tensor,
    cut: Cut,
    dice: Sequence[torch.Generator],
    *,
    kind: Kind = "wide",
    throws: int,
) -> Ladder:
    """Compress layer ``at`` of E networks, and :func:`climb`; rungs of the shape (E,).

    ``inputs`` (N, features) are the network's; the layer sees what the dense layers below make of
    them. One of the dice per network.

    >>> from compressibility.models.network import mlp
    >>> from compressibility.pruning.draws import Pruning
    >>> dice, cut = [torch.Generator().manual_seed(0)], Cut(Pruning(keep=0.3), share=0.5)
    >>> ladder(mlp([6, 10, 2, 1]), 1, torch.rand(5, 6), cut, dice, throws=3).steps_down().value
    0.0
    """
    seen = network.layer_inputs(inputs, at).detach()
    last = at + (kind == "block") == len(network.weights) - 1
    ladders = []
    for e, generator in enumerate(dice):
        part = network.block(at, e) if kind == "block" else network.layer(at, e)
        made = compress_part(part, seen[e], cut, generator, throws)
        phi = identity if last else network.activation
        ladders.append(climb(part, seen[e], cut, made, phi=phi))
    return Ladder.stack(ladders, axis=-1)


def climb(
    part: Layer | Block,
    seen: Tensor,
    cut: Cut,
    made: Compressed,
    *,
    phi: Callable[[Tensor], Tensor],
    dense: Tensor | None = None,
) -> Ladder:
    r"""Measure and bound the damage to one layer that has been compressed; rungs are numbers.

    .. math:: E\|\varphi(Wx) - \varphi(Ux')\|^2 \le E\|Wx - Ux'\|^2
              = \Psi(W) + \sum_S \text{prices} \le \Psi(W) + \alpha \sum \text{prices} \le \dots

    and on to the sharper forms and Propositions 18, 19 and 24 of [EGM] (cited in
    ``pruning.draws``); for a block from :math:`E\|W_2\varphi(W_1x) - W_2\varphi(Ux')\|^2` to
    Propositions 21, 22 and 25; all at :math:`\varepsilon = 0`, without the projection (which can
    only lower the first rung).
    ``seen`` is x', ``dense`` is x (default: the same), ``phi`` acts behind the part.
    """
    x, known = (seen if dense is None else dense), Seen.of(seen, dense)
    first = part.first if isinstance(part, Block) else part
    outputs, changed = part(x), _through(first, made.weight, seen)
    if isinstance(part, Block):
        behind = part.second(part.phi(changed).flatten(0, 1))
        changed = behind.reshape(len(changed), len(seen), *behind.shape[1:])
    rungs = {"measured": _gap(phi(outputs), phi(changed)), "before": _gap(outputs, changed)}
    logs = {name: value.log10() for name, value in rungs.items()}
    if isinstance(part, Block):
        both = LayerFacts.of(part.first), LayerFacts.of(part.second)
        for form in ("sharpest", "sharper", "printed"):
            bound = block_bound(*both, known, cut, form=form, log=True)
            logs[form] = torch.tensor(bound / math.log(10), dtype=torch.float64)
        return Ladder(logs)
    need(cut.order == "greedy", "a greedy cut of a wide layer", cut.order)
    inherited = _gap(outputs, part(seen)[None])
    every = prices(part, seen, cut.draw, groups=cut.groups).sum()
    assert made.expected is not None
    logs["exact"] = (inherited + made.expected).log10()
    logs["all prices"] = (inherited + float(cut.share) * every).log10()
    facts = LayerFacts.of(part)
    for name in ("sharper", "printed"):
        bound = wide_bound(facts, known, cut, form=name)
        logs[name] = torch.tensor(bound, dtype=torch.float64).log10()
    return Ladder(logs)


def _through(layer: Layer, weights: Tensor, maps: Tensor) -> Tensor:
    """Maps behind each of T weights in the layer's place, (T, N, ...)."""
    if layer.is_dense:
        return maps @ weights.mT
    return torch.stack([replace(layer, kernel=weight)(maps) for weight in weights])


def _gap(dense: Tensor, changed: Tensor) -> Tensor:
    """Mean over throws and samples of the squared distance."""
    return (dense - changed).double().square().flatten(2).sum(-1).mean()

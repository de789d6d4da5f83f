r"""Does theory predict one-shot pruning? Measured thresholds beside predicted ones, per network.

All shares are *removed* ones, of all D weights. A threshold is the largest share with a loss within
ε of that of the trained :math:`w_*`; ``…_first`` the last share before the first that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from compressibility.bounds.pruning_limit import costs, limits
from compressibility.bounds.pruning_limit.costs import Ranking, Scan
from compressibility.checks import Share, need, whole
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.metrics import accuracy
from compressibility.models.network import Network
from compressibility.pruning import oneshot
from compressibility.pruning.kterm import kept_count
from compressibility.spectrum.density import Bowl, Spectrum
from compressibility.spectrum.lanczos import lanczos, quadrature
from compressibility.spectrum.operators import Objective, hessian
from compressibility.spectrum.traces import path_costs
from compressibility.training.loop import Training

RULES = {
    "trace": limits.removed_trace,
    "star": limits.removed_star,
    "orthogonal": limits.removed_orthogonal,
}
_SAMPLES = 4096  # in a product with the Hessian


@dataclass(frozen=True)
class Protocol:
    """How trained networks are pruned."""

    batch_size: int = 128  # of ε
    shuffles: int = 20  # of ε; 1 in [Z]
    grid: int = 400  # removed shares j/400 are looked at
    supports: tuple[str, ...] = ("magnitude",)  # also "random"
    steps: int | None = None  # of Lanczos for H and for H seen from c; None: the dense Hessian
    retraining: Training | None = None  # of kept weights and dense controls, with their own l1
    shares: tuple[Share, ...] = ()  # removed before a retraining, ascending

    def __post_init__(self) -> None:
        whole(grid=self.grid)
        known = ("magnitude", "random")
        holds = len(self.supports) > 0 and set(self.supports) <= set(known)
        need(holds, f"supports among {known}", self.supports)
        need(bool(self.retraining) == bool(self.shares), "retraining and shares, or none", "one")

    def ranking(self, support: str, weights: Tensor, e: int) -> Ranking:
        """Rank weights (D,) of network e."""
        if support == "magnitude":
            return Ranking.magnitude(weights)
        return Ranking.random(weights, dice("support", e, device=weights.device))


@dataclass(frozen=True, eq=False)
class Curvature:
    """The Hessian of one network: limits take |H|, one-shot costs H itself."""

    spectrum: Spectrum  # |H|; of Lanczos the absolute Ritz values of H
    along: Callable[[Tensor], Spectrum]  # the same, as c sees it
    costs: Callable[[Ranking, list[int]], Tensor]  # ½ cᵀHc
    bowl: Bowl | None = None  # |H|, where H is dense

    @classmethod
    def of(cls, objective: Objective, steps: int | None, generator: torch.Generator) -> Curvature:
        """Ask for H whole, or in so many steps of Lanczos from three starts."""
        H = hessian(objective)
        if steps is None:
            bowl = H.dense()
            return cls(
                bowl.spectrum.absolute(),
                lambda c: bowl.along(c).absolute(),
                lambda ranking, counts: costs.one_shot_costs(bowl, ranking)[counts],
                bowl.absolute(),
            )
        return cls(
            quadrature(H, steps, generator).spectrum().absolute(),
            lambda c: lanczos(H, c, steps).spectrum().absolute(),
            lambda ranking, counts: path_costs(H, ranking.weights, ranking.order, counts),
        )

    def predicted(self, ranking: Ranking, epsilon: float, counts: list[int]) -> dict[str, float]:
        """Return thresholds: U2 of pruning as it is, the others of re-adjusted weights."""
        limit = lambda rule: limits.removed_limit(rule, ranking, self.spectrum, epsilon)  # noqa: E731
        passes = (self.costs(ranking, counts) <= epsilon).tolist()
        u2 = Scan.over(passes, counts, len(ranking.weights))
        cone = limits.removed_cone(self.along, ranking, self.spectrum, epsilon, counts)
        found = {"u2": u2.largest, "u2_first": u2.first}
        found |= {name: limit(rule) for name, rule in RULES.items()}
        found |= {"cone": cone.largest, "cone_first": cone.first}
        if self.bowl:
            exact = costs.readjusted_costs(self.bowl, ranking)
            found["obs"] = costs.removable(exact, epsilon).largest
        return found


@dataclass(frozen=True, eq=False)
class Result:
    """Three tidy frames; ``network`` and ``support`` join them."""

    table: pd.DataFrame
    curves: pd.DataFrame
    retrained: pd.DataFrame


def measure(
    problem: Dataset, network: Network, how: Training, protocol: Protocol, *, seeds: Sequence[int]
) -> Result:
    r"""Prune each of some networks as trained by ``trained``, with ``how.l1``.

    ``table``, a row per network and support: ``l1``; ``weights``, D; ``epsilon``;
    ``cross_entropy``, ``penalty``, ``test_accuracy`` of w*; ``gradient``, of both;
    the measured thresholds ``cross_entropy_within`` and ``total_within``; predicted ``u2``, ``trace``,
    ``star``, ``orthogonal``, ``cone``, ``obs``; ``slope``, what :math:`-\nabla L^\top c` adds to
    ``u2`` there, in ε: far from 0 it is no minimum and the limits are void; ``retrained``,
    ``retrained_control``.
    """
    x, y = (t[: how.samples].to(network.weights[0].device) for t in (problem.train_inputs, problem.train_targets))

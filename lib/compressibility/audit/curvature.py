"""What a loss says of a network: what its curvature would let go, and what is measured."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import torch

from compressibility.bounds.pruning_limit.costs import Ranking, Scan
from compressibility.bounds.pruning_limit.limits import (
    removed_limit,
    removed_orthogonal,
    removed_star,
    removed_trace,
)
from compressibility.dice import dice
from compressibility.pruning.kterm import kept_count
from compressibility.spectrum.lanczos import quadrature
from compressibility.spectrum.operators import Objective, gradient_norm, hessian
from compressibility.spectrum.traces import path_costs

_RULES = {"star": removed_star, "orthogonal": removed_orthogonal, "trace": removed_trace}
_STEPS, _NUMBERS = 30, 2**28  # of Lanczos, three runs of it; that these may keep


@torch.no_grad()
def curvature(objective: Objective) -> dict[str, Any]:
    r"""Remove the smallest of all weights, in steps of a twentieth, and let the loss say how far.

    ``epsilon`` is the rise that is allowed, the standard deviation of the loss over batches. Of
    Part III (``bounds.pruning_limit``), :math:`|H|` by ``steps`` of Lanczos: ``star``,
    ``orthogonal``, ``trace``; ``u2``: the largest share with :math:`\tfrac12 c^\top H c \le
    \epsilon`. ``measured``: the largest at which the loss itself rises by no more, ``first``: the
    last before it ever does; ``curve``: pairs of share and rise. ``slope`` is the size of the
    gradient, 0 at a minimum, where alone the limits speak; ``bent``: :math:`\mathrm{Tr}|H| / D`.
    """
    H, weights, batches = hessian(objective), objective.weights(), range(len(objective.batches))
    rank, D = Ranking.magnitude(weights), len(weights)
    counts = [kept_count(Fraction(j, 20), D) for j in range(1, 21)]
    begun = torch.stack([objective.at(weights, b) for b in batches]).double()
    epsilon, steps = float(begun.std(correction=0)), max(1, min(_STEPS, _NUMBERS // (3 * D) - 1))
    left = (weights - rank.removed(k).to(weights) for k in (0, *counts))
    start, *values = (float(objective.mean(partial(objective.at, one))) for one in left)
    found = Scan.over([value - start <= epsilon for value in values], counts, D)
    spectrum = quadrature(H, min(steps, D), dice("audit", "curvature")).spectrum().absolute()
    limits = {name: removed_limit(of, rank, spectrum, epsilon) for name, of in _RULES.items()}
    costs = path_costs(H, weights, rank.order, counts).tolist()
    return limits | {
        "epsilon": epsilon,
        "u2": Scan.over([cost <= epsilon for cost in costs], counts, D).largest,
        "measured": found.largest,
        "first": found.first,
        "slope": gradient_norm(objective),
        "bent": spectrum.mean(lambda t: t),
        "steps": min(steps, D),
        "curve": [[k / D, value - start] for k, value in zip(counts, values, strict=True)],
    }

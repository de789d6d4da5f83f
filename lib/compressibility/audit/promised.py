"""What theory says of a reader's network: two theorems' promises, and the curvature of its loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from compressibility.bounds.pruned_layer.promises import vacuity, xi_for
from compressibility.bounds.pruning_limit.costs import Ranking, Scan
from compressibility.bounds.pruning_limit.limits import removed_limit, removed_star
from compressibility.bounds.wide_networks import Asked, Constants, audit
from compressibility.dice import dice
from compressibility.pruning.cuts import Plan
from compressibility.pruning.draws import Pruning
from compressibility.spectrum.lanczos import quadrature
from compressibility.spectrum.operators import Objective, hessian
from compressibility.spectrum.traces import path_costs

_XI = 0.5
_LARGEST = 100_000  # weights whose curvature is looked at: some hundred products with the Hessian
_STEPS = 30
_SHARES = tuple(j / 20 for j in range(1, 21))


def promise(
    module: nn.Module, weights: Sequence[Tensor], inputs: Tensor, outputs: Tensor, budget: float
) -> dict[str, Any]:
    r"""Return what Theorems 2 and 3 of [EGM] (``wide_networks``) promise of a chain of matrices.

    ``says`` in words; ``v_half`` is :math:`V(\tfrac12)`, over the variance of outputs (N, …), for
    inputs (N, …); ``xi`` the :math:`\xi` that promises the budget; ``fails``, of the hypotheses of
    Theorem 2 at :math:`\xi = \tfrac12`, pruning every weight with p = ½. ``green`` only if V < 1
    and none fails; other layers, or biases, are not what the theorems speak of.
    """
    found: dict[str, Any] = dict.fromkeys(("v_half", "xi", "fails")) | {"green": False}
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    alone = all(part in linear for part in module.modules() if _own(part))
    if not alone or len(linear) != len(weights):
        return found | {"says": "not given: the theorems speak of chains of linear layers"}
    try:
        constants, m = Constants.of(list(weights)), len(weights)
        radius = float(inputs.double().flatten(1).norm(dim=1).max())
        variance = float(outputs.double().flatten(1).var(0, correction=0).sum())
        known: Any = {"c1": constants.c1, "m": m, "radius": radius, "variance": variance}
        found["v_half"], found["xi"] = vacuity(_XI, **known), xi_for(budget, **known)
        plan = Plan(constants.widths, wide=tuple(range(1, m + 1)))
        rows = audit("2", plan, Pruning(keep=0.5), constants, Asked(_XI)).rows
        found["fails"] = sum(not row.holds for row in rows)
    except (ValueError, OverflowError) as why:
        return found | {"says": f"not given: {why}"}
    biases = any(part.bias is not None for part in linear)
    if found["v_half"] >= 1:
        says = "empty: a constant network keeps it too"
    elif biases or found["fails"]:
        says = "not kept by proof: " + ("biases" if biases else f"{found['fails']} hypotheses fail")
    else:
        says, found["green"] = "a promise: all hypotheses hold", True
    return found | {"says": says}


def curvature(
    module: nn.Module,
    names: Sequence[str],
    batches: Sequence[tuple[Tensor, Tensor]],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> dict[str, Any]:
    r"""Return what a loss says of removing the smallest of all weights named, and what it does.

    ``epsilon``: the standard deviation of the loss over batches, the rise that is allowed; shares
    removed: ``star``, :math:`s_\star` of [Z] with :math:`|H|` (kept weights re-adjusted); ``u2``,
    the largest at which :math:`\tfrac12 c^\top H c` is within; ``measured``, at which the rise is;
    ``curve``: pairs of share and rise. ``why_not`` in place of them beyond 100 000 weights.
    """
    plain = dict(module.named_parameters())
    chosen = tuple(dict.fromkeys(name for name in names if name in plain))
    total = sum(plain[name].numel() for name in chosen)
    if len(chosen) < len(set(names)) or not 1 <= total <= _LARGEST or len(batches) < 2:
        return {"why_not": f"not tried: plain weights up to {_LARGEST}, 2 batches or more"}
    objective = Objective(module, loss, batches, chosen)
    weights = objective.weights()
    with torch.no_grad():
        each = torch.stack([objective.at(weights, b) for b in range(len(batches))]).double()
    epsilon = float(each.std(correction=0))
    H, rank = hessian(objective), Ranking.magnitude(weights)
    spectrum = quadrature(H, min(_STEPS, total), dice("audit spectrum")).spectrum().absolute()
    counts = [max(1, round(share * total)) for share in _SHARES]
    with torch.no_grad():
        left = [weights - rank.removed(k).to(weights) for k in (0, *counts)]
        values = [float(objective.mean(partial(objective.at, one))) for one in left]
        rises = [value - values[0] for value in values[1:]]
    model = path_costs(H, weights, rank.order, counts).tolist()
    return {
        "epsilon": epsilon,
        "star": removed_limit(removed_star, rank, spectrum, epsilon),
        "u2": Scan.over([cost <= epsilon for cost in model], counts, total).largest,
        "measured": Scan.over([rise <= epsilon for rise in rises], counts, total).first,
        "curve": [list(pair) for pair in zip(_SHARES, rises, strict=True)],
    }


def _own(part: nn.Module) -> bool:
    return next(part.parameters(recurse=False), None) is not None

"""What the cuts of all layers do to a network: its outputs, the reader's own metric, promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from compressibility.audit.capture import first, mend, run
from compressibility.audit.findings import Report
from compressibility.audit.layer import Pruned
from compressibility.audit.sites import Site
from compressibility.bounds.pruned_layer.promises import vacuity, xi_for
from compressibility.bounds.wide_networks import Asked, Constants, audit
from compressibility.checks import finite, need
from compressibility.pruning.cuts import Plan
from compressibility.pruning.draws import Pruning

Metric = Callable[[nn.Module, Sequence[Any]], float]
"""Of the module and the held-out batches, as the loader gave them."""
Progress = Callable[[float, str], object]
"""Share done, and what is done next."""
_MENDED = 512  # inputs that the means of the network with all cuts are found on


def together(
    report: Report,
    module: nn.Module,
    cuts: Mapping[Site, Pruned],
    parts: Mapping[str, Sequence[Any]],
    dense: Tensor,
    metric: Metric | None,
    tell: Progress,
) -> None:
    """Cut layers alone, and all together: the reader's own metric, and the ``dense`` outputs."""
    new, old, found = parts["held_out"], parts["calibration"], report.network
    weights = [site.weight() for site in cuts]
    found["promise"] = promise(module, weights, [first(b) for b in old], dense, report.budget)
    if metric is not None:
        names = list(dict.fromkeys(site.name for site in cuts))
        for number, name in enumerate(names):
            tell(0.8 + 0.1 * number / len(names), f"the metric without a part of {name}")
            with ExitStack() as all_groups:
                for site in (one for one in cuts if one.name == name):
                    all_groups.enter_context(site.with_weight(cuts[site].weight, cuts[site].bias))
                found["metric"]["alone"][name] = float(metric(module, new))
    tell(0.9, "all together")
    mend(cuts, lambda: run(module, joined(old)))
    made = outputs(module, new)
    if metric is not None:
        found["metric"]["together"] = float(metric(module, new))
    for site, cut in cuts.items():
        report.tensors |= site.state() | {f"{site.label}.removed": cut.touched.contiguous()}
    gap, spread = (made - dense).square().sum() / len(dense), dense.var(0, correction=0).sum()
    found["outputs"] = {"error": float(gap / spread)}
    if dense.ndim == 2 and dense.shape[1] > 1:  # of maps nobody asks for the largest value
        changed = made.argmax(1) != dense.argmax(1)
        found["outputs"]["changed"] = float(changed.double().mean())


def promise(
    module: nn.Module,
    weights: Sequence[Tensor],
    batches: Sequence[Tensor],
    outputs: Tensor,
    budget: float,
) -> dict[str, Any]:
    r"""Return what Theorems 2 and 3 of [EGM] (``wide_networks``) would promise of a chain.

    ``says`` in words; ``v_half`` is :math:`V(\tfrac12)`, over the variance of outputs (N, …);
    ``xi`` the :math:`\xi` that promises the budget; ``hypotheses`` of Theorem 2 on widths, rows of
    ``bounds.rows``, for ξ = ½ and dice of chance ½ on half of each layer.
    """
    found: dict[str, Any] = dict.fromkeys(("v_half", "xi", "hypotheses"))
    own = [p for p in module.modules() if next(p.parameters(recurse=False), None) is not None]
    if len(own) != len(weights) or not all(isinstance(part, nn.Linear) for part in own):
        return found | {"says": "not given: the theorems speak of chains of linear layers"}
    try:
        constants = Constants.of(list(weights))
        plan = Plan(constants.widths, wide=tuple(range(1, len(weights) + 1)))
        asked = audit("2", plan, Pruning(0.5), constants, Asked(0.5, share=0.5))
        found["hypotheses"] = asked.as_records()
        known: Any = {"c1": constants.c1, "m": len(weights)}
        known["radius"] = max(float(x.double().flatten(1).norm(dim=1).max()) for x in batches)
        known["variance"] = float(outputs.double().flatten(1).var(0, correction=0).sum())
        found |= {"v_half": vacuity(0.5, **known), "xi": xi_for(budget, **known)}
    except (ValueError, OverflowError) as why:
        return found | {"says": f"not given: {why}"}
    kept = "empty: a constant network keeps it too"
    none = "of networks without biases, if all their hypotheses hold"
    return found | {"says": kept if found["v_half"] >= 1 else none}


def outputs(module: nn.Module, batches: Sequence[Any]) -> Tensor:
    """Return the first output of all inputs, (N, …) float64; of all places, if shapes differ."""
    made = []
    for batch in batches:
        out = _vector(run(module, batch))
        made.append(out.double() if out.ndim > 1 else out.double().reshape(-1, 1))
    if len({out.shape[1:] for out in made}) > 1:
        made = [out.flatten(0, -2) for out in made]
    shapes = {out.shape[1:] for out in made}
    need(len(shapes) == 1, "outputs whose last axes are alike", [tuple(one) for one in shapes])
    found = torch.cat(made)
    finite(outputs=found)
    need(bool(found.var(0, correction=0).any()), "outputs that vary", "the same on all inputs")
    return found


def _vector(out: Any) -> Tensor:
    """Return the first output that is more than one number, as a loss is."""
    if isinstance(out, Tensor):
        return out
    several = isinstance(out, Mapping | list | tuple)
    parts = list(out.values() if isinstance(out, Mapping) else out) if several else []
    found = [part for part in parts if getattr(part, "ndim", 1) > 0]
    need(bool(found), "a tensor among the outputs", type(out).__name__)
    return _vector(found[0])


def joined(batches: Sequence[Any]) -> Any:
    """Return the first inputs of batches as one, of those that are like the first."""
    named = isinstance(batches[0], Mapping)
    parts = [list(batch.values()) if named else [first(batch)] for batch in batches]

    def plain(part: Sequence[Any]) -> bool:
        tensors = all(isinstance(x, Tensor) and x.ndim > 0 for x in part)
        return tensors and len({len(x) for x in part}) == 1

    if not plain(parts[0]):
        return batches[0]
    shapes = [x.shape[1:] for x in parts[0]]
    alike = [part for part in parts if plain(part) and [x.shape[1:] for x in part] == shapes]
    whole = [torch.cat(column)[:_MENDED] for column in zip(*alike, strict=True)]
    return dict(zip(batches[0], whole, strict=True)) if named else whole[0]

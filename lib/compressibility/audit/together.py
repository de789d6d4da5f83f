"""What the cuts of all layers do to a network: its outputs, the reader's own metric, promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from compressibility.audit.capture import mend
from compressibility.audit.findings import Report
from compressibility.audit.layer import Pruned
from compressibility.audit.sites import Site
from compressibility.bounds.pruned_layer.promises import vacuity, xi_for
from compressibility.bounds.wide_networks import Constants

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
    metric: Metric | None,
    tell: Progress,
) -> None:
    """Cut layers alone, and all together: the reader's own metric, and the network's outputs."""
    new, old, found = parts["held_out"], parts["calibration"], report.network
    dense = _outputs(module, new)
    weights = [site.weight() for site in cuts]
    found["promise"] = promise(module, weights, [first(b) for b in old], dense, report.budget)
    if metric is not None:
        for number, (site, cut) in enumerate(cuts.items()):
            tell(0.8 + 0.1 * number / len(cuts), f"the metric without a part of {site.label}")
            with site.with_weight(cut.weight, cut.bias):
                found["metric"]["alone"][site.label] = float(metric(module, new))
    tell(0.9, "all together")
    alike = _joined([batch for batch in old if first(batch).shape[1:] == first(old[0]).shape[1:]])
    mend(cuts, lambda: run(module, alike))
    made = _outputs(module, new)
    if metric is not None:
        found["metric"]["together"] = float(metric(module, new))
    for site, cut in cuts.items():
        report.tensors |= site.state() | {f"{site.label}.removed": cut.touched.contiguous()}
    gap, spread = (made - dense).square().sum(1).mean(), dense.var(0, correction=0).sum()
    found["outputs"] = {"error": float(gap / spread)}
    if dense.shape[1] > 1:
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
    ``xi`` the :math:`\xi` that promises the budget. Hypotheses are not looked at: it is no proof.
    """
    found: dict[str, Any] = dict.fromkeys(("v_half", "xi"))
    own = [p for p in module.modules() if next(p.parameters(recurse=False), None) is not None]
    if len(own) != len(weights) or not all(isinstance(part, nn.Linear) for part in own):
        return found | {"says": "not given: the theorems speak of chains of linear layers"}
    try:
        known: Any = {"c1": Constants.of(list(weights)).c1, "m": len(weights)}
        known["radius"] = max(float(x.double().flatten(1).norm(dim=1).max()) for x in batches)
        known["variance"] = float(outputs.double().flatten(1).var(0, correction=0).sum())
        found |= {"v_half": vacuity(0.5, **known), "xi": xi_for(budget, **known)}
    except (ValueError, OverflowError) as why:
        return found | {"says": f"not given: {why}"}
    kept = "empty: a constant network keeps it too"
    none = "of networks without biases, if all their hypotheses hold: nobody has looked here"
    return found | {"says": kept if found["v_half"] >= 1 else none}


def _outputs(module: nn.Module, batches: Sequence[Any]) -> Tensor:
    """Return the first output of each input, flat: (N, …) float64."""
    made = []
    for batch in batches:
        out: Any = run(module, batch)
        while not isinstance(out, Tensor):
            out = next(iter(out.values() if isinstance(out, Mapping) else out))
        made.append(out.double().flatten(1) if out.ndim > 1 else out.double()[:, None])
    return torch.cat(made)


def _joined(batches: Sequence[Any]) -> Any:
    """Return the first inputs of batches as one."""
    if isinstance(batches[0], Mapping):
        return {key: _joined([batch[key] for batch in batches]) for key in batches[0]}
    return torch.cat([first(batch) for batch in batches])[:_MENDED]


def run(module: nn.Module, batch: Any) -> Any:
    """Call a module by keywords, or on inputs or (inputs, targets)."""
    if isinstance(batch, Mapping):
        return module(**batch)
    return module(batch[0] if isinstance(batch, list | tuple) else batch)


def first(batch: Any) -> Tensor:
    """Return the inputs of a batch, the first of several."""
    found = next(iter(batch.values())) if isinstance(batch, Mapping) else batch
    return torch.as_tensor(found[0] if isinstance(found, list | tuple) else found)

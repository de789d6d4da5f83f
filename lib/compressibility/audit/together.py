"""What the cuts of all layers do to a network: its outputs, and the reader's own metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from compressibility.audit.capture import capture
from compressibility.audit.findings import Report
from compressibility.audit.layer import Pruned
from compressibility.audit.measured import Inputs
from compressibility.audit.promised import promise
from compressibility.audit.sites import Site
from compressibility.dice import dice

Metric = Callable[[nn.Module, Sequence[Any]], float]
"""Of the module and the held-out batches, as the loader gave them."""
Progress = Callable[[float, str], object]
"""Share done, and what is done next."""
BYTES = 2**28  # of inputs kept, of all layers
_PASSES = 16  # batches that run through the network while its means are mended


def together(
    report: Report,
    module: nn.Module,
    cuts: Mapping[Site, Pruned],
    calibration: Sequence[Any],
    held_out: Sequence[Any],
    metric: Metric | None,
    tell: Progress,
) -> None:
    """Cut layers alone and, means mended on what the cut network feeds, all together."""
    if not cuts:
        return
    dense = _outputs(module, held_out)
    labels = dict(zip(cuts, (layer["name"] for layer in report.layers), strict=True))
    weights = [site.weight() for site in cuts]
    inputs = torch.cat([first(batch) for batch in calibration])
    found = report.network
    found["promise"] = promise(module, weights, inputs, dense, report.budget)
    if metric is not None:
        found["metric"] = {"dense": float(metric(module, held_out)), "alone": {}}
        for number, (site, cut) in enumerate(cuts.items()):
            tell(0.8 + 0.1 * number / len(cuts), f"the metric without a part of {labels[site]}")
            with site.with_weight(cut.weight, cut.bias):
                found["metric"]["alone"][labels[site]] = float(metric(module, held_out))
    with ExitStack() as stack:
        for number, (site, cut) in enumerate(cuts.items()):
            tell(0.9 + 0.05 * number / len(cuts), f"all together: {labels[site]}")
            bias = cut.bias
            if bias is not None:
                some = calibration[: max(1, _PASSES // len(cuts))]
                lots = dice("audit", "together")
                fed = capture(module, some, [site], generator=lots, cap=BYTES, call=run)
                bias = (site.weight() - cut.weight).double() @ Inputs(fed[site]).mean
            stack.enter_context(site.with_weight(cut.weight, bias))
        made = _outputs(module, held_out)
        if metric is not None:
            found["metric"]["together"] = float(metric(module, held_out))
        for site, cut in cuts.items():
            report.tensors |= _saved(site, cut)
    gap, spread = (made - dense).square().sum(1).mean(), dense.var(0, correction=0).sum()
    found["outputs"] = {"error": float(gap / spread)}
    if dense.shape[1] > 1:
        changed = made.argmax(1) != dense.argmax(1)
        found["outputs"]["changed"] = float(changed.double().mean())


def _saved(site: Site, cut: Pruned) -> dict[str, Tensor]:
    owner, leaf = site.uses[0]
    names = {site.name: leaf}
    if cut.bias is not None:
        bias = leaf.replace("weight", "bias", 1)
        names[site.name.removesuffix(leaf) + bias] = bias
    found = {name: getattr(owner, leaf).detach().clone() for name, leaf in names.items()}
    name = f"{site.name}.removed" if site.groups == 1 else f"{site.name}.removed.{site.group}"
    return found | {name: cut.touched.contiguous()}


def _outputs(module: nn.Module, batches: Sequence[Any]) -> Tensor:
    """Return the first output of each input, flat: (N, …) float64."""
    made = []
    for batch in batches:
        out: Any = run(module, batch)
        while not isinstance(out, Tensor):
            out = next(iter(out.values() if isinstance(out, Mapping) else out))
        made.append(out.double().flatten(1) if out.ndim > 1 else out.double()[:, None])
    return torch.cat(made)


def run(module: nn.Module, batch: Any) -> Any:
    """Call a module by keywords, or on inputs or (inputs, targets)."""
    if isinstance(batch, Mapping):
        return module(**batch)
    return module(batch[0] if isinstance(batch, list | tuple) else batch)


def first(batch: Any) -> Tensor:
    """Return the inputs of a batch, the first of several."""
    found = next(iter(batch.values())) if isinstance(batch, Mapping) else batch
    return torch.as_tensor(found[0] if isinstance(found, list | tuple) else found)

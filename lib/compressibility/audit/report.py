"""The audit of a reader's own network: what may go, exactly, and how sure."""

from __future__ import annotations

import math
import platform
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from compressibility.audit.capture import Seen, capture, count, run
from compressibility.audit.curvature import curvature
from compressibility.audit.findings import ENDS, Report
from compressibility.audit.layer import Pruned
from compressibility.audit.measured import KINDS, Fed, largest
from compressibility.audit.sites import Site, plain, sites
from compressibility.audit.together import Metric, Progress, joined, outputs, together
from compressibility.audit.weights import weight_facts
from compressibility.checks import need
from compressibility.dice import dice
from compressibility.spectrum.operators import Objective

PARTS = ("calibration", "validation", "held_out")
_BYTES, _ROWS = 2**28, 2**12  # of inputs kept: of all layers, of each


def audit(
    module: nn.Module,
    loader: Iterable[Any],
    *,
    metric: Metric | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    budget: float = 0.01,
    progress: Progress | None = None,
) -> Report:
    """Audit a module on batches, (inputs, targets) or as of ``capture``, dealt in three.

    Cuts are chosen on calibration batches, how much of them on validation batches; what is reported
    is measured on those held out, the metric too. A loss, the mean over (outputs, targets), adds
    the ``curvature`` on calibration batches. The module itself is not touched: a copy is cut.

    >>> net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    >>> report = audit(net, torch.eye(8).double().repeat(6, 1).split(8), budget=0.05)
    """
    need(isinstance(module, nn.Module), "an nn.Module", type(module).__name__)
    report, batches, tell = Report(budget), list(loader), progress or (lambda *_: None)
    need(len(batches) >= len(PARTS), "3 batches or more: they are dealt in three", len(batches))
    parts = {name: batches[at :: len(PARTS)] for at, name in enumerate(PARTS)}
    report.about = {f"{name}_inputs": sum(map(count, part)) for name, part in parts.items()}
    copy, state = plain(module), module.state_dict()
    own = [p for name, p in copy.named_parameters() if name in state or p.ndim > 1]  # no new bias
    report.network["parameters"] = sum(p.numel() for p in own)
    with _made(report):
        tell(0.0, "the inputs of all layers")
        left, why = sites(copy)
        named = {site.name for site in left} | (copy.state_dict().keys() - state.keys())
        for name in [one for one in dict.fromkeys([*state, *why]) if one not in named]:
            reason = why.get(name, "a part that a parametrized weight is made of")
            report.skip(name, getattr(state.get(name), "shape", []), reason)
        dense = _try(report, copy, parts, metric)
        seen = {
            name: capture(copy, part, left, generator=dice("audit", name), cap=_BYTES, most=_ROWS)
            for name, part in parts.items()
        }
        names = dict.fromkeys(one.name for one in left if all(one in x for x in seen.values()))
        bowl = loss and Objective(copy, loss, parts["calibration"], tuple(names))
        cuts = _cut(report, left, seen, tell)
        if bowl:
            tell(0.8, "the curvature of the loss")
            try:
                report.network["curvature"] = curvature(bowl)
            except (ValueError, RuntimeError) as none:  # one batch; what has no second derivative
                report.network["curvature"] = {"says": f"not given: {none}"}
        try:
            if cuts:
                together(report, copy, cuts, parts, dense, metric, tell)
        except Exception as error:  # of the reader's own, on a cut network: the layers stay
            report.network["failed"] = f"{type(error).__name__}: {error}"
    return report


def _try(
    report: Report,
    copy: nn.Module,
    parts: Mapping[str, Sequence[Any]],
    metric: Metric | None,
) -> Tensor:
    """Run once what may fail, before any work that it could lose; return the held-out outputs."""
    dense = outputs(copy, parts["held_out"])
    again = (outputs(copy, parts["held_out"]) - dense).square().sum() / len(dense)
    report.network["random"] = float(again / dense.var(0, correction=0).sum())
    run(copy, joined(parts["calibration"]))
    if metric is not None:
        tried = float(metric(copy, parts["held_out"]))
        need(math.isfinite(tried), "a finite metric of the network as it is", tried)
        report.network["metric"] = {"dense": tried, "alone": {}}
    return dense


def _cut(
    report: Report, found: Sequence[Site], seen: Mapping[str, Mapping[Site, Seen]], tell: Progress
) -> dict[Site, Pruned]:
    """Audit layer by layer: a row each, or why there is none, also of those not reached."""
    cuts, left, sizes = dict[Site, Pruned](), list(found), {s: s.rows * s.columns for s in found}
    try:
        while left:
            site = left[0]
            done = 1 - sum(sizes[one] for one in left) / sum(sizes.values())
            tell(0.1 + 0.7 * done, site.label)
            try:
                rows = {name: of[site] for name, of in seen.items() if site in of}
                made = _layer(site, rows, report.budget)
            except ValueError as error:  # of one layer, such as with values of 1e308
                made = str(error)
            if isinstance(made, str):
                report.skip(site.label, (site.rows, site.columns), made)
            else:
                report.layers.append(made[0])
                cuts[site] = made[1]
            left.pop(0)
    finally:
        for site in left:
            report.skip(site.label, (site.rows, site.columns), "interrupted before")
    return cuts


def audit_weights(
    checkpoint: Mapping[str, Any], *, budget: float = 0.01, progress: Progress | None = None
) -> Report:
    """Say what can be said without inputs: of a ``Checkpoint``, or of a dict of tensors' entries.

    Tails, norms, ranks, layer by layer; never an error: that depends on what a layer sees.
    """
    report, tell, done = Report(budget), progress or (lambda *_: None), 0
    total = sum(math.prod(entry.shape) for entry in checkpoint.values())
    report.network["parameters"] = total
    turned = ["of a MatMul its columns are outputs"] * (getattr(checkpoint, "kind", "") == "onnx")
    with _made(report):
        for name, entry in checkpoint.items():
            tell(done / max(total, 1), name)
            done += math.prod(entry.shape)
            if entry.why_not is not None:
                report.skip(name, entry.shape, entry.why_not)
                optimizer = "optimizer" in entry.why_not
                report.network["parameters"] -= math.prod(entry.shape) * optimizer
                continue
            wide = torch.float64 if entry.dtype == "float64" else torch.float32
            note = "; ".join([f"upcast from {entry.dtype}"] * ("16" in entry.dtype) + turned)
            try:
                report.layers.append(_row(name, name, entry.tensor(wide).flatten(1), note, budget))
            except ValueError as error:  # values of 1e308
                report.skip(name, entry.shape, str(error))
    return report


@contextmanager
def _made(report: Report) -> Iterator[None]:
    """Keep what is done by Ctrl-C; add totals, and how it was made."""
    need(0 < report.budget < 1, "0 < budget < 1", report.budget)
    begun = time.perf_counter()
    try:
        yield
    except KeyboardInterrupt:
        report.partial = True
    report.add_up()
    report.about |= {name: version(name) for name in ("torch", "numpy", "why-networks-compress")}
    report.about |= {"python": platform.python_version(), "seed": "named dice: no clock, no seed"}
    report.about["seconds"] = round(time.perf_counter() - begun, 1)
    report.about["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _layer(
    site: Site, inputs: Mapping[str, Seen], budget: float
) -> tuple[dict[str, Any], Pruned] | str:
    if len(inputs) < len(PARTS):
        return "never called as a module on these inputs"
    weight = site.weight()
    if torch.equal(weight.float().double(), weight):  # as most are kept: half the memory
        weight = weight.float()
    fed = {name: Fed(weight, *seen) for name, seen in inputs.items()}
    if any(one.unit[0] <= 1e-12 * max(one.unit[1], 1e-300) for one in fed.values()):
        return "its outputs do not vary on these inputs"
    seen, new, methods = fed["calibration"], fed["held_out"], dict[str, Any]()
    row = _row(site.label, site.name, weight, site.note, budget)
    row |= {"samples": len(seen.inputs), "new_samples": len(new.inputs), "methods": methods}
    row |= {"curves": {}, "power_ratio": new.unit[1] / new.unit[0]}
    for method, kind in KINDS.items():
        found = methods[method] = {"kind": kind, "why_not": seen.why_not(method, bool(site.biases))}
        if found["why_not"] is None:
            start = methods["std + mean"]["units"] if method == "readjusted" else 0
            ends, errors = largest(seen, fed["validation"], method, budget, start)
            cut = seen.cut(method, ends[0])
            if start and torch.equal(cut.weight, seen.cut("std + mean", ends[0]).weight):
                found["kind"] = "as std + mean: readjusting would not pay on so few samples"
            found |= dict(zip(ENDS, (seen.saved(method, k) for k in ends), strict=True))
            judged = {name: one.error(cut) for name, one in fed.items()}
            found |= {name: error for name, (error, _) in judged.items()}
            found |= {"units": ends[0], "standard_error": judged["held_out"][1]}
            row["curves"][method] = [[seen.saved(method, k), e] for k, e in errors.items()]
    best = "std + mean" if site.biases else "Wanda"
    pairs = {name: [methods[name].get(end, 0.0) for end in ENDS] for name in (best, "readjusted")}
    if pairs["readjusted"][:2] > pairs[best][:2]:  # more, or as much and more surely
        best = "readjusted"
    cut = seen.cut(best, methods[best]["units"])
    hole = weight.masked_fill(~cut.touched, 0.0)
    row |= {"recommended": best, "alignment": new.alignment(hole, restored=False)}
    row["alignment_restored"] = new.alignment(hole, restored=True)
    if site.gates:
        row["gates"] = dict(zip(site.gates, new.of_gates(cut, len(site.gates)), strict=True))
    row["warnings"] = list(_warnings(row, methods[best], budget))
    return row, cut


def _warnings(row: Mapping[str, Any], best: Mapping[str, Any], budget: float) -> Iterator[str]:
    inputs, old, new = row["shape"][1], best["calibration"], best["held_out"]
    if row["samples"] <= inputs + 2:
        few = f"few samples: {row['samples']} calibration rows for {inputs} inputs"
        yield f"{few}; with more, what stays may be readjusted, and more may go"
    if row["zeros"] > 0.01:
        yield f"{row['zeros']:.0%} of its weights are zero already"
    if abs(old - new) > 0.2 * max(old, new):
        yield f"calibration and held-out errors differ: {old:.2%} and {new:.2%}"
    if new > 1.2 * budget:
        yield f"the error on new inputs is above the budget: {new:.2%}"
    if best["removed_high"] - best["removed_low"] > 0.1:
        low, high = best["removed_low"], best["removed_high"]
        yield f"more inputs may move the share: {low:.0%} to {high:.0%}"
    if "tied" in row["note"]:
        yield "tied: one error over all its uses, of which each may be worse"
    if row["power_ratio"] > 2:
        yield f"a share of the power would look {row['power_ratio']:.1f} times smaller"


def _row(label: str, tensor: str, weight: Tensor, note: str, budget: float) -> dict[str, Any]:
    row = {"name": label, "tensor": tensor, "shape": list(weight.shape), "weights": weight.numel()}
    row["zeros"] = 1 - int(weight.count_nonzero()) / weight.numel()
    return row | {"note": note, "weight": weight_facts(weight, budget, label)}

"""The audit of a reader's own network: what may go, exactly, and how sure."""

from __future__ import annotations

import math
import platform
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from compressibility.audit.capture import capture
from compressibility.audit.findings import Report
from compressibility.audit.layer import Pruned
from compressibility.audit.measured import KINDS, Cutter, Inputs, Judge, largest
from compressibility.audit.promised import curvature
from compressibility.audit.sites import Site, sites, still
from compressibility.audit.together import BYTES, Metric, Progress, first, run, together
from compressibility.audit.weights import weight_facts
from compressibility.checks import need
from compressibility.dice import dice

_ROWS = 2**12  # of inputs kept, of each layer


def audit(
    module: nn.Module,
    loader: Iterable[Any],
    *,
    metric: Metric | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    budget: float = 0.01,
    progress: Progress | None = None,
) -> Report:
    """Audit a module on batches, inputs or (inputs, targets): every second one is held out.

    Cuts are chosen on calibration batches and judged on those held out. The metric is of the module
    and the held-out batches; the loss, a mean over (outputs, targets), is for the curvature. The
    module is left as it was.

    >>> net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    >>> report = audit(net, torch.ones(4, 8, 8).double().cumsum(2).split(1), budget=0.05)
    """
    need(0 < budget < 1, "0 < budget < 1", budget)
    report, begun, tell = Report(budget), time.perf_counter(), progress or (lambda *_: None)
    batches = list(loader)
    need(len(batches) >= 2, "2 batches or more: every second one is held out", len(batches))
    calibration, held_out = batches[::2], batches[1::2]
    try:
        with still(module):
            cuts = _layers(report, module, calibration, held_out, tell)
            together(report, module, cuts, calibration, held_out, metric, tell)
            if loss is not None:
                tell(0.95, "the curvature of the loss")
                names = [one["tensor"] for one in report.layers]
                with torch.enable_grad():
                    found = curvature(module, names, calibration, loss)
                report.network["curvature"] = found
    except KeyboardInterrupt:
        report.partial = True
    counts = (sum(len(first(batch)) for batch in batches) for batches in (calibration, held_out))
    report.about |= dict(zip(("calibration_inputs", "held_out_inputs"), counts, strict=True))
    return _closed(report, begun, sum(p.numel() for p in module.parameters()))


def audit_weights(
    checkpoint: Mapping[str, Any], *, budget: float = 0.01, progress: Progress | None = None
) -> Report:
    """Say what can be said without inputs: of a ``Checkpoint``, or of a dict of tensors' entries.

    Tails, norms, ranks, layer by layer; never an error: that depends on what a layer sees.
    """
    need(0 < budget < 1, "0 < budget < 1", budget)
    report, begun, tell = Report(budget), time.perf_counter(), progress or (lambda *_: None)
    total = sum(math.prod(entry.shape) for entry in checkpoint.values())
    done = 0
    try:
        for name, entry in checkpoint.items():
            tell(done / max(total, 1), name)
            done += math.prod(entry.shape)
            if entry.why_not is not None:
                skip = {"name": name, "shape": list(entry.shape), "why": entry.why_not}
                report.skipped.append(skip)
                continue
            wide = torch.float64 if entry.dtype == "float64" else torch.float32
            weight = entry.tensor(wide).flatten(1)
            row = _row(name, name, weight, weight_facts(weight, budget, name))
            row["note"] = f"upcast from {entry.dtype}" if "16" in entry.dtype else ""
            report.layers.append(row)
    except KeyboardInterrupt:
        report.partial = True
    return _closed(report, begun, total)


def _layers(
    report: Report,
    module: nn.Module,
    calibration: Sequence[Any],
    held_out: Sequence[Any],
    tell: Progress,
) -> dict[Site, Pruned]:
    """Audit site after site; return the recommended cuts."""
    tell(0.0, "the inputs of all layers")
    found, why = sites(module)
    seen, new = (
        capture(
            module,
            batches,
            found,
            generator=dice("audit", kind),
            cap=BYTES,
            most=_ROWS,
            call=run,
        )
        for kind, batches in (("calibration", calibration), ("held out", held_out))
    )
    units = sum(len(first(batch)) for batch in held_out)
    state, cuts = module.state_dict(), dict[Site, Pruned]()
    report.skipped += [
        {"name": name, "shape": list(getattr(state.get(name), "shape", [])), "why": reason}
        for name, reason in why.items()
    ]
    total = sum(site.rows * site.columns for site in found)
    done, left = 0, list(found)
    try:
        for site in found:
            label = site.name if site.groups == 1 else f"{site.name} [{site.group}]"
            tell(0.1 + 0.7 * done / total, label)
            done += site.rows * site.columns
            made: tuple[dict[str, Any], Pruned] | str = "the inputs never reach it"
            if site in seen and site in new:
                x, y = Inputs(seen[site]), Inputs(new[site], min(units, len(new[site])))
                made = _layer(site, label, x, y, report.budget)
            if isinstance(made, str):
                shape = [site.rows, site.columns]
                report.skipped.append({"name": label, "shape": shape, "why": made})
            else:
                report.layers.append(made[0])
                cuts[site] = made[1]
            left.remove(site)
    finally:
        report.skipped += [
            {"name": s.name, "shape": [s.rows, s.columns], "why": "interrupted before"}
            for s in left
        ]
    return cuts


def _layer(
    site: Site, label: str, seen: Inputs, new: Inputs, budget: float
) -> tuple[dict[str, Any], Pruned] | str:
    weight = site.weight()
    if torch.equal(weight.float().double(), weight):  # as most are kept: half the memory
        weight = weight.float()
    cutter, judge, back = Cutter(weight, seen), Judge(weight, new), Judge(weight, seen)
    if min(judge.unit[0], back.unit[0]) <= 1e-12 * max(judge.unit[1], 1e-300):
        return "its outputs do not vary on these inputs"
    methods: dict[str, dict[str, Any]] = {}
    row = _row(label, site.name, weight, weight_facts(weight, budget, label))
    row |= {"note": site.note, "samples": len(seen.values), "new_samples": len(new.values)}
    row |= {"methods": methods, "curves": {}, "power_ratio": judge.unit[1] / judge.unit[0]}
    for method, kind in KINDS.items():
        no = cutter.why_not_readjusted if method == "readjusted" else None
        no = no or (None if site.mendable or "mean" not in kind else "not offered: takes no bias")
        methods[method] = {"kind": kind, "why_not": no}
        if no is None:
            start = methods["std + mean"]["units"] if method == "readjusted" else 0
            (low, gone, high), errors = largest(cutter, judge, method, budget, start)
            cut = cutter.cut(method, gone)
            error, deviation = judge.error(cut)
            saved = [float(cutter.saved(method, k)) for k in (gone, low, high)]
            methods[method] |= dict(
                zip(("removed", "removed_low", "removed_high"), saved, strict=True)
            )
            methods[method] |= {"units": gone, "held_out": error, "standard_error": deviation}
            methods[method]["calibration"] = back.error(cut)[0]
            pairs = ([float(cutter.saved(method, k)), error] for k, error in errors.items())
            row["curves"][method] = list(pairs)
    best = "std + mean" if site.mendable else "Wanda"
    if methods["readjusted"].get("removed", 0.0) > methods[best]["removed"]:
        best = "readjusted"
    cut = cutter.cut(best, methods[best]["units"])
    hole = weight.masked_fill(~cut.touched, 0.0)
    row |= {"recommended": best, "alignment": judge.alignment(hole, restored=False)}
    row["alignment_restored"] = judge.alignment(hole, restored=True)
    row["warnings"] = list(_warnings(row, methods[best]))
    return row, cut


def _warnings(row: Mapping[str, Any], best: Mapping[str, Any]) -> Iterator[str]:
    inputs, pair = row["shape"][1], (best["calibration"], best["held_out"])
    if row["samples"] < inputs:
        yield f"few samples: {row['samples']} calibration rows for {inputs} inputs"
    if max(pair) > 0 and max(pair) - min(pair) > 0.2 * max(pair):
        yield f"calibration and held-out errors differ: {pair[0]:.2%} and {pair[1]:.2%}"
    if best["removed_high"] - best["removed_low"] > 0.1:
        low, high = best["removed_low"], best["removed_high"]
        yield f"more inputs may move the share: {low:.0%} to {high:.0%}"
    if row["power_ratio"] > 2:
        yield f"a share of the power would look {row['power_ratio']:.1f} times smaller"


def _row(label: str, tensor: str, weight: Tensor, facts: dict[str, Any]) -> dict[str, Any]:
    shape = {"shape": list(weight.shape), "weights": weight.numel()}
    return {"name": label, "tensor": tensor, **shape, "note": "", "weight": facts}


def _closed(report: Report, begun: float, parameters: int) -> Report:
    """Add totals, the sentence, and how it was made."""
    covered = sum(layer["weights"] for layer in report.layers)
    report.network |= {"covered": covered, "parameters": parameters}
    for end in ("removed", "removed_low", "removed_high"):
        parts = [
            layer["methods"][layer["recommended"]][end] * layer["weights"]
            for layer in report.layers
            if "methods" in layer
        ]
        report.network[end] = sum(parts) / covered if parts else None
    report.about |= {name: version(name) for name in ("torch", "numpy", "why-networks-compress")}
    report.about |= {"python": platform.python_version(), "seed": "named dice: no clock, no seed"}
    report.about["seconds"] = round(time.perf_counter() - begun, 1)
    report.about["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return report

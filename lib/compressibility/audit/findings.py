"""What an audit found: rows, one sentence, JSON; and the cut weights, to be put back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compressibility.checks import need


@dataclass(eq=False)
class Report:
    """What an audit found; ``json`` has these fields, but ``tensors``.

    ======================= ====================================================================
    ``schema``              1; raised when the meaning of a field changes
    ``sentence``            what may go, in words
    ``budget``              the error that is allowed, a share of the variance of outputs
    ``partial``             true if it was interrupted: layers not reached are in ``skipped``
    ``layers[]``            ``name``, ``tensor``, ``shape`` (h', n), ``weights``, ``note``;
                            ``samples``, ``new_samples``: calibration and held-out rows;
                            ``weight``: :func:`weights.weight_facts`; and as below
    ``….methods{}``         of magnitude, Wanda, std + mean, readjusted, columns, ranks, dice:
                            ``kind``, ``removed`` share at the budget (of the layer's numbers),
                            ``removed_low``, ``removed_high``: with two standard errors more, or
                            less; ``held_out``, ``standard_error``, ``calibration``: errors there;
                            ``units`` that go; or ``why_not``
    ``….recommended``       "readjusted" where it beats "std + mean" held out; "Wanda" where no
                            bias can restore a mean
    ``….alignment``         r = M/P of what goes by it, ``….alignment_restored`` with C for S
    ``….power_ratio``       power of the outputs over their variance
    ``….warnings[]``        in words
    ``….curves{}``          by method: pairs of removed share and held-out error
    ``skipped[]``           ``name``, ``shape``, ``why``
    ``network``             ``covered``, ``parameters``, ``removed`` (``_low``, ``_high``) of the
                            covered weights; ``outputs``: error and share of changed answers with
                            all cut; ``metric``: ``dense``, ``together``, ``alone{}``; ``promise``
                            and ``curvature``: :mod:`promised`
    ``about``               versions, seed, file and its SHA-256, seconds, memory (MB), inputs
    ======================= ====================================================================
    """

    budget: float
    layers: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    network: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    partial: bool = False
    schema: int = 1
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What may go, in words: the first line of the report."""
        found, layers = self.network, len(self.layers)
        part = f"{found['covered'] / max(found['parameters'], 1):.0%}"
        part = ">99%" if part == "100%" and found["covered"] < found["parameters"] else part
        what = f"{found['covered']:,} weights in {layers} layers ({part} of the network)"
        what = "of " + what.replace(",", "\u202f")
        if self.partial:
            what = "Interrupted, so this is a part: " + what
        if found["removed"] is None:
            why = "without inputs no error can be known"
            why = "none could be measured" if "held_out_inputs" in self.about else why
            return f"{what[0].upper()}{what[1:]} none can be said to be free to go: {why}."
        ends = f"{found['removed_low']:.0%} to {found['removed_high']:.0%}"
        new = self.about["held_out_inputs"]
        share, error = f"{found['removed']:.0%} ({ends})", f"{self.budget:.1%} error of each layer"
        says = f"{what} {share} can go at {error}"
        says = f"{says}, measured on {new} new inputs".replace(".0%", "%")
        if "outputs" in found:
            says += f"; all at once they move the outputs by {found['outputs']['error']:.1%}"
        if "metric" in found and "together" in found["metric"]:
            metric = found["metric"]
            worst = max(metric["alone"], key=lambda k: abs(metric["alone"][k] - metric["dense"]))
            moved = f"your metric: {metric['dense']:.4g}, all layers cut {metric['together']:.4g}"
            says = f"{moved}, one alone at worst {metric['alone'][worst]:.4g} ({worst}); {says}"
        return says[0].upper() + says[1:] + "."

    @property
    def frame(self) -> pd.DataFrame:
        """A row per layer and method; of skipped tensors one that says why."""
        rows = [
            {"layer": layer["name"], "method": method, **found}
            for layer in self.layers
            for method, found in layer.get("methods", {}).items()
        ]
        return pd.DataFrame(
            rows + [{"layer": s["name"], "why_not": s["why"]} for s in self.skipped]
        )

    def json(self) -> str:
        """Return all but tensors as JSON; what is not finite is null."""
        fields = {"sentence": self.sentence} | vars(self)
        del fields["tensors"]
        return json.dumps(_finite(fields), indent=1, ensure_ascii=False, allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Save cut weights, mended biases and masks (True: gone); ``mend`` puts them back."""
        need(bool(self.tensors), "an audit with inputs, run to its end, to save", "none")
        about = {"format": "pt", "sentence": self.sentence}
        save_file({k: v.contiguous() for k, v in self.tensors.items()}, path, about)


def mend(module: nn.Module, path: str | Path) -> nn.Module:
    """Put what ``Report.save`` left into a module of the same architecture, and return it."""
    for name, tensor in load_file(path).items():
        owner, _, leaf = name.rpartition(".")
        if ".removed" in name:
            continue
        of = module.get_submodule(owner)
        plain = leaf in of._parameters
        need(plain, f"a plain parameter {name} (remove its parametrization first)", type(of))
        old = of._parameters[leaf]
        if old is None:
            setattr(of, leaf, nn.Parameter(tensor))
        else:
            old.data.copy_(tensor)  # other layers may share it
    return module


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

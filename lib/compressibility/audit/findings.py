"""What an audit found: rows, one sentence, JSON; and the cut weights, to be put back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compressibility.checks import need

ENDS = ("removed", "removed_low", "removed_high")


@dataclass(eq=False)
class Report:
    """What an audit found; ``json`` has these fields, but ``tensors``.

    ===================== ====================================================================
    ``schema``            2; raised when the meaning of a field changes
    ``sentence``          what may go, in words
    ``budget``            the error that is allowed, a share of the variance of outputs
    ``partial``           true if it was interrupted: layers not reached are in ``skipped``
    ``layers[]``          ``name``, ``tensor``, ``shape`` (h', n), ``weights``, ``note``;
                          ``samples``, ``new_samples``: calibration and held-out rows;
                          ``weight``: :func:`~.weight_facts`; and as below
    ``….methods{}``       of magnitude, Wanda, std + mean, readjusted, columns, ranks, dice:
                          ``kind``, ``removed`` share of the layer's numbers, within the budget on
                          validation inputs, ``removed_low``, ``removed_high``: with two standard
                          errors more, or less; ``calibration``, ``validation``, ``held_out``,
                          ``standard_error``: errors there; ``units`` that go; or ``why_not``
    ``….recommended``     "readjusted" where more may go than by "std + mean"; "Wanda" where no
                          bias can restore a mean
    ``….alignment``       r = M/P of what goes by it, ``….alignment_restored`` with C for S
    ``….gates{}``         of a recurrent layer, the held-out error of each gate, of its own variance
    ``….power_ratio``     power of the outputs over their variance
    ``….zeros``           share of the weights that are zero already
    ``….warnings[]``      in words
    ``….curves{}``        by method: pairs of removed share and error, on validation inputs
    ``skipped[]``         ``name``, ``shape``, ``why``
    ``network``           ``covered``, ``parameters``, ``removed`` (``_low``, ``_high``) of the
                          covered weights, ``worst``: the largest held-out error of a layer; with
                          all cut ``outputs``: error, share of changed answers; ``metric``:
                          ``dense``, ``together``, ``alone{}`` by tensor; ``promise``;
                          ``curvature`` of the loss: :func:`~.curvature`; ``random``:
                          error of a second run; ``failed``: why there is no more
    ``about``             versions, seed, file and its SHA-256, seconds, memory (MB), inputs
    ===================== ====================================================================
    """

    budget: float
    layers: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    network: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    partial: bool = False
    schema: int = 2
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def skip(self, name: str, shape: Any, why: str) -> None:
        """Add a row of what is not covered."""
        self.skipped.append({"name": name, "shape": list(shape), "why": why})

    def add_up(self) -> None:
        """Fill in what holds of all layers."""
        covered = sum(layer["weights"] for layer in self.layers)
        best = [(m[r["recommended"]], r["weights"]) for r in self.layers if (m := r.get("methods"))]
        self.network["covered"] = covered
        for end in ENDS:
            total = sum(found[end] * weights for found, weights in best)
            self.network[end] = total / covered if best else None
        self.network["worst"] = max((found["held_out"] for found, _ in best), default=None)

    @property
    def sentence(self) -> str:
        """What may go, in words: the first line of the report."""
        found, new = self.network, self.about.get("held_out_inputs")
        count = len({layer["tensor"] for layer in self.layers})
        part = f"{found['covered'] / max(found['parameters'], 1):.0%}"
        part = ">99%" if part == "100%" and found["covered"] < found["parameters"] else part
        says = f"of {found['covered']:,} weights in {count} layer{'s' * (count != 1)}"
        says += f" ({part} of the network)"
        says = "Interrupted, so this is a part: " * self.partial + says.replace(",", "\u202f")
        if found["removed"] is None:
            why = "without inputs no error can be known" if new is None else "nothing was measured"
            says += f" none can be said to be free to go: {why}"
        else:
            share, low, high = (percent(found[end]) for end in ENDS)
            says += f" {share} ({low} to {high}) can go at {percent(self.budget)} error of each"
            worst = percent(found["worst"])
            if found["worst"] > self.budget:  # with a digit more: not rounded to the budget
                worst = f"{100 * found['worst']:.3g}%, above it"
            says += f" layer: measured on {new} new inputs it is at most {worst}"
        if "outputs" in found:
            says += f"; all at once they move the outputs by {percent(found['outputs']['error'])}"
        few = {
            one["tensor"]
            for one in self.layers
            if "few samples" in " ".join(one.get("warnings", []))
        }
        if few:
            says += (
                f"; {len(few)} of them saw too few inputs to refit what stays, which may free more"
            )
        if "failed" in found:
            says += f"; the network with all layers cut could not be measured: {found['failed']}"
        if found.get("random", 0.0) > 1e-6:
            says += f"; its outputs are random: run twice they differ by {percent(found['random'])}"
        if "together" in (metric := found.get("metric", {})):
            one = max(metric["alone"].items(), key=lambda pair: abs(pair[1] - metric["dense"]))
            both = f"{metric['dense']:.4g}, all layers cut {metric['together']:.4g}"
            alone = f"{one[0]} alone, which moves it most, {one[1]:.4g}"
            alone = alone if one[1] != metric["dense"] else "no layer alone moves it"
            says = f"your metric: {both}, {alone}; {says}"
        return f"{says[0].upper()}{says[1:]}.".replace(".0%", "%")

    def json(self) -> str:
        """Return all but tensors as JSON; what is not finite is null."""
        fields = {"sentence": self.sentence} | vars(self)
        del fields["tensors"]
        return json.dumps(_finite(fields), indent=1, ensure_ascii=False, allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Save cut weights, mended biases and masks (True: gone); ``mend`` puts them back."""
        need(bool(self.tensors), "an audit with inputs, run to its end, to save", "none")
        save_file(self.tensors, path, {"format": "pt", "sentence": self.sentence})


def mend(module: nn.Module, path: str | Path) -> nn.Module:
    """Put what ``Report.save`` left into a module of the same architecture, and return it."""
    for name, tensor in load_file(path).items():
        if ".removed" in name:
            continue
        owner, _, leaf = name.rpartition(".")
        of = module.get_submodule(owner)
        plain = leaf in of._parameters
        need(plain, f"a plain parameter {name} (remove its parametrization first)", type(of))
        if (old := of._parameters[leaf]) is None:
            setattr(of, leaf, nn.Parameter(tensor))
        else:
            old.data.copy_(tensor)  # other layers may share it
    return module


def percent(share: float | None, space: str = "") -> str:
    """Return a share in words of at most two digits.

    >>> percent(0.412), percent(0.0084), percent(0.00001), percent(0.0), percent(None)
    ('41%', '0.84%', '<0.01%', '0%', '–')
    """
    if share is None:
        return "–"
    if 0 < share < 1e-4:
        return f"<{space}0.01{space}%"
    digits = 0 if share >= 0.0995 or share == 0 else 1 + (share < 0.01)
    return f"{100 * share:.{digits}f}{space}%"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""How much of one layer may go at an error on new inputs, by method: no n × n matrix is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import torch
from torch import Tensor

from compressibility.audit import layer
from compressibility.audit.layer import Pruned
from compressibility.bounds.pruned_layer.mixtures import best_keep
from compressibility.bounds.pruned_layer.samples import adjusted_r2, samples_needed
from compressibility.checks import need
from compressibility.pruning.moments import Moments

KINDS: Mapping[str, str] = {
    "magnitude": "exact for this mask",
    "Wanda": "exact for this mask",
    "std + mean": "exact, the mean restored",
    "readjusted": "readjusted, the mean restored",
    "columns": "exact, the mean restored",
    "ranks": "exact, the mean restored",
    "dice": "expected over the dice",
}
"""What the error of each method is: kinds of numbers that are not the same."""
_BLOCK = 512  # inputs, as they are: float32 ones are multiplied in float32, blocks added in float64
_SOLVES = 5e10  # h' n³: readjusting all rows at one share takes a few seconds
_FINEST = {"readjusted": 50}  # shares are found to 1/50, others to 1/400, or to one unit


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs (N, n) of a layer themselves; rows may be positions of fewer independent ``units``."""

    values: Tensor
    units: int = 0  # 0: as many as rows

    def __post_init__(self) -> None:
        fits = self.values.ndim == 2 and self.values.numel() > 0 and len(self.values) > 1
        need(fits, "inputs (N, n), N >= 2", tuple(self.values.shape))

    @cached_property
    def mean(self) -> Tensor:
        """Means (n,), float64."""
        return torch.cat([x.mean(0) for x in self.blocks()])

    @cached_property
    def power(self) -> Tensor:
        r""":math:`S_{jj}` (n,), float64."""
        return torch.cat([x.square().mean(0) for x in self.blocks()])

    @cached_property
    def variance(self) -> Tensor:
        r""":math:`C_{jj}` (n,); 0 where an input is constant up to rounding."""
        found = self.power - self.mean.square()
        return found.masked_fill(found <= 1e-12 * self.power, 0.0)

    def blocks(self) -> Iterator[Tensor]:
        """Yield some columns after the others, float64."""
        return (x.double() for x in torch.split(self.values, _BLOCK, 1))

    def outputs(self, weight: Tensor) -> Tensor:
        """Return what a weight (h', n) makes of them, (N, h') float64."""
        found = torch.zeros(len(self.values), len(weight), dtype=torch.float64)
        kind = self.values.dtype
        for x, w in zip(
            torch.split(self.values, _BLOCK, 1), torch.split(weight, _BLOCK, 1), strict=True
        ):
            found += x @ w.to(kind).mT
        return found


@dataclass(frozen=True, eq=False)
class Cutter:
    """All cuts of a layer (h', n), chosen on calibration inputs."""

    weight: Tensor
    seen: Inputs
    _found: dict[str, Tensor] = field(default_factory=dict)

    def units(self, method: str) -> int:
        """Return how many may go: weights of each row, columns, or ranks."""
        return min(self.weight.shape) if method == "ranks" else self.weight.shape[1]

    def saved(self, method: str, gone: int) -> Fraction:
        """Return the share of the layer's numbers that need no storing when so many units go."""
        rows, n = self.weight.shape
        if method != "ranks":
            return Fraction(gone, n)
        return max(Fraction(0), 1 - Fraction((min(rows, n) - gone) * (rows + n), rows * n))

    @cached_property
    def why_not_readjusted(self) -> str | None:
        """Why what stays may not be readjusted, None if it may."""
        rows, n = self.weight.shape
        if len(self.seen.values) <= n + 2:
            return f"not offered: {len(self.seen.values)} samples, {n} inputs"
        return f"not tried: too large, {rows} × {n}" if rows * n**3 > _SOLVES else None

    def cut(self, method: str, gone: int) -> Pruned:
        """Let so many units go."""
        weight, n = self.weight, self.weight.shape[1]
        if method == "readjusted":
            return self._readjusted(gone)
        if method == "dice":
            share, keep, _ = best_keep(self._steps, Fraction(gone, n))
            return Pruned(weight, self._places("Wanda") < round(share * n), keep=keep)
        if method == "ranks":  # the best in the outputs: their largest axes stay
            axes = self._axes[:, len(weight) - self.units("ranks") + gone :]
            left, touched = axes @ (axes.mT @ weight.double()), torch.ones_like(weight).bool()
        else:
            touched = (self._places(method) < gone).expand_as(weight)
            left = weight.masked_fill(touched, 0.0)
        restored = KINDS[method] != KINDS["magnitude"]
        return Pruned(
            left, touched, (weight - left).double() @ self.seen.mean if restored else None
        )

    def _readjusted(self, gone: int) -> Pruned:
        """Readjust if the adjusted R² says that it pays: else the honest choice is the mask."""
        mask, N = self.cut("std + mean", gone), len(self.seen.values)
        kept = min(self.weight.shape[1] - gone, int((self.seen.variance > 0).sum()))
        judge = Judge(self.weight, self.seen)
        plain = judge.error(mask)[0] if gone else 0.0
        if self.why_not_readjusted or plain == 0 or not 0 < kept < N - 2:
            return mask
        share = Fraction(gone, self.weight.shape[1])
        made = layer.readjusted(self.weight, self._moments, share)
        explained = min(max(adjusted_r2(judge.error(made)[0] / plain, N, kept), 0.0), 1.0)
        return made if samples_needed(kept, explained) < N else mask

    def _places(self, method: str) -> Tensor:
        """Return each entry's place in its row by a method's scores, 0 the first to go."""
        if method not in self._found:
            dense, seen = self.weight.double(), self.seen
            scores = {
                "magnitude": lambda: self.weight.abs(),
                "Wanda": lambda: dense.square() * seen.power,
                "std + mean": lambda: dense.square() * seen.variance,
                "columns": lambda: (dense.square().sum(0) * seen.variance)[None],
            }[method]()
            first = scores.argsort(dim=-1, stable=True)
            place = torch.arange(scores.shape[-1], dtype=torch.int32).expand_as(first)
            self._found[method] = torch.empty_like(place).scatter_(-1, first, place)
        return self._found[method]

    @cached_property
    def _steps(self) -> Tensor:
        """Prices (n,), sorted in each row and then summed: one row that costs what all do."""
        return (self.weight.double().square() * self.seen.power).sort(-1).values.sum(0)

    @cached_property
    def _axes(self) -> Tensor:
        """Principal axes of the outputs (h', h'), the largest last."""
        outputs = self.seen.outputs(self.weight)
        spread = outputs - outputs.mean(0)
        axes: Tensor = torch.linalg.eigh(spread.mT @ spread).eigenvectors
        return axes

    @cached_property
    def _moments(self) -> Moments:
        return Moments.of(self.seen.values)


@dataclass(frozen=True, eq=False)
class Judge:
    """What cuts of a layer (h', n) cost on inputs, over the variance of its outputs there."""

    weight: Tensor
    inputs: Inputs

    @cached_property
    def unit(self) -> tuple[float, float]:
        """Variance and power of the outputs, without a bias."""
        outputs = self.inputs.outputs(self.weight)
        return float(outputs.var(0, correction=0).sum()), float(outputs.square().sum(1).mean())

    def errors(self, cut: Pruned) -> Tensor:
        """Return the error on each input (N,), the dice's expected; 1 is a constant network's."""
        need(self.unit[0] > 0, "outputs that vary", self.unit[0])
        found = torch.zeros(len(self.inputs.values), dtype=torch.float64)
        if cut.keep:
            diced = (self.weight.double().square() * cut.touched).sum(0) * (1 / cut.keep - 1)
            for x, part in zip(self.inputs.blocks(), torch.split(diced, _BLOCK), strict=True):
                found += x.square() @ part
        else:
            gap = self.inputs.outputs(self.weight - cut.weight)
            found += (gap if cut.bias is None else gap - cut.bias).square().sum(1)
        return found / self.unit[0]

    def error(self, cut: Pruned) -> tuple[float, float]:
        """Return the mean error, and its standard error as over independent units."""
        each = self.errors(cut)
        return float(each.mean()), float(each.std()) / math.sqrt(self.inputs.units or len(each))

    def alignment(self, hole: Tensor, restored: bool) -> float:
        """Return r = M/P of a hole, its damage over its prices; NaN without a price."""
        made = self.inputs.outputs(hole)
        made = made - made.mean(0) if restored else made
        of = self.inputs.variance if restored else self.inputs.power
        paid = float((hole.double().square() @ of).sum())
        return float(made.square().sum(1).mean()) / paid if paid > 0 else math.nan


def largest(
    cutter: Cutter, judge: Judge, method: str, budget: float, start: int = 0
) -> tuple[tuple[int, int, int], dict[int, float]]:
    """Return how many units may go (surely, as measured, perhaps), and errors looked at.

    As measured: the last, of a scan of tenths and then by bisection, before the first at which the
    mean error is above the budget. Surely, perhaps: two standard errors more, or less, to 1/40.
    The scan starts where it is known that so many may go.
    """
    total = cutter.units(method) - (method == "dice")
    seen: dict[int, tuple[float, float]] = {0: (0.0, 0.0)}

    def crossing(widths: float, finest: int) -> int:
        def within(k: int) -> bool:
            if k not in seen:
                seen[k] = judge.error(cutter.cut(method, k))
            return seen[k][0] + widths * seen[k][1] <= budget

        tenths = sorted({round(j * total / 10) for j in range(1, 10)} | {start, total})
        high = next((k for k in tenths if k >= max(1, start) and not within(k)), None)
        if high is None:
            return total
        low = max(k for k in seen if k < high and within(k))
        high = min(k for k in seen if k > low and not within(k))
        while high - low > max(1, total // finest):
            middle = (low + high) // 2
            low, high = (middle, high) if within(middle) else (low, middle)
        return low if widths >= 0 else high

    found = crossing(0.0, _FINEST.get(method, 400))
    ends = min(found, crossing(2.0, 40)), found, max(found, crossing(-2.0, 40))
    return ends, {k: error for k, (error, _) in sorted(seen.items())}

"""What of one layer may go at an error on new inputs, by method: no n × n matrix is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property

import torch
from torch import Tensor

from compressibility.audit.layer import Pruned, readjusted
from compressibility.bounds.pruned_layer.mixtures import best_keep
from compressibility.bounds.pruned_layer.samples import adjusted_r2, samples_needed
from compressibility.checks import need
from compressibility.pruning.moments import Moments

_RESTORED = "exact, the mean restored"
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("magnitude", "Wanda"), "exact for this mask"),
    "std + mean": _RESTORED,
    "readjusted": "readjusted, the mean restored",
    **dict.fromkeys(("columns", "ranks"), _RESTORED),
    "dice": "expected over the dice",
}
"""What the error of each method is: kinds of numbers that are not the same."""
_BLOCK = 512  # inputs: float32 ones are multiplied in float32, blocks added in float64
_SOLVES = 5e10  # h' n³: readjusting all rows at one share takes a few seconds


class Fed:
    r"""A layer (h', n) and its inputs (N, n): it is cut by them, and cuts are judged on them.

    ``mean``, ``power`` :math:`S_{jj}` and ``variance`` :math:`C_{jj}` (0 where an input is constant
    up to rounding) of the inputs, (n,) float64; ``unit``: variance, power of outputs without bias.
    """

    def __init__(self, weight: Tensor, inputs: Tensor, units: Tensor | None = None) -> None:
        """Take inputs, and of which unit (N,) each is: several of one are not independent."""
        fits = inputs.ndim == 2 and inputs.numel() > 0 and len(inputs) > 1
        need(fits, "inputs (N, n), N >= 2", tuple(inputs.shape))
        self.weight, self.inputs = weight, inputs
        alone = torch.arange(len(inputs)) if units is None else units
        self.units = torch.unique(alone, return_inverse=True)[1]
        self.mean, self.power = inputs.double().mean(0), inputs.double().square().mean(0)
        variance = self.power - self.mean.square()
        self.variance = variance.masked_fill(variance <= 1e-12 * self.power, 0.0)
        made = self.outputs(weight)
        self.spread = (made - made.mean(0)).square().sum(1)
        self.unit = float(self.spread.mean()), float(made.square().sum(1).mean())

    def outputs(self, weight: Tensor) -> Tensor:
        """Return what a weight (h', n) makes of the inputs, (N, h') float64."""
        found = torch.zeros(len(self.inputs), len(weight), dtype=torch.float64)
        both = self.inputs, weight.to(self.inputs.dtype)
        parts = (torch.split(part, _BLOCK, 1) for part in both)
        for x, w in zip(*parts, strict=True):
            found += x @ w.mT
        return found

    def error(self, cut: Pruned) -> tuple[float, float]:
        r"""Return a cut's damage over the outputs' variance, and its standard error over units.

        With :math:`e_i` the damage less the value times the squared deviation, over the variance,
        :math:`\frac1N \sqrt{\frac{U}{U-1} \sum_u (\sum_{i \in u} e_i)^2}`; infinite for U = 1.
        """
        need(self.unit[0] > 0, "outputs that vary", self.unit[0])
        if cut.keep:
            paid = (self.weight.square() * cut.touched).sum(0) * (1 / cut.keep - 1)
            each = (self.inputs * paid.sqrt().to(self.inputs.dtype)).norm(dim=1).double().square()
        else:
            gap = self.outputs(self.weight - cut.weight)
            each = (gap if cut.bias is None else gap - cut.bias).square().sum(1)
        value = float(each.mean()) / self.unit[0]
        rest = (each - value * self.spread) / self.unit[0]  # of a ratio: its denominator varies too
        sums = rest.new_zeros(int(self.units.max()) + 1).index_add(0, self.units, rest)
        U = len(sums)
        spread = float(sums.norm()) / len(rest) * math.sqrt(U / (U - 1)) if U > 1 else math.inf
        return value, spread

    def alignment(self, hole: Tensor, restored: bool) -> float:
        """Return r = M/P of a hole, its damage over its prices; NaN without a price."""
        made, of = self.outputs(hole), self.variance if restored else self.power
        damage = made.var(0, correction=0).sum() if restored else made.square().sum(1).mean()
        paid = float((hole.double().square() @ of).sum())
        return float(damage) / paid if paid > 0 else math.nan

    def total(self, method: str) -> int:
        """Return how many units there are: weights of each row, columns, or ranks."""
        return min(self.weight.shape) if method == "ranks" else self.weight.shape[1]

    def saved(self, method: str, gone: int) -> float:
        """Return the share of the layer's numbers that need no storing when so many units go."""
        (rows, n), left = self.weight.shape, self.total(method) - gone
        return max(0.0, 1 - (left * (rows + n) / (rows * n) if method == "ranks" else left / n))

    def why_not(self, method: str, biased: bool = True) -> str | None:
        """Why a method is not for this layer, None if it is."""
        (rows, n), N = self.weight.shape, len(self.inputs)
        if not biased and "mean" in KINDS[method]:
            return "not offered: takes no bias"
        if method == "readjusted" and n + 2 >= N:
            return f"not offered: {N} samples, {n} inputs"
        if method == "readjusted" and rows * n**3 > _SOLVES:
            return f"not tried: too large, {rows} × {n}"
        few = method == "ranks" and rows >= N  # axes beyond the data's rank would be any
        return f"not offered: {N} samples, {rows} outputs" if few else None

    def of_gates(self, cut: Pruned, gates: int) -> list[float]:
        """Return a cut's damage over the variance of equal parts of the outputs, each its own."""
        gap = self.outputs(self.weight - cut.weight) - (0.0 if cut.bias is None else cut.bias)
        pairs = zip(gap.chunk(gates, 1), self.outputs(self.weight).chunk(gates, 1), strict=True)
        return [float(x.square().sum() / (y - y.mean(0)).square().sum()) for x, y in pairs]

    def cut(self, method: str, gone: int) -> Pruned:
        """Let so many units go."""
        weight, n, mean = self.weight, self.weight.shape[1], self.mean.to(self.weight.dtype)
        if method == "readjusted":
            return self._readjusted(gone)
        if method == "dice":
            share, keep, _ = best_keep(self._steps, Fraction(gone, n))
            return Pruned(weight, self._places["Wanda"] < round(share * n), keep=keep)
        if method == "ranks":  # the best in the outputs: their largest axes stay
            axes = self._axes[:, len(weight) - self.total("ranks") + gone :].to(weight.dtype)
            left, touched = axes @ (axes.mT @ weight), torch.ones_like(weight, dtype=torch.bool)
        else:
            touched = (self._places[method] < gone).expand_as(weight)
            left = weight.masked_fill(touched, 0.0)
        bias = ((weight - left) @ mean).double() if KINDS[method] == _RESTORED else None
        return Pruned(left, touched, bias)

    def _readjusted(self, gone: int) -> Pruned:
        """Readjust if the adjusted R² says that it pays: else the honest choice is the mask."""
        mask, n, N = self.cut("std + mean", gone), self.weight.shape[1], len(self.inputs)
        kept, plain = min(n - gone, int((self.variance > 0).sum())), self.error(mask)[0]
        if self.why_not("readjusted") or plain == 0 or not 0 < kept < N - 2:
            return mask
        made = readjusted(self.weight, self._moments, Fraction(gone, n))
        explained = min(max(adjusted_r2(self.error(made)[0] / plain, N, kept), 0.0), 1.0)
        return made if samples_needed(kept, explained) < N else mask

    @cached_property
    def _places(self) -> dict[str, Tensor]:
        """Of each entry the place in its row by a method's scores, 0 the first to go."""
        squares, found = self.weight.double().square(), dict[str, Tensor]()
        scores = {"magnitude": squares, "Wanda": squares * self.power}
        scores["std + mean"] = squares * self.variance
        scores["columns"] = (squares.sum(0) * self.variance)[None]
        for method, score in scores.items():
            first = score.argsort(dim=-1, stable=True)
            place = torch.arange(score.shape[-1], dtype=torch.int32).expand_as(first)
            found[method] = torch.empty_like(place).scatter_(-1, first, place)
        return found

    @cached_property
    def _moments(self) -> Moments:
        return Moments.of(self.inputs)

    @cached_property
    def _steps(self) -> Tensor:  # one row that costs what all do
        return (self.weight.double().square() * self.power).sort(-1).values.sum(0)

    @cached_property
    def _axes(self) -> Tensor:  # the principal ones of the outputs (h', h'), the largest last
        outputs = self.outputs(self.weight)
        spread = outputs - outputs.mean(0)
        return torch.linalg.eigh(spread.mT @ spread).eigenvectors  # type: ignore[no-any-return]


def largest(
    cutter: Fed, judge: Fed, method: str, budget: float, start: int = 0
) -> tuple[tuple[int, int, int], dict[int, float]]:
    """Return how many units may go (as measured, surely, perhaps), and errors looked at.

    As measured: the last before the first of a scan of tenths from ``start``, then by bisection, at
    which the error is above the budget. Surely, perhaps: two standard errors more, less.
    """
    total = cutter.total(method) - (method == "dice")
    seen: dict[int, tuple[float, float]] = {0: (0.0, 0.0)}

    def crossing(widths: float, finest: int) -> int:
        def within(k: int) -> bool:
            if k not in seen:
                seen[k] = judge.error(cutter.cut(method, k))
            return seen[k][0] + (widths * seen[k][1] if widths else 0.0) <= budget

        tenths = sorted({round(j * total / 10) for j in range(1, 10)} | {start, total})
        high = next((k for k in tenths if k >= max(1, start) and not within(k)), None)
        if high is None:
            return total
        low = max(k for k in seen if k < high and within(k))
        high = min(k for k in seen if k > low and not within(k))
        while high - low > max(1, total // finest):
            middle = (low + high) // 2
            low, high = (middle, high) if within(middle) else (low, middle)
        return low if widths >= 0 else high - 1

    found = crossing(0.0, 50 if method == "readjusted" else 400)
    ends = found, min(found, crossing(2.0, 40)), max(found, crossing(-2.0, 40))
    return ends, {k: error for k, (error, _) in sorted(seen.items())}

"""Is a tail a power law without variance? All of ``noise.tails``, beside two light-tailed samples.

The block estimate takes no part in the verdict: it reads about 1.72 on Laplace samples. The slope
form and Hill's estimate see what it does not; but Hill's is too high for stable laws near 2, so
that against a power law the moment estimate has to agree, and the slope form is below 2 for laws
with variance whose sums turn Gaussian slowly. None of them tells a power law from a lognormal law
of great variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from compressibility.checks import Share, count, finite, need
from compressibility.noise import tails
from compressibility.noise.tails import BlockIndex, TailIndex


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The estimates of a sample and of its controls."""

    estimates: Mapping[str, Mapping[str, TailIndex]]  # of "values", "Gaussian", "Laplace"
    blocks: Mapping[str, BlockIndex]
    count: int  # order statistics

    @property
    def verdict(self) -> str:
        """Say whether a power law with an index below 2 is supported, and why.

        "yes: …" if the intervals of slope form and Hill lie below 2, and below what both controls
        read; "no: …" if those of Hill and of the moment estimate lie above 2; else "undecided: …".
        """
        block, slope, hill, moment, _ = self.estimates["values"].values()
        light = [self.estimates[control] for control in ("Gaussian", "Laplace")]
        seen = ", ".join(
            f"{name} {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
            for name, one in self.estimates["values"].items()
        )
        if all(
            one.high < min(2.0, *(control[name].value for control in light))
            for name, one in (("slope", slope), ("Hill", hill))
        ):
            return f"yes: sums grow, and the largest values fall, by an index below 2 ({seen})"
        if hill.low > 2 and moment.low > 2:
            known = f"{light[-1]['blocks'].value:.2f} on a Laplace sample as large"
            no = "no: the largest values fall faster than by an index of 2"
            return f"{no}; the block estimate {block.value:.2f} proves nothing, {known} ({seen})"
        return f"undecided: the intervals reach 2 or contradict each other ({seen})"

    @property
    def frame(self) -> pd.DataFrame:
        """The estimates as rows of sample, estimator, size, value, low, high, n.

        The size is the number of order statistics, none for "blocks" and "slope"; estimator
        "one size" is the block estimate at one m, its size, within two standard errors.
        """
        rows: list[tuple[object, ...]] = []
        for sample, found in self.estimates.items():
            for name, one in found.items():
                size = np.nan if name in ("blocks", "slope") else self.count
                rows.append((sample, name, size, one.value, one.low, one.high, one.n))
            each = self.blocks[sample]
            points = (each.sizes, each.counts, each.values.tolist(), each.errors.tolist())
            for m, n, value, error in zip(*points, strict=True):
                rows.append((sample, "one size", m, value, value - 2 * error, value + 2 * error, n))
        names = ("sample", "estimator", "size", "value", "low", "high", "n")
        return pd.DataFrame(rows, columns=list(names))


def diagnose(
    values: Tensor, generator: torch.Generator, *, share: Share = 0.01, level: float = 0.99
) -> Diagnosis:
    """Estimate the tail index of values (N,), less their median, in all ways; N >= 1000.

    The order statistics are a share of the N magnitudes, 4 times as many for Pickands. The
    generator draws the controls, a Gaussian and a Laplace sample of N.

    >>> from compressibility.dice import dice
    >>> sample = torch.randn(20_000, generator=dice("sample"), dtype=torch.float64)
    >>> diagnose(sample, dice("controls")).verdict[:3]
    'no:'
    """
    need(values.ndim == 1 and len(values) >= 1000, "values (N,), N >= 1000", tuple(values.shape))
    need(not values.is_complex(), "real values", values.dtype)
    finite(values=values)
    total, device = len(values), generator.device
    k = count(share, total)
    need(2 <= k <= total / 4, f"2 <= share * N <= N / 4 = {total / 4:g}", k)
    normal = torch.randn(total, generator=generator, dtype=torch.float64, device=device)
    pairs = torch.empty(2, total, dtype=torch.float64, device=device)
    laplace = pairs.exponential_(generator=generator).diff(dim=0)[0]
    blocks, estimates = {}, {}
    for name, raw in {"values": values, "Gaussian": normal, "Laplace": laplace}.items():
        sample = raw.detach().cpu().double().numpy()
        sample = sample - np.median(sample)
        blocks[name] = tails.blocks(sample, level=level)
        estimates[name] = {
            "blocks": blocks[name].index,
            "slope": tails.slope_index(sample, level=level),
            "Hill": tails.hill(sample, k, level=level),
            "moment": tails.moment(sample, k, level=level),
            "Pickands": tails.pickands(sample, k, level=level),
        }
    return Diagnosis(estimates, blocks, k)

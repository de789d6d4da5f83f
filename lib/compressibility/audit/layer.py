"""What may go of one layer, by method: chosen on calibration inputs, judged on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import pandas as pd
from torch import Tensor

from compressibility.bounds.pruned_layer.mixtures import best_keep
from compressibility.checks import Share, need
from compressibility.pruning import masks
from compressibility.pruning.moments import Moments


@dataclass(frozen=True, eq=False)
class Pruned:
    """What a method makes of a layer (h', n)."""

    weight: Tensor  # what the weights become, on average
    touched: Tensor  # bool, those that are removed, or diced
    bias: Tensor | None = None  # (h',), added to the outputs
    keep: float = 0.0  # chance p that a touched weight stays, 1/p times its average

    def damage(self, dense: Tensor, inputs: Moments) -> float:
        r"""Return the expected damage to a dense layer on inputs with these moments, exactly.

        .. math:: \mathrm{tr}(\Delta C \Delta^\top) + \|\Delta m - b\|^2
                  + \frac{1-p}{p} \sum_{\text{diced}} \bar a_{ij}^2 S_{jj}

        b restores the mean of the calibration inputs: that of others is off by the second term.
        """
        bias = 0.0 if self.bias is None else self.bias
        shift = masks.restored_bias(dense, self.weight, inputs.mean) - bias
        found = masks.damage(dense - self.weight, inputs.covariance).sum() + shift.square().sum()
        noise = masks.prices(self.weight, inputs.second)[self.touched].sum()
        return float(found + noise * (1 / self.keep - 1 if self.keep else 0.0))


Method = Callable[[Tensor, Moments, Share], Pruned]
"""Of a layer, the moments of calibration inputs and the share of each row that is to go."""


def zeroed(weight: Tensor, scores: Tensor, removed: Share, mean: Tensor | None = None) -> Pruned:
    """Zero the weights of least score; a mean given is restored."""
    mask = masks.cheapest(scores, removed)
    left = weight.masked_fill(mask, 0.0)
    return Pruned(left, mask, None if mean is None else masks.restored_bias(weight, left, mean))


def readjusted(weight: Tensor, seen: Moments, removed: Share, damp: float = 0.01) -> Pruned:
    """Readjust what the mask of "std + mean" leaves, and restore the mean."""
    mask = masks.cheapest(masks.prices(weight, seen.covariance), removed)
    left, _ = masks.readjust(weight, mask, seen.covariance, damp)
    return Pruned(left, mask, masks.restored_bias(weight, left, seen.mean))


def dice(weight: Tensor, seen: Moments, removed: Share) -> Pruned:
    """Throw unbiased dice on the cheapest of each row, at the one keep that costs least."""
    prices = masks.prices(weight, seen.second)
    share, keep, _ = best_keep(prices, removed)
    diced = masks.cheapest(prices, Fraction(share).limit_denominator(weight.shape[1]))
    return Pruned(weight, diced, keep=keep)


METHODS: Mapping[str, Method] = {
    "magnitude": lambda w, _, share: zeroed(w, w.abs(), share),
    "Wanda": lambda w, seen, share: zeroed(w, masks.prices(w, seen.second), share),
    "std + mean": lambda w, seen, s: zeroed(w, masks.prices(w, seen.covariance), s, seen.mean),
    "readjusted": readjusted,
    "dice": dice,
}


def compare(
    weight: Tensor,
    calibration: Moments,
    held_out: Moments,
    shares: Sequence[Share],
    methods: Mapping[str, Method] = METHODS,
) -> pd.DataFrame:
    r"""Return a row per method and share removed (of each row) of a layer (h', n).

    ``calibration`` and ``held_out`` are the damage on those inputs, the dice's expected over them,
    over the variance of the outputs there, :math:`\mathrm{tr}(W C W^\top)`: 1 is a constant
    network's. ``touched`` is the share of weights that is removed or, at chance ``keep`` to stay,
    diced; the ``alignment`` of these, ``alignment_restored`` with C for S, is on held-out inputs.

    >>> import torch
    >>> seen = Moments.of(torch.tensor([[1.0, 0.0], [1.0, 2.0]]))
    >>> found = compare(torch.tensor([[1.0, 2.0]]), seen, seen, [0.5]).set_index("method")
    >>> found.held_out.round(6).to_dict()
    {'magnitude': 0.25, 'Wanda': 0.25, 'std + mean': 0.0, 'readjusted': 0.0, 'dice': 2.25}
    """
    dense, rows = weight.detach().double(), []
    inputs = {"calibration": calibration, "held_out": held_out}
    unit = {on: float(masks.damage(dense, x.covariance).sum()) for on, x in inputs.items()}
    need(min(unit.values()) > 0, "outputs that vary", unit)
    for share, name in product(shares, methods):
        made = methods[name](dense, calibration, share)
        hole = dense.masked_fill(~made.touched, 0.0)
        row = {"method": name, "removed": float(share)}
        row |= {on: made.damage(dense, x) / unit[on] for on, x in inputs.items()}
        row["alignment"] = masks.alignment(hole, held_out.second)
        row["alignment_restored"] = masks.alignment(hole, held_out.covariance)
        row |= {"touched": float(made.touched.double().mean()), "keep": made.keep}
        rows.append(row)
    return pd.DataFrame(rows)

"""Damage against width: what a sweep measures, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressibility.checks import need


@dataclass(frozen=True, eq=False)
class Point:
    """One layer at one width: E networks, T throws each."""

    depth: int  # m
    c1: NDArray[np.float64]  # (E,)
    error: NDArray[np.float64]  # (E, T)
    probability_error: NDArray[np.float64]  # (E, T)
    dense_quality: NDArray[np.float64]  # (E,)
    quality: NDArray[np.float64]  # (E, T)
    kept_share: NDArray[np.float64]  # (E, T)


@dataclass(frozen=True, eq=False)
class Curve:
    r"""Damage against width, for one layer and one activation.

    Shapes: W widths, E networks. Numbers per network are means over its throws; bands are the 10 %
    and 90 % quantiles over networks and throws together.
    """

    widths: tuple[int, ...]  # (W,)
    depth: int  # m, number of layers
    draws: int  # throws per network and width
    c1: NDArray[np.float64]  # (W, E) largest operator norm of the dense network's layers
    error: NDArray[np.float64]  # (W, E) mean of E||Phi - Phi_hat||^2 over test inputs, on logits
    error_band: NDArray[np.float64]  # (2, W) of the same
    delta_band: NDArray[np.float64]  # (2, W) of c1^(-2m) times the same
    probability_error: NDArray[np.float64]  # (W, E) the same after softmax; as error if regression
    dense_quality: NDArray[np.float64]  # (W, E) accuracy or R^2 before, on test inputs
    quality: NDArray[np.float64]  # (W, E) and after
    quality_band: NDArray[np.float64]  # (2, W)
    kept_share: NDArray[np.float64]  # (W, E) share of the layer's weights that are not zero

    @property
    def delta(self) -> NDArray[np.float64]:
        r"""Return the paper's normalized error :math:`c_1^{-2m} E\|\Phi - \hat\Phi\|^2`, (W, E)."""
        normalized: NDArray[np.float64] = self.error / self.c1 ** (2 * self.depth)
        return normalized

    def as_record(self) -> dict[str, Any]:
        """Return lists and numbers only, ready for JSON, with seven digits."""
        record = asdict(self)
        for name, value in record.items():
            if isinstance(value, np.ndarray):
                record[name] = [[float(f"{x:.7g}") for x in row] for row in value]
        return {**record, "widths": list(self.widths)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Curve:
        """Return the curve whose :meth:`as_record` this is."""
        values: dict[str, Any] = {
            name: np.array(value, dtype=np.float64) if isinstance(value, list) else int(value)
            for name, value in record.items()
        }
        return cls(**{**values, "widths": tuple(record["widths"])})


def curve_of(points: Sequence[Point], *, widths: Sequence[int], throws: int) -> Curve:
    """Join the points of one layer, one per width.

    >>> one, two = np.ones(1), np.array([[1.0, 3.0]])
    >>> curve_of([Point(1, 2 * one, two, two, one, two, two)], widths=[8], throws=2).delta
    array([[0.5]])
    """
    got = f"{len(points)} for {list(widths)}"
    need(0 < len(points) == len(widths), "one point per width", got)

    def per_network(name: str) -> NDArray[np.float64]:
        values = [getattr(point, name) for point in points]
        return np.stack([v if v.ndim == 1 else v.mean(1) for v in values])

    def quantiles(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.stack([np.quantile(v, [0.1, 0.9]) for v in values], axis=1)

    depth = points[0].depth
    means = ("c1", "error", "probability_error", "dense_quality", "quality", "kept_share")
    return Curve(
        widths=tuple(widths),
        depth=depth,
        draws=throws,
        error_band=quantiles([p.error for p in points]),
        delta_band=quantiles([p.error / p.c1[:, None] ** (2 * depth) for p in points]),
        quality_band=quantiles([p.quality for p in points]),
        **{name: per_network(name) for name in means},
    )

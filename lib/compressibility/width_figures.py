"""Damage and score against width, in the layout of the wide-networks paper's figures 1 to 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compressibility.curves import Curve
from compressibility.plots import PALETTE, band
from compressibility.sweeps import Layer

_LOOKS: Mapping[Layer, tuple[str, str]] = MappingProxyType(
    {"block": (PALETTE[0], "o"), "wide": (PALETTE[1], "s")}
)


@dataclass(frozen=True)
class Published:
    """What one figure of the paper shows, read from its vector graphics."""

    widths: tuple[int, int, int]  # narrowest, middle, widest
    delta: Mapping[Layer, tuple[float, float, float]]  # within 0.5 %
    dense: tuple[float, float]  # R^2 or accuracy at the narrowest and the widest, within 0.001
    score: Mapping[Layer, tuple[float, float]]  # the same after the cut


PUBLISHED: Mapping[int, Published] = MappingProxyType(
    {
        1: Published(
            (20, 500, 980),
            {"block": (33.6, 4.0e-2, 5.6e-3), "wide": (12.8, 7.4e-3, 8.8e-4)},
            (0.358, 0.672),
            {"block": (0.242, 0.496), "wide": (0.285, 0.645)},
        ),
        2: Published(
            (20, 500, 980),
            {"block": (0.365, 3.1e-3, 8.0e-4), "wide": (0.448, 1.06e-3, 1.55e-4)},
            (0.670, 0.970),
            {"block": (0.552, 0.954), "wide": (0.525, 0.969)},
        ),
        3: Published(
            (100, 500, 1000),
            {"block": (0.233, 6.9e-4, 4.2e-5), "wide": (2.89, 3.75e-2, 4.85e-3)},
            (0.641, 0.709),
            {"block": (0.614, 0.708), "wide": (0.305, 0.509)},
        ),
        4: Published(
            (200, 600, 1000),
            {"block": (1.13e-2, 1.85e-4, 2.6e-5), "wide": (4.05e-2, 2.06e-3, 5.1e-4)},
            (0.891, 0.962),
            {"block": (0.874, 0.961), "wide": (0.829, 0.948)},
        ),
    }
)
"""Figures 1 to 4 of El Cheairi, Gamarnik, Mazumder (COLT 2026, Appendix C), all with ReLU.

1 and 3 show California Housing, 2 and 4 digits; 1 and 2 single weights, 3 and 4 rows and columns.
"""


def width_panels(
    rows: Mapping[str, Mapping[Layer, Curve]],
    *,
    labels: Mapping[Layer, str],
    score: str,
    published: Mapping[str, Published] | None = None,
) -> Figure:
    """Draw one row of two panels per entry: the normalized error, and the score of the task.

    Lines are medians over the networks of their means over draws, bands the quantiles that the
    curves hold (stretched to the line where few draws leave it outside), hollow marks the paper's.

    Parameters
    ----------
    rows
        By what is written into the row's left panel, "" for nothing: the curves of the layers.
    labels
        How the legend calls the layers.
    score
        Label of the right axes: R² or accuracy.
    published
        The paper's values, by row.

    Returns
    -------
    Figure
        With a legend above all panels.
    """
    fig, axes = plt.subplots(
        len(rows),
        2,
        figsize=(7, 1.2 + 3.2 * len(rows)),
        sharex=True,
        sharey="col",
        layout="constrained",
        squeeze=False,
    )
    for (left, right), (name, curves) in zip(axes, rows.items(), strict=True):
        paper = (published or {}).get(name)
        _draw_delta(left, curves, labels, paper)
        _draw_score(right, curves, labels, score, paper)
        left.annotate(name, (0.04, 0.04), xycoords="axes fraction")
    for ax in axes[-1]:
        ax.set_xlabel("width w")
        width_axis(ax, next(iter(next(iter(rows.values())).values())).widths)
    entries: dict[str, Artist] = {}
    for ax in axes.flat:
        handles, names = ax.get_legend_handles_labels()
        entries |= {n: h for n, h in zip(names, handles, strict=True) if n not in entries}
    fig.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2)
    return fig


def width_axis(ax: Axes, widths: Sequence[int]) -> None:
    """Write plain numbers at the first, a middle and the last width of a logarithmic axis."""
    ticks = sorted({widths[0], widths[len(widths) // 2], widths[-1]})
    ax.set_xticks(ticks, [f"{tick:d}" for tick in ticks])
    ax.minorticks_off()


def _draw_delta(
    ax: Axes,
    curves: Mapping[Layer, Curve],
    labels: Mapping[Layer, str],
    paper: Published | None,
) -> None:
    ax.set(xscale="log", yscale="log", ylabel="normalized error Δ")
    for layer, curve in curves.items():
        color, marker = _LOOKS[layer]
        _line(ax, curve.widths, curve.delta, curve.delta_band, labels[layer], color, marker)
        if paper:
            ax.plot(
                paper.widths,
                paper.delta[layer],
                f"{marker}:",
                color=color,
                mfc="none",
                mew=1.8,
                lw=1,
                label=f"{labels[layer]}, paper",
            )


def _draw_score(
    ax: Axes,
    curves: Mapping[Layer, Curve],
    labels: Mapping[Layer, str],
    score: str,
    paper: Published | None,
) -> None:
    ax.set(xscale="log", ylabel=score)
    first = next(iter(curves.values()))
    dense = np.median(first.dense_quality, 1)
    ax.plot(first.widths, dense, color=PALETTE[6], ls="--", marker="^", label="dense")
    for layer, curve in curves.items():
        color, marker = _LOOKS[layer]
        _line(ax, curve.widths, curve.quality, curve.quality_band, labels[layer], color, marker)
        if paper:
            ends = paper.widths[0], paper.widths[-1]
            ax.plot(ends, paper.score[layer], marker, color=color, mfc="none", mew=1.8)
    if paper:
        ax.plot(ends, paper.dense, "^", color=PALETTE[6], mfc="none", mew=1.8)


def _line(
    ax: Axes,
    widths: Sequence[int],
    values: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    label: str,
    color: str,
    marker: str,
) -> None:
    middle = np.median(values, 1)
    low, high = np.minimum(quantiles[0], middle), np.maximum(quantiles[1], middle)
    band(ax, widths, low, middle, high, label=label, color=color, marker=marker)

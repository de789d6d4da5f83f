"""Damage and score against width, in the layout of the wide-networks paper's figures 1 to 5."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compressibility.experiments.curves import Curve
from compressibility.experiments.published import Published
from compressibility.figures.style import PALETTE, band
from compressibility.pruning.cuts import Kind

LOOKS: Mapping[Kind, Mapping[str, Any]] = MappingProxyType(
    {"block": {"color": PALETTE[0], "marker": "o"}, "wide": {"color": PALETTE[1], "marker": "s"}}
)
"""Colour and marker of either layer, in all figures of a page."""


def width_panels(
    rows: Mapping[str, Mapping[Kind, Curve]],
    *,
    labels: Mapping[Kind, str],
    score: str,
    published: Mapping[str, Published] | None = None,
) -> Figure:
    """Draw one row of two panels per entry: the normalized error, and the score of the task.

    Lines are medians over the networks of their means over throws, bands the quantiles that the
    curves hold (stretched to the line where few throws leave it outside), hollow marks the paper's.
    ``rows`` go by what is written into the left panel, "" for nothing, and so does ``published``;
    ``score`` names the right axes, and one legend with ``labels`` stands above all panels.
    """
    wide = plt.rcParams["figure.figsize"][0]
    fig, axes = plt.subplots(
        len(rows),
        2,
        figsize=(wide, wide * (1.4 + 3.6 * len(rows)) / 7),
        sharex=True,
        sharey="col",
        layout="constrained",
        squeeze=False,
    )
    for (left, right), (name, curves) in zip(axes, rows.items(), strict=True):
        paper = (published or {}).get(name)
        _draw_delta(left, curves, labels, paper)
        _draw_score(right, curves, labels, paper)
        right.set_ylabel(score)
        left.annotate(name, (0.04, 0.04), xycoords="axes fraction")
    for ax in axes[-1]:
        ax.set_xlabel("width w")
        width_axis(ax, next(iter(next(iter(rows.values())).values())).widths)
    entries: dict[str, Artist] = {}
    for ax in axes.flat:
        handles, names = ax.get_legend_handles_labels()
        entries |= {n: h for n, h in zip(names, handles, strict=True) if n not in entries}
    # A column per layer, ours above the paper's; the dense network fills the first one up.
    first = [name for name in entries if name.startswith(next(iter(labels.values())))]
    names = [*first, "dense", *(name for name in entries if name not in {*first, "dense"})]
    fig.legend([entries[n] for n in names], names, loc="outside upper center", ncols=2)
    return fig


def width_axis(ax: Axes, widths: Sequence[float]) -> None:
    """Write plain numbers, widths or rates, at the ends and near the middle of a logarithmic axis.

    Those at the ends stay inside, where those of a neighboring panel do not touch them.
    """
    centre = widths[0] * widths[-1]  # of the logarithms, twice
    middle = min(widths, key=lambda width: abs(math.log(width**2 / centre)))
    ticks = sorted({widths[0], middle, widths[-1]})
    ax.set_xticks(ticks, [f"{tick:.2g}" if tick < 1 else f"{tick:g}" for tick in ticks])
    labels = ax.get_xticklabels()
    if len(labels) > 1:  # a panel above others has none
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
    ax.minorticks_off()


def _draw_delta(
    ax: Axes, curves: Mapping[Kind, Curve], labels: Mapping[Kind, str], paper: Published | None
) -> None:
    ax.set(xscale="log", yscale="log", ylabel="normalized error Δ")
    for kind, curve in curves.items():
        _line(ax, kind, curve.widths, curve.delta, curve.delta_band, labels)
        if paper:
            (marks,) = ax.plot(paper.widths, paper.delta[kind], ls=":", lw=1, **LOOKS[kind])
            marks.set(mfc="none", mew=1.8, label=f"{labels[kind]}, paper")


def _draw_score(
    ax: Axes, curves: Mapping[Kind, Curve], labels: Mapping[Kind, str], paper: Published | None
) -> None:
    ax.set(xscale="log")
    first = next(iter(curves.values()))
    dense = np.median(first.dense_quality, 1)
    ax.plot(first.widths, dense, color=PALETTE[6], ls="--", marker="^", label="dense")
    for kind, curve in curves.items():
        _line(ax, kind, curve.widths, curve.quality, curve.quality_band, labels)
        if paper:
            ax.plot(paper.ends, paper.score[kind], ls="", mfc="none", mew=1.8, **LOOKS[kind])
    if paper:
        ax.plot(paper.ends, paper.dense, "^", color=PALETTE[6], mfc="none", mew=1.8)


def _line(
    ax: Axes,
    kind: Kind,
    widths: Sequence[int],
    values: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    labels: Mapping[Kind, str],
) -> None:
    middle = np.median(values, 1)
    low, high = np.minimum(quantiles[0], middle), np.maximum(quantiles[1], middle)
    band(ax, widths, low, middle, high, label=labels[kind], **LOOKS[kind])

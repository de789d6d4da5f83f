"""One figure style for the book, and the few things that recur in its figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#7A5C00", "#56B4E9", "#333333")
"""Colours of Okabe and Ito's kind: apart for colour-blind eyes, dark enough to read on white."""

_STYLE = {
    # A 7-inch figure on a phone shrinks to half its size, so that 15 points look like 7.
    "font.size": 15,
    "axes.labelsize": 15,
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "legend.fontsize": 14,
    "legend.frameon": False,
    "legend.title_fontsize": 14,
    "figure.figsize": (7.0, 4.6),
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": "tight",
    "figure.constrained_layout.use": True,
    "axes.edgecolor": "#333333",
    "axes.labelcolor": "#111111",
    "text.color": "#111111",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.2,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.4,
    "lines.markersize": 7,
    "svg.hashsalt": "why-networks-compress",  # the same figure is the same file in every build
    "svg.fonttype": "path",
}


def use_style() -> None:
    """Set the book's figure style for all figures made afterwards (Matplotlib's rcParams).

    Dark ink on white: in dark mode the book inverts figures as a whole. No titles: captions name
    figures.

    Examples
    --------
    >>> from matplotlib import rcParams
    >>> use_style()
    >>> rcParams["svg.hashsalt"]
    'why-networks-compress'
    """
    sns.set_theme(context="notebook", style="whitegrid", palette=list(PALETTE), rc=_STYLE)


def band(
    ax: Axes,
    x: ArrayLike,
    low: ArrayLike,
    mid: ArrayLike,
    high: ArrayLike,
    *,
    label: str,
    color: str,
    marker: str = "o",
) -> None:
    """Draw a line with the band of its interval; only the line enters the legend.

    Parameters
    ----------
    ax
        Axes to draw on.
    x, low, mid, high
        Shape (points,), low <= mid <= high.
    label, color, marker
        As Matplotlib takes them; say in the label or caption how many seeds the band rests on.

    Raises
    ------
    ValueError
        Shapes that differ, or a line outside its band.
    """
    points, lower, middle, upper = (np.asarray(v, dtype=float) for v in (x, low, mid, high))
    shapes = {v.shape for v in (points, lower, middle, upper)}
    if len(shapes) > 1 or points.ndim != 1:
        raise ValueError(f"need x, low, mid, high of one shape (points,), got {sorted(shapes)}")
    if not ((lower <= middle) & (middle <= upper)).all():
        raise ValueError("need low <= mid <= high at every point, got a line outside its band")
    ax.plot(points, middle, color=color, marker=marker, label=label)
    ax.fill_between(points, lower, upper, color=color, alpha=0.2, linewidth=0)


def reference_slope(
    ax: Axes, x: Sequence[float], y: float, slope: float, *, label: str
) -> Annotation:
    r"""Draw the power law :math:`y (x/x_0)^{\text{slope}}` from x[0] to x[1] on log-log axes.

    Parameters
    ----------
    ax
        Axes with two logarithmic scales.
    x
        Both ends, 0 < x[0] < x[1].
    y
        Height at x[0], positive.
    slope
        Exponent.
    label
        Written at the right end.

    Returns
    -------
    Annotation
        The label.

    Raises
    ------
    ValueError
        Axes that are not logarithmic, ends out of order, a height that is not positive.
    """
    scales = (ax.get_xscale(), ax.get_yscale())
    if scales != ("log", "log"):
        raise ValueError(f"need log-log axes, got {scales}")
    if len(x) != 2 or not 0 < x[0] < x[1]:
        raise ValueError(f"need two ends 0 < x[0] < x[1], got {list(x)}")
    if not y > 0:
        raise ValueError(f"need y > 0, got {y}")
    end = y * (x[1] / x[0]) ** slope
    ax.plot(x, (y, end), color="#555555", linestyle=(0, (4, 3)), linewidth=1.6)
    return direct_label(ax, x[1], end, label, color="#555555")


def direct_label(ax: Axes, x: float, y: float, text: str, *, color: str) -> Annotation:
    """Write a label just right of a point, in the colour of its line, in place of a legend.

    Parameters
    ----------
    ax
        Axes to write on.
    x, y
        The point, usually a line's last, in data units.
    text, color
        What to write, and how.

    Returns
    -------
    Annotation
        The label; it is kept out of the way of the layout only if the axes leave it room.
    """
    return ax.annotate(
        text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", color=color
    )

"""One figure style for the book, and the few things that recur in its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

from compressibility.checks import need

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#7A5C00", "#56B4E9", "#333333")
"""Colours of Okabe and Ito's kind: apart for colour-blind eyes, dark enough to read on white."""

_STYLE: dict[str, Any] = {
    # Pages show these seven inches on 448 pixels, where 16 points are 14 pixels and 15 are 13; on
    # the 372 that a phone has, 12 and 11.
    "font.size": 16,
    "axes.labelsize": 16,
    "xtick.labelsize": 15,
    "ytick.labelsize": 15,
    "legend.fontsize": 15,
    "legend.frameon": False,
    "legend.title_fontsize": 15,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
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


def use_style(*, width: float = 7.0) -> None:
    """Set the book's figure style for all figures made afterwards (Matplotlib's rcParams).

    Dark ink on white: in dark mode the book inverts figures as a whole. No titles: captions name
    figures. Letters and lines shrink along with figures of another ``width``, in inches.

    >>> from matplotlib import rcParams
    >>> use_style()
    >>> rcParams["svg.hashsalt"]
    'why-networks-compress'
    """
    sizes = {key: value for key, value in _STYLE.items() if key.endswith(("size", "width"))}
    scaled = {key: np.multiply(size, width / 7).tolist() for key, size in sizes.items()}
    sns.set_theme("notebook", style="whitegrid", palette=list(PALETTE), rc={**_STYLE, **scaled})


def band(
    ax: Axes, x: ArrayLike, low: ArrayLike, mid: ArrayLike, high: ArrayLike, **line: Any
) -> None:
    """Draw a line with the band of its interval; only the line enters the legend.

    ``line`` is label, color and marker, as Matplotlib takes them; say in the label or the caption
    how many seeds the band rests on.
    """
    points, lower, middle, upper = (np.asarray(v, dtype=float) for v in (x, low, mid, high))
    shapes = {v.shape for v in (points, lower, middle, upper)}
    one = len(shapes) == 1 and points.ndim == 1
    need(one, "x, low, mid, high of one shape (points,)", sorted(shapes))
    inside = ((lower <= middle) & (middle <= upper)).all()
    need(bool(inside), "low <= mid <= high at every point", "a line outside its band")
    (drawn,) = ax.plot(points, middle, **{"marker": "o", **line})
    ax.fill_between(points, lower, upper, color=drawn.get_color(), alpha=0.2, linewidth=0)


def reference_slope(
    ax: Axes, x: Sequence[float], y: float, slope: float, *, label: str
) -> Annotation:
    r"""Draw the power law :math:`y (x/x_0)^{\text{slope}}` from x[0] to x[1] on log-log axes."""
    scales = (ax.get_xscale(), ax.get_yscale())
    need(scales == ("log", "log"), "log-log axes", scales)
    need(len(x) == 2 and 0 < x[0] < x[1], "two ends 0 < x[0] < x[1]", list(x))
    need(y > 0, "y > 0", y)
    end = y * (x[1] / x[0]) ** slope
    ax.plot(x, (y, end), color="#555555", linestyle=(0, (4, 3)), linewidth=1.6)
    beside: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
    return ax.annotate(label, (x[1], end), color="#555555", **beside)


def labeled(ax: Axes, **axes: Any) -> None:
    """Set what axes are called and how they run, as ``ax.set`` takes it, with the legend on top."""
    ax.set(**axes)
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1), borderaxespad=0.3, ncols=2)

"""An audit as one page of HTML, which asks nothing of any other file or host."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.figure import Figure

from compressibility.audit.findings import Report

MARKS = {"good": "●", "look": "▲", "stop": "■"}  # apart in shape as in color
_COLORS = {"good": "#0a6152", "look": "#a3350a", "stop": "#4c5963"}
_WIDE = "\u202f"


def page(report: Report) -> str:
    """Return the report as HTML: the sentence, a table, a figure; the rest folded."""
    where = jinja2.PackageLoader("compressibility.audit")
    rooms = jinja2.Environment(loader=where, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    rooms.filters |= {"percent": percent, "count": lambda n: f"{n:,}".replace(",", _WIDE)}
    rooms.globals |= {"marks": MARKS, "mark": mark, "words": _words}
    figure = curves(report) if any("curves" in layer for layer in report.layers) else ""
    return rooms.get_template("report.html").render(r=report, figure=figure)


def mark(layer: dict[str, Any]) -> str:
    """Return "good", "look" (there are warnings), or "stop": nothing may go, or nobody knows."""
    if "methods" not in layer or not layer["methods"][layer["recommended"]]["removed"]:
        return "stop"
    return "look" if any("power" not in said for said in layer["warnings"]) else "good"


def percent(share: float | None) -> str:
    r"""Return a share in words of at most two digits: "41 %", "0.8 %", or "–".

    >>> percent(0.412), percent(0.0084), percent(0.00001), percent(0.0), percent(None)
    ('41\u202f%', '0.84\u202f%', '<\u202f0.01\u202f%', '0\u202f%', '–')
    """
    if share is None:
        return "–"
    if 0 < share < 1e-4:
        return f"<{_WIDE}0.01{_WIDE}%"
    digits = 0 if share >= 0.0995 or share == 0 else 1 + (share < 0.01)
    return f"{100 * share:.{digits}f}{_WIDE}%"


def curves(report: Report) -> str:
    """Draw error against share removed, a line per layer, as SVG; the largest six have names."""
    rc: Any = {"svg.hashsalt": "compressibility", "svg.fonttype": "path", "font.size": 13}
    with mpl.rc_context(rc):
        figure, text = Figure(figsize=(7, 4.4), layout="constrained"), io.StringIO()
        axes = figure.subplots()
        largest = sorted(report.layers, key=lambda layer: -layer["weights"])[:6]
        for number, layer in enumerate(report.layers):
            kind = mark(layer)
            look: Any = {"linestyle": ("-", "--", ":", "-.")[number % 4], "color": _COLORS[kind]}
            look |= {"marker": {"good": "o", "look": "^", "stop": "s"}[kind]}
            look |= {"label": layer["name"] if layer in largest else None}
            points = [pair for pair in layer["curves"][layer["recommended"]] if pair[1] > 0]
            axes.plot([share for share, _ in points], [error for _, error in points], **look)
        axes.axhline(report.budget, color="#333333", linewidth=1, label="the budget")
        axes.set(xlabel="share removed", ylabel="error", yscale="log", xlim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=11)
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    drawn = text.getvalue()
    return re.sub(r'width="[^"]*pt" height="[^"]*pt"', "", drawn[drawn.index("<svg") :], count=1)


def _words(value: object) -> str:
    """Show a fact as it is in the JSON, floats short."""
    short = json.loads(json.dumps(value), parse_float=lambda text: float(f"{float(text):.4g}"))
    return json.dumps(short, ensure_ascii=False)

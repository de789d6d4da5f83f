"""An audit as one page of HTML, which asks nothing of any other file or host."""

from __future__ import annotations

import io
import re
from functools import partial
from itertools import groupby, takewhile
from statistics import fmean
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.figure import Figure

from compressibility.audit.findings import ENDS, Report, percent

MARKS = {"good": "●", "look": "▲", "stop": "■", "none": "□"}  # apart in shape as in color
NAMES = {"magnitude": "smallest weights", "Wanda": "Wanda", "columns": "whole columns"}
NAMES |= {"std + mean": "smallest |w|·std, mean restored", "ranks": "low-rank factors"}
NAMES |= {"readjusted": "smallest |w|·std, the rest refitted", "mixed": "of each group its own"}
NAMES |= {"dice": "random, rescaled (dice)"}
_LOOKS = ["#0072B2 -o", "#D55E00 --s", "#009E73 -.^", "#AA4499 :D", "#7A5C00 -v", "#333333 --X"]
_RULES: Any = dict.fromkeys(ENDS, fmean) | dict.fromkeys(("calibration", "held_out"), max)
_WIDE = "\u202f"


def page(report: Report) -> str:
    """Return the report as HTML: the sentence, a table, a figure; the rest folded."""
    where = jinja2.PackageLoader("compressibility.audit")
    rooms = jinja2.Environment(loader=where, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    rooms.filters |= {
        "percent": partial(percent, space=_WIDE),
        "count": lambda n: f"{n:,}".replace(",", _WIDE),
    }
    rooms.globals |= {"marks": MARKS, "names": NAMES, "mark": mark, "short": "{:.4g}".format}
    tensors = [list(of) for _, of in groupby(report.layers, lambda layer: layer["tensor"])]
    rows = [_joined(of) if len(of) > 1 else of[0] for of in tensors]
    loud = ([said for said in row.get("warnings", []) if "power" not in said] for row in rows)
    rows = [row | {"said": said} for row, said in zip(rows, loud, strict=True)]
    figure = curves(rows, report.budget) if any("curves" in row for row in rows) else ""
    return rooms.get_template("report.html").render(r=report, rows=rows, figure=figure)


def mark(layer: dict[str, Any]) -> str:
    """Return "good", "look" (a warning, or other ways alone), "stop": nothing, or nobody knows."""
    methods = layer.get("methods", {})
    if not any(found.get("removed") for found in methods.values()):
        return "stop"
    calm = all("power" in said for said in layer["warnings"])
    return "good" if calm and methods[layer["recommended"]]["removed"] else "look"


def curves(rows: list[dict[str, Any]], budget: float) -> str:
    """Draw error against share removed, a line per row, as SVG; the largest six have names."""
    rc: Any = {"svg.hashsalt": "compressibility", "svg.fonttype": "path", "font.size": 13}
    largest = sorted(rows, key=lambda row: -row["weights"])[: len(_LOOKS)]
    with mpl.rc_context(rc):
        figure, text = Figure(figsize=(4.6, 4.2), layout="constrained"), io.StringIO()
        axes, looks = figure.subplots(), map(str.split, _LOOKS)
        for row in rows:
            color, form = next(looks) if (named := row in largest) else ("#9aa5ab", "-")
            looked = row["curves"][row["recommended"]][1:]  # the first is nothing removed
            path = [(share, max(e, budget / 100)) for share, e in looked] or [(0.0, budget / 100)]
            wide = 0.8 + 0.7 * named
            (line,) = axes.plot(*zip(*path, strict=True), form, color=color, linewidth=wide)
            for point in list(takewhile(lambda at: at[1] <= budget, path))[-1:]:
                axes.plot(*point, "o", color=color, markersize=11, markerfacecolor="none")
            line.set_label(row["name"][-36:] if named else "_")
        axes.axhline(budget, color="#333333", linewidth=1, label="the budget")
        axes.set_yscale("log")
        axes.set(xlabel="share removed", ylabel="error", xlim=(0, 1))
        axes.set_ylim(budget / 100, 10 * budget)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda share, _: f"{100 * share:g}{_WIDE}%")
        axes.spines[["top", "right"]].set_visible(False)
        short = max(len(row["name"]) for row in largest) < 15
        figure.legend(loc="outside upper center", ncols=1 + short, frameon=False, fontsize=12)
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    drawn = text.getvalue()
    return re.sub(r'width="[^"]*pt" height="[^"]*pt"', "", drawn[drawn.index("<svg") :], count=1)


def _joined(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one row for a tensor's groups, equal in size: mean shares, worst errors."""
    groups = sorted(groups, key=lambda one: one["methods"][one["recommended"]]["removed"])
    found = [one["methods"] | {"mixed": one["methods"][one["recommended"]]} for one in groups]
    middle, methods = groups[len(groups) // 2], found[len(groups) // 2]
    for name in methods:
        of = {on: [one[name].get(on, 0.0) for one in found] for on in _RULES}
        methods[name] = methods[name] | {on: rule(of[on]) for on, rule in _RULES.items()}
        methods[name]["why_not"] = next((o for one in found if (o := one[name]["why_not"])), None)
    methods["mixed"]["kind"] = "of each group its own, see below"
    row = middle | {"name": middle["tensor"], "groups": groups, "methods": methods}
    row |= {"recommended": "mixed", "weights": len(groups) * middle["weights"]}
    row["curves"] = {"mixed": middle["curves"][middle["recommended"]]}
    return row | {"warnings": [said for one in groups for said in one["warnings"]]}

"""A sweep's result: claim × setting as a page, a picture, JSON and CSV."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from studies.build.files import write_atomically
from studies.build.profiles import DEFAULT
from studies.build.runner import Failure
from studies.build.runs import Run
from studies.page.claims import ICONS, template
from studies.page.numbers import number
from studies.sweep.sweep import Outcome

# The verdict's number on the scale of colors; the letter tells those who see none.
SCALE = {"fails": -1.0, "undecided": 0.0, "holds": 1.0}
COLORS = ["#c2410c", "#d4d4d8", "#2f6f9f"]
MANY = 3000  # cells, too many for a sign in each
_CLAIM = ("verdict", "value", "low", "high", "n", "kind", "predicted", "measured", "says")


def rows(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each claim of each run: chapter, setting, repeat, claim, verdict, value, …."""
    made = [
        {"chapter": o.chapter.name, "setting": o.point.name, "repeat": o.point.repeat}
        | {"claim": claim["id"]}
        | {key: claim[key] for key in _CLAIM}
        for o in outcomes
        if isinstance(o.result, Run)
        for claim in o.result.claims
    ]
    return pd.DataFrame(made, columns=["chapter", "setting", "repeat", "claim", *_CLAIM])


def flips(frame: pd.DataFrame) -> list[str]:
    """The claims that hold for some repeats of a setting and fail for others, in words."""
    said = []
    for (chapter, setting, claim), some in frame.groupby(
        ["chapter", "setting", "claim"], sort=False
    ):
        found = some.verdict.value_counts().to_dict()
        if {"holds", "fails"} <= set(found):
            where = f" at {setting}" if setting else ""
            said.append(
                f"{chapter}, {claim}{where}: holds {found['holds']} times, fails {found['fails']}"
            )
    return said


def failing(frame: pd.DataFrame) -> list[str]:
    """The claims that fail, in words, with what was measured."""
    return [
        f"fails: {row.chapter}, {row.claim}{f' at {row.setting}' if row.setting else ''}"
        f"{f' (repeat {row.repeat})' if row.repeat else ''}: {row.says}, predicted "
        f"{row.predicted}, measured {row.measured}"
        for row in frame[frame.verdict == "fails"].itertuples()
    ]


def again(outcome: Outcome) -> str:
    """The command that repeats just a run that failed."""
    job = outcome.result.job if isinstance(outcome.result, Failure) else None
    profile = f" --profile {job.profile}" if job and job.profile != DEFAULT else ""
    return f"studies run {outcome.chapter.name}{profile} {outcome.point.arguments}"


def counted(frame: pd.DataFrame) -> str:
    """How many claims hold, fail, are undecided, in words."""
    return ", ".join(f"{(frame.verdict == word).sum()} {word}" for word in ICONS)


def write(folder: Path, outcomes: Sequence[Outcome], title: str) -> Path:
    """Write `table.json`, `table.csv` and `index.html` with the picture; return the page."""
    frame = rows(outcomes)
    runs = [
        {"chapter": o.chapter.name, "setting": o.point.name, "repeat": o.point.repeat}
        | {key: o.result.note[key] for key in ("parameters", "seconds", "date", "commit")}
        for o in outcomes
        if isinstance(o.result, Run)
    ]
    failed = [
        {"chapter": o.chapter.name, "setting": o.point.name, "repeat": o.point.repeat}
        | {"error": o.result.error, "again": again(o)}
        for o in outcomes
        if isinstance(o.result, Failure)
    ]
    # Not by pandas, which rounds to ten digits.
    table = frame.astype(object).where(frame.notna(), None).to_dict("records")
    whole = {"title": title, "claims": table, "runs": runs, "failed": failed, "flips": flips(frame)}
    write_atomically(folder / "table.json", json.dumps(whole, indent=1, ensure_ascii=False))
    write_atomically(folder / "table.csv", frame.to_csv(index=False))
    page = template("studies.sweep", "sweep.html").render(
        title=title,
        chapters={name: _cells(some) for name, some in frame.groupby("chapter", sort=False)},
        pictures={name: picture(some) for name, some in frame.groupby("chapter", sort=False)},
        columns=dict(frame.groupby("chapter").setting.agg(lambda some: list(dict.fromkeys(some)))),
        counts=frame.verdict.value_counts().to_dict(),
        runs=len(runs),
        failed=failed,
        flips=whole["flips"],
        icons=ICONS,
    )
    write_atomically(folder / "index.html", page)
    return folder / "index.html"


def picture(frame: pd.DataFrame) -> str:
    """Where one chapter's claims hold, fail, are undecided, as SVG; repeats share a cell."""
    plain = frame.assign(score=frame.verdict.map(SCALE), sign=frame.verdict.map(ICONS))
    over = {"index": "claim", "columns": "setting", "sort": False}
    scores = plain.pivot_table(values="score", aggfunc="mean", **over)
    signs = plain.pivot_table(
        values="sign", aggfunc=lambda some: "".join(sorted(set(some))), **over
    )
    height, width = scores.shape
    shown = signs.fillna("") if scores.size < MANY else False
    figure = Figure(figsize=(4 + 0.42 * width, 1.6 + 0.26 * height))
    colors = matplotlib.colors.LinearSegmentedColormap.from_list("verdicts", COLORS)
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "sweep", "svg.fonttype": "none"}):
        ax = figure.subplots()
        sns.heatmap(
            scores, annot=shown, fmt="", vmin=-1, vmax=1, cmap=colors, cbar=False,
            linewidths=0.5, ax=ax, xticklabels=True, yticklabels=True,
        )  # fmt: skip
        ax.set(xlabel="", ylabel="")
        ax.tick_params(length=0)
        for label in ax.get_xticklabels():  # a dollar sign is no formula
            label.set(parse_math=False, rotation=60, ha="right", rotation_mode="anchor")
        said = io.StringIO()
        figure.savefig(said, format="svg", bbox_inches="tight", metadata={"Date": None})
    return said.getvalue().partition("<svg")[1] + said.getvalue().partition("<svg")[2]


def _cells(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, list[tuple[str, str]]]]:
    """Claim, as it is called and what it says → setting → (verdict, value) of each repeat."""
    cells: dict[tuple[str, str], dict[str, list[tuple[str, str]]]] = {}
    says = frame.drop_duplicates("claim").set_index("claim").says
    for row in frame.itertuples():
        at = cells.setdefault((row.claim, says[row.claim]), {}).setdefault(row.setting, [])
        at.append((row.verdict, number(float(f"{row.value:.3g}"))))
    return cells

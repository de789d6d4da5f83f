"""Runs at the papers' own scale: their claims are kept, and shown beside those of the page."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from studies.build.ledger import WORDS, count_verdicts
from studies.build.runs import Run
from studies.errors import BuildError
from studies.page.claims import ICONS, template
from studies.page.results import Kept, kept_path

PROFILE = "paper"
KEPT = (
    *("id", "kind", "verdict", "value", "low", "high", "level", "n"),
    *("region_low", "region_high", "predicted", "measured"),
)
_FOLD = "````{dropdown} At the papers' own scale\n```{raw} html\nBOX\n```\n````\n\n"
_NEXT = re.compile(r"^## Try it$", re.MULTILINE)  # the heading that the box stands before


def result_name(chapter: str) -> str:
    """The name of the kept result that holds the claims of a chapter's run in `paper`."""
    return f"{PROFILE}-{chapter.replace('/', '-')}"


def with_claims(note: Mapping[str, Any]) -> Mapping[str, Any]:
    """The note of a run; if that was in `paper`, its claims are among what the chapter keeps."""
    if note["profile"] != PROFILE:
        return note
    claims = [{key: claim[key] for key in KEPT} for claim in note["claims"]]
    ran = {"seconds": note["seconds"], "machine": note["machine"], "claims": claims}
    return {**note, "results": {**note["results"], result_name(note["chapter"]): ran}}


def read_paper(book: Path, chapter: str) -> Kept | None:
    """The kept run of a chapter in `paper`; None if there is none."""
    path = kept_path(book, result_name(chapter))
    try:
        return Kept(**json.loads(path.read_text(encoding="utf8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise BuildError(f"{path.relative_to(book.parent)} is no kept result: {error}") from None


def with_box(run: Run, paper: Kept | None) -> nbformat.NotebookNode:
    """The page's notebook with a folded box, before the exercises, of the kept run's claims.

    The box is no part of the executed chapter: a new one makes no page stale.
    """
    shown = copy.deepcopy(run.notebook)
    if paper is None:
        return shown
    text = _FOLD.replace("BOX", box(run, paper))
    texts = [cell for cell in shown.cells if cell.cell_type == "markdown"]
    cell = next((cell for cell in texts if _NEXT.search(cell.source)), texts[-1])
    found = _NEXT.search(cell.source)
    at = found.start() if found else len(cell.source)
    cell.source = f"{cell.source[:at].rstrip()}\n\n{text}{cell.source[at:]}"
    return shown


def box(run: Run, paper: Kept) -> str:
    """The inside of the box as HTML: origin, counts, and a row for each claim of the page."""
    here, claims = run.note["parameters"], paper.result["claims"]
    theirs = {claim["id"]: claim for claim in claims}
    return template("studies.build", "paper.html").render(
        paper=paper,
        other={k: json.dumps(v) for k, v in paper.parameters.items() if here.get(k) != v},
        counts=count_verdicts(claims),
        rows=[(claim, theirs.get(claim["id"])) for claim in run.claims],
        icons=ICONS,
        words=WORDS,
    )

"""The ledger: every claim of the book with its verdict, as data and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from studies.build.project import Project
from studies.build.runs import Run, commit
from studies.page.claims import ICONS, KINDS, template
from studies.page.results import Kept

LEDGER_MARK = "<!-- ledger -->"
STATUS_MARK = "<!-- status -->"
_NOTED = (
    *("parameters", "fingerprint", "parts", "seconds", "date", "commit", "machine", "versions"),
    "claims",
)
WORDS = {"holds": "hold", "fails": "fail", "undecided": "undecided"}


def ledger(project: Project, profile: str, runs: Mapping[str, Run]) -> dict[str, Any]:
    """All claims with what is needed to judge and repeat them, as JSON values."""
    return {
        "book": "Why Networks Compress",
        "profile": profile,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(project),
        "chapters": {name: {key: run.note[key] for key in _NOTED} for name, run in runs.items()},
    }


def count_verdicts(claims: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims hold, fail, are undecided."""
    return {word: sum(c["verdict"] == word for c in claims) for word in ICONS}


def blocking_claims(claims: Sequence[Mapping[str, Any]], profile: str) -> list[Mapping[str, Any]]:
    """The failed ones and, in the `book` profile, those undecided without a stated reason."""

    def blocks(claim: Mapping[str, Any]) -> bool:
        excused = profile != "book" or claim["may_stay_undecided"]
        return claim["verdict"] == "fails" or (claim["verdict"] == "undecided" and not excused)

    return list(filter(blocks, claims))


def ledger_page(runs: Mapping[str, Run], titles: Mapping[str, str]) -> str:
    """The claims as HTML: counts by verdict and by kind, then a table for each chapter."""
    claims = [claim for run in runs.values() for claim in run.claims]
    kinds = {kind: [claim for claim in claims if claim["kind"] == kind] for kind in KINDS}
    return template("studies.build", "ledger.html").render(
        verdicts=count_verdicts(claims) if claims else {},
        kinds={kind: count_verdicts(made) for kind, made in kinds.items() if made},
        chapters={name: run.claims for name, run in runs.items()},
        titles=titles,
        icons=ICONS,
        words=WORDS,
        meanings=KINDS,
    )


def status_page(
    profile: str,
    runs: Mapping[str, Run],
    titles: Mapping[str, str],
    stale: Mapping[str, Sequence[str]],
    papers: Mapping[str, Kept | None],
) -> str:
    """How each chapter's page came about, and its run at the papers' scale, as an HTML table."""
    heads = ["chapter", "state", "claims", "seconds", "executed", "commit", "machine"]
    heads.append("profile paper")
    rows = {}
    for name, run in runs.items():
        note, paper = run.note, papers[name]
        versions = ", ".join(f"{key} {value}" for key, value in note["versions"].items())
        rows[name] = [
            "stale: " + "; ".join(stale[name]) if name in stale else "fresh",
            len(run.claims),
            f"{note['seconds']:.0f}",
            f"{datetime.fromisoformat(note['date']):%Y-%m-%d, %H:%M} UTC",
            note["commit"] or "–",
            f"{note['machine']}; {versions}",
            f"{paper.date[:10]}, {paper.result['seconds']:.0f} s" if paper else "not run",
        ]
    return template("studies.build", "status.html").render(
        profile=profile, heads=heads, rows=rows, titles=titles
    )

"""The ledger: every claim of the book with its verdict, as data and as a page."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studies.build.project import Project
from studies.build.runs import Run, commit
from studies.errors import BuildError
from studies.page.claims import ICONS, KINDS, template
from studies.page.results import Kept, kept_path

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


def ledger_page(
    runs: Mapping[str, Run],
    titles: Mapping[str, str],
    parts: Mapping[str, str],
    numbers: Mapping[str, str],
    repeat: Mapping[str, Any] | None = None,
) -> str:
    """The claims as HTML: counts, what chance would do, then a table for each chapter.

    ``parts`` names the part of each chapter, ``numbers`` the book's number of each statement, by
    label; ``repeat`` is what a run with other dice came to.
    """
    claims = [claim for run in runs.values() for claim in run.claims]
    kinds = {kind: [claim for claim in claims if claim["kind"] == kind] for kind in KINDS}
    grouped: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for name, run in runs.items():
        for claim in run.claims:
            chapter = grouped.setdefault(parts.get(name, ""), {}).setdefault(name, {})
            chapter.setdefault(claim["id"].partition(".")[0], []).append(claim)
    return template("studies.build", "ledger.html").render(
        verdicts=count_verdicts(claims) if claims else {},
        kinds={kind: count_verdicts(made) for kind, made in kinds.items() if made},
        parts=grouped,
        chance=_chance(claims),
        repeat=repeat and _changes(repeat),
        made={claim["id"] for claim in claims},  # in another profile some are not
        **{"titles": titles, "numbers": numbers, "icons": ICONS, "words": WORDS},
        meanings=KINDS,
    )


def _chance(claims: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many true claims may fail by chance: those with intervals, as seldom as these say."""
    levels = [claim["level"] for claim in claims if claim["level"] is not None]
    counts = Counter(levels).most_common()
    return {
        "number": len(levels),
        "levels": ", ".join(f"{number} at {100 * level:.6g}%" for level, number in counts),
        "alarms": sum(1 - level for level in levels),
        "any": 1 - math.prod(levels),
        "bonferroni": 1 - 0.05 / max(len(levels), 1),
    }


def read_repeat(book: Path) -> dict[str, Any] | None:
    """What the last run of all claims with other dice came to; None if there was none."""
    path = kept_path(book, "replicate")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
        _changes(found)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        where = path.relative_to(book.parent)
        raise BuildError(
            f"{where}: need offset, date, commit, missing and chapters: "
            f"{{chapter: {{claim: [verdict, verdict]}}}}, got {type(error).__name__}: {error}"
        ) from None
    return found


def _changes(repeat: Mapping[str, Any]) -> dict[str, Any]:
    """The verdicts that differ between the two runs."""
    pairs = [
        (name, claim, before, after)
        for name, claims in repeat["chapters"].items()
        for claim, (before, after) in claims.items()
    ]
    about = {key: repeat[key] for key in ("offset", "date", "commit")}
    changed = [pair for pair in pairs if pair[2] != pair[3]]
    return {**about, "number": len(pairs), "changed": changed, "missing": len(repeat["missing"])}


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

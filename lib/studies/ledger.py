"""The ledger: every claim of the book with its verdict, as data and as a page."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from studies.claims import ICONS
from studies.numerals import count, interval
from studies.project import Project
from studies.records import Record, commit

LEDGER_MARK = "<!-- ledger -->"
STATUS_MARK = "<!-- status -->"
_WORDS = {"holds": "hold", "fails": "fail", "undecided": "undecided"}


def ledger(project: Project, profile: str, records: Mapping[str, Record]) -> dict[str, Any]:
    """All claims with what is needed to judge and repeat them, as JSON values."""
    return {
        "book": "Why Networks Compress",
        "profile": profile,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(project),
        "chapters": {
            name: {
                key: record.note[key]
                for key in (
                    "parameters",
                    "fingerprint",
                    "parts",
                    "seconds",
                    "date",
                    "commit",
                    "machine",
                    "versions",
                    "claims",
                )
            }
            for name, record in records.items()
        },
    }


def interval_of(claim: Mapping[str, Any]) -> tuple[float, float]:
    """A claim's measured interval; JSON has no infinity, so None stands for an end without one."""
    low, high = claim["low"], claim["high"]
    return -math.inf if low is None else low, math.inf if high is None else high


def count_verdicts(claims: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims hold, fail, are undecided."""
    return {word: sum(c["verdict"] == word for c in claims) for word in ICONS}


def blocking_claims(claims: Sequence[Mapping[str, Any]], profile: str) -> list[Mapping[str, Any]]:
    """Claims that fail the build.

    These are the failed ones and, in the `book` profile, those undecided without a stated reason.
    """
    return [
        claim
        for claim in claims
        if claim["verdict"] == "fails"
        or (
            claim["verdict"] == "undecided"
            and profile == "book"
            and not claim["may_stay_undecided"]
        )
    ]


def ledger_page(records: Mapping[str, Record], titles: Mapping[str, str]) -> str:
    """The claims of all chapters as an HTML table, below a line that counts the verdicts."""
    claims = [claim for record in records.values() for claim in record.claims]
    if not claims:
        return '<p class="ledger-summary">No claims yet.</p>'
    counts = " ".join(
        f'<span class="claim-{word}"><span class="claim-icon" aria-hidden="true">{ICONS[word]}'
        f"</span> {number} {_WORDS[word]}</span>"
        for word, number in count_verdicts(claims).items()
    )
    rows = "\n".join(
        _ledger_row(name, titles[name], claim)
        for name, record in records.items()
        for claim in record.claims
    )
    heads = _heads("verdict", "claim", "predicted", "measured", "n", "chapter")
    return (
        f'<p class="ledger-summary">{counts}</p>\n'
        f'<table class="ledger">\n{heads}\n<tbody>\n{rows}\n</tbody>\n</table>\n'
        '<p>For programs: <a href="../ledger.json">ledger.json</a>.</p>'
    )


def _ledger_row(chapter: str, title: str, claim: Mapping[str, Any]) -> str:
    low_end, high_end = interval_of(claim)
    value, low, high = interval(claim["value"], low_end, high_end)
    span = f' <span class="claim-interval">[{low}, {high}]</span>'
    verdict = claim["verdict"]
    link = f"{chapter}.html#claim-{claim['id']}"
    note = claim["may_stay_undecided"]
    cells = {
        "verdict": f'<span class="claim-verdict"><span class="claim-icon" aria-hidden="true">'
        f"{ICONS[verdict]}</span> {verdict}</span>",
        "claim": f'<a href="{link}">{html.escape(claim["says"])}</a> '
        + (f'<span class="claim-note">{html.escape(note)}</span> ' if note else "")
        + f'<code class="claim-id">{claim["id"]}</code>',
        "predicted": html.escape(claim["predicted"]),
        "measured": value if low_end == high_end else value + span,
        "n": f"{count(claim['n'])} {html.escape(claim['over'])}",
        "chapter": f'<a href="{chapter}.html">{html.escape(title)}</a>',
    }
    return _row(cells, css=f"claim-{verdict}")


def status_page(
    profile: str,
    records: Mapping[str, Record],
    titles: Mapping[str, str],
    stale: Mapping[str, Sequence[str]],
) -> str:
    """How each chapter's page came about, as an HTML table."""
    heads = _heads("chapter", "state", "claims", "seconds", "executed", "commit", "machine")
    rows = []
    for name, record in records.items():
        note = record.note
        versions = ", ".join(f"{key} {value}" for key, value in note["versions"].items())
        cells = {
            "chapter": f'<a href="{name}.html">{html.escape(titles[name])}</a>',
            "state": html.escape("stale: " + "; ".join(stale[name])) if name in stale else "fresh",
            "claims": str(len(record.claims)),
            "seconds": f"{note['seconds']:.0f}",
            "executed": f"{datetime.fromisoformat(note['date']):%Y-%m-%d, %H:%M} UTC",
            "commit": f"<code>{html.escape(note['commit'])}</code>" if note["commit"] else "–",
            "machine": html.escape(f"{note['machine']}; {versions}"),
        }
        rows.append(_row(cells))
    return (
        f"<p>Profile: <code>{html.escape(profile)}</code>.</p>\n"
        f'<table class="ledger">\n{heads}\n<tbody>\n' + "\n".join(rows) + "\n</tbody>\n</table>"
    )


def _heads(*names: str) -> str:
    return (
        "<thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr></thead>"
    )


def _row(cells: Mapping[str, str], *, css: str = "") -> str:
    attribute = f' class="{css}"' if css else ""
    columns = "".join(f'<td data-label="{name}">{text}</td>' for name, text in cells.items())
    return f"<tr{attribute}>{columns}</tr>"

"""Tests of the ledger and the status page."""

from __future__ import annotations

import json
import math
from typing import Any

from bs4 import BeautifulSoup

from studies.build.ledger import blocking_claims, count_verdicts, ledger, ledger_page, status_page
from studies.build.project import Project
from studies.page import at_least, below, claim, claims
from studies.page.regions import Region
from studies.page.results import Kept
from tests.studies import toy


def made(
    label: str, name: str, low: float, high: float, region: Region, *, kind: str, note: str = ""
) -> dict[str, Any]:
    measured = toy.measured(low, low, high, level=0.95)
    row = claim(name, measured, region, "a < b", may_stay_undecided=note or None)
    (full,) = claims(label, row, kind=kind, over="draws", because="of c & d").rows
    return {**full.as_json(), "title": "The theorem"}


HOLDS = made("thm-a", "holds", -2, -1, below(0), kind="inequality")
FAILS = made("thm-a", "fails", 1, 1, below(0), kind="prediction")
OPEN = made("thm-a", "open", -1, 1, below(0), kind="inequality")
EXCUSED = made("thm-b", "excused", -1, math.inf, at_least(0), kind="control", note="n < 8")


RECORDS = {"part/a": toy.run_of(HOLDS, FAILS, OPEN), "part/b": toy.run_of(EXCUSED)}
TITLES = {"part/a": "A & B", "part/b": "B"}


def test_which_claims_block() -> None:
    """A failed claim that passes in a small profile; a stated reason that counts for nothing."""
    every = [HOLDS, FAILS, OPEN, EXCUSED]
    assert [c["id"] for c in blocking_claims(every, "book")] == ["thm-a.fails", "thm-a.open"]
    for profile in ("smoke", "paper"):
        assert [c["id"] for c in blocking_claims(every, profile)] == ["thm-a.fails"]
    assert count_verdicts(every) == {"holds": 1, "fails": 1, "undecided": 2}


def test_the_page_lists_every_claim() -> None:
    """A claim left out, a link astray, words that break the markup, an infinite end."""
    page = BeautifulSoup(ledger_page(RECORDS, TITLES), "html.parser")
    kinds, *chapters = page.select("table")
    assert [row.get_text("|", strip=True) for row in kinds.select("tbody tr")] == [
        "inequality|a bound that the statement implies|1|0|1",
        "prediction|empirical: no theorem speaks of it|0|1|0",
        "control|a condition dropped or a mistake built in: the test must notice|0|0|1",
    ]
    captions = [table.select_one("caption a") for table in chapters]
    assert [(a["href"], a.get_text()) for a in captions if a] == [
        ("part/a.html", "A & B"),
        ("part/b.html", "B"),
    ]
    rows = [row for table in chapters for row in table.select("tbody tr")]
    assert [row.select("a")[0]["href"] for row in rows] == [
        "part/a.html#claim-thm-a.holds",
        "part/a.html#claim-thm-a.fails",
        "part/a.html#claim-thm-a.open",
        "part/b.html#claim-thm-b.excused",
    ]
    texts = [" ".join(row.get_text(" ", strip=True).split()) for row in rows]
    assert texts[0] == (
        "✓ holds a < b The theorem thm-a.holds inequality below 0 of c & d "
        "−2.0 [−2.0, −1.0] 95%, 5 draws"
    )
    assert "[" not in texts[1]
    assert "∞]" in texts[3]
    assert "may stay undecided: n < 8" in texts[3]
    # Verdicts in words and icons, not in colour alone.
    said = [text.partition(" a <")[0] for text in texts]
    assert said == ["✓ holds", "✗ fails", "? undecided", "? undecided"]
    summary = page.select_one(".ledger-summary")
    assert summary is not None
    assert summary.get_text(" ", strip=True) == "✓ 1 hold ✗ 1 fail ? 2 undecided"


def test_an_empty_ledger_says_so() -> None:
    """A table of headings."""
    assert "No claims yet" in ledger_page({"part/a": toy.run_of()}, TITLES)


def test_the_data_are_strict_json(bare: Project) -> None:
    """Infinity or NaN, which JSON has not; a ledger without what is needed to repeat it."""
    data = json.loads(json.dumps(ledger(bare, "book", RECORDS), allow_nan=False))
    assert data["profile"] == "book"
    assert data["chapters"]["part/a"]["claims"][0]["region_low"] is None
    assert data["chapters"]["part/b"]["claims"] == [EXCUSED]
    wanted = {"parameters", "fingerprint", "parts", "seconds", "date", "commit", "machine"}
    assert wanted | {"versions", "claims"} == set(data["chapters"]["part/a"])


def test_the_status_page() -> None:
    """A stale chapter shown as fresh; a reason that breaks the markup; a paper's run not named."""
    ran = {"result": {"seconds": 386.4}, "date": "2026-02-03T01:00:00+00:00", "profile": "paper"}
    kept = Kept(chapter="part/b", parameters={}, versions={}, data={}, commit="", **ran)
    papers = {"part/a": None, "part/b": kept}
    html = status_page("smoke", RECORDS, TITLES, {"part/b": ["a <b> changed", "c is new"]}, papers)
    page = BeautifulSoup(html, "html.parser")
    rows = [row.get_text("|", strip=True) for row in page.select("tbody tr")]
    assert rows[0] == "A & B|fresh|3|2|2026-01-01, 00:00 UTC|–|M <1>; numpy 2|not run"
    assert rows[1].startswith("B|stale: a <b> changed; c is new|1|")
    assert rows[1].endswith("|2026-02-03, 386 s")
    assert "smoke" in page.get_text()

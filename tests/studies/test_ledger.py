"""Tests of the ledger and the status page."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bs4 import BeautifulSoup
from nbformat.v4 import new_notebook

from studies.claims import claim
from studies.ledger import blocking_claims, count_verdicts, ledger, ledger_page, status_page
from studies.project import Project
from studies.records import Record
from studies.regions import Region, at_least, below


def made(name: str, low: float, high: float, region: Region, **more: Any) -> dict[str, Any]:
    value = low if math.isfinite(low) else high
    measured = SimpleNamespace(value=value, low=low, high=high, n=7)
    return claim(
        name, says="a < b", over="draws", measured=measured, predicted=region, **more
    ).as_json()


HOLDS = made("thm-a.holds", -2, -1, below(0))
FAILS = made("thm-a.fails", 1, 1, below(0))
OPEN = made("thm-a.open", -1, 1, below(0))
EXCUSED = made("thm-b.excused", -1, math.inf, at_least(0), may_stay_undecided="n < 8")


def record(*claims: dict[str, Any]) -> Record:
    note = {
        "claims": list(claims),
        "seconds": 1.6,
        "date": "2026-01-01",
        "commit": "",
        "machine": "M <1>",
        "versions": {"numpy": "2"},
        "parameters": {"p": 0.3},
        "fingerprint": "f",
        "parts": {"chapter source": "c"},
    }
    return Record(Path("none"), new_notebook(), note)


RECORDS = {"part/a": record(HOLDS, FAILS, OPEN), "part/b": record(EXCUSED)}
TITLES = {"part/a": "A & B", "part/b": "B"}


def test_which_claims_block() -> None:
    """A failed claim that passes in a small profile; a stated reason that counts for nothing."""
    claims = [HOLDS, FAILS, OPEN, EXCUSED]
    assert [c["id"] for c in blocking_claims(claims, "book")] == ["thm-a.fails", "thm-a.open"]
    for profile in ("smoke", "paper"):
        assert [c["id"] for c in blocking_claims(claims, profile)] == ["thm-a.fails"]
    assert count_verdicts(claims) == {"holds": 1, "fails": 1, "undecided": 2}


def test_the_page_lists_every_claim() -> None:
    """A claim left out, a link astray, words that break the markup, an infinite end."""
    page = BeautifulSoup(ledger_page(RECORDS, TITLES), "html.parser")
    rows = page.select("tbody tr")
    assert len(rows) == 4
    assert [row.select("a")[0]["href"] for row in rows] == [
        "part/a.html#claim-thm-a.holds",
        "part/a.html#claim-thm-a.fails",
        "part/a.html#claim-thm-a.open",
        "part/b.html#claim-thm-b.excused",
    ]
    texts = [row.get_text(" ", strip=True) for row in rows]
    assert "−2.0 [−2.0, −1.0]" in texts[0]
    assert "[" not in texts[1]
    assert "[−1, ∞]" in texts[3]
    assert "n < 8" in texts[3]
    assert all("a < b" in text and "7 draws" in text for text in texts)
    assert "A & B" in texts[0]
    # Verdicts in words and icons, not in colour alone.
    verdicts = [row.select_one(".claim-verdict") for row in rows]
    said = [verdict.get_text(" ", strip=True) for verdict in verdicts if verdict]
    assert said == ["✓ holds", "✗ fails", "? undecided", "? undecided"]
    summary = page.select_one(".ledger-summary")
    assert summary is not None
    assert summary.get_text(" ", strip=True) == "✓ 1 hold ✗ 1 fail ? 2 undecided"


def test_an_empty_ledger_says_so() -> None:
    """A table of headings."""
    assert "No claims yet" in ledger_page({"part/a": record()}, TITLES)


def test_the_data_are_strict_json(bare: Project) -> None:
    """Infinity or NaN, which JSON has not; a ledger without what is needed to repeat it."""
    data = json.loads(json.dumps(ledger(bare, "book", RECORDS), allow_nan=False))
    assert data["profile"] == "book"
    assert data["chapters"]["part/a"]["claims"][0]["region_low"] is None
    assert data["chapters"]["part/b"]["claims"] == [EXCUSED]
    wanted = {"parameters", "fingerprint", "parts", "seconds", "date", "commit", "machine"}
    assert wanted | {"versions", "claims"} == set(data["chapters"]["part/a"])


def test_the_status_page() -> None:
    """A stale chapter shown as fresh; a reason that breaks the markup."""
    html = status_page("smoke", RECORDS, TITLES, {"part/b": ["a <b> changed", "c is new"]})
    page = BeautifulSoup(html, "html.parser")
    rows = [row.get_text("|", strip=True) for row in page.select("tbody tr")]
    assert rows[0] == "A & B|fresh|3|2|2026-01-01, 00:00 UTC|–|M <1>; numpy 2"
    assert rows[1].startswith("B|stale: a <b> changed; c is new|1|")
    assert "smoke" in page.get_text()

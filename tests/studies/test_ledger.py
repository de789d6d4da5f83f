"""Tests of the ledger and the status page."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from bs4 import BeautifulSoup

from studies.build.ledger import (
    blocking_claims,
    count_verdicts,
    ledger,
    ledger_page,
    read_repeat,
    status_page,
)
from studies.build.project import Project
from studies.errors import BuildError
from studies.page import at_least, below, claim, claims
from studies.page.regions import Region
from studies.page.results import Kept
from tests.studies import toy


def made(
    label: str, name: str, low: float, high: float, region: Region, *, kind: str, note: str = ""
) -> dict[str, Any]:
    measured = toy.measured(low, low, high, level=0.95)
    row = claim(name, measured, region, "a < b").or_undecided(note)
    (full,) = claims(label, row, kind=kind, over="draws", because="of c & d").rows
    return {**full.as_json(), "title": "The theorem"}


HOLDS = made("thm-a", "holds", -2, -1, below(0), kind="inequality")
FAILS = made("thm-a", "fails", 1, 1, below(0), kind="prediction")
OPEN = made("thm-a", "open", -1, 1, below(0), kind="inequality")
EXCUSED = made("thm-b", "excused", -1, math.inf, at_least(0), kind="control", note="n < 8")


RECORDS = {"part/a": toy.run_of(HOLDS, FAILS, OPEN), "part/b": toy.run_of(EXCUSED)}
TITLES = {"part/a": "A & B", "part/b": "B"}
PARTS = {"part/a": "Part I", "part/b": "Part II"}
NUMBERS = {"thm-a": "Theorem 1.1"}
REPEAT = {
    **{"offset": 100, "date": "2026-03-01T00:00:00+00:00", "commit": "abc", "missing": {}},
    "chapters": {"part/a": {"thm-a.holds": ["holds", "fails"], "thm-a.open": ["undecided"] * 2}},
}


def page_of(*chapters: str, repeat: Any = None) -> BeautifulSoup:
    runs = {name: RECORDS[name] for name in chapters or RECORDS}
    return BeautifulSoup(ledger_page(runs, TITLES, PARTS, NUMBERS, repeat), "html.parser")


def words(element: Any) -> str:
    return " ".join(element.get_text(" ", strip=True).split())


def test_which_claims_block() -> None:
    """A failed claim that passes in a small profile; a stated reason that counts for nothing."""
    every = [HOLDS, FAILS, OPEN, EXCUSED]
    assert [c["id"] for c in blocking_claims(every, "book")] == ["thm-a.fails", "thm-a.open"]
    for profile in ("smoke", "paper"):
        assert [c["id"] for c in blocking_claims(every, profile)] == ["thm-a.fails"]
    assert count_verdicts(every) == {"holds": 1, "fails": 1, "undecided": 2}


def test_the_page_lists_every_claim() -> None:
    """A claim left out, a link astray, words that break the markup, an infinite end."""
    page = page_of()
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
    assert [words(part) for part in page.select("h3")] == ["Part I", "Part II"]
    heads = page.select("tr.ledger-statement")
    assert [words(row) for row in heads] == ["Theorem 1.1 The theorem", "thm-b The theorem"]
    assert heads[0].select("a")[0]["href"] == "part/a.html#thm-a"
    rows = [row for table in chapters for row in table.select("tr[data-verdict]")]
    assert [(row["data-verdict"], row["data-kind"]) for row in rows] == [
        *(("holds", "inequality"), ("fails", "prediction")),
        *(("undecided", "inequality"), ("undecided", "control")),
    ]
    assert [row.select("a")[0]["href"] for row in rows] == [
        "part/a.html#claim-thm-a.holds",
        "part/a.html#claim-thm-a.fails",
        "part/a.html#claim-thm-a.open",
        "part/b.html#claim-thm-b.excused",
    ]
    texts = [" ".join(row.get_text(" ", strip=True).split()) for row in rows]
    assert texts[0] == (
        "✓ holds inequality a < b thm-a.holds below 0 of c & d −2.0 [−2.0, −1.0] 95%, 5 draws"
    )
    assert "[" not in texts[1]
    assert "∞]" in texts[3]
    assert "may stay undecided: n < 8" in texts[3]
    # Verdicts in words and icons, not in colour alone.
    said = [text.split()[:2] for text in texts]
    assert said == [["✓", "holds"], ["✗", "fails"], ["?", "undecided"], ["?", "undecided"]]
    summary = page.select_one(".ledger-summary")
    assert summary is not None
    assert summary.get_text(" ", strip=True) == "✓ 1 hold ✗ 1 fail ? 2 undecided"


def test_an_empty_ledger_says_so() -> None:
    """A table of headings."""
    assert "No claims yet" in ledger_page({"part/a": toy.run_of()}, TITLES, PARTS, NUMBERS)


def test_what_chance_alone_would_do() -> None:
    """False alarms that nobody counted; an exact claim counted among them."""
    text = words(page_of("part/a"))  # FAILS is a point: no interval
    assert "2 of these claims rest on an interval, 2 at 95%;" in text
    assert "at most 0.1 of them would be expected to fail by chance" in text
    assert "with a chance of at most 10%." in text  # 1 - 0.95²
    assert "1 claim fails here." in text
    assert "95% each would need 97.5%." in text
    exact = ledger_page({"part/a": toy.run_of(FAILS)}, TITLES, PARTS, NUMBERS)
    assert "No claim rests on an interval" in exact


def test_other_seeds(bare: Project) -> None:
    """A verdict that flips with the seeds, and a reader who does not learn it."""
    assert read_repeat(bare.book) is None
    assert "other dice" not in words(page_of())
    text = words(page_of(repeat=REPEAT))
    assert "On 2026-03-01 (commit abc) all seeds were moved by 100, and all dice" in text
    assert "thrown anew: of 2 verdicts 1 changed" in text
    assert "thm-a.holds ✓ holds ✗ fails" in text
    gone = {
        "chapters": {"part/a": {"thm-a.holds": ["holds", "fails"], "thm-a.gone": ["holds", None]}}
    }
    page = page_of(repeat={**REPEAT, **gone})  # of a profile in which one is not made
    assert "thm-a.gone ✓ holds not made" in words(page)
    linked = {link["href"] for link in page.select("#ledger-repeat ~ table a[href*=claim-]")}
    assert "part/a.html#claim-thm-a.holds" in linked
    assert "part/a.html#claim-thm-a.gone" not in linked
    path = bare.book / "results" / "replicate.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(REPEAT))
    assert read_repeat(bare.book) == REPEAT
    path.write_text(json.dumps({**REPEAT, "chapters": {"part/a": {"thm-a.holds": ["holds"]}}}))
    with pytest.raises(
        BuildError, match=r"^book/results/replicate.json: need offset, date, .*, got"
    ):
        read_repeat(bare.book)


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

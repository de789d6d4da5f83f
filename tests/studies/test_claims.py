"""Tests of claims: verdicts, refusals, and how they are shown."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from studies.claims import ICONS, MIME, Claim, claim
from studies.regions import Region, above, at_least, at_most, below, between, exactly


def estimate(low: float, value: float, high: float, n: int = 5, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(value=value, low=low, high=high, n=n, **more)


def make(measured: Any = None, predicted: Region | None = None, **more: Any) -> Claim:
    options: dict[str, Any] = {"says": "it falls", "over": "networks", **more}
    return claim(
        options.pop("id", "thm-2.decay"),
        measured=measured or estimate(-2, -1.5, -1),
        predicted=predicted or below(0),
        **options,
    )


@pytest.mark.parametrize(
    ("low", "high", "predicted", "verdict"),
    [
        (-2, -1, below(0), "holds"),
        (-1, 0, below(0), "undecided"),
        (0, 1, below(0), "fails"),
        (3, 3, exactly(4), "fails"),
        (0.95, 1.05, between(0.9, 1.1), "holds"),
        (0.5, math.inf, at_least(0), "holds"),
        (-math.inf, 0.5, at_least(0), "undecided"),
    ],
)
def test_verdicts(low: float, high: float, predicted: Region, verdict: str) -> None:
    """A verdict by the estimate alone, or with the ends of the region mixed up."""
    value = low if math.isfinite(low) else high
    assert make(estimate(low, value, high), predicted).verdict == verdict


def test_the_verdict_cannot_be_passed_in() -> None:
    """An author who declares success."""
    with pytest.raises(TypeError):
        make(verdict="holds")


@pytest.mark.parametrize(
    "measured",
    [
        estimate(0, math.nan, 1),
        estimate(math.nan, 0, 1),
        estimate(0, 0, math.nan),
        estimate(0, math.inf, math.inf),
        estimate(1, 0, 2),
        estimate(0, 3, 2),
        estimate(0, 1, 2, n=0),
        estimate(0, 1, 2, level=95),
        estimate(0, 1, 2, level=math.nan),
    ],
)
def test_no_interval_no_claim(measured: Any) -> None:
    """NaN, which compares false with everything, counted as one verdict or another."""
    with pytest.raises(ValueError, match=r"claim thm-2.decay: need"):
        make(measured)


@pytest.mark.parametrize(
    "name", ["", "decay", "thm.", ".decay", "Thm-2.decay", "thm 2.decay", "a.b.c", "thm-.x", "é.x"]
)
def test_bad_ids_are_refused(name: str) -> None:
    """An id without its theorem's label, or one that breaks the anchors of the page."""
    with pytest.raises(ValueError, match="need <theorem's label>"):
        make(id=name)


def test_json_is_strict_and_complete() -> None:
    """Infinity in the JSON, which other programs refuse; a field that is lost."""
    shown = make(estimate(-math.inf, -1, 0), at_most(0))
    data = json.loads(json.dumps(shown.as_json(), allow_nan=False))
    assert (data["region_low"], data["region_high"]) == (None, 0)
    assert (data["low"], data["value"], data["high"], data["n"]) == (None, -1, 0, 5)
    assert (data["id"], data["verdict"], data["predicted"]) == ("thm-2.decay", "holds", "at most 0")


@given(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False))
def test_any_claim_can_be_shown(low: float, value: float) -> None:
    """A number that text, box or JSON cannot take."""
    shown = make(estimate(min(low, value), value, math.inf), exactly(value))
    bundle = shown._repr_mimebundle_()
    json.dumps(bundle, allow_nan=False)
    assert set(bundle) == {"text/html", "text/plain", MIME}


def test_box() -> None:
    """Markup that an author's words can break; numbers, theorem or sample size left out."""
    shown = make(
        estimate(-2, -1.5, -1, level=0.9999),
        says="a < b & <script>",
        over="draws & <b>",
        theorem="Theorem <2>",
        may_stay_undecided="few & dear",
    )
    html = shown._repr_mimebundle_()["text/html"]
    box = BeautifulSoup(html, "html.parser")
    assert not box.select("script, b")
    text = box.get_text(" ", strip=True)
    for part in ("a < b & <script>", "5 draws & <b>", "Theorem <2>", "few & dear", "thm-2.decay"):
        assert part in text
    assert "predicted below 0" in text
    assert "−1.5 [−2.0, −1.0]" in text
    assert "99.99%" in text
    link = box.select_one("a")
    assert link is not None
    assert link["href"] == "#thm-2"
    assert box.select_one("#claim-thm-2\\.decay") is not None


def test_box_of_a_count_has_no_interval() -> None:
    """A made-up interval and confidence around an exact count; the label stands in for a name."""
    box = BeautifulSoup(
        make(estimate(3, 3, 3, level=0.95), exactly(3))._repr_mimebundle_()["text/html"],
        "html.parser",
    )
    text = box.get_text(" ", strip=True)
    assert "[" not in text
    assert "%" not in text
    assert "thm-2" in text


def test_verdicts_differ_without_colour() -> None:
    """Two verdicts that only a colour tells apart, on the page or in plain text."""
    claims = [make(predicted=region) for region in (below(0), above(0), below(-1.5))]
    assert [c.verdict for c in claims] == ["holds", "fails", "undecided"]
    for shown in claims:
        for text in (str(shown), shown._repr_mimebundle_()["text/html"]):
            assert shown.verdict in text
            assert ICONS[shown.verdict] in text
    assert len(set(ICONS.values())) == 3


def test_plain_text() -> None:
    """A terminal that does not say what was measured."""
    assert str(make()) == (
        "[✓ holds] it falls — predicted below 0, measured −1.5 [−2.0, −1.0], n = 5 networks  "
        "(thm-2.decay)"
    )

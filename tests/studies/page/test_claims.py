"""Tests of claims: verdicts, refusals, and how they are shown."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import example, given
from hypothesis import strategies as st

from studies.page.claims import ICONS, KINDS, MIME, Claim, Group, claim, claims, scale, table
from studies.page.regions import Region, above, at_least, at_most, below, between, exactly
from tests.studies.toy import measured as estimate

INF = math.inf


def make(measured: Any = None, region: Region | None = None, **more: Any) -> Claim:
    options: dict[str, Any] = {"name": "decay", "says": "it falls", **more}
    return claim(
        options.pop("name"),
        measured or estimate(-2, -1.5, -1),
        region or below(0),
        options.pop("says"),
        **{"kind": "prediction", "over": "networks", "because": "a fall", **options},
    )


def shown(*rows: Claim, title: str | None = None) -> BeautifulSoup:
    """The table of a group, rendered from its JSON as the builder does."""
    data = json.loads(json.dumps(claims("thm-2", *rows)._repr_mimebundle_()[MIME]))
    return BeautifulSoup(table(data["claims"], title=title, label=data["label"]), "html.parser")


def one(page: BeautifulSoup | Tag, path: str) -> Tag:
    (found,) = page.select(path)
    return found


@pytest.mark.parametrize(
    ("low", "high", "region", "verdict"),
    [
        (-2, -1, below(0), "holds"),
        (-1, 0, below(0), "undecided"),
        (0, 1, below(0), "fails"),
        (3, 3, exactly(4), "fails"),
        (0.95, 1.05, between(0.9, 1.1), "holds"),
        (0.5, INF, at_least(0), "holds"),
        (-INF, 0.5, at_least(0), "undecided"),
    ],
)
def test_verdicts(low: float, high: float, region: Region, verdict: str) -> None:
    """A verdict by the estimate alone, or with the ends of the region mixed up."""
    value = low if math.isfinite(low) else high
    assert make(estimate(low, value, high), region).verdict == verdict


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
        estimate(0, INF, INF),
        estimate(1, 0, 2),
        estimate(0, 3, 2),
        estimate(0, 1, 2, n=0),
        estimate(0, 1, 2, n=math.nan),
        estimate(0, 1, 2, n=2.5),
        estimate(0, 1, 2, level=95),
        estimate(0, 1, 2, level=math.nan),
    ],
)
def test_no_interval_no_claim(measured: Any) -> None:
    """NaN, which compares false with everything, counted as one verdict or another."""
    with pytest.raises(ValueError, match=r"claim decay: need"):
        make(measured)


@pytest.mark.parametrize("name", ["", ".decay", "Thm-2", "thm 2", "a.b", "thm-", "é", "a_b"])
def test_bad_names_are_refused(name: str) -> None:
    """An id that breaks the anchors of the page, or reads as another statement's."""
    with pytest.raises(ValueError, match="need small letters, digits and hyphens"):
        make(name=name)
    with pytest.raises(ValueError, match="need small letters, digits and hyphens"):
        claims(name, make())


def test_a_table_says_of_each_row_what_it_is() -> None:
    """A claim without its kind, what was counted or where the region comes from."""
    bare = claim("x", estimate(0, 1, 2), above(0), "it rises")
    full = {"kind": "control", "over": "throws", "because": "a pilot"}
    for key in full:
        rest = {name: word for name, word in full.items() if name != key}
        with pytest.raises(ValueError, match=rf"claim thm-2\.x: need {key}$"):
            claims("thm-2", bare, **rest)
    own = make()
    table_of_two = claims("thm-2", bare, own, **full)
    first, second = table_of_two.rows
    assert (first.id, first.kind, first.over, first.because) == ("thm-2.x", *full.values())
    assert (second.kind, second.over, second.because) == (own.kind, own.over, own.because)
    for wrong in ({"kind": "theorem"}, {"kind": "Control"}):
        with pytest.raises(ValueError, match="is no kind of claim; need one of identity, ineq"):
            make(**wrong)
        with pytest.raises(ValueError, match="is no kind of claim"):
            claims("thm-2", bare, **{**full, **wrong})


def test_a_table_has_rows_of_different_names() -> None:
    """A claim that hides another, in the ledger and behind its link."""
    for rows in ((), (make(), make())):
        with pytest.raises(ValueError, match="need rows with different names"):
            claims("thm-2", *rows)


def test_json_is_strict_and_complete() -> None:
    """Infinity in the JSON, which other programs refuse; a field that is lost."""
    (row,) = claims("thm-2", make(estimate(-INF, -1, 0), at_most(0))).rows
    data = json.loads(json.dumps(row.as_json(), allow_nan=False))
    assert data == {
        **{"id": "thm-2.decay", "says": "it falls", "kind": "prediction", "title": None},
        **{"predicted": "at most 0", "because": "a fall", "region_low": None, "region_high": 0},
        **{"measured": "−1.00 [−∞, 0.00]", "value": -1, "low": None, "high": 0},
        **{"level": None, "n": 5, "over": "networks", "sample": "5 networks"},
        **{"may_stay_undecided": None, "verdict": "holds"},
    }


@pytest.mark.parametrize(
    ("value", "n", "region", "words"),
    [
        (0, 456, exactly(0), "0 of 456"),
        (2001, 73720, at_least(1), "2\u202f001 of 73\u202f720"),
        (1.0, 6, between(0.999, 1.001), "1"),  # a quotient
        (3.0, 6, below(3.5), "3"),
        (7, 6, exactly(7), "7"),
        (1, 1, exactly(1), "1"),
        (2.5, 6, at_least(1), "2.5"),
        (0.99999999, 2, below(1), "0.99999999"),
        (1.0000000000000002, 2, exactly(1), "1.0000000000000002"),
        (8.3e-19, 2, at_most(2e-12), "8·10⁻¹⁹"),
    ],
)
def test_counts_and_exact_numbers(value: float, n: int, region: Region, words: str) -> None:
    """A quotient read as a count; a number that looks as if the verdict were wrong."""
    row = make(estimate(value, value, value, n=n, level=0.99), region)
    assert row.measured == words
    assert row.sample == ("networks" if " of " in words else f"{n} networks")  # no level


def test_written_ends_agree_with_the_verdict() -> None:
    """[0.90, 1.00] below 1, which holds as measured and does not as printed."""
    assert make(estimate(0.9, 0.95, 0.9996), below(1)).measured == "0.9500 [0.9000, 0.9996]"
    assert make(estimate(0.9, 0.95, 0.9996, level=0.9999), below(1)).sample == "99.99%, 5 networks"


@given(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False))
@example(0.0, 5e-324)  # nothing finer
def test_any_claim_can_be_shown(low: float, value: float) -> None:
    """A number that text, table or JSON cannot take."""
    bundle = claims(
        "thm-2",
        make(estimate(min(low, value), value, INF), exactly(value)),
        make(estimate(value, value, value), at_least(value), name="other"),
    )._repr_mimebundle_()
    json.dumps(bundle, allow_nan=False)
    assert set(bundle) == {"text/html", "text/plain", MIME}
    assert not re.search("(nan|inf)%", bundle["text/html"])


def test_table() -> None:
    """Markup that an author's words can break; a number, reason or link left out."""
    page = shown(
        make(
            estimate(-2, -1.5, -1, level=0.99),
            says="a < b & <script>",
            over="draws & <b>",
            because="pilot <i>",
        ).or_undecided("few & dear"),
        title="Theorem <2>",
    )
    assert not page.select("script, i:not([class])")
    assert not page.select("caption b, .claim-small b b")
    caption = one(page, "caption a")
    assert (caption.text, caption["href"]) == ("Theorem <2>", "#thm-2")
    row = one(page, "tr#claim-thm-2\\.decay")
    text = row.get_text(" ", strip=True).replace("\xa0", " ")
    assert text == (
        "✓ holds prediction a < b & <script> # predicted below 0 · pilot <i> "
        "may stay undecided: few & dear −1.5 [−2.0, −1.0] 99%, 5 draws & <b> −2.5 0.5"
    )
    link = one(row, "a.claim-link")
    assert link["href"] == "#claim-thm-2.decay"
    assert "thm-2.decay" in str(link["aria-label"])
    assert one(row, "abbr")["title"] == KINDS["prediction"]
    assert one(shown(make()), "caption a").text == "thm-2"  # no builder yet: the label


def test_a_theorem_stands_only_over_what_it_implies() -> None:
    """A prediction or a control among the rows that the statement implies."""
    page = shown(*(make(name=kind, kind=kind) for kind in reversed(KINDS)))
    implied, beside = page.select("tbody")
    names = [[str(row["id"]) for row in part.select("tr[id]")] for part in (implied, beside)]
    assert names[0] == ["claim-thm-2." + kind for kind in ("arithmetic", "inequality", "identity")]
    assert names[1] == ["claim-thm-2." + kind for kind in ("control", "reproduction", "prediction")]
    assert not implied.select(".claims-beside")
    assert one(beside, "th[scope=rowgroup]").text == "Beside the statement, not implied by it"
    assert len(shown(make()).select("tbody, .claims-beside")) == 2
    assert not shown(make(kind="identity")).select(".claims-beside")


def test_the_table_is_one_for_screen_readers() -> None:
    """Cells without a heading; a picture that is read out beside the words for it."""
    page = shown(make(), make(name="other"))
    heads = [head.text for head in page.select("thead th[scope=col]")]
    assert heads == ["verdict", "claim", "measured", "scale"]
    for row in page.select("tbody tr[id]"):
        assert [cell.name for cell in row.select("td, th")] == ["td", "th", "td", "td"]
        assert one(row, "th")["scope"] == "row"
        assert one(row, ".claim-scale > *")["aria-hidden"] == "true"


def test_verdicts_differ_without_colour() -> None:
    """Two verdicts that only a colour tells apart, on the page or in plain text."""
    rows = [make(region=region) for region in (below(0), above(0), below(-1.5))]
    assert [row.verdict for row in rows] == ["holds", "fails", "undecided"]
    for row in rows:
        bundle = Group("thm-2", (row,))._repr_mimebundle_()
        for text in (bundle["text/plain"], bundle["text/html"]):
            assert row.verdict in text
            assert ICONS[row.verdict] in text
        assert f'<tr class="claim-{row.verdict}"' in bundle["text/html"]
    assert len(set(ICONS.values())) == 3


def test_plain_text() -> None:
    """A terminal that does not say what was measured."""
    (line,) = claims("thm-2", make())._repr_mimebundle_()["text/plain"].splitlines()
    assert line == (
        "[✓ holds] it falls — predicted below 0 (a fall), measured −1.5 [−2.0, −1.0], "
        "5 networks  (thm-2.decay, prediction)"
    )


def drawn(
    low: float, value: float, high: float, region: Region
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Left and right of each part of a row's scale in percent, and the numbers at its ends."""
    page = shown(make(estimate(low, value, high), region))
    found = {}
    for part in page.select(".scale-line > i"):
        style = dict(word.split(":") for word in str(part["style"]).split(";"))
        left = float(style["left"].rstrip("%"))
        width = float(style.get("width", "0").rstrip("%"))
        found[part["class"][0].removeprefix("scale-")] = (left, left + width)
    return found, [end.text for end in page.select(".scale-ends span")]


def test_the_scale_is_to_scale() -> None:
    """A line that is mirrored, or parts laid out on different scales; a failure that touches."""
    parts, ends = drawn(0.4, 0.5, 0.7, between(0, 1))
    assert ends == ["−0.2", "1.2"]
    for (name, end), at in {
        ("region", 0): 0.2,
        ("region", 1): 1.2,
        ("interval", 0): 0.6,
        ("interval", 1): 0.9,
        ("value", 0): 0.7,
    }.items():
        assert parts[name][end] == pytest.approx(100 * at / 1.4, abs=0.15)
    parts, ends = drawn(0.369, 0.371, 0.373, at_most(0.313))
    assert parts["interval"][0] > parts["region"][1] + 50
    assert ends == ["0.3", "0.38"]


def test_a_scale_crosses_zero_only_for_a_reason() -> None:
    """A quotient on an axis that goes below zero; no room beyond a border at zero."""
    assert drawn(22.6, 24.2, 25.8, above(0.02))[1][0] == "0"
    assert drawn(-25.8, -24.2, -22.6, below(-0.02))[1][1] == "0"
    assert drawn(-2.03, -1.77, -1.51, below(0))[1] == ["−2.5", "0.5"]


def test_infinite_ends_run_off_the_line() -> None:
    """An infinite bound drawn as a wall, or as ``inf`` in a coordinate."""
    parts, _ = drawn(0.5, 1, INF, at_least(0))
    assert parts["interval"][1] > 105 < parts["region"][1]
    parts, _ = drawn(-1.1, -1, -0.9, below(0))
    assert parts["region"][0] < -5
    assert 0 < parts["region"][1] < 100


NUMBERS = (-INF, -1e308, -1.0, -1e-300, 0.0, 1e-9, 1.0, 1e12, 1e308, INF)


@pytest.mark.parametrize("value", [x for x in NUMBERS if math.isfinite(x)])
def test_everything_is_on_the_scale_whatever_the_numbers(value: float) -> None:
    """Overflow, a division by a zero span, a part that is drawn outside."""
    pairs = [
        pair
        for pair in itertools.combinations_with_replacement(NUMBERS, 2)
        if not math.isinf(pair[0]) or pair[0] < pair[1]
    ]
    for (low, high), region in itertools.product(pairs, pairs):
        if low <= value <= high:
            found = scale(make(estimate(low, value, high), Region(*region)).as_json())
            for left, right in (found[name] for name in ("region", "interval")) if found else ():
                assert -9 <= left <= right <= 109
                assert 0 <= found["value"] <= 100


def test_points_have_no_scale() -> None:
    """A picture of one point, and its empty cell taking room on a phone (``:empty``)."""
    page = shown(make(estimate(0, 0, 0), exactly(0)))
    assert one(page, ".claim-scale").contents == []

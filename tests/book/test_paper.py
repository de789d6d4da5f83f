"""The kept runs at the papers' own scale, held against those of the pages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from studies.build.paper import KEPT, PROFILE, read_paper, result_name
from studies.build.profiles import chapter_values, load_profile
from studies.build.project import Project
from studies.build.runs import executed_path, read_run
from studies.page.results import MOST_BYTES
from tests.book.conftest import ROOT

Claim = dict[str, Any]
PROJECT = Project(ROOT)
FILES = sorted((PROJECT.book / "results").glob(f"{PROFILE}-*.json"))
RAN = {name: paper for name in PROJECT.chapter_names() if (paper := read_paper(PROJECT.book, name))}

# Claims that a chapter makes only where there is enough to see; the quick profile has too little.
NOT_IN_SMOKE = {
    "heavy-tails/generalization": ["prop-data-dependent.certified", "prop-data-dependent.overfit"],
    "wide-networks/dice-or-nearest": ["prop-nearest.dice-win"],
    "wide-networks/pruning": ["thm-pruning.order-classification", "thm-pruning.order-regression"],
}


def ends(claim: Claim, low: str, high: str) -> tuple[float, float]:
    """The ends of a claim's region or interval; JSON has None for infinity."""
    left, right = claim[low], claim[high]
    return -math.inf if left is None else left, math.inf if right is None else right


def sign(claim: Claim) -> int:
    """The sign that the whole interval has; 0 if it has none."""
    low, high = ends(claim, "low", "high")
    least, most = ends(claim, "region_low", "region_high")
    if low == high and least < 0 < most:  # rounding, or one draw: either sign is predicted
        return 0
    return (low > 0) - (high < 0)


def disagreements(here: Sequence[Claim], there: Sequence[Claim]) -> Iterator[str]:
    """What two runs of one chapter say differently, in words."""
    ours, theirs = ({claim["id"]: claim for claim in claims} for claims in (here, there))
    yield from (f"{name}: only in one run" for name in sorted(ours.keys() ^ theirs.keys()))
    for name in sorted(ours.keys() & theirs.keys()):
        both = ours[name], theirs[name]
        if ours[name]["kind"] != theirs[name]["kind"]:
            yield f"{name}: another kind"
        if {claim["verdict"] for claim in both} == {"holds", "fails"}:
            yield f"{name}: holds in one run, fails in the other"
        if sign(both[0]) * sign(both[1]) < 0:
            yield f"{name}: another sign"
        regions = [ends(claim, "region_low", "region_high") for claim in both]
        if any(math.isfinite(a) != math.isfinite(b) for a, b in zip(*regions, strict=True)):
            yield f"{name}: another side of the region is open"
        elif max(low for low, _ in regions) > min(high for _, high in regions):
            yield f"{name}: the regions have no number in common"


def test_every_file_belongs_to_a_chapter() -> None:
    """Catches a file that no page shows: a chapter renamed or gone, a name typed wrong."""
    assert FILES
    assert {path.stem for path in FILES} == {result_name(name) for name in RAN}


@pytest.mark.parametrize("chapter", RAN)
def test_a_file_says_what_was_run(chapter: str) -> None:
    """Catches failing claims that were kept, half a claim, a lost or unclear origin."""
    paper = RAN[chapter]
    assert (paper.chapter, paper.profile) == (chapter, PROFILE)
    assert paper.commit
    assert not paper.commit.endswith("-dirty")
    assert paper.result["seconds"] > 0
    assert paper.result["machine"]
    assert "dice" not in paper.result["machine"]  # the chapter's own
    assert {"python", "torch", "numpy"} <= set(paper.versions)
    assert all(set(claim) == set(KEPT) for claim in paper.result["claims"])
    assert all(claim["verdict"] != "fails" for claim in paper.result["claims"])
    assert (PROJECT.book / "results" / f"{result_name(chapter)}.json").stat().st_size < MOST_BYTES


def test_the_parameters_are_those_of_the_profile() -> None:
    """Catches a profile that was changed after its run; where it ran is no part of the numbers."""
    overrides = load_profile(PROJECT, PROFILE)
    for name, paper in RAN.items():
        values = chapter_values(PROJECT.chapter(name), PROFILE, overrides)
        where = {key: paper.parameters[key] for key in {"device"} & set(values)}
        assert paper.parameters == {**values, **where}, name


@pytest.mark.parametrize("chapter", RAN)
def test_papers_scale_agrees_with_the_pages(chapter: str, checkout: Path, profile: str) -> None:
    """Catches a claim whose sign, region or verdict holds at one scale alone; one new or gone."""
    run = read_run(executed_path(Project(checkout), profile, chapter))
    assert run is not None
    made = {claim["id"] for claim in run.claims}
    there = RAN[chapter].result["claims"]
    more = sorted(claim["id"] for claim in there if claim["id"] not in made)
    assert more == (NOT_IN_SMOKE.get(chapter, []) if profile == "smoke" else [])
    assert list(disagreements(run.claims, [c for c in there if c["id"] not in more])) == []


@pytest.mark.parametrize("chapter", RAN)
def test_papers_scale_agrees_with_the_book(chapter: str) -> None:
    """Catches the same between the paper's run and the page, where the book has been built."""
    run = read_run(executed_path(PROJECT, "book", chapter))
    if run is None:
        pytest.skip("the book has not been built here")
    assert list(disagreements(run.claims, RAN[chapter].result["claims"])) == []


def lose(claims: list[Claim]) -> None:
    claims.pop()


def flip(claims: list[Claim]) -> None:
    claim = claims[0]
    claim |= {"value": -claim["value"], "low": -claim["high"], "high": -claim["low"]}


def fail(claims: list[Claim]) -> None:
    claims[0]["verdict"] = "fails"


def turn(claims: list[Claim]) -> None:
    claims[0] |= {"region_low": claims[0]["region_high"], "region_high": claims[0]["region_low"]}


def move(claims: list[Claim]) -> None:
    claims[1] |= {"region_low": 3.0, "region_high": 4.0}


def rename(claims: list[Claim]) -> None:
    claims[0]["kind"] = "control"


CLAIMS: list[Claim] = [
    {"id": "a.falls", "kind": "prediction", "verdict": "holds", "value": -1.0, "low": -2.0}
    | {"high": -0.5, "region_low": None, "region_high": 0.0},
    {"id": "a.one", "kind": "identity", "verdict": "undecided", "value": 1.0, "low": -1.0}
    | {"high": None, "region_low": 0.5, "region_high": 1.5},
]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose, "a.one: only in one run"),
        (flip, "a.falls: another sign"),
        (fail, "a.falls: holds in one run, fails in the other"),
        (turn, "a.falls: another side of the region is open"),
        (move, "a.one: the regions have no number in common"),
        (rename, "a.falls: another kind"),
    ],
)
def test_the_comparison_notices(change: Callable[[list[Claim]], None], said: str) -> None:
    """Catches a comparison that passes what it is there to notice, or sees what is not there."""
    other = copy.deepcopy(CLAIMS)
    assert list(disagreements(CLAIMS, other)) == []
    change(other)
    assert list(disagreements(CLAIMS, other)) == [said]
    assert list(disagreements(other, CLAIMS)) == [said]


def test_what_may_differ() -> None:
    """Catches a comparison that refuses a narrower region, or a verdict that was open before."""
    other = copy.deepcopy(CLAIMS)
    other[1] |= {"verdict": "holds", "low": 0.8, "high": 1.2, "region_low": 0.75}
    assert list(disagreements(CLAIMS, other)) == []

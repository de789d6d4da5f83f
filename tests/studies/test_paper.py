"""Tests of kept runs at the papers' scale: what is written, read back, and shown."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from bs4 import BeautifulSoup

from studies.build import paper
from studies.build.book import plan
from studies.build.files import write_atomically
from studies.build.project import Project
from studies.build.runs import Run, dressed
from studies.errors import BuildError, StudiesError
from studies.page.results import to_keep
from tests.studies import toy

MACHINE = "Linux <8 cores>"


def run_of(project: Project, profile: str, *, draws: int = 2) -> Run:
    """A run of the first toy chapter, made without a kernel."""
    job = next(job for job in plan(project, profile) if job.chapter.name == "part/alpha")
    job = type(job)(**{**vars(job), "values": {**job.values, "draws": draws}})
    run = toy.pretend_to_run(project, job)
    return Run(run.path, run.notebook, {**run.note, "machine": MACHINE, "commit": "abc"})


def keep(project: Project, run: Run) -> dict[str, str]:
    """Write what the run keeps; the names of the files with their texts."""
    made = to_keep(project.book, paper.with_claims(run.note))
    for path, text in made.items():
        write_atomically(path, text)
    return {path.name: text for path, text in made.items()}


def texts(html: str, where: str) -> list[str]:
    soup = BeautifulSoup(html, "html.parser")
    return [" ".join(part.get_text(" ", strip=True).split()) for part in soup.select(where)]


def test_a_run_in_paper_keeps_its_claims(bare: Project) -> None:
    """Catches claims that are lost, a chapter's own result that goes, other profiles' claims."""
    run = run_of(bare, "paper", draws=8)
    assert list(keep(bare, run)) == ["paper-part-alpha.json"]
    kept = paper.read_paper(bare.book, "part/alpha")
    assert kept is not None
    assert (kept.chapter, kept.profile, kept.parameters["draws"]) == ("part/alpha", "paper", 8)
    (claim,) = run.claims
    assert kept.result == {
        "seconds": 1.0,
        "machine": MACHINE,
        "claims": [{key: claim[key] for key in paper.KEPT}],
    }
    assert paper.read_paper(bare.book, "part/beta") is None
    own = Run(run.path, run.notebook, {**run.note, "results": {"toy-means": 3}})
    assert list(keep(bare, own)) == ["toy-means.json", "paper-part-alpha.json"]
    with pytest.raises(StudiesError, match="keeps no result"):
        keep(bare, run_of(bare, "smoke"))


def test_a_run_with_a_failing_claim_is_not_kept(bare: Project) -> None:
    """Catches a failed run at the papers' scale that a page shows."""
    run = run_of(bare, "paper")
    run.claims[0]["verdict"] = "fails"
    with pytest.raises(StudiesError, match=r"as claims fail: thm-toy\.decay"):
        keep(bare, run)


def test_a_torn_file_is_named(bare: Project) -> None:
    """Catches a traceback, or a page without its box, where a file is half there."""
    keep(bare, run_of(bare, "paper"))
    path = bare.book / "results" / "paper-part-alpha.json"
    for text in (path.read_text()[:99], "{}"):
        path.write_text(text)
        with pytest.raises(BuildError, match=r"book/results/paper-part-alpha\.json is no kept"):
            paper.read_paper(bare.book, "part/alpha")


def changed(**changes: Any) -> Any:
    """Claims as another run may have left them."""

    def change(claims: list[dict[str, Any]]) -> None:
        claims[0].update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(), "✓ holds 1.0 [0.5, 1.5]"),
        (
            changed(verdict="undecided", measured="2 [1, 3]"),
            "? undecided 2 [1, 3] another verdict than here",
        ),
        (
            changed(predicted="below 1.7"),
            "✓ holds 1.0 [0.5, 1.5] predicted below 1.7; here below 2",
        ),
        (changed(id="thm-toy.other"), "not claimed there"),
    ],
)
def test_the_box_sets_claims_side_by_side(bare: Project, change: Any, said: str) -> None:
    """Catches a verdict of one run shown as the other's, a difference that is not said."""
    far = copy.deepcopy(run_of(bare, "paper", draws=8))
    change(far.claims)
    keep(bare, far)
    kept = paper.read_paper(bare.book, "part/alpha")
    assert kept is not None
    html = paper.box(run_of(bare, "smoke"), kept)
    claim, here, there = texts(html, "tbody td")
    assert claim == "it falls thm-toy.decay"
    assert here == "✓ holds 1.0 [0.5, 1.5]"
    assert there == said
    origin, counts = texts(html, "p")
    assert "from commit abc in 1 s (Linux <8 cores>) with" in origin
    assert origin.endswith("other values than on this page: draws = 8 .")
    assert counts == f"The verdicts there: 1 {'undecided' if '?' in said else 'hold'}."
    assert "with the values of this page" in paper.box(far, kept)


def test_the_box_stands_before_the_exercises(bare: Project) -> None:
    """Catches a box in the middle of a chapter, one without its fold, a run that is changed."""
    path = bare.book / "part" / "alpha.md"
    toy.edit(path, "We measured", "Before.\n\n## Try it\n\nWe measured")
    keep(bare, run_of(bare, "paper", draws=8))
    run = dressed(run_of(bare, "smoke"), bare.chapter("part/alpha"))
    kept, before = paper.read_paper(bare.book, "part/alpha"), copy.deepcopy(run.notebook)
    text = paper.with_box(run, kept).cells[-1].source
    assert text.startswith("Before.\n\n````{dropdown} At the papers' own scale\n```{raw} html\n<p>")
    assert "</table>\n```\n````\n\n## Try it\n\nWe measured" in text
    assert run.notebook == before
    assert paper.with_box(run, None) == before
    path.write_text(path.read_text().replace("## Try it\n\n", ""))
    without = dressed(run_of(bare, "smoke"), bare.chapter("part/alpha"))
    text = paper.with_box(without, kept).cells[-1].source
    assert text.startswith("Before.\n\nWe measured")
    assert "\n\n````{dropdown}" in text


def test_a_kept_run_makes_no_page_stale(written: Project) -> None:
    """Catches minutes of execution for a box."""
    before = [job.stale for job in plan(written, "book")]
    keep(written, run_of(written, "paper"))
    assert [job.stale for job in plan(written, "book")] == before == [[], []]

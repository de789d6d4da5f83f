"""Tests of what the builder says while it works."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from studies.build.project import Project
from studies.build.runner import Failure, Job
from studies.build.runs import Run
from studies.progress import LiveProgress, describe_claims, describe_failure
from tests.studies import toy


def run(*verdicts: str) -> Run:
    return toy.run_of(*({"verdict": verdict} for verdict in verdicts))


def follow(project: Project, *, terminal: bool) -> str:
    """What is printed while one chapter runs well and another fails."""
    good, bad = (Job(chapter, {}, {}, "book", Path("none")) for chapter in project.chapters())
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100)
    with LiveProgress(console) as progress:
        for job in (good, bad):
            progress.cell(job, 0, 5)
            progress.cell(job, 1, 5)
        if terminal:
            progress.refresh()
        progress.end(good, run("holds", "holds", "fails"))
        progress.end(bad, Failure(bad, "it broke"))
    return stream.getvalue()


def test_quiet_where_there_is_no_terminal(bare: Project) -> None:
    """Control characters and a thousand bars in the log of a build machine."""
    assert follow(bare, terminal=False) == (
        "part/alpha: executed in 2 s; 3 claims (2 holds, 1 fails)\npart/beta: FAILED\n"
    )


def test_live_on_a_terminal(bare: Project) -> None:
    """A long run without a sign of life."""
    said = follow(bare, terminal=True)
    assert "cell 2/5" in said
    assert "\x1b[" in said
    assert "part/beta: FAILED" in said


def test_a_chapter_may_end_before_its_first_cell(bare: Project) -> None:
    """A KeyError for a chapter whose kernel never started."""
    job = Job(bare.chapter("part/alpha"), {}, {}, "book", Path("none"))
    stream = io.StringIO()
    with LiveProgress(Console(file=stream)) as progress:
        progress.end(job, Failure(job, "no kernel"))
    assert stream.getvalue() == "part/alpha: FAILED\n"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((), "0 claims"),
        (("holds",), "1 claim (1 holds)"),
        (("holds", "undecided"), "2 claims (1 holds, 1 undecided)"),
    ],
)
def test_claims_are_counted_in_words(verdicts: tuple[str, ...], said: str) -> None:
    """A failed claim lost in a sum."""
    assert describe_claims(run(*verdicts)) == said


def test_a_failure_without_a_cell(bare: Project) -> None:
    """A made-up place for an error that has none."""
    job = Job(bare.chapter("part/alpha"), {}, {}, "book", Path("none"))
    assert describe_failure(Failure(job, "OSError: no space")) == "part/alpha: OSError: no space"

"""Tests of `studies replicate`, with the toy book and no kernel."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import pytest

from studies import options
from studies.build.project import Project
from studies.build.runner import Failure, Job, Watcher
from studies.build.runs import Run
from tests.studies import toy
from tests.studies.test_cli import invoke


class Pretended:
    """An engine without kernels that notes seeds and dice; the verdict is what it is told."""

    def __init__(self, verdict: str = "holds") -> None:
        self.verdict, self.seeds, self.dice = verdict, list[Any](), list[str]()

    def __call__(  # noqa: D102
        self, project: Project, jobs: Sequence[Job], watcher: Watcher
    ) -> list[Run | Failure]:
        results: list[Run | Failure] = []
        for job in jobs:
            self.seeds.append(job.values.get("seeds"))
            self.dice.append(os.environ.get("COMPRESSIBILITY_DICE", ""))
            result = toy.pretend_to_run(project, job)
            result.note["claims"][0]["verdict"] = self.verdict
            results.append(result if self.verdict else Failure(job, "it broke"))
            watcher.end(job, results[-1])
        return results


def replicated(engine: Any, *arguments: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "on_this_machine", lambda _: engine)
        return invoke("replicate", *arguments)


def test_both_verdicts_of_each_claim_are_kept(written: Project) -> None:
    """Catches the page's own seeds or dice run again; a page touched; a chapter left out."""
    before = toy.tree(written.root)
    engine = Pretended("undecided")
    done = replicated(engine, "--offset", "7")
    assert (done.exit_code, done.stderr) == (0, "")
    assert engine.seeds == [[7, 8, 9], None]
    assert engine.dice == ["7", "7"]
    assert "COMPRESSIBILITY_DICE" not in os.environ
    path = written.book / "results" / "replicate.json"
    found = json.loads(path.read_text(encoding="utf8"))
    date, versions = found.pop("date"), found.pop("versions")
    assert date[:2] == "20"
    assert "numpy" in versions
    assert found == {
        **{"offset": 7, "profile": "book", "commit": ""},
        "chapters": {
            name: {"thm-toy.decay": ["holds", "undecided"]} for name in ("part/alpha", "part/beta")
        },
        "missing": {},
        "counts": {"holds → undecided": 2},
    }
    assert done.stdout == (
        "part/alpha: 1 claims, 1 changed\n    holds → undecided  thm-toy.decay\n"
        "part/beta: 1 claims, 1 changed\n    holds → undecided  thm-toy.decay\n"
        f"2 holds → undecided\nkept: {path}\n"
    )
    after = toy.tree(written.root)
    new = {name for name in after if after[name] != before.get(name)}
    assert all(n == "book/results/replicate.json" or n.startswith("_build/store/") for n in new)
    again = Pretended()
    assert replicated(again, "--offset", "7").stdout == done.stdout
    assert again.seeds == []  # it was stored


def test_a_verdict_that_falls_fails(written: Project) -> None:
    """Catches a success although a claim does not stand with fresh dice, or nothing ran."""
    fell = replicated(Pretended("fails"))
    assert (fell.exit_code, fell.stderr) == (1, "")
    assert "    holds → fails  thm-toy.decay\n" in fell.stdout
    broke = replicated(Pretended(""), "--offset", "5")
    assert broke.exit_code == 1
    assert broke.stderr == "part/alpha: it broke\npart/beta: it broke\n"
    path = written.book / "results" / "replicate.json"
    found = json.loads(path.read_text(encoding="utf8"))
    assert found["missing"]["part/alpha"] == "does not run: it broke"
    assert found["chapters"] == {}


def test_what_would_compare_unlike_things_is_refused(written: Project) -> None:
    """Catches seeds that are not fresh; verdicts of other code beside those of now."""
    before = toy.tree(written.root)
    engine = Pretended()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPRESSIBILITY_DICE", "100")
        assert replicated(engine).stderr.startswith("studies: unset COMPRESSIBILITY_DICE: ")
    shared = replicated(engine, "--offset", "2")
    said = "studies: part/alpha: 2 is no offset: some seeds would not be new\n"
    assert (shared.exit_code, shared.stderr) == (1, said)
    toy.edit(written.lib / "toy" / "unit.py", "ONE = 1", "ONE = 2")
    said = "studies: build the book first, in profile book: part/beta out of date\n"
    assert replicated(engine).stderr == said
    toy.edit(written.lib / "toy" / "unit.py", "ONE = 2", "ONE = 1")
    assert "part/alpha, part/beta out" in replicated(engine, "--profile", "smoke").stderr
    assert engine.seeds == []
    assert toy.tree(written.root) == before

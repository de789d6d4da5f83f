"""Each chapter: its skeleton, and runs with other parameters."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from studies.build.book import plan
from studies.build.parameters import effective
from studies.build.profiles import load_profile
from studies.build.project import Project
from studies.build.runner import Failure, Watcher, run_jobs
from studies.build.runs import Run
from studies.progress import describe_failure
from studies.sweep.cluster import on_cluster
from tests.book.conftest import ROOT, copy_checkout

CHAPTERS = Project(ROOT).chapter_names()
AUDIT, GREEDY = "together/audit", "wide-networks/greedy-compression"
# On top of the profile `corner`, which runs each chapter once: a linear network with one hidden
# layer, and a regression task; a file of the reader's own, as it is called where the runs start.
MORE: dict[str, tuple[str, dict[str, Any]]] = {
    f"{AUDIT}, own": (AUDIT, {"checkpoint": "data/california_housing.npz"}),
    f"{GREEDY}, linear": (
        GREEDY,
        {"p": 0.3, "widths": [700], "activation": "identity", "fraction": 0.29, "levels": 1},
    ),
    f"{GREEDY}, regression": (
        GREEDY,
        {"p": 0.8, "widths": [20, 24], "activation": "relu", "dataset": "california_housing"},
    ),
}


@pytest.mark.parametrize("name", CHAPTERS)
def test_skeleton(name: str) -> None:
    """Catches a chapter without a theorem, proof, claims, a control, exercises or a way on."""
    text = (ROOT / f"book/{name}.md").read_text(encoding="utf8")
    assert re.search(r"\{prf:(theorem|proposition|lemma|corollary)\}", text)
    assert "{dropdown} Proof" in text  # folded, below its statement
    rows = re.findall(r'\bclaim\(\s*"([a-z0-9-]+)"', text)
    assert len(rows) >= 5
    assert 'kind="control"' in text
    assert text.count("```{exercise}") == text.count("{solution}") >= 3
    assert "## What we learned" in text
    assert re.search(rf"## Try it.*studies run {name} ", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run | Failure]:
    """How each chapter ends with values that its defaults never meet: one parallel run."""
    project = Project(copy_checkout(tmp_path_factory.mktemp("corner")))
    small_housing(project.root / "data")
    jobs = {job.chapter.name: job for job in plan(project, "corner")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        for name, (chapter, other) in MORE.items():
            values = effective(jobs[chapter].chapter.parameters, [jobs[chapter].values, other])
            target = jobs[chapter].target.with_name(f"{name.partition(', ')[2]}.ipynb")
            jobs[name] = dataclasses.replace(jobs[chapter], values=values, target=target)
        patch.setenv("COMPRESSIBILITY_DATA", str(project.root / "data"))
        endings = run_jobs(project, list(jobs.values()), workers=2)
    return dict(zip(jobs, endings, strict=True))


@pytest.mark.parametrize("name", [*CHAPTERS, *MORE])
def test_chapter_runs_with_other_parameters(corner: dict[str, Run | Failure], name: str) -> None:
    """Catches code that only works for the default architecture, task or activation."""
    ending = corner[name]
    assert isinstance(ending, Run), describe_failure(ending)
    assert len(ending.claims) >= 5
    # Two networks and few draws decide little, but nothing may be refuted.
    assert [claim["id"] for claim in ending.claims if claim["verdict"] == "fails"] == []


def test_the_audit_shows_a_file_of_the_readers_own(corner: dict[str, Run | Failure]) -> None:
    """Catches a page that takes the reader's file and says nothing of it."""
    shown = []
    for name in (AUDIT, f"{AUDIT}, own"):
        ending = corner[name]
        assert isinstance(ending, Run), describe_failure(ending)
        shown.append(nbformat.writes(ending.notebook).count("<iframe"))
    assert shown[1] == shown[0] + 1


def test_a_cluster_finds_the_same_numbers(
    corner: dict[str, Run | Failure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches threads, dice or values that differ in another process: bit for bit, two chapters."""
    names = ("heavy-tails/few-numbers", "heavy-tails/tail-index")  # formulas; a trained network
    here = [one for name in names if isinstance(one := corner[name], Run)]
    root = here[0].path.parents[4]  # of the copy whose _build/executed/corner/… this is
    monkeypatch.chdir(root)
    project = Project(root)
    jobs = [
        dataclasses.replace(job, target=tmp_path / f"{job.chapter.name}.ipynb")
        for job in plan(project, "corner")
        if job.chapter.name in names
    ]
    there = on_cluster("local", workers=2)(project, jobs, Watcher())
    for one, other in zip(here, there, strict=True):
        assert isinstance(other, Run), describe_failure(other)
        assert other.claims == one.claims
        assert other.results == one.results
        assert len(one.claims) > 10


@pytest.mark.parametrize("profile", ["smoke", "corner"])
def test_every_chapter_has_small_values(profile: str) -> None:
    """Catches a chapter that the tests run with its defaults, slowly."""
    assert set(load_profile(Project(ROOT), profile)) == set(CHAPTERS)


def small_housing(folder: Path) -> None:
    """Write an archive in the form of the real one, with made-up districts."""
    random = np.random.default_rng(0)
    features = random.lognormal(size=(400, 8))
    folder.mkdir()
    np.savez(
        folder / "california_housing.npz",
        X=features,
        y=np.log(features).sum(axis=1) + 0.1 * random.normal(size=400),
        feature_names=np.array([f"feature {i}" for i in range(8)]),
        target_name=np.array(["MedHouseVal"]),
    )

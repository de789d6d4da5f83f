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
from studies.build.runner import Job, Watcher, on_this_machine, run_jobs
from studies.build.runs import Run
from studies.progress import describe_failure
from studies.sweep.cluster import on_cluster
from tests.book.conftest import ROOT, copy_checkout
from tests.mutants._pages import judge, load

CHAPTERS = Project(ROOT).chapter_names()
AUDIT, GREEDY = "together/audit", "wide-networks/greedy-compression"
# On top of the profile `corner`, which runs each chapter once: a linear network with one hidden
# layer, and a regression task.
MORE: dict[str, tuple[str, dict[str, Any]]] = {
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


@pytest.fixture
def housing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data set of its name, small and made up, where chapters look for it."""
    small_housing(tmp_path / "data")
    monkeypatch.setenv("COMPRESSIBILITY_DATA", str(tmp_path / "data"))
    return tmp_path / "data/california_housing.npz"


@pytest.mark.kernel
@pytest.mark.parametrize("name", [*CHAPTERS, *MORE])
@pytest.mark.usefixtures("housing")
def test_chapter_runs_with_other_parameters(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Catches code that only works for the default architecture, task or activation.

    Two networks and few draws decide little, but nothing may be refuted.
    """
    chapter, other = MORE.get(name, (name, {}))
    code = judge([load(chapter, "corner", other)])
    assert code == 0, capfd.readouterr().out


def corner(project: Project, name: str, target: Path, **other: Any) -> Job:
    """A run of a chapter with values that its defaults never meet."""
    job = next(job for job in plan(project, "corner") if job.chapter.name == name)
    values = effective(job.chapter.parameters, [job.values, other])
    return dataclasses.replace(job, values=values, target=target)


@pytest.mark.kernel
def test_the_audit_shows_a_file_of_the_readers_own(housing: Path, tmp_path: Path) -> None:
    """Catches a page that takes the reader's file and says nothing of it."""
    project = Project(copy_checkout(tmp_path / "copy"))
    asked: list[dict[str, Any]] = [{}, {"checkpoint": str(housing)}]
    jobs = [corner(project, AUDIT, tmp_path / f"{i}.ipynb", **a) for i, a in enumerate(asked)]
    shown = []
    for ending in run_jobs(project, jobs, workers=2):
        assert isinstance(ending, Run), describe_failure(ending)
        assert [claim["id"] for claim in ending.claims if claim["verdict"] == "fails"] == []
        shown.append(nbformat.writes(ending.notebook).count("<iframe"))
    assert shown[1] == shown[0] + 1


@pytest.mark.kernel
def test_a_cluster_finds_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches threads, dice or values that differ in another process: bit for bit, two chapters."""
    names = ("heavy-tails/few-numbers", "wide-networks/dice-or-nearest")  # formulas; networks
    project = Project(copy_checkout(tmp_path / "copy"))
    monkeypatch.chdir(project.root)
    found = []
    for where, engine in (("here", on_this_machine(2)), ("there", on_cluster("local", workers=2))):
        jobs = [corner(project, name, tmp_path / where / f"{name}.ipynb") for name in names]
        found.append(engine(project, jobs, Watcher()))
    for one, other in zip(*found, strict=True):
        assert isinstance(one, Run), describe_failure(one)
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

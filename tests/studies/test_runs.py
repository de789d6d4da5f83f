"""Tests of executed chapters: what is taken for a good one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from studies.build import runs
from studies.build.project import Project
from studies.build.runs import commit, executed_path, read_run, stale_because
from tests.studies import toy


def alpha(project: Project) -> Path:
    return executed_path(project, "book", "part/alpha")


def test_a_good_record(written: Project) -> None:
    """A note that does not say what was run, when, where and from what."""
    run = read_run(alpha(written))
    assert run is not None
    note = run.note
    assert note["chapter"] == "part/alpha"
    assert note["profile"] == "book"
    assert note["parameters"] == {"p": 0.3, "draws": 4, "seeds": [0, 1, 2]}
    assert "lib/toy/draw.py" in note["parts"]
    assert set(note["versions"]) == {"torch", "numpy", "scikit-learn", "jupyter-book"}
    assert [claim["id"] for claim in run.claims] == ["thm-toy.decay"]
    assert note["seconds"] > 0
    assert stale_because(run, note["parts"]) == []


def test_a_missing_or_torn_record_is_none(written: Project) -> None:
    """Half a notebook, or another file, taken for a run."""
    path = alpha(written)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, len(whole) // 40):
        path.write_bytes(whole[:length])
        assert read_run(path) is None
    for other in (b"[]", b"{}", b"3", b'{"metadata": {"studies": []}, "nbformat": 4, "cells": []}'):
        path.write_bytes(other)
        assert read_run(path) is None
    path.unlink()
    assert read_run(path) is None
    assert stale_because(None, {}) == ["no whole run yet"]


@pytest.mark.parametrize("place", ['"text/html"', '"p": 0.3', "estimates", "toy/draw.py", '"id"'])
def test_a_flipped_bit_is_seen(written: Project, place: str) -> None:
    """A changed output, parameter or note in a file that is still a valid notebook."""
    path = alpha(written)
    whole = path.read_bytes()
    position = whole.index(place.encode()) + 2
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    assert read_run(path) is None


def test_the_commit_is_noted(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build outside git that fails; a changed tree, or another repository's commit, for ours."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=toy", "-c", "user.email=toy@example.org"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=bare.root,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert commit(bare) == ""
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "toy")
    assert commit(bare) == git("rev-parse", "--short=10", "HEAD")
    toy.edit(bare.root / "requirements.lock", "2", "3")
    assert commit(bare) == git("rev-parse", "--short=10", "HEAD") + "-dirty"
    (bare.root / "inner").mkdir()
    inner = Project(toy.write_toy(bare.root / "inner"))
    assert commit(inner) == ""
    monkeypatch.setenv("GIT_DIR", str(bare.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(inner.root))
    assert commit(inner) == ""
    (outside := bare.root.parent / "outside").mkdir()
    assert commit(Project(toy.write_toy(outside))) == ""
    monkeypatch.setattr(runs.subprocess, "run", _no_git)
    assert commit(bare) == ""


def _no_git(*_: object, **__: object) -> None:
    raise FileNotFoundError("git")

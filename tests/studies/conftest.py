"""Fixtures: the toy book, bare, executed in name, and built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studies.build.project import Project
from tests.conftest import Once
from tests.studies import toy


def _build(root: Path) -> None:
    toy.write_toy(root)
    done = toy.studies(root, "book")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


@pytest.fixture
def built(once: Once, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A toy book to break, built by the command line; the current folder."""
    return _settle(shutil.copytree(once("toy", _build), tmp_path / "book"), monkeypatch)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A toy book that was never built; the current folder."""
    (tmp_path / "book").mkdir()
    return _settle(toy.write_toy(tmp_path / "book"), monkeypatch)


@pytest.fixture
def written(bare: Project) -> Project:
    """A toy book as a build leaves it, made without a kernel or the renderer."""
    toy.pretend_to_build(bare)
    return bare


def _settle(root: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(root)
    monkeypatch.delenv("COMPRESSIBILITY_DATA", raising=False)
    return Project(root)

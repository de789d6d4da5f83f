"""Fixtures: the toy book, bare and built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from studies.project import Project
from tests.studies import toy

# No test here is about time, and none depends on the day's draws.
settings.register_profile("studies", deadline=None, derandomize=True)
settings.load_profile("studies")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book, built by the command line; only to be copied from."""
    root = toy.write_toy(tmp_path_factory.mktemp("built"))
    done = toy.studies(root, "book")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return root


@pytest.fixture
def built(built_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A built toy book to break; the current folder."""
    return _settle(shutil.copytree(built_once, tmp_path / "book"), monkeypatch)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A toy book that was never built; the current folder."""
    (tmp_path / "book").mkdir()
    return _settle(toy.write_toy(tmp_path / "book"), monkeypatch)


def _settle(root: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(root)
    monkeypatch.delenv("COMPRESSIBILITY_DATA", raising=False)
    return Project(root)

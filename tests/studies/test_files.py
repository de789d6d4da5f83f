"""Tests of writing files whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studies.build.files import only_one, replace_folder, scratch_folder, write_atomically
from studies.errors import BuildError
from tests.studies.toy import tree


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    """A file that others may not read, or another encoding than UTF-8."""
    path = tmp_path / "a" / "b.txt"
    write_atomically(path, "old")
    write_atomically(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tree(tmp_path)) == ["a/b.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A full disk or an interrupt that tears the file or leaves rubbish beside it."""
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert tree(tmp_path) == {"file": b"old"}


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "page").write_text(text)
    return path


def test_replace_folder(tmp_path: Path) -> None:
    """Pages of the old folder left among the new ones."""
    old = folder(tmp_path / "html", "old")
    (old / "gone").write_text("")
    replace_folder(folder(tmp_path / "new", "new"), old)
    assert tree(tmp_path) == {"html/page": b"new"}
    replace_folder(folder(tmp_path / "first", "first"), tmp_path / "other")
    assert tree(tmp_path) == {"html/page": b"new", "other/page": b"first"}


def test_replace_folder_that_fails_puts_the_old_one_back(tmp_path: Path) -> None:
    """An error at the second rename that leaves no book at all."""
    old = folder(tmp_path / "html", "old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", old)
    assert tree(tmp_path) == {"html/page": b"old"}


def killed_between_renames(build: Path) -> None:
    """What a kill leaves after the first rename of `replace_folder`."""
    (build / "html").rename(build / ".html.old")


def test_a_kill_between_the_renames_is_mended(tmp_path: Path) -> None:
    """A book that is gone until the next build succeeds, or for good."""
    folder(tmp_path / "html", "old")
    killed_between_renames(tmp_path)
    with only_one(tmp_path):
        assert (tmp_path / "html" / "page").read_text() == "old"
    killed_between_renames(tmp_path)
    # The replacement alone must not throw the only good folder away before the new one stands.
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", tmp_path / "html")
    assert tree(tmp_path)["html/page"] == b"old"


def test_a_second_build_is_refused(tmp_path: Path) -> None:
    """Two builders that write into one another's pages; a lock that outlives its build."""
    with (
        only_one(tmp_path / "_build"),
        pytest.raises(BuildError, match=r"another build is at work in .*_build; wait"),
        only_one(tmp_path / "_build"),
    ):
        pass
    with only_one(tmp_path / "_build"):
        pass


def test_scratch_folders(tmp_path: Path) -> None:
    """A run whose folder is swept away while it works, or stays for ever."""
    left = folder(tmp_path / "tmp", "a stray file") / "run-killed"
    folder(left, "left by a killed run")
    with scratch_folder(tmp_path / "tmp") as mine:
        (mine / "file").write_text("in use")
        with only_one(tmp_path):
            assert not left.exists()
            assert (mine / "file").read_text() == "in use"
    assert not mine.exists()

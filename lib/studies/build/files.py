"""Writing files so that a reader finds the old one or the new one, never a torn one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from studies.errors import BuildError


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: to a temporary file on the same disk, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def must_be_writable(*paths: Path) -> None:
    """Refuse files that could not be written, before the work; nothing is left behind."""
    for path in paths:
        there = path
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "a folder is in the way")
            there = next(folder for folder in path.parents if os.path.lexists(folder))
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise BuildError(f"{path} cannot be written: {error.strerror} ({there})") from None


def copy_folder(old: Path, new: Path) -> None:
    """Copy a folder; of the files that cannot be copied, name one."""
    try:
        shutil.copytree(old, new)
    except shutil.Error as error:  # a list of all
        raise OSError(*error.args[0][0][2:]) from None


def replace_folder(new: Path, old: Path) -> None:
    """Put folder ``new`` in the place of ``old``; an interrupt leaves one of the two whole."""
    aside = old.with_name(f".{old.name}.old")
    if old.exists():
        shutil.rmtree(aside, ignore_errors=True)
        old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        _finish_replacement(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder below ``parent``, held by a lock while in use, gone at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="run-"))
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _sweep(parent: Path) -> None:
    """Remove what killed runs left below ``parent``; a lock tells which folders are in use."""
    for folder in parent.iterdir() if parent.is_dir() else []:
        handle = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


@contextlib.contextmanager
def only_one(build: Path) -> Iterator[None]:
    """Hold the build folder for this process; a second build is refused, not mixed in."""
    build.mkdir(parents=True, exist_ok=True)
    with (build / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(f"another build is at work in {build}; wait for it to end") from None
        _sweep(build / "tmp")
        _finish_replacement(build / "html")
        yield


def _finish_replacement(folder: Path) -> None:
    """Bring back the old folder if `replace_folder` ended between its two renames."""
    aside = folder.with_name(f".{folder.name}.old")
    if aside.exists() and not folder.exists():
        aside.rename(folder)

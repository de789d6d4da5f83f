"""Executed chapters: where they are kept, what is noted in them, and whether they are fresh."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

from studies.files import write_atomically
from studies.fingerprint import differences, digest
from studies.project import Chapter, Project

KEY = "studies"  # of the notebook's metadata
_VERSIONS = ("torch", "numpy", "scikit-learn", "jupyter-book")


@dataclass(frozen=True)
class Record:
    """An executed notebook and the note in its metadata."""

    path: Path
    notebook: nbformat.NotebookNode
    note: dict[str, Any]  # fingerprint, parts, parameters, profile, claims, seconds, …

    @property
    def claims(self) -> list[dict[str, Any]]:
        """The chapter's claims, in the order in which they were made."""
        claims: list[dict[str, Any]] = self.note["claims"]
        return claims

    @property
    def results(self) -> dict[str, Any]:
        """What the chapter recorded, by name."""
        results: dict[str, Any] = self.note["results"]
        return results


def executed_path(project: Project, profile: str, chapter: str) -> Path:
    """Where the last good run of a chapter in a profile lies."""
    return project.build / "executed" / profile / f"{chapter}.ipynb"


def read_record(path: Path) -> Record | None:
    """Read an executed notebook; None if there is none, or it is not as it was written."""
    try:
        text = path.read_text(encoding="utf8")
        whole = json.loads(text)["metadata"][KEY]["checksum"] == _checksum(text)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    notebook = nbformat.reads(text, as_version=4)
    return Record(path, notebook, notebook.metadata[KEY])


def stale_because(record: Record | None, parts: Mapping[str, str]) -> list[str]:
    """Why a chapter must run again; empty if its record is fresh."""
    if record is None:
        return ["no whole run yet"]
    return differences(record.note["parts"], parts)


def write_record(
    project: Project,
    chapter: Chapter,
    path: Path,
    notebook: nbformat.NotebookNode,
    note: Mapping[str, Any],
    parts: Mapping[str, str],
) -> Record:
    """Complete the note with what names the run, and put the notebook in place."""
    full = {
        "chapter": chapter.name,
        "fingerprint": digest(parts),
        "parts": dict(parts),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(project),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: metadata.version(name) for name in _VERSIONS},
        **note,
    }
    notebook.metadata[KEY] = full  # this copies
    full["checksum"] = notebook.metadata[KEY]["checksum"] = _checksum(nbformat.writes(notebook))
    write_atomically(path, nbformat.writes(notebook) + "\n")
    return Record(path, notebook, full)


def _checksum(text: str) -> str:
    """Hash of all that a notebook's file says, but for the hash itself: a flipped digit shows."""
    plain = json.loads(text)
    plain["metadata"][KEY].pop("checksum", None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def commit(project: Project) -> str:
    """The checked-out commit, with a mark if the tree differs from it; empty outside git."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()

"""Executed chapters: where they are kept, what is noted in them, and whether they are fresh."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

from studies.build.files import write_atomically
from studies.build.fingerprint import differences, digest
from studies.build.parameters import write_values
from studies.build.project import Chapter, Project
from studies.build.surroundings import OTHER_DICE
from studies.page.claims import MIME, table

KEY = "studies"  # of the notebook's metadata
SETTINGS = "Settings of this page"  # what a page's parameters fold under
FOLDED = "hide-input"  # the tag by which the renderer folds a cell's code
_VERSIONS = ("torch", "numpy", "scikit-learn", "jupyter-book")


@dataclass(frozen=True)
class Run:
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
        """What the chapter keeps, by name."""
        results: dict[str, Any] = self.note["results"]
        return results


def executed_path(project: Project, profile: str, chapter: str) -> Path:
    """Where the last good run of a chapter in a profile lies."""
    return project.build / "executed" / profile / f"{chapter}.ipynb"


def read_run(path: Path) -> Run | None:
    """Read an executed notebook; None if there is none, or it is not as it was written."""
    try:
        text = path.read_text(encoding="utf8")
        whole = json.loads(text)["metadata"][KEY]["checksum"] == _checksum(text)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    notebook = nbformat.reads(text, as_version=4)
    return Run(path, notebook, notebook.metadata[KEY])


def stale_because(run: Run | None, parts: Mapping[str, str]) -> list[str]:
    """Why a chapter must run again; empty if its run is fresh."""
    if run is None:
        return ["no whole run yet"]
    return differences(run.note["parts"], parts)


def write_run(
    project: Project,
    chapter: Chapter,
    path: Path,
    notebook: nbformat.NotebookNode,
    note: Mapping[str, Any],
    parts: Mapping[str, str],
) -> Run:
    """Complete the note with what names the run, and put the notebook in place."""
    full = {
        "chapter": chapter.name,
        "fingerprint": digest(parts),
        "parts": dict(parts),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(project),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        + (f", other dice ({word})" if (word := os.environ.get(OTHER_DICE)) else ""),
        "versions": {name: metadata.version(name) for name in _VERSIONS},
        **note,
    }
    notebook.metadata[KEY] = full  # this copies
    full["checksum"] = notebook.metadata[KEY]["checksum"] = _checksum(nbformat.writes(notebook))
    write_atomically(path, nbformat.writes(notebook) + "\n")
    return Run(path, notebook, full)


def prepared_notebook(chapter: Chapter, values: Mapping[str, Any]) -> nbformat.NotebookNode:
    """The chapter as a notebook whose visible parameters cell holds the values to run with."""
    notebook = copy.deepcopy(chapter.notebook)
    cell = notebook.cells[chapter.parameters_index]
    cell["source"] = write_values(chapter.parameters_source, values)
    return notebook


def dressed(run: Run, chapter: Chapter) -> Run:
    """The run as its page shows it: outputs in the chapter's text, claims with their titles.

    The text is the source's as it is now, which a fresh run does not depend on.
    """
    notebook = prepared_notebook(chapter, run.note["parameters"])
    notebook.metadata = copy.deepcopy(run.notebook.metadata)
    executed = (cell for cell in run.notebook.cells if cell.cell_type == "code")
    titles = {label: _typeset(s.title) for label, s in chapter.statements.items()}

    def titled(claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**c, "title": titles.get(c["id"].partition(".")[0])} for c in claims]

    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        done = next(executed)
        cell.outputs, cell.execution_count = copy.deepcopy(done.outputs), done.execution_count
        _fold(cell)
        for data in (output.get("data", {}) for output in cell.outputs):
            if group := data.pop(MIME, None):
                # Raw HTML in the page: no pointless wrapper for the text form.
                data.pop("text/plain", None)
                label = group["label"]
                rows = titled(group["claims"])
                data["text/html"] = table(rows, title=titles.get(label), label=label)
    note = {**run.note, "claims": titled(run.claims)}
    return replace(run, notebook=notebook, note=note)


def _fold(cell: nbformat.NotebookNode) -> None:
    """Fold what no reader came for: all code but what made claims or is tagged `show`.

    Parameters fold too, under a name of their own.
    """
    tags: list[str] = cell.metadata.get("tags", [])
    claimed = any(MIME in output.get("data", {}) for output in cell.outputs)
    folded = "parameters" in tags or not (claimed or "show" in tags)
    cell.metadata.tags = [t for t in tags if t != FOLDED] + [FOLDED] * folded
    if "parameters" in tags:
        prompts = dict.fromkeys(("code_prompt_show", "code_prompt_hide"), SETTINGS)
        cell.metadata.mystnb = {**cell.metadata.get("mystnb", {}), **prompts}


def _typeset(title: str) -> str:
    """A title's formulas as raw HTML has them."""
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", title)


def _checksum(text: str) -> str:
    """Hash of all that a notebook's file says, but for the hash itself: a flipped digit shows."""
    plain = json.loads(text)
    plain["metadata"][KEY].pop("checksum", None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def commit(project: Project) -> str:
    """The checked-out commit, with a mark if the tree differs from it; empty outside git.

    It is this project's own: of a copy that lies inside another repository there is none.
    """
    # A hook of git's, say, names its repository in the environment.
    plain = {k: v for k, v in os.environ.items() if k[:4] != "GIT_" or k[:10] == "GIT_CONFIG"}

    def git(*command: str) -> str:
        done = subprocess.run(
            ["git", *command],
            cwd=project.root,
            env=plain,
            capture_output=True,
            encoding="utf8",
            check=True,
        )
        return done.stdout.strip()

    try:
        if git("rev-parse", "--show-prefix"):  # where this folder lies in its repository
            return ""
        return git("describe", "--always", "--dirty", "--abbrev=10", "--exclude=*")
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ""

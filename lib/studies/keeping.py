"""Writes the results that a run recorded into ``book/results/``, with how they came about."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.errors import StudiesError
from studies.files import write_atomically
from studies.project import Project
from studies.records import Record
from studies.results import Kept, kept_path

# A list of numbers on lines of their own; text cannot hold a line end, so this is never text.
_NUMBERS = re.compile(r'\[\n\s*([^\[\]{}"]*?)\n\s*\]')


def keep_results(project: Project, record: Record) -> list[Path]:
    """Write each recorded result of a good run to its file; return the files.

    Raises
    ------
    StudiesError
        If a claim failed, nothing was recorded, or a name belongs to another chapter;
        nothing is written then.
    """
    chapter = record.note["chapter"]
    failed = [claim["id"] for claim in record.claims if claim["verdict"] == "fails"]
    if failed:
        raise StudiesError(f"{chapter}: no result is kept, as claims fail: {', '.join(failed)}")
    if not record.results:
        raise StudiesError(f"{chapter} records no result, so there is none to keep")
    files = {kept_path(project.book, name): value for name, value in record.results.items()}
    for path in files:
        owner = _owner(path)
        if owner not in (None, chapter):
            raise StudiesError(f"{path.relative_to(project.root)} belongs to {owner}")
    for path, value in files.items():
        write_atomically(path, as_text(vars(_with_origin(record.note, value))))
    return list(files)


def _owner(path: Path) -> str | None:
    """The chapter whose result lies there already; None for no file, or one that is torn."""
    try:
        return str(json.loads(path.read_text(encoding="utf8"))["chapter"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _with_origin(note: Mapping[str, Any], value: Any) -> Kept:
    return Kept(
        result=value,
        chapter=note["chapter"],
        parameters=dict(note["parameters"]),
        profile=note["profile"],
        versions={"python": platform.python_version(), **note["versions"]},
        data={part: sha for part, sha in note["parts"].items() if part.endswith(".npz")},
        date=note["date"],
        commit=note["commit"],
    )


def as_text(value: Mapping[str, Any]) -> str:
    """JSON for readers of a diff: sorted keys, a line per entry, a list of numbers on one."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda match: f"[{' '.join(match.group(1).split())}]", text) + "\n"

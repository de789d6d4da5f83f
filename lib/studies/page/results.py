"""Kept results: small numbers computed once, where the data were, and shown wherever they are not.

A chapter may not touch files; `keep` and `kept` are the way. `keep` hands a result to
the runner; ``studies run CHAPTER --keep-results`` writes those of a good run to
``book/results/`` (`to_keep` says what goes where), and `kept` reads one from there.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import display

from studies.errors import StudiesError
from studies.page.numbers import plain_number

MIME = "application/vnd.studies.result+json"
FOLDER = "results"  # below book/
MOST_BYTES = 200_000  # of one result: it is kept in git, and results are not data

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# A list of numbers on lines of their own; text cannot hold a line end, so this is never text.
_NUMBERS = re.compile(r'\[\n\s*([^\[\]{}"]*?)\n\s*\]')


@dataclass(frozen=True)
class Kept:
    """A result of an earlier run, and how it came about."""

    result: Any  # as it was handed over: dicts, lists, numbers, text
    chapter: str  # that computed it
    parameters: dict[str, Any]  # of that run
    profile: str
    versions: dict[str, str]  # of Python and the main libraries
    data: dict[str, str]  # sha256 of the data files, by name; empty if a library brought them
    date: str  # when the run ended, ISO 8601, UTC
    commit: str  # of the checkout that computed it; empty outside git

    @property
    def origin(self) -> str:
        """One sentence for the page: when, and with which versions, it was computed."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        commit = f", commit {self.commit}" if self.commit else ""
        return f"Computed on {self.date[:10]} (profile {self.profile}{commit}) with {versions}."

    def _repr_markdown_(self) -> str:
        return self.origin


def keep(name: str, value: Any) -> None:
    """Hand a result of this run to the runner, which writes it down if asked to.

    The name is unique in the book.  The value is made of dicts with text keys, lists, finite
    numbers, text and None; arrays and tensors become lists.  What JSON could not give back is a
    TypeError; NaN, more than 200 kB and another form of name are ValueErrors.
    """
    plain = _plain(value, f"keep({_checked(name)!r})")
    size = len(json.dumps(plain).encode())
    if size > MOST_BYTES:
        raise ValueError(f"keep({name!r}): need at most {MOST_BYTES} bytes of JSON, got {size}")
    display({MIME: {"name": name, "value": plain}}, raw=True)  # type: ignore[no-untyped-call]


def kept(name: str) -> Kept:
    """Read the result of an earlier run, in a chapter: ``kept("pruning-housing")``.

    The file is part of the page's fingerprint, which is why the name must be typed out.  A
    FileNotFoundError says how to make the result; a file that is none of ours is a ValueError.
    """
    path = _find(_checked(name))
    if not path.is_file():
        raise FileNotFoundError(
            f"no kept result {name!r}: need {path}; the chapter that computes it makes it by "
            "`studies run CHAPTER --keep-results`, where the data are at hand"
        )
    try:
        return Kept(**json.loads(path.read_text(encoding="utf8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no kept result: {error}") from None


def kept_path(book: Path, name: str) -> Path:
    """Where a kept result lies."""
    return book / FOLDER / f"{name}.json"


def to_keep(book: Path, note: Mapping[str, Any]) -> dict[Path, str]:
    """What each file of a good run's results must say, from the note in its notebook.

    A failed claim, no result, or a name that belongs to another chapter is a StudiesError.
    """
    chapter, results = note["chapter"], note["results"]
    failed = [claim["id"] for claim in note["claims"] if claim["verdict"] == "fails"]
    if failed:
        raise StudiesError(f"{chapter}: no result is kept, as claims fail: {', '.join(failed)}")
    if not results:
        raise StudiesError(f"{chapter} keeps no result")
    origin = {
        **{key: note[key] for key in ("chapter", "parameters", "profile", "date", "commit")},
        "versions": {"python": platform.python_version(), **note["versions"]},
        "data": {part: sha for part, sha in note["parts"].items() if part.endswith(".npz")},
    }
    for path in (kept_path(book, name) for name in results):
        if (owner := _owner(path)) not in (None, chapter):
            raise StudiesError(f"{path.relative_to(book.parent)} belongs to {owner}")
    return {
        kept_path(book, name): _as_text(vars(Kept(result=value, **origin)))
        for name, value in results.items()
    }


def _owner(path: Path) -> str | None:
    """The chapter whose result lies there already; None for no file, or one that is torn."""
    try:
        return str(json.loads(path.read_text(encoding="utf8"))["chapter"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _as_text(value: Mapping[str, Any]) -> str:
    """JSON for readers of a diff: sorted keys, a line per entry, a list of numbers on one."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda match: f"[{' '.join(match.group(1).split())}]", text) + "\n"


def _checked(name: str) -> str:
    """Refuse a name that would be no file's, or another file's."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"result {name!r}: need small letters, digits, hyphens: pruning-housing")
    return name


def find_root(start: Path) -> Path | None:
    """The checkout that ``start`` lies in: the nearest folder with `_toc.yml` and `book/`."""
    folders = (start, *start.parents)
    return next((f for f in folders if (f / "_toc.yml").is_file() and (f / "book").is_dir()), None)


def _find(name: str) -> Path:
    """A result's file in the book that the chapter runs in.

    For a notebook elsewhere, or one that another book holds: the file that is installed with this
    library, of which `studies/kept` is `book/results`.
    """
    installed = (Path(__file__).parents[1] / "kept").resolve() / f"{name}.json"
    if not (root := find_root(Path.cwd())):
        return installed
    path = kept_path(root / "book", name)
    return installed if installed.is_file() and not path.is_file() else path


def _plain(value: Any, where: str) -> Any:
    """The value as JSON will give it back."""
    if hasattr(value, "tolist"):  # arrays, tensors, NumPy's scalars
        value = value.tolist()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where}: need keys that are text, got {key!r}")
        return {key: _plain(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, f"{where}[{index}]") for index, part in enumerate(value)]
    return plain_number(value, where, "numbers, text, lists and dicts")

"""Kept results: small numbers computed once, where the data were, and shown wherever they are not.

A chapter may not touch files; these two functions are the way. `record` hands a
result to the runner; ``studies run CHAPTER --keep-results`` writes the recorded
results of a good run to ``book/results/``, and `kept` reads one from there.
"""

from __future__ import annotations

import json
import math
import numbers
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import display

MIME = "application/vnd.studies.result+json"
FOLDER = "results"  # below book/
MOST_BYTES = 200_000  # of one result: it is kept in git, and results are not data

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kept:
    """A result of an earlier run, and how it came about."""

    result: Any  # as it was recorded: dicts, lists, numbers, text
    chapter: str  # that recorded it
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


def record(name: str, value: Any) -> None:
    """Hand a result of this run to the runner, which keeps it if asked to.

    Parameters
    ----------
    name
        Unique in the book: small letters, digits, hyphens.
    value
        Dicts with text keys, lists, numbers, text, None; arrays and tensors become lists.

    Raises
    ------
    ValueError
        For another form of name, a number that is not finite, or a result above 200 kB.
    TypeError
        For a value that JSON could not give back.
    """
    check_name(name)
    plain = _plain(value, f"record({name!r})")
    size = len(json.dumps(plain).encode())
    if size > MOST_BYTES:
        raise ValueError(f"record({name!r}): need at most {MOST_BYTES} bytes of JSON, got {size}")
    display({MIME: {"name": name, "value": plain}}, raw=True)  # type: ignore[no-untyped-call]


def kept(name: str) -> Kept:
    """Read the result of an earlier run, in a chapter: ``kept("pruning-housing")``.

    The file is part of the page's fingerprint, which is why the name must be typed out.

    Raises
    ------
    FileNotFoundError
        If there is no such result; the message says how to make it.
    ValueError
        For another form of name, or a file that is none of ours.
    """
    check_name(name)
    path = kept_path(_book(), name)
    if not path.is_file():
        raise FileNotFoundError(
            f"no kept result {name!r}: need {path}; the chapter that records it makes it by "
            "`studies run CHAPTER --keep-results`, where the data are at hand"
        )
    try:
        return Kept(**json.loads(path.read_text(encoding="utf8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no kept result: {error}") from None


def kept_path(book: Path, name: str) -> Path:
    """Where a kept result lies."""
    return book / FOLDER / f"{name}.json"


def check_name(name: str) -> None:
    """Refuse a name that would be no file's, or another file's."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"result {name!r}: need small letters, digits, hyphens: pruning-housing")


def _book() -> Path:
    """The book that the chapter runs in; for a notebook elsewhere, the one beside this library."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "book").is_dir():
            return folder / "book"
    return Path(__file__).resolve().parents[2] / "book"


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
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{where}: need numbers, text, lists and dicts, got {type(value).__name__}")
    if isinstance(value, numbers.Integral):
        return int(value)
    if not math.isfinite(value):
        raise ValueError(f"{where}: need a finite number, got {value}")
    return float(value)

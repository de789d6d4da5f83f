"""The errors that a user can mend: each message says what was wrong and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class StudiesError(Exception):
    """Something is wrong with the book or with what was asked of it."""


class ParameterError(StudiesError):
    """A parameter has an unknown name or a value outside its range."""


class ChapterError(StudiesError):
    """A chapter's source breaks a rule that the machinery relies on."""


class BuildError(StudiesError):
    """Chapters failed to run, or the book failed to render."""


@dataclass(frozen=True)
class Problem:
    """What a check reports: something to mend, and where."""

    where: str  # a path from the project's root, with :line where there is one
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def refuse(what: str, problems: Iterable[Problem]) -> None:
    """Raise a `BuildError` that lists the problems, if there are any."""
    if said := "\n".join(map(str, problems)):
        raise BuildError(f"{what} need mending:\n{said}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is closest to a wrong one."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def short(value: object, most: int = 60) -> str:
    """A value as an error echoes it: nobody reads a hundred thousand characters."""
    try:
        said = repr(value)
    except ValueError:  # Python writes no numbers of more than 4300 digits
        return "a number of thousands of digits"
    return said if len(said) <= most else f"{said[: most // 2]}… ({len(said):,} characters)"


def one_line(error: object) -> str:
    """A message that came as several lines, as one."""
    return " ".join(str(error).split())

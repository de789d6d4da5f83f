"""The errors that a user can mend: each message says what was wrong and what would be right."""

from __future__ import annotations


class StudiesError(Exception):
    """Something is wrong with the book or with what was asked of it."""


class ParameterError(StudiesError):
    """A parameter has an unknown name or a value outside its range."""


class ChapterError(StudiesError):
    """A chapter's source breaks a rule that the machinery relies on."""


class BuildError(StudiesError):
    """Chapters failed to run, or the book failed to render."""


def one_line(error: object) -> str:
    """A message that came as several lines, as one."""
    return " ".join(str(error).split())

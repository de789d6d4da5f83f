"""What a check reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something to mend, and where."""

    where: str  # a path from the project's root, with :line where there is one
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

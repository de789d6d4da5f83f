"""The map of theorems as a page: for each part a drawing, for each chapter a table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from studies.build.drawing import drawing, shape
from studies.build.entries import STANDS, STATUSES, Entry
from studies.build.project import Project
from studies.page.claims import ICONS, template

THEOREMS_MARK = "<!-- theorems -->"


def theorems_page(
    project: Project,
    found: Mapping[str, Entry],
    titles: Mapping[str, str],
    places: Mapping[str, str],
) -> str:
    """The map as HTML: for each part a drawing, and for each chapter a table.

    ``places`` says where the reference has a name of the library.
    """
    parts: dict[str, dict[str, list[Entry]]] = {}
    captions = project.parts()
    for entry in found.values():
        part = parts.setdefault(captions[entry.chapter], {})
        part.setdefault(entry.chapter, []).append(entry)
    drawn = {
        part: drawing([e.label for chapter in chapters.values() for e in chapter], found)
        for part, chapters in parts.items()
    }
    return template("studies.build", "theorems.html").render(
        **{"parts": parts, "drawn": drawn, "found": found, "titles": titles, "icons": ICONS},
        **{"statuses": STATUSES, "stands": STANDS, "ids": {part: _id(part) for part in parts}},
        refer=lambda name: _refer(name, places),
        shapes={status: shape(status, 36, 20) for status in STATUSES},
    )


def _refer(name: str, places: Mapping[str, str]) -> tuple[str, str | None]:
    """A function's name without its package, and its address, or that of what it belongs to."""
    above = name
    while above and above not in places:
        above = above.rpartition(".")[0]
    return name.partition(".")[2], places.get(above)


def _id(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")

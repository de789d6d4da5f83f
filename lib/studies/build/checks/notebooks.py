"""Checks of executed notebooks: each before its run counts, all before they are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import nbformat

from studies.build.checks.problem import Problem


def check_notebook(notebook: nbformat.NotebookNode) -> Iterator[tuple[int, str]]:
    """What is wrong with an executed chapter: index of the cell, and what."""
    published: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                yield index, f"ends early: {output.ename}: {output.evalue}"
            if output.output_type == "stream" and output.name == "stderr":
                yield index, f"writes to stderr: {output.text.strip()}"
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                yield from ((index, what) for what in _missing(cell))
        for key in _published(cell):
            if key in published:
                yield index, f"publishes {key!r} a second time"
            published.add(key)


def _missing(cell: nbformat.NotebookNode) -> Iterator[str]:
    shown = cell.metadata.get("mystnb", {})
    if not {"caption", "name"} <= set(filter(shown.get("figure", {}).get, ("caption", "name"))):
        yield "shows a figure without caption and name (mystnb: figure: …)"
    if not shown.get("image", {}).get("alt"):
        yield "shows a figure without alt text (mystnb: image: alt: …)"


def _published(cell: nbformat.NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        key = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if key is not None:
            yield key


def check_notebooks(
    notebooks: Mapping[str, nbformat.NotebookNode],
    claims: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[Problem]:
    """All problems of the executed chapters, given by name with their claims."""
    problems: list[Problem] = []
    owners: dict[str, str] = {}
    for chapter, notebook in notebooks.items():
        for index, what in check_notebook(notebook):
            problems.append(Problem(f"book/{chapter}, cell {index}", what))
        made = [f"claim {claim['id']}" for claim in claims[chapter]]
        published = {f"number {key!r}" for cell in notebook.cells for key in _published(cell)}
        for thing in [*made, *sorted(published)]:
            if (first := owners.setdefault(thing, chapter)) != chapter:
                problems.append(Problem(f"book/{chapter}", f"makes {thing}, as book/{first} does"))
    return problems

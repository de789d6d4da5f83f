"""Checks of executed notebooks: each before its run counts, all before they are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import nbformat

from studies.errors import Problem
from studies.page.claims import MIME as CLAIMS
from studies.page.results import MIME as RESULT


def check_notebook(notebook: nbformat.NotebookNode) -> Iterator[tuple[int, str]]:
    """What is wrong with an executed chapter: index of the cell, and what."""
    for index, cell in enumerate(notebook.cells):
        if (
            "figure" in cell.metadata.get("mystnb", {})
            and sum(map(_seen, cell.get("outputs", ()))) > 1
        ):
            yield index, "shows something beside its figure, which takes its name twice: `_ = …`?"
    made: set[str] = set()
    for index, output in outputs_of(notebook):
        if output.output_type == "error":
            yield index, f"ends early: {output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            yield index, f"writes to stderr: {output.text.strip()}"
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            yield from ((index, what) for what in _missing(notebook.cells[index]))
        for thing in _made(output):
            if thing in made:
                yield index, f"makes {thing} a second time"
            made.add(thing)


def outputs_of(notebook: nbformat.NotebookNode) -> Iterator[tuple[int, nbformat.NotebookNode]]:
    """Each output with its cell's index."""
    for index, cell in enumerate(notebook.cells):
        yield from ((index, output) for output in cell.get("outputs", []))


def _seen(output: nbformat.NotebookNode) -> bool:
    """Whether a reader sees it; published numbers and kept results are in the file alone."""
    return "data" in output and "scrapbook" not in output.metadata and RESULT not in output.data


def _missing(cell: nbformat.NotebookNode) -> Iterator[str]:
    shown = cell.metadata.get("mystnb", {})
    if not {"caption", "name"} <= set(filter(shown.get("figure", {}).get, ("caption", "name"))):
        yield "shows a figure without caption and name (mystnb: figure: …)"
    if not shown.get("image", {}).get("alt"):
        yield "shows a figure without alt text (mystnb: image: alt: …)"


def _made(output: nbformat.NotebookNode) -> Iterator[str]:
    """What others refer to by name: published numbers, claims, kept results."""
    data = output.get("data", {})
    if key := output.get("metadata", {}).get("scrapbook", {}).get("name"):
        yield f"number {key!r}"
    if group := data.get(CLAIMS):
        yield from (f"claim {claim['id']}" for claim in group["claims"])
    if result := data.get(RESULT):
        yield f"result {result['name']}"


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
        made = {thing for _, output in outputs_of(notebook) for thing in _made(output)}
        made |= {f"claim {claim['id']}" for claim in claims[chapter]}  # pages hold their tables
        for thing in sorted(made):
            if (first := owners.setdefault(thing, chapter)) != chapter:
                problems.append(Problem(f"book/{chapter}", f"makes {thing}, as book/{first} does"))
    return problems

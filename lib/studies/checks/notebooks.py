"""Checks of the executed notebooks, before they are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import nbformat

from studies.checks.problem import Problem
from studies.records import KEY


def check_notebooks(notebooks: Mapping[str, nbformat.NotebookNode]) -> list[Problem]:
    """All problems of the executed chapters, given by name."""
    problems: list[Problem] = []
    owners: dict[str, str] = {}
    claimants: dict[str, str] = {}
    for chapter, notebook in notebooks.items():
        for claim in notebook.metadata[KEY]["claims"]:
            first = claimants.setdefault(claim["id"], chapter)
            if first != chapter:
                problems.append(
                    Problem(f"book/{chapter}", f"makes claim {claim['id']}, as book/{first} does")
                )
        for cell in notebook.cells:
            if cell.cell_type == "code":
                where = f"book/{chapter}, cell {cell['id']}"
                problems += _check_outputs(where, cell)
                problems += _check_keys(where, cell, owners)
    return problems


def _check_outputs(where: str, cell: nbformat.NotebookNode) -> Iterator[Problem]:
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    image = cell.metadata.get("mystnb", {}).get("image", {})
    for output in cell.outputs:
        if output.output_type == "error":
            yield Problem(where, f"ends in an error: {output.ename}: {output.evalue}")
        if not any(kind.startswith("image/") for kind in output.get("data", {})):
            continue
        if not figure.get("caption") or not figure.get("name"):
            yield Problem(where, "shows a figure without caption and name (mystnb: figure: …)")
        if not image.get("alt"):
            yield Problem(where, "shows a figure without alt text (mystnb: image: alt: …)")


def _check_keys(
    where: str, cell: nbformat.NotebookNode, owners: dict[str, str]
) -> Iterator[Problem]:
    for output in cell.outputs:
        key = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if key is None:
            continue
        if key in owners:
            yield Problem(where, f"publishes {key!r}, which {owners[key]} has published")
        owners.setdefault(key, where)

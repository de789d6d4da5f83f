"""Checks of the sources, before anything runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, get_args

import yaml

from studies import types
from studies.checks.problem import Problem
from studies.checks.prose import typed_numbers
from studies.errors import StudiesError
from studies.project import Chapter, Project


def check_sources(project: Project) -> list[Problem]:
    """All problems of configuration, table of contents, pages and chapters."""
    problems = [*_check_config(project), *_check_toc(project)]
    for page in project.toc_pages():
        path = project.book / f"{page}.md"
        if not path.is_file():
            continue  # _check_toc has said so
        problems += _check_prose(project, page)
        if project.is_chapter(page):
            problems += _check_chapter(Chapter.read(project.book, page))
    return problems


def _check_config(project: Project) -> Iterator[Problem]:
    given = yaml.safe_load((project.root / "_config.yml").read_text(encoding="utf8"))
    package = resources.files("jupyter_book")
    known = yaml.safe_load((package / "default_config.yml").read_text(encoding="utf8"))
    schema = yaml.safe_load((package / "config_schema.json").read_text(encoding="utf8"))
    for key in _unknown_keys(given, known, schema["properties"]):
        yield Problem("_config.yml", f"unknown key {key}: jupyter-book would ignore it")


def _unknown_keys(
    given: Mapping[str, Any], known: Mapping[str, Any], schema: Mapping[str, Any], above: str = ""
) -> Iterator[str]:
    for key, value in given.items():
        if key not in known and key not in schema:
            yield above + key
        elif isinstance(value, dict) and f"{above}{key}" != "sphinx.config":  # Sphinx checks that
            deeper = schema.get(key, {}).get("properties", {})
            yield from _unknown_keys(value, known.get(key) or {}, deeper, f"{above}{key}.")


def _check_toc(project: Project) -> Iterator[Problem]:
    listed = project.toc_pages()
    present = {
        path.relative_to(project.book).with_suffix("").as_posix()
        for path in project.book.rglob("*.md")
        if not any(part.startswith(("_", ".")) for part in path.relative_to(project.book).parts)
    }
    for page in sorted(present - set(listed)):
        yield Problem(f"book/{page}.md", "is not in _toc.yml: no reader would find it")
    for page in sorted(set(listed) - present):
        yield Problem("_toc.yml", f"lists book/{page}, which does not exist")
    for page in sorted({page for page in listed if listed.count(page) > 1}):
        yield Problem("_toc.yml", f"lists book/{page} twice")


def _check_prose(project: Project, page: str) -> Iterator[Problem]:
    text = (project.book / f"{page}.md").read_text(encoding="utf8")
    for line, numeral in typed_numbers(text):
        yield Problem(
            f"book/{page}.md:{line}",
            f"{numeral} is typed by hand in a sentence that reports a result; publish it from a "
            f"cell and cite it with {{glue:text}}",
        )


def _check_chapter(chapter: Chapter) -> Iterator[Problem]:
    where = f"book/{chapter.name}.md"
    try:
        _ = chapter.title, chapter.parameters
    except StudiesError as error:
        yield Problem(where, str(error))
        return
    names = set(get_args(get_args(types.DatasetName)[0]))
    for index, cell in enumerate(chapter.notebook.cells):
        if cell.cell_type != "code" or index == chapter.parameters_index:
            continue
        python = "\n".join(
            "pass" if line[:1] in ("%", "!") else line for line in cell.source.split("\n")
        )
        for node in ast.walk(ast.parse(python)):
            line = chapter.line_of(index, getattr(node, "lineno", 1))
            if isinstance(node, ast.Constant) and node.value in names:
                yield Problem(
                    f"{where}:{line}",
                    f"names the data set {node.value!r} outside the parameters cell, where the "
                    "page's freshness cannot see it; make it a DatasetName parameter",
                )
            if isinstance(node, ast.ClassDef):
                yield Problem(f"{where}:{line}", "defines a class; classes belong in lib/")

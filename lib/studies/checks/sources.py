"""Checks of the sources, before anything runs."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Set
from importlib import resources
from typing import Any, get_args

import yaml

from studies import types
from studies.checks.problem import Problem
from studies.checks.prose import typed_numbers
from studies.errors import StudiesError
from studies.fingerprint import kept_names
from studies.ledger import LEDGER_MARK, STATUS_MARK
from studies.profiles import chapter_values, load_profile, profile_names
from studies.project import Chapter, Project


def check_sources(project: Project) -> list[Problem]:
    """All problems of configuration, table of contents, pages and chapters."""
    problems = [*_check_config(project), *_check_toc(project), *_check_marks(project)]
    for page in project.toc_pages():
        path = project.book / f"{page}.md"
        if not path.is_file():
            continue  # _check_toc has said so
        problems += _check_prose(project, page)
        if project.is_chapter(page):
            problems += _check_chapter(Chapter.read(project.book, page))
    return problems or list(_check_profiles(project))


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
            continue
        deeper = known.get(key), schema.get(key, {}).get("properties")
        # A key that lists none below it takes any; those of sphinx.config are checked by Sphinx.
        if isinstance(value, dict) and any(deeper) and f"{above}{key}" != "sphinx.config":
            yield from _unknown_keys(value, deeper[0] or {}, deeper[1] or {}, f"{above}{key}.")


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


def _check_marks(project: Project) -> Iterator[Problem]:
    for page, mark in (("ledger", LEDGER_MARK), ("status", STATUS_MARK)):
        path = project.book / f"{page}.md"
        if not path.is_file() or mark not in path.read_text(encoding="utf8"):
            yield Problem(f"book/{page}.md", f"needs the line {mark}, where its table belongs")


def _check_profiles(project: Project) -> Iterator[Problem]:
    """Every profile, not only the one to build: the others would be found broken too late."""
    for profile in profile_names(project):
        try:
            overrides = load_profile(project, profile)
            for name in overrides:
                chapter_values(project.chapter(name), profile, overrides)
        except StudiesError as error:
            what = str(error).removeprefix("book/profiles.yml").lstrip(":, ")
            yield Problem("book/profiles.yml", what)


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
    for index, cell in enumerate(chapter.notebook.cells):
        for numeral in _typed_in_captions(cell):
            yield Problem(
                f"{where}:{chapter.line_of(index)}",
                f"{numeral} is typed by hand in a caption or alt text that reports a result; "
                "say it in the text, from a cell",
            )
    text = "\n".join(cell.source for cell in chapter.notebook.cells)
    labels = set(re.findall(r"^:label:\s*(\S+)", text, flags=re.MULTILINE))
    for index, tree in chapter.code():
        if index != chapter.parameters_index:
            found = (_check_code(tree), _check_floors(tree), _check_kept(tree))
            for line, what in (*itertools.chain(*found), *_check_ids(tree, labels)):
                yield Problem(f"{where}:{chapter.line_of(index, line)}", what)


def _typed_in_captions(cell: Mapping[str, Any]) -> Iterator[str]:
    shown = cell["metadata"].get("mystnb") or {}
    texts = ((shown.get("figure") or {}).get("caption"), (shown.get("image") or {}).get("alt"))
    for text in filter(None, texts):
        yield from (numeral for _, numeral in typed_numbers(str(text)))


def _check_code(tree: ast.Module) -> Iterator[tuple[int, str]]:
    names = set(get_args(get_args(types.DatasetName)[0]))
    shown = _shown(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in names:
            yield (
                node.lineno,
                f"names the data set {node.value!r} outside the parameters cell, where the "
                "page's freshness cannot see it; make it a DatasetName parameter",
            )
        if isinstance(node, ast.ClassDef):
            yield node.lineno, "defines a class; classes belong in lib/"
        if _calls(node, "claim") and node not in shown:
            yield (
                getattr(node, "lineno", 1),
                "makes a claim that is not shown, so it would be lost; let it end its cell, or "
                "write display(claim(…))",
            )


def _check_floors(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A share of a number is counted by the library, exactly."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="math"), attr="floor" | "trunc")):
                floors = True
            case ast.Call(func=ast.Name(id="floor" | "trunc")):
                floors = True
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr="floor" | "trunc")):
                floors = any(isinstance(part, ast.Mult) for part in ast.walk(node))
            case ast.Call(func=ast.Name(id="int"), args=[number]):
                operators = {type(op) for op in _operators(number)}
                floors = ast.Mult in operators and ast.FloorDiv not in operators
            case ast.BinOp(op=ast.FloorDiv(), right=ast.Constant(value=1)):
                floors = True
            case _:
                continue
        if floors:
            yield (
                getattr(node, "lineno", 1),
                "takes the floor of a float: need an exact count of a share (floats give 113 for "
                "0.57·200)",
            )


def _operators(node: ast.expr) -> Iterator[ast.operator]:
    """The arithmetic that gives a number, without that inside calls and subscripts."""
    match node:
        case ast.BinOp(left, op, right):
            yield op
            yield from (*_operators(left), *_operators(right))
        case ast.UnaryOp(operand=operand):
            yield from _operators(operand)


def _check_kept(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The fingerprint reads the names of kept results from the text, so they must stand there."""
    for call, name in kept_names(tree):
        if name is None:
            what = 'computes the name of a kept result; type it out: kept("pruning-housing")'
            yield call.lineno, what
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("studies"):
            for alias in node.names:
                if alias.name == "kept" and alias.asname not in (None, "kept"):
                    yield node.lineno, "imports kept under another name; call it kept"


def _check_ids(tree: ast.Module, labels: Set[str]) -> Iterator[tuple[int, str]]:
    """A claim's box links to its theorem, which stands on the claim's own page."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="claim"), args=[ast.Constant(value=str(name)), *_]) if (
                name.partition(".")[0] not in labels
            ):
                label = name.partition(".")[0]
                yield node.lineno, f"claims {name}, but no statement here has `:label: {label}`"


def _shown(tree: ast.Module) -> list[ast.AST]:
    """What the cell displays: its last expression, and what it hands to ``display``."""
    last = [tree.body[-1].value] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    calls = [node for node in ast.walk(tree) if _calls(node, "display")]
    return [*last, *(node for call in calls for node in ast.walk(call))]


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name

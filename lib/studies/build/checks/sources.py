"""Checks of the sources, before anything runs."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, get_args

from studies.build.checks.prose import typed_numbers
from studies.build.fingerprint import kept_names
from studies.build.profiles import chapter_values, load_profile, load_profiles
from studies.build.project import Chapter, Project
from studies.errors import Problem, StudiesError
from studies.page import types

# All but the tab; a carriage return only before a line's end.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!$)")


def check_sources(project: Project) -> list[Problem]:
    """All problems of table of contents, pages, chapters, profiles and library."""
    problems, chapters = list(_check_toc(project)), dict[str, Chapter]()
    for page in project.toc_pages():
        path = project.book / f"{page}.md"
        if not path.is_file():
            continue  # _check_toc has said so
        control = list(_check_bytes(project.root, path))
        problems += [*control, *_check_prose(project, page)]
        if project.is_chapter(page) and not control:  # with such bytes it is no YAML
            chapters[page] = Chapter.read(project.book, page)
            problems += _check_chapter(chapters[page])
    for path in sorted(project.lib.rglob("*.py")):
        problems += _check_bytes(project.root, path)
    return problems or list(_check_profiles(project, chapters))


def _check_bytes(root: Path, path: Path) -> Iterator[Problem]:
    r"""A form feed where ``\f`` was meant: Python takes it for a space, TeX for nothing."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if found := _CONTROL.search(line):
            what = f"holds the control byte 0x{found.group()[0]:02x}; write the escape, as in \\f"
            yield Problem(f"{path.relative_to(root)}:{number}", what)


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


def _check_profiles(project: Project, chapters: Mapping[str, Chapter]) -> Iterator[Problem]:
    """Every profile, not only the one to build: the others would be found broken too late."""
    for profile in load_profiles(project):
        try:
            overrides = load_profile(project, profile)
            for name in overrides:
                chapter_values(chapters[name], profile, overrides)
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
    for label, statement in chapter.statements.items():
        if not label:
            yield Problem(where, f"the {statement.kind} {statement.title!r} has no `:label:`")
        if statement.origin is None:
            yield Problem(
                f"{where}, {label}",
                f"the title {statement.title!r} does not end in a parenthesis that says where the "
                "statement comes from: (Theorem 2 of …, as printed), repaired, sharper or "
                "reconstructed; (after Lemma 12 of …); (ours)",
            )
    for index, tree in chapter.code:
        if index != chapter.parameters_index:
            found = (_check_code(tree), _check_floors(tree), _check_kept(tree))
            claims = _check_claims(tree, chapter.statements.keys())
            for line, what in itertools.chain(*found, claims):
                yield Problem(f"{where}:{chapter.line_of(index, line)}", what)


def _typed_in_captions(cell: Mapping[str, Any]) -> Iterator[str]:
    shown = cell["metadata"].get("mystnb") or {}
    texts = ((shown.get("figure") or {}).get("caption"), (shown.get("image") or {}).get("alt"))
    for text in filter(None, texts):
        yield from (numeral for _, numeral in typed_numbers(str(text)))


def _check_code(tree: ast.Module) -> Iterator[tuple[int, str]]:
    names = set(get_args(get_args(types.DatasetName)[0]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in names:
            yield (
                node.lineno,
                f"names the data set {node.value!r} outside the parameters cell, where the "
                "page's freshness cannot see it; make it a parameter: "
                + ", ".join(types.DATA_TYPES),
            )
        if isinstance(node, ast.ClassDef):
            yield node.lineno, "defines a class; classes belong in lib/"


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


def _check_claims(tree: ast.Module, labels: Set[str]) -> Iterator[tuple[int, str]]:
    """A row stands in a table; a table is shown, and its head names a statement of the page."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    groups = [call for call in calls if _calls(call, "claims")]
    shown = _shown(tree)
    within = {id(part) for group in groups for part in ast.walk(group)}
    used = {n.id for g in groups for n in ast.walk(g) if isinstance(n, ast.Name)}
    for node in ast.walk(tree):  # rows under a name, which goes into a table of the same cell
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in used:
                within |= {id(part) for part in ast.walk(value)}
    for call in calls:
        if _calls(call, "claim") and id(call) not in within:
            yield call.lineno, "makes a claim outside claims(…), where it has no table"
    for group in groups:
        if group not in shown:
            yield (
                group.lineno,
                "makes claims that are not shown, so they would be lost; let claims(…) end its "
                "cell, or write display(claims(…))",
            )
        match group.args:
            case [ast.Constant(value=str(label)), *_] if label in labels:
                pass
            case [ast.Constant(value=str(label)), *_]:
                yield group.lineno, f"claims {label}, but no statement here has `:label: {label}`"
            case _:
                yield group.lineno, 'computes the label of claims; type it out: "thm-pruning"'


def _shown(tree: ast.Module) -> list[ast.AST]:
    """What the cell displays: its last expression, and what it hands to ``display``."""
    last = [tree.body[-1].value] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    calls = [node for node in ast.walk(tree) if _calls(node, "display")]
    return [*last, *(node for call in calls for node in ast.walk(call))]


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name

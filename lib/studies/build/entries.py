"""The statements of the book as data: how each stands, what it uses, what computes it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from studies.build.ledger import count_verdicts
from studies.build.project import Chapter, Project, Statement

# How a statement stands to the paper: the shape of its node.
STATUSES = {
    "ours": "stated and proved here",
    "after": "the paper's idea, our statement",
    "as printed": "the paper's own statement",
    "repaired": "the paper's statement, mended",
    "sharper": "a better constant or condition than the paper's",
    "reconstructed": "the paper's statement, made precise",
}
# What its claims come to, worst first: the colour, the line and the mark.
STANDS = {
    "fails": "a claim on it fails",
    "undecided": "a claim on it is undecided",
    "holds": "all claims on it hold",
    "none": "no claim stands on it",
}
_NUMBER = re.compile(
    r'<div class="proof [^"]*" id="([^"]+)">\s*<p class="admonition-title">'
    r'<span class="caption-number">([^<]*?)\s*</span>'
)
_DEFINED = re.compile(r'<dt class="sig[^"]*" id="([^"]+)">')


@dataclass(frozen=True)
class Entry:
    """A statement in its place."""

    label: str
    chapter: str
    statement: Statement
    number: str  # the book's: Theorem 3.1
    verdicts: Mapping[str, int]  # how many of its claims hold, fail, are undecided
    functions: Sequence[str]  # of the library, that its claims compute with
    used_by: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """How it stands to the paper: one of STATUSES."""
        origin = self.statement.origin or "ours"
        last = origin.rpartition(", ")[2]
        return last if last in STATUSES else "after" if origin.startswith("after") else "ours"

    @property
    def stands(self) -> str:
        """What its claims come to: one of STANDS."""
        return next((word for word in STANDS if self.verdicts.get(word)), "none")

    @property
    def title(self) -> str:
        """Its title without the origin, formulas as raw HTML has them."""
        title = self.statement.title
        if self.statement.origin:
            title = title.removesuffix(f"({self.statement.origin})").strip()
        return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", title)

    @property
    def plain(self) -> str:
        """Its title where no formula can stand."""
        return re.sub(r"\\\((.+?)\\\)", lambda m: re.sub(r"[\\{}$]", "", m.group(1)), self.title)


def numbers_of(html: Path, names: Sequence[str]) -> dict[str, str]:
    """The number that the renderer gave to each statement, by label."""
    pages = ((html / "book" / f"{name}.html").read_text(encoding="utf8") for name in names)
    return {label: number for page in pages for label, number in _NUMBER.findall(page)}


def places_of(html: Path) -> dict[str, str]:
    """Where the reference of the library has each name: its address from a page of the book."""
    book = html / "book"
    pages = sorted(book.glob("library/*.html"))
    return {
        name: f"{page.relative_to(book).as_posix()}#{name}"
        for page in pages
        for name in _DEFINED.findall(page.read_text(encoding="utf8"))
    }


def entries(
    project: Project,
    claims: Mapping[str, Sequence[Mapping[str, Any]]],
    numbers: Mapping[str, str],
) -> dict[str, Entry]:
    """All statements of these chapters by label, in the order of the book."""
    chapters = [project.chapter(name) for name in claims]
    functions = functions_of(project, chapters)
    found = {}
    for chapter in chapters:
        made = Counter[str]()
        for label, statement in chapter.statements.items():
            own = [c for c in claims[chapter.name] if c["id"].partition(".")[0] == label]
            made[statement.kind] += 1
            number = numbers.get(label) or f"{statement.kind.capitalize()} {made[statement.kind]}"
            given = (label, chapter.name, statement, number, count_verdicts(own))
            found[label] = Entry(*given, functions.get(label, ()))
    for label, entry in found.items():
        for used in entry.statement.uses:
            if used in found:
                found[used].used_by.append(label)
    return found


def circle(statements: Mapping[str, Statement]) -> list[str]:
    """Labels of statements whose proofs lean on each other in a circle; empty if there is none."""
    try:
        TopologicalSorter({label: it.uses for label, it in statements.items()}).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def functions_of(project: Project, chapters: Sequence[Chapter]) -> dict[str, list[str]]:
    """Functions of the library that the claims on a statement compute with, by its label.

    Those called where the claims are made and where the names that stand there are set.  A module
    that most chapters call is a tool, of estimates or figures, and says nothing of a statement.
    """
    packages = {path.parent.name for path in project.lib.glob("*/__init__.py")} - {"studies"}
    called: dict[str, dict[str, None]] = {}
    pages = Counter[str]()
    for chapter in chapters:
        own = dict(_called(chapter, packages))
        for label, names in own.items():
            called.setdefault(label, {}).update(dict.fromkeys(names))
        pages.update({_module(name) for names in own.values() for name in names})
    tools = {module for module, count in pages.items() if count > max(2, len(chapters) / 3)}
    return {
        label: sorted(name for name in names if _module(name) not in tools)
        for label, names in called.items()
    }


def _module(name: str) -> str:
    """The module of a function, or of a class's method."""
    return name.rpartition(".")[0]


def _called(chapter: Chapter, packages: set[str]) -> Iterator[tuple[str, list[str]]]:
    """For each label, what its claims call."""
    trees = [tree for _, tree in chapter.code]
    aliases = dict(pair for tree in trees for pair in _aliases(tree, packages))
    steps = [step for tree in trees for step in tree.body]
    sets: dict[str, list[ast.stmt]] = {}
    for step in steps:
        for name in _names(step, ast.Store):
            sets.setdefault(name, []).append(step)
        if isinstance(step, ast.FunctionDef):
            sets.setdefault(step.name, []).append(step)
    found: dict[str, list[str]] = {}
    for step in steps:
        for node in ast.walk(step):
            match node:
                case ast.Call(
                    func=ast.Name(id="claims"), args=[ast.Constant(value=str(label)), *_]
                ):
                    near = [step, *(s for n in _names(step, ast.Load) for s in sets.get(n, ()))]
                    calls = (c for s in near for c in ast.walk(s) if isinstance(c, ast.Call))
                    names = filter(None, (_dotted(call.func, aliases) for call in calls))
                    found.setdefault(label, []).extend(names)
    yield from found.items()


def _names(step: ast.AST, context: type[ast.expr_context]) -> set[str]:
    nodes = (node for node in ast.walk(step) if isinstance(node, ast.Name))
    return {node.id for node in nodes if isinstance(node.ctx, context)}


def _aliases(tree: ast.AST, packages: set[str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in packages:
                yield from ((a.asname or a.name, f"{module}.{a.name}") for a in node.names)
            case ast.Import(names=names):
                for name, bound in ((alias.name, alias.asname) for alias in names):
                    if (package := name.partition(".")[0]) in packages:
                        yield (bound, name) if bound else (package, package)


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> str | None:
    """The full name of what is called; None if it is none of the library's."""
    match node:
        case ast.Name(id=name):
            return aliases.get(name)
        case ast.Attribute(value=value, attr=attr):
            return f"{above}.{attr}" if (above := _dotted(value, aliases)) else None
    return None

"""Fingerprints: everything that a chapter's run depends on, hashed part by part.

Parts are kept apart so that a stale page can say *what* changed.  Prose is in none of
them, nor are comments and docstrings: they shape the page, not the run.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Set
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from studies.build.project import Chapter, Project
from studies.build.surroundings import DATA_ROOT, OTHER_DICE
from studies.page import types
from studies.page.results import kept_path

# Not imported by chapters, yet they shape what a run leaves.
EXECUTORS = ("studies.build.worker", "studies.build.surroundings")
_KERNEL = {"ipykernel", "matplotlib-inline"}  # nothing imports them by name
# Of these a run has one function each; what they ask for renders, or fetches from stores.
_LEAVES = {"myst-nb", "papermill"}
# Tags by which papermill and nbclient choose what to run.
_TAGS = {"parameters", "raises-exception", "skip-execution"}


def fingerprint(project: Project, chapter: Chapter, values: Mapping[str, Any]) -> dict[str, str]:
    """Hash every part that the executed chapter depends on.

    The parts are the chapter's code, each parameter, each module under ``lib/`` that the chapter
    imports (transitively), each pinned package that it needs, as pinned and as installed, the data
    files that its parameters name, the kept results that it reads, Python's version, other dice.
    """
    parts: dict[str, str | bytes] = {"chapter code": json.dumps(_code(chapter))}
    parts |= {f"parameter {name}": json.dumps(value) for name, value in values.items()}
    modules, outside = imported_modules(project.lib, chapter)
    for module in modules:
        code = _meaning(module.read_text(encoding="utf8"))
        parts[module.relative_to(project.root).as_posix()] = code
    lock = project.root / "requirements.lock"
    parts |= {f"package {name}": said for name, said in _packages(lock, outside).items()}
    parts |= {path.name: path.read_bytes() for path in _data_files(chapter, values)}
    for path in _kept_files(project, chapter):
        parts[path.relative_to(project.root).as_posix()] = path.read_bytes()
    parts["Python version"] = f"{sys.version_info[:2]}"
    if other := os.environ.get(OTHER_DICE):
        parts["dice"] = other
    return {name: _sha256(part) for name, part in parts.items()}


def _code(chapter: Chapter) -> list[tuple[str, list[str]]]:
    """What the code cells mean, with their tags that choose what runs; the values are apart."""
    cells = []
    for index, cell in enumerate(chapter.notebook.cells):
        if cell.cell_type != "code":
            continue
        meaning = _meaning(cell.source)
        if index == chapter.parameters_index:
            meaning = repr([(p.name, p.type_name) for p in chapter.parameters.values()])
        elif ";" in cell.source:  # IPython shows no value of a line that ends with one
            meaning = cell.source
        cells.append((meaning, sorted(_TAGS & set(cell.metadata.get("tags", [])))))
    return cells


@cache
def _meaning(source: str) -> str:
    """The syntax tree without comments and docstrings; the text, where it is no plain Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if ast.get_docstring(node, clean=False) is not None:
                    del node.body[0]
    return ast.dump(tree)


def _packages(lock: Path, outside: Set[str]) -> dict[str, str]:
    """The pinned packages behind the imported names, as pinned and as installed.

    Those that they need in turn are one entry.
    """
    text = lock.read_text(encoding="utf8")
    pinned = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?\s*==\s*([^\s;#]+)", text, re.MULTILINE)
    pins = {_normal(name): version for name, version in pinned}
    direct = {_normal(name) for top in outside for name in _owners().get(top, ())} | _KERNEL
    waiting, found = list(direct), set(direct)
    while waiting:
        name = waiting.pop()
        new = set() if name in _LEAVES else _needed(name) - found
        found |= new
        waiting += new
    versions = {name: f"{pins[name]} {_installed(name)}" for name in sorted(found & set(pins))}
    behind = {name: versions.pop(name) for name in found - direct if name in versions}
    return {**versions, "(others)": json.dumps(behind, sort_keys=True)}


@cache
def _owners() -> Mapping[str, list[str]]:
    """Importable name → the installed packages that bring it."""
    return metadata.packages_distributions()


@cache
def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


@cache
def _needed(name: str) -> Set[str]:
    """The packages that one asks for, without its extras."""
    try:
        asked = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return set()
    plain = (text for text in asked if "extra ==" not in text)
    return {_normal(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in plain}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def digest(parts: Mapping[str, str]) -> str:
    """One hash of all parts."""
    return _sha256(json.dumps(parts, sort_keys=True))


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Names of the parts that changed, came or went, each with which it was."""
    changed = [f"{part} changed" for part in new if part in old and old[part] != new[part]]
    came = [f"{part} is new" for part in new if part not in old]
    went = [f"{part} is gone" for part in old if part not in new]
    return changed + came + went


def imported_modules(lib: Path, chapter: Chapter) -> tuple[list[Path], set[str]]:
    """What the chapter's code imports, directly or through others.

    These are files under ``lib``, and the top-level names of all that lies elsewhere.
    """
    waiting = [name for _, tree in chapter.code for name in _imports(tree, package="")]
    waiting += (name for executor in EXECUTORS for name in _steps(executor))
    found: set[Path] = set()
    outside: set[str] = set()
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _module_file(lib, name)
        if path is None and "." not in name and not (lib / name).is_dir():
            outside.add(name)
        if path is None or path in found:
            continue
        found.add(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imports_of(path.read_text(encoding="utf8"), package)
    return sorted(found), outside


@cache
def _imports_of(text: str, package: str) -> list[str]:
    """What a module imports; one that is no Python imports nothing, the chapter fails on it."""
    with contextlib.suppress(SyntaxError):
        return list(_imports(ast.parse(text), package=package))
    return []


def _steps(name: str) -> Iterator[str]:
    """``a.b.c`` → ``a``, ``a.b``, ``a.b.c``: importing the last runs them all."""
    steps = name.split(".")
    yield from (".".join(steps[: i + 1]) for i in range(len(steps)))


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module name that importing this code may load: packages on the way included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(parents if node.level else []), *([node.module] if node.module else [])]
            )
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _steps(name)


def _module_file(lib: Path, name: str) -> Path | None:
    path = lib.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((c for c in candidates if c.is_file()), None)


def _data_files(chapter: Chapter, values: Mapping[str, Any]) -> list[Path]:
    kinds = {p.name: p.type_name for p in chapter.parameters.values()}
    own = [Path(values[name]) for name, kind in kinds.items() if kind == "FileName" if values[name]]
    root = os.environ.get(DATA_ROOT)
    if not root:
        return own  # scikit-learn's bundled or fetched copies are fixed by the lock
    names = [values[name] for name, kind in kinds.items() if kind in types.DATA_TYPES]
    return own + sorted(path for name in names for path in Path(root).glob(f"{name}*.npz"))


def kept_names(tree: ast.AST) -> Iterator[tuple[ast.Call, str | None]]:
    """Each call of `kept` with the name that it types out; None where it computes the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_kept(node.func):
            match node:
                case ast.Call(args=[ast.Constant(value=str(name))], keywords=[]):
                    yield node, name
                case _:
                    yield node, None


def _is_kept(function: ast.expr) -> bool:
    """``kept``, ``page.kept``, ``studies.page.kept``; not a method ``kept`` of something else."""
    if "kept" not in (getattr(function, "id", ""), getattr(function, "attr", "")):
        return False  # of nearly all calls this is soon said
    rooms = ("kept", "page.kept", "results.kept", "studies.page.kept", "studies.page.results.kept")
    return ast.unparse(function) in rooms


def _kept_files(project: Project, chapter: Chapter) -> list[Path]:
    """The kept results that the chapter reads; one that is not there yet is new when it comes."""
    names = {name for _, tree in chapter.code for _, name in kept_names(tree) if name}
    return [path for name in sorted(names) if (path := kept_path(project.book, name)).is_file()]


def _sha256(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()

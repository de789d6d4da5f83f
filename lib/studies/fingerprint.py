"""Fingerprints: everything that a chapter's page depends on, hashed part by part.

Parts are kept apart so that a stale page can say *what* changed.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studies.project import Chapter, Project
from studies.results import kept_path

DATA_ROOT = "COMPRESSIBILITY_DATA"
# Not imported by chapters, yet it writes what ends up on the page.
EXECUTOR = "studies.worker"


def fingerprint(project: Project, chapter: Chapter, values: Mapping[str, Any]) -> dict[str, str]:
    """Hash every part that the executed chapter depends on.

    Returns
    -------
    dict
        Part → sha256: the chapter's source, each parameter, each module under
        ``lib/`` that the chapter imports (transitively), the lock file, the data
        files that its `DatasetName` parameters name, the kept results that it reads,
        and the Python version.
    """
    parts = {"chapter source": _sha256(chapter.path.read_bytes())}
    for name, value in values.items():
        parts[f"parameter {name}"] = _sha256(json.dumps(value).encode())
    for module in imported_modules(project.lib, chapter):
        parts[module.relative_to(project.root).as_posix()] = _sha256(module.read_bytes())
    for path in [project.root / "requirements.lock", *_data_files(chapter, values)]:
        parts[path.name] = _sha256(path.read_bytes())
    for path in _kept_files(project, chapter):
        parts[path.relative_to(project.root).as_posix()] = _sha256(path.read_bytes())
    parts["Python version"] = _sha256(f"{sys.version_info[:2]}".encode())
    return parts


def digest(parts: Mapping[str, str]) -> str:
    """One hash of all parts."""
    return _sha256(json.dumps(parts, sort_keys=True).encode())


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Names of the parts that changed, came or went, each with which it was."""
    changed = [f"{part} changed" for part in new if part in old and old[part] != new[part]]
    came = [f"{part} is new" for part in new if part not in old]
    went = [f"{part} is gone" for part in old if part not in new]
    return changed + came + went


def imported_modules(lib: Path, chapter: Chapter) -> list[Path]:
    """Files under ``lib`` that the chapter's code imports, directly or through others."""
    waiting = [name for _, tree in chapter.code() for name in _imports(tree, package="")]
    waiting.append(EXECUTOR)
    found: set[Path] = set()
    while waiting:
        name = waiting.pop()
        path = _module_file(lib, name)
        if path is None or path in found:
            continue
        found.add(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        # A module that is no Python imports nothing; the chapter will fail on it.
        with contextlib.suppress(SyntaxError):
            waiting += _imports(ast.parse(path.read_bytes()), package=package)
    return sorted(found)


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
            steps = name.split(".")
            yield from (".".join(steps[: i + 1]) for i in range(len(steps)))


def _module_file(lib: Path, name: str) -> Path | None:
    path = lib.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((c for c in candidates if c.is_file()), None)


def _data_files(chapter: Chapter, values: Mapping[str, Any]) -> list[Path]:
    root = os.environ.get(DATA_ROOT)
    if not root:
        return []  # scikit-learn's bundled or fetched copies are fixed by the lock
    names = [values[p.name] for p in chapter.parameters.values() if p.type_name == "DatasetName"]
    return sorted(path for name in names for path in Path(root).glob(f"{name}*.npz"))


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
    """``kept``, ``studies.kept``, ``results.kept``; not a method ``kept`` of something else."""
    match function:
        case (
            ast.Name(id="kept")
            | ast.Attribute(
                attr="kept",
                value=ast.Name(id="studies" | "results") | ast.Attribute(attr="results"),
            )
        ):
            return True
    return False


def _kept_files(project: Project, chapter: Chapter) -> list[Path]:
    """The kept results that the chapter reads; one that is not there yet is new when it comes."""
    names = {name for _, tree in chapter.code() for _, name in kept_names(tree) if name}
    return [path for name in sorted(names) if (path := kept_path(project.book, name)).is_file()]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

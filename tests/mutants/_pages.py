"""Runs the code of pages without a kernel, up to the first claim that fails.

A kernel takes six seconds to start and to load the libraries; a fork of a process that has them
takes none.
"""

from __future__ import annotations

import ast
import importlib
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import Mock

from studies.build.parameters import effective
from studies.build.profiles import load_profile
from studies.build.project import Chapter, Project
from studies.build.runs import prepared_notebook

# As `studies.build.surroundings` has it; torch and matplotlib are imported later, by `load`.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "agg"}
SECONDS = 600  # for one page
FAILS, RAISES, BREAKS = 1, 2, 3  # a claim; a cell; a cell that lacks a name or a module


def load(
    name: str, profile: str = "smoke", other: Mapping[str, Any] | None = None
) -> list[CodeType]:
    """The code of a page at a profile's values and others; its libraries are loaded."""
    project = Project.find(Path(__file__))
    chapter = Chapter.read(project.book, name)
    given = [load_profile(project, profile).get(name, {}), other or {}]
    values = effective(chapter.parameters, given)
    trees = dict(replace(chapter, notebook=prepared_notebook(chapter, values)).code)
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), name, "exec"), {})
    importlib.import_module("torch._dynamo")  # each page that trains would load it in its fork
    return [compile(tree, f"{name}[{at}]", "exec") for at, tree in trees.items()]


def judge(pages: Iterable[Iterable[CodeType]]) -> int:
    """Run pages, each in a fork; say of the first at which something fails what it is."""
    for cells in pages:
        with tempfile.TemporaryDirectory() as work:  # pages write files beside themselves
            pid = os.fork()
            if not pid:
                os.chdir(work)
                signal.alarm(SECONDS)
                code = _run(cells)
                sys.stdout.flush()
                os._exit(code)
            code = abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if code:
            return code
    return 0


def _like_a_kernel() -> None:
    """Whatever a kernel would show on stderr is an error, as it is in the book."""
    warnings.resetwarnings()
    warnings.simplefilter("error")
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)


def _run(cells: Iterable[CodeType]) -> int:
    _like_a_kernel()
    page, numbers = map(importlib.import_module, ("studies.page", "studies.page.numbers"))
    claims, numbers.glue = page.claims, Mock()  # type: ignore[attr-defined]

    def judged(*given: Any, **named: Any) -> Any:
        group = claims(*given, **named)
        if failed := [row.id for row in group.rows if row.verdict == "fails"]:
            raise SystemExit(failed[0])
        return group

    page.claims = judged  # type: ignore[attr-defined]
    try:
        namespace = {"__name__": "__main__", "get_ipython": Mock(), "display": Mock()}
        for cell in cells:
            exec(cell, namespace)
    except SystemExit as claim:
        print(f"\n{claim}")
        return FAILS
    except Exception as error:
        print(f"\n{type(error).__name__}: {error}".rstrip())
        return BREAKS if isinstance(error, ImportError | NameError | SyntaxError) else RAISES
    return 0

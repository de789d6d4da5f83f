"""Runs the code of pages without a kernel, up to the first claim that fails."""

from __future__ import annotations

import ast
import importlib
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import Mock

from studies.build.profiles import chapter_values, load_profiles
from studies.build.project import Chapter, Project
from studies.build.runs import prepared_notebook

# As `studies.build.surroundings` has it; torch and matplotlib are imported later, by `load`.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "agg"}
SECONDS = 600  # for one page
FAILS, RAISES, BREAKS = 1, 2, 3  # a claim; a cell; a cell that lacks a name or a module


def load(name: str) -> list[CodeType]:
    """The code of a page at its smoke values; the libraries that it imports are loaded."""
    project = Project.find(Path(__file__))
    chapter = Chapter.read(project.book, name)
    values = chapter_values(chapter, "smoke", load_profiles(project)["smoke"])
    trees = dict(replace(chapter, notebook=prepared_notebook(chapter, values)).code)
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), name, "exec"), {})
    return [compile(tree, f"{name}[{at}]", "exec") for at, tree in trees.items()]


def judge(pages: Iterable[Iterable[CodeType]]) -> int:
    """Run pages, each in a fork; say of the first at which something fails what it is."""
    for cells in pages:
        pid = os.fork()
        if not pid:
            signal.alarm(SECONDS)
            code = _run(cells)
            sys.stdout.flush()
            os._exit(code)
        if code := abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])):
            return code
    return 0


def _run(cells: Iterable[CodeType]) -> int:
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

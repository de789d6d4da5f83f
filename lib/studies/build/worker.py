"""Executes one chapter, in a process of its own: ``python -m studies.build.worker JOB.json``.

It reports as JSON lines on the standard output that it was started with.  Its standard
input is a pipe held by the builder: when that closes (interrupt, kill) the worker ends
its kernel and itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from studies.build.checks.notebooks import check_notebook
from studies.page.claims import MIME
from studies.page.results import MIME as RESULT

CELL_TIMEOUT = 3600  # seconds; a cell of the paper profile stays well below
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# "Cell In[3], line 2" stands above every frame, and above a syntax error.
_FRAME = re.compile(r"Cell In\[\d+\], line (\d+)")


class ChapterBrokenError(Exception):
    """The kernel ran every cell without an error, yet the chapter cannot be taken for good."""

    def __init__(self, cell: int, what: str) -> None:
        super().__init__(what)
        self.cell = cell


def report(event: str, **fields: Any) -> None:
    """Send one event to the builder."""
    print(json.dumps({"event": event, **fields}), flush=True)


def keep_reports_apart() -> None:
    """Leave standard output to `report` alone.

    A kernel inherits its worker's output, and a cell may write to it past IPython (a
    C library's message, a shell command): that goes where the complaints go.
    """
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(own, "w", encoding="utf8")


def execute(source: Path, target: Path, *, cwd: Path) -> dict[str, Any]:
    """Execute notebook ``source`` into ``target``; return its claims, results and duration."""
    notebook = nbformat.read(source, as_version=4)
    total = len(notebook.cells)
    began = time.monotonic()
    executed = papermill.execute_notebook(
        notebook,
        str(target),
        kernel_name="python3",
        cwd=str(cwd),
        progress_bar=False,
        execution_timeout=CELL_TIMEOUT,
        on_cell_start=lambda cell, cell_index: report(  # noqa: ARG005  # nbclient's names
            "cell", index=cell_index, total=total
        ),
    )
    seconds = round(time.monotonic() - began, 1)
    # Papermill takes a cell that calls sys.exit() for a good end and skips the rest.
    for index, what in check_notebook(executed):
        raise ChapterBrokenError(index, what)
    claims, results = _take_claims(executed), _take_results(executed)
    _strip(executed)
    nbformat.write(executed, target)
    return {"claims": claims, "results": results, "seconds": seconds}


def _take_claims(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The claims' data, which stay in the outputs too: the page's tables are made from them."""
    claims: dict[str, dict[str, Any]] = {}
    for index, data in _outputs(notebook, MIME):
        for claim in data["claims"]:
            if claim["id"] in claims:
                raise ChapterBrokenError(index, f"claim {claim['id']} is made twice")
            claims[claim["id"]] = {**claim}
    return list(claims.values())


def _take_results(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Move the kept results from the outputs, which show nothing of them, to the caller."""
    results: dict[str, Any] = {}
    for index, result in _outputs(notebook, RESULT):
        if result["name"] in results:
            raise ChapterBrokenError(index, f"result {result['name']} is kept twice")
        results[result["name"]] = result["value"]
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if RESULT not in o.get("data", {})]
    return results


def _outputs(notebook: nbformat.NotebookNode, mime: str) -> Iterator[tuple[int, Any]]:
    """The data of one kind, each with its cell's index."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if mime in output.get("data", {}):
                yield index, output.data[mime]


def _strip(notebook: nbformat.NotebookNode) -> None:
    """Remove what changes from run to run, so that equal runs are equal files."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)


def describe_failure(error: BaseException) -> dict[str, Any]:
    """What the terminal should say of a failed run; the builder knows which cell ran last."""
    if isinstance(error, ChapterBrokenError):
        return {"cell": error.cell, "error": str(error)}
    if isinstance(error, PapermillExecutionError):
        traceback = [_ANSI.sub("", line) for line in "\n".join(error.traceback).splitlines()]
        # The first frame is the failing cell's own; deeper ones follow it.
        frame = next(filter(None, map(_FRAME.search, traceback)), None)
        return {
            "cell": error.cell_index,
            "line": int(frame.group(1)) if frame else None,
            "error": f"{error.ename}: {error.evalue}",
            "traceback": traceback[-12:],
        }
    if isinstance(error, DeadKernelError):
        return {"error": "the kernel died: out of memory, a crash, or os._exit"}
    if isinstance(error, CellTimeoutError):
        return {"error": f"the cell took longer than {CELL_TIMEOUT} s"}
    return {"error": f"{type(error).__name__}: {error}"}


def _die_with_builder() -> None:
    # Returns when the builder closes the pipe or dies; no lock is held at the worker's own end.
    os.read(0, 1)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(130)


def main() -> None:
    """Run the job of the file named on the command line."""
    keep_reports_apart()
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    threading.Thread(target=_die_with_builder, daemon=True).start()
    try:
        report("done", **execute(Path(job["source"]), Path(job["target"]), cwd=Path(job["cwd"])))
    except Exception as error:  # whatever it was, the builder must hear of it
        report("failed", **describe_failure(error))
        sys.exit(1)


if __name__ == "__main__":
    main()

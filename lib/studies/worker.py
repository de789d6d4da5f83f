"""Executes one chapter, in a process of its own: ``python -m studies.worker JOB.json``.

It reports as JSON lines on the standard output that it was started with.  Its standard
input is a pipe held by the builder: when that closes (interrupt, kill) the worker ends
its kernel and itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from studies import results
from studies.claims import MIME

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


class ReportingEngine(NBClientEngine):  # type: ignore[misc]  # papermill is untyped
    """Papermill's engine, telling the builder which cell runs."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        """Run the notebook; report each cell's start."""
        start, total = nb_man.cell_start, len(nb_man.nb.cells)

        def cell_start(cell: Any, cell_index: int | None = None, **options: Any) -> Any:
            report("cell", index=cell_index, total=total)
            return start(cell, cell_index, **options)

        nb_man.cell_start = cell_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def execute(source: Path, target: Path, *, cwd: Path) -> dict[str, Any]:
    """Execute notebook ``source`` into ``target``; return its claims, results and duration."""
    papermill_engines.register("studies", ReportingEngine)
    notebook = nbformat.read(source, as_version=4)
    began = time.monotonic()
    executed = papermill.execute_notebook(
        notebook,
        str(target),
        engine_name="studies",
        kernel_name="python3",
        cwd=str(cwd),
        progress_bar=False,
        execution_timeout=CELL_TIMEOUT,
    )
    seconds = round(time.monotonic() - began, 1)
    _check_all_ran(executed)
    claims, recorded = _take_claims(executed), _take_results(executed)
    _strip(executed)
    nbformat.write(executed, target)
    return {"claims": claims, "results": recorded, "seconds": seconds}


def _check_all_ran(notebook: nbformat.NotebookNode) -> None:
    """Papermill takes a cell that calls ``sys.exit()`` for a good end and skips the rest."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise ChapterBrokenError(index, f"ends early: {output.ename}: {output.evalue}")


def _take_claims(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """Move the claims' data from the outputs (which keep the box) to the caller."""
    claims: dict[str, dict[str, Any]] = {}
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME not in data:
                continue
            claim = {**data.pop(MIME)}
            # Raw HTML in the page: no pointless wrapper for the text form.
            data.pop("text/plain", None)
            if claim["id"] in claims:
                raise ChapterBrokenError(index, f"claim {claim['id']} is made twice")
            claims[claim["id"]] = claim
    return list(claims.values())


def _take_results(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Move the recorded results from the outputs, which show nothing of them, to the caller."""
    recorded: dict[str, Any] = {}
    for index, cell in enumerate(notebook.cells):
        outputs = cell.get("outputs", [])
        for result in (o.data[results.MIME] for o in outputs if results.MIME in o.get("data", {})):
            if result["name"] in recorded:
                raise ChapterBrokenError(index, f"result {result['name']} is recorded twice")
            recorded[result["name"]] = result["value"]
        if "outputs" in cell:
            cell.outputs = [o for o in outputs if results.MIME not in o.get("data", {})]
    return recorded


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
    # The kernel's connection file: in the scratch folder it goes even if the worker is killed.
    tempfile.tempdir = str(Path(job["target"]).parent)
    threading.Thread(target=_die_with_builder, daemon=True).start()
    try:
        report("done", **execute(Path(job["source"]), Path(job["target"]), cwd=Path(job["cwd"])))
    except Exception as error:  # whatever it was, the builder must hear of it
        report("failed", **describe_failure(error))
        sys.exit(1)


if __name__ == "__main__":
    main()

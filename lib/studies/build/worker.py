"""Executes one chapter, in a process of its own: ``python -m studies.build.worker JOB.json``.

It reports as JSON lines on the standard output that it was started with.  Its standard
input is a pipe held by the builder: when that closes (interrupt, kill) the worker ends
its kernel and itself.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from studies.build.checks.notebooks import check_notebook, outputs_of
from studies.build.surroundings import limit_memory, memory
from studies.page.claims import MIME as CLAIMS
from studies.page.results import MIME as RESULT

CELL_TIMEOUT = 3600  # seconds; a cell of the paper profile stays well below
# A kernel's ports are picked first and taken later: on a busy machine somebody may be quicker.
STARTS = 3
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# "Cell In[3], line 2" stands above every frame, and above a syntax error.
_FRAME = re.compile(r"Cell In\[\d+\], line (\d+)")
# What pandas and Python make up anew in every run.
_TABLE = re.compile(r'<table id="(T_[0-9a-f]{5})"')
_ID = re.compile(r"T_[0-9a-f]{5}(?![0-9a-f])")
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]+\b")


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
    began = time.monotonic()
    executed = _run_cells(source, target, cwd)
    seconds = round(time.monotonic() - began, 1)
    # Papermill takes a cell that calls sys.exit() for a good end and skips the rest.
    for index, what in check_notebook(executed):
        raise ChapterBrokenError(index, what)
    shown = [output.get("data", {}) for _, output in outputs_of(executed)]
    claims = [claim for data in shown for claim in data.get(CLAIMS, {"claims": []})["claims"]]
    results = {data[RESULT]["name"]: data[RESULT]["value"] for data in shown if RESULT in data}
    _strip(executed)
    nbformat.write(executed, target)
    return {"claims": claims, "results": results, "seconds": seconds}


def _run_cells(source: Path, target: Path, cwd: Path) -> nbformat.NotebookNode:
    """Execute every cell; a kernel that dies before the first of them is started anew."""
    notebook = nbformat.read(source, as_version=4)
    began = False

    def on_cell_start(cell: Any, cell_index: int) -> None:  # noqa: ARG001  # nbclient's names
        nonlocal began
        began = True
        report("cell", index=cell_index, total=len(notebook.cells))

    starts = 0
    while True:
        starts += 1
        try:
            executed: nbformat.NotebookNode = papermill.execute_notebook(
                notebook,
                str(target),
                kernel_name="python3",
                cwd=str(cwd),
                progress_bar=False,
                execution_timeout=CELL_TIMEOUT,
                on_cell_start=on_cell_start,
            )
            return executed
        except RuntimeError:  # what jupyter_client raises of a kernel that never answered
            if began or starts == STARTS:
                raise


def _strip(notebook: nbformat.NotebookNode) -> None:
    """Remove what changes from run to run, so that equal runs are equal files; kept results too.

    The claims' data stay: the page's tables are made from them.
    """
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
        part.metadata.pop("execution", None)
        if "outputs" in part:
            part.outputs = [o for o in part.outputs if RESULT not in o.get("data", {})]
    _rename(notebook)


def _rename(notebook: nbformat.NotebookNode) -> None:
    """Give tables (`Styler`) ids by their order; leave out where in the memory an object lay."""
    ids: dict[str, str] = {}
    for _, output in outputs_of(notebook):
        data = output.get("data", {})
        for name in _TABLE.findall(data.get("text/html", "")):
            ids.setdefault(name, f"T_{len(ids):05d}")
        for texts, key in [(data, key) for key in data if key[:5] == "text/"] + [(output, "text")]:
            if key in texts:
                plain = _ADDRESS.sub("at 0x…", texts[key])
                texts[key] = _ID.sub(lambda name: ids.get(name[0], name[0]), plain)


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
            "error": f"{_of_memory(error)}{error.ename}: {error.evalue}",
            "traceback": traceback[-12:],
        }
    if isinstance(error, DeadKernelError):
        # Of the children that have ended, the kernel is the largest; in kB, on a Mac in bytes.
        unit = 1 if sys.platform == "darwin" else 1024
        held = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        why = _short_of_memory() if held > memory() / 2 else "out of memory, a crash, or os._exit"
        return {"error": f"the kernel died: {why}, when it held {held / 2**30:.1f} GiB"}
    if isinstance(error, CellTimeoutError):
        return {"error": f"the cell took longer than {CELL_TIMEOUT} s"}
    return {"error": f"{type(error).__name__}: {error}"}


def _of_memory(error: PapermillExecutionError) -> str:
    """What to put before an error that says that there is not enough memory; nothing, of others."""
    short = "MemoryError" in error.ename or "can't allocate memory" in error.evalue
    return f"{_short_of_memory()}: " if short else ""


def _short_of_memory() -> str:
    return f"out of memory, of which this machine has {memory() / 2**30:.1f} GiB"


def _die_with_builder() -> None:
    # Returns when the builder closes the pipe or dies; no lock is held at the worker's own end.
    os.read(0, 1)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(130)


def main() -> None:
    """Run the job of the file named on the command line."""
    keep_reports_apart()
    limit_memory()
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    threading.Thread(target=_die_with_builder, daemon=True).start()
    try:
        report("done", **execute(Path(job["source"]), Path(job["target"]), cwd=Path(job["cwd"])))
    except Exception as error:  # whatever it was, the builder must hear of it
        report("failed", **describe_failure(error))
        sys.exit(1)


if __name__ == "__main__":
    main()

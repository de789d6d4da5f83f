"""Executes one chapter, in a process of its own: ``python -m studies.worker JOB.json``.

It reports as JSON lines on standard output.  Its standard input is a pipe held by
the builder: when that closes (interrupt, kill) the worker ends its kernel and itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from studies.claims import MIME

CELL_TIMEOUT = 3600  # seconds; a cell of the paper profile stays well below
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def report(event: str, **fields: Any) -> None:
    """Send one event to the builder."""
    print(json.dumps({"event": event, **fields}), flush=True)


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
    """Execute notebook ``source`` into ``target``; return its claims and duration."""
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
    claims = _take_claims(executed)
    _strip(executed)
    nbformat.write(executed, target)
    return {"claims": claims, "seconds": seconds}


def _take_claims(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """Move the claims' data from the outputs (which keep the box) to the caller."""
    claims: list[dict[str, Any]] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME in data:
                claims.append({**data.pop(MIME)})
                # Raw HTML in the page: no pointless wrapper for the text form.
                data.pop("text/plain", None)
    ids = [claim["id"] for claim in claims]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ValueError(f"claim {twice[0]} is made twice; ids must be unique")
    return claims


def _strip(notebook: nbformat.NotebookNode) -> None:
    """Remove what changes from run to run, so that equal runs are equal files."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)


def describe_failure(error: BaseException) -> dict[str, Any]:
    """What the terminal should say of a failed run."""
    if isinstance(error, PapermillExecutionError):
        traceback = [_ANSI.sub("", line) for line in "\n".join(error.traceback).splitlines()]
        # The first arrow belongs to the notebook's own cell; deeper frames follow it.
        arrow = next((re.match(r"-+> (\d+)", line) for line in traceback if "->" in line), None)
        return {
            "cell": error.cell_index,
            "line": int(arrow.group(1)) if arrow else 1,
            "error": f"{error.ename}: {error.evalue}",
            "traceback": traceback[-12:],
        }
    return {
        "cell": None,
        "line": None,
        "error": f"{type(error).__name__}: {error}",
        "traceback": [],
    }


def _die_with_builder() -> None:
    sys.stdin.buffer.read()  # returns when the builder closes the pipe or dies
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(130)


def main() -> None:
    """Run the job of the file named on the command line."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    threading.Thread(target=_die_with_builder, daemon=True).start()
    try:
        report("done", **execute(Path(job["source"]), Path(job["target"]), cwd=Path(job["cwd"])))
    except Exception as error:  # whatever it was, the builder must hear of it
        report("failed", **describe_failure(error))
        sys.exit(1)


if __name__ == "__main__":
    main()

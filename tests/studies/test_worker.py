"""Tests of the worker, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from studies.build import worker


def write(path: Path, *cells: str) -> Path:
    code = [nbformat.v4.new_code_cell(cell, id=f"c{i}") for i, cell in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), path)
    return path


@pytest.mark.kernel
def test_a_cell_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that waits for ever, or a timeout without a word."""
    monkeypatch.setattr(worker, "CELL_TIMEOUT", 1)
    source = write(tmp_path / "in.ipynb", "import time\ntime.sleep(60)")
    with pytest.raises(Exception, match="timed out") as caught:
        worker.execute(source, tmp_path / "out.ipynb", cwd=tmp_path)
    assert worker.describe_failure(caught.value) == {"error": "the cell took longer than 1 s"}


def failed(traceback: list[str]) -> dict[str, Any]:
    error = PapermillExecutionError(4, 3, "x", "ValueError", "no", traceback)
    return worker.describe_failure(error)


def test_descriptions() -> None:
    """The line of another frame; an error without a frame that crashes the report."""
    frames = ["\x1b[31mValueError\x1b[0m", "Cell In[5], line 12\nCell In[3], line 2, in f()"]
    assert failed(frames) == {
        "cell": 4,
        "line": 12,
        "error": "ValueError: no",
        "traceback": ["ValueError", "Cell In[5], line 12", "Cell In[3], line 2, in f()"],
    }
    assert failed([])["line"] is None
    assert failed(["x"] * 50)["traceback"] == ["x"] * 12
    assert "the kernel died" in worker.describe_failure(DeadKernelError("x"))["error"]
    assert worker.describe_failure(OSError(28, "No space left")) == {
        "error": "OSError: [Errno 28] No space left"
    }
    broken = worker.ChapterBrokenError(3, "makes claim a.b a second time")
    assert worker.describe_failure(broken) == {"cell": 3, "error": "makes claim a.b a second time"}


def dies_at_start(times: int, begins: bool = False) -> Any:
    """An `execute_notebook` whose kernel dies ``times`` times, then runs every cell."""
    starts: list[int] = []

    def execute_notebook(notebook: Any, target: str, **options: Any) -> Any:  # noqa: ARG001
        starts.append(1)
        if begins:
            options["on_cell_start"](cell=None, cell_index=0)
        if len(starts) <= times:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return notebook

    return execute_notebook, starts


def test_a_kernel_that_dies_before_its_first_cell_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build lost to a port that another process took; a chapter that runs for ever anew."""
    source = write(tmp_path / "in.ipynb")
    for times, tries in ((0, 1), (2, 3)):
        execute, starts = dies_at_start(times)
        monkeypatch.setattr(worker.papermill, "execute_notebook", execute)
        worker.execute(source, tmp_path / "out.ipynb", cwd=tmp_path)
        assert len(starts) == tries
    for begins, tries in ((False, worker.STARTS), (True, 1)):
        execute, starts = dies_at_start(9, begins)
        monkeypatch.setattr(worker.papermill, "execute_notebook", execute)
        with pytest.raises(RuntimeError, match="died before replying"):
            worker.execute(source, tmp_path / "out.ipynb", cwd=tmp_path)
        assert len(starts) == tries

"""Runs chapters in parallel worker processes and keeps what came out whole."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from studies.files import scratch_folder
from studies.fingerprint import DATA_ROOT
from studies.parameters import write_values
from studies.project import Chapter, Project
from studies.records import Record, write_record

# One thread per chapter: unpinned, two chapters on two cores take twice as long, and
# sums taken in another order give other last digits.
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# A reader's own settings must not reach a chapter: another figure format, start-up code, kernel.
_PERSONAL = ("MPLBACKEND", "PYTHONSTARTUP", "JUPYTER_PATH")


@dataclass(frozen=True)
class Job:
    """One chapter to execute with given values."""

    chapter: Chapter
    values: Mapping[str, Any]
    parts: Mapping[str, str]  # the fingerprint, taken before the run starts
    profile: str
    target: Path  # where a good run goes
    stale: Sequence[str] = ()  # why it runs


@dataclass(frozen=True)
class Failure:
    """A chapter that did not run to its end."""

    job: Job
    error: str
    cell: int | None = None  # index, from 0
    line: int | None = None  # in the cell, from 1
    traceback: list[str] = field(default_factory=list)
    half_run: Path | None = None  # the notebook as far as it came


OnProgress = Callable[[Job, int, int], None]
OnEnd = Callable[[Job, "Record | Failure"], None]


def run_jobs(
    project: Project,
    jobs: Sequence[Job],
    *,
    workers: int,
    on_progress: OnProgress = lambda *_: None,
    on_end: OnEnd = lambda *_: None,
) -> list[Record | Failure]:
    """Execute all jobs, ``workers`` at a time; a failure does not stop the others.

    An interrupt ends every worker at once and leaves all earlier results as they were.
    """
    stop = threading.Event()

    def one(job: Job) -> Record | Failure:
        result = _run(project, job, stop, on_progress)
        if not stop.is_set():
            on_end(job, result)
        return result

    with ThreadPoolExecutor(max(1, workers)) as pool:
        waiting: list[Future[Record | Failure]] = [pool.submit(one, job) for job in jobs]
        try:
            wait(waiting)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in waiting]


def _run(
    project: Project, job: Job, stop: threading.Event, on_progress: OnProgress
) -> Record | Failure:
    try:
        with scratch_folder(project.build / "tmp") as scratch:
            return _run_in(project, job, scratch, stop, on_progress)
    except (OSError, ValueError) as error:  # a full disk, say, or a notebook cut short
        return Failure(job, f"{type(error).__name__}: {error}")


def _run_in(
    project: Project, job: Job, scratch: Path, stop: threading.Event, on_progress: OnProgress
) -> Record | Failure:
    source, target = scratch / "source.ipynb", scratch / "executed.ipynb"
    nbformat.write(prepared_notebook(job.chapter, job.values), source)
    (scratch / "job.json").write_text(
        json.dumps({"source": str(source), "target": str(target), "cwd": str(project.root)})
    )
    last = _follow_worker(project, job, scratch, stop, on_progress)
    if last.pop("event", None) == "done":
        note = {**last, "parameters": dict(job.values), "profile": job.profile}
        notebook = nbformat.read(target, as_version=4)
        record = write_record(project, job.chapter, job.target, notebook, note, job.parts)
        _half_run(project, job).unlink(missing_ok=True)
        return record
    kept = None
    if target.is_file() and not stop.is_set():
        kept = _half_run(project, job)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, kept)
    return Failure(job, half_run=kept, **last)


def _half_run(project: Project, job: Job) -> Path:
    """Where a failed run's notebook is kept, until a good run."""
    return project.build / "failed" / f"{job.chapter.name}.ipynb"


def prepared_notebook(chapter: Chapter, values: Mapping[str, Any]) -> nbformat.NotebookNode:
    """The chapter as a notebook whose visible parameters cell holds the values to run with."""
    notebook = copy.deepcopy(chapter.notebook)
    cell = notebook.cells[chapter.parameters_index]
    cell["source"] = write_values(chapter.parameters_source, values)
    return notebook


def _follow_worker(
    project: Project, job: Job, scratch: Path, stop: threading.Event, on_progress: OnProgress
) -> dict[str, Any]:
    """Start the worker, pass its progress on; return its last word, or what is known without."""
    last: dict[str, Any] = {}
    with (
        (scratch / "stderr").open("w+") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "studies.worker", str(scratch / "job.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=_environment(project, scratch),
            start_new_session=True,  # the terminal's Ctrl-C goes to the builder alone
        ) as worker,
    ):
        assert worker.stdout is not None
        threading.Thread(target=_stop_worker, args=(worker, stop), daemon=True).start()
        for line in worker.stdout:
            event = json.loads(line)
            if event["event"] == "cell":
                on_progress(job, event["index"], event["total"])
                last = {"cell": event["index"]}  # should this be the last word, it died in there
            else:
                last = {**event} if event["event"] == "done" else {**last, **event}
        code = worker.wait()
        if "event" not in last:
            stderr.seek(0)
            said = stderr.read().splitlines()[-12:]
            last |= {"error": f"the worker died, exit status {code}", "traceback": said}
    return last


def _stop_worker(worker: subprocess.Popen[str], stop: threading.Event) -> None:
    while worker.poll() is None:
        if stop.wait(0.1):
            assert worker.stdin is not None
            worker.stdin.close()
            return


def _environment(project: Project, scratch: Path) -> dict[str, str]:
    paths = [str(project.lib), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        **_THREADS,
        "PYTHONPATH": os.pathsep.join(paths),  # this checkout's library, whatever is installed
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "0",  # no dates inside figures
        "IPYTHONDIR": str(scratch / "ipython"),  # no personal start-up files
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one from the home folder
    }
    if environment.get(DATA_ROOT):
        environment[DATA_ROOT] = str(Path(environment[DATA_ROOT]).resolve())
    for name in _PERSONAL:
        environment.pop(name, None)
    return environment

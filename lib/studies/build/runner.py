"""Runs chapters in parallel worker processes and keeps what came out whole."""

from __future__ import annotations

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

from studies.build.files import scratch_folder
from studies.build.project import Chapter, Project
from studies.build.runs import Run, prepared_notebook, write_run
from studies.build.surroundings import surround
from studies.errors import BuildError


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


class Watcher:
    """Who wants to know how a build comes along; this one does not."""

    def plan(self, chosen: Sequence[Job], waiting: Sequence[Job]) -> None:
        """Of the chosen chapters these wait to be executed."""

    def known(self, job: Job) -> Run | None:  # noqa: ARG002  # this one keeps nothing
        """What an earlier run of the same job came to; asked just before one would start."""
        return None

    def cell(self, job: Job, index: int, total: int) -> None:
        """A chapter's next cell has started."""

    def end(self, job: Job, result: Run | Failure) -> None:
        """A chapter has ended, well or not."""


# Runs jobs somewhere: `run_jobs` on this machine, or a cluster; results keep the jobs' order.
Engine = Callable[[Project, Sequence[Job], Watcher], list[Run | Failure]]


def run_jobs(
    project: Project,
    jobs: Sequence[Job],
    *,
    workers: int,
    watcher: Watcher | None = None,
    stop: threading.Event | None = None,
) -> list[Run | Failure]:
    """Execute all jobs, ``workers`` at a time; a failure does not stop the others.

    An interrupt, or ``stop`` when it is set, ends every worker at once; earlier results stay.
    """
    stop, watcher = stop or threading.Event(), watcher or Watcher()

    def one(job: Job) -> Run | Failure:
        result = watcher.known(job) or _run(project, job, stop, watcher)
        if not stop.is_set():
            watcher.end(job, result)
        return result

    with ThreadPoolExecutor(max(1, workers)) as pool:
        waiting: list[Future[Run | Failure]] = [pool.submit(one, job) for job in jobs]
        try:
            wait(waiting)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in waiting]


def on_this_machine(workers: int | None = None) -> Engine:
    """The engine of this machine: so many chapters at a time, or as many as it has cores."""

    def engine(project: Project, jobs: Sequence[Job], watcher: Watcher) -> list[Run | Failure]:
        many = workers or min(len(jobs), os.cpu_count() or 1)
        return run_jobs(project, jobs, workers=many, watcher=watcher)

    return engine


def _run(project: Project, job: Job, stop: threading.Event, watcher: Watcher) -> Run | Failure:
    try:
        with scratch_folder(project.build / "tmp") as scratch:
            return _run_in(project, job, scratch, stop, watcher)
    except (OSError, ValueError, BuildError) as error:  # a full disk, say, or a notebook cut short
        return Failure(job, f"{type(error).__name__}: {error}")


def _run_in(
    project: Project, job: Job, scratch: Path, stop: threading.Event, watcher: Watcher
) -> Run | Failure:
    source, target = scratch / "source.ipynb", scratch / "executed.ipynb"
    nbformat.write(prepared_notebook(job.chapter, job.values), source)
    what = {"source": str(source), "target": str(target), "cwd": str(scratch / "work")}
    (scratch / "job.json").write_text(json.dumps(what), encoding="utf8")
    last = _follow_worker(project, job, scratch, stop, watcher)
    if last.pop("event", None) == "done":
        note = {**last, "parameters": dict(job.values), "profile": job.profile}
        notebook = nbformat.read(target, as_version=4)
        run = write_run(project, job.chapter, job.target, notebook, note, job.parts)
        _half_run(project, job).unlink(missing_ok=True)
        return run
    kept = None
    if target.is_file() and not stop.is_set():
        kept = _half_run(project, job)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, kept)
    return Failure(job, half_run=kept, **last)


def _half_run(project: Project, job: Job) -> Path:
    """Where a failed run's notebook is kept, until a good one; those of a sweep have a hash."""
    of_sweep = job.target.is_relative_to(project.build / "tmp")
    point = f"-{job.target.stem[:8]}" if of_sweep else ""
    return project.build / "failed" / f"{job.chapter.name}{point}.ipynb"


def _follow_worker(
    project: Project, job: Job, scratch: Path, stop: threading.Event, watcher: Watcher
) -> dict[str, Any]:
    """Start the worker, pass its progress on; return its last word, or what is known without."""
    last: dict[str, Any] = {}
    with (
        (scratch / "stderr").open("w+", encoding="utf8", errors="replace") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "studies.build.worker", str(scratch / "job.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf8",
            cwd=scratch,
            env=surround(project.lib, project.build, scratch),
            start_new_session=True,  # the terminal's Ctrl-C goes to the builder alone
        ) as worker,
    ):
        assert worker.stdout is not None
        threading.Thread(target=_stop_worker, args=(worker, stop), daemon=True).start()
        for line in worker.stdout:
            event = json.loads(line)
            if event["event"] == "cell":
                watcher.cell(job, event["index"], event["total"])
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

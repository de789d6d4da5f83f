"""Runs chapters on a Dask cluster, on those of its workers that have the same code as this one."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import studies
from studies.build.files import scratch_folder, write_atomically
from studies.build.fingerprint import differences, digest, fingerprint
from studies.build.project import Project
from studies.build.runner import Engine, Failure, Job, Watcher, run_jobs
from studies.build.runs import Run, read_run
from studies.errors import StudiesError
from studies.page.results import find_root
from studies.progress import few

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Worker

PATIENCE = 60.0  # seconds without a scheduler, or without a worker that fits; for an answer, too
LOOK = 0.5  # seconds between two looks at who is there

Asked = tuple[str, Mapping[str, Any], Mapping[str, str]]  # a chapter, its values, its fingerprint


def on_cluster(address: str, *, workers: int = 2, trusted: bool = False) -> Engine:
    """Make an engine that runs jobs on a Dask cluster and brings their notebooks here.

    ``local`` starts ``workers`` processes on this machine. ``tls://host:port`` is a scheduler,
    reached with the keys that Dask's own settings name (``distributed.comm.tls.*``); so is
    ``tcp://host:port``, which must be ``trusted`` if it is another machine's. A worker takes the
    checkout that it was started in, else the one beside its library.
    """
    try:
        from distributed import LocalCluster, Security
    except ImportError:
        raise StudiesError("a cluster needs Dask: pip install '.[cluster]'") from None
    _check(address, trusted)
    if address.startswith("tls:") and not Security().get_tls_config_for_role("client")["cert"]:
        keys = "distributed.comm.tls.ca-file, client.cert and client.key"
        raise StudiesError(f"{address} needs keys: name them in Dask's settings {keys}")

    def engine(_: Project, jobs: Sequence[Job], watcher: Watcher) -> list[Run | Failure]:
        if not jobs:
            return []
        if address != "local":
            return _Sender(address, jobs, watcher).all()
        with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",  # without these two it listens to everybody
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # of the worker's own, which is little beside the kernel's
            preload="import os; os.setpgrp()",  # the terminal's Ctrl-C goes to this one alone
            silence_logs=logging.ERROR,
        ) as cluster:
            return _Sender(cluster, jobs, watcher).all()

    return engine


def _check(address: str, trusted: bool) -> None:
    if address == "local":
        return
    if not (found := re.fullmatch(r"(tcp|tls)://(\[.+\]|[^:/]+):\d+", address)):
        raise StudiesError(f"{address} is refused: need local, tls://host:port or tcp://host:port")
    scheme, host = found[1], found[2].strip("[]")
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):  # a name, no number
        loopback |= ipaddress.ip_address(host).is_loopback
    if scheme == "tcp" and not (loopback or trusted):
        raise StudiesError(
            f"{address} is refused: without TLS whoever reaches a port of the cluster runs code "
            "on its machines, and on this one; need tls://, or to be told that all are trusted"
        )


class _Sender:
    """Keeps the workers that fit busy, whoever comes and goes, until each job has ended."""

    def __init__(self, cluster: str | LocalCluster, jobs: Sequence[Job], watcher: Watcher) -> None:
        self._cluster, self._jobs, self._watcher = cluster, jobs, watcher
        # Places in ``jobs``, each with the worker to avoid: the one on which it failed.
        self._todo = deque((place, "") for place in range(len(jobs)))
        self._running: dict[Future[Any], tuple[int, str, set[str]]] = {}  # and who alone may run it
        self._ended: list[tuple[int, Run | Failure]] = []
        self._unlike: dict[str, list[str]] = {}  # worker → what differs there
        self._heard, self._connections = time.monotonic(), 0

    def all(self) -> list[Run | Failure]:
        """Run the jobs; a lost scheduler is waited for, and sent again what it had not brought."""
        results: dict[int, Run | Failure] = {}
        client = None
        try:
            while len(results) < len(self._jobs):
                try:
                    client = client or self._connect()
                    self._step(client)
                except (OSError, CancelledError) as error:
                    if client:
                        client.close(timeout=1)
                    client = None
                    self._todo.extendleft(
                        (place, avoid) for place, avoid, _ in self._running.values()
                    )
                    self._running.clear()
                    self._wait(f"no answer from {self._cluster} ({error})")
                for place, result in self._ended:
                    results[place] = result
                    self._watcher.end(self._jobs[place], result)
                self._ended.clear()
        finally:  # without their client, workers stop what they still run
            if client:
                client.close(timeout=5)
        return [results[place] for place in range(len(self._jobs))]

    def _connect(self) -> Client:
        from distributed import Client

        client = Client(self._cluster, timeout=5)
        self._connections += 1
        try:  # one that cannot read what it passes on would say so to nobody
            client.run_on_scheduler(unlike, [], callback_timeout=PATIENCE)
        except (ImportError, AttributeError) as error:
            client.close(timeout=1)
            raise StudiesError(f"the scheduler needs this project's library: {error}") from None
        return client

    def _wait(self, what: str) -> None:
        if time.monotonic() - self._heard > PATIENCE:
            raise StudiesError(f"{what}; what has ended is kept, the same command goes on from it")
        time.sleep(LOOK)

    def _step(self, client: Client) -> None:
        """Send as much as there is room for, gather what has ended meanwhile."""
        from distributed import wait

        threads = self._threads(client)
        if any(where and not where & threads.keys() for _, _, where in self._running.values()):
            raise OSError("all that fit are gone")  # Dask would wait for just these
        while self._todo and len(self._running) < sum(threads.values()):
            place, avoid = self._todo.popleft()
            job = self._jobs[place]
            if known := self._watcher.known(job):
                self._ended.append((place, known))
                continue
            # The same key is the same run, whoever asks for it; not one that is being stopped.
            key = f"{job.chapter.name}-{digest(job.parts)}-{self._connections}-{avoid}"
            some = avoid or any(self._unlike.values())  # workers are not to run it
            where = {worker for worker in threads if worker != avoid} if some else set()
            asked = job.chapter.name, job.values, job.parts
            future = client.submit(run_asked, asked, job.profile, key=key, workers=[*where] or None)
            self._running[future] = (place, avoid, where)
        if self._running:
            self._heard = time.monotonic()
            with contextlib.suppress(TimeoutError):
                wait(list(self._running), timeout=LOOK, return_when="FIRST_COMPLETED")
            for future in [future for future in self._running if future.done()]:
                self._take(future, others=len(threads) - 1)
        elif not self._ended:
            said = [f"{w}: {few(found)}" for w, found in self._unlike.items() if found]
            what = f"no worker has the same code as this checkout: {'; '.join(said) or 'none came'}"
            if said and len(self._todo) == len(self._jobs):
                raise StudiesError(what)
            self._wait(what)

    def _threads(self, client: Client) -> dict[str, int]:
        """The threads of every worker that fits; who is new is asked what code it has."""
        threads: dict[str, int] = client.nthreads(callback_timeout=PATIENCE)
        some = {job.chapter.name: job for job in self._jobs}
        asked = [(name, job.values, job.parts) for name, job in some.items()]
        for worker in threads.keys() - self._unlike.keys():
            try:  # one by one: one that is mute is known by that
                self._unlike[worker] = client.run(
                    unlike, asked, workers=[worker], callback_timeout=PATIENCE
                )[worker]
            except Exception as error:
                self._unlike[worker] = [f"{type(error).__name__}: {error}"]
            if found := self._unlike[worker]:
                click.echo(f"{worker} is left out: {few(found)}", err=True)
        return {worker: many for worker, many in threads.items() if not self._unlike[worker]}

    def _take(self, future: Future[Any], others: int) -> None:
        """Gather a run; a failure has a second try elsewhere: its worker's disk may be full."""
        error = future.exception(timeout=PATIENCE)
        if isinstance(error, CancelledError):
            raise error
        said = {"error": f"{type(error).__name__}: {error}"}
        answer = said if error else future.result(timeout=PATIENCE)
        place, avoid, _ = self._running.pop(future)
        future.release()
        worker = answer.pop("worker", "")
        result = _brought(self._jobs[place], answer)
        if isinstance(result, Failure) and worker and not avoid and others:
            self._todo.append((place, worker))
        else:
            self._ended.append((place, result))


def _brought(job: Job, answer: Mapping[str, Any]) -> Run | Failure:
    if "text" not in answer:
        return Failure(job, **answer)
    try:
        write_atomically(job.target, answer["text"])
    except OSError as error:
        return Failure(job, f"{type(error).__name__}: {error}")
    return read_run(job.target) or Failure(job, "the notebook did not come back whole")


def unlike(asked: Sequence[Asked]) -> list[str]:
    """What differs where this is called, of what these chapters depend on; nothing if all agree."""
    found: list[str] = []
    for name, values, parts in asked:
        try:
            project = _checkout()
            found += differences(parts, fingerprint(project, project.chapter(name), values))
        except (OSError, StudiesError) as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def run_asked(asked: Asked, profile: str) -> dict[str, Any]:
    """Run a chapter in this worker's own checkout: its notebook's text, or the failure's fields."""
    from distributed import get_worker

    worker, stop = get_worker(), threading.Event()
    said: dict[str, Any] = {"worker": worker.address}
    if found := unlike([asked]):
        return {**said, "error": f"{worker.address} has other code: {few(found)}"}
    key = worker.get_current_task()
    threading.Thread(target=_stop_unwanted, args=(worker, key, stop), daemon=True).start()
    try:
        project, (name, values, parts) = _checkout(), asked
        with scratch_folder(project.build / "tmp") as scratch:
            job = Job(project.chapter(name), values, parts, profile, scratch / "run.ipynb")
            (result,) = run_jobs(project, [job], workers=1, stop=stop)
            if isinstance(result, Run):
                return {**said, "text": job.target.read_text(encoding="utf8")}
            return {
                **said,
                **{name: value for name, value in vars(result).items() if name != "job"},
            }
    except OSError as error:
        return {**said, "error": f"{type(error).__name__}: {error}"}
    finally:
        stop.set()


def _checkout() -> Project:
    return Project.find(find_root(Path.cwd()) or Path(studies.__file__))


def _stop_unwanted(worker: Worker, key: Any, stop: threading.Event) -> None:
    """Stop a run whose client, scheduler or worker is gone; Dask itself lets threads run on."""
    from distributed.worker import WORKER_ANY_RUNNING

    while not stop.wait(0.2):
        task = worker.state.tasks.get(key)
        if not task or task.state != "executing" or worker.status not in WORKER_ANY_RUNNING:
            stop.set()

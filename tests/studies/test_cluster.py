"""Tests of chapters on a Dask cluster: real schedulers and workers, some of which fail."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import Client
from distributed.cli import dask_scheduler, dask_worker
from rich.console import Console

from studies.build.project import Project
from studies.build.runner import Failure, Job, on_this_machine
from studies.build.runs import Run
from studies.errors import StudiesError
from studies.sweep import cluster
from studies.sweep.cluster import on_cluster
from studies.sweep.grid import grid
from studies.sweep.store import Store
from studies.sweep.sweep import Keeping, Outcome, sweep
from tests.studies import toy

PARAMETERS = "from studies.page.types import Probability\np: Probability = 0.3  # a chance"
# Two cells: one that says that it ran, and can be held; one with a claim.
RUNS = """import time
from pathlib import Path
from toy.unit import ONE
with Path({root!r}, "ran").open("a") as file:
    file.write(f"{{p}}\\n")
for _ in range(600):
    if not Path({root!r}, "hold").exists():
        break
    time.sleep(0.1)"""
CLAIMS = """from toy import estimate
from studies.page import below, claim, claims
claims("thm-x", claim("low", estimate.exact(p / 3), below(0.2), "it is low", because="it is"),
       kind="identity", over="p")"""
UNIT = "lib/toy/unit.py"
Start = Callable[..., multiprocessing.Process]

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


def _write(root: Path) -> None:
    toy.write_toy(root)
    cells = RUNS.format(root=str(root)), CLAIMS
    (root / "book" / "two.md").write_text(toy.chapter(*cells, parameters=PARAMETERS))
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n  - file: book/two\n"
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy checkout with one chapter of two cells."""
    root = tmp_path_factory.mktemp("checkout")
    _write(root)
    return root


@pytest.fixture
def project(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The checkout as nobody has used it yet; the current folder."""
    (checkout / "ran").write_text("")
    (checkout / "hold").unlink(missing_ok=True)
    shutil.rmtree(checkout / "_build" / "store", ignore_errors=True)
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(cluster, "PATIENCE", 120)
    return Project(checkout)


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start a function in a process of its own; whatever is left of them ends with the tests.

    They are forked from one that has imported everything: importing takes seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.studies.test_cluster"])
    started: list[Any] = []

    def begin(function: Callable[..., object], *arguments: Any) -> Any:
        started.append(context.Process(target=function, args=arguments))
        started[-1].start()
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.join()


def scheduler(port: int, log: Path, settings: Mapping[str, Any], lacks: bool = False) -> None:
    """Be a scheduler on loopback."""
    _quietly(log, lacks)
    protocol = "tls" if settings else "tcp"
    where = ["--host", "127.0.0.1", "--port", str(port), "--protocol", protocol]
    with dask.config.set(settings):
        dask_scheduler.main([*where, "--dashboard-address", "127.0.0.1:0"])


def worker(
    address: str,
    checkout: Path,
    log: Path,
    settings: Mapping[str, Any] | None = None,
    *faults: str,
) -> None:
    """Be a worker on loopback in a checkout, perhaps one with a fault.

    ``pretends``: it has no kernels. ``full``: its disk is. ``lacks``: this project's library.
    """
    _quietly(log, "lacks" in faults)
    os.chdir(checkout)
    if "pretends" in faults:
        cluster.run_jobs = _pretend  # type: ignore[attr-defined]
    if "full" in faults:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    where = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--nthreads", "1"]
    with dask.config.set(settings or {}):
        dask_worker.main([address, *where, "--no-nanny", "--local-directory", str(log.parent)])


def _quietly(log: Path, lacks: bool) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if lacks:
        for name in [name for name in sys.modules if name.split(".")[0] == "studies"]:
            sys.modules[name] = None  # type: ignore[assignment]


def _pretend(project: Project, jobs: Sequence[Job], *, workers: int, stop: threading.Event) -> Any:  # noqa: ARG001
    """What the chapter does, without a kernel."""
    (job,) = jobs
    run = toy.pretend_to_run(project, job)
    with (project.root / "ran").open("a") as file:
        file.write(f"{job.values['p']}\n")
    while (project.root / "hold").exists() and not stop.wait(0.05):
        pass
    if job.values["p"] == 0.99:
        os._exit(1)
    return [run]


def client(address: str, checkout: Path, log: Path, *values: float) -> None:
    """Be a sweep on a cluster; `interrupted` is the last word of one that was."""
    os.setsid()
    _quietly(log, lacks=False)
    os.chdir(checkout)
    try:
        swept(Project(checkout), address, *values, workers=1)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    except BaseException:
        traceback.print_exc()


def swept(
    project: Project, address: str, *values: float, workers: int = 2, watcher: Keeping | None = None
) -> list[Outcome]:
    """A whole sweep over values of p."""
    chapter = project.chapter("two")
    points = grid(chapter.parameters, {"p": 0.3}, [f"p={list(values)}"])
    engine = on_cluster(address, workers=workers) if address else on_this_machine(workers)
    watcher = watcher or keeping(project)
    return sweep(
        project, [(chapter, p) for p in points], profile="book", engine=engine, watcher=watcher
    )


def keeping(project: Project) -> Keeping:
    return Keeping(project, Store(project.build / "store"), Console(file=io.StringIO()))


def claims(outcomes: Sequence[Outcome]) -> list[Any]:
    """What each run found; a failure is one of the test."""
    found = []
    for outcome in outcomes:
        assert isinstance(outcome.result, Run), outcome.result
        found.append(outcome.result.claims)
    return found


def ran(project: Project) -> Counter[float]:
    """How often each value has run."""
    return Counter(map(float, (project.root / "ran").read_text().split()))


def free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def family(process: Any) -> list[psutil.Process]:
    """A process and all that it started."""
    me = psutil.Process(process.pid)
    return [me, *me.children(recursive=True)]


def gone(processes: Sequence[psutil.Process]) -> None:
    """Wait for the end of processes; one that stays is an error."""
    until(lambda: not any(alive(p) for p in processes), f"the end of {processes}")


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def listening(processes: Sequence[psutil.Process]) -> set[str]:
    """The addresses at which they wait for others."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN:
                    found.add(one.laddr.ip)
    return found


class Farm:
    """A scheduler and its workers."""

    def __init__(self, start: Start, folder: Path, settings: Mapping[str, Any]) -> None:
        self._start, self._folder, self._settings = start, folder, settings
        self._port = free_port()
        self.address = f"{'tls' if settings else 'tcp'}://127.0.0.1:{self._port}"
        self.workers: list[Any] = []
        self.scheduler: Any = None

    def open(self, lacks: bool = False) -> None:
        """Start the scheduler, at the port that it always has."""
        log = self._folder / "scheduler.txt"
        self.scheduler = self._start(scheduler, self._port, log, self._settings, lacks)

    def add(self, checkout: Path, *faults: str) -> Any:
        """Start a worker."""
        log = self._folder / f"worker{len(self.workers)}.txt"
        made = self._start(worker, self.address, checkout, log, self._settings, *faults)
        self.workers.append(made)
        return made

    def complete(self) -> None:
        """Wait until all of them have found each other."""
        with dask.config.set(self._settings), Client(self.address, timeout=120) as some:
            some.wait_for_workers(len(self.workers), timeout=120)


@pytest.fixture(scope="module")
def farm(start: Start, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """A scheduler and two workers with kernels."""
    made = Farm(start, tmp_path_factory.mktemp("farm"), {})
    made.open()
    made.add(checkout)
    made.add(checkout)
    made.complete()
    return made


def test_a_cluster_gives_the_very_numbers_of_this_machine(project: Project, farm: Farm) -> None:
    """Catches values lost on the way there, claims lost on the way back, runs that are repeated."""
    found = claims(swept(project, farm.address, 0.1, 0.7))
    assert ran(project) == {0.1: 1, 0.7: 1}
    assert claims(swept(project, farm.address, 0.7, 0.1)) == found[::-1]
    assert ran(project) == {0.1: 1, 0.7: 1}
    shutil.rmtree(project.build / "store")
    assert claims(swept(project, "", 0.1, 0.7)) == found


def test_a_killed_worker_costs_no_run(project: Project, farm: Farm) -> None:
    """Catches a kernel that outlives its worker, and a run that is lost or counted twice."""
    (project.root / "hold").touch()
    watcher, found = keeping(project), []
    thread = threading.Thread(
        target=lambda: found.extend(swept(project, farm.address, 0.2, watcher=watcher))
    )
    thread.start()
    until(lambda: ran(project), "a run")
    (busy,) = (w for w in farm.workers if w.is_alive() and len(family(w)) > 1)
    killed = family(busy)
    busy.kill()
    gone(killed)
    (project.root / "hold").unlink()
    thread.join()
    assert len(claims(found)) == 1
    assert ran(project) == {0.2: 2}
    assert len(list((project.build / "store").rglob("*.json"))) == 1


@pytest.mark.parametrize(
    ("address", "how", "word"),
    [
        ("tcp", signal.SIGINT, "interrupted\n"),
        ("tcp", signal.SIGKILL, ""),
        ("local", signal.SIGINT, "interrupted\n"),
    ],
)
def test_after_an_interrupt_nothing_runs_on(
    project: Project,
    farm: Farm,
    start: Start,
    tmp_path: Path,
    address: str,
    how: signal.Signals,
    word: str,
) -> None:
    """Catches chapters that run on for nobody, orphans, ports open to others, a lost first run."""
    claims(swept(project, farm.address, 0.1))
    (project.root / "hold").touch()
    where = farm.address if address == "tcp" else address
    process = start(client, where, project.root, tmp_path / "client.txt", 0.1, 0.2)
    until(lambda: ran(project)[0.2] or not process.is_alive(), "the second run")
    workers = [w for w in farm.workers if w.is_alive()]
    theirs = [p for w in [farm.scheduler, *workers] for p in family(w)]
    mine = family(process)
    assert listening([*theirs, *mine]) == {"127.0.0.1"}
    os.killpg(process.pid, how)
    stays = {p.pid for p in [farm.scheduler, *workers]}
    gone([*mine, *(p for p in theirs if p.pid not in stays)])
    assert all(p.is_alive() for p in [farm.scheduler, *workers])
    assert (tmp_path / "client.txt").read_text() == word
    (project.root / "hold").unlink()
    assert len(claims(swept(project, farm.address, 0.1, 0.2))) == 2
    assert ran(project) == {0.1: 1, 0.2: 2}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Dask's settings with one fresh key for all; and a chapter may kill one worker, not four."""
    if shutil.which("openssl") is None:
        pytest.skip("NO openssl HERE: tls:// is tested on no cluster")
    folder = tmp_path_factory.mktemp("keys")
    key, pem = folder / "key.pem", folder / "both.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=toy -keyout {key} -out {pem}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    pem.write_text(key.read_text() + pem.read_text())
    return {
        "distributed.comm.tls.ca-file": str(pem),
        **{f"distributed.comm.tls.{w}.cert": str(pem) for w in ("client", "scheduler", "worker")},
        "distributed.scheduler.allowed-failures": 0,
    }


def test_workers_that_differ_and_a_scheduler_that_dies(
    project: Project,
    start: Start,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    tls: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a wait for what will never fit, results of other code, a fault taken for final.

    All of it goes through tls://.
    """
    other = shutil.copytree(project.root, tmp_path / "other")
    toy.edit(other / UNIT, "ONE = 1", "ONE = 2")
    farm = Farm(start, tmp_path, tls)
    farm.open()
    farm.add(other, "pretends")
    farm.add(project.root, "lacks")
    farm.complete()
    with dask.config.set(tls):
        with pytest.raises(StudiesError, match="no worker has the same code") as caught:
            swept(project, farm.address, 0.1)
        assert f"{UNIT} changed" in str(caught.value)
        assert "import of studies.sweep.cluster halted" in str(caught.value)
        assert not ran(project)

        farm.add(project.root, "pretends")
        farm.add(project.root, "pretends", "full")
        farm.complete()
        capfd.readouterr()
        brought, tries = cluster._brought, list[Run | Failure]()
        monkeypatch.setattr(
            cluster, "_brought", lambda *one: tries.append(brought(*one)) or tries[-1]
        )
        claims(swept(project, farm.address, 0.1, 0.2, 0.3, 0.4))
        full = [one.error for one in tries if isinstance(one, Failure)]
        assert full  # the full worker had a run, and another ran it again
        assert all("File too large" in error for error in full)
        assert len(tries) == 4 + len(full)
        said = capfd.readouterr().err.splitlines()
        assert [line.partition(" is ")[2][:8] for line in said] == ["left out"] * 2
        assert ran(project) == {0.1: 1, 0.2: 1, 0.3: 1, 0.4: 1}

        (project.root / "hold").touch()
        found: list[Outcome] = []
        thread = threading.Thread(
            target=lambda: found.extend(swept(project, farm.address, 0.4, 0.5, 0.6))
        )
        thread.start()
        until(lambda: ran(project)[0.5] + ran(project)[0.6], "a run")
        farm.scheduler.kill()
        gone([p for worker in farm.workers for p in family(worker)])
        farm.open()
        toy.edit(other / UNIT, "ONE = 2", "ONE = 1")
        farm.workers = []
        farm.add(other, "pretends")
        (project.root / "hold").unlink()
        thread.join()
        assert len(claims(found)) == 3
        assert ran(project)[0.4] == 1
        assert len(list((project.build / "store").rglob("*.json"))) == 6

        watcher, asked = keeping(project), []

        def known(job: Job) -> None:
            asked.append(job)
            if len(asked) == 2:  # the worker was found to fit, and the run is about to be sent
                toy.edit(other / UNIT, "ONE = 1", "ONE = 2")

        watcher.known = known  # type: ignore[method-assign, assignment]
        (outcome,) = swept(project, farm.address, 0.8, watcher=watcher)
        assert isinstance(outcome.result, Failure)
        assert f"has other code: {UNIT} changed" in outcome.result.error

        toy.edit(other / UNIT, "ONE = 2", "ONE = 1")
        (outcome,) = swept(project, farm.address, 0.99)
        assert isinstance(outcome.result, Failure)
        assert outcome.result.error.startswith("KilledWorker")


def test_a_scheduler_without_the_library_says_so(
    project: Project, start: Start, tmp_path: Path
) -> None:
    """Catches a wait for tasks that the scheduler cannot read and says nothing of."""
    farm = Farm(start, tmp_path, {})
    farm.open(lacks=True)
    with pytest.raises(StudiesError, match="the scheduler needs this project's library"):
        swept(project, farm.address, 0.1)


def test_nobody_answers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches waiting for ever, and an error that does not say how to go on."""
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    with pytest.raises(StudiesError, match=r"no answer .*the same command goes on"):
        swept(project, f"tcp://127.0.0.1:{free_port()}", 0.1)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://10.0.0.1:8786", "whoever reaches"),
        ("tcp://example.org:8786", "whoever reaches"),
        ("tcp://127.0.0.1.example.org:8786", "whoever reaches"),
        ("tcp://0.0.0.0:8786", "whoever reaches"),
        ("tls://10.0.0.1:8786", "needs keys"),
        ("http://127.0.0.1:8786", "need local"),
        ("tcp://127.0.0.1", "need local"),
        ("tcp://127.0.0.1:port", "need local"),
        ("127.0.0.1:8786", "need local"),
        ("", "need local"),
    ],
)
def test_addresses_that_are_refused(address: str, says: str) -> None:
    """Catches code sent in the clear to other machines, and a typing error that ends as a wait."""
    with pytest.raises(StudiesError, match=says):
        on_cluster(address)


def test_addresses_that_are_not_refused() -> None:
    """Catches loopback, or what the reader says is trusted, taken for a stranger."""
    on_cluster("tcp://localhost:1")
    on_cluster("tcp://[::1]:1")
    on_cluster("tcp://10.0.0.1:1", trusted=True)


def test_dask_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback where a line says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StudiesError, match=r"pip install '\.\[cluster\]'"):
        on_cluster("local")

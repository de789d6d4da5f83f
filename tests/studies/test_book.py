"""Tests of building the book: what runs, what is kept when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from studies.build import book
from studies.build.book import Built, build, plan
from studies.build.files import only_one
from studies.build.project import Project
from studies.build.runner import Job
from studies.build.runs import Run, executed_path, read_run
from studies.errors import BuildError, StudiesError
from tests.studies import toy

UNIT = "lib/toy/unit.py"  # what part/beta alone depends on, through three modules
# The chapter that imports this says which processes run it, and does not end; nor does its child.
SLEEP = """
import os, pathlib, subprocess, time
root = pathlib.Path(__file__).parents[2]
if (root / "sleep").exists():
    child = subprocess.Popen(["sleep", "600"])
    (root / "pids.part").write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    (root / "pids.part").rename(root / "pids")
    time.sleep(600)
"""


def good_things(project: Project) -> dict[str, bytes]:
    """What readers and later builds rely on: the rendered book and the executed chapters."""
    kept = ("html/", "executed/", "ledger.json")
    return {k: v for k, v in toy.tree(project.build).items() if k.startswith(kept)}


def states(project: Project, profile: str = "book") -> dict[str, list[str]]:
    return {job.chapter.name: list(job.stale) for job in plan(project, profile)}


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let chapters be executed and rendered in name only; the names of those executed."""
    executed: list[str] = []

    def engine(project: Project, jobs: list[Job], _: Any) -> list[Run]:
        executed.extend(job.chapter.name for job in jobs)
        return [toy.pretend_to_run(project, job) for job in jobs]

    def render(project: Project, *_: Any) -> Path:
        return project.build / "html" / "index.html"

    monkeypatch.setattr(book, "on_this_machine", lambda: engine)
    monkeypatch.setattr(book, "render", render)
    return executed


@pytest.mark.parametrize(
    ("file", "old", "stale"),
    [
        ("lib/toy/unused.py", "NOTHING", {}),
        (UNIT, "ONE", {"part/beta": [f"{UNIT} changed"]}),
        ("book/part/beta.md", "There are", {}),
        (
            "requirements.lock",
            "==",
            {name: ["package ipykernel changed"] for name in ("part/alpha", "part/beta")},
        ),
    ],
)
def test_exactly_the_stale_chapters_run(
    written: Project, pretend: list[str], file: str, old: str, stale: dict[str, list[str]]
) -> None:
    """A page served stale, or minutes spent on a fresh one, for a changed word say."""
    toy.edit(written.root / file, old, f"{old}1")
    assert states(written) == {"part/alpha": [], "part/beta": [], **stale}
    done = build(written, "book")
    assert done.executed == pretend == list(stale)
    assert done.good
    pretend.clear()
    assert build(written, "book").executed == pretend == []


@pytest.mark.usefixtures("pretend")
def test_profiles_are_apart(written: Project) -> None:
    """A book that shows the numbers of the smoke profile; a profile edited without effect."""
    never = ["no whole run yet"]
    assert states(written, "smoke") == {"part/alpha": never, "part/beta": never}
    assert build(written, "smoke").executed == ["part/alpha", "part/beta"]
    assert states(written) == states(written, "smoke") == {"part/alpha": [], "part/beta": []}
    toy.edit(written.book / "profiles.yml", "draws: 2", "draws: 3")
    assert states(written, "smoke")["part/alpha"] == ["parameter draws changed"]
    assert states(written) == {"part/alpha": [], "part/beta": []}


def test_only_some(written: Project, pretend: list[str]) -> None:
    """A pattern that runs more than it names, or hides that the rest is out of date."""
    toy.edit(written.root / "requirements.lock", "2", "3")
    done = build(written, "book", only="*/beta")
    assert done.executed == pretend == ["part/beta"]
    assert done.stale == {"part/alpha": ["package ipykernel changed"]}
    assert done.good
    with pytest.raises(StudiesError) as caught:
        build(written, "book", only="beta")
    assert str(caught.value) == (
        "no chapter matches 'beta'; the chapters are: part/alpha, part/beta"
    )


def test_only_some_of_a_book_that_never_ran(bare: Project, pretend: list[str]) -> None:
    """A KeyError for the chapters that have no page yet."""
    with pytest.raises(BuildError, match=r"part/alpha has never run; build the book once without"):
        build(bare, "book", only="part/beta")
    assert pretend == ["part/beta"]


def test_bad_sources_stop_the_build_before_anything_runs(
    written: Project, pretend: list[str]
) -> None:
    """Hours of execution, and then a message about a typo."""
    (written.book / "forgotten.md").write_text("# Forgotten\n")
    with pytest.raises(BuildError, match=r"the sources need mending:\nbook/forgotten\.md: is not"):
        build(written, "book")
    assert pretend == []


def test_a_second_build_is_refused(written: Project, pretend: list[str]) -> None:
    """Two builds that mix their pages."""
    with (
        only_one(written.build),
        pytest.raises(BuildError, match="another build is at work"),
    ):
        build(written, "book")
    assert pretend == []


def test_which_claims_stop_the_build() -> None:
    """A build called good although a claim failed or a chapter did."""
    index = Path("index.html")
    assert Built(index).good
    assert not Built(None).good
    assert not Built(index, blocking={"part/alpha": ["thm-toy.decay"]}).good


def test_a_failed_claim_fails_the_build_though_it_is_rendered(built: Project) -> None:
    """A green build over a theorem that its measurement contradicts, in the quick profile."""
    toy.edit(built.root / UNIT, "ONE = 1", "ONE = 2")
    toy.edit(built.book / "part" / "alpha.md", "below(2)", "below(1)")
    done = toy.studies(built.root, "book", "--profile", "smoke")
    assert done.returncode == 1
    assert "part/beta: these claims fail the build: prop-count.three" in done.stderr
    assert "part/alpha" not in done.stderr  # undecided, which only the book profile minds
    page = (built.build / "html/book/part/beta.html").read_text()
    assert 'class="claim-fails" id="claim-prop-count.three"' in page
    assert "claim-fails" in (built.build / "html/book/ledger.html").read_text()
    assert "claim-undecided" in (built.build / "html/book/ledger.html").read_text()


@pytest.mark.kernel
def test_a_failed_chapter(written: Project) -> None:
    """A failure that stops the other chapters, takes the last good page away, or stays silent."""
    toy.edit(written.root / UNIT, "ONE = 1", "ONE = 1 / 0")
    toy.edit(written.root / "lib/toy/draw.py", "import random", "import random as random")
    before = good_things(written)
    done = toy.studies(written.root, "book", "--jobs", "1", renders=False)
    assert done.returncode == 1
    assert "part/alpha: executed in" in done.stdout
    assert "part/beta: FAILED" in done.stdout
    line = written.chapter("part/beta").line_of(3, 7)
    place = f"part/beta, cell 3, line 7 (book/part/beta.md:{line})"
    assert done.stderr.startswith(f"{place}: ZeroDivisionError: division by zero\n")
    assert "ONE = 1 / 0" in done.stderr
    assert "the book was not rendered; the last good one stays as it was" in done.stderr
    half = written.build / "failed/part/beta.ipynb"
    assert f"the notebook as far as it came: {half}" in done.stderr
    assert "ZeroDivisionError" in half.read_text()
    after = good_things(written)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"executed/book/part/alpha.ipynb"}
    assert states(written) == {"part/alpha": [], "part/beta": [f"{UNIT} changed"]}
    # Mended by going back: the last good run still stands for this very state.
    toy.edit(written.root / UNIT, "ONE = 1 / 0", "ONE = 1")
    assert states(written) == {"part/alpha": [], "part/beta": []}


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until ``what`` holds; three minutes mean never, however busy the machine."""
    for _ in range(1800):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")


@pytest.mark.kernel
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_a_build_that_is_cut_short(written: Project, how: signal.Signals) -> None:
    """Orphans that compute on, half a result taken for a whole, or all to be done again."""
    toy.edit(written.root / UNIT, "ONE = 1", "ONE = 1" + SLEEP)
    before = good_things(written)
    (written.root / "sleep").write_text("")
    builder = subprocess.Popen(
        toy.command("book", renders=False),
        cwd=written.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that started the tests in the background has made them deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for((written.root / "pids").exists)
    builder.send_signal(how)
    said, complaints = builder.communicate(timeout=60)
    if how == signal.SIGINT:
        assert builder.returncode == 130
        assert complaints == "studies: interrupted; earlier results are untouched\n"
        assert "FAILED" not in said
        assert not (written.build / "failed").exists()
        assert list((written.build / "tmp").iterdir()) == []
    processes = [int(pid) for pid in (written.root / "pids").read_text().split()]
    wait_for(lambda: not any(map(_runs, processes)))
    assert good_things(written) == before
    assert states(written) == {"part/alpha": [], "part/beta": [f"{UNIT} changed"]}
    if how != signal.SIGKILL:
        return
    (written.root / "sleep").unlink()
    done = toy.studies(written.root, "book", renders=False)
    assert done.returncode == 0, done.stderr
    assert "profile book: 1 stale, 1 fresh\n  part/beta: lib/toy/unit.py changed\n" in done.stdout
    assert list((written.build / "tmp").iterdir()) == []


def test_a_killed_build_takes_its_renderer_along(built: Project) -> None:
    """Catches a jupyter-book that renders on for nobody, in a folder that is gone."""
    toy.edit(built.book / "intro.md", "It has", "It still has")
    toy.edit(built.root / "_config.yml", "extensions: [", "extensions: [toy.slow, ")
    slow = "from pathlib import Path\nimport os, time\n"
    slow += f"Path({str(built.root / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    (built.lib / "toy" / "slow.py").write_text(slow, encoding="utf8")
    builder = subprocess.Popen(
        toy.command("book"), cwd=built.root, env={**os.environ, "PYTHONPATH": str(built.lib)}
    )
    wait_for(lambda: (built.root / "pid").exists() and (built.root / "pid").read_text() != "")
    builder.kill()
    builder.wait()
    wait_for(lambda: not _runs(int((built.root / "pid").read_text())))


def _runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("place", ["worker", "run", "render"])
def test_a_full_disk(built: Project, place: str) -> None:
    """A torn file taken for a good one, a traceback, or the last good book gone."""
    toy.edit(built.root / UNIT, "ONE = 1", "ONE = 2 - 1")
    run = executed_path(built, "book", "part/beta")
    whole = len(run.read_bytes())
    for fonts in built.build.glob("matplotlib-*/*"):
        fonts.write_text("{}")  # each run has a copy, which would fill the disk before its time
    before = good_things(built)
    # No file may grow beyond this: the disk is full in the middle of one.
    room = {"worker": 1000, "run": whole - 500, "render": whole + 20_000}[place]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    command = toy.command("book", renders=place == "render")
    limited = (
        f"import os, resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
        f"os.execv({command[0]!r}, {command!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited],
        cwd=built.root,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert place != "render" or done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    after = good_things(built)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    if place == "render":
        assert changed == {"executed/book/part/beta.ipynb"}
        assert read_run(run) is not None
        assert states(built)["part/beta"] == []
    else:
        assert changed == set()
        assert states(built)["part/beta"] == [f"{UNIT} changed"]
    assert list((built.build / "tmp").iterdir()) == []

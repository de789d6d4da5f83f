"""Sweeps of a tiny chapter, with one worker and more, and notes in a store: benchmarks.sweeps."""

from __future__ import annotations

import io
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console

from studies.build.project import Project
from studies.build.runner import Engine, on_this_machine
from studies.build.runs import Run
from studies.sweep.cluster import on_cluster
from studies.sweep.grid import grid
from studies.sweep.store import Store
from studies.sweep.sweep import Keeping, sweep
from tests.studies import toy

POINTS = 8
ENGINES: dict[str, tuple[int, Engine]] = {
    **{f"runner, {many}": (many, on_this_machine(many)) for many in (1, 2, 4)},
    **{f"Dask, {many}": (many, on_cluster("local", workers=many)) for many in (1, 2)},
}
CLAIM = {"verdict": "holds", "value": 0.1, "low": 0.0, "high": 0.2, "n": 5, "says": "it is low"}


def written(root: Path) -> Project:
    """Write a book with a chapter of two cells that takes a second."""
    toy.write_toy(root)
    parameters = "from studies.page.types import Probability\np: Probability = 0.3  # a chance"
    text = toy.chapter("import time\ntime.sleep(1)", "p", parameters=parameters)
    (root / "book" / "two.md").write_text(text)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n  - file: book/two\n"
    )
    return Project(root)


def swept(project: Project, engine: Engine, store: Path, count: int) -> tuple[float, float]:
    """Seconds of a sweep, and those of its chapters alone."""
    chapter = project.chapter("two")
    values = [round(0.01 * (1 + at), 2) for at in range(count)]
    points = [(chapter, point) for point in grid(chapter.parameters, {"p": 0.3}, [f"p={values}"])]
    watcher = Keeping(project, Store(store), Console(file=io.StringIO()))
    began = time.perf_counter()
    outcomes = sweep(project, points, profile="book", engine=engine, watcher=watcher)
    took = time.perf_counter() - began
    runs = [outcome.result for outcome in outcomes if isinstance(outcome.result, Run)]
    assert len(runs) == count
    return took, sum(run.note["seconds"] for run in runs)


def engines(folder: Path) -> None:
    """Print each engine's throughput; what a run costs beside its chapter, a worker at a time."""
    project = written(folder)
    os.chdir(folder)
    swept(project, on_this_machine(1), folder / "first", 1)  # makes matplotlib's list of fonts
    print(f"{'':>10} {'seconds':>8} {'of chapters':>12} {'runs/min':>9} {'beside, s/run':>14}")
    for name, (many, engine) in ENGINES.items():
        took, alone = swept(project, engine, folder / name, POINTS)
        beside = (took * many - alone) / POINTS
        print(f"{name:>10} {took:8.1f} {alone:12.1f} {60 * POINTS / took:9.1f} {beside:14.2f}")


def store(folder: Path) -> None:
    """Print milliseconds a note, for more and more of them."""
    print(f"{'notes':>10} {'put, ms':>8} {'get, ms':>8}")
    note = {"claims": [{**CLAIM, "id": f"thm-{at}.x"} for at in range(20)], "seconds": 1.0}
    for count in (100, 1000, 10_000):
        notes = Store(folder / f"{count}")
        keys = [f"{at * 7919 % 65_536:04x}{at:08x}" for at in range(count)]
        began = time.perf_counter()
        for key in keys:
            notes.put(key, note)
        middle = time.perf_counter()
        assert all(notes.get(key) == note for key in keys)
        ends = time.perf_counter()
        put, get = (1000 * seconds / count for seconds in (middle - began, ends - middle))
        print(f"{count:10d} {put:8.2f} {get:8.2f}")


def main() -> None:
    """Print both tables."""
    print(f"may take 3 minutes; {os.cpu_count()} processors, Dask with the start of its workers")
    with tempfile.TemporaryDirectory() as folder:
        store(Path(folder))
        (Path(folder) / "book").mkdir()
        engines(Path(folder) / "book")


if __name__ == "__main__":
    main()

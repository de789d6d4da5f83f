"""Runs chapters at every point of a sweep; what is stored is not run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nbformat
from rich.console import Console

from studies.build.files import scratch_folder
from studies.build.fingerprint import differences, digest, fingerprint
from studies.build.project import Chapter, Project
from studies.build.runner import Engine, Failure, Job
from studies.build.runs import Run
from studies.progress import PointsProgress, few
from studies.sweep.grid import Point
from studies.sweep.store import Store


@dataclass(frozen=True)
class Outcome:
    """What a point came to: its run, or why there is none."""

    chapter: Chapter
    point: Point
    result: Run | Failure


class Keeping(PointsProgress):
    """Finds runs in a store, and puts into it what ends well, without the notebook."""

    def __init__(self, project: Project, store: Store, console: Console) -> None:
        super().__init__(console)
        self._project, self._store = project, store
        self._lost: dict[str, str] = {}  # key → why a good run could not be stored

    def known(self, job: Job) -> Run | None:
        """What the store holds."""
        note = self._store.get(digest(job.parts))
        return Run(job.target, nbformat.v4.new_notebook(), note) if note else None

    def end(self, job: Job, result: Run | Failure) -> None:
        """Store the note of a run that just ended, if what it depends on is still the same."""
        if isinstance(result, Run) and result.notebook.cells:
            changed = differences(job.parts, fingerprint(self._project, job.chapter, job.values))
            try:
                if not changed:
                    self._store.put(digest(job.parts), result.note)
            except OSError as error:
                changed = [f"{type(error).__name__}: {error}"]
            self._lost[digest(job.parts)] = f"not kept: {few(changed)}"
            job.target.unlink(missing_ok=True)
        super().end(job, result)

    def found(self, job: Job) -> Run | Failure:
        """What the store holds in the end."""
        why = self._lost.get(digest(job.parts), "what was stored of it was changed meanwhile")
        return self.known(job) or Failure(job, why)

    def prepare(self) -> None:
        """Refuse a store that cannot be written, before any work is done."""
        self._store.folder.mkdir(parents=True, exist_ok=True)


def sweep(
    project: Project,
    points: Sequence[tuple[Chapter, Point]],
    *,
    profile: str,
    engine: Engine,
    watcher: Keeping,
) -> list[Outcome]:
    """Run each point that the watcher's store does not know; outcomes keep the points' order.

    Points with equal values are one run. A point that fails does not stop the others. A run is
    stored, and counts, only if the code was the same from its start to its end.
    """
    watcher.prepare()
    with scratch_folder(project.build / "tmp") as scratch, watcher:
        keyed: list[tuple[str, Chapter, Point]] = []
        jobs: dict[str, Job] = {}
        for chapter, point in points:
            parts = fingerprint(project, chapter, point.values)
            target = scratch / f"{digest(parts)}.ipynb"
            jobs[target.stem] = Job(chapter, point.values, parts, profile, target)
            keyed.append((target.stem, chapter, point))
        missing = [job for job in jobs.values() if watcher.known(job) is None]
        watcher.plan(list(jobs.values()), missing)
        ran = engine(project, missing, watcher)
        failed = {one.job.target.stem: one for one in ran if isinstance(one, Failure)}
        results = {key: failed.get(key) or watcher.found(job) for key, job in jobs.items()}
    return [Outcome(chapter, point, results[key]) for key, chapter, point in keyed]

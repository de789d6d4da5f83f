"""Builds the book: finds what is stale, executes it, renders, and says what went wrong."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from studies.build.checks.sources import check_sources
from studies.build.files import only_one
from studies.build.fingerprint import fingerprint
from studies.build.ledger import blocking_claims
from studies.build.profiles import chapter_values, load_profile
from studies.build.project import Project
from studies.build.render import render
from studies.build.runner import Engine, Failure, Job, Watcher, on_this_machine
from studies.build.runs import Run, dressed, executed_path, read_run, stale_because
from studies.errors import BuildError, StudiesError, refuse


@dataclass(frozen=True)
class Built:
    """What a build came to."""

    index: Path | None  # the first page; None if the book could not be rendered
    executed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    blocking: dict[str, list[str]] = field(default_factory=dict)  # chapter → claims
    stale: dict[str, Sequence[str]] = field(default_factory=dict)  # shown, yet out of date

    @property
    def good(self) -> bool:
        """Every chapter ran, no claim stands in the way, the book is rendered."""
        return self.index is not None and not self.failures and not self.blocking


def plan(project: Project, profile: str) -> list[Job]:
    """One job per chapter with its state; ``stale`` is empty where the last run still holds."""
    overrides = load_profile(project, profile)
    jobs = []
    for chapter in project.chapters():
        values = chapter_values(chapter, profile, overrides)
        parts = fingerprint(project, chapter, values)
        target = executed_path(project, profile, chapter.name)
        stale = stale_because(read_run(target), parts)
        jobs.append(Job(chapter, values, parts, profile, target, stale))
    return jobs


def build(
    project: Project,
    profile: str,
    *,
    only: str = "*",
    watcher: Watcher | None = None,
    engine: Engine | None = None,
) -> Built:
    """Execute the stale chapters whose names match ``only``, then render.

    They run where ``engine`` runs them, else on this machine, one for each core at a time.

    Sources with problems (nothing is executed), another build at work, unclean pages: BuildErrors.
    """
    refuse("the sources", check_sources(project))
    watcher = watcher or Watcher()
    with only_one(project.build):
        jobs = plan(project, profile)
        chosen = [job for job in jobs if fnmatch.fnmatch(job.chapter.name, only)]
        if not chosen:
            names = ", ".join(job.chapter.name for job in jobs)
            raise StudiesError(f"no chapter matches {only!r}; the chapters are: {names}")
        waiting = [job for job in chosen if job.stale]
        watcher.plan(chosen, waiting)
        results = (engine or on_this_machine())(project, waiting, watcher)
        executed = [job.chapter.name for job in waiting]
        failures = [result for result in results if isinstance(result, Failure)]
        if failures:
            # The rendered book stays as it was: all of its pages belong to one state.
            return Built(None, executed, failures)
        runs = {job.chapter.name: _run_of(job) for job in jobs}
        stale = {job.chapter.name: job.stale for job in jobs if job.stale and job not in waiting}
        shown = {}
        for job in jobs:
            name, chapter = job.chapter.name, job.chapter
            if name in stale:  # its text as it ran: the new one may belong to other code
                chapter = replace(chapter, notebook=runs[name].notebook)
            shown[name] = dressed(runs[name], chapter)
        index = render(project, profile, shown, stale)
    blocking = {
        name: [claim["id"] for claim in blocking_claims(run.claims, profile)]
        for name, run in runs.items()
    }
    return Built(index, executed, [], {k: v for k, v in blocking.items() if v}, stale)


def _run_of(job: Job) -> Run:
    run = read_run(job.target)
    if run is None:
        raise BuildError(f"{job.chapter.name} has never run; build the book once without --only")
    return run

"""What several commands of the command line share: their options, the project, the engine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from studies.build.profiles import DEFAULT
from studies.build.project import Project
from studies.build.runner import Engine, on_this_machine

Decorator = Callable[[Any], Any]

_BETWEEN = re.compile(r"\s+(?=[^\W\d]\w*=)")  # "p=0.5 widths=[64, 128]" is two assignments

out = Console(highlight=False, soft_wrap=True)  # for what moves; the rest is plain text

profile_option = click.option(
    "--profile", default=DEFAULT, show_default=True, help="The parameters' values: smoke, book, …."
)


def assignments_option(metavar: str, said: str) -> Decorator:
    """``-p NAME=VALUE``, which may come more than once, or hold several with blanks between."""

    def split(context: Any, option: Any, texts: Sequence[str]) -> list[str]:  # noqa: ARG001
        return [part for text in texts for part in _BETWEEN.split(text.strip())]

    names = ("-p", "--parameter", "assignments")
    said = f"{said}; repeat for more."
    return click.option(*names, multiple=True, callback=split, metavar=metavar, help=said)


class _Folder(click.Path):
    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "":  # an unset variable of a script; not the current folder
            self.fail("need a folder, got ''", param, ctx)
        return super().convert(value, param, ctx)


def out_option(what: str, default: str) -> Decorator:
    """``--out FOLDER``."""
    said = f"Where the {what} goes (default: {default})."
    return click.option("--out", "folder", type=_Folder(file_okay=False, path_type=Path), help=said)


force_option = click.option(
    "--force", is_flag=True, help="Run even what is estimated to take more than a night."
)


def keep_option(said: str) -> Decorator:
    """``--keep-results``."""
    return click.option("--keep-results", is_flag=True, help=said)


def engine_options(command: Any) -> Any:
    """``--jobs``, ``--scheduler``, ``--trusted``: what `engine` takes."""
    jobs = click.option(
        "--jobs", type=click.IntRange(min=1), help="Chapters at a time (default: cores)."
    )
    scheduler = click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="A Dask scheduler, tls://… or tcp://127.0.0.1:…, or `local`; needs '.[cluster]'.",
    )
    trusted = click.option(
        "--trusted",
        is_flag=True,
        help="Everybody who reaches a tcp:// scheduler may run code here.",
    )
    return jobs(scheduler(trusted(command)))


def engine(jobs: int | None, scheduler: str | None, trusted: bool) -> Engine:
    """Where chapters run: on this machine, or on a cluster."""
    if scheduler is None:
        return on_this_machine(jobs)
    if jobs and scheduler != "local":
        raise click.UsageError("--jobs is for this machine: a scheduler's workers are as they are")
    from studies.sweep.cluster import on_cluster  # an extra that not everybody installs

    return on_cluster(scheduler, workers=jobs or os.cpu_count() or 1, trusted=trusted)


def find_project() -> Project:
    """The project that the current folder lies in."""
    return Project.find(Path.cwd())

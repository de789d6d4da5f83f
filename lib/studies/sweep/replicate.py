"""The command ``studies replicate``: every chapter with fresh dice, beside the book as it stands.

Its answer is `book/results/replicate.json`::

    {"offset": 100, "profile": "book", "date": "2026-…", "commit": "…", "versions": {"torch": "…"},
     "chapters": {"wide-networks/pruning": {"thm-pruning.rate": ["holds", "undecided"]}},
     "missing": {"together/cost": "does not run: …"},
     "counts": {"holds → holds": 811, "holds → undecided": 3}}

A pair is a claim's verdict on the page, then with fresh dice; None if it was not made again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from studies.build.book import plan
from studies.build.files import must_be_writable, write_atomically
from studies.build.parameters import effective
from studies.build.profiles import DEFAULT
from studies.build.project import Chapter
from studies.build.runner import Failure, Job
from studies.build.runs import Run, commit, read_run
from studies.build.surroundings import OTHER_DICE
from studies.errors import ParameterError, StudiesError
from studies.options import engine, engine_options, find_project, out, profile_option
from studies.page.results import kept_path
from studies.progress import describe_failure
from studies.sweep.grid import Point
from studies.sweep.store import Store
from studies.sweep.sweep import Keeping, sweep

NAME = "replicate"
_ARROW = " → "


@click.command(NAME)
@click.option("--offset", type=click.IntRange(min=1), default=100, show_default=True)
@profile_option
@engine_options
@click.pass_context
def replicate(context: click.Context, /, offset: int, profile: str, **where: Any) -> None:
    """Run each chapter once more, with fresh seeds and dice; say which verdicts changed.

    All seeds are OFFSET higher, and all dice that have names are other ones; on a scheduler, if its
    workers have COMPRESSIBILITY_DICE=OFFSET in their environment, as otherwise they refuse.

    The book must be up to date, and stays as it is. The verdicts of both runs are written to
    book/results/replicate.json, of another profile than `book` to _build/. Like a sweep, it goes on
    after an interrupt. Ends with 1 if a claim fails with fresh dice, or a chapter does not run.
    """
    project = find_project()
    home = kept_path(project.book, NAME) if profile == DEFAULT else project.build / f"{NAME}.json"
    must_be_writable(home)
    jobs = plan(project, profile)
    if OTHER_DICE in os.environ:
        raise StudiesError(f"unset {OTHER_DICE}: whether its dice would be fresh is not known")
    if stale := [job.chapter.name for job in jobs if job.stale]:
        names = ", ".join(stale)
        raise StudiesError(f"build the book first, in profile {profile}: {names} out of date")
    fresh = [(job.chapter, with_offset(job.chapter, job.values, offset)) for job in jobs]
    points = [(chapter, Point({}, offset, values)) for chapter, values in fresh]
    keeping = Keeping(project, Store(project.build / "store"), out)
    with other_dice(str(offset)):
        outcomes = sweep(project, points, profile=profile, engine=engine(**where), watcher=keeping)
    chapters, missing = {}, {}
    for outcome in outcomes:
        name, result = outcome.chapter.name, outcome.result
        if isinstance(result, Failure):
            missing[name] = f"does not run: {result.error}"
            click.echo(describe_failure(result), err=True)
        else:
            chapters[name] = paired(next(j for j in jobs if j.chapter.name == name), result)
    counts = Counter(_said(pair) for pairs in chapters.values() for pair in pairs.values())
    ran = [o.result.note for o in outcomes if isinstance(o.result, Run)]
    found = {
        **{"offset": offset, "profile": profile, "commit": commit(project)},
        **{"date": datetime.now(UTC).isoformat(timespec="seconds")},
        **{"versions": ran[0]["versions"] if ran else {}},
        **{"chapters": chapters, "missing": missing, "counts": counts},
    }
    write_atomically(home, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for name, pairs in chapters.items():
        changed = {claim: pair for claim, pair in pairs.items() if pair[0] != pair[1]}
        click.echo(f"{name}: {len(pairs)} claims, {len(changed)} changed")
        for claim, pair in changed.items():
            click.echo(f"    {_said(pair)}  {claim}")
    for name, why in missing.items():
        click.echo(f"{name}: not replicated, {why}")
    click.echo(f"{', '.join(f'{n} {what}' for what, n in counts.items())}\nkept: {home}")
    failed = len(ran) < len(outcomes) or any(what.endswith("fails") for what in counts)
    context.exit(int(failed))


def with_offset(chapter: Chapter, values: Mapping[str, Any], offset: int) -> dict[str, Any]:
    """The values with all seeds so much higher."""
    names = [name for name, p in chapter.parameters.items() if p.type_name == "Seeds"]
    new = {name: [seed + offset for seed in values[name]] for name in names}
    if any(set(values[name]) & set(new[name]) for name in names):
        raise ParameterError(f"{chapter.name}: {offset} is no offset: some seeds would not be new")
    return effective(chapter.parameters, [values, new])


@contextmanager
def other_dice(word: str) -> Iterator[None]:
    """Give every name other dice, in this process and in those that it starts."""
    os.environ[OTHER_DICE] = word
    try:
        yield
    finally:
        del os.environ[OTHER_DICE]


def paired(job: Job, now: Run) -> dict[str, list[str | None]]:
    """Claim → its verdict on the page and with fresh seeds; None where one is not made."""
    page = read_run(job.target)
    both = [{c["id"]: c["verdict"] for c in run.claims} if run else {} for run in (page, now)]
    return {claim: [one.get(claim) for one in both] for claim in {**both[0], **both[1]}}


def _said(pair: list[str | None]) -> str:
    return _ARROW.join(verdict or "not made" for verdict in pair)

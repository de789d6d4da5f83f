"""The command ``studies sweep``."""

from __future__ import annotations

import fnmatch
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from studies.build.cost import check_time
from studies.build.files import must_be_writable, write_atomically
from studies.build.profiles import chapter_values, load_profile
from studies.build.project import Chapter, Project
from studies.build.runner import Failure
from studies.build.runs import Run, commit
from studies.options import (
    assignments_option,
    engine,
    engine_options,
    find_project,
    force_option,
    keep_option,
    out,
    out_option,
    profile_option,
)
from studies.page.results import kept_path, to_keep
from studies.progress import describe_failure
from studies.sweep.grid import Point, draws, grid
from studies.sweep.scope import scope
from studies.sweep.store import Store
from studies.sweep.sweep import Keeping, Outcome, sweep

WHERE = "together/where-it-holds"  # the page that shows what a search found


class _Repeats(click.ParamType[range]):
    name = "A:B"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        first, _, last = str(value).partition(":")
        if not (first.isdecimal() and last.isdecimal() and int(first) < int(last)):
            self.fail("need A:B with whole numbers A < B, such as 0:5", param, ctx)
        return range(int(first), int(last))


@click.command("sweep")
@click.argument("pattern", metavar="CHAPTER")
@assignments_option(
    "NAME=[V1,V2]", "A parameter's values, of which one that is a list stands in a list"
)
@click.option("--seeds", type=_Repeats(), help="Repeats A to B − 1 with fresh seeds; 0: as it is.")
@click.option("--random", "count", type=click.IntRange(min=1), help="Random settings, so many.")
@profile_option
@engine_options
@out_option("table", "_build/sweeps/…")
@force_option
@click.option(
    "--history",
    "past",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that gets a line with the verdicts; says what changed since the lines before.",
)
@keep_option(f"Write where each statement held to book/results/{Path(WHERE).name}.json.")
@click.pass_context
def sweep_chapters(context: click.Context, /, **asked: Any) -> None:
    """Run CHAPTER at many settings, for a table of where its claims hold.

    CHAPTER may be a pattern such as 'heavy-tails/*'. Every combination of the values runs, each
    with every repeat, as in -p 'p=[0.1,0.3]' -p 'widths=[[64],[64,128]]'; all are checked first.
    What has run before does not run again, so that the same command goes on after an interrupt.
    Ends with 1 if a claim fails or a run does not end.
    """
    from studies.sweep import history, table  # pandas and seaborn: other commands start without

    project = find_project()
    points = _points(project, asked)
    words = [*asked["assignments"], *(f"{n} random settings" for n in [asked["count"]] if n)]
    title = ", ".join([asked["pattern"], f"profile {asked['profile']}", *words])
    short = hashlib.sha256(f"{title} {asked['seeds']}".encode()).hexdigest()[:8]
    first = Path(points[0][0].name).name
    target = (asked["folder"] or project.build / "sweeps" / first / short).resolve()
    kept = [kept_path(project.book, Path(WHERE).name)] if asked["keep_results"] else []
    past = [asked["past"].resolve()] if asked["past"] else []
    must_be_writable(target / "index.html", *past, *kept)
    outcomes = sweep(
        project,
        points,
        profile=asked["profile"],
        engine=engine(asked["jobs"], asked["scheduler"], asked["trusted"]),
        watcher=Keeping(project, Store(project.build / "store"), out),
    )
    page, frame = table.write(target, outcomes, title), table.rows(outcomes)
    failed = [(o.result, table.again(o)) for o in outcomes if isinstance(o.result, Failure)]
    for failure, again in failed:
        click.echo(f"{describe_failure(failure)}\n    {again}", err=True)
    if asked["keep_results"] and len(failed) < len(outcomes):
        _keep(project, outcomes, {"profile": asked["profile"], "parameters": {"words": words}})
    changed = history.append(asked["past"], frame, commit(project)) if asked["past"] else []
    for line in [*table.failing(frame), *table.flips(frame), *changed]:
        click.echo(line)
    click.echo(f"{len(outcomes)} runs; {table.counted(frame)}\nthe table: {page}")
    context.exit(int(bool(failed) or (frame.verdict == "fails").any()))


def _points(project: Project, asked: dict[str, Any]) -> list[tuple[Chapter, Point]]:
    """Every run that is asked for, checked."""
    if asked["assignments"] and asked["count"]:
        raise click.UsageError("--random draws all values: need no -p with it")
    overrides = load_profile(project, asked["profile"])
    repeats = asked["seeds"] or range(1)
    names = fnmatch.filter(project.chapter_names(), asked["pattern"]) or [asked["pattern"]]
    points: list[tuple[Chapter, Point]] = []
    for chapter in map(project.chapter, names):
        base = chapter_values(chapter, asked["profile"], overrides)
        # Of many chapters, those without seeds run once; a single one is refused.
        own = repeats if len(names) == 1 or "seeds" in base else range(1)
        if asked["count"]:
            some = draws(chapter.parameters, base, asked["count"], own, name=chapter.name)
        else:
            some = grid(chapter.parameters, base, asked["assignments"], own)
            for point in some if not asked["force"] else []:
                check_time(project, chapter, asked["profile"], base, point.values)
        points += [(chapter, point) for point in some]
    return points


def _keep(project: Project, outcomes: Sequence[Outcome], origin: dict[str, Any]) -> None:
    """Write where each statement held, with the origin of the latest of the runs."""
    ran = [outcome.result.note for outcome in outcomes if isinstance(outcome.result, Run)]
    settings = Counter(outcome.chapter.name for outcome in outcomes)
    found = {"settings": settings, "statements": scope(outcomes)}
    last = max(ran, key=lambda note: str(note["date"]))
    about = {"chapter": WHERE, "commit": commit(project), "parts": {}, "claims": [], **origin}
    note = {**last, **about, "results": {Path(WHERE).name: found}}
    for path, text in to_keep(project.book, note).items():
        write_atomically(path, text)

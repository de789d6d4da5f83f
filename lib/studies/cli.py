"""The command line ``studies``: list, run, sweep, book, status."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from studies.build.book import build, plan
from studies.build.files import write_atomically
from studies.build.fingerprint import fingerprint
from studies.build.paper import with_claims
from studies.build.parameters import effective, parse_assignment
from studies.build.profiles import DEFAULT, chapter_values, load_profile
from studies.build.project import Chapter, Project
from studies.build.runner import Engine, Failure, Job, run_jobs
from studies.build.runs import Run, commit, read_run
from studies.errors import StudiesError
from studies.page.results import to_keep
from studies.progress import LiveProgress, describe_claims, describe_failure, few
from studies.sweep.grid import Point, draws, grid
from studies.sweep.scope import scope
from studies.sweep.store import Store
from studies.sweep.sweep import Keeping, on_this_machine, sweep

out = Console(highlight=False, soft_wrap=True)  # for what moves; the rest is plain text

WHERE = "together/where-it-holds"  # the page that shows what a search found


profile_option = click.option(
    "--profile", default=DEFAULT, show_default=True, help="The parameters' values: smoke, book, …."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), help="Chapters at a time (default: cores)."
)
scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="A Dask scheduler, tls://… or tcp://127.0.0.1:…, or `local`; needs '.[cluster]'.",
)
trusted_option = click.option(
    "--trusted", is_flag=True, help="Everybody who reaches a tcp:// scheduler may run code here."
)


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (StudiesError, OSError) as error:  # a full disk, a folder that may not be written
            kind = "" if isinstance(error, StudiesError) else f"{type(error).__name__}: "
            click.echo(f"studies: {kind}{error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("studies: interrupted; earlier results are untouched", err=True)
            ctx.exit(130)


@click.group(cls=_Group)
@click.version_option(package_name="why-networks-compress")
def main() -> None:
    """Run the chapters of Why Networks Compress, and build the book from them."""


@main.command("list")
def list_chapters() -> None:
    """List the chapters with their titles and parameters."""
    for chapter in _project().chapters():
        click.echo(f"{chapter.name}  {chapter.title}")
        click.echo(f"    parameters: {', '.join(chapter.parameters)}")


@main.command("run", add_help_option=False)
@click.argument("chapter", required=False)
@click.option(
    "-p",
    "--parameter",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter; repeat for more.",
)
@profile_option
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the executed notebook goes (default: _build/runs/…).",
)
@click.option(
    "--keep-results",
    is_flag=True,
    help="Write what it keeps, in `paper` also its claims, to book/results/, if no claim fails.",
)
@click.option(
    "--help",
    "wants_help",
    is_flag=True,
    help="With CHAPTER: its parameters with types, defaults, meanings, conditions.",
)
@click.pass_context
def run_chapter(
    context: click.Context,
    chapter: str | None,
    assignments: Sequence[str],
    profile: str,
    folder: Path | None,
    keep_results: bool,
    wants_help: bool,
) -> None:
    """Execute CHAPTER with other parameters; say where its notebook and claims are."""
    if chapter is None:
        click.echo(context.get_help())
        context.exit(0 if wants_help else 2)
    project = _project()
    source = project.chapter(chapter)
    if wants_help:
        _print_parameters(source)
        return
    # Everything is checked here, before a kernel starts or a file is written.
    overrides = load_profile(project, profile)
    chosen = dict(parse_assignment(text) for text in assignments)
    values = effective(source.parameters, [chapter_values(source, profile, overrides), chosen])
    short = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    folder = folder or project.build / "runs" / source.name / short
    target = folder.resolve() / f"{Path(source.name).name}.ipynb"
    parts = fingerprint(project, source, values)
    job = Job(source, values, parts, profile, target)
    with LiveProgress(out) as progress:
        (result,) = run_jobs(project, [job], workers=1, watcher=progress)
    if isinstance(result, Failure):
        click.echo(describe_failure(result), err=True)
        context.exit(1)
    claims = target.with_suffix(".claims.json")
    write_atomically(claims, json.dumps(result.claims, indent=1, ensure_ascii=False))
    for claim in result.claims:
        click.echo(f"  {claim['verdict']:>9}  {claim['id']}  {claim['says']}")
    click.echo(f"notebook: {target}\nclaims:   {claims}")
    if keep_results:
        for path, text in to_keep(project.book, with_claims(result.note)).items():
            write_atomically(path, text)
            click.echo(f"kept:     {path}")
    if any(claim["verdict"] == "fails" for claim in result.claims):
        context.exit(1)


def _print_parameters(chapter: Chapter) -> None:
    click.echo(f"{chapter.name}: {chapter.title}\n")
    for parameter in chapter.parameters.values():
        head = f"{parameter.name}: {parameter.type_name} = {parameter.default!r}"
        click.echo(f"  {head}\n      {parameter.comment}; {parameter.wanted}")
    for condition in chapter.parameters.conditions:
        click.echo(f"  {condition}")


class _Repeats(click.ParamType[range]):
    name = "A:B"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        first, _, last = str(value).partition(":")
        if not (first.isdecimal() and last.isdecimal() and int(first) < int(last)):
            self.fail("need A:B with whole numbers A < B, such as 0:5", param, ctx)
        return range(int(first), int(last))


@main.command("sweep")
@click.argument("chapter")
@click.option(
    "-p",
    "--parameter",
    "assignments",
    multiple=True,
    metavar="NAME=[V1,V2]",
    help="A parameter's values; repeat for more. A value that is a list: 'widths=[[64],[64,128]]'.",
)
@click.option("--seeds", type=_Repeats(), help="Repeats A to B − 1 with fresh seeds; 0: as it is.")
@click.option("--random", "count", type=click.IntRange(min=1), help="Random settings, so many.")
@profile_option
@jobs_option
@scheduler_option
@trusted_option
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the table goes (default: _build/sweeps/…).",
)
@click.option(
    "--history",
    "past",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that gets a line with the verdicts; says what changed since its last line.",
)
@click.option(
    "--keep-results",
    is_flag=True,
    help="Write where each statement held to book/results/where-it-holds.json.",
)
@click.pass_context
def sweep_chapters(context: click.Context, /, **asked: Any) -> None:
    """Run CHAPTER at many settings, for a table of where its claims hold.

    CHAPTER may be a pattern such as 'heavy-tails/*'. Every combination of the values runs, each
    with every repeat; all are checked first. What has run before does not run again, so that the
    same command goes on after an interrupt. Ends with 1 if a claim fails or a run does not end.
    """
    from studies.sweep import history, table  # pandas and seaborn: other commands start without

    project, profile, repeats = _project(), asked["profile"], asked["seeds"] or range(1)
    if asked["assignments"] and asked["count"]:
        raise click.UsageError("--random draws all values: need no -p with it")
    overrides = load_profile(project, profile)
    names = fnmatch.filter(project.chapter_names(), asked["chapter"]) or [asked["chapter"]]
    points: list[tuple[Chapter, Point]] = []
    for chapter in map(project.chapter, names):
        base = chapter_values(chapter, profile, overrides)
        # Of many chapters, those without seeds run once; a single one is refused.
        own = repeats if len(names) == 1 or "seeds" in base else range(1)
        if asked["count"]:
            some = draws(chapter.parameters, base, asked["count"], own, name=chapter.name)
        else:
            some = grid(chapter.parameters, base, asked["assignments"], own)
        points += [(chapter, point) for point in some]
    words = [*asked["assignments"], *(f"{n} random settings" for n in [asked["count"]] if n)]
    title = f"{asked['chapter']}, profile {profile}" + "".join(f", {word}" for word in words)
    short = hashlib.sha256(f"{title} {repeats}".encode()).hexdigest()[:8]
    target = asked["folder"] or project.build / "sweeps" / Path(names[0]).name / short
    for folder in (target, *(past.parent for past in [asked["past"]] if past)):
        folder.mkdir(parents=True, exist_ok=True)  # a place that is none is found out now
    watcher = Keeping(project, Store(project.build / "store"), out)
    engine = _engine(asked["scheduler"], asked["jobs"], asked["trusted"])
    outcomes = sweep(project, points, profile=profile, engine=engine, watcher=watcher)
    page, frame = table.write(target.resolve(), outcomes, title), table.rows(outcomes)
    for outcome in outcomes:
        if isinstance(outcome.result, Failure):
            click.echo(f"{describe_failure(outcome.result)}\n    {table.again(outcome)}", err=True)
    ran = [outcome.result for outcome in outcomes if isinstance(outcome.result, Run)]
    if asked["keep_results"] and ran:
        about = {"chapter": WHERE, "parameters": {"words": words}, "parts": {}}
        about |= {"date": max(run.note["date"] for run in ran), "commit": commit(project)}
        about |= {"profile": profile}
        found = {
            "settings": Counter(o.chapter.name for o in outcomes),
            "statements": scope(outcomes),
        }
        kept = {"claims": [], "results": {Path(WHERE).name: found}}
        for path, text in to_keep(project.book, {**ran[0].note, **about, **kept}).items():
            write_atomically(path, text)
    changed = history.append(asked["past"], frame, commit(project)) if asked["past"] else []
    for line in [*table.failing(frame), *table.flips(frame), *changed]:
        click.echo(line)
    click.echo(f"{len(outcomes)} runs; {table.counted(frame)}\nthe table: {page}")
    context.exit(int(len(ran) < len(outcomes) or (frame.verdict == "fails").any()))


def _engine(scheduler: str | None, jobs: int | None, trusted: bool) -> Engine:
    if scheduler is None:
        return on_this_machine(jobs)
    if jobs and scheduler != "local":
        raise click.UsageError("--jobs is for this machine: a scheduler's workers are as they are")
    from studies.sweep.cluster import on_cluster  # an extra that not everybody installs

    return on_cluster(scheduler, workers=jobs or os.cpu_count() or 1, trusted=trusted)


@main.command("book")
@profile_option
@jobs_option
@scheduler_option
@trusted_option
@click.option("--only", default="*", metavar="PATTERN", help="Execute only chapters like this.")
@click.pass_context
def build_book(
    context: click.Context,
    profile: str,
    jobs: int | None,
    scheduler: str | None,
    trusted: bool,
    only: str,
) -> None:
    """Execute what is stale, render, and say where index.html is."""
    engine = _engine(scheduler, jobs, trusted)
    with LiveProgress(out) as progress:
        built = build(_project(), profile, only=only, watcher=progress, engine=engine)
    for failure in built.failures:
        click.echo(describe_failure(failure), err=True)
    for chapter, claims in built.blocking.items():
        click.echo(f"{chapter}: these claims fail the build: {', '.join(claims)}", err=True)
    for chapter, reasons in built.stale.items():
        click.echo(f"{chapter} is shown out of date: {few(reasons)}", err=True)
    if built.index is None:
        click.echo("the book was not rendered; the last good one stays as it was", err=True)
    else:
        click.echo(f"the book: {built.index}")
    context.exit(0 if built.good else 1)


@main.command("status")
@profile_option
def show_status(profile: str) -> None:
    """Say of each chapter whether it is fresh or why it is stale, its duration and claims."""
    for job in plan(_project(), profile):
        run = read_run(job.target)
        state = f"stale: {few(job.stale)}" if job.stale else "fresh"
        click.echo(f"{job.chapter.name}: {state}")
        if run is not None:
            last = f"{run.note['date']}, {run.note['seconds']:.0f} s, {describe_claims(run)}"
            click.echo(f"    last run {last}")


def _project() -> Project:
    return Project.find(Path.cwd())

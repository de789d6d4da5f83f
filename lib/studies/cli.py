"""The command line ``studies``: list, run, sweep, replicate, book, status."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from studies.build.book import build, plan
from studies.build.cost import check_time
from studies.build.files import must_be_writable, write_atomically
from studies.build.fingerprint import fingerprint
from studies.build.paper import with_claims
from studies.build.parameters import effective, parse_assignments
from studies.build.profiles import chapter_values, load_profile
from studies.build.project import Chapter
from studies.build.runner import Failure, Job, run_jobs
from studies.build.runs import read_run
from studies.errors import StudiesError
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
from studies.page.results import FOLDER, to_keep
from studies.progress import LiveProgress, describe_claims, describe_failure, few
from studies.sweep.command import sweep_chapters
from studies.sweep.replicate import replicate


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a sign that the terminal does not know
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `studies list | head -1` has seen enough; click ends quietly
            raise
        except (StudiesError, OSError) as error:  # a full disk, a folder that may not be written
            kind = "" if isinstance(error, StudiesError) else f"{type(error).__name__}: "
            # No word of an answer is longer than a path: it would be what somebody typed.
            said = re.sub(r"\S{1000,}", lambda word: f"{word[0][:60]}…", str(error))
            click.echo(f"studies: {kind}{said}", err=True)
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
    for chapter in find_project().chapters():
        click.echo(f"{chapter.name}  {chapter.title}")
        click.echo(f"    parameters: {', '.join(chapter.parameters)}")


@main.command("run", add_help_option=False)
@click.argument("chapter", required=False)
@assignments_option("NAME=VALUE", "Set a parameter")
@profile_option
@out_option("executed notebook", "_build/runs/…")
@force_option
@keep_option("Write what it keeps, in `paper` also its claims, to book/results/, if none fails.")
@click.option(
    "--help",
    "wants_help",
    is_flag=True,
    help="With CHAPTER: its parameters with types, defaults, meanings, conditions.",
)
@click.pass_context
def run_chapter(
    context: click.Context,
    /,
    chapter: str | None,
    assignments: Sequence[str],
    profile: str,
    folder: Path | None,
    **flags: bool,
) -> None:
    """Execute CHAPTER with other parameters; say where its notebook and claims are."""
    if chapter is None:
        click.echo(context.get_help())
        context.exit(0 if flags["wants_help"] else 2)
    project = find_project()
    source = project.chapter(chapter)
    if flags["wants_help"]:
        _print_parameters(source)
        return
    # Everything is checked here, before a kernel starts or a file is written.
    overrides = load_profile(project, profile)
    chosen = parse_assignments(assignments)
    base = chapter_values(source, profile, overrides)
    values = effective(source.parameters, [base, chosen])
    if not flags["force"]:
        check_time(project, source, profile, base, values)
    short = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    folder = folder or project.build / "runs" / source.name / short
    target = folder.resolve() / f"{Path(source.name).name}.ipynb"
    claims = target.with_suffix(".claims.json")
    kept = [project.book / FOLDER / "kept.json"] if flags["keep_results"] else []
    must_be_writable(target, claims, *kept)
    parts = fingerprint(project, source, values)
    job = Job(source, values, parts, profile, target)
    with LiveProgress(out) as progress:
        (result,) = run_jobs(project, [job], workers=1, watcher=progress)
    if isinstance(result, Failure):
        click.echo(describe_failure(result), err=True)
        context.exit(1)
    write_atomically(claims, json.dumps(result.claims, indent=1, ensure_ascii=False))
    for claim in result.claims:
        click.echo(f"  {claim['verdict']:>9}  {claim['id']}  {claim['says']}")
    click.echo(f"notebook: {target}\nclaims:   {claims}")
    if flags["keep_results"]:
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


@main.command("book")
@profile_option
@engine_options
@click.option("--only", default="*", metavar="PATTERN", help="Execute only chapters like this.")
@click.pass_context
def build_book(context: click.Context, /, profile: str, only: str, **where: Any) -> None:
    """Execute what is stale, render, and say where index.html is."""
    runs = engine(**where)
    with LiveProgress(out) as progress:
        built = build(find_project(), profile, only=only, watcher=progress, engine=runs)
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
    for job in plan(find_project(), profile):
        run = read_run(job.target)
        state = f"stale: {few(job.stale)}" if job.stale else "fresh"
        click.echo(f"{job.chapter.name}: {state}")
        if run is not None:
            last = f"{run.note['date']}, {run.note['seconds']:.0f} s, {describe_claims(run)}"
            click.echo(f"    last run {last}")


main.add_command(sweep_chapters)
main.add_command(replicate)

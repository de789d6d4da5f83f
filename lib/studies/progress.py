"""What the builder says while it works: a live line per chapter, or plain lines without one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from studies.build.ledger import count_verdicts
from studies.build.runner import Failure, Job, Watcher
from studies.build.runs import Run


class _Bars(Progress, Watcher):
    """Bars on a terminal, of these columns, that go at the end; none elsewhere."""

    def __init__(self, console: Console, *columns: ProgressColumn) -> None:
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)


class LiveProgress(_Bars):
    """Shows running chapters on a terminal; elsewhere says only how each one ended."""

    def __init__(self, console: Console) -> None:
        cells = TextColumn("cell {task.completed}/{task.total}")
        super().__init__(
            console, TextColumn("{task.description}"), BarColumn(), cells, TimeElapsedColumn()
        )
        self._bars: dict[str, TaskID] = {}

    def plan(self, chosen: Sequence[Job], waiting: Sequence[Job]) -> None:
        """Say which chapters are stale, and why."""
        fresh = len(chosen) - len(waiting)
        profile = chosen[0].profile
        self.console.print(f"profile {profile}: {len(waiting)} stale, {fresh} fresh", markup=False)
        for job in waiting:
            self.console.print(f"  {job.chapter.name}: {few(job.stale)}", markup=False)

    def cell(self, job: Job, index: int, total: int) -> None:
        """Move a chapter's bar on."""
        name = job.chapter.name
        if name not in self._bars:
            self._bars[name] = self.add_task(name, total=total)
        self.update(self._bars[name], completed=index + 1)

    def end(self, job: Job, result: Run | Failure) -> None:
        """Say how a chapter ended."""
        name = job.chapter.name
        if name in self._bars:
            self.remove_task(self._bars.pop(name))
        if isinstance(result, Run):
            verdicts = describe_claims(result)
            self.console.print(f"{name}: executed in {result.note['seconds']:.0f} s; {verdicts}")
        else:
            self.console.print(f"[bold]{name}: FAILED[/bold]")


class PointsProgress(_Bars):
    """One bar for all points of a sweep, with the time left; nothing without a terminal."""

    def __init__(self, console: Console) -> None:
        runs = TextColumn("{task.completed} of {task.total} runs")
        super().__init__(
            console, runs, BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
        )

    def plan(self, chosen: Sequence[Job], waiting: Sequence[Job]) -> None:
        """Draw the bar; what is stored counts as done, but not as fast."""
        self._bar = self.add_task(f"{len(chosen) - len(waiting)} stored before", total=len(waiting))

    def end(self, job: Job, result: Run | Failure) -> None:  # noqa: ARG002  # all alike here
        """Move the bar on."""
        self.advance(self._bar)


def few(reasons: Sequence[str], most: int = 4) -> str:
    """The first reasons, and how many more there are."""
    more = len(reasons) - most
    return "; ".join(reasons[:most]) + (f"; and {more} more" if more > 0 else "")


def describe_claims(run: Run) -> str:
    """Count a chapter's claims by verdict, in words."""
    counts = count_verdicts(run.claims)
    said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    plural = "" if len(run.claims) == 1 else "s"
    return f"{len(run.claims)} claim{plural}" + (f" ({said})" if said else "")


def describe_failure(failure: Failure) -> str:
    """Name chapter, cell, line and error, with the traceback's last lines."""
    chapter = failure.job.chapter
    where = chapter.name
    if failure.cell is not None:
        line = f", line {failure.line}" if failure.line else ""
        source = f"book/{chapter.name}.md:{chapter.line_of(failure.cell, failure.line or 1)}"
        where += f", cell {failure.cell}{line} ({source})"
    lines = [f"{where}: {failure.error}", *(f"    {line}" for line in failure.traceback)]
    if failure.half_run is not None:
        lines.append(f"    the notebook as far as it came: {failure.half_run}")
    return "\n".join(lines)

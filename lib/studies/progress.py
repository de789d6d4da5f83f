"""What the builder says while it works: a live line per chapter, or plain lines without one."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from studies.build.ledger import count_verdicts
from studies.build.runner import Failure, Job
from studies.build.runs import Run


class LiveProgress:
    """Shows running chapters on a terminal; elsewhere says only how each one ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("cell {task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def cell(self, job: Job, index: int, total: int) -> None:
        """A chapter's next cell has started."""
        name = job.chapter.name
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=index + 1)

    def end(self, job: Job, result: Run | Failure) -> None:
        """A chapter has ended, well or not."""
        name = job.chapter.name
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))
        if isinstance(result, Run):
            verdicts = describe_claims(result)
            self._console.print(f"{name}: executed in {result.note['seconds']:.0f} s; {verdicts}")
        else:
            self._console.print(f"[bold]{name}: FAILED[/bold]")


def describe_claims(run: Run) -> str:
    """Count a chapter's claims by verdict, in words."""
    counts = count_verdicts(run.claims)
    said = [f"{number} {word}" for word, number in counts.items() if number]
    one = len(run.claims) == 1
    return f"{len(run.claims)} claim{'' if one else 's'}" + (
        f" ({', '.join(said)})" if said else ""
    )


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

"""``make mutants``: put each fault into the library, and see that its test fails.

``python -m tests.mutants [MODULE …]``; without names, the lists ``MUTANTS`` of all modules of this
folder.  First all tests run on the library as it is.  Then each mutant runs in a fork of this
process, which has loaded the libraries already: the fork forgets the project's modules, and finds
the changed text in place of the module's file.  Only a failed test is a kill.

``make mutants-claims`` or ``python -m tests.mutants --claims [MODULE …]``: which claim notices it,
by the code of the mutant's pages in place of its test (see ``_pages.py``); at the end, for each
part of the book and for all, how many of the mutants that have pages were noticed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import pkgutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import IO

import pytest

import tests.mutants
from tests.mutants import Mutant

LIB = Path(__file__).parents[2] / "lib"
PROJECT = ("compressibility", "studies", "tests")
SECONDS = 60  # for one mutant
AT_A_TIME = 2


def source_of(mutant: Mutant) -> Path:
    """The file of the mutant's module."""
    path = LIB.joinpath(*mutant.module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _broken(mutant: Mutant) -> str | None:
    """Why this is no mutant, if it is none."""
    path = source_of(mutant)
    if not path.is_file():
        return f"no module {mutant.module}"
    times = path.read_text(encoding="utf8").count(mutant.old)
    if times != 1:
        return f"need {mutant.old!r} once in {mutant.module}, found it {times} times"
    return None if mutant.old != mutant.new else "old and new are the same"


def broken(mutants: Sequence[Mutant]) -> dict[str, str]:
    """Which of these, by name, are no mutants of their own, and why."""
    names = Counter(mutant.name for mutant in mutants)
    wrong = {mutant.name: what for mutant in mutants if (what := _broken(mutant))}
    return wrong | {name: "two mutants of this name" for name in names if names[name] > 1}


class _Text(importlib.machinery.SourceFileLoader):
    """Finds the mutant's module, and loads the changed text in place of its file."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(source_of(mutant)))
        self.text = Path(self.path).read_text(encoding="utf8").replace(mutant.old, mutant.new)

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        folder = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            name, self.path, loader=self, submodule_search_locations=folder
        )

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return compile(self.text, self.path, "exec", dont_inherit=True)


def run_tests(*tests: str) -> int:
    """Run tests in this process; return pytest's exit code."""
    quiet = ["-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main(["-x", "-q", *quiet, *tests]))


def start(mutant: Mutant, work: Callable[[Mutant], int], seconds: int, said: IO[str]) -> int:
    """Do the work on the mutant in a fork, whose exit code it returns; return the fork's number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 99  # neither a pass nor a failed test, whatever happens here
    try:
        os.dup2(said.fileno(), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(seconds)
        for name in list(sys.modules):
            if name.partition(".")[0] in PROJECT:
                del sys.modules[name]
        if mutant.old:
            sys.meta_path.insert(0, _Text(mutant))  # type: ignore[arg-type]
        code = work(mutant)
        sys.stdout.flush()
    finally:
        os._exit(code)


def outcomes(
    mutants: Sequence[Mutant], work: Callable[[Mutant], int], seconds: int = 0
) -> Iterator[tuple[Mutant, int, str]]:
    """Each mutant with the exit code of its fork and the last line that it printed."""
    waiting, running = [*mutants][::-1], dict[int, tuple[Mutant, IO[str]]]()
    while waiting or running:
        while waiting and len(running) < AT_A_TIME:
            mutant, said = waiting.pop(), tempfile.TemporaryFile("w+")  # noqa: SIM115
            running[start(mutant, work, seconds, said)] = mutant, said
        pid, status = os.wait()
        if pid in running:
            mutant, said = running.pop(pid)
            with said:
                said.seek(0)
                last = (said.read().splitlines() or [""])[-1]
            yield mutant, os.waitstatus_to_exitcode(status), last


def run(mutants: Sequence[Mutant]) -> int:
    """Run all mutants; print what survives and what is broken; 0 if every mutant was killed."""
    began = time.monotonic()
    wrong = broken(mutants)
    good = [mutant for mutant in mutants if mutant.name not in wrong]
    if good and run_tests(*dict.fromkeys(mutant.test for mutant in good)) != 0:
        print("the tests do not pass without mutants")
        return 1
    survivors = []
    for mutant, code, _ in outcomes(good, lambda mutant: run_tests(mutant.test), SECONDS):
        if code == 0:
            survivors.append(mutant)
        elif code == -signal.SIGALRM:
            wrong[mutant.name] = f"its test took longer than {SECONDS} s"
        elif code != 1:
            wrong[mutant.name] = f"its test did not run to an end: exit code {code}"
    for mutant in survivors:
        print(f"survives: {mutant.name}: {mutant.old!r} → {mutant.new!r}; {mutant.test}")
    for name, what in wrong.items():
        print(f"broken: {name}: {what}")
    seconds = time.monotonic() - began
    killed = len(good) - len(survivors) - len(set(wrong) & {mutant.name for mutant in good})
    print(f"{killed} of {len(mutants)} mutants killed in {seconds:.0f} s")
    return int(bool(survivors or wrong))


def run_claims(lists: Mapping[str, Sequence[Mutant]]) -> int:
    """Print which claim notices each mutant that has pages; 0 if those hold without mutants."""
    from tests.mutants import _pages  # what builds the book takes seconds to load

    lists = {name: [m for m in mutants if m.pages] for name, mutants in lists.items()}
    names = dict.fromkeys(page for mutants in lists.values() for m in mutants for page in m.pages)
    pages = {name: _pages.load(name) for name in names}

    def work(mutant: Mutant) -> int:
        return _pages.judge(pages[name] for name in mutant.pages)

    plain = [Mutant(name, "", "", "", "", (name,)) for name in pages]
    if wrong := [(m.name, code, said) for m, code, said in outcomes(plain, work) if code]:
        for name, code, said in wrong:
            print(f"{name} does not hold without mutants: exit code {code} {said}")
        return 1
    by_part = dict[str, list[int]]()
    for name, mutants in lists.items():
        print(f"\n## {name}\n\n| mutant | unit test | claim |\n| --- | --- | --- |")
        codes = []
        for mutant, code, said in outcomes(mutants, work):
            codes.append(code)
            by_part.setdefault(mutant.pages[0].rpartition("/")[0], []).append(code)
            words = {0: "—", _pages.FAILS: said, _pages.RAISES: f"error: {said}"}
            claim = words.get(code, f"— (exit code {code}: {said})")
            print(f"| {mutant.name} | {mutant.test.rpartition('::')[2]} | {claim} |", flush=True)
        claims, cells = codes.count(_pages.FAILS), codes.count(_pages.RAISES)
        print(f"\n{claims + cells} of {len(codes)} noticed, {cells} of them by a cell that raises")
    print("\n## All lists\n\n| part | mutants | a claim fails | a cell raises | share |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for part, codes in [*by_part.items(), ("all", [c for some in by_part.values() for c in some])]:
        claims, cells = codes.count(_pages.FAILS), codes.count(_pages.RAISES)
        share = f"{100 * (claims + cells) / len(codes):.0f} %" if codes else "—"
        print(f"| {part} | {len(codes)} | {claims} | {cells} | {share} |")
    return 0


def gather(modules: Sequence[str]) -> dict[str, list[Mutant]]:
    """The mutants of these modules; by default of all that lie in this folder."""
    here = tests.mutants.__name__
    found = [f"{here}.{module.name}" for module in pkgutil.iter_modules(tests.mutants.__path__)]
    names = [name for name in found if not name.rpartition(".")[2].startswith(("_", "test_"))]
    lists = dict[str, list[Mutant]]()
    for name in modules or names:
        module = importlib.import_module(name)
        pages = getattr(module, "PAGES", {})
        lists[name] = [m._replace(pages=m.pages or pages.get(m.module, ())) for m in module.MUTANTS]
    return lists


if __name__ == "__main__":
    asked = [name for name in sys.argv[1:] if name != "--claims"]
    if "--claims" in sys.argv:
        sys.exit(run_claims(gather(asked)))
    sys.exit(run([mutant for mutants in gather(asked).values() for mutant in mutants]))

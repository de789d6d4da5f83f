"""Tests of the mutants' runner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import Mutant
from tests.mutants.__main__ import broken, gather

ROOT = Path(__file__).parents[2]
TEST = "tests/studies/page/test_numbers.py::test_counts_are_grouped"
COUNT = Mutant("killed", "studies.page.numbers", 'f"{value:,}"', 'f"{value:_}"', TEST)
PAGE = """
```{code-cell} ipython3
:tags: [parameters]

from studies.page.types import Samples

size: Samples = 4000  # a number to write down
```

```{code-cell} ipython3
%config InlineBackend.figure_formats = ["svg"]
from compressibility.estimates import exact
from studies.page import claim, claims, exactly, publish
from studies.page.numbers import count

publish("toy-size", size)
longer = exact(len(count(size)) - len(str(size)), n=2)
row = claim("written", longer, exactly(1), "A number is written with a space")
claims("toy", row, kind="arithmetic", over="numbers", because="counted")
```
"""


def run(folder: Path, *mutants: Mutant, how: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    """Exit status and printed lines of the runner over these mutants."""
    text = f"from tests.mutants import Mutant\nMUTANTS = {list(mutants)!r}\n"
    (folder / "sample_mutants.py").write_text(text, encoding="utf8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", *how, "sample_mutants"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


def test_every_mutant_of_the_lists_is_one() -> None:
    """A text that has moved on, or two faults of one name, told only after all mutants have run."""
    assert broken([mutant for mutants in gather(()).values() for mutant in mutants]) == {}


@pytest.mark.slow
def test_only_a_failed_test_is_a_kill(tmp_path: Path) -> None:
    """A survivor that is not told; a mutant that breaks the import, or hits nothing, as killed."""
    survivor = COUNT._replace(name="survivor", old="in full", new="in part")
    syntax = COUNT._replace(name="syntax", new="f(")
    twice = COUNT._replace(name="twice", old="value:")
    nowhere = COUNT._replace(name="nowhere", module="studies.nowhere")
    status, said = run(tmp_path, COUNT, survivor, syntax, twice, nowhere)
    assert status == 1
    times = (ROOT / "lib/studies/page/numbers.py").read_text(encoding="utf8").count("value:")
    assert said[-5:] == [
        f"survives: survivor: 'in full' → 'in part'; {TEST}",
        f"broken: twice: need 'value:' once in studies.page.numbers, found it {times} times",
        "broken: nowhere: no module studies.nowhere",
        "broken: syntax: its test did not run to an end: exit code 4",
        said[-1],
    ]
    assert said[-1].startswith("1 of 5 mutants killed in ")


@pytest.mark.slow
def test_all_killed_is_a_success(tmp_path: Path) -> None:
    """A harness that never succeeds, or one that runs no test of its baseline."""
    status, said = run(tmp_path, COUNT)
    assert (status, said[-1][:23]) == (0, "1 of 1 mutants killed i")
    status, said = run(tmp_path, COUNT._replace(test=TEST + "_not"))
    assert (status, said[-1]) == (1, "the tests do not pass without mutants")


@pytest.mark.slow
def test_claims_that_notice(tmp_path: Path) -> None:
    """A claim that fails, a cell that raises and a broken import as the same; a page not run."""
    front = (ROOT / "book/heavy-tails/few-numbers.md").read_text(encoding="utf8").split("# ")[0]
    (tmp_path / "toy.md").write_text(front + "# A toy page\n" + PAGE, encoding="utf8")
    noticed = COUNT._replace(new='f"{value}"', pages=(str(tmp_path / "toy"),))
    equal = noticed._replace(name="equal", new='f"{value:_}".replace("_", ",")')
    raises = noticed._replace(name="raises", new='f"{1 // 0}"')
    lacks = noticed._replace(name="lacks", new="valeu")
    unread = noticed._replace(name="no page", pages=())
    status, said = run(tmp_path, noticed, equal, raises, lacks, unread, how=("--claims",))
    test = TEST.rpartition("::")[2]
    assert status == 0
    assert {
        f"| killed | {test} | toy.written |",
        f"| equal | {test} | — |",
        f"| raises | {test} | error: ZeroDivisionError: integer division or modulo by zero |",
        f"| lacks | {test} | — (exit code 3: NameError: name 'valeu' is not defined) |",
    } == {*said[-13:-9]}
    assert said[-8] == "2 of 4 noticed, 1 of them by a cell that raises"
    assert said[-2:] == [f"| {tmp_path} | 4 | 1 | 1 | 50 % |", "| all | 4 | 1 | 1 | 50 % |"]
    wrong = PAGE.replace("exactly(1)", "exactly(2)")
    (tmp_path / "toy.md").write_text(front + "# A toy page\n" + wrong, encoding="utf8")
    status, said = run(tmp_path, noticed, how=("--claims",))
    assert (status, said[0].endswith("without mutants: exit code 1 toy.written")) == (1, True)

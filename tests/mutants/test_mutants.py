"""Tests of the mutants' runner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import Mutant

ROOT = Path(__file__).parents[2]
TEST = "tests/studies/page/test_numbers.py::test_counts_are_grouped"
COUNT = Mutant("killed", "studies.page.numbers", 'f"{value:,}"', 'f"{value:_}"', TEST)


def run(folder: Path, *mutants: Mutant) -> tuple[int, list[str]]:
    """Exit status and printed lines of the runner over these mutants."""
    text = f"from tests.mutants import Mutant\nMUTANTS = {list(mutants)!r}\n"
    (folder / "sample_mutants.py").write_text(text, encoding="utf8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "sample_mutants"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


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

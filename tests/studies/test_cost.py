"""Tests of what a run may cost: hours that are refused, memory that is limited."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from studies.build import worker
from studies.build.cost import MINUTE, check_time, known_seconds
from studies.build.project import Project
from studies.errors import ParameterError
from tests.studies import toy
from tests.studies.test_cli import invoke

BASE = {"p": 0.3, "draws": 4, "seeds": [0, 1, 2]}


def refused(project: Project, **values: Any) -> str:
    """Why values are refused; empty if they are not."""
    chapter = project.chapter("part/alpha")
    try:
        check_time(project, chapter, "book", BASE, {**BASE, **values})
    except ParameterError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"draws": 4 * 10**6}, "draws = 4000000 (× 1e+06) is refused: by its growth the run would"),
        (
            {"draws": 4 * 100, "seeds": list(range(60))},
            ", seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9,… (230",
        ),
        ({"draws": 4 * 750}, "about 12.5 hours, and one of more than 12 hours needs --force"),
        ({"draws": 4 * 10**8}, "about 190 years, and"),
        ({"draws": 4 * 700}, ""),
        ({"draws": 1, "seeds": [5, 6]}, ""),
        ({"p": 0.9, "seeds": [10**18, 2, 3]}, ""),  # neither a chance nor a large seed costs
    ],
)
def test_growth_says_what_a_run_costs(bare: Project, values: dict[str, Any], said: str) -> None:
    """Catches years of work that start without a word; a large seed taken for large work."""
    found = refused(bare, **values)
    assert said in found
    assert bool(said) == bool(found)


def test_known_times_count(written: Project) -> None:
    """Catches a chapter of a second or of an hour that is judged as one of a minute."""
    assert known_seconds(written, "part/alpha", "smoke") == MINUTE
    assert known_seconds(written, "part/alpha", "book") == 1  # what `pretend_to_run` notes
    assert refused(written, draws=4 * 40_000) == ""
    kept = {"chapter": "part/alpha", "parameters": {}, "profile": "paper", "versions": {}}
    kept |= {"data": {}, "date": "", "commit": "", "result": {"seconds": 3600.5}}
    path = written.book / "results" / "paper-part-alpha.json"
    path.parent.mkdir()
    path.write_text(json.dumps(kept), encoding="utf8")
    assert known_seconds(written, "part/alpha", "paper") == 3600.5
    assert known_seconds(written, "part/alpha", "book") == 1


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_years_are_refused_before_anything_runs(bare: Project, command: str) -> None:
    """Catches a kernel that starts, or a file that is left, for `epochs=999999999`."""
    before = toy.tree(bare.root)
    small = "need at most ten draws a seed"  # the chapter's own condition
    toy.edit(bare.book / "part" / "alpha.md", "draws <= 10 * len(seeds)", "draws > 0")
    for value, said in (("999999999", "needs --force"), ("999999999999", "at most 10⁹")):
        result = invoke(command, "part/alpha", "-p", f"draws={value}")
        assert result.exit_code == 1
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    toy.edit(bare.book / "part" / "alpha.md", "draws > 0", "draws <= 10 * len(seeds)")
    forced = invoke(command, "part/alpha", "-p", "draws=999999999", "--force")
    assert small in forced.stderr
    assert toy.tree(bare.root) == before


def test_no_more_memory_than_there_is(tmp_path: Path) -> None:
    """Catches a machine that swaps until nothing else runs; a limit above a container's own."""
    lines = [
        "from studies.build import surroundings",
        "assert surroundings.memory() > 2**28",
        "surroundings._CGROUPS = ['/no/such/file', '/dev/null', 'limit']",
        "open('limit', 'w').write(str(2**30))",
        "assert surroundings.memory() == 2**30",
        "surroundings.limit_memory()",
        "assert len(bytearray(2**28)) == 2**28",
        "bytearray(2**31)",
    ]
    code = "; ".join(lines)
    python = [sys.executable, "-c", code]
    done = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1:] == ["MemoryError"]


def test_out_of_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches "the kernel died", or torch's own words, for a machine that is too small."""

    def said(name: str, value: str) -> Any:
        error = PapermillExecutionError(4, 3, "x", name, value, [])
        return worker.describe_failure(error)["error"]

    monkeypatch.setattr(worker, "memory", lambda: 3 * 2**30)
    short = "out of memory, of which this machine has 3.0 GiB"
    torchs = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
    assert said("RuntimeError", torchs) == f"{short}: RuntimeError: {torchs}"
    assert said("_ArrayMemoryError", "8") == f"{short}: _ArrayMemoryError: 8"
    assert said("ValueError", "no memory") == "ValueError: no memory"

    subprocess.run([sys.executable, "-c", "x = bytes(10**8)"], check=True)  # the largest child
    assert "os._exit, when it held " in worker.describe_failure(DeadKernelError("x"))["error"]
    monkeypatch.setattr(worker, "memory", lambda: 10**8)
    died = worker.describe_failure(DeadKernelError("x"))["error"]
    assert died.startswith("the kernel died: out of memory, of which this machine has 0.1 GiB, wh")

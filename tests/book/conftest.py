"""A copy of this checkout with a built book, shared by all tests here.

It is the book that lies here, of whatever profile, if it is up to date: after `make book` the
pages are those that readers see, and nothing has to run again.  Else it is built in `smoke`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studies.build.book import plan
from studies.build.project import Project
from tests.conftest import Once

ROOT = Path(__file__).parents[2]
STUDIES = Path(sys.executable).with_name("studies")
BUILD = "studies book --profile smoke"  # as the page `how-to-use` has it


def run(
    *command: str | Path, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; what it printed comes back whatever its exit status."""
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )


def copy_checkout(target: Path) -> Path:
    """Copy what git would commit: no environment, nothing that was built."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name, follow_symlinks=False)
    return target


def _profile_of(root: Path) -> str:
    ledger = root / "_build" / "ledger.json"
    return str(json.loads(ledger.read_text(encoding="utf8"))["profile"])


def _build(folder: Path) -> None:
    copy_checkout(folder)
    command = shlex.split(BUILD)
    if (ROOT / "_build" / "ledger.json").is_file():
        profile = _profile_of(ROOT)
        if not any(job.stale for job in plan(Project(ROOT), profile)):
            command[-1] = profile
            # The commit is part of what pages say: with it they need not be rendered again.
            for part in (".git", f"_build/executed/{profile}", "_build/html"):
                if (ROOT / part).is_dir():
                    shutil.copytree(ROOT / part, folder / part)
            for page in (ROOT / "_build").glob("*.json"):
                shutil.copy(page, folder / "_build")
    done = run(STUDIES, *command[1:], cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def checkout(once: Once) -> Path:
    """A copy in which the book has been built, once for all tests."""
    return once("checkout", _build)


@pytest.fixture(scope="session")
def profile(checkout: Path) -> str:
    """The profile of the built book."""
    return _profile_of(checkout)


@pytest.fixture
def edited(checkout: Path) -> Iterator[Path]:
    """The built copy, for a test that changes modules or pages; they are put back afterwards."""

    def sources() -> list[Path]:
        return [*(checkout / "lib").rglob("*.py"), *(checkout / "book").rglob("*.md")]

    kept = {path: path.read_bytes() for path in sources()}
    yield checkout
    for path in sources():
        if path in kept:
            path.write_bytes(kept[path])
        else:
            path.unlink()

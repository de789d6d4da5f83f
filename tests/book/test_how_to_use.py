"""Every command of the page `how-to-use` and of the README is run, or shown to be a make target."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.book.conftest import BUILD, ROOT, STUDIES, run
from tests.book.test_build import SECOND
from tests.book.test_chapters import small_housing

PAGES = ("book/how-to-use.md", "README.md")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language."""
    text = (ROOT / page).read_text(encoding="utf8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[str]:
    """All shell commands of the pages, without comments."""
    lines = [
        line
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return sorted({line.split("  #")[0].split(" # ")[0].strip() for line in lines if line.strip()})


def test_pages_hold_commands() -> None:
    """Catches a pattern that no longer finds the commands, which would test nothing."""
    assert len(commands()) >= 10


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make")])
def test_make_command(command: str) -> None:
    """Catches a target or variable that the Makefile does not know (make -n only expands)."""
    done = run(*shlex.split(command), "-n", "--warn-undefined-variables", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "undefined variable" not in done.stderr
    if "PARAMS" in command:
        assert '-p "$PARAMS"' in done.stdout  # from make's environment, blanks and all


def test_builds_are_those_of_other_tests() -> None:
    """Catches a build that is printed on the pages and made by no test."""
    assert {c for c in commands() if c.startswith("studies book")} == {BUILD, SECOND}


@pytest.mark.parametrize(
    "command",
    [c for c in commands() if not c.startswith(("make", "studies book", "compressibility"))],
)
def test_studies_command(command: str, checkout: Path, tmp_path: Path) -> None:
    """Catches a command that no longer runs as printed; runs start from small values."""
    program, *arguments = shlex.split(command)
    assert Path(program).name == "studies"
    if arguments[0] in ("run", "sweep") and "--help" not in arguments:
        arguments += ["--profile", "corner", "--out", str(tmp_path)]
    small_housing(tmp_path / "data")
    data = {"COMPRESSIBILITY_DATA": str(tmp_path / "data")}
    done = run(STUDIES, *arguments, cwd=checkout, env=data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


MINE = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))

def accuracy(module, batches):
    return sum(float((module(x).argmax(1) == y).double().mean()) for x, y in batches) / len(batches)
"""


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("compressibility")])
def test_audit_command(command: str, tmp_path: Path) -> None:
    """Catches a command of the audit that no longer runs as printed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "net.py").write_text(MINE)
    make = "import torch; from safetensors.torch import save_file; from mine.net import make; "
    make += "save_file(make().state_dict(), 'model.safetensors'); x = torch.randn(90, 6); "
    make += "torch.save([(a, a.argmax(1) % 3) for a in x.split(15)], 'batches.pt')"
    assert run(sys.executable, "-c", make, cwd=tmp_path).returncode == 0
    program, *arguments = shlex.split(command)
    done = run(STUDIES.with_name(program), *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("book/how-to-use.md", "python"))
def test_python_block(block: str, tmp_path: Path) -> None:
    """Catches library examples that do not run as printed."""
    done = run(sys.executable, "-W", "error", "-c", block, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

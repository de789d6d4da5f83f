"""Tests of fingerprints: what a chapter depends on."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from studies.fingerprint import differences, digest, fingerprint, imported_modules
from studies.project import Chapter, Project
from tests.studies import toy


def imported(project: Project, *cells: str, **modules: str) -> list[str]:
    """Modules that a chapter with these cells depends on, in a library of these modules."""
    for name, text in modules.items():
        path = project.lib / f"{name.replace('__in', '/__in').replace('_of_', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project.book / "part" / "alpha.md").write_text(toy.chapter(*cells))
    found = imported_modules(project.lib, project.chapter("part/alpha"))
    return [path.relative_to(project.lib).as_posix() for path in found]


def test_ways_of_importing(bare: Project) -> None:
    """An import that goes unseen: of a submodule, inside a function, relative, through another."""
    names = imported_modules(bare.lib, bare.chapter("part/beta"))
    assert [path.relative_to(bare.lib).as_posix() for path in names] == [
        "toy/__init__.py",
        "toy/estimate.py",
        "toy/inner/__init__.py",
        "toy/inner/count.py",
        "toy/late.py",
        "toy/unit.py",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "import pkg.mod",
        "import pkg.mod as other",
        "from pkg import mod",
        "from pkg import mod as other",
        "from pkg.mod import thing",
        "from pkg.mod import *",
        "def f():\n    from pkg import mod",
        "%timeit 1\nimport pkg.mod\n!ls",
        "try:\n    import pkg.mod\nexcept ImportError:\n    pass",
        "%%time\nimport pkg.mod",
    ],
)
def test_each_form(bare: Project, code: str) -> None:
    """One spelling of an import, or a magic in the same cell, that hides the module."""
    found = imported(bare, code, pkg_of_mod="thing = 1", pkg__init__="", pkg_of_rest="")
    expected = ["pkg/__init__.py", "pkg/mod.py"]
    assert [name for name in found if name.startswith("pkg")] == expected


def test_cells_and_modules_that_are_no_python(bare: Project) -> None:
    """A syntax error that ends in a traceback of the machinery instead of the chapter's."""
    found = imported(bare, "x = = 1", "import broken", "import whole", broken="y = = 1", whole="")
    assert found == ["broken.py", "whole.py"]


def test_circles_packages_and_strangers(bare: Project) -> None:
    """An endless loop; a module taken where Python takes the package; a search outside lib/."""
    found = imported(
        bare,
        "import one, numpy, nowhere.at.all\nfrom . import relative",
        one="import two",
        two="import one, both",
        both="",
        both__init__="",
    )
    assert found == ["both/__init__.py", "one.py", "two.py"]


def parts(project: Project, name: str = "part/alpha", **values: object) -> dict[str, str]:
    chapter = project.chapter(name)
    defaults = {name: p.default for name, p in chapter.parameters.items()}
    return fingerprint(project, chapter, {**defaults, **values})


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("lib/toy/draw.py", ["lib/toy/draw.py changed"]),
        ("lib/toy/estimate.py", ["lib/toy/estimate.py changed"]),
        ("lib/toy/unused.py", []),
        ("lib/toy/late.py", []),
        ("requirements.lock", ["requirements.lock changed"]),
        ("book/part/alpha.md", ["chapter source changed"]),
        ("book/part/beta.md", []),
        ("book/intro.md", []),
    ],
)
def test_a_changed_comment_is_seen(bare: Project, file: str, said: list[str]) -> None:
    """A page served stale; a page executed again for a change that it does not depend on."""
    before = parts(bare)
    path = bare.root / file
    path.write_text(path.read_text() + "\n# a comment\n")
    assert differences(before, parts(bare)) == said


def test_a_changed_value_is_seen(bare: Project) -> None:
    """Other numbers under the same parameters."""
    before = parts(bare)
    assert set(before) == {
        *("chapter source", "parameter p", "parameter draws", "parameter seeds"),
        *(f"lib/toy/{name}.py" for name in ("__init__", "draw", "estimate", "picture")),
        *("requirements.lock", "Python version"),
    }
    assert differences(before, parts(bare, p=0.4)) == ["parameter p changed"]
    assert digest(before) != digest(parts(bare, p=0.4))
    assert digest(before) == digest(parts(bare))


def test_what_came_and_went_is_said(bare: Project) -> None:
    """A new import that goes unsaid."""
    before = parts(bare)
    toy.edit(bare.lib / "toy" / "draw.py", "import random", "import random, toy.unused")
    after = parts(bare)
    assert differences(before, after) == ["lib/toy/draw.py changed", "lib/toy/unused.py is new"]
    assert differences(after, before)[1:] == ["lib/toy/unused.py is gone"]


def test_data_files_are_part_of_it(
    bare: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page made from other data; one executed again for data that it does not load."""
    (bare.book / "part" / "alpha.md").write_text(
        toy.chapter(
            "1", parameters="data: DatasetName = 'mnist'  # the data\nn: Flag = True  # other"
        )
    )
    without = parts(bare)
    monkeypatch.setenv("COMPRESSIBILITY_DATA", str(tmp_path))
    assert parts(bare) == without
    for name in ("mnist.npz", "mnist-extra.npz", "cifar10.npz"):
        (tmp_path / name).write_bytes(b"one")
    first = parts(bare)
    assert differences(without, first) == ["mnist-extra.npz is new", "mnist.npz is new"]
    (tmp_path / "cifar10.npz").write_bytes(b"two")
    assert parts(bare) == first
    (tmp_path / "mnist.npz").write_bytes(b"two")
    assert differences(first, parts(bare)) == ["mnist.npz changed"]


def test_the_executor_is_part_of_it() -> None:
    """A change in what writes the executed notebooks that leaves all pages as they were."""
    project = Project(toy.REPOSITORY)
    chapter = Chapter("none", Path("none.md"), nbformat.v4.new_notebook())
    names = {path.name for path in imported_modules(project.lib, chapter)}
    assert {"worker.py", "claims.py", "regions.py", "numerals.py", "results.py"} <= names
    assert "keeping.py" not in names  # runs when the page is done

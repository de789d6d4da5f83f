"""Tests of fingerprints: what a chapter depends on."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from studies.build.fingerprint import differences, digest, fingerprint, imported_modules
from studies.build.project import Chapter, Project
from studies.page.results import kept_path
from tests.studies import toy


def imported(project: Project, *cells: str, **modules: str) -> list[str]:
    """Modules that a chapter with these cells depends on, in a library of these modules."""
    for name, text in modules.items():
        path = project.lib / f"{name.replace('__in', '/__in').replace('_of_', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project.book / "part" / "alpha.md").write_text(toy.chapter(*cells))
    found, _ = imported_modules(project.lib, project.chapter("part/alpha"))
    return [path.relative_to(project.lib).as_posix() for path in found]


def test_ways_of_importing(bare: Project) -> None:
    """An import that goes unseen: of a submodule, inside a function, relative, through another."""
    names, _ = imported_modules(bare.lib, bare.chapter("part/beta"))
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
    ("file", "old", "new"),
    [
        ("lib/toy/draw.py", "import random", "import random  # a comment"),
        ("lib/toy/draw.py", "Draws, as", "Draws, just as"),
        ("lib/toy/estimate.py", "Estimate:\n", 'Estimate:\n    """Says what it is."""\n'),
        ("lib/toy/unused.py", "0", "1"),
        ("lib/toy/late.py", "THREE", "THREE + 1"),
        ("requirements.lock", "ipykernel==2", "# pins\nIPykernel == 2  # one\nruff==1"),
        ("book/part/alpha.md", "We cite", "Gladly we cite"),
        ("book/part/alpha.md", "a single dot", "a dot"),
        ("book/part/alpha.md", "hide-input", "hide-cell"),
        ("book/part/alpha.md", "draws – per seed", "draws of a seed"),
        ("book/part/alpha.md", "picture()\n```", "picture()  # a dot\n```"),
        ("book/part/beta.md", "three()", "four()"),
        ("book/intro.md", "toy", "nice"),
    ],
)
def test_what_a_run_does_not_depend_on(bare: Project, file: str, old: str, new: str) -> None:
    """A chapter executed again, for minutes, because a word or a comment changed."""
    before = parts(bare)
    toy.edit(bare.root / file, old, new)
    assert differences(before, parts(bare)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("lib/toy/draw.py", "p + ", "p - ", "lib/toy/draw.py changed"),
        ("lib/toy/estimate.py", "None", '"x"', "lib/toy/estimate.py changed"),
        ("requirements.lock", "==2", "==3", "package ipykernel changed"),
        ("requirements.lock", "==2", "==2\nipython==9", "package ipython is new"),
        ("requirements.lock", "==2", "==2\nzipp==3\njedi==9", "package (others) changed"),
        ("book/part/alpha.md", "picture()\n```", "picture();\n```", "chapter code changed"),
        ("book/part/alpha.md", "picture()\n```", "%time picture()\n```", "chapter code changed"),
        (
            "book/part/alpha.md",
            ":tags: [hide-input]",
            ":tags: [skip-execution]",
            "chapter code changed",
        ),
    ],
)
def test_what_a_run_depends_on(bare: Project, file: str, old: str, new: str, said: str) -> None:
    """A page served stale."""
    before = parts(bare)
    toy.edit(bare.root / file, old, new)
    assert differences(before, parts(bare)) == [said]


def test_an_installed_version_counts(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of another numpy than the one that is pinned and thought to have made them."""
    before = parts(bare)
    monkeypatch.setattr("studies.build.fingerprint._installed", lambda name: f"{name} 0.1")
    assert differences(before, parts(bare)) == ["package ipykernel changed"]


def test_a_changed_value_is_seen(bare: Project) -> None:
    """Other numbers under the same parameters."""
    before = parts(bare)
    assert set(before) == {
        *("chapter code", "parameter p", "parameter draws", "parameter seeds"),
        *(f"lib/toy/{name}.py" for name in ("__init__", "draw", "estimate", "picture")),
        *("package ipykernel", "package (others)", "Python version"),
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
            "1", parameters="data: ImageData = 'mnist'  # the data\nn: Flag = True  # other"
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


def test_other_dice_are_part_of_it(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The book's own run, taken for one with other dice."""
    without = parts(bare)
    monkeypatch.setenv("COMPRESSIBILITY_DICE", "100")
    first = parts(bare)
    assert differences(without, first) == ["dice is new"]
    monkeypatch.setenv("COMPRESSIBILITY_DICE", "200")
    assert differences(first, parts(bare)) == ["dice changed"]


def test_a_file_of_the_readers_own_is_part_of_it(bare: Project, tmp_path: Path) -> None:
    """A page of a file as it was yesterday; none, taken for a file."""
    (bare.book / "part" / "alpha.md").write_text(
        toy.chapter("1", parameters="own: FileName = ''  # a file, or none")
    )
    without, file = parts(bare), tmp_path / "own.pt"
    file.write_bytes(b"one")
    first = parts(bare, own=str(file))
    assert differences(without, first) == ["parameter own changed", "own.pt is new"]
    file.write_bytes(b"two")
    assert differences(first, parts(bare, own=str(file))) == ["own.pt changed"]


def test_the_executor_is_part_of_it() -> None:
    """A change in what writes the executed notebooks that leaves all pages as they were."""
    project = Project(toy.REPOSITORY)
    chapter = Chapter("none", Path("none.md"), nbformat.v4.new_notebook())
    files, outside = imported_modules(project.lib, chapter)
    names = {path.name for path in files}
    assert {"worker.py", "surroundings.py", "notebooks.py", "claims.py", "numbers.py"} <= names
    assert not {"render.py", "ledger.py", "cli.py", "pages.py"} & names  # the page is later
    assert {"papermill", "nbclient", "myst_nb"} <= outside
    assert "studies" not in outside


def kept(project: Project, name: str, result: object) -> Path:
    path = kept_path(project.book, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"result": result}))
    return path


@pytest.mark.parametrize(
    "cell",
    [
        'from studies.page import kept\nkept("toy-means")',
        'import studies.page\nstudies.page.kept("toy-means")',
        'from studies import page\nif False:\n    x = [page.kept("toy-means").result]',
        'def f():\n    from studies.page import results\n    return results.kept("toy-means")\nf()',
    ],
)
def test_a_changed_result_makes_the_page_stale(bare: Project, cell: str) -> None:
    """A page that shows yesterday's numbers, whichever way it calls for them."""
    (bare.book / "part" / "beta.md").write_text(toy.chapter(cell))
    without = parts(bare, "part/beta")
    kept(bare, "unread", 1)
    assert parts(bare, "part/beta") == without
    path = kept(bare, "toy-means", 1.5)
    first = parts(bare, "part/beta")
    assert differences(without, first) == ["book/results/toy-means.json is new"]
    kept(bare, "toy-means", 2.5)
    changed = parts(bare, "part/beta")
    assert differences(first, changed) == ["book/results/toy-means.json changed"]
    path.unlink()
    assert parts(bare, "part/beta") == without

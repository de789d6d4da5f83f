"""Tests of the reference of the library."""

from __future__ import annotations

from pathlib import Path

import studies
from studies.build.project import Project
from studies.build.reference import home_of, modules_of, with_modules
from tests.studies import toy


def test_every_documented_module_is_there(bare: Project) -> None:
    """A module that nobody lists; one without a docstring as an empty section."""
    (bare.lib / "toy" / "inner" / "__init__.py").write_text('"""A room."""\n')
    found = [("toy.draw", True), ("toy.estimate", True), ("toy.inner", False)]
    assert list(modules_of(bare.lib, "toy")) == found
    assert list(modules_of(bare.lib, "toy.draw")) == [("toy.draw", True)]
    text = with_modules("# Toy\n\n<!-- library: toy.draw, toy.inner -->\n", bare.lib)
    assert text.count("automodule") == 2
    assert "## draw\n\n```{eval-rst}\n.. automodule:: toy.draw\n   :members:\n" in text
    assert "## inner" not in text  # its page has the title
    assert with_modules("# Nothing\n", bare.lib) == "# Nothing\n"


def test_where_a_name_is_at_home() -> None:
    """A name that is imported elsewhere and leads nowhere; a value or an unknown name as a home."""
    assert home_of("template", "studies.build.ledger") == "studies.page.claims.template"
    assert home_of("studies.page.claims.Claim.sample", None) in (
        "",
        "studies.page.claims.Claim.sample",
    )
    assert home_of("ICONS", "studies.page.claims") == ""
    assert home_of("nosuch", "studies.page.claims") is None
    assert home_of("Path", "studies.build.ledger") == f"{Path.__module__}.Path"


def test_the_reference_of_this_library_is_whole() -> None:
    """A room that no page of the reference shows."""
    lib = Path(studies.__file__).parents[1]
    pages = (toy.REPOSITORY / "book" / "library").glob("*.md")
    shown = {
        line.removeprefix(".. automodule:: ")
        for page in pages
        for line in with_modules(page.read_text(encoding="utf8"), lib).splitlines()
        if line.startswith(".. automodule:: ")
    }
    wanted = {name for name, _ in modules_of(lib, "compressibility")} | {"studies.page.claims"}
    assert wanted - shown == {"compressibility", "compressibility.__main__"} & wanted

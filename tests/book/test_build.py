"""The real book, as it is built here."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from studies.build.profiles import chapter_values, load_profile
from studies.build.project import Project
from studies.build.runs import prepared_notebook
from tests.book.conftest import ROOT, STUDIES, run
from tests.studies import toy

CHAPTER = "wide-networks/greedy-compression"
CHAPTERS = Project(ROOT).chapter_names()
SECOND = "studies book --only 'wide-networks/*' --jobs 2"


def test_every_page_of_the_contents_is_rendered(checkout: Path) -> None:
    """Catches a page that the builder dropped, or a front page that leads nowhere."""
    html = checkout / "_build" / "html"
    assert (html / "index.html").is_file()
    for page in Project(ROOT).toc_pages():
        assert (html / "book" / f"{page}.html").is_file()


def test_second_build_executes_nothing(checkout: Path, profile: str) -> None:
    """Catches a fingerprint that changes from run to run; the command is one of `how-to-use`."""
    pages = [checkout / f"_build/executed/{profile}/{name}.ipynb" for name in CHAPTERS]
    before = [page.read_bytes() for page in pages]
    # In name only: what is rendered is judged already, and browsers read it in other processes.
    command = toy.command(*shlex.split(SECOND)[1:], "--profile", profile, renders=False)
    done = run(*command, cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert re.search(
        rf"^profile {profile}: 0 stale, [1-9]\d* fresh$", done.stdout, flags=re.MULTILINE
    )
    assert [page.read_bytes() for page in pages] == before
    done = run(STUDIES, "status", "--profile", profile, cwd=checkout)
    assert done.stdout.count(": fresh\n") == len(CHAPTERS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_ledger_lists_every_claim_and_none_fails(checkout: Path, name: str) -> None:
    """Catches claims that the ledger loses, and one that fails."""
    ledger = json.loads((checkout / "_build/html/ledger.json").read_text(encoding="utf8"))
    claims = ledger["chapters"][name]["claims"]
    assert len(claims) >= 5
    assert all(claim["verdict"] != "fails" for claim in claims)
    assert all(claim["n"] >= 1 and claim["over"] for claim in claims)
    page = (checkout / "_build/html/book/ledger.html").read_text(encoding="utf8")
    assert all(f"{name}.html#claim-{claim['id']}" in page for claim in claims)


def test_only_code_makes_the_chapter_stale(edited: Path, profile: str) -> None:
    """Catches minutes of execution for a remark, and a fingerprint that overlooks the library."""
    module = edited / "lib/compressibility/checks.py"
    page = edited / f"book/{CHAPTER}.md"
    for path, more in ((module, "# a remark\n"), (page, "\nA last word.\n")):
        path.write_text(path.read_text(encoding="utf8") + more, encoding="utf8")
    done = run(STUDIES, "status", "--profile", profile, cwd=edited)
    assert done.stdout.count(": fresh\n") == len(CHAPTERS)
    module.write_text(module.read_text(encoding="utf8") + "REMARK = 1\n", encoding="utf8")
    done = run(STUDIES, "status", "--profile", profile, cwd=edited)
    assert f"{CHAPTER}: stale: lib/compressibility/checks.py changed" in done.stdout


def test_module_that_no_chapter_imports_leaves_it_fresh(edited: Path, profile: str) -> None:
    """Catches a fingerprint over the whole library, which would re-run every chapter each time."""
    (edited / "lib/compressibility/unused.py").write_text("X = 1\n", encoding="utf8")
    done = run(STUDIES, "status", "--profile", profile, cwd=edited)
    assert f"{CHAPTER}: fresh" in done.stdout


def test_visible_parameters_are_those_of_the_profile(checkout: Path, profile: str) -> None:
    """Catches a page that shows the defaults although other values were used."""
    page = json.loads((checkout / f"_build/executed/{profile}/{CHAPTER}.ipynb").read_text("utf8"))
    cell = next(cell for cell in page["cells"] if "parameters" in cell["metadata"].get("tags", []))
    chapter = Project(ROOT).chapter(CHAPTER)
    values = chapter_values(chapter, profile, load_profile(Project(ROOT), profile))
    assert f"widths: Widths = {values['widths']}" in "".join(cell["source"])
    small = chapter_values(chapter, "smoke", load_profile(Project(ROOT), "smoke"))
    shown = prepared_notebook(chapter, small).cells[chapter.parameters_index]["source"]
    assert "widths: Widths = [96, 24]" in shown

"""Tests of where things are."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.build.project import Project
from studies.errors import ChapterError, StudiesError
from tests.studies import toy


def test_the_project_is_found_from_below(bare: Project, tmp_path: Path) -> None:
    """A command that works in one folder only."""
    for start in (bare.root, bare.book / "part", bare.lib / "toy"):
        assert Project.find(start) == bare
    with pytest.raises(StudiesError, match=r"no book here: need a folder with _toc\.yml and book/"):
        Project.find(tmp_path)


def test_pages_and_chapters_come_in_the_order_of_the_toc(bare: Project) -> None:
    """Pages in the order of their files; a page without a kernel that is executed."""
    assert bare.toc_pages() == [
        *("intro", "part/alpha", "part/beta"),
        *("theorems", "library/toy", "ledger", "status", "references"),
    ]
    assert bare.parts()["part/beta"] == "Part"
    assert bare.parts()["ledger"] == "End"
    assert bare.chapter_names() == ["part/alpha", "part/beta"]
    assert [c.name for c in bare.chapters()] == ["part/alpha", "part/beta"]
    assert [c.title for c in bare.chapters()] == ["The first chapter", "The second chapter"]


def test_chapters_go_by_their_names(bare: Project) -> None:
    """A path that the shell completed; an unknown name without the known ones."""
    for name in ("part/alpha", "book/part/alpha", "book/part/alpha.md"):
        assert bare.chapter(name).name == "part/alpha"
    with pytest.raises(StudiesError) as caught:
        bare.chapter("part/alhpa")
    assert str(caught.value) == (
        "no chapter part/alhpa (did you mean part/alpha?); the chapters are: part/alpha, part/beta"
    )


@pytest.mark.parametrize(
    ("toc", "said"),
    [
        ("root: [", "_toc.yml is no YAML: while parsing"),
        ("root: book/intro\nchapters: [{file: README}]", "_toc.yml: README is not below book/"),
    ],
)
def test_a_bad_toc(bare: Project, toc: str, said: str) -> None:
    """A traceback for a typo."""
    (bare.root / "_toc.yml").write_text(toc)
    with pytest.raises(StudiesError) as caught:
        bare.toc_pages()
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_links_in_the_toc_are_no_pages(bare: Project) -> None:
    """An address outside taken for a file."""
    (bare.root / "_toc.yml").write_text("root: book/intro\nchapters: [{url: https://example.org}]")
    assert bare.toc_pages() == ["intro"]


@pytest.mark.parametrize(
    ("front", "expected"),
    [("---\n---\n", False), ("---\ntitle: x\n---\n", False), ("", False), (toy.FRONT, True)],
)
def test_what_is_a_chapter(bare: Project, front: str, expected: bool) -> None:
    """A page that is executed although it names no kernel, or not although it does."""
    (bare.book / "page.md").write_text(front + "# Page\n\nkernelspec\n")
    assert bare.is_chapter("page") is expected
    assert not bare.is_chapter("nowhere")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("---\njupytext", "\ufeff---\njupytext"),
        ("---\njupytext", "--- \njupytext"),
        ("---\njupytext", "\n---\njupytext"),
        ("name: python3}\n---\n", "name: python3}\n--- \n"),
        ("kernelspec:", "kernelspecs:"),
        ("p: Probability", "p: Probability\udcff"),
    ],
)
def test_no_chapter_disappears(bare: Project, old: str, new: str) -> None:
    """Catches a chapter shown without its results, or left out by name, for one odd byte."""
    path = bare.book / "part" / "alpha.md"
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8", errors="surrogateescape")
    said = "part/alpha (has code cells, but is no chapter: need `---` alone|is not UTF-8)"
    for look in (bare.chapter_names, lambda: bare.chapter("part/beta"), bare.chapters):
        with pytest.raises(ChapterError, match=said):
            look()


def test_bad_front_matter_is_named(bare: Project) -> None:
    """A traceback that does not say which page."""
    (bare.book / "page.md").write_text("---\na: [\n---\n# Page\n")
    with pytest.raises(ChapterError, match="page: front matter is no YAML"):
        bare.is_chapter("page")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# The first chapter", "The first chapter", "need a first line `# Title`"),
        (":tags: [parameters]", ":tags: [other]", "must be tagged `parameters`"),
        ("code-cell", "code-text", "the first code cell must be tagged `parameters`"),
        ("p: Probability = 0.3", "p: Probability = 3.0", "default of p = 3.0 is refused"),
        ("p: Probability = 0.3", "p: Probability = (0.3", "parameters cell: '(' was never closed"),
    ],
)
def test_chapters_against_the_rules(bare: Project, old: str, new: str, said: str) -> None:
    """A mistake reported without its chapter."""
    toy.edit(bare.book / "part" / "alpha.md", old, new)
    chapter = bare.chapter("part/alpha")
    with pytest.raises(ChapterError) as caught:
        _ = chapter.title, chapter.parameters
    assert str(caught.value).startswith("part/alpha: ")
    assert said in str(caught.value)


def test_cell_ids_are_fixed(bare: Project) -> None:
    """Random ids, with which no two runs are the same file."""
    ids = [cell["id"] for cell in bare.chapter("part/alpha").notebook.cells]
    assert ids == [f"c{i:03d}" for i in range(len(ids))]


def test_lines_of_cells_are_lines_of_the_source(bare: Project) -> None:
    """A line number that is off by the cell's options, or found inside another word."""
    path = bare.book / "part" / "alpha.md"
    # Short cells whose text also stands in the fences, the options and the text around them.
    path.write_text(
        toy.chapter("p", ":tags: [p]\n\np", "p\nq", "---\ntags: [p]\n---\np", "last = 1\np")
    )
    chapter = bare.chapter("part/alpha")
    lines = path.read_text().split("\n")
    for index, cell in enumerate(chapter.notebook.cells):
        if cell.cell_type != "code" or not cell.source:
            continue
        for number, text in enumerate(cell.source.split("\n"), start=1):
            assert lines[chapter.line_of(index, number) - 1] == text
    assert chapter.line_of(len(chapter.notebook.cells) - 1, 2) == lines.index("last = 1") + 2


def test_code_is_what_python_sees(bare: Project) -> None:
    """Magics taken for syntax errors, and lines that shift."""
    (bare.book / "part" / "alpha.md").write_text(
        toy.chapter("%matplotlib inline\n!ls\nx = 1", "y = = 1", "%%bash\necho =", "z")
    )
    found = {index: tree.body for index, tree in bare.chapter("part/alpha").code}
    assert list(found) == [1, 2, 5]
    assert found[2][-1].lineno == 3

"""Tests of the checks of executed notebooks."""

from __future__ import annotations

from typing import Any

from nbformat.v4 import new_code_cell, new_notebook, new_output

from studies.checks.notebooks import check_notebooks
from studies.project import Project
from studies.records import KEY, executed_path, read_record


def notebook(*outputs: Any, claims: tuple[str, ...] = (), **mystnb: Any) -> Any:
    cell = new_code_cell("x", id="c003", outputs=list(outputs), metadata={"mystnb": mystnb})
    return new_notebook(cells=[cell], metadata={KEY: {"claims": [{"id": name} for name in claims]}})


def said(**notebooks: Any) -> list[str]:
    return [str(problem) for problem in check_notebooks(notebooks)]


def glued(key: str) -> Any:
    return new_output("display_data", data={}, metadata={"scrapbook": {"name": key}})


def test_good_notebooks_pass(built: Project) -> None:
    """A false alarm on the toy book."""
    paths = [executed_path(built, "book", name) for name in built.chapter_names()]
    records = {path.stem: read_record(path) for path in paths}
    assert check_notebooks({name: r.notebook for name, r in records.items() if r}) == []
    assert all(records.values())


def test_error_outputs() -> None:
    """A traceback on the page."""
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    assert said(a=notebook(error)) == ["book/a, cell c003: ends in an error: ValueError: no"]


def test_figures_need_name_caption_and_alt() -> None:
    """A figure that no text can refer to, or that a blind reader cannot know."""
    image = new_output("display_data", data={"image/png": "", "text/plain": ""})
    whole = {"figure": {"name": "fig-a", "caption": "A."}, "image": {"alt": "a"}}
    assert said(a=notebook(image, **whole)) == []
    bare = "book/a, cell c003: shows a figure without "
    caption, alt = "caption and name (mystnb: figure: …)", "alt text (mystnb: image: alt: …)"
    assert said(a=notebook(image)) == [bare + caption, bare + alt]
    assert said(a=notebook(image, figure=whole["figure"])) == [bare + alt]
    for lost in ("name", "caption"):
        figure = {key: text for key, text in whole["figure"].items() if key != lost}
        assert said(a=notebook(image, figure=figure, image=whole["image"])) == [bare + caption]


def test_keys_are_published_once() -> None:
    """A number in the text that another cell or chapter has overwritten."""
    assert said(a=notebook(glued("x"), glued("y")), b=notebook(glued("z"))) == []
    assert said(a=notebook(glued("x"), glued("x"))) == [
        "book/a, cell c003: publishes 'x', which book/a, cell c003 has published"
    ]
    assert said(a=notebook(glued("x")), b=notebook(glued("x"))) == [
        "book/b, cell c003: publishes 'x', which book/a, cell c003 has published"
    ]


def test_claim_ids_are_unique_in_the_book() -> None:
    """Two claims of one name, so that a grep finds the wrong one."""
    assert said(a=notebook(claims=("t.a", "t.b")), b=notebook(claims=("t.c",))) == []
    assert said(a=notebook(claims=("t.a",)), b=notebook(claims=("t.a",))) == [
        "book/b: makes claim t.a, as book/a does"
    ]

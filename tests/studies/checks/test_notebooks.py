"""Tests of the checks of executed notebooks."""

from __future__ import annotations

from typing import Any

from nbformat.v4 import new_code_cell, new_notebook, new_output

from studies.build.checks.notebooks import check_notebook, check_notebooks
from studies.build.project import Project
from studies.build.runs import executed_path, read_run


def notebook(*outputs: Any, **mystnb: Any) -> Any:
    cell = new_code_cell("x", id="c000", outputs=list(outputs), metadata={"mystnb": mystnb})
    return new_notebook(cells=[cell])


def said(claims: dict[str, list[str]] | None = None, **notebooks: Any) -> list[str]:
    made = {name: [{"id": id_} for id_ in (claims or {}).get(name, ())] for name in notebooks}
    return [str(problem) for problem in check_notebooks(notebooks, made)]


def glued(key: str) -> Any:
    return new_output("display_data", data={}, metadata={"scrapbook": {"name": key}})


def test_good_notebooks_pass(built: Project) -> None:
    """A false alarm on the toy book."""
    runs = [read_run(executed_path(built, "book", name)) for name in built.chapter_names()]
    assert [list(check_notebook(run.notebook)) for run in runs if run] == [[], []]


def test_errors_and_stderr() -> None:
    """A traceback on the page; a run with a warning, which every later build would refuse."""
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    assert said(a=notebook(error)) == ["book/a, cell 0: ends early: ValueError: no"]
    warning = new_output("stream", name="stderr", text="UserWarning: beware\n")
    assert said(a=notebook(warning)) == [
        "book/a, cell 0: writes to stderr: UserWarning: beware",
    ]
    assert said(a=notebook(new_output("stream", name="stdout", text="fine"))) == []


def test_figures_need_name_caption_and_alt() -> None:
    """A figure that no text can refer to, or that a blind reader cannot know."""
    image = new_output("display_data", data={"image/png": "", "text/plain": ""})
    whole = {"figure": {"name": "fig-a", "caption": "A."}, "image": {"alt": "a"}}
    assert said(a=notebook(image, **whole)) == []
    bare = "book/a, cell 0: shows a figure without "
    caption, alt = "caption and name (mystnb: figure: …)", "alt text (mystnb: image: alt: …)"
    assert said(a=notebook(image)) == [bare + caption, bare + alt]
    assert said(a=notebook(image, figure=whole["figure"])) == [bare + alt]
    for lost in ("name", "caption"):
        figure = {key: text for key, text in whole["figure"].items() if key != lost}
        assert said(a=notebook(image, figure=figure, image=whole["image"])) == [bare + caption]


def test_a_figures_cell_shows_it_alone() -> None:
    """A last line that is a value: the renderer gives both outputs the figure's name, and stops."""
    image = new_output("display_data", data={"image/png": "", "text/plain": ""})
    legend = new_output("execute_result", data={"text/plain": "<Legend>"})
    whole = {"figure": {"name": "fig-a", "caption": "A."}, "image": {"alt": "a"}}
    assert said(a=notebook(glued("x"), image, **whole)) == []
    assert said(a=notebook(legend, image, **whole)) == [
        "book/a, cell 0: shows something beside its figure, which takes its name twice: `_ = …`?"
    ]


def test_keys_are_published_once() -> None:
    """A number in the text that another cell or chapter has overwritten."""
    assert said(a=notebook(glued("x"), glued("y")), b=notebook(glued("z"))) == []
    assert said(a=notebook(glued("x"), glued("x"))) == [
        "book/a, cell 0: makes number 'x' a second time"
    ]
    assert said(a=notebook(glued("x")), b=notebook(glued("x"))) == [
        "book/b: makes number 'x', as book/a does"
    ]


def test_claim_ids_are_unique_in_the_book() -> None:
    """Two claims of one name, so that a grep finds the wrong one."""
    pages = {"a": notebook(), "b": notebook()}
    assert said({"a": ["t.a", "t.b"], "b": ["t.c"]}, **pages) == []
    assert said({"a": ["t.a"], "b": ["t.a"]}, **pages) == [
        "book/b: makes claim t.a, as book/a does"
    ]

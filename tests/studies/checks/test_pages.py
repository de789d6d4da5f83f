"""Tests of the checks of rendered pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studies.build.checks import pages
from studies.build.checks.pages import check_pages, typeset
from studies.build.project import Project
from studies.build.render import mathjax_folder
from studies.errors import BuildError

ALPHA = "book/part/alpha.html"


def test_good_pages_pass(built: Project) -> None:
    """A false alarm on the toy book and on the theme's own files."""
    assert check_pages(built.build / "html", built.toc_pages(), mathjax_folder()) == []


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str], list[str]]:
    """What is wrong with a book of two pages, of which the first holds some HTML."""

    def check(html: str) -> list[str]:
        for name, text in (("alpha", html), ("beta", '<p id="beta">')):
            page = tmp_path / f"book/part/{name}.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(f"<article>{text}</article>")
        found = check_pages(tmp_path, ["part/alpha", "part/beta"], mathjax_folder())
        return [str(problem) for problem in found]

    return check


@pytest.mark.parametrize(
    ("html", "what"),
    [
        ('<a href="beta.htm">x</a>', "link to beta.htm: no such file"),
        ('<a href="beta.html#nowhere">x</a>', "link to beta.html#nowhere: no such place on that"),
        ('<a href="#nowhere">x</a>', "link to #nowhere: no such place on that page"),
        (r'<span class="math">\(\nosuch\)</span>', r"TeX does not typeset: Undefined control seq"),
        (r'<div class="claims">\(\nosuch\)</div>', r"TeX does not typeset: Undefined control seq"),
        (
            r'<div class="claims">$\ell_2$</div>',
            r"$\ell_2$ shows as it is in a claim; write \( … \)",
        ),
    ],
)
def test_bad_pages(
    broken: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, html: str, what: str
) -> None:
    """A page that any reader finds broken."""
    if r"\(" not in html:
        monkeypatch.setattr(pages, "typeset", lambda *_: [])  # it takes a moment to start
    (problem,) = broken(html)
    assert problem.startswith(f"{ALPHA}: {what}")


def test_good_elements(broken: Callable[[str], list[str]]) -> None:
    """A false alarm on links that lead outside, on good TeX."""
    good = (
        '<a href="https://example.org">x</a><a href="mailto:x@example.org">x</a>'
        '<a href="beta.html#beta">x</a><a href="#">x</a>'
        r'<span class="math">\(\ell_2\)</span><div class="claims">\(\ell_2\)</div>'
    )
    assert broken(good) == []


def test_missing_pages(tmp_path: Path) -> None:
    """A page that was never written."""
    found = check_pages(tmp_path, ["part/alpha"], mathjax_folder())
    assert [str(problem) for problem in found] == ["book/part/alpha: was not rendered"]


def test_typeset_takes_each_page_by_itself() -> None:
    """A macro or label of another page that hides, or causes, an error on this one."""

    def formula(page: str, tex: str) -> dict[str, object]:
        return {"id": page, "tex": tex, "display": True}

    formulas = [
        formula("a", r"\newcommand{\half}{\frac12} \half"),
        formula("a", r"\half"),
        formula("a", r"\begin{align} x &= y \label{eq} \end{align}"),
        formula("b", r"\begin{align} x &= y \label{eq} \end{align}"),
        formula("b", r"\half"),
        formula("b", r"\frac{1}{2"),
        formula("b", r"\left( x"),
    ]
    refused = typeset(formulas, mathjax_folder())
    assert [(entry["id"], entry["tex"]) for entry in refused] == [
        *(("b", r"\half"), ("b", r"\frac{1}{2"), ("b", r"\left( x"))
    ]
    assert all(entry["error"] for entry in refused)


def test_a_mathjax_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    """No formula checked, and all taken for good."""
    with pytest.raises(BuildError, match="MathJax could not check the formulas"):
        typeset([], tmp_path)


def test_formulas_without_delimiters(
    broken: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A formula checked together with its number, or without its environment."""
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(pages, "typeset", lambda formulas, _: seen.extend(formulas) or [])
    broken(
        '<div class="math"><span class="eqno">(1)</span>\\begin{x}y\\end{x}</div>'
        r'<span class="math">\(\ell_2\)</span><div class="math">\[W_1\]</div>'
    )
    assert [(f["tex"], f["display"]) for f in seen] == [
        *((r"\begin{x}y\end{x}", True), (r"\ell_2", False), ("W_1", True))
    ]

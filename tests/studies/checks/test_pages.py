"""Tests of the checks of rendered pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studies.checks import pages
from studies.checks.pages import check_pages, typeset
from studies.errors import BuildError
from studies.project import Project
from studies.render import mathjax_folder

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
        ('<img src="x.png">', "image x.png has no alt text"),
        ('<img src="x.png" alt="../x.png">', "image x.png has no alt text"),
        ('<img src="x.png" alt=" ">', "image x.png has no alt text"),
        ('<figure id="f"><img src="x.png" alt="x"></figure>', "figure f has no caption"),
        ('<figure id="f"><figcaption> </figcaption></figure>', "figure f has no caption"),
        ('<a href="beta.htm">x</a>', "link to beta.htm: no such file"),
        ('<a href="beta.html#nowhere">x</a>', "link to beta.html#nowhere: no such place on that"),
        ('<a href="#nowhere">x</a>', "link to #nowhere: no such place on that page"),
        ('<script src="https://cdn.org/x.js"></script>', "<script> asks an outside host for https"),
        ('<script src="//cdn.org/x.js"></script>', "<script> asks an outside host for //cdn.org"),
        ('<img alt="x" src="http://cdn.org/x">', "<img> asks an outside host for http://cdn.org/x"),
        ('<img alt="x" srcset="a.png 1x, //c.org/b 2x">', "<img> asks an outside host for //c.org"),
        ('<link rel="stylesheet" href="//c.org/x">', "<link> asks an outside host for //c.org/x"),
        (
            '<iframe src="https://c.org"></iframe>',
            "<iframe> asks an outside host for https://c.org",
        ),
        ('<video poster="//c.org"></video>', "<video> asks an outside host for //c.org"),
        ('<object data="//c.org"></object>', "<object> asks an outside host for //c.org"),
        ('<audio><source src="//c.org"></audio>', "<source> asks an outside host for //c.org"),
        ("<style>@import '//c.org/x';</style>", "the style sheet asks an outside host for //c.org"),
        (
            '<p style="background: url(//c.org)">',
            "the style sheet asks an outside host for //c.org",
        ),
        (r'<span class="math">\(\nosuch\)</span>', r"TeX does not typeset: Undefined control seq"),
        (r'<div class="claim">\(\nosuch\)</div>', r"TeX does not typeset: Undefined control seq"),
        (
            r'<div class="claim">$\ell_2$</div>',
            r"$\ell_2$ shows as it is in a claim; write \( … \)",
        ),
    ],
)
def test_bad_pages(
    broken: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, html: str, what: str
) -> None:
    """A page that a blind reader, a reader offline, or any reader finds broken."""
    if r"\(" not in html:
        monkeypatch.setattr(pages, "typeset", lambda *_: [])  # it takes a moment to start
    (problem,) = broken(html)
    assert problem.startswith(f"{ALPHA}: {what}")


def test_good_elements(broken: Callable[[str], list[str]]) -> None:
    """A false alarm on links that lead outside, on data in the page itself, on good TeX."""
    good = (
        '<a href="https://example.org">x</a><a href="mailto:x@example.org">x</a>'
        '<a href="beta.html#beta">x</a><a href="#">x</a>'
        '<link rel="canonical" href="https://example.org">'
        '<img alt="x" src="data:image/png;base64,AA//BB">'
        "<style>@import 'x.css'; p {background: url(data:image/png;base64,AA//BB)}</style>"
        r'<span class="math">\(\ell_2\)</span><div class="claim">\(\ell_2\)</div>'
    )
    assert broken(good) == []


def test_missing_pages_and_style_sheets(broken: Callable[[str], list[str]], tmp_path: Path) -> None:
    """A page that was never written; a font from elsewhere in a style sheet."""
    (tmp_path / "book.css").write_text("@font-face {src: url( 'https://c.org/x.woff' )}")
    outside = "book.css: the style sheet asks an outside host for https://c.org/x.woff"
    assert broken("") == [outside]
    (tmp_path / "book/part/beta.html").unlink()
    found = check_pages(tmp_path, ["part/alpha", "part/beta"], mathjax_folder())
    assert [str(problem) for problem in found] == ["book/part/beta: was not rendered", outside]


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

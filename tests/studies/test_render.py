"""Tests of rendering, with the real builder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup

from studies.build.files import write_atomically
from studies.build.paper import with_claims
from studies.build.project import Project
from studies.build.render import render
from studies.build.runs import Run, dressed, executed_path, read_run
from studies.errors import BuildError
from studies.page.results import to_keep
from tests.studies import toy


def runs(project: Project) -> dict[str, Run]:
    paths = {name: executed_path(project, "book", name) for name in project.chapter_names()}
    found = {name: read_run(path) for name, path in paths.items()}
    return {name: dressed(run, project.chapter(name)) for name, run in found.items() if run}


def page(project: Project, name: str) -> BeautifulSoup:
    text = (project.build / "html" / "book" / f"{name}.html").read_text()
    return BeautifulSoup(text, "html.parser")


def words(element: Any) -> str:
    return " ".join(element.get_text(" ", strip=True).split())


def refused(project: Project, stale: dict[str, Sequence[str]] | None = None) -> str:
    """What a render complains of; the last good book must stand."""
    before = toy.tree(project.build)
    with pytest.raises(BuildError) as caught:
        render(project, "book", runs(project), stale or {})
    assert toy.tree(project.build) == before
    assert str(project.root) not in str(caught.value)
    return str(caught.value)


def test_the_good_book(built: Project) -> None:
    """Anything that a reader came for and does not find."""
    assert (built.build / "html" / "index.html").is_file()
    alpha = page(built, "part/alpha")
    text = words(alpha.select_one("article"))
    (claim,) = runs(built)["part/alpha"].claims
    assert f"We measured {claim['value']:.2f} , see Fig. 1.1" in text  # a published number
    assert alpha.select_one("tr#claim-thm-toy\\.decay.claim-holds") is not None
    assert alpha.select_one("#thm-toy") is not None
    image = alpha.select_one("figure img")
    assert image is not None
    assert image["alt"] == "a single dot"
    ledger = words(page(built, "ledger").select_one("article"))
    assert "✓ 2 hold" in ledger
    title = r"Shrinking \(\ell_2\) (Theorem 1 of Someone, as printed)"
    assert f"Theorem 1.1 {title} ✓ holds inequality Δ falls, a < b & c thm-toy.decay" in ledger
    data = (built.build / "ledger.json").read_text()
    assert (built.build / "html" / "ledger.json").read_text() == data
    assert list(json.loads(data)["chapters"]) == ["part/alpha", "part/beta"]
    status = words(page(built, "status").select_one("article"))
    assert "The first chapter fresh 1" in status
    assert not alpha.select(".claims script")
    node = page(built, "theorems").select_one("svg a[data-label=thm-toy]")
    assert node is not None
    assert "Theorem 1.1" in words(node)  # the number that the renderer gave it


def test_the_reference(built: Project) -> None:
    """A function without its entry, its formula, its links there and back."""
    entries = page(built, "library/toy")
    entry = entries.select_one("dl:has(> dt#toy\\.draw\\.estimates)")
    assert entry is not None
    assert r"\(\frac{1}{2}\)" in words(entry)
    assert "Computed with it: Theorem 1.1" in words(entry)
    links = {str(a["href"]) for a in entries.select("article a.reference")}
    assert {"#toy.draw.estimates", "#toy.estimate.exact", "../part/alpha.html#thm-toy"} <= links
    assert not any("random" in link for link in links)  # another library's: a word
    assert page(built, "theorems").select_one("a[href='library/toy.html#toy.draw.estimates']")
    toy.edit(built.lib / "toy" / "draw.py", ":class:`random.Random`", ":class:`random.Nosuch`")
    assert "py:class reference target not found: random.Nosuch" in refused(built)


def test_a_stale_page_says_so(built: Project) -> None:
    """A reader who takes an old page for the present one, or misses the run at papers' scale."""
    reasons = ["lib/toy/draw_it.py changed", "parameter p changed"]
    old = runs(built)["part/alpha"]
    far = with_claims({**old.note, "profile": "paper", "seconds": 386.4})
    for path, text in to_keep(built.book, far).items():
        write_atomically(path, text)
    render(built, "book", runs(built), {"part/alpha": reasons})
    alpha = page(built, "part/alpha")
    banner = alpha.select_one("article .admonition.warning")
    assert banner is not None
    assert "This page is out of date: lib/toy/draw_it.py changed ; parameter p changed" in words(
        banner
    )
    # Below the title, above the text.
    title = alpha.select_one("article h1")
    assert title is not None
    assert title.find_next(class_="warning") is banner
    assert page(built, "part/beta").select_one("article .warning") is None
    status = words(page(built, "status"))
    assert "stale: lib/toy/draw_it.py changed" in status
    box = alpha.select_one("article details.sd-dropdown")
    assert box is not None
    assert words(box).startswith("At the papers’ own scale Computed on ")
    assert f"thm-toy.decay ✓ holds {old.claims[0]['measured']} ✓ holds" in words(box)
    assert page(built, "part/beta").select_one("article details.sd-dropdown") is None
    assert ", 386 s" in status
    assert "not run" in status


def test_what_the_builder_warns_of_is_fatal(built: Project) -> None:
    """A page with holes: a missing number, a dead reference, a warning among the results."""
    toy.edit(
        built.book / "intro.md",
        "chapters.",
        "chapters.\n\n{glue:text}`book/part/beta.ipynb::nosuch:.2f` {cite:t}`nobody1999` "
        "{eq}`eq-nowhere` {prf:ref}`thm-nowhere` {doc}`nowhere` [x](#nowhere)",
    )
    config = yaml.safe_load((built.root / "_config.yml").read_text())
    config["sphinx"]["config"]["no_such_option"] = 1
    (built.root / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    said = refused(built)
    assert said.startswith("jupyter-book warns:\n")
    for part in (
        *("nosuch", "nobody1999", "eq-nowhere", "thm-nowhere", "nowhere'"),
        "no_such_option",
    ):
        assert part in said, part
    assert "book/intro.md:5" in said


def test_tex_that_does_not_typeset_is_fatal(built: Project) -> None:
    """A formula that shows as red source: in the text, a number's line, a box, a caption."""
    toy.edit(
        built.book / "intro.md",
        "chapters.",
        r"""chapters with $\inline$.

$$
\display
$$

$$
\numbered
$$ (eq-bad)

$$
\begin{aligned}
\aligned &= 1
\end{aligned}
$$

\begin{align}
\amsone &= 1 \\
\amstwo &= 2
\end{align}

```{math}
:label: eq-directive
\directive
```

```{prf:theorem} Named $\titled$
:label: thm-bad
It has $\boxed{\theorem$.
```

```{figure} _static/logo.svg
:alt: a logo
:name: fig-bad
A caption with $\caption$.
```

See {eq}`eq-bad`, {prf:ref}`thm-bad`.
""",
    )
    said = refused(built)
    assert said.startswith("the rendered pages need mending:\n")
    problems = said.splitlines()[1:]
    assert all(p.startswith("book/intro.html: TeX does not typeset: ") for p in problems)
    for name in ("inline", "display", "numbered", "aligned", "amsone", "directive", "titled"):
        assert any(f"\\{name}" in problem for problem in problems), name
    assert any("\\boxed" in problem for problem in problems)
    assert any("\\caption" in problem for problem in problems)


def test_executed_chapters_are_checked_first(built: Project) -> None:
    """A figure without words, found by a reader."""
    path = executed_path(built, "book", "part/alpha")
    found = runs(built)
    notebook = found["part/alpha"].notebook
    for cell in notebook.cells:
        cell.metadata.pop("mystnb", None)
    found["part/alpha"] = Run(path, notebook, found["part/alpha"].note)
    with pytest.raises(BuildError, match=r"need mending:\nbook/part/alpha, cell \d+: shows a fig"):
        render(built, "book", found, {})


def test_only_what_changed_is_rendered(built: Project) -> None:
    """Seconds for nothing; a changed word, picture, setting or claim that no reader sees."""
    index = built.build / "html" / "index.html"

    def renders(stale: dict[str, Sequence[str]] | None = None) -> bool:
        before = index.stat().st_ino
        assert render(built, "book", runs(built), stale or {}) == index
        return index.stat().st_ino != before

    assert not renders()
    (built.lib / "toy.egg-info").mkdir()  # as an editable install leaves it
    (built.lib / "toy.egg-info" / "PKG-INFO").write_text("Name: toy\n")
    assert not renders()
    toy.edit(built.book / "part" / "beta.md", "There are three.", "There are exactly three.")
    toy.edit(built.book / "part" / "alpha.md", "A dot, ", "A small dot, ")
    toy.edit(built.book / "part" / "alpha.md", "alt: a single dot", "alt: one dot")
    toy.edit(built.book / "part" / "alpha.md", "Shrinking $", "Shrinkage $")
    assert renders()
    assert not renders()
    assert "There are exactly three." in words(page(built, "part/beta"))
    alpha = page(built, "part/alpha")
    figure = alpha.select_one("figure")
    assert figure is not None
    assert "A small dot" in words(figure)
    assert 'alt="one dot"' in str(figure)
    assert r"Shrinkage \(\ell_2\)" in words(alpha.select_one("table.claims caption"))
    assert r"Shrinkage \(\ell_2\)" in words(page(built, "ledger"))
    for file in ("book/_static/book.css", "_config.yml"):
        with (built.root / file).open("a") as text:
            text.write("\n\n")
        assert renders(), file
    # What was lost or torn since is made again.
    (built.build / "html" / "book" / "status.html").write_text("torn")
    assert renders()

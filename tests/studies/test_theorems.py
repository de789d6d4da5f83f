"""Tests of the map of theorems: what is read from the pages, and where it is drawn."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from bs4 import BeautifulSoup

from studies.build.drawing import HEIGHT, ROW, WIDTH, drawing, shape
from studies.build.entries import (
    STATUSES,
    Entry,
    circle,
    entries,
    functions_of,
    numbers_of,
    places_of,
)
from studies.build.project import Chapter, Project, Statement
from studies.build.theorems import theorems_page
from tests.studies import toy

PAGE = (
    toy.FRONT
    + r"""# A page

```{code-cell} ipython3
:tags: [parameters]
```

```{prf:definition} Small (ours)
:label: def-small
It is small.
```

````{prf:theorem} Shrinking $\ell_2$ (Theorem 1 of Someone, repaired)
:class: wide
:label: thm-small
In the sense of {prf:ref}`def-small`.
```{math}
:label: eq-inside
x
```
````

````{dropdown} Proof: two lines
By {prf:ref}`the lemma <lem-far>` and {prf:ref}`thm-small` itself. $\square$
````

````{dropdown} How we know this could fail
Unlike {prf:ref}`prop-other`.
````

```{prf:lemma} Alone (after Lemma 2 of Someone)
:label: lem-alone
True.
```

````{dropdown} Why it is so
By hand. $\square$
````

```{code-cell} ipython3
from studies.page import claim, claims, exactly
from toy import estimate, draw as throw
from toy.draw import estimates
```

```{code-cell} ipython3
measured = estimates(1, 2, 3)
unrelated = estimate.other(1)
```

```{code-cell} ipython3
claims("thm-small", claim("x", throw.law.mean(measured), exactly(3), "three"),
       kind="identity", over="x")
```
"""
)


@pytest.fixture
def chapter(bare: Project) -> Chapter:
    """The page above, in the toy book."""
    (bare.book / "part" / "alpha.md").write_text(PAGE, encoding="utf8")
    return bare.chapter("part/alpha")


def test_what_a_statement_uses(chapter: Chapter) -> None:
    """A reference of the proof unseen, one of another fold taken for it, a use of itself."""
    found = chapter.statements
    assert found == {
        "def-small": Statement("definition", "Small (ours)", "ours"),
        "thm-small": Statement(
            "theorem",
            r"Shrinking $\ell_2$ (Theorem 1 of Someone, repaired)",
            "Theorem 1 of Someone, repaired",
            proved=True,
            uses=("def-small", "lem-far"),
        ),
        "lem-alone": Statement(
            "lemma", "Alone (after Lemma 2 of Someone)", "after Lemma 2 of Someone", proved=True
        ),
    }


def test_what_claims_compute_with(bare: Project, chapter: Chapter) -> None:
    """A function that the claims' numbers come from unnamed, or one that has no part in them."""
    assert functions_of(bare, [chapter]) == {
        "thm-small": ["toy.draw.estimates", "toy.draw.law.mean"]
    }


def test_a_circle_is_found() -> None:
    """Two theorems that are proved by one another."""
    proved = {
        label: Statement("lemma", label, "ours", True, (uses,)) for label, uses in ("ab", "bc")
    }
    assert circle(proved) == []
    round_trip = circle({**proved, "c": Statement("lemma", "c", "ours", True, ("a",))})
    assert round_trip[0] == round_trip[-1]
    assert {"a", "b", "c"} == set(round_trip)


def entry(label: str, *uses: str, origin: str = "ours", **verdicts: int) -> Entry:
    statement = Statement("lemma", f"Title of {label} ({origin})", origin, True, uses)
    return Entry(label, "part/alpha", statement, f"Lemma {label}", verdicts, [])


def test_how_a_statement_stands() -> None:
    """A repaired theorem drawn as printed; a failing claim behind one that holds."""
    origins = {
        "ours": "ours",
        "after Lemma 2 of Someone": "after",
        "after Someone, sharper": "sharper",
        "Theorem 1 of Someone, repaired": "repaired",
        "Theorem 1 of Someone, as printed": "as printed",
        "after the theorem of Someone, reconstructed": "reconstructed",
    }
    assert {origin: entry("a", origin=origin).status for origin in origins} == origins
    assert len({shape(status) for status in STATUSES}) == len(STATUSES)  # not by colour alone
    assert entry("a").stands == "none"
    assert entry("a", holds=3).stands == "holds"
    assert entry("a", holds=3, undecided=1).stands == "undecided"
    assert entry("a", holds=3, undecided=1, fails=1).stands == "fails"
    assert entry("a").title == "Title of a"


def test_the_drawing() -> None:
    """A node upon another or above what it uses; a line through a node that it does not touch."""
    labels = [f"x{i}" for i in range(30)]
    found = {
        label: entry(label, *(f"x{j}" for j in (i // 2, i // 3, i - 7) if 0 <= j < i), holds=1)
        for i, label in enumerate(labels)
    }
    found |= {"far": entry("far"), "x0": entry("x0", "far"), "alone": entry("alone")}
    drawn = drawing([label for label in found if label != "far"], found)
    at = {node["entry"].label: (node["x"], node["y"]) for node in drawn["nodes"]}
    assert set(at) == set(found)
    assert [n["entry"].label for n in drawn["nodes"] if n["elsewhere"]] == ["far"]
    assert drawn["alone"] == 1
    for (x, y), (u, v) in combinations(at.values(), 2):
        assert abs(x - u) >= WIDTH or abs(y - v) >= HEIGHT
    for x, y in at.values():
        assert 0 <= x <= drawn["width"] - WIDTH
        assert 0 <= y <= drawn["height"] - HEIGHT
    assert len(drawn["edges"]) == sum(len(it.statement.uses) for it in found.values())
    for edge in drawn["edges"]:
        assert at[edge["from"]][1] < at[edge["to"]][1]
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", edge["path"])]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        # The ends of the curve's pieces; those that run down a row pass between its nodes.
        for (x, top), (_, bottom) in pairwise([points[0], *points[3::3]]):
            for label, (left, upper) in at.items():
                if label not in (edge["from"], edge["to"]) and bottom - top < ROW - HEIGHT + 60:
                    inside = top <= upper and bottom >= upper + HEIGHT
                    assert not (inside and left < x < left + WIDTH), (edge, label)


def test_the_page_says_all_of_each(bare: Project) -> None:
    """A node without link or name; a list that misses what the drawing shows."""
    html = bare.build / "html"
    (html / "book" / "part").mkdir(parents=True)
    (html / "book" / "library").mkdir()
    page = (
        '<div class="proof theorem admonition" id="thm-toy">\n<p class="admonition-title">'
        '<span class="caption-number">Theorem 1.1 </span>'
    )
    (html / "book" / "part" / "alpha.html").write_text(page)
    (html / "book" / "part" / "beta.html").write_text("")
    (html / "book" / "library" / "toy.html").write_text(
        '<dt class="sig sig-object py" id="toy.draw.estimates">'
    )
    toy.edit(bare.book / "part" / "beta.md", "There are three.", "Three, by {prf:ref}`thm-toy`.")
    claims = {"part/alpha": [{"id": "thm-toy.decay", "verdict": "holds"}], "part/beta": []}
    numbers = numbers_of(html, list(claims))
    assert numbers == {"thm-toy": "Theorem 1.1"}
    found = entries(bare, claims, numbers)
    titles = {"part/alpha": "A & B", "part/beta": "B"}
    soup = BeautifulSoup(theorems_page(bare, found, titles, places_of(html)), "html.parser")
    (drawn,) = soup.select("figure svg")
    nodes = {str(a["data-label"]): a for a in drawn.select("a")}
    assert nodes["thm-toy"]["href"] == "part/alpha.html#thm-toy"
    assert (
        nodes["thm-toy"]["aria-label"]
        == "Theorem 1.1, Shrinking ell_2: as printed; all claims on it hold"
    )
    assert "no claim stands on it" in str(nodes["prop-count"].title)
    assert [(p["data-from"], p["data-to"]) for p in drawn.select("path[data-from]")] == [
        ("thm-toy", "prop-count")
    ]
    rows = [row.get_text(" ", strip=True).replace("\n", " ") for row in soup.select("tbody tr")]
    assert [" ".join(row.split()) for row in rows] == [
        r"Theorem 1.1 Shrinking \(\ell_2\) Theorem 1 of Someone, as printed ✓ 1 holds – "
        "Proposition 1 draw.estimates",
        "Proposition 1 Counting ours none Theorem 1.1 – estimate.exact , late.three",
    ]
    link = soup.select_one("td a[href='library/toy.html#toy.draw.estimates']")
    assert link is not None

"""Tests of the checks of the sources."""

from __future__ import annotations

import pytest
import yaml

from studies.checks.sources import check_sources
from studies.project import Project
from tests.studies import toy


def said(project: Project) -> list[str]:
    return [str(problem) for problem in check_sources(project)]


def test_good_sources_pass(bare: Project) -> None:
    """A false alarm on the toy book, which uses the real configuration."""
    assert said(bare) == []


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("titel", "titel"),
        ("execute.execute_notebook", "execute.execute_notebook"),
        ("html.favicn", "html.favicn"),
        ("html.analytics.id", "html.analytics.id"),
        ("parse.myst_extensions", "parse.myst_extensions"),
        ("sphinx.confg", "sphinx.confg"),
        ("launch_buttons.theb", "launch_buttons.theb"),
    ],
)
def test_unknown_configuration(bare: Project, path: str, key: str) -> None:
    """A misspelt key, which jupyter-book ignores without a word."""
    file = bare.root / "_config.yml"
    config = yaml.safe_load(file.read_text())
    *above, last = path.split(".")
    place = config
    for step in above:
        place = place.setdefault(step, {})
    place[last] = True
    file.write_text(yaml.safe_dump(config))
    assert said(bare) == [f"_config.yml: unknown key {key}: jupyter-book would ignore it"]


def test_keys_that_are_free(bare: Project) -> None:
    """A false alarm on names that the author chooses."""
    file = bare.root / "_config.yml"
    config = yaml.safe_load(file.read_text())
    config["parse"]["myst_substitutions"] = {"name": "value"}
    config["sphinx"]["config"]["anything"] = {"at": "all"}
    file.write_text(yaml.safe_dump(config))
    assert [problem for problem in said(bare) if "name" in problem or "any" in problem] == []


def test_table_of_contents(bare: Project) -> None:
    """A page that no reader would find, one that is missing, one that comes twice."""
    (bare.book / "part" / "forgotten.md").write_text("# Forgotten\n")
    (bare.book / "_drafts").mkdir()
    (bare.book / "_drafts" / "draft.md").write_text("# Draft\n")
    toy.edit(bare.root / "_toc.yml", "book/part/beta", "book/part/gamma")
    toy.edit(bare.root / "_toc.yml", "book/references", "book/intro")
    assert said(bare) == [
        "book/part/beta.md: is not in _toc.yml: no reader would find it",
        "book/part/forgotten.md: is not in _toc.yml: no reader would find it",
        "book/references.md: is not in _toc.yml: no reader would find it",
        "_toc.yml: lists book/part/gamma, which does not exist",
        "_toc.yml: lists book/intro twice",
    ]


def test_pages_for_the_tables(bare: Project) -> None:
    """A build that executes everything and then finds no place for the ledger."""
    toy.edit(bare.book / "ledger.md", "<!-- ledger -->", "")
    (bare.book / "status.md").unlink()
    assert said(bare)[1:] == [
        "book/ledger.md: needs the line <!-- ledger -->, where its table belongs",
        "book/status.md: needs the line <!-- status -->, where its table belongs",
    ]


@pytest.mark.parametrize(
    ("old", "new", "at", "what"),
    [
        (
            "We cite",
            "We measured 0.31 and cite",
            "We measured",
            "0.31 is typed by hand in a sentence",
        ),
        (
            'caption: "A dot',
            'caption: "We measured 7 dots',
            "picture()",
            "7 is typed by hand in a caption",
        ),
        (
            "alt: a single dot",
            "alt: we see 7 dots",
            "picture()",
            "7 is typed by hand in a caption or alt",
        ),
        (
            "picture()\n",
            "picture()\nclass A: pass\n",
            "class A",
            "defines a class; classes belong in",
        ),
        ("picture()\n", 'picture()\nx = "mnist"\n', "x = ", "names the data set 'mnist' outside"),
        (
            'claim("thm-toy.decay"',
            'box = claim("thm-toy.decay"',
            "box = ",
            "makes a claim that is not shown, so it would be lost",
        ),
        ("# The first chapter", "## The first chapter", None, "need a first line `# Title`"),
    ],
)
def test_chapters(bare: Project, old: str, new: str, at: str | None, what: str) -> None:
    """A rule of the house that a chapter breaks without a word, or a message without its line."""
    path = bare.book / "part" / "alpha.md"
    toy.edit(path, old, new)
    (problem,) = said(bare)
    where = "book/part/alpha.md: "
    if at:
        lines = path.read_text().split("\n")
        line = next(i for i, text in enumerate(lines, start=1) if text.startswith(at))
        where = f"book/part/alpha.md:{line}: "
    assert problem.startswith(where)
    assert what in problem


@pytest.mark.parametrize(
    ("code", "lost"),
    [
        ("claim('a.b')", 0),
        ("display(claim('a.b'))\ndisplay(claim('a.c'))", 0),
        ("for i in range(3):\n    display(claim('a.b'))", 0),
        ("claim('a.b')\nclaim('a.c')", 1),
        ("for i in range(3):\n    claim('a.b')", 1),
        ("claim('a.b')\nx = 1", 1),
        ("[claim('a.b'), claim('a.c')]", 2),
        ("def claims():\n    return 1\nclaims()\nx = 2", 0),
    ],
)
def test_claims_must_be_shown(bare: Project, code: str, lost: int) -> None:
    """The first of two claims in a cell, which neither page nor ledger would ever see."""
    (bare.book / "part" / "alpha.md").write_text(toy.chapter(code))
    assert len([p for p in said(bare) if "makes a claim that is not shown" in p]) == lost


@pytest.mark.parametrize(
    ("code", "found"),
    [
        *(("math.floor(half)", 1), ("from math import floor\nfloor(half)", 1)),
        *(("np.floor(share * n)", 1), ("int(share * len(x) + 1e-9)", 1), ("share * n // 1", 1)),
        *(("int(-(share * n))", 1), ("x[: int(n * share)]", 1)),
        *(("np.floor(low)", 0), ("int((x > 2 * y).sum())", 0), ("int(2 * n // 3)", 0)),
        *(("count(share, n)", 0), ("(x * levels).floor()", 0), ("n // 2", 0), ("int(x)", 0)),
    ],
)
def test_shares_are_counted_exactly(bare: Project, code: str, found: int) -> None:
    """113 of 200 for a share of 0.57; a false alarm on limits, sums, whole numbers, grids."""
    (bare.book / "part" / "alpha.md").write_text(toy.chapter(code))
    assert len([p for p in said(bare) if "need an exact count of a share" in p]) == found


@pytest.mark.parametrize(
    ("label", "missing"), [("thm-toy.other", 0), ("thm-other.decay", 1), ("thm-toy-2.decay", 1)]
)
def test_claims_belong_to_a_statement_of_their_page(
    bare: Project, label: str, missing: int
) -> None:
    """A box whose link leads nowhere, found only after the chapter has run."""
    toy.edit(bare.book / "part" / "alpha.md", 'claim("thm-toy.decay"', f'claim("{label}"')
    what = f"claims {label}, but no statement here has `:label: {label.partition('.')[0]}`"
    assert [problem.partition(": ")[2] for problem in said(bare)] == [what] * missing


def test_data_sets_belong_to_the_parameters(bare: Project) -> None:
    """A false alarm on the parameters cell itself."""
    text = toy.chapter("load(data)", parameters="data: DatasetName = 'mnist'  # which data")
    (bare.book / "part" / "alpha.md").write_text(text)
    (bare.book / "profiles.yml").write_text("book:\n")
    assert said(bare) == []


def test_every_profile_is_checked(bare: Project) -> None:
    """A paper profile that is found broken on the day somebody has the hours to run it."""
    (bare.book / "profiles.yml").write_text(
        "book:\nsmoke: {part/gamma: {}}\npaper: {part/alpha: {p: 2}}"
    )
    assert said(bare) == [
        "book/profiles.yml: profile smoke names no chapter part/gamma",
        "book/profiles.yml: profile paper, chapter part/alpha: p = 2 is refused: "
        "need a number with 0 < p < 1 (chance that a weight is kept)",
    ]

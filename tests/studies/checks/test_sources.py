"""Tests of the checks of the sources."""

from __future__ import annotations

import pytest

from studies.build.checks.sources import check_sources
from studies.build.project import Project
from tests.studies import toy


def said(project: Project) -> list[str]:
    return [str(problem) for problem in check_sources(project)]


def test_good_sources_pass(bare: Project) -> None:
    """A false alarm on the toy book, which uses the real configuration."""
    assert said(bare) == []


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
            'claims("thm-toy"',
            'box = claims("thm-toy"',
            "box = ",
            "makes claims that are not shown, so they would be lost",
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


ONE = "claims('thm-toy', claim('b'))"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (ONE, None),
        (f"display({ONE})\ndisplay({ONE})", None),
        (f"for i in range(3):\n    display({ONE})", None),
        ("claims('thm-toy', *(claim(f'b-{i}') for i in range(3)))", None),
        ("def reclaim():\n    return 1\nreclaim()\nx = 2", None),
        (f"{ONE}\n{ONE}", "makes claims that are not shown"),
        (f"for i in range(3):\n    {ONE}", "makes claims that are not shown"),
        (f"{ONE}\nx = 1", "makes claims that are not shown"),
        ("claim('b')", "makes a claim outside claims(…)"),
        ("row = claim('b')\nclaims('thm-toy', row)", None),
        ("rows = [claim('b')]\nclaims('thm-toy', *(rows if p else []))", None),
        ("row = claim('b')\nclaims('thm-toy', claim('c'))", "makes a claim outside claims(…)"),
        (
            ONE.replace("thm-toy", "thm-toy-2"),
            "claims thm-toy-2, but no statement here has `:label: ",
        ),
        (ONE.replace("'thm-toy'", "f'thm-{x}'"), "computes the label of claims; type it out"),
    ],
)
def test_claims_are_shown_in_the_table_of_a_statement(
    bare: Project, code: str, what: str | None
) -> None:
    """The first of two tables in a cell, which nobody would see; a head that links nowhere."""
    toy.edit(bare.book / "part" / "alpha.md", "picture()\n```", f"{code}\n```")
    toy.edit(bare.book / "part" / "alpha.md", "from toy.picture import picture\n", "")
    problems = [problem.partition(": ")[2] for problem in said(bare)]
    assert len(problems) == (what is not None)
    assert all(problem.startswith(str(what)) for problem in problems)


@pytest.mark.parametrize(
    ("title", "good"),
    [
        *(("(Theorem 2 of A et al., repaired)", 1), ("(after Lemma 12 of A et al.)", 1)),
        *(("at $n^{-1}$ (ours)", 1), ("(Equation (7) of A, ours)", 0), ("", 0), ("(Theorem 2)", 0)),
        *(("(Theorem 2 of A et al., proved)", 0), ("(ours) again", 0), ("(after )", 0)),
    ],
)
def test_a_statement_says_where_it_comes_from(bare: Project, title: str, good: bool) -> None:
    """A theorem of ours under a paper's name; a repaired one that passes for the printed one."""
    toy.edit(bare.book / "part" / "beta.md", "Counting (ours)", f"Counting {title}".strip())
    problems = said(bare)
    assert [p.startswith("book/part/beta.md, prop-count: the title ") for p in problems] == (
        [] if good else [True]
    )


@pytest.mark.parametrize(
    "kind",
    ["theorem", "proposition", "lemma", "corollary", "definition", "algorithm", "observation"],
)
def test_no_kind_of_statement_is_exempt(bare: Project, kind: str) -> None:
    """A lemma without a title, or one that no label names, whose origin nobody asks for."""
    block = f"```{{prf:{kind}}}\n:class: dropdown\n:label: other\nYes.\n```"
    toy.edit(bare.book / "part" / "beta.md", "```{prf:", f"{block}\n\n```{{prf:")
    (untitled,) = said(bare)
    assert untitled.startswith("book/part/beta.md, other: the title '' does not end in")
    toy.edit(bare.book / "part" / "beta.md", "}\n:class: dropdown\n:label: other", "} All (ours)")
    assert said(bare) == [f"book/part/beta.md: the {kind} 'All (ours)' has no `:label:`"]


@pytest.mark.parametrize("file", ["book/part/alpha.md", "book/intro.md", "lib/toy/unused.py"])
@pytest.mark.parametrize("byte", ["\f", "\v", "\x00", "\x1b", "\x7f", "\rx"])
def test_control_bytes(bare: Project, file: str, byte: str) -> None:
    r"""A form feed where `\f` of `\frac` was meant, which no eye and no diff shows."""
    with (bare.root / file).open("a", newline="") as text:
        text.write(f"\n\t# a {byte}rac\r\n")
    number = len((bare.root / file).read_bytes().split(b"\n")) - 1
    (problem,) = said(bare)
    assert problem.startswith(f"{file}:{number}: holds the control byte 0x{ord(byte[0]):02x}; ")


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
    ("cell", "what"),
    [
        ('kept("toy-means")', None),
        ("kept = 3\nother.kept(name)\nkept + 1", None),
        ('name = "x"\nkept(name)', "computes the name of a kept result; type it out"),
        ('kept(f"toy-{p}")', "computes the name of a kept result; type it out"),
        ('kept(name="toy")', "computes the name of a kept result; type it out"),
        ("import studies.page\nstudies.page.kept(*['x'])", "computes the name of a kept result"),
        ("from studies.page import kept as old\nold('x')", "imports kept under another name"),
    ],
)
def test_names_are_typed_out(bare: Project, cell: str, what: str | None) -> None:
    """A file that the page depends on and its fingerprint does not see."""
    (bare.book / "part" / "beta.md").write_text(toy.chapter(cell))
    problems = said(bare)
    assert len(problems) == (what is not None)
    assert all(p.startswith("book/part/beta.md:") and str(what) in p for p in problems)


def test_data_sets_belong_to_the_parameters(bare: Project) -> None:
    """A false alarm on the parameters cell itself."""
    text = toy.chapter("load(data)", parameters="data: DatasetName = 'mnist'  # which data")
    (bare.book / "part" / "alpha.md").write_text(text)
    (bare.book / "profiles.yml").write_text("book:\n")
    assert said(bare) == []


def test_every_profile_is_checked(bare: Project) -> None:
    """A paper profile that is found broken on the day somebody has the hours to run it."""
    (bare.book / "profiles.yml").write_text(
        "book:\nsmoke: {part/gamma: {}}\npaper: {part/alpha: {p: 2}}\n"
        "more: {part/alpha: {seeds: [1, 2], draws: 21}}"
    )
    assert said(bare) == [
        "book/profiles.yml: profile smoke names no chapter part/gamma",
        "book/profiles.yml: profile paper, chapter part/alpha: p = 2 is refused: "
        "need a number with 0 < p < 1, from 0.000001 to 0.999999 (chance that a weight is kept)",
        "book/profiles.yml: profile more, chapter part/alpha: draws = 21, seeds = [1, 2] "
        "are refused: need at most ten draws a seed (draws <= 10 * len(seeds))",
    ]

"""Tests of the check for numbers typed by hand."""

from __future__ import annotations

import pytest

from studies.build.checks.prose import typed_numbers

CAUGHT = [
    ("We measured 0.31 nats.", "0.31"),
    ("We measured $0.31$ nats.", "0.31"),
    ("We measured $\\Delta = 3$ nats.", "3"),
    ("We measured $p \\approx \\frac{1}{2}$.", "1"),
    ("We measured $10^{-3}$ nats.", "10"),
    ("We measured $2\\cdot 10^{-3}$ nats.", "2"),
    ("We measured $5\\,\\mathrm{nats}$.", "5"),
    ("The measurements give 3 %.", "3"),
    ("Measuring gives 1,5.", "1,5"),
    ("On average it is 2 times wider.", "2"),
    ("We found 12 of them.", "12"),
    ("The slope turns out to be −2.1.", "2.1"),
    ("Δ falls by 40 percent.", "40"),
    ("In our experiments all 5 agree.", "5"),
    ("Our networks reach 97 percent.", "97"),
    ("We measured approx. 0.31 nats.", "0.31"),
    ("We measured approx. $0.31$ nats.", "0.31"),
    ("By Proposition 18 we measured 0.31.", "0.31"),
    ("In Section 3.2 we measured 0.31.", "0.31"),
    ("We measured [0.31](#fig) nats.", "0.31"),
    ("We measured p < 0.31 and q > r.", "0.31"),
    ("We measured {glue:text}`x:.2f` and 0.31.", "0.31"),
    ("- We measured 0.31.", "0.31"),
    ("1. We measured 0.31.", "0.31"),
    ("> We measured 0.31.", "0.31"),
    ("**We measured** about **0.31**.", "0.31"),
]

FREE = [
    "Proposition 18 bounds what we measured.",
    "We measure what Theorem 2.1, Corollary 5 and Lemmas 3–4 bound.",
    "We measure it in Figures 1, 2 and 3a, Eq. (7), Fig. 2, Prop. 19/22, § 4 and Table 5.",
    "We measured the error of layer 1 and page 7.",
    "We measured $\\ell_2$, $W_1$, $x^2$ and $\\lVert x \\rVert_{2,1}$.",
    "We measured the share $1 - p$ and $\\frac{1}{2} \\lVert x \\rVert$ of $2n$ draws.",
    "We measured {glue:text}`mean:.3f` nats (see {numref}`fig-1` and {cite:t}`wan2024`).",
    "We measured `p=0.31` in code.",
    "We measured [this](https://example.org/31) and https://example.org/31.",
    'We measured <span title="31">this</span>.',
    "We measured on CIFAR-10 and ECG5000 in float64 with W1.",
    "The bound is 0.31.",
    "It has 64 units. We measured the loss.",
    "1. We measured the loss.",
    "The 3 networks are wide. In 2024 it was shown.",
    "# We measured 0.31",
    "(we-measured-31)=",
    "---\ntitle: we measured 31\n---\nText.",
    "| width | 31 |\n| we measured | x |",
    "- It has 64 units\n- we measured the loss",
    "It has 64 units\n\nwe measured the loss",
    "```python\nx = 31  # we measured\n```",
    "```\nwe measured 31\n```\n",
    "```{code-cell} ipython3\n:tags: [we, measured, 31]\nx = 31  # we measured\n```",
    "~~~\nwe measured 31\n~~~",
    "````{note}\n```\nwe measured 31\n```\n````",
    "```{math}\n31 \\text{ we measured}\n```",
    "$$\n31 = \\text{we measured}\n$$",
    "$$ 31 = \\text{we measured} $$ (eq-31)",
    "\\begin{align}\n31 &= \\text{we measured}\n\\end{align}",
    ":::{figure} measured-31.png\n:width: 31\nWhat we measured.\n:::",
    "% We measured 0.31.",
    "% typed-number: the paper's own, quoted\nWe measured 0.31.",
    "% typed-number: the paper's own, quoted\nWe measured\n0.31 and 0.32.",
]


@pytest.mark.parametrize(("text", "numeral"), CAUGHT)
def test_typed_results_are_caught(text: str, numeral: str) -> None:
    """A result that will one day be wrong, hidden in a formula, a list, a link."""
    assert [found for _, found in typed_numbers(text)] == [numeral]


@pytest.mark.parametrize("text", FREE)
def test_other_numerals_are_free(text: str) -> None:
    """A false alarm on names, symbols, code, citations or reports without numbers."""
    assert list(typed_numbers(text)) == []


def test_lines_are_those_of_the_file() -> None:
    """A message that sends the author to the wrong line."""
    text = "# Title\n\nIn a sentence\nthat is wrapped we measured\nfull 0.31 nats.\nWe saw 7.\n"
    assert list(typed_numbers(text)) == [(5, "0.31"), (6, "7")]
    assert list(typed_numbers("We see\r\n\r\nWe see 3.\r\n")) == [(3, "3")]


def test_text_inside_directives_is_prose() -> None:
    """A box, a dropdown or a proof in which anything may be typed; text after code left out."""
    text = (
        ":::{note}\nWe measured 1.\n:::\n"
        "````{dropdown} Proof\n```{prf:proof}\nWe measured 2.\n```\nWe measured 3.\n````\n"
        "```\ncode\n```\nWe measured 4.\n"
        "```inline 5``` we measured 6.\n"
        "$$\nx\n$$\nWe measured 7.\n"
    )
    assert list(typed_numbers(text)) == [
        *((2, "1"), (6, "2"), (8, "3"), (13, "4")),
        *((14, "6"), (18, "7")),
    ]


def test_an_excuse_needs_a_reason_and_covers_one_sentence() -> None:
    """A bare mark that silences the check, or one that silences it for the rest of the page."""
    assert list(typed_numbers("% typed-number:\nWe measured 3.")) == [(2, "3")]
    excused = "% typed-number: quoted\nWe measured 3.\nWe measured 4."
    assert list(typed_numbers(excused)) == [(3, "4")]

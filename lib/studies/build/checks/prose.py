r"""Numbers typed by hand in sentences that report a result.

A measured number in the text must come from a cell (the glue role), or it will
one day be wrong.  A sentence counts as a report if it says so with one of the
words below; numerals in it are allowed only as names (Proposition 18, Figure 2,
layer 1, CIFAR-10), inside formulas that state no value ($1 - p$, $\ell_2$), in
code, in link targets, in citations.  A sentence that must break the rule says
why: ``% typed-number: reason``, on the line above it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

REPORTS = re.compile(
    r"\b(measur(ed?|es|ing|ements?)|observe[sd]?"
    r"|we (find|found|see|saw|get|got|obtain(ed)?)|turns? out|came out|comes out|on average"
    r"|(falls?|fell|drops?|dropped|rises?|rose|grows?|grew|shrinks?|shrank) (by|from|to)"
    r"|our (networks?|experiments?|runs?)|in (this|our|the) (runs?|experiments?))\b",
    re.IGNORECASE,
)
EXCUSE = re.compile(r"% typed-number:\s*\S")

_NUMERAL = r"\(?\d+(\.\d+)*[a-z]?\)?"
_NOT_PROSE = [
    re.compile(r"\{[\w:-]+\}`[^`]*`"),  # roles: glue, eq, cite, numref
    re.compile(r"`[^`]*`"),
    re.compile(r"(?<=\])\([^)]*\)|https?://\S+"),
    re.compile(r"<[!/a-zA-Z][^>]*>"),
    re.compile(
        r"(\b(Propositions?|Theorems?|Corollar(y|ies)|Lemmas?|Algorithms?|Equations?|Figures?|"
        r"Sections?|Exercises?|Slips?|Parts?|Tables?|Chapters?|Assumptions?|Definitions?|Remarks?|"
        r"Examples?|Conditions?|Appendix|Step|pages?|layers?|networks? number)|"
        r"\b(Props?|Thms?|Cors?|Eqs?|Figs?|Secs?|p)\.|§)"
        rf"\s*{_NUMERAL}((,| and| or| to|–|/)\s*{_NUMERAL})*",
        re.IGNORECASE,
    ),
    re.compile(r"(?<!\\)\b[^\W\d_]+-?\d+\b(?![.,]\d)"),  # names: W1, CIFAR-10, float64
]
_FORMULA = re.compile(r"\$[^$]+\$")
_SCRIPTS = re.compile(r"[_^](\{[^{}]*\}|\\?\w+)")
# A formula with one of these states a value; commands that are no symbol of their own.
_STATES = re.compile(
    r"[=<>≈≤≥±]|\\%|\d[.,]\d|\\(approx|sim|simeq|leq?|geq?|pm|times|cdot|text|mathrm)(?![a-z])"
)
_LAYOUT = re.compile(r"\\([dt]?frac|left|right)(?![a-z])")

_FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})(.*)$")
_PROSE_DIRECTIVE = re.compile(r"\s*\{(?!code|math|raw|list-table|bibliography)")
_BLOCK_START = re.compile(r"(([-*+]|\d+\.)\s+|\||>)")
_NO_PROSE_LINE = re.compile(r"(:[\w-]+:|#|\(\S+\)=$|\+\+\+)")
_SENTENCE_END = re.compile(r"(?<=[.!?])[)\"”*_]*(?:\n|\s+(?=[A-Z]))")


def typed_numbers(markdown: str) -> Iterator[tuple[int, str]]:
    """Yield (line, numeral) for numerals typed in sentences of ``markdown`` that report."""
    for start, paragraph in _paragraphs(markdown):
        text = paragraph
        for pattern in _NOT_PROSE:
            text = pattern.sub(_blank, text)
        text = _SCRIPTS.sub(_blank, _FORMULA.sub(_blank_if_symbolic, text))
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        for begin, end in itertools.pairwise([0, *ends, len(text)]):
            found = re.search(r"\d+([.,]\d+)*", text[begin:end])
            if found and REPORTS.search(text[begin:end]):
                yield start + text.count("\n", 0, begin + found.start()), found.group()


def _blank(match: re.Match[str]) -> str:
    """Spaces in place of what matched; line ends stay, so that lines can be counted."""
    return re.sub(r"[^\n]", " ", match.group())


def _blank_if_symbolic(formula: re.Match[str]) -> str:
    text = _LAYOUT.sub("", formula.group())
    symbolic = re.search(r"[^\W\d_]", text) and not _STATES.search(text)
    return _blank(formula) if symbolic else formula.group()


def _paragraphs(markdown: str) -> Iterator[tuple[int, str]]:
    """Runs of prose lines with the number of their first; without excused sentences."""
    lines: list[str] = []
    first, excused = 0, False
    for number, line in [*_prose_lines(markdown), (0, "")]:
        if excused and line:
            # The excuse reaches to the end of the sentence.
            excused = not line.endswith((".", "!", "?"))
            continue
        starts = _BLOCK_START.match(line)
        if lines and (starts or not line or line.startswith("%")):
            yield first, "\n".join(lines)
            lines = []
        excused = bool(EXCUSE.match(line))
        if line and not line.startswith("%"):
            first = first if lines else number
            lines.append(line[starts.end() :] if starts else line)


def _prose_lines(markdown: str) -> Iterator[tuple[int, str]]:
    """Lines of prose; empty ones for whatever ends a paragraph, as code and formulas do."""
    fences: list[tuple[str, bool]] = []  # those open, outermost first; whether prose stands inside
    skip_to = ""
    for number, line in enumerate(markdown.splitlines(), start=1):
        stripped = line.strip()
        fence = _FENCE.match(line)
        if fences and fence and not fence.group(2).strip() and stripped.startswith(fences[-1][0]):
            fences.pop()
        elif fences and not fences[-1][1]:
            continue
        elif skip_to:
            skip_to = "" if skip_to in stripped else skip_to
        elif fence and not (fence.group(1)[0] == "`" and "`" in fence.group(2)):
            fences.append((fence.group(1), bool(_PROSE_DIRECTIVE.match(fence.group(2)))))
        elif number == 1 and stripped == "---":
            skip_to = "---"  # the front matter's end
        elif stripped.startswith("$$"):
            skip_to = "" if stripped.count("$$") > 1 else "$$"
        elif stripped.startswith(r"\begin{"):
            skip_to = "" if r"\end{" in stripped else r"\end{"
        elif not _NO_PROSE_LINE.match(stripped):
            yield number, stripped
            continue
        yield number, ""

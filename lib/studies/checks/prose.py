r"""Numbers typed by hand in sentences that report a result.

A measured number in the text must come from a cell (the glue role), or it will
one day be wrong.  A sentence counts as a report if it says so with one of the
words below; numerals in it are allowed only as names (Proposition 18, Figure 2,
layer 1), as sub- and superscripts of symbols, in code, in links, in citations.
A line that must break the rule says why: ``% typed-number: reason``, just above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

REPORTS = re.compile(
    r"\b(measur(ed?|es|ement)|observe[sd]?|we (find|found|see|saw|get|got|obtain(ed)?)"
    r"|turns? out|came out|comes out|on average|our (networks?|experiments?|runs?)"
    r"|in (this|our|the) (run|runs|experiment|experiments))\b",
    re.IGNORECASE,
)
EXCUSE = "% typed-number:"

_NOT_PROSE = [
    re.compile(r"\{[\w:-]+\}`[^`]*`"),  # roles: glue, eq, cite, numref
    re.compile(r"`[^`]*`"),
    re.compile(r"!?\[[^\]]*\]\([^)]*\)"),
    re.compile(r"<[^>]*>"),
    re.compile(r"[_^](\{[^{}]*\}|\\?\w+)"),  # sub- and superscripts
    re.compile(
        r"\b(Propositions?|Theorems?|Corollar(y|ies)|Lemmas?|Algorithms?|Equations?|Figures?|"
        r"Sections?|Exercises?|Slips?|Parts?|Tables?|layers?|networks? number)\s+"
        r"\(?\d+\)?((,| and| to|–)\s*\(?\d+\)?)*",
        re.IGNORECASE,
    ),
]
_FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})")


def typed_numbers(markdown: str) -> Iterator[tuple[int, str]]:
    """Yield (line, numeral) for numerals typed in sentences of ``markdown`` that report."""
    excused = False
    for number, line in _prose_lines(markdown):
        if line.startswith(EXCUSE):
            excused = True
            continue
        for sentence in re.split(r"(?<=[.!?])\s+", line):
            if excused or not REPORTS.search(sentence):
                continue
            for pattern in _NOT_PROSE:
                sentence = pattern.sub(" ", sentence)
            found = re.search(r"\d+([.,]\d+)*", sentence)
            if found:
                yield number, found.group()
        excused = False


def _prose_lines(markdown: str) -> Iterator[tuple[int, str]]:
    """Lines that are prose: no code blocks, no directive heads or options, no display math."""
    closing, in_math = "", False
    for number, line in enumerate(markdown.splitlines(), start=1):
        stripped = line.strip()
        if closing:
            closing = "" if stripped == closing else closing
        elif stripped.startswith("$$"):
            in_math = not in_math if stripped.count("$$") == 1 else in_math
        elif in_math:
            continue
        elif fence := _FENCE.match(line):
            # Text inside other directives is prose; code and formulas are not.
            if not re.match(r"\s*[`~:]{3,}\{(?!code|math|raw|list-table|bibliography)", line):
                closing = fence.group(1) if stripped != fence.group(1) else ""
        elif not re.match(r"\s*(:[\w-]+:|#|\(\S+\)=$)", line):
            yield number, stripped

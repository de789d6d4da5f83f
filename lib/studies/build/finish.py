"""Last touches on a rendered page, where the renderer leaves no place for them."""

from __future__ import annotations

import re

_FORMULA = r'<span class="math notranslate nohighlight">[^<]*</span>'
# A bracket before it, what ends a clause after it.
_GLUED = re.compile(rf"([(\[“]?)({_FORMULA})([-–.,;:!?)\]”’…]+)")
_CELL = re.compile(r'<div class="cell (?:(?!<div class="cell ).)*', re.DOTALL)
_FIGURE = re.compile(r'<span class="caption-number">Fig\. ([\d.]*\d)')
_PROMPT = re.compile(r"(Show|Hide) the code(?=</)")


def finished(page: str) -> str:
    """The page with formulas held to the marks around them, and folded code named by its figure."""
    page = _GLUED.sub(r'<span class="glued">\1\2\3</span>', page)
    return _CELL.sub(lambda cell: _named(cell.group()), page)


def _named(cell: str) -> str:
    """Whose code is folded: that of the cell's figure, or of its table."""
    if figure := _FIGURE.search(cell):
        return _PROMPT.sub(rf"\1 the code of figure {figure.group(1)}", cell)
    if '<table class="dataframe' in cell:
        return _PROMPT.sub(r"\1 the code of this table", cell)
    return cell

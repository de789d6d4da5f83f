"""Tests of the last touches on a page."""

from __future__ import annotations

from studies.build.finish import finished

MATH = r'<span class="math notranslate nohighlight">\(a &lt; b\)</span>'


def test_no_line_begins_with_a_comma() -> None:
    """A comma, a bracket or an ending that the browser may put on the next line."""
    assert finished(f"<p>If {MATH}, then ({MATH}) and {MATH} or {MATH}-stable.</p>") == (
        f'<p>If <span class="glued">{MATH},</span> then <span class="glued">({MATH})</span> and '
        f'{MATH} or <span class="glued">{MATH}-</span>stable.</p>'
    )


def test_folded_code_is_named_by_its_figure() -> None:
    """Ten times "Show the code" on a page, each of another figure."""

    def cell(inside: str) -> str:
        prompts = "<p>Show the code</p><p>Hide the code</p>"
        return f'<div class="cell tag_hide-input docutils container">{prompts}{inside}</div>\n'

    page = finished(
        cell("")
        + cell('<figure><span class="caption-number">Fig. 2.1 </span></figure>')
        + cell('<table class="dataframe"></table>')
    )
    assert [part.count("the code") for part in page.split("\n")] == [2, 2, 2, 0]
    assert page.count("<p>Show the code</p>") == 1
    assert "<p>Show the code of figure 2.1</p><p>Hide the code of figure 2.1</p>" in page
    assert "<p>Show the code of this table</p>" in page

"""Tests of the audit's page: can one decide on a layer by it, and is nothing hidden or broken?"""

from __future__ import annotations

import re
from functools import cache
from html import unescape

from compressibility.audit.findings import Report
from compressibility.audit.measured import KINDS
from compressibility.audit.page import MARKS, NAMES, mark, page

SHARES = {"magnitude": 0.3, "Wanda": 0.35, "std + mean": 0.4, "readjusted": 0.4, "columns": 0.1}
SHARES |= {"ranks": 0.2, "dice": 0.05}


def layer(name="0.weight", tensor=None, shape=(30, 40), warnings=(), power=1.0, **shares):
    """Return a row as ``audit`` makes it, shares given by method."""
    row = {"name": name, "tensor": tensor or name, "shape": list(shape), "note": "", "zeros": 0.0}
    row |= {"weights": shape[0] * shape[1], "samples": 500, "new_samples": 600, "alignment": 1.0}
    row |= {"alignment_restored": 1.0, "power_ratio": power, "warnings": list(warnings)}
    row["weight"] = {"tail": "not told: need values (N,), N >= 1000, got (5,)", "norm_ranks": 0.1}
    row["weight"] |= {"norm_removed": 0.2, "norm_columns": 0.1, "norm_removed_gaussian": 0.27}
    row["weight"] |= {"operator_norm": 2.0, "stable_rank": 3.0}
    found = {}
    for method, share in (SHARES | shares).items():
        found[method] = {"kind": KINDS[method], "why_not": None, "removed": share}
        found[method] |= {"removed_low": share, "removed_high": share, "calibration": 0.006}
        found[method] |= {"validation": 0.008, "held_out": 0.003, "units": 3}
    curves = {method: [[0.0, 0.0], [0.2, 0.004], [0.4, 0.02]] for method in found}
    return row | {"methods": found, "curves": curves, "recommended": "std + mean"}


def shown(*layers, metric=None, failed=None, skipped=(), partial=False):
    report = Report(0.01, layers=list(layers), partial=partial)
    report.about = {"held_out_inputs": 192, "torch": "2", "left_out": []}
    report.network = {"parameters": 10**5}
    report.network |= {"metric": metric} if metric else {}
    report.network |= {"failed": failed} if failed else {}
    for name, why in skipped:
        report.skip(name, (3, 3), why)
    report.add_up()
    return page(report)


def rows(html):
    """Return the main table's rows, their marks and words."""
    body = html.partition('<table class="main"')[2].partition("</table>")[0].partition("<tbody>")[2]
    return body.split("<tr")[1:]


def words(html):
    plain = unescape(re.sub("<[^>]+>", "", html)).replace("\xa0", " ")
    return re.sub("[ \n]+", " ", plain)


def test_a_better_way_is_bold_in_its_row() -> None:
    """Catches low-rank factors that win on both numbers and stand in a fold, or like all others."""
    (row,) = rows(shown(layer(ranks=0.82)))
    assert "<b>low-rank factors: 82\u202f% at 0.30\u202f%</b>" in row
    assert "<span>whole columns: 10\u202f% at 0.30\u202f%</span>" in row
    assert "random" not in row
    assert "<b>smallest weights: 45" in rows(shown(layer(magnitude=0.45)))[0]  # whichever it is
    nothing = layer(**dict.fromkeys(SHARES, 0.0))
    only = layer(**dict.fromkeys(SHARES, 0.0) | {"ranks": 0.1})
    assert [mark(one) for one in (nothing, only)] == ["stop", "look"]


def test_a_row_holds_what_one_decides_by() -> None:
    """Catches a metric in a sentence, or without the dense one, and an error without its twin."""
    metric = {"dense": 0.96875, "alone": {"0.weight": 0.9740}, "together": 0.984375}
    html = shown(layer(), metric=metric)
    said = words(rows(html)[0])
    assert "0.weight 40\u202f% 40\u202f% – 40\u202f% smallest |w|·std, mean restored" in said
    assert "0.30\u202f% (0.60\u202f%) 0.974 (0.9688) whole columns" in said
    assert "with all layers cut 0.9844 (192 inputs: one is 1/192 = 0.0052)" in words(html)
    assert "your metric" not in shown(layer()).partition("</thead>")[0]


def test_what_broke_off_is_shown_as_far_as_it_went() -> None:
    """Catches a page that crashes on a metric without all layers together, and a hidden reason."""
    metric = {"dense": 0.9, "alone": {"0.weight": 0.8}}
    html = shown(layer(), layer("2.weight"), metric=metric, partial=True)
    assert ["0.8 (0.9)" in words(row) for row in rows(html)] == [True, False]
    assert "– (0.9)" in words(rows(html)[1])
    assert "all layers cut" not in words(html).partition("The whole network")[2]
    assert "broke off: of the reader" in shown(layer(), metric=metric, failed="of the reader")
    assert len(rows(shown(skipped=[("a", "interrupted before")], metric=metric))) == 1


def test_methods_have_one_name_each() -> None:
    """Catches the JSON's names beside the plain ones, or a method that the dict forgot."""
    assert set(NAMES) == {*KINDS, "mixed"}
    one = layer()
    one["methods"]["readjusted"]["kind"] = "as std + mean: readjusting would not pay"
    html = shown(one)
    fold = html.partition("<details")[2].partition("</table>")[0]
    told = [unescape(name) for name in re.findall(r'<th scope="row">([^<]*)</th>', fold)]
    assert [name.removesuffix(" ◂") for name in told] == [NAMES[method] for method in KINDS]
    assert "std + mean" not in html
    assert all(f">{name}<" not in html for name in ("magnitude", "readjusted", "ranks", "dice"))


def test_marks_differ_in_shape_and_color() -> None:
    """Catches "not covered" marked as "nothing may go", and marks that color alone tells apart."""
    nothing = layer("b.weight", **dict.fromkeys(SHARES, 0.0))
    some = layer(), layer("a.weight", warnings=["few samples"]), nothing
    html = shown(*some, skipped=[("c.weight", "an embedding")])
    of = [re.search(r'class="(\w+)" aria-hidden="true">(.)<', row) for row in rows(html)]
    assert [found.groups() for found in of if found] == list(MARKS.items())
    assert len(set(MARKS.values())) == 4
    light = dict(re.findall(r"--(\w+): (#\w+)", html.partition("@media")[0]))
    assert len({light[kind] for kind in MARKS}) == 4
    legend = html.partition("</table>")[2].partition("</p>")[0]
    assert all(f">{shape}<" in legend for shape in MARKS.values())


def test_warnings_have_a_row_of_their_own() -> None:
    """Catches tall rows of one narrow cell, and another unit that is marked as a danger."""
    power = "a share of the power would look 2.5 times smaller"
    html = shown(layer(warnings=[power], power=2.5), layer("2.weight", warnings=["few samples"]))
    assert [MARKS["look"] in row for row in rows(html)] == [False, True, True]
    assert 'colspan="6" class="look"><span>▲ few samples' in rows(html)[2]
    assert "look 2.5 times" not in html
    assert "against their power the same error would read 2.5 times smaller" in html
    assert "9 inputs: the share moves in steps of 11\u202f%" in shown(layer(shape=(4, 9)))


@cache
def grouped():
    """A convolution of 100 groups and seven other layers, of which six are the largest."""
    shares = [{"readjusted": 0.5, "std + mean": k / 200} for k in range(100)]
    groups = [layer(f"dw.weight [{k}]", "dw.weight", (1, 9), **of) for k, of in enumerate(shares)]
    groups[7]["methods"]["std + mean"]["held_out"] = 0.02
    groups[8]["recommended"] = "readjusted"
    groups[9]["warnings"] = ["few samples"]
    metric = {"dense": 0.9, "alone": {"dw.weight": 0.8125}}
    off = [(f"up.weight [{k}]", "it does not vary") for k in range(50)]
    others = [layer(f"{k}.{'long' * 12}.weight", shape=(30, 50 + k)) for k in range(7)]
    return shown(*groups, *others, metric=metric, skipped=off)


def test_groups_of_a_tensor_are_one_row() -> None:
    """Catches a hundred rows, the first group's numbers for all, and a worst group that is lost."""
    found = rows(grouped())
    assert len(found) == 3 + 7 + 1
    said = words(found[0])
    mean = (sum(k / 200 for k in range(100)) - 8 / 200 + 0.5) / 100
    assert f"dw.weight {100 * mean:.0f}\u202f%" in said
    assert "≤ 2.0\u202f% (≤ 0.60\u202f%)" in said
    assert "mean restored or smallest |w|·std, the rest refitted" in said
    assert "0.8125 (0.9)" in said
    assert "in one of its groups, for example: few samples" in words(found[1])
    assert "100 groups: of each 0\u202f% to 50\u202f% may go" in words(found[2])
    assert "up.weight [2] and 47 more" in words(found[-1])
    folds = grouped().partition("Layer by layer")[2]
    assert folds.count("<details") == 8 + 2
    assert all(f"[{k}]</th>" in folds for k in range(100))


def test_what_is_not_offered_is_said() -> None:
    """Catches a page that fails, or 0 %, where outputs outnumber samples; lost warnings."""
    no = {"kind": KINDS["ranks"], "why_not": "not offered: 100 samples, 512 outputs"}
    one, two = layer(), [layer(f"c.weight [{k}]", "c.weight") for k in range(2)]
    one["methods"]["ranks"] = two[1]["methods"]["ranks"] = no
    two[1]["warnings"] = ["few samples", "others"]
    first, second, warning, _ = (words(row) for row in rows(shown(one, *two)))
    assert "low-rank factors: not offered: 100 samples, 512 outputs" in first
    assert "low-rank factors: not offered: 100 samples, 512 outputs" in second
    assert "for example: few samples; see below" in warning
    costless = layer() | {"alignment": float("nan")}
    assert "What goes costs nothing on these inputs" in shown(costless)


def test_the_figure_is_readable_on_a_phone() -> None:
    """Catches type below 12 pixels at a width of 390, a tangle of names, shares without percent."""
    svg = grouped().partition("<svg")[2].partition("</svg>")[0]
    (width,) = re.findall(r'viewBox="0 0 ([\d.]+) ', svg)
    on_phone = (390 - 2 * 16) / float(width)  # the body's margins are 16 pixels each
    sizes = [100 * float(size) for size in re.findall(r"scale\(([\d.]+) -[\d.]+\)", svg)]
    assert min(sizes) * on_phone > 12
    colors = {color.lower() for color in re.findall(r"stroke: (#\w{6}); stroke-width: 1.5", svg)}
    assert len(colors) == 6
    assert svg.count('id="legend_1"') == 1
    assert "width" not in svg.partition(">")[0]


def test_without_inputs_headings_promise_nothing() -> None:
    """Catches "may go" under a sentence that none can be said to go, and a message of ours."""
    row = layer(shape=(1, 5))
    for key in ("methods", "curves", "recommended", "warnings"):
        del row[key]
    html = shown(row)
    assert "may go" not in words(html.partition("<body>")[2])
    assert "smallest weights that hold 1 % of the squared norm (27\u202f% if Gaussian)" in html
    assert "not told: fewer than 1 000 weights" in rows(html)[0]
    assert "N >= 1000" not in html


def test_how_it_was_made_is_a_list() -> None:
    """Catches raw JSON where words should stand."""
    html = shown(layer())
    assert "<dt>held out inputs</dt><dd>192</dd>" in html
    assert "{&#34;" not in html

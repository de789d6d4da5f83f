"""The figures of damage against width: what is drawn, and beside what."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from compressibility.curves import Point, curve_of
from compressibility.width_figures import PUBLISHED, width_axis, width_panels

LABELS = {"block": "rows", "wide": "columns"}


@pytest.fixture(autouse=True)
def _close_figures():
    mpl.use("agg")
    yield
    plt.close("all")


def curve(level):
    """Two networks, three draws, two widths; the damage of the second width is a tenth."""
    points = []
    for scale in (1.0, 0.1):
        error = level * scale * np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]])
        ones = np.ones(2)
        points.append(Point(1, ones, error, error, ones, 1 - error / 10, error))
    return curve_of(points, widths=(10, 100), draws=3)


def test_panels_show_medians_and_the_papers_marks():
    """Catches curves of the wrong layer, marks in the wrong row, a mean taken for a median."""
    rows = {name: {"block": curve(1.0), "wide": curve(2.0)} for name in ("ReLU", "tanh")}
    fig = width_panels(rows, labels=LABELS, score="R²", published={"ReLU": PUBLISHED[3]})
    upper, lower = fig.axes[:2], fig.axes[2:]
    lines = {line.get_label(): line for line in upper[0].get_lines()}
    assert set(lines) == {"rows", "columns", "rows, paper", "columns, paper"}
    assert lines["rows"].get_ydata().tolist() == pytest.approx([2.5, 0.25])
    assert lines["columns"].get_ydata().tolist() == pytest.approx([5.0, 0.5])
    assert list(lines["rows, paper"].get_ydata()) == list(PUBLISHED[3].delta["block"])
    assert len(lower[0].get_lines()) == 2
    assert len(upper[1].get_lines()) == 6
    assert upper[1].get_lines()[0].get_ydata().tolist() == [1.0, 1.0]
    assert [ax.get_ylabel() for ax in upper] == ["normalized error Δ", "R²"]
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert sorted(legend) == ["columns", "columns, paper", "dense", "rows", "rows, paper"]


def test_one_row_and_one_layer_suffice():
    """Catches a layout that needs two rows or both layers."""
    fig = width_panels({"": {"wide": curve(1.0)}}, labels=LABELS, score="accuracy")
    assert len(fig.axes) == 2
    assert fig.axes[0].get_xscale() == fig.axes[0].get_yscale() == "log"


def test_band_is_stretched_to_a_line_outside():
    """Catches a crash where a few skewed draws leave the median of the means above the band."""
    odd = np.array([[1.0, 1.0, 100.0], [1.0, 1.0, 100.0]])
    ones = np.ones(2)
    point = Point(1, ones, odd, odd, ones, 1 - odd, ones[:, None])
    width_panels({"": {"wide": curve_of([point], widths=(10,), draws=3)}}, labels=LABELS, score="")


def test_axis_has_few_plain_ticks():
    """Catches powers of ten in the place of widths, and a tick twice."""
    _, ax = plt.subplots()
    ax.set_xscale("log")
    width_axis(ax, [20, 100, 980])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["20", "100", "980"]
    width_axis(ax, [50])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["50"]


def test_published_values_fall_and_scores_lie_below_dense():
    """Catches a digit or an order mistyped when the values were copied."""
    for figure in PUBLISHED.values():
        for layer, delta in figure.delta.items():
            assert list(delta) == sorted(delta, reverse=True)
            assert all(np.array(figure.score[layer]) <= figure.dense)
        assert list(figure.widths) == sorted(figure.widths)

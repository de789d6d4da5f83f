"""The figures of damage against width: what is drawn, and beside what."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from compressibility.experiments.curves import Point, curve_of
from compressibility.experiments.published import FIGURES
from compressibility.figures.against import width_axis, width_panels

LABELS = {"block": "rows", "wide": "columns"}


@pytest.fixture(autouse=True)
def _close_figures():
    mpl.use("agg")
    yield
    plt.close("all")


def curve(*errors):
    """One width after another; norms are one."""
    arrays = [np.array(error) for error in errors]
    ones = np.ones(len(arrays[0]))
    points = [Point(1, ones, error, error, ones, 1 - error / 10, error) for error in arrays]
    return curve_of(points, widths=[10, 100][: len(errors)], throws=3)


ERRORS = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [5.0, 9.0, 4.0]])
LOW, HIGH = curve(ERRORS, ERRORS / 10), curve(2 * ERRORS, ERRORS / 5)


def test_panels_show_medians_and_the_papers_marks():
    """Catches curves of the wrong layer, marks in the wrong row, a mean taken for a median."""
    rows = {name: {"block": LOW, "wide": HIGH} for name in ("ReLU", "tanh")}
    fig = width_panels(rows, labels=LABELS, score="R²", published={"ReLU": FIGURES[3]})
    upper, lower = fig.axes[:2], fig.axes[2:]
    lines = {line.get_label(): line for line in upper[0].get_lines()}
    assert set(lines) == {"rows", "columns", "rows, paper", "columns, paper"}
    assert lines["rows"].get_ydata().tolist() == pytest.approx([3.0, 0.3])
    assert lines["columns"].get_ydata().tolist() == pytest.approx([6.0, 0.6])
    assert list(lines["rows, paper"].get_ydata()) == list(FIGURES[3].delta["block"])
    assert lines["rows, paper"].get_color() == lines["rows"].get_color()
    assert len(lower[0].get_lines()) == 2
    scores = [line.get_ydata() for line in upper[1].get_lines()]
    assert len(scores) == 6
    assert scores[0].tolist() == [1.0, 1.0]
    assert [list(FIGURES[3].score[kind]) in [list(s) for s in scores] for kind in LABELS] == [1, 1]
    assert [ax.get_ylabel() for ax in upper] == ["normalized error Δ", "R²"]
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ["rows", "rows, paper", "dense", "columns", "columns, paper"]  # by columns


def test_one_row_and_one_layer_suffice_and_the_band_reaches_the_line():
    """Catches a layout for two rows, and a crash where the median lies above the band."""
    odd = curve([[1.0, 1.0, 100.0], [1.0, 1.0, 100.0]])
    with mpl.rc_context({"figure.figsize": (3.5, 2.0)}):
        fig = width_panels({"": {"wide": odd}}, labels=LABELS, score="accuracy")
    assert fig.get_size_inches().tolist() == pytest.approx([3.5, 2.5])
    assert len(fig.axes) == 2
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["dense", "columns"]
    assert fig.axes[0].get_xscale() == fig.axes[0].get_yscale() == "log"


def test_axis_has_few_plain_ticks():
    """Catches powers of ten in the place of widths, ticks on one another, and a tick twice."""
    _, ax = plt.subplots()
    ax.set_xscale("log")
    cases = (
        ([20, 100, 500, 980], "20 100 980"),
        ([50], "50"),
        ([0.05, 0.2, 0.7], "0.05 0.2 0.7"),
    )
    for widths, ticks in cases:
        width_axis(ax, widths)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks.split()
    sides = [tick.get_horizontalalignment() for tick in ax.get_xticklabels()]
    assert sides == ["left", "center", "right"]

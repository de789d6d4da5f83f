"""Figures: the helpers draw what they are given."""

import io
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from compressibility.figures.style import (
    PALETTE,
    band,
    labeled,
    reference_slope,
    use_style,
)


@pytest.fixture
def ax():
    """Axes in the book's style; the style is gone after the test."""
    plt.switch_backend("agg")
    with mpl.rc_context():
        use_style()
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


@pytest.mark.parametrize("width", [7.0, 5.2])
def test_style_is_legible_at_a_desk_and_on_a_phone(ax, width):
    """Catches small print, and large: letters of 13 to 14 px at a desk, 11 to 12 on a phone."""
    use_style(width=width)
    ax = plt.subplots()[1]
    ax.plot([1], label="a line")
    ax.set(xlabel="width", ylabel="damage")
    ax.figure.savefig(saved := io.BytesIO(), format="svg")
    drawn = float(ElementTree.fromstring(saved.getvalue()).attrib["width"].removesuffix("pt"))
    assert mpl.rcParams["figure.figsize"][0] == pytest.approx(width)
    texts = [ax.xaxis.label, ax.yaxis.label, ax.get_xticklabels()[0], ax.legend().get_texts()[0]]
    for pixels, low, high in ((448, 12.9, 14.1), (372, 10.7, 11.9)):
        shown = [text.get_size() * pixels / drawn for text in texts]
        assert all(low <= size <= high for size in shown), shown
    assert to_rgb(ax.figure.get_facecolor()) == to_rgb("white")


@pytest.mark.usefixtures("ax")
def test_palette_stands_out_on_white():
    """Catches a line too pale to see: contrast 2.2 or more, all colours different."""
    assert len({to_rgb(color) for color in PALETTE}) == len(PALETTE)
    cycle = [item["color"] for item in mpl.rcParams["axes.prop_cycle"]]
    assert [to_rgb(color) for color in cycle] == [to_rgb(color) for color in PALETTE]
    for color in PALETTE:
        linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04 else c / 12.92 for c in to_rgb(color)]
        assert 1.05 / (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05) >= 2.2


@pytest.mark.usefixtures("ax")
def test_svg_is_the_same_each_time():
    """Catches random ids in figures, which would make every build a new book."""
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        figure, axes = plt.subplots()
        band(axes, [1, 2], [0, 1], [1, 2], [2, 3], label="a", color=PALETTE[0])
        axes.legend()
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)
    assert files[0].getvalue() == files[1].getvalue()


def test_band(ax):
    """Catches ends of the band exchanged with the line, another colour, a band in the legend."""
    band(ax, [1, 2, 4], [0.5, 1, 2], [1, 2, 3], [4, 4, 5], label="measured", color=PALETTE[1])
    (line,), (shade,) = ax.lines, ax.collections
    assert line.get_xydata().tolist() == [[1, 1], [2, 2], [4, 3]]
    extent = shade.get_paths()[0].get_extents()
    assert (extent.x0, extent.x1, extent.y0, extent.y1) == (1, 4, 0.5, 5)
    assert to_rgb(shade.get_facecolor()[0]) == to_rgb(line.get_color()) == to_rgb(PALETTE[1])
    assert ax.get_legend_handles_labels()[1] == ["measured"]


def test_a_legend_stands_above_its_axes(ax):
    """Catches a legend over the data, a legend's title, a scale or label that is not set."""
    ax.plot([1, 10], [1, 10], label="a line")
    ax.plot([1, 10], [10, 1], label="another")
    ax.legend(title="lines")
    labeled(ax, xscale="log", xlabel="width", ylabel="damage")
    ax.figure.draw_without_rendering()
    box, plot = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert box.y0 >= plot.y1
    assert 0 <= box.x0 < box.x1 <= ax.figure.bbox.x1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a line", "another"]
    assert ax.get_legend().get_title().get_text() == ""
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "width", "damage")


def test_labels_and_slopes(ax):
    """Catches a slope on the wrong axis: a hundredfold x at slope -1/2 is a tenth of y."""
    ax.set(xscale="log", yscale="log")
    label = reference_slope(ax, (10, 1000), 3.0, -0.5, label="slope −1/2")
    assert ax.lines[0].get_xydata().ravel() == pytest.approx([10, 3, 1000, 0.3])
    assert (label.get_text(), label.xy) == ("slope −1/2", pytest.approx((1000, 0.3)))
    assert label.get_color() == ax.lines[0].get_color()


def test_bad_arguments_are_named(ax):
    """Catches figures that show something else than was meant."""
    with pytest.raises(ValueError, match="need low <= mid <= high"):
        band(ax, [1, 2], [0, 3], [1, 2], [2, 4])
    with pytest.raises(ValueError, match="of one shape"):
        band(ax, [1, 2], [0], [1, 2], [2, 4])
    with pytest.raises(ValueError, match="need log-log axes"):
        reference_slope(ax, (1, 2), 1.0, 1.0, label="")
    ax.set(xscale="log", yscale="log")
    with pytest.raises(ValueError, match="need two ends"):
        reference_slope(ax, (2, 1), 1.0, 1.0, label="")
    with pytest.raises(ValueError, match="need y > 0"):
        reference_slope(ax, (1, 2), 0.0, 1.0, label="")

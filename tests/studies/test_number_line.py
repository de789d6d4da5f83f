"""Tests of the number line that is drawn beside a claim."""

import itertools
import math
import xml.etree.ElementTree as ET

import pytest

from studies.number_line import HEIGHT, LEAST, WIDTH, number_line

INF = math.inf


def shapes(svg: str) -> dict[str, list[ET.Element]]:
    """The elements of a drawing by their class."""
    found: dict[str, list[ET.Element]] = {}
    for element in ET.fromstring(svg):
        found.setdefault(element.get("class", ""), []).append(element)
    return found


def ends(svg: str, name: str) -> tuple[float, float]:
    """The left and the right end of a bar."""
    bar = shapes(svg)[name][0]
    start = float(bar.get("x", "nan"))
    return start, start + float(bar.get("width", "nan"))


def centre(svg: str) -> float:
    """Where the dot stands."""
    return float(shapes(svg)["scale-value"][0].get("cx", "nan"))


def test_region_interval_and_value_share_one_scale():
    """Catches a line that is mirrored, cut to the region, or laid out on different scales."""
    svg = number_line(0.5, 0.4, 0.7, 0.0, 1.0)
    region, interval = ends(svg, "scale-region"), ends(svg, "scale-interval")
    assert region[0] < interval[0] < centre(svg) < interval[1] < region[1]
    share = (centre(svg) - region[0]) / (region[1] - region[0])
    assert share == pytest.approx(0.5, abs=0.01)
    outside = number_line(0.371, 0.369, 0.373, 0.0, 0.313)
    assert ends(outside, "scale-interval")[0] > ends(outside, "scale-region")[1] + LEAST
    assert centre(number_line(0.27, 0.27, 0.27, 0.27, 0.27)) == WIDTH / 2


def test_what_has_no_end_runs_off_the_edge():
    """Catches an infinite bound drawn as a wall, or an infinite end as ``inf`` in a coordinate."""
    below = number_line(-1.0, -1.1, -0.9, -INF, 0.0)
    assert ends(below, "scale-region")[0] == 0
    assert ends(below, "scale-region")[1] < WIDTH
    assert len(shapes(below)["scale-bound"]) == 1
    everything = number_line(1.0, 0.9, INF, -INF, INF)
    assert ends(everything, "scale-region") == (0, WIDTH)
    assert ends(everything, "scale-interval")[1] == WIDTH
    assert "scale-bound" not in shapes(everything)


NUMBERS = (-INF, -1e308, -1.0, -1e-300, 0.0, 1e-9, 1.0, 1e12, 1e308, INF)


@pytest.mark.parametrize("value", [x for x in NUMBERS if math.isfinite(x)])
def test_everything_is_visible_whatever_the_numbers(value: float):
    """Catches overflow, division by a zero span, and bars thinner than the eye can see."""
    pairs = list(itertools.combinations_with_replacement(NUMBERS, 2))
    finite = [pair for pair in pairs if pair not in ((INF, INF), (-INF, -INF))]
    for (low, high), region in itertools.product(finite, finite):
        svg = number_line(value, low, high, *region)
        assert 5 <= centre(svg) <= WIDTH - 5
        for name in ("scale-region", "scale-interval"):
            start, end = ends(svg, name)
            assert 0 <= start < end <= WIDTH
            assert end - start >= LEAST - 0.2  # coordinates have one decimal


def test_the_drawing_takes_its_colours_from_the_page_and_has_no_identifiers():
    """Catches a colour that vanishes in dark mode, and ids that repeat on a page of many claims."""
    svg = number_line(0.0, -1.0, 1.0, -2.0, 2.0)
    root = ET.fromstring(svg)
    assert (root.get("width"), root.get("height")) == (f"{WIDTH:.0f}", f"{HEIGHT:.0f}")
    assert root.get("aria-hidden") == "true"
    for element in root.iter():
        assert element.get("id") is None
        assert {element.get("fill"), element.get("stroke")} <= {None, "currentColor"}


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((math.nan, 0, 1, 0, 1), "finite value"),
        ((0, 1, 0, 0, 1), "low <= high, got 1 and 0"),
        ((0, 0, 1, 1, 0), "region_low <= region_high, got 1 and 0"),
    ],
)
def test_impossible_numbers_are_refused(numbers: tuple[float, ...], message: str):
    """Catches bounds passed in the wrong order, which would draw a bar of negative width."""
    with pytest.raises(ValueError, match=message):
        number_line(*numbers)

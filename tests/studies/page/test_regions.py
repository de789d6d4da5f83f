"""Tests of predicted regions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.page.regions import Region, above, at_least, at_most, below, between, exactly

INF = math.inf
OPEN = Region(0, 1, low_closed=False, high_closed=False)


@pytest.mark.parametrize(
    ("region", "low", "high", "inside", "outside"),
    [
        (below(0), -2, -1, True, False),
        (below(0), -1, 0, False, False),  # the open end itself is not inside
        (below(0), 0, 1, False, True),
        (at_most(0), -1, 0, True, False),
        (at_most(0), 0, 1, False, False),
        (at_most(0), 0.1, 1, False, True),
        (above(0), 0, 1, False, False),
        (above(0), -1, 0, False, True),
        (at_least(0), 0, 1, True, False),
        (at_least(0), -1, 0, False, False),
        (between(0, 1), 0, 1, True, False),
        (between(0, 1), -1, 0, False, False),
        (between(0, 1), -1, 2, False, False),
        (between(0, 1), 1.1, 2, False, True),
        (exactly(3), 3, 3, True, False),
        (exactly(3), 2, 4, False, False),
        (exactly(3), 4, 4, False, True),
        (at_least(0), 1, INF, True, False),
        (at_most(0), 1, INF, False, True),
        (between(0, 1), -INF, INF, False, False),
        (OPEN, 0, 0.5, False, False),
        (OPEN, -1, 0, False, True),
        (OPEN, 1, 2, False, True),
    ],
)
def test_inside_outside_astride(
    region: Region, low: float, high: float, inside: bool, outside: bool
) -> None:
    """An end taken as open where it is closed, or the other way round."""
    assert region.contains(low, high) is inside
    assert region.misses(low, high) is outside


@pytest.mark.parametrize(
    ("region", "words", "counts"),
    [
        (below(0), "below 0", False),
        (at_most(-1.5), "at most −1.5", False),
        (above(0.25), "above 0.25", False),
        (at_least(2), "at least 2", True),
        (between(0.9, 1.1), "0.9 to 1.1", False),
        (between(0, 1000), "0 to 1\u202f000", True),
        (between(1 - 1e-9, 1 + 1e-9), "1 ± 1·10⁻⁹", False),
        (exactly(7), "exactly 7", True),
        (Region(0, 1, low_closed=False), "above 0 and at most 1", False),
        (Region(0, 1, high_closed=False), "at least 0 and below 1", False),
    ],
)
def test_words(region: Region, words: str, counts: bool) -> None:
    """A page that says "at most" of an open end, or "1 to 1"; a slope above 0 read as a count."""
    assert (str(region), region.of_counts) == (words, counts)


@pytest.mark.parametrize(
    ("low", "high", "closed"),
    [
        (math.nan, 1, True),
        (0, math.nan, True),
        (math.nan, math.nan, True),
        (2, 1, True),
        (1, 1, False),
        (INF, INF, True),
        (-INF, -INF, True),
    ],
)
def test_a_region_without_numbers_is_refused(low: float, high: float, closed: bool) -> None:
    """A prediction that nothing can meet, or that NaN meets."""
    with pytest.raises(ValueError, match="need"):
        Region(low, high, high_closed=closed)


numbers = st.floats(allow_nan=False)


@given(
    st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted),
    st.lists(numbers, min_size=2, max_size=2).map(sorted),
    st.booleans(),
    st.booleans(),
)
def test_never_both_and_points_decide(
    ends: list[float], interval: list[float], low_closed: bool, high_closed: bool
) -> None:
    """An interval both inside and outside; a single point that is neither."""
    region = Region(*ends, low_closed, high_closed)
    low, high = interval
    assert not (region.contains(low, high) and region.misses(low, high))
    assert region.contains(low, low) != region.misses(low, low)
    for judge in (region.contains, region.misses):
        if judge(low, high):
            assert judge(low, low)
            assert judge(high, high)

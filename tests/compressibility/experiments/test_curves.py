"""Curves: what is kept of a sweep; and what the papers' figures show."""

import json

import numpy as np
import pytest

from compressibility.experiments.curves import Curve, Point, curve_of
from compressibility.experiments.published import FIGURES


def joined(*scales):
    """Two networks, three throws; the second network has the norm 2."""
    points = []
    for scale in scales:
        each = scale * np.array([[1.0, 2.0, 6.0], [3.0, 3.0, 3.0]])
        c1, kept = np.array([1.0, 2.0]), np.full((2, 3), 0.37)
        points.append(Point(2, c1, each, each / 10, np.array([0.9, 0.8]), each / 100, kept))
    return curve_of(points, widths=(8, 16)[: len(scales)], throws=3)


def test_means_are_per_network_and_delta_is_normalized_by_depth():
    """Catches means over networks, or a normalizer c^m or c^2 in place of c^(2m)."""
    curve = joined(1.0, 10.0)
    assert curve.error.tolist() == [[3.0, 3.0], [30.0, 30.0]]
    assert curve.delta.tolist() == [[3.0, 3.0 / 16], [30.0, 30.0 / 16]]
    assert curve.dense_quality.shape == (2, 2)


def test_bands_are_quantiles_over_networks_and_throws():
    """Catches bands over networks alone, and a band of delta with another network's normalizer."""
    for band, values in (
        ("error_band", [1.0, 2.0, 6.0, 3.0, 3.0, 3.0]),
        ("delta_band", [1.0, 2.0, 6.0, 3 / 16, 3 / 16, 3 / 16]),
    ):
        found = getattr(joined(1.0), band)[:, 0]
        assert found == pytest.approx(np.quantile(values, [0.1, 0.9])), band


def test_record_survives_json():
    """Catches a field that is lost or changes its type on the way to a file and back."""
    curve = joined(1 / 3, 1e-7)
    back = Curve.from_record(json.loads(json.dumps(curve.as_record())))
    assert (back.widths, back.depth, back.draws) == (curve.widths, 2, 3)
    for name in ("c1", "error", "error_band", "delta_band", "quality", "kept_share", "delta"):
        assert getattr(back, name) == pytest.approx(getattr(curve, name), rel=1e-6), name


def test_points_and_widths_must_match():
    """Catches a curve whose points belong to other widths."""
    with pytest.raises(ValueError, match="one point per width"):
        curve_of([], widths=(8,), throws=3)


# Figure: widths; delta of block | wide; scores before | after, block | after, wide.
TYPED_AGAIN = """
1: 20 500 980;   33.6 .04 .0056      | 12.8 .0074 .00088;     .358 .672 | .242 .496 | .285 .645
2: 20 500 980;   .365 .0031 .0008    | .448 .00106 .000155;   .670 .970 | .552 .954 | .525 .969
3: 100 500 1000; .233 .00069 .000042 | 2.89 .0375 .00485;     .641 .709 | .614 .708 | .305 .509
4: 200 600 1000; .0113 .000185 .000026 | .0405 .00206 .00051; .891 .962 | .874 .961 | .829 .948
5: 20 60 100;    .7 .064 .0106       | 2.17 .212 .037;        .982 .980 | .939 .973 | .860 .957
"""


def test_published_values():
    """Catches a digit mistyped, widths or layers exchanged: all numbers, typed a second time."""
    for number, line in enumerate(TYPED_AGAIN.strip().splitlines(), start=1):
        typed = [
            [[float(n) for n in one.split()] for one in part.split("|")]
            for part in line.partition(":")[2].split(";")
        ]
        figure = FIGURES[number]
        assert [[[*figure.widths]]] == typed[:1]
        assert [[*figure.delta["block"]], [*figure.delta["wide"]]] == typed[1]
        assert [[*figure.dense], [*figure.score["block"]], [*figure.score["wide"]]] == typed[2]
        assert figure.ends == (figure.widths[0], figure.widths[2])
    assert list(FIGURES) == [1, 2, 3, 4, 5]

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


def test_published_values_fall_and_scores_lie_below_dense():
    """Catches a digit or an order mistyped when the values were copied."""
    assert list(FIGURES) == [1, 2, 3, 4, 5]
    for figure in FIGURES.values():
        for kind, delta in figure.delta.items():
            assert list(delta) == sorted(delta, reverse=True)
            assert all(np.array(figure.score[kind]) <= figure.dense)
        assert list(figure.widths) == sorted(figure.widths)
        assert figure.ends == (figure.widths[0], figure.widths[2])

"""Curves: what is kept of a sweep."""

from __future__ import annotations

import json

import numpy as np
import pytest

from compressibility.curves import Curve, Point, curve_of


def point(scale: float) -> Point:
    each = scale * np.array([[1.0, 2.0, 6.0], [3.0, 3.0, 3.0]])
    return Point(
        depth=2,
        c1=np.array([1.0, 2.0]),
        error=each,
        probability_error=each / 10,
        dense_quality=np.array([0.9, 0.8]),
        quality=each / 100,
        kept_share=np.full((2, 3), 0.37),
    )


def test_means_are_per_network_and_delta_is_normalized_by_depth() -> None:
    """Catches means over networks, or a normalizer c^m or c^2 in place of c^(2m)."""
    curve = curve_of([point(1.0), point(10.0)], widths=(8, 16), draws=3)
    assert curve.error.tolist() == [[3.0, 3.0], [30.0, 30.0]]
    assert curve.delta.tolist() == [[3.0, 3.0 / 16], [30.0, 30.0 / 16]]
    assert curve.dense_quality.shape == (2, 2)


def test_bands_are_quantiles_over_networks_and_draws() -> None:
    """Catches bands over networks alone, and a band of delta with another network's normalizer."""
    curve = curve_of([point(1.0)], widths=(8,), draws=3)
    everything = [1.0, 2.0, 6.0, 3.0, 3.0, 3.0]
    assert curve.error_band[:, 0] == pytest.approx(np.quantile(everything, [0.1, 0.9]))
    normalized = [1.0, 2.0, 6.0, 3 / 16, 3 / 16, 3 / 16]
    assert curve.delta_band[:, 0] == pytest.approx(np.quantile(normalized, [0.1, 0.9]))


def test_record_survives_json() -> None:
    """Catches a field that is lost or changes its type on the way to a file and back."""
    curve = curve_of([point(1 / 3), point(1e-7)], widths=(8, 16), draws=3)
    back = Curve.from_record(json.loads(json.dumps(curve.as_record())))
    assert (back.widths, back.depth, back.draws) == (curve.widths, 2, 3)
    for name in ("c1", "error", "error_band", "delta_band", "quality", "kept_share"):
        assert getattr(back, name) == pytest.approx(getattr(curve, name), rel=1e-6), name
    assert back.delta == pytest.approx(curve.delta, rel=1e-6)


def test_points_and_widths_must_match() -> None:
    """Catches a curve whose points belong to other widths."""
    with pytest.raises(ValueError, match="one point per width"):
        curve_of([point(1.0)], widths=(8, 16), draws=3)

"""Tests of published numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from studies import publishing


@pytest.fixture
def glued(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What reaches the page, by key."""
    found: dict[str, Any] = {}

    def glue(key: str, value: Any, *, display: bool) -> None:
        assert not display
        found[key] = value

    monkeypatch.setattr(publishing, "glue", glue)
    return found


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (3, 3),
        (0.5, 0.5),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([0.25]), 0.25),
        (Fraction(1, 4), 0.25),
    ],
)
def test_numbers_become_plain(glued: dict[str, Any], value: Any, plain: float) -> None:
    """A NumPy scalar, which prints as `np.float64(…)`, warns, and shows nothing."""
    publishing.publish("key", value)
    assert glued == {"key": plain}
    assert type(glued["key"]) is type(plain)


@pytest.mark.parametrize("value", [True, np.bool_(True), "3", None, [1.0], np.ones(2), 1j])
def test_other_values_are_refused(glued: dict[str, Any], value: Any) -> None:
    """Something on the page that is no number."""
    with pytest.raises(TypeError, match=r"publish\('key'\): need a single number, got "):
        publishing.publish("key", value)
    assert glued == {}


@pytest.mark.parametrize("value", [float("nan"), np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(glued: dict[str, Any], value: float) -> None:
    """A page that reports "nan"."""
    with pytest.raises(ValueError, match="need a finite number"):
        publishing.publish("key", value)
    assert glued == {}

"""Tests of the parameters' types, and of conditions between parameters."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from studies.page import types
from studies.page.types import need

# Values inside and outside of each type's range, the borders among them.
GOOD: dict[str, list[Any]] = {
    "ActivationName": ["relu", "identity"],
    "ClassificationData": ["digits", "ecg5000"],
    "DatasetName": ["digits", "diabetes", "mnist"],
    "Draws": [2],
    "Flag": [True, False],
    "GridPoints": [2],
    "GrowingWidths": [[64, 128], [1, 2, 3]],
    "ImageData": ["digits", "cifar10"],
    "NonNegativeInt": [0],
    "PositiveFloat": [1e-300, 1.0, 1e300],
    "PositiveInt": [1, 10**12],
    "Probability": [1e-6, 0.999999, 1 - 1e-6],
    "RegressionData": ["diabetes", "california_housing"],
    "Samples": [2],
    "Seeds": [[0, 7], [2**63 - 1, 0]],
    "Share": [0.5, 0.999],
    "Shares": [[0.1, 0.9]],
    "TailIndex": [1.0001, 2.0],
    "Widths": [[64], [128, 64]],
}
BAD: dict[str, list[Any]] = {
    "ActivationName": ["gelu", None],
    "ClassificationData": ["diabetes", "california_housing"],
    "DatasetName": ["imagenet", "", 0],
    "Draws": [1, 0, 2.0],
    "Flag": [1, 0, "true", None],
    "GridPoints": [1],
    "GrowingWidths": [[64], [16, 16], [128, 64], [0, 1], [1.0, 2.0], []],
    "ImageData": ["diabetes", "ecg5000"],
    "NonNegativeInt": [-1, False, 0.0],
    "PositiveFloat": [0.0, -1.0, math.inf, math.nan, "1", True],
    "PositiveInt": [0, -1, 3.0, True, "3", None, math.nan],
    "Probability": [0, 1, 1.5, -0.1, math.nan, math.inf, "0.5", True, 1 - 2**-53, 9e-7],
    "RegressionData": ["digits", "mnist"],
    "Samples": [1],
    "Seeds": [[0], [1, 1], [-1, 0], [0, 1.0], [0, 2**63]],
    "Share": [0.0, 1.0, math.nan, 1 - 2**-53],
    "Shares": [[0.7, 0.3], [0.5, 0.5], [0.0], [1.0], [math.nan], [0.5, math.nan], [], 0.5],
    "TailIndex": [1.0, 2.3, math.nan, math.inf],
    "Widths": [[], [0], [64.0], 64, "[64]", (64, 128), [True]],
}


def checked(name: str, value: Any) -> Any:
    return TypeAdapter(getattr(types, name)).validate_python(value, strict=True)


def test_every_type_is_exported_tried_and_says_its_range() -> None:
    """A type that no chapter can name, that no test has seen, or that refuses without a reason."""
    assert list(GOOD) == list(BAD) == types.__all__ == sorted(types.__all__)
    for name in types.__all__:
        (said,) = (m for m in get_args(getattr(types, name)) if isinstance(m, types.Wanted))
        assert said.text.format(name="x")
    assert set(types.DATA_TYPES) == {
        n for n in types.__all__ if n.startswith("Data") or "Data" in n
    }


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in GOOD.items() for v in values])
def test_values_inside_the_range_pass(name: str, value: Any) -> None:
    """A border or a type that is stricter than its words."""
    assert checked(name, value) == value


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BAD.items() for v in values])
def test_values_outside_the_range_are_refused(name: str, value: Any) -> None:
    """A lax type: True for 1, "3" for 3, NaN past every inequality, a tuple for a list."""
    with pytest.raises(ValidationError):
        checked(name, value)


def test_conditions_between_parameters() -> None:
    """A condition that NaN or a length meets; a refusal that does not say the rule."""
    need(True, "this holds")
    need(np.bool_(True), "this holds")
    with pytest.raises(ValueError, match=r"^need two different widths$"):
        need(len({16}) >= 2, "two different widths")
    for value in (math.nan, 1, [True], None, np.float64("nan")):
        with pytest.raises(TypeError, match=r"need\('x'\): the condition is .*, not true or false"):
            need(value, "x")

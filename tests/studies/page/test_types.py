"""Tests of the parameters' types, and of conditions between parameters."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from studies.page import types
from studies.page.types import need

# Values inside and outside of each type's range, the borders among them.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "ActivationName": (["relu", "identity"], ["gelu", None]),
    "ClassificationData": (["digits", "ecg5000"], ["diabetes", "california_housing"]),
    "DatasetName": (["digits", "diabetes", "mnist"], ["imagenet", "", 0]),
    "Device": (["cpu"], ["tpu", None]),
    "Draws": ([2], [1, 0, 2.0]),
    "FileName": (["", str(Path(__file__).resolve())], ["/no/such/file", "/", "\0", 1, None]),
    "Flag": ([True, False], [1, 0, "true", None]),
    "GridPoints": ([2], [1]),
    "GrowingWidths": ([[64, 128], [1, 2, 3]], [[64], [16, 16], [128, 64], [0, 1], [1.0, 2.0], []]),
    "ImageData": (["digits", "cifar10"], ["diabetes", "ecg5000"]),
    "NonNegativeInt": ([0], [-1, False, 0.0]),
    "PositiveFloat": ([1e-300, 1.0, 1e300], [0.0, -1.0, math.inf, math.nan, "1", True]),
    "PositiveInt": ([1, 10**9], [10**9 + 1, 0, -1, 3.0, True, "3", None, math.nan]),
    "Probability": (
        [1e-6, 0.999999, 1 - 1e-6],
        [0, 1, 1.5, -0.1, math.nan, math.inf, "0.5", True, 1 - 2**-53, 9e-7],
    ),
    "RegressionData": (["diabetes", "california_housing"], ["digits", "mnist"]),
    "Samples": ([2], [1]),
    "Seeds": ([[0, 7], [2**63 - 1, 0]], [[0], [1, 1], [-1, 0], [0, 1.0], [0, 2**63]]),
    "Share": ([0.5, 0.999], [0.0, 1.0, math.nan, 1 - 2**-53]),
    "Shares": (
        [[0.1, 0.9]],
        [[0.7, 0.3], [0.5, 0.5], [0.0], [1.0], [math.nan], [0.5, math.nan], [], 0.5],
    ),
    "TailIndex": ([0.1, 2.0], [0.0, 2.3, math.nan, math.inf]),
    "Widths": ([[64], [128, 64]], [[], [0], [64.0], 64, "[64]", (64, 128), [True]]),
}
GOOD, BAD = (
    [(name, value) for name, both in VALUES.items() for value in both[side]] for side in (0, 1)
)


def checked(name: str, value: Any) -> Any:
    return TypeAdapter(getattr(types, name)).validate_python(value, strict=True)


def test_every_type_is_exported_tried_and_says_its_range() -> None:
    """A type that no chapter can name, that no test has seen, or that refuses without a reason."""
    assert list(VALUES) == types.NAMES
    for name in types.NAMES:
        (said,) = (m for m in get_args(getattr(types, name)) if isinstance(m, types.Wanted))
        assert said.text.format(name="x")
    assert set(types.DATA_TYPES) == {name for name in types.NAMES if "Data" in name}


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_values_inside_the_range_pass(name: str, value: Any) -> None:
    """A border or a type that is stricter than its words."""
    assert checked(name, value) == value


@pytest.mark.parametrize(("name", "value"), BAD)
def test_values_outside_the_range_are_refused(name: str, value: Any) -> None:
    """A lax type: True for 1, "3" for 3, NaN past every inequality, a tuple for a list."""
    with pytest.raises(ValidationError):
        checked(name, value)


def test_a_device_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies after its start, or a GPU that is refused."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValidationError, match="cuda is not available"):
        checked("Device", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert checked("Device", "cuda") == "cuda"


def test_a_file_name_is_made_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the kernel, which runs elsewhere, would look for in its own folder."""
    here = Path(__file__).resolve()
    monkeypatch.chdir(here.parent)
    assert checked("FileName", here.name) == str(here)


def test_conditions_between_parameters() -> None:
    """A condition that NaN or a length meets; a refusal that does not say the rule."""
    need(True, "this holds")
    need(np.bool_(True), "this holds")
    with pytest.raises(ValueError, match=r"^need two different widths$"):
        need(len({16}) >= 2, "two different widths")
    for value in (math.nan, 1, [True], None, np.float64("nan")):
        with pytest.raises(TypeError, match=r"need\('x'\): the condition is .*, not true or false"):
            need(value, "x")

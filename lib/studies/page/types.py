"""The types that a chapter's parameters may have, and conditions between parameters.

A type is an ordinary annotation (``p: Probability = 0.3``) that also carries its
range, for pydantic, and the words in which an error names that range.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field


def need(holds: bool, rule: str) -> None:
    """State a condition between parameters, after the assignments of their cell.

    The builder evaluates it on the values to be used before it starts a kernel::

        need(samples <= training_samples, "scores average over inputs that were learned from")
    """
    plain = holds.item() if hasattr(holds, "item") else holds
    if not isinstance(plain, bool):  # a NaN would count as true
        raise TypeError(f"need({rule!r}): the condition is {holds!r}, not true or false")
    if not plain:
        raise ValueError(f"need {rule}")


@dataclass(frozen=True)
class Wanted:
    """What a type asks for, in words; ``{name}`` stands for the parameter."""

    text: str


def _one_of(names: Any) -> Wanted:
    return Wanted(f"one of {', '.join(get_args(names))}")


def _distinct(values: list[int]) -> list[int]:
    if len(set(values)) != len(values):
        raise ValueError("values must be distinct")
    return values


def _present(device: str) -> str:
    if device != "cpu" and not import_module("torch").cuda.is_available():
        raise ValueError(f"{device} is not available on this machine")
    return device


def _there(name: str) -> str:
    if name and not (path := Path(name).expanduser().resolve()).is_file():
        raise ValueError(f"{path} is no file")
    return str(path) if name else ""


def _increasing(values: list[float]) -> list[float]:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("values must increase")
    return values


Flag = Annotated[bool, Wanted("true or false")]
_MOST = 10**9  # of anything that is counted; what costs too much below it, the builder estimates
PositiveInt = Annotated[
    int, Field(ge=1, le=_MOST), Wanted("a whole number {name} ≥ 1, at most 10⁹")
]
NonNegativeInt = Annotated[
    int, Field(ge=0, le=_MOST), Wanted("a whole number {name} ≥ 0, at most 10⁹")
]
# What is averaged, fitted or drawn as a curve: one alone has no spread and no slope.
_Several = Annotated[int, Field(ge=2, le=_MOST), Wanted("a whole number {name} ≥ 2, at most 10⁹")]
Draws = _Several  # throws of the dice
Samples = _Several  # inputs
GridPoints = _Several  # points of an axis
PositiveFloat = Annotated[
    float, Field(gt=0, allow_inf_nan=False), Wanted("a finite number {name} > 0")
]
# Nearer to 0 or 1, quotients such as (1 − p)/p lose the digits that claims compare.
_Inside = Annotated[
    float,
    Field(ge=1e-6, le=0.999999),
    Wanted("a number with 0 < {name} < 1, from 0.000001 to 0.999999"),
]
Probability = _Inside
Share = _Inside
TailIndex = Annotated[float, Field(gt=0, le=2), Wanted("a number with 0 < {name} ≤ 2")]
Widths = Annotated[
    list[PositiveInt],
    Field(min_length=1),
    Wanted("a list of whole numbers ≥ 1, such as [64, 128]"),
]
GrowingWidths = Annotated[
    list[PositiveInt],
    Field(min_length=2),
    AfterValidator(_increasing),
    Wanted("an increasing list of at least two whole numbers ≥ 1, such as [64, 128]"),
]
Shares = Annotated[
    list[Share],
    Field(min_length=1),
    AfterValidator(_increasing),
    Wanted("an increasing list of numbers from 0.000001 to 0.999999, such as [0.1, 0.5, 0.9]"),
]
Seeds = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**63)]],
    Field(min_length=2),
    AfterValidator(_distinct),
    Wanted("a list of at least two distinct whole numbers from 0 to 2⁶³ − 1, such as [0, 1, 2]"),
]
_Regression = Literal["diabetes", "california_housing"]
_Images = Literal["digits", "mnist", "cifar10"]
_Classes = Literal[_Images, "ecg5000"]
_Names = Literal[_Regression, _Classes]
_Activations = Literal["relu", "tanh", "softplus", "identity"]
DatasetName = Annotated[_Names, _one_of(_Names)]
RegressionData = Annotated[_Regression, _one_of(_Regression)]
ClassificationData = Annotated[_Classes, _one_of(_Classes)]
ImageData = Annotated[_Images, _one_of(_Images)]
ActivationName = Annotated[_Activations, _one_of(_Activations)]
_Devices = Literal["cpu", "cuda"]
Device = Annotated[
    _Devices, AfterValidator(_present), Wanted("cpu, or cuda on a machine that has it")
]

FileName = Annotated[
    str, AfterValidator(_there), Wanted("the name of a file that is there, or '' for none")
]

# What a chapter may call a type.
NAMES = [
    name
    for name, type_ in sorted(globals().items())
    if name[0] != "_" and any(isinstance(part, Wanted) for part in get_args(type_))
]
DATA_TYPES = ("ClassificationData", "DatasetName", "ImageData", "RegressionData")

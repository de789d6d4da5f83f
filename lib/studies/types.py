"""The types that a chapter's parameters may have.

Each is an ordinary annotation (``p: Probability = 0.3``) that also carries its
range, for pydantic, and the words in which an error names that range.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

__all__ = [
    "ActivationName",
    "DatasetName",
    "Flag",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveInt",
    "Probability",
    "Seeds",
    "Share",
    "Shares",
    "TailIndex",
    "Widths",
]


@dataclass(frozen=True)
class Wanted:
    """What a type asks for, in words; ``{name}`` stands for the parameter."""

    text: str


def _distinct(values: list[int]) -> list[int]:
    if len(set(values)) != len(values):
        raise ValueError("values must be distinct")
    return values


def _increasing(values: list[float]) -> list[float]:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("values must increase")
    return values


Flag = Annotated[bool, Wanted("true or false")]
PositiveInt = Annotated[int, Field(ge=1), Wanted("a whole number {name} ≥ 1")]
NonNegativeInt = Annotated[int, Field(ge=0), Wanted("a whole number {name} ≥ 0")]
PositiveFloat = Annotated[
    float, Field(gt=0, allow_inf_nan=False), Wanted("a finite number {name} > 0")
]
Probability = Annotated[float, Field(gt=0, lt=1), Wanted("a number with 0 < {name} < 1")]
Share = Annotated[float, Field(gt=0, lt=1), Wanted("a number with 0 < {name} < 1")]
TailIndex = Annotated[float, Field(gt=1, le=2), Wanted("a number with 1 < {name} ≤ 2")]
Widths = Annotated[
    list[PositiveInt],
    Field(min_length=1),
    Wanted("a list of whole numbers ≥ 1, such as [64, 128]"),
]
Shares = Annotated[
    list[Share],
    Field(min_length=1),
    AfterValidator(_increasing),
    Wanted("an increasing list of numbers between 0 and 1, such as [0.1, 0.5, 0.9]"),
]
Seeds = Annotated[
    list[NonNegativeInt],
    Field(min_length=2),
    AfterValidator(_distinct),
    Wanted("a list of at least two distinct whole numbers ≥ 0, such as [0, 1, 2]"),
]
DatasetName = Annotated[
    Literal["digits", "diabetes", "california_housing", "ecg5000", "mnist", "cifar10"],
    Wanted("one of digits, diabetes, california_housing, ecg5000, mnist, cifar10"),
]
ActivationName = Annotated[
    Literal["relu", "tanh", "softplus", "identity"],
    Wanted("one of relu, tanh, softplus, identity"),
]

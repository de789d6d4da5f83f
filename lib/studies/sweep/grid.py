"""The settings of a sweep: a grid of values, repeats with fresh seeds, or draws over the ranges."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from studies.build.parameters import Parameter, Parameters, effective, parse_assignment
from studies.errors import ParameterError, short
from studies.page import types

TRIES = 1000  # draws until the conditions between parameters are met
# What has no upper end is drawn near a value whose cost is known, on a scale of ratios.
COUNTS, NUMBERS = 2.0, 10.0


@dataclass(frozen=True)
class Point:
    """One run of a sweep: what tells its setting from others, which repeat, and all values."""

    setting: Mapping[str, Any]
    repeat: int
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The setting in one line."""
        return " ".join(f"{key}={text(value)}" for key, value in self.setting.items())

    @property
    def arguments(self) -> str:
        """What `studies run` takes to repeat just this run."""
        given = {**self.setting, **({"seeds": self.values["seeds"]} if self.repeat else {})}
        typed = (f"{key}={text(value)}".replace("'", "'\\''") for key, value in given.items())
        return " ".join(f"-p '{part}'" for part in typed)


def grid(
    parameters: Parameters,
    base: Mapping[str, Any],
    assignments: Iterable[str],
    repeats: Sequence[int] = (0,),
) -> list[Point]:
    """Every combination of the assigned values over ``base``, all checked; repeats innermost.

    ``p=[0.1,0.3]`` lists values of a number. Of a parameter that is a list itself,
    ``widths=[64,128]`` is one value and ``widths=[[64],[64,128]]`` lists two. ParameterErrors are
    values out of range, combinations that break a condition, parameters or values that come twice.
    """
    axes: dict[str, list[Any]] = {}
    for name, value in map(parse_assignment, assignments):
        if name in axes:
            raise ParameterError(f"{name} is set twice: list its values, {name}=[…, …]")
        axes[name] = _axis(parameters, name, value)
    combinations = (
        dict(zip(axes, some, strict=True)) for some in itertools.product(*axes.values())
    )
    return [
        Point(setting, repeat, shifted(parameters, {**base, **setting}, repeat))
        for setting in combinations
        for repeat in repeats
    ]


def draws(
    parameters: Parameters,
    base: Mapping[str, Any],
    count: int,
    repeats: Sequence[int] = (0,),
    *,
    name: str,
) -> list[Point]:
    """``count`` random settings, by a die of this name: every other parameter takes a new value.

    Numbers with two ends are drawn over the whole range, half of them close to an end; counts from
    half to twice the value in ``base``, others from a tenth to ten times it. Seeds are fresh. Data
    sets, devices and files stay. Settings that break a condition are drawn again; one that comes
    a second time is left out.
    """
    die, points = random.Random(name), list[Point]()
    for _ in range(count):
        for _ in range(TRIES):
            some = (p for p in parameters.values() if die.random() < 0.5)
            new = {p.name: _drawn(p, base[p.name], die) for p in some}
            setting = {name: value for name, value in new.items() if value != base[name]}
            try:
                runs = [shifted(parameters, {**base, **setting}, repeat) for repeat in repeats]
            except ParameterError:
                continue
            if setting not in [point.setting for point in points]:
                points += [Point(setting, r, run) for r, run in zip(repeats, runs, strict=True)]
            break
        else:
            raise ParameterError(f"of {TRIES} random settings none meets the chapter's conditions")
    return points


def shifted(parameters: Parameters, values: Mapping[str, Any], repeat: int) -> dict[str, Any]:
    """Values with the seeds of a repeat: repeat · 10ᵏ more, so that no two repeats share one.

    A repeat of a chapter without seeds would be the same run: a ParameterError.
    """
    seeds = values.get("seeds", [])
    if repeat and not seeds:
        raise ParameterError("this chapter has no seeds to repeat it with: its dice have names")
    step = max(100, 10 ** math.ceil(math.log10(max(seeds) - min(seeds) + 1))) if seeds else 0
    fresh = {"seeds": [seed + repeat * step for seed in seeds]} if repeat else {}
    return effective(parameters, [values, fresh])


def text(value: Any) -> str:
    """A value as a command line takes it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _axis(parameters: Parameters, name: str, value: Any) -> list[Any]:
    """One value, or the values of a list whose elements the parameter may be."""
    if name not in parameters:
        effective(parameters, [{name: value}])  # says which names there are
    parameter = parameters[name]
    nested = isinstance(value, list) and any(isinstance(part, list) for part in value)
    if not isinstance(value, list) or (isinstance(parameter.default, list) and not nested):
        return [parameter.check(value)]
    axis = [parameter.check(part) for part in value]
    if not axis or len({text(part) for part in axis}) < len(axis):
        raise ParameterError(
            f"{name} = {short(value)} is refused: need different values, at least one"
        )
    return axis


def _drawn(parameter: Parameter, value: Any, die: random.Random) -> Any:
    """A random value of a parameter; one that its type refuses is drawn again by `draws`."""
    if parameter.type_name in (*types.DATA_TYPES, "Device", "FileName"):
        return value
    if parameter.type_name == "Seeds":
        first = 1000 * die.randrange(1, 1000)
        return [first + place for place in range(len(value))]
    return _random(TypeAdapter(getattr(types, parameter.type_name)).json_schema(), value, die)


def _random(kind: Mapping[str, Any], value: Any, die: random.Random) -> Any:
    """A random value of a JSON schema, near ``value`` where the schema has no upper end."""
    if "enum" in kind:
        return die.choice(kind["enum"])
    match kind["type"]:
        case "array":
            return sorted(_random(kind["items"], part, die) for part in value)
        case "boolean":
            return die.random() < 0.5
        case "integer":
            return max(1, round(value * COUNTS ** die.uniform(-1, 1)))
    if "maximum" not in kind:
        return float(f"{value * NUMBERS ** die.uniform(-1, 1):.3g}")
    low, high = kind.get("minimum", kind.get("exclusiveMinimum")), kind["maximum"]
    away = (high - low) * die.choice([die.random(), 10 ** die.uniform(-6, -1)])
    return float(f"{die.choice([low + away, high - away]):.6g}")

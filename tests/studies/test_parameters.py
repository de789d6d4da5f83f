"""Tests of the parameters cell: reading, checking, writing back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from studies import types
from studies.errors import ChapterError, ParameterError
from studies.parameters import effective, parse_assignment, read_parameters, write_values

CELL = """\
from studies.types import PositiveInt, Probability, Widths

p: Probability = 1e-1  # chance that a weight is kept
n: PositiveInt = 3  # draws – größer ist besser
widths: Widths = [64,
                  128]  # hidden widths
"""

GOOD: dict[str, list[Any]] = {
    "Flag": [True, False],
    "PositiveInt": [1, 10**12],
    "NonNegativeInt": [0],
    "PositiveFloat": [1e-300, 1.0, 1e300],
    "Probability": [1e-3, 0.999],
    "Share": [0.5],
    "TailIndex": [1.0001, 2.0],
    "Widths": [[64], [128, 64]],
    "Shares": [[0.1, 0.9]],
    "Seeds": [[0, 7]],
    "DatasetName": ["digits", "mnist"],
    "ActivationName": ["relu", "identity"],
}
BAD: dict[str, list[Any]] = {
    "Flag": [1, 0, "true", None],
    "PositiveInt": [0, -1, 3.0, True, "3", None, math.nan],
    "NonNegativeInt": [-1, False, 0.0],
    "PositiveFloat": [0.0, -1.0, math.inf, math.nan, "1", True],
    "Probability": [0, 1, 0.0, 1.0, 1.5, -0.1, math.nan, math.inf, "0.5", True, None],
    "Share": [0.0, 1.0, math.nan],
    "TailIndex": [1.0, 2.3, math.nan, math.inf],
    "Widths": [[], [0], [64.0], 64, "[64]", (64, 128), [True]],
    "Shares": [[0.7, 0.3], [0.5, 0.5], [0.0], [1.0], [math.nan], [0.5, math.nan], [], 0.5],
    "Seeds": [[0], [1, 1], [-1, 0], [0, 1.0]],
    "DatasetName": ["imagenet", "", 0],
    "ActivationName": ["gelu", None],
}


def cell(type_name: str, value: str, comment: str = "  # what it means") -> str:
    return f"from studies.types import {type_name}\nx: {type_name} = {value}{comment}"


def parameter(type_name: str) -> Any:
    return read_parameters(cell(type_name, repr(GOOD[type_name][0])))["x"]


def test_every_type_is_exported_and_tried() -> None:
    """A type that exists but cannot be named in a chapter, or that no test has seen."""
    assert sorted(GOOD) == sorted(BAD) == types.__all__ == sorted(types.__all__)


@pytest.mark.parametrize("name", GOOD)
def test_values_inside_the_range_pass(name: str) -> None:
    """A border or a type that is stricter than its words."""
    for value in GOOD[name]:
        assert parameter(name).check(value) == value


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BAD.items() for v in values])
def test_values_outside_the_range_are_refused(name: str, value: Any) -> None:
    """A lax type: True for 1, "3" for 3, NaN past every inequality, a tuple for a list."""
    with pytest.raises(ParameterError) as caught:
        parameter(name).check(value)
    message = str(caught.value)
    assert message.startswith(f"x = {value!r} is refused: need ")
    assert message.endswith("(what it means)")
    assert "{name}" not in message
    assert "\n" not in message


def test_numbers_that_mean_the_same_are_the_same() -> None:
    """`-p alpha=2` against the default 2: not 2.0 once and 2 once, with two fingerprints."""
    given = read_parameters(cell("TailIndex", "2"))
    assert repr(effective(given, [])) == repr(effective(given, [{"x": 2}])) == "{'x': 2.0}"


def test_reading_keeps_order_types_defaults_and_comments() -> None:
    """A comment taken from another line, or a default read as text."""
    found = read_parameters(CELL)
    assert list(found) == ["p", "n", "widths"]
    assert [p.type_name for p in found.values()] == ["Probability", "PositiveInt", "Widths"]
    assert [p.default for p in found.values()] == [0.1, 3, [64, 128]]
    assert [p.comment for p in found.values()] == [
        "chance that a weight is kept",
        "draws – größer ist besser",
        "hidden widths",
    ]
    assert found["p"].wanted == "a number with 0 < p < 1"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 3  # untyped", "line 1: need `name: Type = value  # meaning`"),
        ("x: PositiveInt  # no value", "need `name: Type = value"),
        ("x.y: PositiveInt = 3  # attribute", "need `name: Type = value"),
        ("x: list[int] = [3]  # foreign type", "need `name: Type = value"),
        ("import os", "need `name: Type = value"),
        ("x: int = 3  # foreign type", "unknown type int; known: ActivationName, DatasetName"),
        ("x: Wanted = 3  # no parameter type", "unknown type Wanted"),
        ("x: PositiveInt = 1 + 2  # computed", "the default must be a literal"),
        ("x: PositiveInt = n  # a name", "the default must be a literal"),
        ("x: PositiveInt = 3", "a comment must say what x means"),
        ("x: PositiveInt = 3  #", "a comment must say what x means"),
        ("x: PositiveInt = 0  # zero", "default of x = 0 is refused: need a whole number x ≥ 1"),
        ("x: Probability = 1  # sure", "default of x = 1 is refused: need a number with 0 < x < 1"),
        ("x: PositiveInt = 1  # a\nx: PositiveInt = 2  # b", "x is set twice"),
    ],
)
def test_a_cell_against_the_rules_is_refused(source: str, said: str) -> None:
    """A parameter that would run unchecked, or with a default that no override may have."""
    with pytest.raises(ChapterError) as caught:
        read_parameters(source)
    assert said in str(caught.value)


@pytest.mark.parametrize("source", ["x: PositiveInt = (3", "x = = 3", "'''"])
def test_a_cell_that_is_no_python_is_a_syntax_error(source: str) -> None:
    """The tokenizer's own exception, which nobody catches, instead of Python's."""
    with pytest.raises(SyntaxError):
        read_parameters(source)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p=0.5", ("p", 0.5)),
        ("p=1e-3", ("p", 0.001)),
        (" p = -2 ", ("p", -2)),
        ("widths=[64,256]", ("widths", [64, 256])),
        ("data=digits", ("data", "digits")),
        ("data='digits'", ("data", "digits")),
        ("flag=true", ("flag", True)),
        ("flag=FALSE", ("flag", False)),
        ("flag=True", ("flag", True)),
        ("p=", ("p", "")),
        ("p=nan", ("p", "nan")),
        ("p=inf", ("p", "inf")),
        ("p=a=b", ("p", "a=b")),
        ("p=[1,", ("p", "[1,")),
        ("p={[]: 1}", ("p", "{[]: 1}")),
        ("p=" + "-" * 5000 + "1", ("p", "-" * 5000 + "1")),
        ("p=__import__('os')", ("p", "__import__('os')")),
    ],
)
def test_assignments_as_typed(text: str, expected: tuple[str, Any]) -> None:
    """A shell word that crashes the parser, is executed, or is taken for another type."""
    name, value = parse_assignment(text)
    assert (name, value) == expected
    assert type(value) is type(expected[1])


@pytest.mark.parametrize("text", ["p", "", "=3", "  = 3"])
def test_an_assignment_needs_name_and_value(text: str) -> None:
    """`-p p` taken for p=True or for an empty name."""
    with pytest.raises(ParameterError, match=r"need name=value, such as p=0\.5"):
        parse_assignment(text)


def test_later_overrides_win_and_unknown_names_list_the_known() -> None:
    """The profile winning over the command line; a typo that is silently ignored."""
    found = read_parameters(CELL)
    values = effective(found, [{"p": 0.2, "n": 5}, {"p": 0.4}])
    assert values == {"p": 0.4, "n": 5, "widths": [64, 128]}
    with pytest.raises(ParameterError) as caught:
        effective(found, [{"widht": [3]}])
    assert str(caught.value) == (
        "widht is no parameter of this chapter (did you mean widths?); "
        "its parameters are: p, n, widths"
    )
    with pytest.raises(ParameterError, match="its parameters are: none"):
        effective({}, [{"q": 1}])


def test_writing_changes_values_only() -> None:
    """Lost comments or types, a multi-line value half replaced, columns counted in bytes."""
    written = write_values(CELL, {"p": 0.1, "n": 7, "widths": [32]})
    assert written == CELL.replace("= 3 ", "= 7 ").replace("[64,\n                  128]", "[32]")
    assert write_values(CELL, {"p": 0.1, "n": 3, "widths": [64, 128]}) == CELL
    one_line = "a: Flag = True; b: Flag = [\n]; c: Flag = 'é'  # three"
    assert write_values(one_line, {"a": False, "b": 1, "c": 2}) == (
        "a: Flag = False; b: Flag = 1; c: Flag = 2  # three"
    )


def test_writing_is_by_name_and_leaves_the_rest() -> None:
    """An import or a bare annotation taken for a parameter."""
    source = "from studies.types import Flag\nx: Flag\nobject.y: Flag = 2\nz: Flag = True  # z"
    assert write_values(source, {"x": 1, "y": 1, "z": False}) == source.replace("True", "False")


def values_of(type_name: str) -> st.SearchStrategy[Any]:
    """Values of a type, from what pydantic knows of its range."""
    adapter: TypeAdapter[Any] = TypeAdapter(getattr(types, type_name))
    kind = adapter.json_schema().get("type")
    number = st.floats(0.001, 0.999) if type_name[:4] in ("Prob", "Shar") else st.integers(1, 999)
    if type_name == "TailIndex":
        number = st.floats(1, 2, exclude_min=True)
    if kind == "array":
        return st.lists(number, min_size=2, max_size=5, unique=True).map(sorted)
    if kind == "string":
        return st.sampled_from(adapter.json_schema()["enum"])
    if type_name == "PositiveFloat":
        return st.floats(0, exclude_min=True, allow_infinity=False)
    return st.booleans() if kind == "boolean" else number


comments = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\f\x1c\x85"), min_size=1
).filter(lambda text: text.strip("# ") != "")


@given(st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    """Any value, any comment, any layout: a value or comment garbled on the way."""
    names = data.draw(st.lists(st.sampled_from(types.__all__), min_size=1, max_size=5))
    lines, values, notes = [], {}, []
    for index, type_name in enumerate(names):
        default = repr(data.draw(values_of(type_name)))
        if default.startswith("[") and data.draw(st.booleans()):
            default = default.replace(", ", ",\n  ")
        notes.append(data.draw(comments))
        lines.append(f"größe{index}: {type_name} = {default}  # {notes[-1]}")
        values[f"größe{index}"] = data.draw(values_of(type_name))
    written = write_values("\n".join(lines), values)
    found = read_parameters(written)
    assert {name: p.default for name, p in found.items()} == values
    assert [p.type_name for p in found.values()] == names
    assert [p.comment for p in found.values()] == [note.lstrip("# ") for note in notes]

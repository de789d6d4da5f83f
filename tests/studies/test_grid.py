"""The settings of a sweep: grids, repeats, random draws; and what is refused."""

from __future__ import annotations

import math
import shlex
from typing import Any

import pytest

from studies.build.parameters import effective, parse_assignment, read_parameters
from studies.errors import ParameterError
from studies.sweep.grid import Point, draws, grid, text

CELL = """\
from studies.page import need
from studies.page.types import Draws, Flag, GrowingWidths, ImageData, PositiveFloat
from studies.page.types import Probability, Seeds, TailIndex, Widths

p: Probability = 0.3  # chance
alpha: TailIndex = 1.5  # index
widths: Widths = [8, 16]  # widths
growing: GrowingWidths = [4, 9]  # more widths
dataset: ImageData = "digits"  # data
draws: Draws = 6  # throws
scale: PositiveFloat = 0.02  # scale
plain: Flag = True  # a flag
seeds: Seeds = [3, 250]  # seeds

need(p <= alpha, "a chance below the index")
"""
PARAMETERS = read_parameters(CELL)
BASE = effective(PARAMETERS, [])


def settings(*assignments: str, repeats: Any = (0,)) -> list[dict[str, Any]]:
    return [dict(point.setting) for point in grid(PARAMETERS, BASE, assignments, repeats)]


def test_every_combination_once_the_last_axis_fastest() -> None:
    """Catches a zip for a product, a lost axis, or a value that is set for its list."""
    found = grid(PARAMETERS, BASE, ["p=[0.1,0.2]", "dataset=[digits, mnist]", "draws=4"])
    assert [dict(point.setting) for point in found] == [
        {"p": p, "dataset": data, "draws": 4} for p in (0.1, 0.2) for data in ("digits", "mnist")
    ]
    assert [point.values for point in found] == [{**BASE, **point.setting} for point in found]
    assert found[1].name == "p=0.1 dataset=mnist draws=4"


def test_a_list_is_one_value_where_the_parameter_is_a_list() -> None:
    """Catches widths taken for a grid of numbers, and a grid of lists taken for one value."""
    assert settings("widths=[32,64]") == [{"widths": [32, 64]}]
    assert settings("widths=[32]") == [{"widths": [32]}]
    assert settings("widths=[[32],[64, 8]]") == [{"widths": [32]}, {"widths": [64, 8]}]
    assert settings("plain=[true,False]") == [{"plain": True}, {"plain": False}]
    assert settings() == [{}]


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("d=[digits,ecg5000]", ["digits", "ecg5000"]),
        ("d=[ digits , mnist-2 ]", ["digits", "mnist-2"]),
        ("d=[1e-3, 2.5E4]", [1e-3, 2.5e4]),
        ("d=[[1],[2,3]]", [[1], [2, 3]]),
        ("d=[true,x]", [True, "x"]),
        ("d=['a b', 'c']", ["a b", "c"]),
        ("d=[a b, c ]", ["a b", "c"]),
    ],
)
def test_lists_of_words_as_typed(typed: str, value: Any) -> None:
    """Catches the e of 1e-3 taken for a word, quotes that must be typed, and words joined."""
    assert parse_assignment(typed) == ("d", value)


@pytest.mark.parametrize(
    ("assignments", "says"),
    [
        (["p=[0.1,2]"], r"p = 2 is refused: need a number"),
        (["q=[1,2]"], r"q is no parameter"),
        (["p=0.1", "p=0.2"], r"p is set twice: list its values"),
        (["p=[0.1,0.1]"], r"need different values"),
        (["p=[]"], r"need different values, at least one"),
        (["widths=[0,8]"], r"widths = \[0, 8\] is refused"),
        (["p=[0.1,0.9]", "alpha=[0.5,1.5]"], r"a chance below the index"),
        (["p"], r"need name=value"),
    ],
)
def test_what_cannot_run_is_refused_as_a_whole(assignments: list[str], says: str) -> None:
    """Catches a sweep that starts, and finds out in its last run."""
    with pytest.raises(ParameterError, match=says):
        settings(*assignments)


def test_repeats_share_no_seed_and_the_first_is_as_it_is() -> None:
    """Catches seeds shifted by less than their spread, and repeat 0 with other seeds."""
    points = grid(PARAMETERS, BASE, ["p=[0.1,0.2]"], range(4))
    assert [(point.setting["p"], point.repeat) for point in points[:5]] == [
        *((0.1, repeat) for repeat in range(4)),
        (0.2, 0),
    ]
    assert points[0].values["seeds"] == [3, 250]
    assert points[2].values["seeds"] == [2003, 2250]
    every = [seed for point in points[:4] for seed in point.values["seeds"]]
    assert len(set(every)) == 8
    assert "seeds=[2003,2250]" in points[2].arguments
    assert "seeds" not in points[0].arguments
    plain = read_parameters("from studies.page.types import Flag\n\nf: Flag = True  # a flag\n")
    assert len(grid(plain, effective(plain, []), [])) == 1
    with pytest.raises(ParameterError, match="no seeds to repeat it with"):
        grid(plain, effective(plain, []), [], range(2))


def test_random_settings_are_valid_and_the_same_at_each_call() -> None:
    """Catches draws out of range or alike in two chapters, no resuming, a type left out."""
    few, many = draws(PARAMETERS, BASE, 20, name="a"), draws(PARAMETERS, BASE, 400, name="a")
    assert many[: len(few)] == few
    assert len({point.name for point in many}) == len(many) > 390  # each once
    other = draws(PARAMETERS, BASE, 20, name="b")  # of a chapter with the same parameters
    assert not {point.name for point in other} & {point.name for point in few}
    for point in many:
        assert effective(PARAMETERS, [point.values]) == point.values  # conditions too
        assert {**BASE, **point.setting} == point.values
        assert point.values["dataset"] == "digits"  # others may not be on this machine
        assert 3 <= point.values["draws"] <= 12
        assert 0.002 <= point.values["scale"] <= 0.2
    varied = {name for point in many for name in point.setting}
    assert varied == set(BASE) - {"dataset"}
    extremes = [point.values["p"] for point in many]
    assert min(extremes) < 1e-4
    assert 1 - max(extremes) < 1e-3
    assert 0.1 < sum(0.2 < p < 0.8 and p != 0.3 for p in extremes) / len(many) < 0.4
    assert abs(sum("p" in point.setting for point in many) / len(many) - 0.5) < 0.1
    assert all(a < b for point in many for a, b in [point.values["growing"]])
    seeds = {tuple(point.values["seeds"]) for point in many}
    assert len(seeds) > 100
    assert all(first == 3 or (first % 1000 == 0 and second - first == 1) for first, second in seeds)


def test_draws_of_conditions_that_nothing_meets_end() -> None:
    """Catches a search that never ends."""
    cell = "from studies.page import need\nfrom studies.page.types import Seeds\n\n"
    cell += "seeds: Seeds = [1, 2]  # seeds\n\nneed(max(seeds) < 3, 'small seeds')\n"
    narrow = read_parameters(cell.replace("'", '"'))
    base = effective(narrow, [])
    assert [point.name for point in draws(narrow, base, 30, name="a")] == [
        ""
    ]  # only as it is, and once
    with pytest.raises(ParameterError, match="of 1000 random settings none"):
        draws(narrow, {**base, "seeds": [4, 5]}, 1, name="a")


def test_a_point_names_its_run() -> None:
    """Catches an argument that a shell or `studies run` reads otherwise."""
    point = Point({"widths": [8, 16], "dataset": "digits", "p": 1e-6}, 0, BASE)
    assert point.arguments == "-p 'widths=[8,16]' -p 'dataset=digits' -p 'p=1e-06'"
    for part in point.arguments.split(" -p "):
        name, value = parse_assignment(part.removeprefix("-p ").strip("'"))
        assert value == point.setting[name]
        assert text(value) in part
    assert math.isclose(float(text(1e-6)), 1e-6)
    odd = Point({"file": "it's $(here).pt"}, 0, BASE)
    assert shlex.split(odd.arguments) == ["-p", "file=it's $(here).pt"]

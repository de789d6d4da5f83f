"""The smallest widths: they pass, and one unit less fails."""

import math
from typing import Any

import pytest

from compressibility.bounds import wide_networks


@pytest.mark.parametrize(
    ("theorem", "options"),
    [
        (2, {"p": 0.3, "count": "draws"}),
        (2, {"p": 0.3}),
        (2, {"p": 0.3, "sharper": True}),
        (3, {"k": 2}),
        (6, {"p": 0.3, "count": "draws"}),
        (6, {"p": 0.3, "sharper": True}),
        (7, {"p": 0.3, "kernel": 3}),
    ],
)
@pytest.mark.parametrize(
    ("wide", "blocks", "wanted"), [((3,), (1,), (1, 2)), ((1, 2, 3), (), (0, 1, 2))]
)
def test_smallest_widths_are_smallest(
    theorem: int,
    options: dict[str, Any],
    wide: tuple[int, ...],
    blocks: tuple[int, ...],
    wanted: tuple[int, ...],
) -> None:
    """Catches a width that fails, one with room below, and a width changed that was none of ours.

    TinyBERT's constants ask for up to 10^30 units: no overflow, no float that skips integers.
    """
    conditions = getattr(wide_networks, f"theorem_{theorem}_conditions")
    given_widths = (64, 256, 40, 10)
    for c1, c2 in ((1.1, 2.0), (5.5, 28.4), (0.7, 1.5)):
        settings_: dict[str, Any] = {**options, "xi": 0.5, "c1": c1, "c2": c2}
        sets: dict[str, Any] = {"wide": wide, "blocks": blocks}
        found = wide_networks.smallest_widths(conditions, widths=given_widths, **sets, **settings_)
        assert all(isinstance(width, int) for width in found)
        assert conditions(widths=found, **sets, **settings_).holds
        for place in range(4):
            if place in wanted:
                less = [*found[:place], found[place] - 1, *found[place + 1 :]]
                assert not conditions(widths=less, **sets, **settings_).holds
            else:
                assert found[place] == given_widths[place]


def test_smallest_widths_in_closed_form() -> None:
    """Catches a bisection that ends one off: exact quotients of small numbers."""
    options: dict[str, Any] = {"xi": 0.5, "c1": 1.0, "c2": 1.0, "alpha": 0.5}
    limit = wide_networks.delta(0.5, wide_only=True) * 16  # k = 4
    for outputs in (1, 7, 100):
        found = wide_networks.smallest_widths(
            wide_networks.theorem_3_conditions,
            widths=(5, outputs), wide=(1,), blocks=(), k=4, **options,
        )  # fmt: skip
        assert found == (max(math.ceil(outputs / limit), 2 if outputs < 2 else 1), outputs)


def test_tiny_bert_wants() -> None:
    """Catches a wrong theorem in smallest_widths: the sheet's 3e22 units, and what ours wants."""
    options: dict[str, Any] = {"p": 0.3, "xi": 0.5, "c1": 5.5, "c2": 28.4}
    sets: dict[str, Any] = {"widths": (312, 1200, 312), "wide": (), "blocks": (1,)}
    conditions = wide_networks.theorem_2_conditions
    printed = wide_networks.smallest_widths(conditions, **sets, **options)[1]
    assert printed == pytest.approx(3e22, rel=0.06)
    sharper = wide_networks.smallest_widths(conditions, **sets, **options, sharper=True)[1]
    assert sharper < 1e10


def test_no_width_will_do() -> None:
    """Catches an endless search when a limit underflows to zero."""
    with pytest.raises(ValueError, match="need a width that passes, got none up to 1e"):
        wide_networks.smallest_widths(
            wide_networks.theorem_3_conditions,
            widths=(5, 1), wide=(1,), blocks=(), k=1, xi=0.5, c1=1e-160, c2=1e160,
        )  # fmt: skip

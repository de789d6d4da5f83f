"""What a sweep says about the statements; with outcomes made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from studies.build.project import Statement
from studies.build.runner import Failure
from studies.sweep.grid import Point
from studies.sweep.scope import scope
from studies.sweep.sweep import Outcome
from tests.studies import toy

STATEMENTS = {"thm-a": Statement("theorem", "Shrinking (ours)", "ours")}


def made(name: str, verdict: str, kind: str = "identity", level: float | None = None) -> Any:
    """A claim, as a run's note holds it."""
    return {"id": name, "verdict": verdict, "kind": kind, "level": level}


def outcome(setting: dict[str, Any], *claims: Any, chapter: str = "part/alpha") -> Outcome:
    """A run at a setting that departs from p = .3, widths 4 and 8, one data set, one flag."""
    base = {"p": 0.3, "widths": [4, 8], "dataset": "digits", "bias": True, "seeds": [0, 1]}
    of = cast("Any", SimpleNamespace(name=chapter, statements=STATEMENTS))
    return Outcome(of, Point(setting, 0, {**base, **setting}), toy.run_of(*claims))


def test_the_worst_claim_is_the_statements_verdict() -> None:
    """Catches a failure hidden by claims that hold, by their order, or by another statement's."""
    (a, ab) = scope(
        [
            outcome({}, made("thm-a.x", "holds"), made("thm-a.y", "holds")),
            outcome({"p": 0.1}, made("thm-a.x", "undecided"), made("thm-a.y", "fails")),
            outcome({"p": 0.2}, made("thm-a.x", "holds"), made("thm-a.y", "undecided")),
            outcome({"p": 0.4}, made("thm-a.x", "fails"), made("thm-ab.x", "holds")),
        ]
    )
    assert a["verdicts"] == {"fails": 2, "undecided": 1, "holds": 1}
    assert (a["chapter"], a["label"], a["title"]) == ("part/alpha", "thm-a", "Shrinking (ours)")
    assert ab["verdicts"] == {"fails": 0, "undecided": 0, "holds": 1}
    assert ab["title"] == "thm-ab"


def test_claims_are_counted_by_kind_and_level() -> None:
    """Catches an interval that is taken for exact, a kind or a level that swallows another."""
    row = [made("thm-a.x", "holds"), made("thm-a.y", "undecided", "control", 0.99)]
    (found,) = scope(
        [
            outcome({}, *row, made("thm-a.z", "holds", "control", 0.95)),
            outcome({"p": 0.1}, *row, made("thm-a.z", "fails", "control", 0.95)),
            outcome({"p": 0.2}, made("thm-a.x", "fails")),
        ]
    )
    assert found["kinds"] == {
        "control": [[0.95, 1, 0, 1], [0.99, 0, 2, 0]],
        "identity": [[1, 1, 0, 2]],
    }


def test_ranges_are_those_of_runs_without_a_failure() -> None:
    """Catches a region that spans a failure, a run that did not judge, words, flags or seeds."""
    holds, open_, fails = (made("thm-a.x", word) for word in ("holds", "undecided", "fails"))
    (found, _) = scope(
        [
            outcome({"p": 0.2, "seeds": [5, 6], "bias": False}, holds),
            outcome({"widths": [2, 32], "dataset": "mnist"}, open_),
            outcome({"p": 0.9, "widths": [1, 64]}, fails),
            outcome({"p": 0.8}, made("thm-b.x", "holds")),
        ]
    )
    assert found["ranges"] == {"p": [0.2, 0.3], "widths": [2, 32]}


def test_the_nearest_departure_is_named_with_its_claims() -> None:
    """Catches a far run for a near one, claims that held among those named, an open for a fail."""
    far = {"p": 0.1, "widths": [2, 4], "seeds": [5, 6]}
    (found,) = scope(
        [
            outcome({}, made("thm-a.x", "holds"), made("thm-a.y", "holds")),
            outcome(far, made("thm-a.x", "fails"), made("thm-a.y", "fails")),
            outcome({"p": 0.1}, made("thm-a.x", "holds"), made("thm-a.y", "fails")),
            outcome({"p": 0.2, "bias": False}, made("thm-a.x", "undecided")),
        ]
    )
    assert found["failed"] == {"setting": "p=0.1", "again": "-p 'p=0.1'", "claims": ["thm-a.y"]}
    assert found["open"]["again"] == "-p 'p=0.2' -p 'bias=false'"
    assert found["open"]["claims"] == ["thm-a.x"]


def test_nothing_is_made_of_what_did_not_happen() -> None:
    """Catches a run that broke and counts as held, and an exception that nobody saw."""
    broken = outcome({"p": 0.2})
    failure = Failure(cast("Any", SimpleNamespace(chapter=broken.chapter)), "it broke")
    (found,) = scope(
        [outcome({}, made("thm-a.x", "holds")), Outcome(broken.chapter, broken.point, failure)]
    )
    assert found["verdicts"] == {"fails": 0, "undecided": 0, "holds": 1}
    assert (found["failed"], found["open"], found["ranges"]) == (None, None, {})


def test_chapters_are_kept_apart() -> None:
    """Catches two chapters' runs under one entry."""
    holds = made("thm-a.x", "holds")
    found = scope([outcome({}, holds), outcome({}, made("thm-b.x", "fails"), chapter="part/beta")])
    assert [(one["chapter"], one["label"]) for one in found] == [
        ("part/alpha", "thm-a"),
        ("part/beta", "thm-b"),
    ]

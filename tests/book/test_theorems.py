"""No silent gap: every theorem of Part IV has a function, a test and a claim; others a claim."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compressibility.bounds import wide_networks as bounds
from compressibility.bounds.wide_networks import (
    Asked,
    Audit,
    BlockTerms,
    Constants,
    LayerFacts,
    Seen,
)
from compressibility.bounds.wide_networks.conditions import EQUATIONS
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Pruning, Quantization
from studies.build.project import Project
from tests.book.conftest import ROOT
from tests.compressibility.bounds import test_conditions, test_errors, test_losses

FIRST, SECOND, SEEN = LayerFacts(1, 1, 4, 3), LayerFacts(1, 1, 3, 2), Seen(1.0, 0.5)
PRUNED, QUANTIZED = Cut(Pruning(0.5), 0.5), Cut(Quantization(2), 0.5)
GROUPS = Cut(Pruning(0.5), 0.5, groups=True)


def block(cut: Cut) -> list[float]:
    forms = ("sharpest", "sharper", "printed")
    return [bounds.block_bound(FIRST, SECOND, SEEN, cut, form=form) for form in forms]


def wide(cut: Cut) -> list[float]:
    return [bounds.wide_bound(FIRST, SEEN, cut, form=form) for form in ("sharper", "printed")]


def theorem(number: str) -> list[float]:
    """Limits of the audit, each under its equation number, and the conclusion."""
    draw = Quantization(2) if number == "3" else Pruning(0.5)
    constants = Constants(1.0, (1.0,), (1,) if number == "7" else ())
    plan = Plan((9, 4, 8, 2), wide=(1,), blocks=(2,))
    rows = bounds.audit(number, plan, draw, constants, Asked(xi=0.5)).rows
    assert [row.equation for row in rows[1:]] == list(EQUATIONS[number])
    return [*(row.right for row in rows), bounds.theorem_error(c1=1.0, m=3, xi=0.5)]


def corollary() -> list[float]:
    given = {"loss": 1.0, "c1": 1.0, "m": 1, "epsilon": 0.25}
    return [bounds.excess_loss(**given), bounds.corollary_5(**given, omega=0.5)]


# Statement of the paper: functions that compute it, how, labels of the chapters' claims of it.
STATEMENTS: dict[str, tuple[list[str], Callable[[], list[float]], list[str]]] = {
    "Theorem 2": (["audit", "theorem_error"], lambda: theorem("2"), ["thm-pruning"]),
    "Theorem 3": (["audit", "theorem_error"], lambda: theorem("3"), ["thm-quantization"]),
    "Corollary 5": (["corollary_5"], corollary, ["cor-excess"]),
    "Theorem 6": (["audit", "theorem_error"], lambda: theorem("6"), ["thm-6"]),
    "Theorem 7": (["audit", "theorem_error"], lambda: theorem("7"), ["thm-filters"]),
    "Proposition 18": (["wide_bound"], lambda: wide(QUANTIZED), ["prop-18"]),
    "Proposition 19": (["wide_bound"], lambda: wide(PRUNED), ["prop-19"]),
    "Proposition 21": (["block_bound", "block_terms"], lambda: block(QUANTIZED), ["prop-21"]),
    "Proposition 22": (["block_bound", "block_terms"], lambda: block(PRUNED), ["prop-22"]),
    "Proposition 24": (["wide_bound"], lambda: wide(GROUPS), ["prop-24"]),
    "Proposition 25": (["block_bound", "block_terms"], lambda: block(GROUPS), ["prop-25"]),
}


def names(text: str, statement: str) -> bool:
    """Whether a text speaks of a statement, alone or as one of "Theorems 2, 3 and 6"."""
    kind, number = statement.split()
    return re.search(rf"\b{kind}s?\s[\w\s,()]*?\b{number}\b", text) is not None


def retyped(test: Callable[..., None], number: str) -> Callable[[], None]:
    """The test that types a proposition's formula again, at the draw that it speaks of."""
    kinds = {"18": "quantization", "21": "quantization", "24": "groups", "25": "groups"}
    return lambda: test(kinds.get(number, "pruning"), 0)


def tests_of(function: str, number: str) -> Callable[[], None]:
    """The test of what a function computes of a statement, ready to run."""
    return {
        "audit": lambda: test_conditions.test_formulas_retyped(number, "repaired", 0),
        "theorem_error": test_losses.test_theorem_error,
        "corollary_5": test_losses.test_corollary_5,
    }.get(function) or retyped(test_errors.test_formulas_retyped, number)


def a_little_more(found: float | Audit | BlockTerms) -> float | Audit | BlockTerms:
    """A result that is wrong by a thousandth."""
    if isinstance(found, float):
        return found * 1.001
    if isinstance(found, Audit):
        rows = (replace(row, right=row.right * 1.001) for row in found.rows)
        return replace(found, rows=tuple(rows))
    return found._replace(growth=found.growth * 1.001)


def claimed(ledger: Path) -> set[str]:
    """Labels of the statements that the book makes claims of."""
    chapters = json.loads(ledger.read_text(encoding="utf8"))["chapters"].values()
    return {claim["id"].partition(".")[0] for chapter in chapters for claim in chapter["claims"]}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statement_has_functions_and_tests(statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a theorem that the book states and never computes, or whose test sees no error.

    That a test names a statement shows nothing; it has to fail where the function errs.
    """
    functions, compute, _ = STATEMENTS[statement]
    for function in functions:
        right, test = getattr(bounds, function), tests_of(function, statement.split()[1])
        assert names(inspect.getdoc(right) or "", statement), function
        test()
        with monkeypatch.context() as patch:
            patch.setattr(bounds, function, lambda *a, f=right, **k: a_little_more(f(*a, **k)))
            with pytest.raises(AssertionError):
                test()
    *rungs, last = compute()
    assert all(0 < value < math.inf for value in (*rungs, last))
    assert statement.startswith("Theorem") or [*rungs, last] == sorted([*rungs, last])


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statement_has_claims(checkout: Path, statement: str) -> None:
    """Catches a theorem that the book states and never checks."""
    assert set(STATEMENTS[statement][2]) <= claimed(checkout / "_build/html/ledger.json")


def test_every_statement_of_the_other_parts_has_claims(checkout: Path) -> None:
    """Catches a theorem, a definition or an observation that no claim stands on."""
    held = claimed(checkout / "_build/html/ledger.json")
    chapters = (c for c in Project(ROOT).chapters() if c.name.startswith("heavy-tails/"))
    stated = {label: chapter.name for chapter in chapters for label in chapter.statements}
    assert len(stated) > 20
    assert {label: name for label, name in stated.items() if label not in held} == {}

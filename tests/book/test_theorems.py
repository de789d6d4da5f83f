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
from studies.build.entries import circle
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

# Read one by one: these proofs rest on no other statement of the book.
FIRST_PRINCIPLES = """
    prop-gcd lem-width prop-block prop-block-bias prop-hill prop-two-indices prop-growth
    prop-orderings prop-sparse-gap lem-lipschitz def-kinds prop-cut-tail lem-largest
    prop-certificate prop-rescaling prop-two-laws prop-readjust prop-density-grid prop-epsilon
    prop-l1-minimum prop-one-shot def-draws prop-identity cor-excess prop-conv-matrix
    prop-collapse-filters lem-good-throw lem-recursion prop-exchange prop-layers-to-answers
    prop-mean-restored prop-alignment prop-dice-price thm-no-dice prop-samples prop-promise
    prop-cost-curvature prop-cost-sum slip-ht-2 slip-ht-3 slip-ht-6 slip-ht-8 slip-ht-9
    slip-ht-10 slip-in-3 slip-in-6 slip-pl-6 slip-2 slip-6 slip-10 slip-11 prop-search
    prop-alarms
"""


def names(text: str, statement: str) -> bool:
    """Whether a text speaks of a statement, alone or as one of "Theorems 2, 3 and 6"."""
    kind, number = statement.split()
    return re.search(rf"\b{kind}s?\s[\w\s,()]*?\b{number}\b", text) is not None


def retyped(test: Callable[..., None], number: str) -> Callable[[], None]:
    """The test that types a proposition's formula again, at the draw that it speaks of."""
    kinds = {"18": "quantization", "21": "quantization", "24": "groups", "25": "groups"}
    return lambda: test(kinds.get(number, "pruning"), 0)


def known_tests(function: str, number: str) -> Callable[[], None]:
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
        right, test = getattr(bounds, function), known_tests(function, statement.split()[1])
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


def test_every_proof_names_what_it_uses() -> None:
    """Catches a proof that leans on another statement and is no part of the map of theorems."""
    stated = {k: v for c in Project(ROOT).chapters() for k, v in c.statements.items()}
    alone = {label for label, it in stated.items() if it.proved and not it.uses}
    known = set(FIRST_PRINCIPLES.split())
    unnamed = sorted(alone - known)
    assert unnamed == [], "name what these use by {prf:ref}, or list them as first principles"
    assert sorted(known - alone) == [], "these are gone, or name what they use: not in the list"


def test_no_proof_runs_in_a_circle() -> None:
    """Catches two statements that are proved by one another, and a use of one that is not there."""
    stated = {k: v for c in Project(ROOT).chapters() for k, v in c.statements.items()}
    assert circle(stated) == []
    assert {used for it in stated.values() for used in it.uses} <= set(stated)

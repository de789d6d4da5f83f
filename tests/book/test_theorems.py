"""No silent gap: every theorem of Part IV has a function, a test and a claim."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from compressibility.bounds import wide_networks as bounds
from tests.book.conftest import ROOT

# Statement of the paper: functions that compute it, labels under which chapters make claims of it.
STATEMENTS = {
    "Theorem 2": (["theorem_2_conditions", "theorem_error"], ["thm-pruning"]),
    "Theorem 3": (["theorem_3_conditions", "theorem_error"], ["thm-quantization"]),
    "Corollary 5": (["corollary_5", "excess_loss"], ["cor-excess"]),
    "Theorem 6": (["theorem_6_conditions", "theorem_error"], ["thm-6"]),
    "Theorem 7": (["theorem_7_conditions", "theorem_error"], ["thm-filters"]),
    "Proposition 18": (["proposition_18", "sharper_wide_quantization"], ["prop-18"]),
    "Proposition 19": (["proposition_19", "sharper_wide_pruning"], ["prop-19"]),
    "Proposition 21": (["proposition_21", "sharper_block_quantization"], ["prop-21"]),
    "Proposition 22": (["proposition_22", "sharper_block_pruning"], ["prop-22"]),
    "Proposition 24": (["proposition_24"], ["prop-24"]),
    "Proposition 25": (["proposition_25"], ["prop-25"]),
}


def claimed(ledger: Path) -> set[str]:
    """Labels of the statements that the book makes claims of."""
    chapters = json.loads(ledger.read_text(encoding="utf8"))["chapters"].values()
    return {claim["id"].partition(".")[0] for chapter in chapters for claim in chapter["claims"]}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statement_has_functions_tests_and_claims(checkout: Path, statement: str) -> None:
    """Catches a theorem that the book states and never computes, tests or checks."""
    functions, labels = STATEMENTS[statement]
    tests = "".join(p.read_text("utf8") for p in (ROOT / "tests/compressibility").rglob("*.py"))
    for function in functions:
        assert callable(getattr(bounds, function))
        assert re.search(rf"\b{function}\b", tests)
    assert set(labels) <= claimed(checkout / "_build/html/ledger.json")

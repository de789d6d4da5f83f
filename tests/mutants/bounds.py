"""Faults of the bounds and the audits."""

from tests.mutants import Mutant
from tests.mutants.wide_networks import PAGES

__all__ = ["MUTANTS", "PAGES"]

ROOM = "compressibility.bounds.wide_networks"
ERRORS, CONDITIONS = f"{ROOM}.errors", f"{ROOM}.conditions"
TESTS = "tests/compressibility/bounds"
FORMULAS = f"{TESTS}/test_errors.py::test_formulas_retyped"
LIMITS = f"{TESTS}/test_conditions.py::test_formulas_retyped"

MUTANTS = [
    Mutant(
        "the printed wide bound takes the exact variance",
        ERRORS,
        "added = 2 * share * odds.variance / (1 - share)",
        "added = 2 * share * odds.exact / (1 - share)",
        f"{TESTS}/test_errors.py::test_known_answers_of_case_a",
    ),
    Mutant(
        "the sharper wide bound takes the printed variance",
        ERRORS,
        "added = share * odds.exact",
        "added = share * odds.variance",
        f"{TESTS}/test_errors.py::test_sharper_wide_bounds_are_attained",
    ),
    Mutant(
        "the sharper wide bound refuses a share of 1",
        ERRORS,
        'checks.need(0 < share <= 1, "0 < share <= 1", share)',
        'checks.need(0 < share < 1, "0 < share <= 1", share)',
        f"{TESTS}/test_errors.py::test_the_sharper_wide_bound_takes_a_share_of_one",
    ),
    Mutant(
        "inputs for outputs in a wide layer",
        ERRORS,
        "layer.entry**2 * layer.outputs",
        "layer.entry**2 * layer.inputs",
        FORMULAS,
    ),
    Mutant(
        "Markov's factor in the sharper growth",
        ERRORS,
        "sharper_growth=float(odds.variance * size * steps / 2)",
        "sharper_growth=float(odds.variance * size * steps * 2)",
        FORMULAS,
    ),
    Mutant(
        "the sharper growth takes the exact variance",
        ERRORS,
        "sharper_growth=float(odds.variance *",
        "sharper_growth=float(odds.exact *",
        FORMULAS,
    ),
    Mutant(
        "the drift takes the printed variance",
        ERRORS,
        "drift=float(odds.exact *",
        "drift=float(odds.variance *",
        FORMULAS,
    ),
    Mutant(
        "rows: v for 1 ∨ v",
        ERRORS,
        "2 * max(1.0, odds.variance) * theta**2",
        "2 * odds.variance * theta**2",
        FORMULAS,
    ),
    Mutant(
        "f(Λ) for e^Λ - 1",
        ERRORS,
        "added = growth + _ln(-math.expm1(-growth)) + _ln(terms.omega)",
        "added = growth + _ln(growth) + _ln(terms.omega)",
        f"{TESTS}/test_errors.py::test_known_answers_of_case_b",
    ),
    Mutant(
        "the sharpest form forgets the linear equation",
        ERRORS,
        "best = min(best, math.exp(growth)",
        "best = max(best, math.exp(growth)",
        FORMULAS,
    ),
    Mutant(
        "the sharpest form is below its equation's solution",
        ERRORS,
        "math.sqrt(before + terms.spread) + terms.drift / 2",
        "math.sqrt(before + terms.spread) + terms.drift / 4",
        f"{TESTS}/test_errors.py::test_sharpest_solves_its_equation",
    ),
    Mutant(
        "bounds of controls",
        ERRORS,
        'cut.order in ("greedy", "random")',
        'cut.order in ("greedy", "random", "largest")',
        f"{TESTS}/test_errors.py::test_bad_arguments_are_named",
    ),
    Mutant(
        "c2 of a filter without q",
        f"{ROOM}.facts",
        "return float(q * math.sqrt(widest)",
        "return float(math.sqrt(widest)",
        f"{TESTS}/test_facts.py::test_constants_of_networks",
    ),
    Mutant(
        "a mean radius",
        f"{ROOM}.facts",
        "radius = float(_lengths(seen).max())",
        "radius = float(_lengths(seen).mean())",
        f"{TESTS}/test_facts.py::test_seen",
    ),
    Mutant(
        "the proofs' slack for the repaired one",
        f"{ROOM}.delta",
        'return xi / 4 if slack == "quarter" else xi / 2',
        "return xi / 2",
        f"{TESTS}/test_delta.py::test_draws_known_answers",
    ),
    Mutant(
        "the first number of draws that passes",
        f"{ROOM}.delta",
        "return low + int(fails[-1]) + 1",
        "return low + int(fails[0]) + 1",
        f"{TESTS}/test_delta.py::test_exact_draws_against_rational_brute_force",
    ),
    Mutant(
        "(20) has the 1 ∨ v of (14)",
        CONDITIONS,
        "inverse, jump = float(draw.levels**2), 1 / draw.levels",
        "inverse, jump = float(draw.levels**2), max(1.0, 1 / draw.levels**2)",
        LIMITS,
    ),
    Mutant(
        "(20) with the printed power",
        CONDITIONS,
        "power = 4\n",
        "power = -4\n",
        f"{TESTS}/test_conditions.py::test_printed_20_does_not_give_the_theorem",
    ),
    Mutant(
        "(27) upside down in the repaired form too",
        CONDITIONS,
        'elif conditions == "printed" and isinstance(draw, Pruning)',
        "elif isinstance(draw, Pruning)",
        f"{TESTS}/test_conditions.py::test_printed_27_and_34_are_upside_down",
    ),
    Mutant(
        "a block reads the c2 of its first layer twice",
        CONDITIONS,
        "both = sizes[layer - 1], sizes[layer]",
        "both = sizes[layer - 1], sizes[layer - 1]",
        LIMITS,
    ),
    Mutant(
        "the least c2 of a network",
        CONDITIONS,
        "c2 = (max(c2),) * m",
        "c2 = (min(c2),) * m",
        LIMITS,
    ),
    Mutant(
        "neurons counted where weights are drawn",
        CONDITIONS,
        'if theorem == "2":\n',
        'if theorem == "5":\n',
        f"{TESTS}/test_conditions.py::test_draws_rows",
    ),
    Mutant(
        "a verdict in floats",
        CONDITIONS,
        "holds = value <= Fraction(limit) ** (2 if root else 1)",
        "holds = left <= limit",
        f"{TESTS}/test_conditions.py::test_verdicts_are_exact",
    ),
    Mutant(
        "the smallest width less one",
        f"{ROOM}.widths",
        "    return high\n",
        "    return low\n",
        f"{TESTS}/test_conditions.py::test_smallest_widths_are_smallest",
    ),
    Mutant(
        "theorem's error with one layer too few",
        f"{ROOM}.losses",
        "return float(c1 ** (2 * m) * (1 + xi) ** m * xi)",
        "return float(c1 ** (2 * m) * (1 + xi) ** (m - 1) * xi)",
        f"{TESTS}/test_losses.py::test_theorem_error",
    ),
    Mutant(
        "(18) without its factor 2",
        f"{ROOM}.losses",
        "loss + 2 * c1**m * math.sqrt(epsilon * loss)",
        "loss + c1**m * math.sqrt(epsilon * loss)",
        f"{TESTS}/test_losses.py::test_excess_loss_is_attained_by_collinear_errors",
    ),
    Mutant(
        "a kink that is not seen",
        "compressibility.audit.assumptions",
        "kink = finer > max(noise, 2 * bend)",
        "kink = finer > max(noise, 20 * bend)",
        "tests/compressibility/audit/test_assumptions.py::test_activations",
    ),
]

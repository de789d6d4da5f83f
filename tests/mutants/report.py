"""Faults of the audit of a reader's own network, and of its report."""

from tests.mutants import Mutant

ROOM = "compressibility.audit"
MEASURED, REPORT, TOGETHER = (f"{ROOM}.{name}" for name in ("measured", "report", "together"))
PROMISED, FINDINGS, PAGE = (f"{ROOM}.{name}" for name in ("promised", "findings", "page"))
TESTS = "tests/compressibility/audit/test_report.py"
FEW_LINES = f"{TESTS}::test_held_out_errors_of_three_layers_in_a_few_lines"
DEFINITIONS = f"{TESTS}::test_dice_ranks_columns_and_readjusting_by_their_definitions"
LOADED = f"{TESTS}::test_a_loaded_module_gives_the_reported_numbers"
GREEN = f"{TESTS}::test_an_empty_bound_is_never_green"

MUTANTS = [
    Mutant(
        "batches held out are those that cuts are chosen on",
        REPORT,
        "calibration, held_out = batches[::2], batches[1::2]",
        "calibration, held_out = batches[::2], batches[::2]",
        FEW_LINES,
    ),
    Mutant(
        "std + mean scored by the power",
        MEASURED,
        '"std + mean": lambda: dense.square() * seen.variance',
        '"std + mean": lambda: dense.square() * seen.power',
        FEW_LINES,
    ),
    Mutant(
        "errors over the power of the outputs",
        MEASURED,
        "return found / self.unit[0]",
        "return found / self.unit[1]",
        FEW_LINES,
    ),
    Mutant(
        "the bias restores the mean with the wrong sign",
        MEASURED,
        "gap - cut.bias).square()",
        "gap + cut.bias).square()",
        FEW_LINES,
    ),
    Mutant(
        "the share above the budget",
        MEASURED,
        "return low if widths >= 0 else high",
        "return high",
        FEW_LINES,
    ),
    Mutant(
        "a search that jumps over a failure",
        MEASURED,
        "high = next((k for k in tenths if",
        "high = next((k for k in tenths[-2:] if",
        f"{TESTS}::test_the_largest_share_is_before_the_first_failure",
    ),
    Mutant(
        "dice priced without their odds",
        MEASURED,
        "cut.touched).sum(0) * (1 / cut.keep - 1)",
        "cut.touched).sum(0) / cut.keep",
        DEFINITIONS,
    ),
    Mutant(
        "ranks by the power of the outputs",
        MEASURED,
        "spread = outputs - outputs.mean(0)",
        "spread = outputs",
        DEFINITIONS,
    ),
    Mutant(
        "columns by their norm alone",
        MEASURED,
        "(dense.square().sum(0) * seen.variance)[None]",
        "dense.square().sum(0)[None]",
        DEFINITIONS,
    ),
    Mutant(
        "readjusting whatever the samples say",
        MEASURED,
        "return made if samples_needed(kept, explained) < N else mask",
        "return made",
        f"{TESTS}::test_readjusting_wants_samples",
    ),
    Mutant(
        "means mended on the dense network's inputs",
        TOGETHER,
        "bias = (site.weight() - cut.weight).double() @ Inputs(fed[site]).mean",
        "bias = 0 * cut.bias",
        f"{TESTS}::test_all_together_means_are_mended_on_what_is_fed",
    ),
    Mutant(
        "mended biases are not saved",
        TOGETHER,
        "names[site.name.removesuffix(leaf) + bias] = bias",
        "pass",
        LOADED,
    ),
    Mutant(
        "an empty promise is green",
        PROMISED,
        'if found["v_half"] >= 1:',
        'if found["v_half"] >= 1e9:',
        GREEN,
    ),
    Mutant(
        "biases, of which the theorems do not speak",
        PROMISED,
        'elif biases or found["fails"]:',
        'elif found["fails"] and not biases:',
        GREEN,
    ),
    Mutant(
        "layers that the inputs never reach have no row",
        REPORT,
        'report.skipped.append({"name": label, "shape": shape, "why": made})',
        "pass",
        f"{TESTS}::test_no_layer_is_skipped_silently",
    ),
    Mutant(
        "an interval that is too sure",
        MEASURED,
        "ends = min(found, crossing(2.0, 40)), found, max(found, crossing(-2.0, 40))",
        "ends = found, found, found",
        f"{TESTS}::test_thirty_more_samples_do_not_change_the_verdict",
    ),
    Mutant(
        "no warning of few samples",
        REPORT,
        'if row["samples"] < inputs:',
        "if not inputs:",
        f"{TESTS}::test_warnings",
    ),
    Mutant(
        "NaN in JSON",
        FINDINGS,
        "isinstance(value, float) and not math.isfinite(value)",
        "isinstance(value, str) and not value",
        f"{TESTS}::test_json_is_strict_and_complete",
    ),
    Mutant(
        "names of a reader's layers run as HTML",
        PAGE,
        "autoescape=True",
        "autoescape=False",
        f"{TESTS}::test_the_page_stands_alone_and_speaks_in_shapes",
    ),
]

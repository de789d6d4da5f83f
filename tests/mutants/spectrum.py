"""Faults of Hessians as operators, of Lanczos quadrature and of trace estimators."""

from tests.mutants import Mutant

ROOM = "compressibility.spectrum"
OPERATORS, LANCZOS, TRACES = (f"{ROOM}.{name}" for name in ("operators", "lanczos", "traces"))
TESTS = "tests/compressibility/spectrum"
PRODUCTS, STEPS, NUMBERS = (
    f"{TESTS}/test_{name}.py" for name in ("operators", "lanczos", "traces")
)
L1 = f"{PRODUCTS}::test_l1_has_a_slope_and_no_curvature"
FEW = f"{STEPS}::test_few_values_are_exact_after_as_many_steps"
FIRST = "vectors[:, 0].square()"
PAGES = {
    OPERATORS: ("pruning-limit/hessian", "together/errata-pruning-limit"),
    LANCZOS: ("pruning-limit/hessian",),
    TRACES: ("pruning-limit/hessian", "pruning-limit/one-shot"),
}

MUTANTS = [
    Mutant(
        "batches averaged without their sizes",
        OPERATORS,
        "n / sum(sizes)",
        "1 / len(sizes)",
        f"{PRODUCTS}::test_batches_count_by_their_samples",
    ),
    Mutant(
        "the curvature of BatchNorm's parameters",
        OPERATORS,
        "not in inside",
        "not in ()",
        f"{PRODUCTS}::test_batch_norm_stands_outside",
    ),
    Mutant(
        "a model in training mode",
        OPERATORS,
        "need(not training,",
        "need(True,",
        f"{PRODUCTS}::test_bad_arguments",
    ),
    Mutant(
        "a loss that is nan",
        OPERATORS,
        'finite(**{"loss of the model": value})',
        "pass",
        f"{PRODUCTS}::test_bad_arguments",
    ),
    Mutant("no slope of the l1 term", OPERATORS, "plain + self.l1 * weights.sign()", "plain", L1),
    Mutant("a kink as a slope", OPERATORS, "weights == 0, at_zero", "weights == 0, plain", L1),
    Mutant(
        "Gauss-Newton without the curvature of the loss",
        OPERATORS,
        "_pull(bend, seen, _pull(pulled, any_u, v))",
        "_pull(pulled, any_u, v)",
        f"{PRODUCTS}::test_gauss_newton_is_the_literal_product",
    ),
    Mutant(
        "Gauss-Newton for the Hessian",
        OPERATORS,
        "return lambda v: _pull(slope, weights, v)",
        "return lambda v: (gauss_newton(objective) @ v) / len(objective.batches)",
        f"{PRODUCTS}::test_product_of_two_numbers",
    ),
    Mutant(
        "rows of other coordinates than the columns",
        OPERATORS,
        "return self.product(whole)[index]",
        "return self.product(whole)[: len(index)]",
        f"{PRODUCTS}::test_restriction_is_the_submatrix",
    ),
    Mutant("Ritz values without weights", LANCZOS, FIRST, "torch.ones_like(values) / m", FEW),
    Mutant(
        "first components, not squared",
        LANCZOS,
        FIRST,
        "torch.nn.functional.normalize(vectors[:, 0].abs(), p=1)",
        FEW,
    ),
    Mutant("last components", LANCZOS, FIRST, "vectors[:, -1].square()", FEW),
    Mutant(
        "the measure of all values whatever the start",
        LANCZOS,
        "vectors = (sizes / most).to(operator.like)",
        "vectors = (sizes / most).to(operator.like).sign()",
        f"{STEPS}::test_started_at_the_removed_weights",
    ),
    Mutant(
        "orthogonal to the last two vectors only",
        LANCZOS,
        "before = basis[:, : j + 1]",
        "before = basis[:, max(j - 1, 0) : j + 1]",
        f"{STEPS}::test_basis_stays_orthogonal",
    ),
    Mutant(
        "orthogonal to the vectors since the interruption only",
        LANCZOS,
        "before = basis[:, : j + 1]",
        "before = basis[:, m : j + 1]",
        f"{STEPS}::test_interrupted_run_goes_on_with_the_same_numbers",
    ),
    Mutant(
        "starts as long as they come",
        LANCZOS,
        "(vectors / lengths)[:, None]",
        "vectors[:, None]",
        f"{STEPS}::test_several_starts_are_single_runs",
    ),
    Mutant(
        "all steps, whatever number is asked for",
        LANCZOS,
        "m = self.steps if steps is None else steps\n",
        "m = self.steps\n",
        f"{STEPS}::test_errs_on_one_side",
    ),
    Mutant(
        "starts of zeros and ones",
        LANCZOS,
        ".T.to(operator.like) * 2 - 1",
        ".T.to(operator.like)",
        f"{STEPS}::test_starts_are_signs",
    ),
    Mutant(
        "one interval for all Ritz values",
        LANCZOS,
        "[one.mean(function) for one in self.spectra(steps)]",
        "function(self.spectrum(steps).values).tolist()",
        f"{STEPS}::test_interval_holds_the_trace",
    ),
    Mutant(
        "a trace that cancels",
        TRACES,
        "one.mean(torch.abs)",
        "one.mean(torch.clone)",
        f"{NUMBERS}::test_absolute_trace",
    ),
    Mutant(
        "the mean eigenvalue for the trace",
        TRACES,
        "_forms(operator, vectors).tolist()",
        "(_forms(operator, vectors) / len(vectors)).tolist()",
        f"{NUMBERS}::test_traces_are_unbiased_with_their_interval",
    ),
    Mutant(
        "what the sketch holds counted twice",
        TRACES,
        "rest = rest - frame @ (frame.mT @ rest)",
        "pass",
        f"{NUMBERS}::test_hutch_plus_plus_catches_what_is_large",
    ),
    Mutant(
        "a saddle for a minimum",
        TRACES,
        'need(operator.kind != "signed"',
        "need(True",
        f"{NUMBERS}::test_bad_arguments",
    ),
    Mutant(
        "the cost without its half",
        TRACES,
        "for c in gone]) / 2",
        "for c in gone])",
        f"{NUMBERS}::test_ball",
    ),
    Mutant(
        "one weight more than removed",
        TRACES,
        "rank < part",
        "rank <= part",
        f"{NUMBERS}::test_costs_are_not_monotone",
    ),
    Mutant(
        "the order read as ranks",
        TRACES,
        "rank = order.argsort()[:, None]",
        "rank = order[:, None]",
        f"{NUMBERS}::test_costs_are_not_monotone",
    ),
    Mutant(
        "the kept weights' cost",
        TRACES,
        "rank < part, weights[:, None], 0.0",
        "rank < part, 0.0, weights[:, None]",
        f"{NUMBERS}::test_nine_weights",
    ),
]

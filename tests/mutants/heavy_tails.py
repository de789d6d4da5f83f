"""Faults of the bounds of heavy tails: the regression's tail, and what sparsity is worth."""

from tests.mutants import Mutant

ROOM = "compressibility.bounds.heavy_tails"
REGRESSION, GAP = f"{ROOM}.regression", f"{ROOM}.generalization"
TESTS = "tests/compressibility/bounds/heavy_tails"
TAIL, SPARSE = f"{TESTS}/test_regression.py", f"{TESTS}/test_generalization.py"
EVEN = f"{TAIL}::test_even_moments_are_polynomials"
CLOSED = f"{TAIL}::test_one_dimension_has_closed_forms"
CRITICAL = f"{TAIL}::test_critical_rates"
CHAINS = f"{TAIL}::test_second_moment_is_the_chains"
BAD_TAIL = f"{TAIL}::test_refusals"
UNION = f"{SPARSE}::test_the_union_fails_with_delta"
SMALLEST = f"{SPARSE}::test_smallest_problems_below_one"
TWICE = f"{SPARSE}::test_not_pruned_costs_the_absolute_error_twice"
BEST = f"{SPARSE}::test_best_resolution_beats_a_grid"
PAGES = {REGRESSION: ("heavy-tails/plain-sgd",), GAP: ("heavy-tails/generalization",)}

MUTANTS = [
    Mutant(
        "Y of d degrees",
        REGRESSION,
        "_chi_square(regression.dimension - 1, alpha, 0.0)",
        "_chi_square(regression.dimension, alpha, 0.0)",
        EVEN,
    ),
    Mutant(
        "Y dropped", REGRESSION, "if regression.dimension > 1:", "if regression.rate < 0:", EVEN
    ),
    Mutant(
        "exponent alpha of the square",
        REGRESSION,
        "np.log(np.maximum(square, 1e-300)) / 2",
        "np.log(np.maximum(square, 1e-300))",
        EVEN,
    ),
    Mutant(
        "X of b - 1 degrees",
        REGRESSION,
        "_chi_square(regression.batch, 2 * alpha",
        "_chi_square(regression.batch - 1, 2 * alpha",
        CLOSED,
    ),
    Mutant(
        "a sum over the batch in place of the mean",
        REGRESSION,
        "regression.rate / regression.batch",
        "regression.rate",
        EVEN,
    ),
    Mutant(
        "Y without the square of the step",
        REGRESSION,
        "step**2 * x[:, None] * y",
        "step * x[:, None] * y",
        EVEN,
    ),
    Mutant("no corner at X = b / eta", REGRESSION, "1 / step)", "0.0)", CLOSED),
    Mutant("a range for the bulk only", REGRESSION, "degrees + power)", "degrees)", EVEN),
    Mutant(
        "a density of b + 2 degrees",
        REGRESSION,
        "(degrees / 2 - 1) * np.log",
        "(degrees / 2) * np.log",
        EVEN,
    ),
    Mutant("few nodes", REGRESSION, "_NODES = 240", "_NODES = 60", EVEN),
    Mutant(
        "critical rate of d + 1",
        REGRESSION,
        "(batch + dimension + 1)",
        "(batch + dimension + 2)",
        CRITICAL,
    ),
    Mutant(
        "critical rate of d - 1",
        REGRESSION,
        "(batch + dimension + 1)",
        "(batch + dimension)",
        CRITICAL,
    ),
    Mutant("half the critical rate", REGRESSION, "return 2 * batch /", "return batch /", CRITICAL),
    Mutant(
        "divergence where h(1) = 1",
        REGRESSION,
        "lambda rate: drift(Regression(rate, batch, dimension))",
        "lambda rate: growth(Regression(rate, batch, dimension), 1) - 1",
        f"{TAIL}::test_diverging_rates",
    ),
    Mutant("second moment of a coordinate", REGRESSION, "rate * d * ", "rate * ", CHAINS),
    Mutant("noise not squared", REGRESSION, "label_noise**2", "label_noise", CHAINS),
    Mutant(
        "second moment of additive noise alone",
        REGRESSION,
        "(2 * b - rate * (b + d + 1))",
        "(2 * b - rate * b)",
        CHAINS,
    ),
    Mutant("a tail without noise", REGRESSION, "need(noise > 0,", "need(noise >= 0,", BAD_TAIL),
    Mutant("a tail beyond divergence", REGRESSION, "need(start < 0,", "need(True,", BAD_TAIL),
    Mutant(
        "a tail index that takes only eta / b",
        REGRESSION,
        "noise, start =",
        "regression = Regression(regression.rate / regression.batch, 1, regression.dimension)\n"
        "    noise, start =",
        f"{TAIL}::test_index_is_no_function_of_the_ratio",
    ),
    Mutant("n for 2n", GAP, "+ events) / (2 * fixed.samples)", "+ events) / fixed.samples", UNION),
    Mutant(
        "e of ed/k dropped", GAP, "1 + math.log(fixed.weights)", "math.log(fixed.weights)", UNION
    ),
    Mutant(
        "decimal logarithms",
        GAP,
        "math.sqrt((k * (supports + net) + events) /",
        "math.sqrt((k * (supports + net) + events) / math.log(10) /",
        UNION,
    ),
    Mutant(
        "one side only",
        GAP,
        "math.log(2) + math.log(fixed.choices)",
        "math.log(fixed.choices)",
        UNION,
    ),
    Mutant(
        "moved once",
        GAP,
        "2 * fixed.lipschitz * fixed.resolution",
        "fixed.lipschitz * fixed.resolution",
        UNION,
    ),
    Mutant(
        "L forgotten", GAP, "2 * fixed.lipschitz * fixed.resolution", "2 * fixed.resolution", UNION
    ),
    Mutant(
        "supports of d",
        GAP,
        "k * (supports + net)",
        "(fixed.weights * supports + k * net)",
        SMALLEST,
    ),
    Mutant("supports d^k", GAP, " - math.log(k)", "", UNION),
    Mutant("a net of one dimension", GAP, "k * (supports + net)", "(k * supports + net)", UNION),
    Mutant("a net of (B/rho)^k", GAP, "math.log(3) + ", "", UNION),
    Mutant("radius one", GAP, "math.log(3) + math.log(fixed.radius)", "math.log(3)", UNION),
    Mutant("J without d", GAP, "int(fixed.weights) * int(pairs)", "int(pairs)", SMALLEST),
    Mutant("choices for nothing", GAP, "+ math.log(fixed.choices) ", "", SMALLEST),
    Mutant(
        "not pruned, once", GAP, "2 * fixed.lipschitz * error", "fixed.lipschitz * error", TWICE
    ),
    Mutant("the error squared", GAP, "error * norm", "error**2 * norm", TWICE),
    Mutant("a resolution twice too fine", GAP, "rate = 8 *", "rate = 16 *", BEST),
    Mutant(
        "a resolution beyond the radius",
        GAP,
        "min(fixed.radius, 1 / rate)",
        "min(1e-2, 1 / rate)",
        BEST,
    ),
    Mutant(
        "vacuous only above 1",
        GAP,
        "bisect_left(ks, 1.0",
        "bisect_left(ks, 1.001",
        f"{SPARSE}::test_vacuous_from",
    ),
    Mutant(
        "an end that is not reached",
        GAP,
        "min(fixed.weights, 2 * fixed.samples)",
        "min(fixed.weights, fixed.samples // 8)",
        f"{SPARSE}::test_vacuous_from",
    ),
]

"""Faults of dice, masks and mixtures of one layer, of its samples, of promises to the network."""

from tests.mutants import Mutant

ROOM = "compressibility.bounds.pruned_layer"
MIXTURES, SAMPLES, PROMISES = (f"{ROOM}.{name}" for name in ("mixtures", "samples", "promises"))
TESTS = "tests/compressibility/bounds/pruned_layer"
MIXED, SEEN, SAID = (f"{TESTS}/test_{name}.py" for name in ("mixtures", "samples", "promises"))
OUTCOMES = f"{MIXED}::test_every_mixture_by_all_its_outcomes"
PAIR = f"{MIXED}::test_values_of_the_pair"
ENDS = f"{MIXED}::test_best_values_at_the_ends"
TURNS = f"{MIXED}::test_break_evens_are_where_the_order_turns"
RISING = f"{MIXED}::test_best_keep_of_rising_prices"
SETS = f"{MIXED}::test_best_keep_by_all_sets"
SCOPE = f"{MIXED}::test_the_scope_of_the_dice"
EQUAL = f"{MIXED}::test_equal_prices_on_explicit_matrices"
FACTORS = f"{SEEN}::test_factors_of_least_squares"
NEAR = f"{SEEN}::test_factors_near_as_many_samples_as_weights"
NEEDED = f"{SEEN}::test_samples_needed_are_where_the_factors_cross"
UNDONE = f"{SEEN}::test_adjusted_r2_undoes_the_factors"
ROWS = f"{SEEN}::test_rows_that_keep_different_numbers"
HYBRIDS = f"{SAID}::test_hybrids_of_three_layers"
TIGHT = f"{SAID}::test_certificates_are_tight"
MARKOV = f"{SAID}::test_the_line_of_markov_is_attained"
VACUITY = f"{SAID}::test_vacuity"
BUDGET = f"{SAID}::test_a_budget_and_its_xi"
PAGES = {
    **dict.fromkeys((MIXTURES, SAMPLES), ("together/dice-or-mask",)),
    PROMISES: ("together/dice-or-mask", "together/audit"),
}

TABLE = (
    (
        "the bias of a mixture is not squared",
        MIXTURES,
        "(1 - theta) ** 2 * zeroed",
        "(1 - theta) * zeroed",
        OUTCOMES,
    ),
    (
        "the noise of a mixture takes p for the odds",
        MIXTURES,
        "price * (1 - keep) / keep)",
        "price * keep / (1 - keep))",
        OUTCOMES,
    ),
    (
        "the noise of a mixture is 1 - p",
        MIXTURES,
        "price * (1 - keep) / keep)",
        "price * (1 - keep))",
        OUTCOMES,
    ),
    ("a doubled parallel sum", MIXTURES, "float(value * noise)", "float(2 * value * noise)", PAIR),
    (
        "θ* used as the value",
        MIXTURES,
        "value = zeroed / (keep * zeroed + noise)",
        "value = keep * zeroed / (keep * zeroed + noise)",
        PAIR,
    ),
    (
        "nothing to zero keeps its values",
        MIXTURES,
        "if zeroed > 0 else 0.0\n    return float(value)",
        "if zeroed > 0 else 1.0\n    return float(value)",
        ENDS,
    ),
    ("rescaling pays above 1/p", MIXTURES, "1 + 1 / keep", "1 / keep", TURNS),
    ("zeroing pays below p/(1-p)", MIXTURES, "(1 - keep) / keep, 1", "keep / (1 - keep), 1", TURNS),
    (
        "the best dice are over all",
        MIXTURES,
        "diced = zeros + int(costs.argmin()) + 1\n    return diced / n, 1 - zeros / diced, "
        "float(costs.min())",
        "diced = n\n    return diced / n, 1 - zeros / diced, float(costs[-1])",
        RISING,
    ),
    (
        "the best dice are over one weight more",
        MIXTURES,
        "float(costs.min())",
        "float(costs[0])",
        RISING,
    ),
    (
        "a tangent from the origin",
        MIXTURES,
        "torch.arange(1, n - zeros + 1)",
        "torch.arange(zeros + 1, n + 1)",
        SETS,
    ),
    ("the dearest prices are diced", MIXTURES, ".sort(-1)", ".sort(-1, descending=True)", SETS),
    ("prices are not sorted", MIXTURES, ".sort(-1).values.", ".", SETS),
    (
        "dice of a row sort all rows",
        MIXTURES,
        "prices.double().sort(-1).values",
        "prices.double().flatten().sort(-1).values",
        SCOPE,
    ),
    (
        "an equal mask feels k + 1",
        MIXTURES,
        "rho * (zeros - 1)",
        "rho * (zeros + 1)",
        EQUAL,
    ),
    (
        "equal dice are over the zeros",
        MIXTURES,
        "cost(1, 0, n, keep)",
        "cost(1, 0, zeros, keep)",
        EQUAL,
    ),
    (
        "equal weights readjust without what is kept",
        MIXTURES,
        "(1 + rho * (n - zeros - 1))",
        "(1 + rho * (n - 1))",
        EQUAL,
    ),
    (
        "held out is one over in sample",
        SAMPLES,
        "free / (free - kept) if",
        "samples / (samples - kept) if",
        FACTORS,
    ),
    (
        "held out is 1 + k/(N-k)",
        SAMPLES,
        "free / (free - kept) if",
        "1 + kept / (samples - kept) if",
        FACTORS,
    ),
    (
        "held out is 1 + k/N",
        SAMPLES,
        "free / (free - kept) if",
        "1 + kept / samples if",
        FACTORS,
    ),
    (
        "the mean is free of charge",
        SAMPLES,
        "free = samples - spent - 1",
        "free = samples - 1",
        FACTORS,
    ),
    (
        "the mean's own error is forgotten",
        SAMPLES,
        "growth * (1 + spent / samples)",
        "growth",
        FACTORS,
    ),
    (
        "in sample the mean costs nothing",
        SAMPLES,
        "1 - (kept + spent) / samples",
        "1 - kept / samples",
        FACTORS,
    ),
    (
        "infinite at one sample more",
        SAMPLES,
        "if free > kept else math.inf",
        "if free > kept + 1 else math.inf",
        NEAR,
    ),
    (
        "infinite for all fewer samples",
        SAMPLES,
        "need(kept == 0 or samples >=",
        "need(kept >= 0 or samples >=",
        NEAR,
    ),
    ("break-even at N > k", SAMPLES, "(kept / explained if", "(kept - 1 if", NEEDED),
    ("samples for R in place of R²", SAMPLES, "kept / explained", "kept / explained**0.5", NEEDED),
    (
        "the mean needs no sample",
        SAMPLES,
        "return 1 + _spent(mean) + (kept",
        "return 1 + (kept",
        NEEDED,
    ),
    ("R² by plain ratio", SAMPLES, "ratio * own / (own - kept)", "ratio", UNDONE),
    (
        "R² with one divisor too many",
        SAMPLES,
        "ratio * own / (own - kept)",
        "ratio * own / (own - kept - 1)",
        UNDONE,
    ),
    (
        "a mask whose mean is known",
        SAMPLES,
        "* (1 + _spent(mean) / samples)\n",
        "* 1.0\n",
        ROWS,
    ),
    (
        "nothing times infinity",
        SAMPLES,
        "for least, _, k in rows if least > 0",
        "for least, _, k in rows",
        ROWS,
    ),
    (
        "a mean k of all rows",
        SAMPLES,
        "sampling_factors(samples, k, mean)[1] for least",
        "sampling_factors(samples, sum(r[2] for r in rows) // len(rows), mean)[1] for least",
        ROWS,
    ),
    ("hybrids with the layer's own norm", PROMISES, "norms[i + 1 :]", "norms[i:]", HYBRIDS),
    ("hybrids with the norms before", PROMISES, "norms[i + 1 :]", "norms[:i]", HYBRIDS),
    (
        "hybrids' squares are added",
        PROMISES,
        "return sum(math.prod(norms[i + 1 :]) * math.sqrt(damage) for i, damage in "
        "enumerate(damages))",
        "return math.hypot(*(math.prod(norms[i + 1 :]) * d**0.5 for i, d in enumerate(damages)))",
        HYBRIDS,
    ),
    ("gap² for half of it", PROMISES, "square() / 2  #", "square()  #", TIGHT),
    ("a tie is certified", PROMISES, "return moved < gaps", "return moved <= gaps", TIGHT),
    (
        "the gap to the last answer",
        PROMISES,
        ".topk(2).values.diff(dim=1)",
        ".sort(descending=True).values[:, [0, -1]].diff(dim=1)",
        f"{SAID}::test_gaps",
    ),
    ("Markov without its 2", PROMISES, "+ 2 * error / tau**2", "+ error / tau**2", MARKOV),
    ("a gap of τ does not count", PROMISES, "(gaps(dense) <= tau)", "(gaps(dense) < tau)", MARKOV),
    (
        "a promise without c1",
        PROMISES,
        "theorem_error(c1=c1, m=m, xi=xi)",
        "theorem_error(c1=1, m=m, xi=xi)",
        VACUITY,
    ),
    ("a promise of the radius", PROMISES, "radius**2 *", "radius *", VACUITY),
    (
        "a variance that cannot be",
        PROMISES,
        "need(found >= xi",
        "need(found >= 0 * xi",
        f"{SAID}::test_refusals",
    ),
    (
        "the ξ of one layer more",
        PROMISES,
        "xi * (1 + xi) ** m - t",
        "xi * (1 + xi) ** (m + 1) - t",
        BUDGET,
    ),
    (
        "the ξ of a budget of the largest output",
        PROMISES,
        "t = budget * theorem_error(c1=1, m=m, xi=0.5) / half",
        "t = budget",
        BUDGET,
    ),
    ("a ξ to an absolute error", PROMISES, ", xtol=1e-300)", ")", BUDGET),
)

MUTANTS = [Mutant(*row) for row in TABLE]

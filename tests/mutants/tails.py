"""Faults of the estimates of tails, and of the verdict on them."""

from tests.mutants import Mutant

TAILS, DIAGNOSE = "compressibility.noise.tails", "compressibility.noise.diagnose"
ROOM = "tests/compressibility/noise"
T, D = f"{ROOM}/test_tails.py::test_", f"{ROOM}/test_diagnose.py::test_"
KNOWN, LITERAL = f"{T}blocks_where_the_answer_is_known", f"{T}blocks_equal_the_literal_loop"
HILL, RULES = f"{T}hill_where_the_answer_is_known", f"{D}rules"
PAGES = dict.fromkeys((TAILS, DIAGNOSE), ("heavy-tails/tail-index",))


def tails(name: str, old: str, new: str, test: str) -> Mutant:
    return Mutant(name, TAILS, old, new, test)


MUTANTS = [
    tails("1/α", "each = _inverted(growth / logs)", "each = growth / logs", KNOWN),
    tails(
        "log n for log m",
        "np.log(chosen), _logs(sample)",
        "np.log(total / np.array(chosen)), _logs(sample)",
        KNOWN,
    ),
    tails(
        "the log of the mean",
        "sums[:, at] = [grown[a:b].sum() for a, b in pairwise(edges)]",
        "sums[:, at] = [np.log(np.exp(grown).mean()) * (b - a) for a, b in pairwise(edges)]",
        KNOWN,
    ),
    tails(
        "magnitudes before they are summed",
        "sample[: n * m].reshape(cut)",
        "abs(sample[: n * m]).reshape(cut)",
        KNOWN,
    ),
    tails("terms summed over a block", "reshape(n, m)) / m", "reshape(n, m))", KNOWN),
    tails(
        "interleaved blocks",
        '"ij...->i...", sample[: n * m].reshape(cut)',
        '"ji...->i...", sample[: n * m].reshape(m, n, *cut[2:])',
        KNOWN,
    ),
    tails("the l1 norm", "np.linalg.norm(sample, axis=1)", "abs(sample).sum(1)", KNOWN),
    tails(
        "vectors centred by one median",
        "(total - 1), axis=0)",
        "(total - 1))",
        f"{T}centring",
    ),
    tails("not centred", "sample = sample - np.quantile(", "np.quantile(", f"{T}centring"),
    tails(
        "centred at the midpoint",
        "(total / 2 - 2 / 3) / (total - 1)",
        "0.5",
        f"{T}the_middle_values_may_share_a_block",
    ),
    tails(
        "the cap before the median",
        "np.median(each, axis=1)",
        "np.median(np.minimum(each, 2), axis=1)",
        f"{T}the_median_comes_before_the_cap_and_is_no_lower_one",
    ),
    tails(
        "the lower median",
        "np.median(each, axis=1)",
        "np.sort(each, axis=1)[:, (len(chosen) - 1) // 2]",
        f"{T}the_median_comes_before_the_cap_and_is_no_lower_one",
    ),
    tails(
        "odd N keeps its last value",
        "sample = sample[: len(sample) // 2 * 2]",
        "pass",
        f"{T}the_sizes_of_the_paper",
    ),
    tails("no √N", ", math.isqrt(total)]", "]", f"{T}the_sizes_of_the_paper"),
    tails(
        "sizes above N/2",
        "m <= total / 2), math",
        "m <= total), math",
        f"{T}the_sizes_of_the_paper",
    ),
    tails(
        "the slope itself",
        "found.growth @ logs / (logs @ logs)",
        "1 / (found.growth @ logs / (logs @ logs))",
        f"{T}the_slope_form_unmasks_laplace",
    ),
    tails(
        "the slope through 0",
        "logs -= logs.mean()",
        "logs -= 0",
        f"{T}the_slope_form_unmasks_laplace",
    ),
    tails(
        "the slope over small blocks",
        "SLOPE = (10, 16, 32, 64, 128, 256)",
        "SLOPE = (2, 4, 8, 16, 32)",
        f"{T}the_slope_form_unmasks_laplace",
    ),
    tails(
        "errors without α²",
        "spread * logs, growth[0] ** 2",
        "spread / logs, growth[0] ** 0",
        f"{T}errors_are_standard_errors",
    ),
    tails(
        "errors with α for α²",
        "spread * logs, growth[0] ** 2",
        "spread, growth[0]",
        f"{T}errors_are_standard_errors",
    ),
    tails("errors without log m", "spread * logs, growth", "spread * logs**2, growth", LITERAL),
    tails(
        "errors of all blocks as one",
        "spread = np.sqrt((_STRETCHES - 1)",
        "spread = np.sqrt((_STRETCHES - 1) / _STRETCHES",
        LITERAL,
    ),
    tails(
        "a jackknife without its factor",
        "math.sqrt(df * inverses[1:].var())",
        "math.sqrt(inverses[1:].var())",
        f"{T}intervals_cover",
    ),
    tails(
        "x_k for x_(k+1)",
        "np.log(largest[:-1] / largest[-1])",
        "np.log(largest[:-1] / largest[-2])",
        HILL,
    ),
    tails(
        "k - 1 for k",
        "value, n = 1 / float(excesses.mean())",
        "value, n = (1 - 1 / len(excesses)) / float(excesses.mean())",
        HILL,
    ),
    tails(
        "k + 1 for k",
        "value, n = 1 / float(excesses.mean())",
        "value, n = (1 + 1 / len(excesses)) / float(excesses.mean())",
        HILL,
    ),
    tails(
        "γ for α",
        "value, n = 1 / float(excesses.mean())",
        "value, n = float(excesses.mean())",
        HILL,
    ),
    tails(
        "half the degrees of freedom",
        "(1 + level) / 2], 2 * n) / (2 * n)",
        "(1 + level) / 2], n) / n",
        f"{T}hill_covers_on_pareto",
    ),
    tails(
        "a half that is lost",
        "first + 1 - 0.5 /",
        "first + 1 - 1 /",
        f"{T}moment_equals_its_formula",
    ),
    tails(
        "M1 for M1²",
        "(1 - first**2 / second)\n    error",
        "(1 - first / second)\n    error",
        f"{T}moment_equals_its_formula",
    ),
    tails(
        "the moment's error without γ²",
        "math.sqrt((1 + inverse**2) / count)",
        "math.sqrt(1 / count)",
        f"{T}order_statistics_cover",
    ),
    tails(
        "the natural log",
        "inverse = math.log2(",
        "inverse = math.log(",
        f"{T}pickands_is_exact_on_generalized_pareto_quantiles",
    ),
    tails(
        "the 3k-th for the 4k-th",
        "4 * count - 1]]",
        "3 * count - 1]]",
        f"{T}pickands_is_exact_on_generalized_pareto_quantiles",
    ),
    tails(
        "Pickands' error half as large",
        "/ (2 * math.log(2))",
        "/ (4 * math.log(2))",
        f"{T}order_statistics_cover",
    ),
    tails(
        "negative indices", "where=inverse > 0", "where=inverse != 0", f"{T}no_power_is_infinite"
    ),
    tails(
        "epsilon in the log",
        "np.maximum(sizes, sizes[sizes > 0].min())",
        "sizes + np.finfo(float).eps",
        f"{T}scale_is_ignored",
    ),
    tails(
        "singular values for eigenvalues",
        "logs = 2 * np.log(singular",
        "logs = np.log(singular",
        f"{T}spectral_exponent_is_that_of_powerlaw",
    ),
    tails(
        "the tail index for the density's exponent",
        "return Estimate(1 + rate.value, 1 + rate.low",
        "return Estimate(rate.value, rate.low",
        f"{T}spectral_exponent_is_that_of_powerlaw",
    ),
    tails(
        "a cut that is not sought",
        "min(tails, key=distance)",
        "max(tails, key=len)",
        f"{T}spectral_exponent_is_that_of_powerlaw",
    ),
    tails(
        "shares above in place of below",
        "1 - np.arange(1, len(tail) + 1) / len(tail)",
        "1 - np.arange(len(tail)) / len(tail)",
        f"{T}spectral_exponent_is_that_of_powerlaw",
    ),
    Mutant("yes by one estimate", DIAGNOSE, "if all(\n", "if any(\n", RULES),
    Mutant(
        "yes without controls",
        DIAGNOSE,
        "one.high < min(2.0, *(control[name].value for control in light))",
        "one.high < 2.0",
        RULES,
    ),
    Mutant("yes by values", DIAGNOSE, "one.high < min(", "one.value < min(", RULES),
    Mutant("no by Hill alone", DIAGNOSE, "hill.low > 2 and moment.low > 2", "hill.low > 2", RULES),
    Mutant(
        "no by one estimate", DIAGNOSE, "hill.low > 2 and moment", "hill.low > 2 or moment", RULES
    ),
    Mutant("no by values", DIAGNOSE, "and moment.low > 2", "and moment.value > 2", RULES),
    Mutant(
        "a normal sample for the Laplace sample",
        DIAGNOSE,
        "pairs.exponential_(generator=generator)",
        "pairs.normal_(generator=generator)",
        f"{D}estimates_and_controls",
    ),
    Mutant(
        "values not centred",
        DIAGNOSE,
        "sample = sample - np.median(sample)",
        "pass",
        f"{D}estimates_and_controls",
    ),
]

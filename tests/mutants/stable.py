"""Faults of the stable laws and of the solved chains."""

from tests.mutants import Mutant

ROOM = "compressibility.noise"
LAWS, CHAINS = f"{ROOM}.stable", f"{ROOM}.chains"
TESTS = "tests/compressibility/noise/test_stable.py"
RUNS = "tests/compressibility/noise/test_chains.py"
LITERAL = f"{RUNS}::test_equal_in_law_to_literal_sgd"
PART = "heavy-tails"
PAGES = {
    LAWS: (f"{PART}/few-numbers", "injected-noise/jumps"),
    CHAINS: (f"{PART}/plain-sgd",),
}

STABLE = (
    Mutant(
        "phi without its factor of 2",
        LAWS,
        "(2 * positive(alpha, (count, 1), generator)).sqrt()",
        "positive(alpha, (count, 1), generator).sqrt()",
        f"{TESTS}::test_laws_of_norms",
    ),
    Mutant(
        "one positive number for all vectors' coordinates each",
        LAWS,
        "positive(alpha, (count, 1), generator)",
        "positive(alpha, (count, dimension), generator)",
        f"{TESTS}::test_laws_of_norms",
    ),
    Mutant(
        "the positive law of index alpha",
        LAWS,
        "_draw(alpha / 2, shape, generator, skew=True)",
        "_draw(alpha / 2.2, shape, generator, skew=True)",
        f"{TESTS}::test_laplace_transform",
    ),
    Mutant(
        "uniforms of 24 bits",
        LAWS,
        "2 * uniforms(shape, generator) - (1 - 2.0**-53)",
        "2 * uniforms(shape, generator).float().double() - (1 - 2.0**-53)",
        f"{TESTS}::test_all_bits",
    ),
    Mutant(
        "uniforms that can be an end of their range",
        LAWS,
        "2 * uniforms(shape, generator) - (1 - 2.0**-53)",
        "2 * uniforms(shape, generator) - 1",
        f"{TESTS}::test_ends_of_the_uniforms",
    ),
    Mutant(
        "draws of one sign",
        LAWS,
        "(1 if skew else signed.sign())",
        "1",
        f"{TESTS}::test_characteristic_functions",
    ),
    Mutant(
        "the exponential raised to another power",
        LAWS,
        "near * (wait / middle) * power",
        "near / middle * power",
        f"{TESTS}::test_logarithms",
    ),
    Mutant(
        "the index on the wrong side of 1",
        LAWS,
        "(1 - abs(1 - index)) * share + rest",
        "(1 - index) * share",
        f"{TESTS}::test_characteristic_functions",
    ),
    Mutant(
        "a tail constant with 1/pi",
        LAWS,
        "return 2 / math.pi * math.gamma(alpha)",
        "return 1 / math.pi * math.gamma(alpha)",
        f"{TESTS}::test_constants",
    ),
    Mutant(
        "a tail constant without Gamma",
        LAWS,
        "2 / math.pi * math.gamma(alpha) *",
        "2 / math.pi *",
        f"{TESTS}::test_constants",
    ),
    Mutant(
        "the exponent 1/alpha of the squares' scale",
        LAWS,
        "math.sqrt(math.pi), 2 / alpha)",
        "math.sqrt(math.pi), 1 / alpha)",
        f"{TESTS}::test_constants",
    ),
    Mutant(
        "the median of S alone",
        LAWS,
        "return scale * math.exp",
        "return math.exp",
        f"{TESTS}::test_medians_of_the_squares",
    ),
    Mutant(
        "steps too long near alpha = 1",
        LAWS,
        "step = abs(1 - index) / (4 * max(1.0, index))",
        "step = 0.05",
        f"{TESTS}::test_gaussian_end_and_both_sides_of_one",
    ),
    Mutant(
        "angles that end before the tail",
        LAWS,
        "torch.arange(-100, 60, step",
        "torch.arange(-100, 10, step",
        f"{TESTS}::test_density_and_quantile_in_the_tail",
    ),
    Mutant(
        "a two-sided tail at a one-sided quantile",
        LAWS,
        "- 2 * tail",
        "- tail",
        f"{TESTS}::test_exceedances",
    ),
    Mutant(
        "the noise does not meet the error across",
        CHAINS,
        "(noise - heard).square()",
        "(noise.square() + heard.square())",
        LITERAL,
    ),
    Mutant(
        "a degree of freedom too many across",
        CHAINS,
        "_chi_square(d - 1, chains, generator)",
        "_chi_square(d, chains, generator)",
        LITERAL,
    ),
    Mutant(
        "the noise of one sample of the batch",
        CHAINS,
        "+ s**2 * _chi_square(b - 1, chains, generator)",
        "",
        LITERAL,
    ),
    Mutant(
        "an odd batch loses its last sample",
        CHAINS,
        "+ b % 2 * radius",
        "+ 0 * radius",
        LITERAL,
    ),
    Mutant(
        "s for its square",
        CHAINS,
        "+ s**2 *",
        "+ s *",
        f"{RUNS}::test_second_moment",
    ),
    Mutant(
        "a sum in place of the average",
        CHAINS,
        "total += error / averaged",
        "total += error",
        f"{RUNS}::test_variance_of_averages",
    ),
    Mutant(
        "a control with the random factor",
        CHAINS,
        "pull = square * (not additive)",
        "pull = square",
        f"{RUNS}::test_additive_control_has_light_tails",
    ),
)
MUTANTS = [*STABLE]

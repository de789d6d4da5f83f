"""Faults of particles, of the constants of chaos and steps, of certificates and shares."""

from tests.mutants import Mutant

ROOM = "compressibility.bounds.injected_noise"
PARTICLES, CHAOS, CERTIFICATES = (
    "compressibility.noise.particles",
    f"{ROOM}.chaos",
    f"{ROOM}.certificates",
)
RUNS = "tests/compressibility/noise/test_particles.py"
TESTS = "tests/compressibility/bounds/injected_noise"
CONSTANTS, WIDTHS = f"{TESTS}/test_chaos.py", f"{TESTS}/test_certificates.py"
GRIDS = f"{RUNS}::test_coarse_grids_are_literal_loops_of_summed_noise"
LOOPS = f"{RUNS}::test_chaos_is_two_literal_loops"
LAWS = f"{RUNS}::test_characteristic_functions"
TIMES = f"{RUNS}::test_time_and_scale"
SHORT = f"{CONSTANTS}::test_chaos_by_hand"
FORCING = f"{CONSTANTS}::test_euler_is_the_mean_of_what_happens_in_a_step"
LARGEST = f"{CONSTANTS}::test_largest_jumps"
COLUMNS = f"{CONSTANTS}::test_column_tails"
BALANCE = f"{CONSTANTS}::test_steps_balance"
NEAR = f"{WIDTHS}::test_near_tight_certificates"
ATTAINED = f"{WIDTHS}::test_the_sharp_certificate_is_attained"
SUMS = f"{WIDTHS}::test_accumulated_noise"
MOVED = f"{WIDTHS}::test_drift_is_attained"
CLOSED = f"{WIDTHS}::test_error_bound_at_one"
SHARES = f"{WIDTHS}::test_shares_are_those_of_the_reference_protocol"
GAUSS = f"{WIDTHS}::test_gaussian_shares"
PART = "injected-noise"
PAGES = {
    PARTICLES: (f"{PART}/chaos", f"{PART}/steps", f"{PART}/jumps"),
    CHAOS: tuple(f"{PART}/{name}" for name in ("steps", "chaos", "certificates", "jumps")),
    CERTIFICATES: (f"{PART}/certificates", f"{PART}/jumps"),
}
FUNCTION = f"{WIDTHS}::test_change_of_the_function"

TABLE = (
    (
        "a mean over repetitions",
        PARTICLES,
        "self.features(at)).mean(-2, keepdim=True)",
        "self.features(at)).mean((0, -2), keepdim=True)",
        LOOPS,
    ),
    (
        "the limit hears its own mean",
        PARTICLES,
        "jump, mean)\n        last",
        "jump)\n        last",
        LOOPS,
    ),
    (
        "the last distance for the largest",
        PARTICLES,
        "largest = torch.maximum(largest, last)",
        "largest = last",
        LOOPS,
    ),
    (
        "the flow of other particles",
        PARTICLES,
        "means.append(system.features(at)",
        "means.append(system.features(at * 0.9)",
        f"{RUNS}::test_the_flow_is_the_mean_before_each_step",
    ),
    ("noise of the last fine step only", PARTICLES, "piled[g] + jump", "jump", GRIDS),
    ("noise used twice", PARTICLES, "piled[g]), zero", "piled[g]), piled[g]", GRIDS),
    (
        "a fixed time a whole step before the end",
        PARTICLES,
        "elif 2 * (steps - k) * n",
        "elif (steps - k) * n",
        GRIDS,
    ),
    (
        "fine steps on coarse grids",
        PARTICLES,
        "time / n, piled[g]",
        "time / steps, piled[g]",
        GRIDS,
    ),
    (
        "shared numbers independent",
        PARTICLES,
        "each = 1 if self.is_scalar else p",
        "each = p",
        LAWS,
    ),
    (
        "independent numbers isotropic",
        PARTICLES,
        'self.kind == "isotropic" and',
        'self.kind != "shared" and',
        LAWS,
    ),
    ("root of the time", PARTICLES, "math.pow(time, 1 / self.alpha)", "math.pow(time, 0.5)", TIMES),
    (
        "scale to the power 1/α",
        PARTICLES,
        "self.scale * math",
        "self.scale ** (1 / self.alpha) * math",
        TIMES,
    ),
    ("C² for C³", CHAOS, "constant**3 * time", "constant**2 * time", SHORT),
    ("chaos of order 1/n", CHAOS, "growth / math.sqrt(width)", "growth / width", SHORT),
    ("no time", CHAOS, "constant**3 * time", "constant**3", SHORT),
    (
        "exponent C² T",
        CHAOS,
        "exponent = constant**2 * (1 + constant)",
        "exponent = constant**2",
        SHORT,
    ),
    (
        "exponent C³ T",
        CHAOS,
        "exponent = constant**2 * (1 + constant)",
        "exponent = constant**3",
        SHORT,
    ),
    ("the end of a step for its mean", CHAOS, "alpha / (alpha + 1) * step", "step", FORCING),
    ("no half", CHAOS, "constant**2 * step / 2", "constant**2 * step", FORCING),
    ("α for α - 1", CHAOS, "noise.alpha / (noise.alpha - 1)", "1.0", LARGEST),
    ("no tail constant", CHAOS, "count * tail_sup(noise), 1", "count, 1", LARGEST),
    (
        "C_α for the supremum",
        CHAOS,
        "max(stable.tail_constant(alpha), -float(least.fun))",
        "stable.tail_constant(alpha)",
        LARGEST,
    ),
    (
        "a supremum without the limit",
        CHAOS,
        "max(stable.tail_constant(alpha), -float(least.fun))",
        "0.9 * -float(least.fun)",
        f"{CONSTANTS}::test_tail_sup_of_a_number",
    ),
    (
        "p for its power",
        CHAOS,
        "factor = p ** (alpha / 2) if",
        "factor = p if",
        f"{CONSTANTS}::test_tail_sup_of_units",
    ),
    (
        "one number's tail for several",
        CHAOS,
        "2 * p / (2 - alpha)\n",
        "1 / (2 - alpha)\n",
        f"{CONSTANTS}::test_tail_sup_of_units",
    ),
    (
        "shared tail p^α",
        CHAOS,
        "tail_constant(alpha) * p ** (alpha / 2)",
        "tail_constant(alpha) * p**alpha",
        COLUMNS,
    ),
    (
        "independent tail p^(α/2)",
        CHAOS,
        "tail_constant(alpha) * p\n",
        "tail_constant(alpha) * p ** (alpha / 2)\n",
        COLUMNS,
    ),
    ("isotropic of scale 2^(-1/2)", CHAOS, "unit = 2**alpha", "unit = 2 ** (alpha / 2)", COLUMNS),
    (
        "t^(1/α) for t",
        CHAOS,
        "noise.scale**alpha * time",
        "noise.scale**alpha * time ** (1 / alpha)",
        COLUMNS,
    ),
    ("σ for its power", CHAOS, "noise.scale**alpha * time", "noise.scale * time", COLUMNS),
    (
        "the sum's condition for the largest",
        CHAOS,
        "return width ** (-alpha / 2 - 1)",
        "return width ** (-alpha / 2)",
        BALANCE,
    ),
    (
        "another power",
        CHAOS,
        "return width ** (-alpha / 2 - 1)",
        "return width ** (-0.5 - 1 / alpha)",
        BALANCE,
    ),
    ("full batches' rate", CHAOS, "math.sqrt(step), n", "each, n", BALANCE),
    ("+ ‖D‖ below", CERTIFICATES, "(1 - self.drift), torch", "(1 + self.drift), torch", NEAR),
    ("‖D‖ missing above", CERTIFICATES, "(self.tail + self.drift) /", "self.tail /", NEAR),
    (
        "a root of squares above",
        CERTIFICATES,
        "(self.tail + self.drift) /",
        "self.tail.hypot(self.drift) /",
        NEAR,
    ),
    (
        "- ‖D‖ dropped below",
        CERTIFICATES,
        "(self.tail + self.drift) / (1 - self.drift)",
        "self.tail + self.drift",
        NEAR,
    ),
    (
        "a spectral norm of the drift",
        CERTIFICATES,
        "part.norm(dim=(-2, -1)) for",
        "torch.linalg.matrix_norm(part, 2) for",
        NEAR,
    ),
    ("sines added", CERTIFICATES, "angle.sin(), 1.0)", "self.tail + self.drift, 1.0)", ATTAINED),
    (
        "columns for rows",
        CERTIFICATES,
        "both.norm(dim=-1)",
        "both.norm(dim=-2)",
        f"{WIDTHS}::test_the_error_is_the_least_over_all_sets_of_units",
    ),
    (
        "squares that leave the floats",
        CERTIFICATES,
        "both / power_of_two(both.abs().amax((0, -2, -1), keepdim=True))",
        "both / 1",
        f"{WIDTHS}::test_extremes_of_certificates",
    ),
    (
        "K of floats",
        CERTIFICATES,
        "decimal(time) // decimal(step) * decimal(step)",
        "time // step * step",
        SUMS,
    ),
    (
        "t for Kη",
        CERTIFICATES,
        "decimal(time) // decimal(step) * decimal(step)",
        "float(decimal(time))",
        SUMS,
    ),
    ("√(Kη)", CERTIFICATES, "math.pow(moved, 1 / noise.alpha)", "math.pow(moved, 0.5)", SUMS),
    ("n for √n", CERTIFICATES, "moved * math.sqrt(width)", "moved * width", MOVED),
    ("two events for three", CERTIFICATES, "math.log(3 / delta)", "math.log(2 / delta)", CLOSED),
    ("κ as removed", CERTIFICATES, "inner := kept - slack", "inner := 1 - kept - slack", CLOSED),
    ("no Hoeffding for the mean", CERTIFICATES, "below + slack * limit**2", "below", CLOSED),
    ("a number's size for the norm", CERTIFICATES, "math.sqrt(p) if", "1.0 if", CLOSED),
    ("t for t/2", CERTIFICATES, "half, power = run.time / 2,", "half, power = run.time,", CLOSED),
    (
        "the worse time of the drift",
        CERTIFICATES,
        "max(run.time**power, half**power)",
        "half**power",
        f"{WIDTHS}::test_worst_time_of_the_drift",
    ),
    (
        "the width before",
        CERTIFICATES,
        "widths[at]",
        "widths[at - 1]",
        f"{WIDTHS}::test_smallest_width",
    ),
    (
        "unsquared errors",
        CERTIFICATES,
        "one.square().sum(-1), error, p=1)",
        "one.square().sum(-1), error, p=2)",
        SHARES,
    ),
    (
        "norms for squares of errors",
        CERTIFICATES,
        "one.square().sum(-1), error",
        "one.norm(dim=-1), error",
        SHARES,
    ),
    (
        "shared numbers of p degrees",
        CERTIFICATES,
        "degrees = 1 if noise.is_scalar else noise.dimension",
        "degrees = noise.dimension",
        GAUSS,
    ),
    (
        "moments of the same law",
        CERTIFICATES,
        "degrees + 2), degrees)",
        "degrees), degrees)",
        GAUSS,
    ),
    (
        "a conditional mean of the bulk",
        CERTIFICATES,
        "kterm.bulk(alpha, kept, lost)",
        "kterm.bulk(alpha, kept, lost) / (1 - kept)",
        FUNCTION,
    ),
    (
        "κ as removed from f",
        CERTIFICATES,
        "kterm.bulk(alpha, kept, lost)",
        "kterm.bulk(alpha, 1 - kept, lost)",
        FUNCTION,
    ),
    (
        "what pruning adds is what it takes",
        CERTIFICATES,
        "kterm.bulk(alpha, kept, lost)",
        "-kterm.bulk(alpha, kept, lost)",
        FUNCTION,
    ),
    (
        "kept units for removed ones",
        CERTIFICATES,
        "kterm.bulk(alpha, kept, lost)",
        "kterm.bulk(alpha, 1e-9, lost) - kterm.bulk(alpha, kept, lost)",
        FUNCTION,
    ),
    (
        "h(0) forgotten",
        CERTIFICATES,
        "values = h(torch.zeros_like(at)) - (h(at)",
        "values = -(h(at)",
        FUNCTION,
    ),
    (
        "a unit is one-sided",
        CERTIFICATES,
        "(h(at) + h(-at)) / 2",
        "h(at)",
        FUNCTION,
    ),
    (
        "a scale in the threshold only",
        CERTIFICATES,
        "at = scale * torch",
        "at = torch",
        f"{FUNCTION}_is_that_of_wide_networks",
    ),
)

MUTANTS = [Mutant(*row) for row in TABLE]

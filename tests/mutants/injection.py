"""Faults of injected noise and of mean-field networks."""

from tests.mutants import Mutant

NOISE, FIELD = "compressibility.noise.injection", "compressibility.models.meanfield"
TESTS = "tests/compressibility/noise/test_injection.py"
FIELDS = "tests/compressibility/models/test_meanfield.py"
LAWS, SUMS = f"{TESTS}::test_characteristic_functions", f"{TESTS}::test_steps_add_up_to_a_step"
TWO, UNITS = (
    f"{TESTS}::test_two_is_gaussian_of_variance_two",
    f"{TESTS}::test_convolutions_per_filter_or_per_kernel",
)
HAND = f"{TESTS}::test_hook_wrapper_and_a_loop_by_hand_agree"
RESUME = f"{TESTS}::test_an_interrupted_run_goes_on_with_the_same_numbers"
BATCH = f"{TESTS}::test_a_batch_equals_single_runs"
OTHERS = f"{TESTS}::test_networks_that_diverge_leave_the_others_alone"
LAYERS = f"{TESTS}::test_layers_are_those_asked_for"
BAD = f"{TESTS}::test_bad_arguments"
PART = "injected-noise"
PAGES = {
    NOISE: (f"{PART}/jumps", "together/errata-injected-noise", f"{PART}/at-work"),
    FIELD: (f"{PART}/chaos", f"{PART}/certificates"),
}

SQUARES = "(1 if self.reference else 2) * positive(self.alpha, unit, generator)"
SIZES = "[self.scale * rate ** (1 / self.alpha) for rate in rates]"

MUTANTS = [
    Mutant(
        "isotropic with the reference's scale",
        NOISE,
        "reference else 2)",
        "reference else 1)",
        LAWS,
    ),
    Mutant(
        "one positive number for each coordinate",
        NOISE,
        SQUARES,
        SQUARES.replace("unit,", "shape,"),
        LAWS,
    ),
    Mutant("phi for its root", NOISE, "squares.sqrt()", "squares", LAWS),
    Mutant(
        "a positive law of index alpha",
        NOISE,
        "positive(self.alpha, unit",
        "positive(min(2, 2 * self.alpha), unit",
        LAWS,
    ),
    Mutant(
        "shared noise drawn for each weight",
        NOISE,
        'unit if self.kind == "shared" else shape',
        "shape",
        LAWS,
    ),
    Mutant(
        "independent noise shared",
        NOISE,
        'unit if self.kind == "shared" else shape',
        "unit",
        LAWS,
    ),
    Mutant(
        "variance 1 for two of the kinds at alpha = 2",
        NOISE,
        "(sizes * symmetric(",
        "(sizes / (2**0.5 if self.alpha == 2 else 1) * symmetric(",
        TWO,
    ),
    Mutant(
        "the reference's factor on the wrong side",
        NOISE,
        "(1 if self.reference else 2)",
        "(4 if self.reference else 2)",
        f"{TESTS}::test_characteristic_function_of_the_reference",
    ),
    Mutant(
        "stable numbers cast too early",
        NOISE,
        "generator)).to(piece)",
        "generator).half()).to(piece)",
        f"{TESTS}::test_single_precision_does_not_touch_the_draws",
    ),
    Mutant("a step of size eta", NOISE, SIZES, "[self.scale * rate for rate in rates]", SUMS),
    Mutant(
        "a step of size sqrt(eta)", NOISE, SIZES, "[self.scale * rate**0.5 for rate in rates]", SUMS
    ),
    Mutant(
        "a step of size eta^alpha",
        NOISE,
        SIZES,
        "[self.scale * rate**self.alpha for rate in rates]",
        SUMS,
    ),
    Mutant(
        "sigma^(1/alpha) for sigma",
        NOISE,
        SIZES,
        "[(self.scale * rate) ** (1 / self.alpha) for rate in rates]",
        SUMS,
    ),
    Mutant(
        "noise on the last layer too",
        NOISE,
        "if weights[k] is not [*weights.values()][-1]",
        "",
        HAND,
    ),
    Mutant("frozen weights moved", NOISE, "if w.requires_grad]", "]", LAYERS),
    Mutant(
        "biases moved",
        NOISE,
        "model, axes=2)",
        "model, axes=1)",
        LAYERS,
    ),
    Mutant(
        "kernels for filters",
        NOISE,
        'self.units == "columns" and len(shape) > 3',
        "len(shape) > 3",
        UNITS,
    ),
    Mutant(
        "filters for kernels",
        NOISE,
        'self.units == "columns" and len(shape) > 3',
        'self.units == "kernels" and len(shape) > 3',
        UNITS,
    ),
    Mutant(
        "the rate of the first group for all",
        NOISE,
        "[rates[id(weight)]]",
        "[[*rates.values()][0]]",
        f"{TESTS}::test_rates_follow_groups_and_schedules",
    ),
    Mutant(
        "the first network's dice for all",
        NOISE,
        "noise = self._draw(piece, size, generator)",
        "noise = self._draw(piece, size, dice[0])",
        BATCH,
    ),
    Mutant("rates in reverse", NOISE, "for rate in rates]", "for rate in rates[::-1]]", BATCH),
    Mutant(
        "one network's rate for all",
        NOISE,
        "sizes.expand(len(stack)))",
        "sizes[:1].expand(len(stack)))",
        BATCH,
    ),
    Mutant("dice that start anew", NOISE, "generator.set_state(place.cpu())", "pass", RESUME),
    Mutant(
        "the record starts anew",
        NOISE,
        'self.injected = _copied(state["injected"])',
        "self.injected = {}",
        RESUME,
    ),
    Mutant(
        "a saved record goes on",
        NOISE,
        '"injected": _copied(self.injected)',
        '"injected": self.injected',
        f"{TESTS}::test_a_hook_goes_on_too",
    ),
    Mutant(
        "the optimizer starts anew",
        NOISE,
        'self._optimizer.load_state_dict(state["optimizer"])',
        "pass",
        RESUME,
    ),
    Mutant(
        "settings as they were given",
        NOISE,
        'float(self.alpha), "scale": float(self.scale)',
        'self.alpha, "scale": self.scale',
        RESUME,
    ),
    Mutant(
        "a state of other noise taken",
        NOISE,
        'state["noise"] == self._law()',
        "True",
        BAD,
    ),
    Mutant(
        "only the last noise recorded",
        NOISE,
        "sums.add_(noise)",
        "sums.copy_(noise)",
        HAND,
    ),
    Mutant(
        "divergence by the sum",
        NOISE,
        "(~stack.isfinite().flatten(1)",
        "(~stack.flatten(1).cumsum(1).isfinite()",
        OTHERS,
    ),
    Mutant(
        "divergence named by the last step",
        NOISE,
        "self.diverged.setdefault(e, step)",
        "self.diverged[e] = step",
        OTHERS,
    ),
    Mutant(
        "a diverged run goes on",
        NOISE,
        "if self.diverged:",
        "if self.diverged.get(1):",
        f"{TESTS}::test_a_run_that_diverges_is_named_with_its_step",
    ),
    Mutant("alpha above 2", NOISE, "0 < self.alpha <= 2, ", "0 < self.alpha <= 3, ", BAD),
    Mutant(
        "layers that the optimizer does not know",
        NOISE,
        'need(not missing, "layers',
        'need(True, "layers',
        BAD,
    ),
    Mutant(
        "outputs that are sums",
        FIELD,
        "(outer / width)",
        "outer",
        f"{FIELDS}::test_outputs_are_averages_over_units",
    ),
    Mutant(
        "two outputs alike",
        FIELD,
        "torch.cat([head, -head]",
        "torch.cat([head, head]",
        f"{FIELDS}::test_a_step_is_that_of_the_particles",
    ),
    Mutant(
        "signs that train",
        FIELD,
        "self.weights[1].requires_grad_(False)",
        "pass",
        f"{FIELDS}::test_a_step_is_that_of_the_particles",
    ),
    Mutant(
        "copies whose signs train",
        FIELD,
        "return MeanField(weights, activation",
        "return Network(weights, activation",
        f"{FIELDS}::test_signs_stay_frozen_in_copies",
    ),
    Mutant(
        "a start of variance 1 over p squared",
        FIELD,
        "spread / math.sqrt(inputs)",
        "spread / inputs",
        f"{FIELDS}::test_start",
    ),
    Mutant(
        "a constant over the width",
        FIELD,
        ".max()) * self.widths[1]",
        ".max())",
        f"{FIELDS}::test_smoothness_bounds_and_is_attained",
    ),
    Mutant(
        "a second derivative of at most 1",
        FIELD,
        "max(1.0, radius, 4 / (3 * math.sqrt(3)) * radius**2)",
        "max(1.0, radius, radius**2)",
        f"{FIELDS}::test_smoothness_bounds_and_is_attained",
    ),
]

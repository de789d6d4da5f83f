"""Faults of the experiments and the figures."""

from tests.mutants import Mutant

ROOM = "tests/compressibility/experiments"
SWEEP = f"{ROOM}/test_sweep.py"
LADDER = f"{ROOM}/test_ladder.py"
AGAINST = "tests/compressibility/figures/test_against.py"

MUTANTS = [
    Mutant(
        "a sweep scores on test inputs",
        "compressibility.experiments.sweep",
        "inputs = problem.train_inputs[:samples]",
        "inputs = problem.test_inputs[:samples]",
        f"{SWEEP}::test_numbers_are_those_of_the_compressed_networks",
    ),
    Mutant(
        "a sweep measures the dense network of another seed",
        "compressibility.experiments.sweep",
        "gaps = outputs - dense[e]",
        "gaps = outputs - dense[0]",
        f"{SWEEP}::test_numbers_are_those_of_the_compressed_networks",
    ),
    Mutant(
        "a regression scored before the cut",
        "compressibility.experiments.sweep",
        "quality(outputs, y), (stack",
        "quality(outputs if classify else dense[e : e + 1], y), (stack",
        f"{SWEEP}::test_quantization_and_regression",
    ),
    Mutant(
        "c1 is the least norm",
        "compressibility.experiments.sweep",
        "np.array(norms).max(1)",
        "np.array(norms).min(1)",
        f"{SWEEP}::test_numbers_are_those_of_the_compressed_networks",
    ),
    Mutant(
        "widths need not increase",
        "compressibility.experiments.sweep",
        "for width in sorted(widths)]",
        "for width in widths]",
        f"{SWEEP}::test_bad_requests_are_refused",
    ),
    Mutant(
        "delta is normalized by c^m",
        "compressibility.experiments.curves",
        "self.error / self.c1 ** (2 * self.depth)",
        "self.error / self.c1**self.depth",
        f"{ROOM}/test_curves.py::test_means_are_per_network_and_delta_is_normalized_by_depth",
    ),
    Mutant(
        "two digits of a published value exchanged",
        "compressibility.experiments.published",
        "(0.70, 6.4e-2, 1.06e-2)",
        "(0.70, 4.6e-2, 1.06e-2)",
        f"{ROOM}/test_curves.py::test_published_values",
    ),
    Mutant(
        "the exact mean forgets what a wide layer inherits",
        "compressibility.experiments.ladder",
        "(inherited + made.expected).log10()",
        "made.expected.log10()",
        f"{LADDER}::test_wide_ladder_is_that_of_the_matrix",
    ),
    Mutant(
        "bounds of blocks in natural logarithms",
        "compressibility.experiments.ladder",
        "torch.tensor(bound / math.log(10), dtype=torch.float64)",
        "torch.tensor(bound, dtype=torch.float64)",
        f"{LADDER}::test_block_ladder_is_that_of_the_matrices",
    ),
    Mutant(
        "steps down cannot be seen",
        "compressibility.experiments.ladder",
        "torch.cat(down).cpu(), _ROUNDING",
        "torch.cat(down).cpu(), 1 / _ROUNDING",
        f"{LADDER}::test_steps_down_sees_every_rung_and_place",
    ),
    Mutant(
        "an activation behind the last layer",
        "compressibility.experiments.ladder",
        "phi = identity if last else network.activation",
        "phi = network.activation",
        f"{LADDER}::test_networks_stand_in_the_last_axis",
    ),
    Mutant(
        "lines are means over the networks",
        "compressibility.figures.against",
        "middle = np.median(values, 1)",
        "middle = np.mean(values, 1)",
        f"{AGAINST}::test_panels_show_medians_and_the_papers_marks",
    ),
    Mutant(
        "a band reaches from its line upwards only",
        "compressibility.figures.style",
        "ax.fill_between(points, lower, upper",
        "ax.fill_between(points, middle, upper",
        "tests/compressibility/figures/test_style.py::test_band",
    ),
]

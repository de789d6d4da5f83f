"""Faults of grids of learning rates, of what they measure, and of PyTorch's own weights."""

from tests.mutants import Mutant

LOOP = "tests/compressibility/training/test_loop.py"
STEPS = "tests/compressibility/experiments/test_steps.py"
MODULE = "compressibility.experiments.steps"
CELLS = f"{STEPS}::test_each_cell_is_its_network_trained_alone"
LOST = f"{STEPS}::test_networks_that_diverge_are_named_and_left_out"
MEASURES = f"{STEPS}::test_measures_are_the_literal_ones"
PRUNED = f"{STEPS}::test_accuracies_are_those_of_the_pruned_networks"

MUTANTS = [
    Mutant(
        "all networks learn at the mean rate",
        "compressibility.training.loop",
        "ones.new_tensor(rate)",
        "ones.new_tensor(rate).mean().expand(len(ones))",
        f"{LOOP}::test_one_rate_per_network_equals_single_runs",
    ),
    Mutant(
        "rates per network with Adam",
        "compressibility.training.loop",
        "need(plain or not each, rule",
        "need(not self.weight_decay or not each, rule",
        f"{LOOP}::test_bad_arguments_are_refused_before_work",
    ),
    Mutant(
        "an infinite loss is no divergence",
        "compressibility.training.loop",
        "~self.losses.isfinite()",
        "self.losses.isnan()",
        f"{LOOP}::test_a_network_that_diverges_is_named_and_leaves_the_others_alone",
    ),
    Mutant(
        "the average starts a step late",
        "compressibility.training.loop",
        "if step >= self.start:",
        "if step > self.start:",
        f"{LOOP}::test_the_average_is_that_of_the_iterates",
    ),
    Mutant(
        "the average forgets at a constant rate",
        "compressibility.training.loop",
        "m.lerp(w, 1 / self.count)",
        "m.lerp(w, 1 / min(self.count, 2))",
        f"{LOOP}::test_the_average_is_that_of_the_iterates",
    ),
    Mutant(
        "PyTorch's weights with the gain of ReLU",
        "compressibility.models.network",
        "a=5**0.5",
        "a=0.0",
        "tests/compressibility/models/test_network.py"
        "::test_torchs_own_weights_are_those_of_its_linear_layers",
    ),
    Mutant(
        "cells lie rate by rate",
        MODULE,
        "(size, r, s) for s in seeds for r in some",
        "(size, r, s) for r in some for s in seeds",
        CELLS,
    ),
    Mutant(
        "steps count epochs",
        MODULE,
        "epochs = math.ceil(steps / math.ceil(len(x) / size))",
        "epochs = steps",
        CELLS,
    ),
    Mutant(
        "the average is over one iterate more",
        MODULE,
        "math.ceil(len(x) / size) - average)",
        "math.ceil(len(x) / size) - average - 1)",
        CELLS,
    ),
    Mutant(
        "positions count those that diverged",
        MODULE,
        "alive.cumsum() - 1",
        "pd.Series(cells.index)",
        LOST,
    ),
    Mutant(
        "the last step is not looked at",
        MODULE,
        "dict.fromkeys(overflowing(network, x), len(done.losses)) | done.diverged",
        "done.diverged",
        LOST,
    ),
    Mutant(
        "columns are divided by their norms",
        MODULE,
        "functional.normalize(rows_of, dim=2)",
        "functional.normalize(rows_of, dim=1)",
        MEASURES,
    ),
    Mutant(
        "excess kurtosis",
        MODULE,
        "stats.kurtosis(flat, axis=1, fisher=False)",
        "stats.kurtosis(flat, axis=1)",
        MEASURES,
    ),
    Mutant(
        "the last layer's rows are its vectors",
        MODULE,
        "w.T if last else w",
        "w",
        MEASURES,
    ),
    Mutant(
        "neighbors stay together",
        MODULE,
        "values[order]",
        "values",
        MEASURES,
    ),
    Mutant(
        "the kept share for the removed one",
        MODULE,
        "1 - decimal(share)",
        "decimal(share)",
        PRUNED,
    ),
    Mutant(
        "the last layer is not counted as stored",
        MODULE,
        "(stored + sizes[-1]) / sum(sizes)",
        "stored / sum(sizes)",
        PRUNED,
    ),
]

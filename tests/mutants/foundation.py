"""Faults of the checks, dice, estimates, metrics, data, models and the training."""

from tests.mutants import Mutant

ROOM = "tests/compressibility"
CHECKS, DICE = f"{ROOM}/test_checks.py", f"{ROOM}/test_dice.py"
ESTIMATES, METRICS = f"{ROOM}/test_estimates.py", f"{ROOM}/test_metrics.py"
SETS = f"{ROOM}/data/test_sets.py"
LAYERS, NETWORK = f"{ROOM}/models/test_layers.py", f"{ROOM}/models/test_network.py"
LOOP = f"{ROOM}/training/test_loop.py"

MUTANTS = [
    Mutant(
        "shares are counted in floats",
        "compressibility.checks",
        "math.floor(exact * int(total))",
        "math.floor(float(share) * int(total))",
        f"{CHECKS}::test_shares_count_as_they_print",
    ),
    Mutant(
        "a share of float32 is read in float64",
        "compressibility.checks",
        "Fraction(str(value))",
        "Fraction(str(float(value)))",
        f"{CHECKS}::test_shares_count_as_they_print",
    ),
    Mutant(
        "True is a whole number",
        "compressibility.checks",
        "isinstance(number, Integral) and not isinstance(number, bool)",
        "isinstance(number, Integral)",
        f"{CHECKS}::test_bad_arguments_are_named",
    ),
    Mutant(
        "the parts of a name are joined",
        "compressibility.dice",
        "json.dumps([word, parts] if word else parts)",
        '"".join(map(str, parts))',
        f"{DICE}::test_names_do_not_collide",
    ),
    Mutant(
        "other dice are those of another name",
        "compressibility.dice",
        "[word, parts]",
        "[word, *parts]",
        f"{DICE}::test_a_word_in_the_environment_gives_other_dice",
    ),
    Mutant(
        "a population's standard deviation",
        "compressibility.estimates",
        "sample.std(ddof=1)",
        "sample.std()",
        f"{ESTIMATES}::test_mean_is_scipys",
    ),
    Mutant(
        "a mean for the median",
        "compressibility.estimates",
        "np.median(sample)",
        "np.mean(sample)",
        f"{ESTIMATES}::test_median_covers",
    ),
    Mutant(
        "an interval one rank too tight",
        "compressibility.estimates",
        "[[rank - 1, -rank]]",
        "[[rank, -rank - 1]]",
        f"{ESTIMATES}::test_median_covers",
    ),
    Mutant(
        "worst goes by the value",
        "compressibility.estimates",
        "key=lambda one: getattr(one, side)",
        "key=lambda one: one.value",
        f"{ESTIMATES}::test_worst_is_the_least_favourable_end",
    ),
    Mutant(
        "a value at its limit is an exception",
        "compressibility.estimates",
        "(seen > most).sum()",
        "(seen >= most).sum()",
        f"{ESTIMATES}::test_exceptions_are_counted",
    ),
    Mutant(
        "errors are squared in single precision",
        "compressibility.metrics",
        "gap.double().square()",
        "gap.square().double()",
        f"{METRICS}::test_metrics_of_float32_are_summed_in_float64",
    ),
    Mutant(
        "training samples in the archive's order",
        "compressibility.data.sets",
        "return x[order], y[order]",
        "return x, y",
        f"{SETS}::test_leading_training_samples_are_a_fair_part",
    ),
    Mutant(
        "edges wrap one pixel too far",
        "compressibility.models.maps",
        "before = (kernel.shape[-1] - 1) // 2",
        "before = kernel.shape[-1] // 2",
        f"{LAYERS}::test_layer_is_its_definition_its_matrix_and_pytorchs_module",
    ),
    Mutant(
        "the highest frequency counts twice",
        "compressibility.models.maps",
        "if size % 2 == 0:",
        "if size % 2 == 1:",
        f"{LAYERS}::test_energies_are_those_of_the_outputs",
    ),
    Mutant(
        "energies without a scale",
        "compressibility.models.maps",
        "torch.where(most > 0, most / (2 * torch.frexp(most).mantissa), 1.0)",
        "torch.ones_like(most)",
        f"{LAYERS}::test_energies_far_from_one",
    ),
    Mutant(
        "zero padding passes for circular",
        "compressibility.models.layers",
        'q == 1 or module.padding_mode == "circular"',
        "True",
        f"{LAYERS}::test_other_convolutions_are_refused",
    ),
    Mutant(
        "a layer's inputs lie before the activation",
        "compressibility.models.network",
        "seen = self.through(index, seen)",
        "seen = self.through(index, seen) if index + 1 < at else seen",
        f"{NETWORK}::test_layers_follow_one_another",
    ),
    Mutant(
        "throws of one network do not stand in a row",
        "compressibility.models.network",
        "w.repeat_interleave(times, 0)",
        "w.repeat(times, *[1] * (w.ndim - 1))",
        f"{NETWORK}::test_copies_are_copies",
    ),
    Mutant(
        "one order of minibatches for all networks",
        "compressibility.training.loop",
        "torch.randperm(len(inputs), generator=order) for order in orders",
        "torch.randperm(len(inputs), generator=orders[0]) for _ in orders",
        f"{LOOP}::test_a_batch_equals_single_runs",
    ),
    Mutant(
        "squares are averaged over the outputs",
        "compressibility.training.loop",
        "square().sum(-1).mean(1)",
        "square().mean(-1).mean(1)",
        f"{LOOP}::test_single_run_is_plain_pytorch",
    ),
]

"""Faults of one-shot pruning, of its measured and predicted thresholds, and of the l1 penalty."""

from tests.mutants import Mutant

LOOP = "compressibility.training.loop"
ONESHOT = "compressibility.pruning.oneshot"
MODULE = "compressibility.experiments.oneshot"
ROOM = "tests/compressibility"
TRAINED = f"{ROOM}/training/test_loop.py::test_penalty_and_schedule_are_plain_pytorch"
TESTS = f"{ROOM}/pruning/test_oneshot.py"
PATH = f"{TESTS}::test_the_path_zeroes_one_weight_after_the_other"
DEVIATION = f"{TESTS}::test_epsilon_is_the_deviation_of_batch_means"
SHUFFLED = f"{TESTS}::test_epsilon_of_shuffled_batches"
KEPT = f"{TESTS}::test_kept_weights_train_as_in_the_pruned_network_alone"
STUDY = f"{ROOM}/experiments/test_oneshot.py"
MEASURED = f"{STUDY}::test_measured_thresholds"
PREDICTED = f"{STUDY}::test_predicted_thresholds"
CONTROL = f"{STUDY}::test_retrained_beside_a_dense_control"
LANCZOS = f"{STUDY}::test_all_steps_of_lanczos_are_the_dense_answer"
PAGES = {
    LOOP: ("pruning-limit/one-shot",),
    ONESHOT: ("pruning-limit/one-shot", "together/errata-pruning-limit"),
    MODULE: ("pruning-limit/one-shot", "pruning-limit/heuristics", "together/errata-pruning-limit"),
}

RISES = 'after - of["total"] <= allowed'
PENALTY = "factors * weight.abs().reshape(len(rates), -1).sum(1)"
MEANS = "torch.split(losses.double()[order.to(losses.device)], batch_size)"

MUTANTS = [
    Mutant("squares for sizes in the penalty", LOOP, "weight.abs()", "weight.square()", TRAINED),
    Mutant("the penalty of the mean size", LOOP, PENALTY, PENALTY.replace("sum", "mean"), TRAINED),
    Mutant("one penalty for all networks", LOOP, "factors * w", "factors.mean() * w", TRAINED),
    Mutant("no slope of the penalty", LOOP, "(total, rates)", "(each, rates)", TRAINED),
    Mutant("a cosine per epoch", LOOP, "training.epochs * per_epoch", "training.epochs", TRAINED),
    Mutant("the removed stay", ONESHOT, "order.argsort() >=", "order.argsort() <", PATH),
    Mutant("an order read as ranks", ONESHOT, "order.argsort() >=", "order >=", PATH),
    Mutant("one weight too many", ONESHOT, "order.argsort() >=", "order.argsort() >", PATH),
    Mutant("ddof 1", ONESHOT, "correction=0", "correction=1", DEVIATION),
    Mutant("deviation of batch sums", ONESHOT, "batch.mean()", "batch.sum()", DEVIATION),
    Mutant("the last batch is dropped", ONESHOT, "in batches])", "in batches[:-1]])", DEVIATION),
    Mutant(
        "batches in order", ONESHOT, MEANS, MEANS.replace("[order.to(losses.device)]", ""), SHUFFLED
    ),
    Mutant("deviations of samples", ONESHOT, MEANS, MEANS.replace("batch_size", "1"), DEVIATION),
    Mutant("removed weights come back", ONESHOT, "hooks=[Held(stay)]", "hooks=[]", KEPT),
    Mutant("kept weights are held", ONESHOT, "~part.reshape", "part.reshape", KEPT),
    Mutant(
        "trained from the dense network",
        ONESHOT,
        "found = pruned(network, stay)",
        "found = like(network, flat(network))",
        KEPT,
    ),
    Mutant("the total without its penalty", MODULE, "loss + l1 *", "loss + 0 *", MEASURED),
    Mutant(
        "cross-entropy for the total",
        MODULE,
        'scan("total_within", rises[:, 1]',
        'scan("total_within", rises[:, 0]',
        MEASURED,
    ),
    Mutant(
        "losses for their rises", MODULE, "rises[:, :2] -= start[:2]", "rises[:, :2] -= 0", MEASURED
    ),
    Mutant("the control is w*", MODULE, "after - dense <= allowed", RISES, CONTROL),
    Mutant("retrained against the control", MODULE, RISES, "after - dense <= allowed", CONTROL),
    Mutant(
        "retrained without the penalty",
        MODULE,
        "replace(protocol.retraining, l1=tuple(penalties[e] for e in of))",
        "protocol.retraining",
        CONTROL,
    ),
    Mutant(
        "H without |.| in the limits",
        MODULE,
        "quadrature(H, steps or 1, throw).spectrum()).absolute()",
        "quadrature(H, steps or 1, throw).spectrum()).positive()",
        PREDICTED,
    ),
    Mutant(
        "H₊ for |H| in exact costs",
        MODULE,
        "bowl.absolute() if bowl",
        "bowl.positive() if bowl",
        PREDICTED,
    ),
    Mutant(
        "the largest for the first",
        MODULE,
        '_first": found.first',
        '_first": found.largest',
        MEASURED,
    ),
    Mutant(
        "all of H for c's",
        MODULE,
        "lanczos(H, c, steps or 1)",
        "quadrature(H, steps or 1, throw)",
        LANCZOS,
    ),
    Mutant("slope of the other sign", MODULE, "-float(gradient @", "float(gradient @", PREDICTED),
    Mutant(
        "random supports by size", MODULE, 'support == "magnitude":', 'support != "":', MEASURED
    ),
]

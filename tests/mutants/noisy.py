"""Faults of training under injected noise and of its tables."""

from tests.mutants import Mutant

NOISY, REMOVAL = "compressibility.experiments.noisy", "compressibility.pruning.removal"
TESTS = "tests/compressibility/experiments/test_noisy.py"
HAND = f"{TESTS}::test_each_network_is_trained_as_by_hand"
RATE = f"{TESTS}::test_noise_has_a_rate_of_its_own"
MEASURES = f"{TESTS}::test_measures_are_those_of_the_weights"
SCORES = f"{TESTS}::test_scores_are_those_of_pruned_networks"
CURVE = f"{TESTS}::test_curve_removes_the_smallest_units"
TABLE = f"{TESTS}::test_table_joins_noises_and_names_those_that_diverge"
ROWS = "tests/compressibility/pruning/test_removal.py"
WITHIN = f"{ROWS}::test_rows_within_goes_on_while_the_squares_fit"
ORDER = "squares.argsort(dim=-1, descending=True, stable=True)"
PAGES = dict.fromkeys(
    (NOISY, REMOVAL),
    tuple(f"injected-noise/{name}" for name in ("at-work", "certificates", "beyond")),
)

MUTANTS = [
    Mutant(name, module, old, new, test)
    for name, module, old, new, test in (
        ("one dice for all seeds", NOISY, 'noise", seed, dev', 'noise", 0, dev', HAND),
        ("the start trains too", NOISY, "start.repeated(1), start", "start, start", HAND),
        ("noise of the training's rate", NOISY, "if rate is None else rate, each", ", each", RATE),
        (
            "W0 is left out of the noise's share",
            NOISY,
            "before + noise, error",
            "noise, error",
            MEASURES,
        ),
        ("moved counts the noise", NOISY, "(after - before - noise)", "(after - before)", MEASURES),
        (
            "noise over the trained norm",
            NOISY,
            "before.norm(dim=(1, 2)), cert",
            "after.norm(dim=(1, 2)), cert",
            MEASURES,
        ),
        (
            "certificate of the start",
            NOISY,
            "certificate(after, noise",
            "certificate(before, noise",
            MEASURES,
        ),
        ("layers count from 0", NOISY, '"layer": at + 1', '"layer": at', MEASURES),
        (
            "whole networks scored as pruned",
            NOISY,
            "tested(pruned, x, y)\n    return",
            "tested(run.network, x, y)\n    return",
            SCORES,
        ),
        (
            "each layer weighs the same",
            NOISY,
            "removed_share.cpu() * weight[0].numel()",
            "removed_share.cpu() * size",
            SCORES,
        ),
        ("kept for removed", NOISY, "kept=1 - decimal(share)", "kept=decimal(share)", CURVE),
        (
            "inputs pruned for units",
            NOISY,
            "found = removal.nodes(weight.mT, kept)",
            "return removal.nodes(weight, kept)",
            CURVE,
        ),
        (
            "those that diverged go unnamed",
            NOISY,
            "found.seed.map(run.diverged)",
            "found.seed.map({})",
            TABLE,
        ),
        ("scales of another noise", NOISY, "scale=noise.scale", "scale=noises[0].scale", TABLE),
        (
            "the largest rows go",
            REMOVAL,
            "squares.argsort(dim=-1, descending=True",
            "squares.argsort(dim=-1, descending=False",
            WITHIN,
        ),
        (
            "norms for squares",
            REMOVAL,
            "share, total = removable(squares, error, p=1)",
            "share, total = removable(squares.sqrt(), error, p=1)",
            WITHIN,
        ),
        (
            "unsquared error",
            REMOVAL,
            "share, total = removable(squares, error, p=1)",
            "share, total = removable(squares, error**2, p=1)",
            WITHIN,
        ),
        (
            "of equal rows the first go",
            REMOVAL,
            ORDER,
            "squares.shape[-1] - 1 - " + ORDER.replace("squares", "squares.flip(-1)"),
            WITHIN,
        ),
    )
]

"""Faults of the family of networks, of its theories and yardsticks."""

from tests.mutants import Mutant

FAMILY, YARDS = (f"compressibility.experiments.{name}" for name in ("family", "yardsticks"))
TESTS = "tests/compressibility/experiments"
OWN, CUTS = f"{TESTS}/test_family.py", f"{TESTS}/test_yardsticks.py"
TRAIN = f"{OWN}::test_variants_train_from_the_same_start_each_in_its_way"
LAW = f"{OWN}::test_law_is_known_from_two_moments"
BLOCK = f"{OWN}::test_block_estimate_is_taken_at_its_word"
ORDER = f"{OWN}::test_weights_are_shuffled_before_their_blocks_are_summed"
NOISE = f"{OWN}::test_certificate_and_noise_are_those_of_the_run"
LIMIT = f"{OWN}::test_limits_are_those_of_the_experiment"
DICE = f"{OWN}::test_dice_cost_what_prices_say_and_bounds_bound_it"
SPREAD = f"{OWN}::test_epsilon_and_variance_of_a_layer"
LITERAL = f"{CUTS}::test_cuts_are_those_named_and_yardsticks_those_of_the_network"
WITHIN = f"{CUTS}::test_within_takes_the_largest_share_that_passes"
PAGES = dict.fromkeys((FAMILY, YARDS), ("together/one-network",))

MUTANTS = [
    Mutant(name, module, old, new, test)
    for name, module, old, new, test in (
        ("a family without its penalty", FAMILY, "l1=one.l1, ", "", TRAIN),
        ("a family whose untrained train", FAMILY, "if one.rate:", "if one.rate >= 0.3:", TRAIN),
        (
            "a law fitted to E|w| alone",
            FAMILY,
            "two - (one + three) / 2",
            "two - one",
            LAW,
        ),
        ("a fitted law of the first moment's share", FAMILY, "(q + 1) / b", "q / b", LAW),
        (
            "the block estimate promises what stays",
            FAMILY,
            "return 1 - float",
            "return float",
            BLOCK,
        ),
        (
            "a family's weights in their own order",
            FAMILY,
            "diagnose(w[order],",
            "diagnose(w,",
            ORDER,
        ),
        (
            "error and certificate exchanged",
            FAMILY,
            "one.sharp, one.error",
            "one.error, one.sharp",
            NOISE,
        ),
        ("certificates speak at one", FAMILY, "one.sharp < 1", "one.sharp <= 1", NOISE),
        (
            "start plus noise after training",
            FAMILY,
            "one.noise_share, one.share",
            "one.share, one.share",
            NOISE,
        ),
        (
            "the quadratic cost of half the bowl",
            FAMILY,
            '"u2", model <=',
            '"u2", model / 2 <=',
            LIMIT,
        ),
        (
            "a rise without the penalty",
            FAMILY,
            "score)[:, 1] - score(one)[0, 1]",
            "score)[:, 0] - score(one)[0, 0]",
            LIMIT,
        ),
        ("a slope that helps", FAMILY, "slope = -float", "slope = float", LIMIT),
        (
            "the bound of the sharper form",
            FAMILY,
            'damage["printed"], damage',
            'damage["sharper"], damage',
            DICE,
        ),
        ("a promise for one layer", FAMILY, "m=2, radius", "m=1, radius", DICE),
        (
            "a promise over the outputs' power",
            FAMILY,
            "outputs[0].var(0, correction=0)",
            "outputs[0].square().mean(0)",
            DICE,
        ),
        (
            "damage over power",
            FAMILY,
            "masks.damage(weight, seen.covariance)",
            "masks.damage(weight, seen.second)",
            SPREAD,
        ),
        (
            "units by their inputs",
            YARDS,
            "removal.nodes(weight.mT, 1 - decimal(share)).weight.mT",
            "removal.nodes(weight, 1 - decimal(share)).weight",
            LITERAL,
        ),
        (
            "Wanda sorts the layer",
            YARDS,
            'by="row" if',
            'by="layer" if',
            LITERAL,
        ),
        ("prices sort rows", YARDS, 'else "layer")', 'else "row")', LITERAL),
        ("dice sort rows", YARDS, ', n), by="layer")', ', n), by="row")', LITERAL),
        (
            "outputs without the root",
            YARDS,
            ".sum(2).mean(1) / unit).sqrt()",
            ".sum(2).mean(1) / unit)",
            LITERAL,
        ),
        ("the penalty of what is cut is not saved", YARDS, "(loss - penalty)", "loss", LITERAL),
        ("the share before the first failure", YARDS, "groups.max()", "groups.min()", WITHIN),
    )
]

"""Faults of the draws, the cuts, the scores and their fast paths."""

from tests.mutants import Mutant
from tests.mutants.wide_networks import PAGES

__all__ = ["MUTANTS", "PAGES"]

ROOM = "compressibility.pruning"
DRAWS, CUTS, WIDE, ENGINE, BLOCKS, GROUPS, NETWORKS, COLLAPSE = (
    f"{ROOM}.{name}"
    for name in ("draws", "cuts", "wide", "engine", "blocks", "groups", "networks", "collapse")
)
TESTS = "tests/compressibility/pruning"
TABLE, LAZY, WHOLE = (f"{TESTS}/test_{name}.py" for name in ("cuts", "engine", "networks"))
LITERAL = f"{TABLE}::test_equals_literal_draw_for_draw"

MUTANTS = [
    Mutant(
        "midpoints go to the even step",
        DRAWS,
        "(steps + 0.5).floor()",
        "steps.round()",
        f"{TESTS}/test_draws.py::test_midpoints_go_away_from_zero",
    ),
    Mutant(
        "a kept weight is not enlarged",
        DRAWS,
        "return _kept_or_zero(check_weight(weight) / self.keep, self.keep)",
        "return _kept_or_zero(check_weight(weight), self.keep)",
        f"{TESTS}/test_draws.py::test_pruning_keeps_below_p",
    ),
    Mutant(
        "a uniform on the limit selects the outcome below it",
        DRAWS,
        "torch.where(uniforms < limit, value, drawn)",
        "torch.where(uniforms <= limit, value, drawn)",
        f"{TESTS}/test_draws.py::test_pruning_keeps_below_p",
    ),
    Mutant(
        "a grid's largest value lies above the largest weight",
        DRAWS,
        "(lower + 1).clamp(max=self.levels)",
        "(lower + 1)",
        f"{TESTS}/test_draws.py::test_outcomes_of_the_largest_weight_stay_on_the_grid",
    ),
    Mutant(
        "the odds of a grid lose their factor of 4",
        DRAWS,
        "1 / (4 * self.levels**2)",
        "1 / (2 * self.levels**2)",
        f"{TESTS}/test_draws.py::test_odds_are_worst_cases",
    ),
    Mutant(
        "a block may follow a block at once",
        CUTS,
        "(wide | blocks) & {layer + 1 for layer in blocks}",
        "wide & {layer + 1 for layer in blocks}",
        f"{WHOLE}::test_plans_that_break_6_are_refused",
    ),
    Mutant(
        "outputs scaled in place of inputs",
        CUTS,
        "shape[1 + axis] = -1",
        "shape[2 - axis] = -1",
        f"{TABLE}::test_nothing_is_changed_in_place_and_no_gradient_is_kept",
    ),
    Mutant(
        "a tie goes to any index",
        WIDE,
        "price.argsort(descending=most_first, stable=True)",
        "price.flip(0).argsort(descending=most_first).mul(-1).add(len(price) - 1)",
        f"{TABLE}::test_largest_first_is_the_greedy_from_the_other_end",
    ),
    Mutant(
        "the mean of the inputs squared",
        WIDE,
        "inputs.square().mean(0)",
        "inputs.mean(0).square()",
        f"{TABLE}::test_identity_by_enumeration",
    ),
    Mutant(
        "squares at the ends of their range",
        WIDE,
        "return values.double() / scale, scale",
        "return values.double(), 1.0",
        f"{TESTS}/test_wide.py::test_the_order_is_right_at_any_scale",
    ),
    Mutant(
        "the pull of the error counted once",
        ENGINE,
        "score = 2 * torch.linalg.vecdot(pull, mean)",
        "score = torch.linalg.vecdot(pull, mean)",
        LITERAL,
    ),
    Mutant(
        "a path half as long",
        ENGINE,
        "self.reach += self._lengths(rows, change)",
        "self.reach += self._lengths(rows, change) / 2",
        f"{LAZY}::test_stale_scores_stay_above_their_bounds",
    ),
    Mutant(
        "bounds that give way to every rounding, and save nothing",
        ENGINE,
        "_ROUNDING = 64",
        "_ROUNDING = 1e30",
        f"{LAZY}::test_laziness_saves_most_looks",
    ),
    Mutant(
        "tiny blocks stay in single precision",
        ENGINE,
        "_SAFE = (1e-24, 1e24)",
        "_SAFE = (-1.0, 1e99)",
        f"{LAZY}::test_tiny_blocks_in_single_precision_are_right",
    ),
    Mutant(
        "one scoring fewer",
        BLOCKS,
        "math.ceil(count / (cut.scorings or count))",
        "math.ceil((count + 1) / (cut.scorings or count))",
        f"{LAZY}::test_biased_controls_equal_literal",
    ),
    Mutant(
        "throws that go on where the last one stopped",
        BLOCKS,
        "_run(start.fork(), each, count, at_once)",
        "_run(start, each, count, at_once)",
        f"{TABLE}::test_throws_are_independent_cuts",
    ),
    Mutant(
        "kept and zeroed exchanged in the steps",
        GROUPS,
        "torch.cat([kept, zeroed])",
        "torch.cat([zeroed, kept])",
        LITERAL,
    ),
    Mutant(
        "the cross term of the damage counted once",
        GROUPS,
        "+ 2 * ((kept @ self.kept_zeroed) * zeroed).sum(1)",
        "+ ((kept @ self.kept_zeroed) * zeroed).sum(1)",
        LITERAL,
    ),
    Mutant(
        "filters zeroed to phi(z) in place of phi(0)",
        GROUPS,
        "phi(torch.zeros_like(before)) - now",
        "-now",
        LITERAL,
    ),
    Mutant(
        "a projection inside the block",
        NETWORKS,
        "radii[:, [layer - 1 for layer in plan.blocks]]",
        "radii[:, [layer for layer in plan.blocks]]",
        f"{WHOLE}::test_radii",
    ),
    Mutant(
        "later layers see the dense network's inputs",
        NETWORKS,
        "compressed.through(at, seen)",
        "network.through(at, seen)",
        f"{WHOLE}::test_equals_a_hand_written_loop",
    ),
    Mutant(
        "the next layer is compressed for inputs that are not projected",
        NETWORKS,
        "seen = _onto_ball(seen, radii[:, at])",
        "pass",
        "tests/compressibility/pruning/test_projection.py",
    ),
    Mutant(
        "the dead that nobody hears live on",
        COLLAPSE,
        "up & down for up, down in",
        "up for up, _ in",
        f"{TESTS}/test_collapse.py::test_collapse_is_the_same_function_and_as_small_as_deletion_makes_it",
    ),
]

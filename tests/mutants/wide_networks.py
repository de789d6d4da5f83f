"""Faults of Part IV's formulas: signs, factors, exponents, roots, what is left out or exchanged."""

from tests.mutants import Mutant

PRUNING, BOUNDS, MODELS = (
    f"compressibility.{room}" for room in ("pruning", "bounds.wide_networks", "models")
)
DRAWS, ENGINE, BLOCKS, GROUPS, MOMENTS, WIDE, CUTS, NETWORKS, COLLAPSE = (
    f"{PRUNING}.{name}"
    for name in (
        *("draws", "engine", "blocks", "groups", "moments", "wide", "cuts", "networks", "collapse"),
    )
)
ERRORS, FACTS, DELTA, LOSSES, WIDTHS, CONDITIONS = (
    f"{BOUNDS}.{name}" for name in ("errors", "facts", "delta", "losses", "widths", "conditions")
)
LAYERS, MAPS, NETWORK = (f"{MODELS}.{name}" for name in ("layers", "maps", "network"))
METRICS, ESTIMATES = "compressibility.metrics", "compressibility.estimates"

TESTS = "tests/compressibility"
DRAWN, TABLE, LAZY, WHOLE, SUMS, SMALLER, ALONE = (
    f"{TESTS}/pruning/test_{name}.py"
    for name in ("draws", "cuts", "engine", "networks", "moments", "collapse", "wide")
)
LITERAL, ODDS = f"{TABLE}::test_equals_literal_draw_for_draw", f"{DRAWN}::test_odds_are_worst_cases"
PEEKING = f"{TABLE}::test_peeking_equals_its_literal_form"
FORMULAS = f"{TESTS}/bounds/test_errors.py::test_formulas_retyped"
LIMITS = f"{TESTS}/bounds/test_conditions.py::test_formulas_retyped"
MEASURED, DELTAS, LOST = (f"{TESTS}/bounds/test_{name}.py" for name in ("facts", "delta", "losses"))
LAYER = f"{TESTS}/models/test_layers.py"
DEFINITION = f"{LAYER}::test_layer_is_its_definition_its_matrix_and_pytorchs_module"
NORMS = f"{LAYER}::test_norms_are_those_of_the_dense_matrix"
POWERS = f"{LAYER}::test_energies_are_those_of_the_outputs"
NETS = f"{TESTS}/models/test_network.py"
SCORES, SURE = f"{TESTS}/test_metrics.py", f"{TESTS}/test_estimates.py"

GREEDY, PRUNED, ROUNDED, NEURONS, CONVOLVED, FILTERS, WIDE_ENOUGH, SHARPER = (
    f"wide-networks/{name}"
    for name in (
        *("greedy-compression", "pruning", "quantization", "neurons", "convolutions", "filters"),
        *("how-wide", "sharper-widths"),
    )
)
# Whose claims are about a module's formulas; of the lists `bounds` and `pruning` too.
PAGES = {
    DRAWS: (GREEDY, PRUNED, ROUNDED),
    WIDE: (GREEDY, PRUNED, NEURONS, FILTERS),
    ENGINE: (GREEDY, PRUNED, ROUNDED),
    BLOCKS: (GREEDY, PRUNED, ROUNDED),
    GROUPS: (NEURONS, FILTERS),
    MOMENTS: ("together/dice-or-mask",),
    CUTS: (GREEDY, PRUNED, NEURONS),
    NETWORKS: (GREEDY, ROUNDED, "wide-networks/dice-or-nearest"),
    COLLAPSE: (NEURONS, FILTERS),
    ERRORS: (GREEDY, PRUNED, ROUNDED, NEURONS, SHARPER, WIDE_ENOUGH),
    **dict.fromkeys((FACTS, DELTA, WIDTHS, CONDITIONS), (WIDE_ENOUGH, SHARPER)),
    LOSSES: (PRUNED, WIDE_ENOUGH, SHARPER),
    **dict.fromkeys((LAYERS, MAPS, NETWORK), (CONVOLVED, FILTERS)),
}

MUTANTS = [
    Mutant(name, module, old, new, test)
    for name, module, old, new, test in (
        # What a weight becomes.
        (
            "1 − p kept",
            DRAWS,
            "(check_weight(weight) / self.keep, self.keep)",
            "(check_weight(weight) / self.keep, 1 - self.keep)",
            f"{DRAWN}::test_pruning_keeps_below_p",
        ),
        (
            "pruning's odds upside down",
            DRAWS,
            "variance = (1 - self.keep) / self.keep",
            "variance = self.keep / (1 - self.keep)",
            ODDS,
        ),
        (
            "pruning's odds for p, not for (1 − p)/p",
            DRAWS,
            "variance = (1 - self.keep) / self.keep",
            "variance = 1 - self.keep",
            ODDS,
        ),
        (
            "a jump of the likelier side",
            DRAWS,
            "max(self.keep, 1 - self.keep) / self.keep",
            "min(self.keep, 1 - self.keep) / self.keep",
            ODDS,
        ),
        (
            "a pruned weight's variance is not squared",
            DRAWS,
            "weight).square() * ((1",
            "weight).abs() * ((1",
            f"{DRAWN}::test_moments_by_monte_carlo",
        ),
        (
            "the printed 1/k² for the exact 1/(4k²)",
            DRAWS,
            "1 / (4 * self.levels**2)",
            "1 / self.levels**2",
            ODDS,
        ),
        (
            "the exact 1/(4k²) for the printed 1/k²",
            DRAWS,
            "Odds(1 / self.levels**2,",
            "Odds(1 / (4 * self.levels**2),",
            ODDS,
        ),
        (
            "a grid's jump of half a step",
            DRAWS,
            "1 / self.levels)\n",
            "1 / (2 * self.levels))\n",
            ODDS,
        ),
        (
            "a grid's variance f for f(1 − f)",
            DRAWS,
            "* fraction * (1 - fraction)).to",
            "* fraction).to",
            f"{DRAWN}::test_moments_by_monte_carlo",
        ),
        (
            "rounded away with chance 1 − f",
            DRAWS,
            "largest, self.levels), fraction),",
            "largest, self.levels), 1 - fraction),",
            f"{DRAWN}::test_outcomes_are_the_draws",
        ),
        (
            "a mask's survivors are enlarged",
            DRAWS,
            "return _kept_or_zero(check_weight(weight), self.keep)",
            "return _kept_or_zero(check_weight(weight) / self.keep, self.keep)",
            f"{LAZY}::test_biased_controls_equal_literal",
        ),
        # What a weight of a wide layer costs.
        (
            "energies times p/(1 − p)",
            WIDE,
            "* draw.odds.exact, (1.0, 1.0)",
            "/ draw.odds.exact, (1.0, 1.0)",
            f"{ALONE}::test_sheet_case_a",
        ),
        (
            "the square root of an energy",
            WIDE,
            "inputs.square().mean(0)",
            "inputs.square().mean(0).sqrt()",
            f"{ALONE}::test_sheet_case_a",
        ),
        (
            "prices for the dense network's inputs",
            WIDE,
            "_scaled_prices(layer, seen, cut.draw,",
            "_scaled_prices(layer, seen if dense is None else dense, cut.draw,",
            LITERAL,
        ),
        (
            "one price too many is expected",
            WIDE,
            "price[ranking].sum(-1)",
            "price.sum(-1)",
            f"{TABLE}::test_identity_by_enumeration",
        ),
        (
            "the wide loss forgets what it inherits",
            WIDE,
            '["weight"], seen, dense)',
            '["weight"], seen, seen)',
            LITERAL,
        ),
        # What a weight of a block scores.
        (
            "the residual's sign in the scores of weights",
            ENGINE,
            "score = 2 * torch",
            "score = -2 * torch",
            LITERAL,
        ),
        (
            "the residual's sign in the gap",
            ENGINE,
            "(self.after - phi(w1 @ dense.T))",
            "(phi(w1 @ dense.T) - self.after)",
            LITERAL,
        ),
        (
            "the residual is dropped at the start",
            ENGINE,
            "(self.after - phi(w1 @ dense.T))",
            "(self.after - self.after)",
            LITERAL,
        ),
        (
            "the residual does not follow",
            ENGINE,
            "self.gap += self.w2[:, rows] @ change",
            "self.gap += 0 * self.w2[:, rows] @ change",
            LITERAL,
        ),
        ("a signed score", ENGINE, "score.abs().double()", "score.double()", LITERAL),
        (
            "the column above is not squared",
            ENGINE,
            "self.norms2 = w2.square().sum(0)",
            "self.norms2 = w2.square().sum(0).sqrt()",
            LITERAL,
        ),
        (
            "the square of the mean change",
            ENGINE,
            "torch.linalg.vecdot(change, change)",
            "torch.linalg.vecdot(mean, mean)",
            LITERAL,
        ),
        (
            "the chance of a change is left out",
            ENGINE,
            "mean.addcmul_(change, chance[part, None])",
            "mean.add_(change)",
            LITERAL,
        ),
        (
            "a slope without its factor 2",
            ENGINE,
            "(2 / math.sqrt(samples))",
            "(1 / math.sqrt(samples))",
            f"{LAZY}::test_stale_scores_stay_above_their_bounds",
        ),
        (
            "the paths' lengths are not roots",
            ENGINE,
            "most.square()).double().sqrt()",
            "most.square()).double()",
            f"{LAZY}::test_stale_scores_stay_above_their_bounds",
        ),
        (
            "a block is taken in rising uniforms",
            BLOCKS,
            "made = thrown(layer, cut, taken, numbers, axis=0)",
            "made = thrown(layer, cut, taken, 1 - numbers, axis=0)",
            LITERAL,
        ),
        (
            "a block's loss for the compressed inputs alone",
            BLOCKS,
            "seen, dense, block.phi,",
            "seen, seen, block.phi,",
            LITERAL,
        ),
        (
            "a block's loss without its activation",
            CUTS,
            "after = phi(Layer(weight",
            "after = (Layer(weight",
            LITERAL,
        ),
        (
            "the mean loss without its square",
            CUTS,
            ".flatten(1).square().sum(1)",
            ".flatten(1).abs().sum(1)",
            LITERAL,
        ),
        # What a group scores.
        (
            "the residual's sign in the scores of groups",
            GROUPS,
            "return 2 * linear + squares,",
            "return -2 * linear + squares,",
            LITERAL,
        ),
        (
            "the residual's sign in the groups' gap",
            GROUPS,
            "spectra(now - phi(first(true.double())))",
            "spectra(phi(first(true.double())) - now)",
            LITERAL,
        ),
        (
            "the residual is dropped from the groups' scores",
            GROUPS,
            "return 2 * linear + squares,",
            "return 0 * linear + squares,",
            LITERAL,
        ),
        (
            "the linear term counts once",
            GROUPS,
            "return 2 * linear + squares,",
            "return linear + squares,",
            LITERAL,
        ),
        (
            "steps count once",
            GROUPS,
            "2 * torch.cat([kept, zeroed])",
            "torch.cat([kept, zeroed])",
            LITERAL,
        ),
        (
            "groups kept with chance 1 − p",
            GROUPS,
            "keep, go = self.keep, 1 - self.keep",
            "go, keep = self.keep, 1 - self.keep",
            LITERAL,
        ),
        ("kept groups are not enlarged", GROUPS, "phi(before / draw.keep)", "phi(before)", LITERAL),
        (
            "peeking at the other outcome",
            GROUPS,
            "n * (numbers >= moments.keep)",
            "n * (numbers < moments.keep)",
            LITERAL,
        ),
        (
            "peeking looks at the linear term once",
            GROUPS,
            "return 2 * linear + products.diagonal()",
            "return linear + products.diagonal()",
            PEEKING,
        ),
        (
            "the groups' residual is left out of their loss",
            GROUPS,
            "(self.residual + 2 * linear",
            "(2 * linear",
            LITERAL,
        ),
        (
            "the groups' scores are signed",
            GROUPS,
            "signed.abs().argmin",
            "signed.argmin",
            f"{TABLE}::test_scores_below_zero_are_taken_by_their_size",
        ),
        # Moments, cuts, networks.
        (
            "second moments for a covariance",
            MOMENTS,
            "covariance = self.second - torch.outer(self.mean, self.mean)",
            "covariance = self.second",
            f"{SUMS}::test_equal_numpys",
        ),
        (
            "pooled with exchanged shares",
            MOMENTS,
            "share = a / (a + b)",
            "share = b / (a + b)",
            f"{SUMS}::test_batches_pool_to_all",
        ),
        (
            "the mean's power not squared",
            MOMENTS,
            "self.mean.square() / power",
            "self.mean.abs() / power",
            f"{SUMS}::test_mean_to_power",
        ),
        (
            "groups multiplied by 1 where they stay",
            CUTS,
            "< cut.draw.keep).double() / cut.draw.keep",
            "< cut.draw.keep).double()",
            LITERAL,
        ),
        (
            "groups that go where they stay",
            CUTS,
            "(numbers < cut.draw.keep).double()",
            "(numbers >= cut.draw.keep).double()",
            LITERAL,
        ),
        (
            "the share of zeros for what is kept",
            CUTS,
            "kept.flatten(1).count_nonzero(1)",
            "(kept == 0).flatten(1).count_nonzero(1)",
            f"{TABLE}::test_what_every_cut_obeys",
        ),
        (
            "the weights that are not drawn",
            CUTS,
            "torch.where(mask, cut.draw.decide",
            "torch.where(~mask, cut.draw.decide",
            LITERAL,
        ),
        (
            "a plan's wide layer narrows by more than asked",
            CUTS,
            "before >= ratio * after",
            "before > ratio * after",
            f"{WHOLE}::test_suggest",
        ),
        ("radii of one layer before", NETWORKS, "c1 ** (at + 1)", "c1**at", f"{WHOLE}::test_radii"),
        (
            "the least norm for c1",
            NETWORKS,
            "dtype=torch.float64).amax(1)",
            "dtype=torch.float64).amin(1)",
            f"{WHOLE}::test_radii",
        ),
        (
            "what is shorter is stretched onto the ball",
            NETWORKS,
            "norms > limit",
            "norms < limit",
            f"{WHOLE}::test_lemma_9",
        ),
        (
            "all weights become zero",
            NETWORKS,
            "torch.cat([one.weight for one in found])",
            "torch.cat([0 * one.weight for one in found])",
            f"{WHOLE}::test_theorem_2_on_a_network_that_satisfies_it",
        ),
        (
            "multiplications without the pixels",
            COLLAPSE,
            "network.size**2 if",
            "network.size if",
            f"{SMALLER}::test_sizes_are_counted",
        ),
        (
            "what nothing reaches lives on",
            COLLAPSE,
            "(link & reached[-1]).any(1)",
            "link.any(1)",
            f"{SMALLER}::test_collapse_is_the_same_function_and_as_small_as_deletion_makes_it",
        ),
        # Bounds.
        (
            "the printed wide bound without its 2",
            ERRORS,
            "added = 2 * share * odds.variance",
            "added = share * odds.variance",
            FORMULAS,
        ),
        (
            "the printed wide bound without 1 − α",
            ERRORS,
            "* odds.variance / (1 - share)",
            "* odds.variance",
            FORMULAS,
        ),
        (
            "what is inherited is not squared",
            ERRORS,
            "before = layer.norm**2 * seen.error",
            "before = layer.norm * seen.error",
            FORMULAS,
        ),
        (
            "the radius is not squared",
            ERRORS,
            "added * seen.radius**2 *",
            "added * seen.radius *",
            FORMULAS,
        ),
        ("1 − ε for 1 + ε", ERRORS, "(1 + epsilon) * (before", "(1 - epsilon) * (before", FORMULAS),
        (
            "s = ln(1 − α)",
            ERRORS,
            "steps = -math.log1p(-share)",
            "steps = math.log1p(share)",
            FORMULAS,
        ),
        (
            "a column of blocks without its root",
            ERRORS,
            "second.entry * math.sqrt(second.outputs)",
            "second.entry * second.outputs",
            FORMULAS,
        ),
        (
            "growth of rows in σ",
            ERRORS,
            "size = theta * first.norm**2 * column",
            "size = theta * first.norm * column",
            FORMULAS,
        ),
        (
            "the drift of ω is divided by nothing",
            ERRORS,
            "math.sqrt(n2) / second.norm",
            "math.sqrt(n2)",
            FORMULAS,
        ),
        (
            "growth without 1 − α",
            ERRORS,
            "growth=float(2 * share / (1 - share) *",
            "growth=float(2 * share *",
            FORMULAS,
        ),
        (
            "a block inherits through one layer",
            ERRORS,
            "(first.norm * second.norm) ** 2 * seen.error",
            "first.norm**2 * seen.error",
            FORMULAS,
        ),
        (
            "f(Λ) = e^Λ",
            ERRORS,
            "growth = _ln(terms.growth) + terms.growth",
            "growth = terms.growth",
            FORMULAS,
        ),
        (
            "ε counts twice",
            ERRORS,
            "logarithm += math.log1p(epsilon)",
            "logarithm += 2 * math.log1p(epsilon)",
            FORMULAS,
        ),
        (
            "a mean squared distance without its square",
            FACTS,
            "seen.double()).square().mean()",
            "seen.double()).mean()",
            f"{MEASURED}::test_seen",
        ),
        (
            "the narrower side in c2",
            FACTS,
            "widest = layer.kernel.shape[-1], max(layer.inputs",
            "widest = layer.kernel.shape[-1], min(layer.inputs",
            f"{MEASURED}::test_constants_of_networks",
        ),
        (
            "the least norm in c1",
            FACTS,
            "c1=max(layer.norm",
            "c1=min(layer.norm",
            f"{MEASURED}::test_constants",
        ),
        (
            "δ of a wide layer without its 4",
            DELTA,
            "wide = xi**2 / (4 *",
            "wide = xi**2 / (2 *",
            f"{DELTAS}::test_wide_only_form",
        ),
        (
            "2δ for δ",
            DELTA,
            "float(lambertw(u).real) / 2",
            "float(lambertw(u).real)",
            f"{DELTAS}::test_delta_known_answers",
        ),
        (
            "ε4 without its 5",
            DELTA,
            "2 * xi**2 / (5 * (4 + xi))",
            "2 * xi**2 / (4 + xi)",
            f"{DELTAS}::test_delta_known_answers",
        ),
        (
            "δ2 without its root",
            DELTA,
            "2 * math.sqrt(xi**3 / ((4 + xi) * (4 + 2 * xi)))",
            "2 * (xi**3 / ((4 + xi) * (4 + 2 * xi)))",
            f"{DELTAS}::test_sharper_deltas_spend_all_of_lemma_17",
        ),
        (
            "Chernoff with 2 − γ",
            DELTA,
            "math.ceil((2 + gamma)",
            "math.ceil((2 - gamma)",
            f"{DELTAS}::test_draws_known_answers",
        ),
        (
            "a tail at ε",
            DELTA,
            "p) > epsilon / (1 + epsilon)",
            "p) > epsilon",
            f"{DELTAS}::test_exact_draws_against_rational_brute_force",
        ),
        (
            "(18) without its root",
            LOSSES,
            "2 * c1**m * math.sqrt(epsilon * loss) + c1",
            "2 * c1**m * epsilon * loss + c1",
            f"{LOST}::test_excess_loss_is_attained_by_collinear_errors",
        ),
        (
            "(18) in c1^m",
            LOSSES,
            "c1 ** (2 * m) * epsilon)",
            "c1**m * epsilon)",
            f"{LOST}::test_excess_loss_is_attained_by_collinear_errors",
        ),
        (
            "Corollary 5 times ω",
            LOSSES,
            "(loss / omega - math.sqrt(loss))",
            "(loss * omega - math.sqrt(loss))",
            f"{LOST}::test_corollary_5",
        ),
        (
            "the share that stays by what goes",
            LOSSES,
            "1 - drawn + drawn * (1 + gamma) * p",
            "1 - drawn + drawn * (1 + gamma) * (1 - p)",
            f"{LOST}::test_kept_share",
        ),
        (
            "an empty promise holds",
            LOSSES,
            "holds = allowed < variance",
            "holds = allowed <= variance",
            f"{LOST}::test_promise",
        ),
        (
            "the outer side of a block is widened",
            WIDTHS,
            'place = layer - 1 if kind == "wide" else layer',
            'place = layer - 1 if kind == "wide" else layer - 1',
            f"{TESTS}/bounds/test_conditions.py::test_smallest_widths_are_smallest",
        ),
        (
            "(13) with c1/c2",
            CONDITIONS,
            "(constants.c1 / sizes[layer - 1]) ** 2",
            "(constants.c1 / sizes[layer - 1])",
            LIMITS,
        ),
        (
            "(13) of inputs per output",
            CONDITIONS,
            "Fraction(int(plan.widths[layer]), int(plan.widths[layer - 1]))",
            "Fraction(int(plan.widths[layer - 1]), int(plan.widths[layer]))",
            LIMITS,
        ),
        (
            "g upside down",
            CONDITIONS,
            "inverse * (1 - share) / share * small",
            "inverse * share / (1 - share) * small",
            LIMITS,
        ),
        (
            "(14) with c1^(ℓ−1)",
            CONDITIONS,
            "by.thin / (c1**layer *",
            "by.thin / (c1 ** (layer - 1) *",
            LIMITS,
        ),
        (
            "(15) with c1²",
            CONDITIONS,
            "by.ratio * c1**4 / square**2",
            "by.ratio * c1**2 / square**2",
            LIMITS,
        ),
        ("(28) with c1^8 at most", CONDITIONS, "min(1.0, c1**8)", "max(1.0, c1**8)", LIMITS),
        (
            "(29) without its root",
            CONDITIONS,
            "Fraction(before * after, width**2)",
            "Fraction(before * after, width)",
            LIMITS,
        ),
        (
            "α for s in the sharper ones",
            CONDITIONS,
            "gain = sharper_deltas(asked.xi), exact / -math.log1p(-share)",
            "gain = sharper_deltas(asked.xi), exact / share",
            LIMITS,
        ),
        # Layers, maps, networks.
        ("a mean over frequencies for the norm", LAYERS, "ord=2).amax())", "ord=2).mean())", NORMS),
        (
            "the entries' least frequency",
            LAYERS,
            "self.spectrum().abs().amax(0)",
            "self.spectrum().abs().amin(0)",
            NORMS,
        ),
        (
            "energies of the sizes",
            LAYERS,
            "spectra(part).abs().square().sum(1)",
            "spectra(part).abs().sum(1)",
            POWERS,
        ),
        (
            "energies are sums over the samples",
            LAYERS,
            "[:, None] / len(maps)",
            "[:, None]",
            POWERS,
        ),
        (
            "a matrix shifted the other way",
            LAYERS,
            "(a + u - (q - 1) // 2) % r",
            "(a - u + (q - 1) // 2) % r",
            DEFINITION,
        ),
        (
            "frequencies without 1/r²",
            MAPS,
            "weights.flatten() / size**2",
            "weights.flatten() / size",
            POWERS,
        ),
        (
            "inner frequencies count once",
            MAPS,
            "(size, size // 2 + 1), 2.0,",
            "(size, size // 2 + 1), 1.0,",
            POWERS,
        ),
        (
            "an activation behind the last layer of all",
            NETWORK,
            "after if at + 1 == len(self.weights)",
            "after if at == len(self.weights)",
            f"{NETS}::test_layers_follow_one_another",
        ),
        (
            "a block's second layer is its first",
            NETWORK,
            "self.layer(at + 1, e), self.activation",
            "self.layer(at, e), self.activation",
            f"{WHOLE}::test_blocks_know_both_inputs",
        ),
        # Scores and intervals.
        (
            "R² of the predictions' spread",
            METRICS,
            "(truth - truth.mean(0)).square()",
            "(predictions.double() - truth.mean(0)).square()",
            f"{SCORES}::test_r2_is_scikit_learns",
        ),
        (
            "R² without its 1",
            METRICS,
            "(1 - residual / spread)",
            "(-residual / spread)",
            f"{SCORES}::test_r2_is_scikit_learns",
        ),
        (
            "the least likely class",
            METRICS,
            "logits.argmax(-1)",
            "logits.argmin(-1)",
            f"{SCORES}::test_accuracy_is_scikit_learns",
        ),
        (
            "the compressed inputs are left out",
            METRICS,
            "other.detach() @ compressed",
            "inputs.detach() @ compressed",
            f"{SCORES}::test_output_error_is_its_definition",
        ),
        (
            "a sum over samples",
            METRICS,
            "gap.double().square().sum(-1).mean(-1)",
            "gap.double().square().sum(-1).sum(-1)",
            f"{SCORES}::test_output_error_is_its_definition",
        ),
        (
            "a mean's interval on one side",
            ESTIMATES,
            "stats.t.ppf((1 + level) / 2,",
            "stats.t.ppf(level,",
            f"{SURE}::test_mean_is_scipys",
        ),
        (
            "equal values prove",
            ESTIMATES,
            "half = math.inf if alike else",
            "half =",
            f"{SURE}::test_equal_values_prove_nothing",
        ),
        (
            "a slope through the origin",
            ESTIMATES,
            "centred = points - points.mean()",
            "centred = points",
            f"{SURE}::test_slope_is_scipys_row_by_row",
        ),
        (
            "a share's interval by the normal law",
            ESTIMATES,
            'method="exact"',
            'method="wilson"',
            f"{SURE}::test_shares_cover_whatever_the_chance",
        ),
    )
]

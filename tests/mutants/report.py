"""Faults of the audit of a reader's own network, and of its report."""

from tests.mutants import Mutant

ROOM = "compressibility.audit"
MEASURED, REPORT, CAPTURE = (f"{ROOM}.{name}" for name in ("measured", "report", "capture"))
CURVATURE = f"{ROOM}.curvature"
TOGETHER, FINDINGS, PAGE = (f"{ROOM}.{name}" for name in ("together", "findings", "page"))
TESTS = "tests/compressibility/audit/test_report.py"
FEW_LINES = f"{TESTS}::test_held_out_errors_of_three_layers_in_a_few_lines"
DEFINITIONS = f"{TESTS}::test_dice_ranks_columns_and_readjusting_by_their_definitions"
LOADED = f"{TESTS}::test_a_loaded_module_gives_the_reported_numbers"
ONE_RUN = f"{TESTS}::test_one_run_mends_groups_and_recurrent_layers"
ROW = f"{TESTS}::test_the_other_numbers_of_a_row_in_a_few_lines"
SPREAD = f"{TESTS}::test_the_standard_error_is_that_of_fresh_inputs"
BENT = f"{TESTS}::test_curvature_of_a_loss"
GREEN = f"{TESTS}::test_an_empty_bound_is_never_green"

MUTANTS = [
    Mutant(
        "batches held out are those that cuts are chosen on",
        REPORT,
        "batches[at :: len(PARTS)]",
        "batches[at % 2 :: len(PARTS)]",
        FEW_LINES,
    ),
    Mutant(
        "the share chosen on the inputs on which its error is reported",
        REPORT,
        'largest(seen, fed["validation"], method',
        'largest(seen, fed["held_out"], method',
        FEW_LINES,
    ),
    Mutant(
        "std + mean scored by the power",
        MEASURED,
        'scores["std + mean"] = squares * self.variance',
        'scores["std + mean"] = squares * self.power',
        FEW_LINES,
    ),
    Mutant(
        "errors over the power of the outputs",
        MEASURED,
        "float(each.mean()) / self.unit[0]",
        "float(each.mean()) / self.unit[1]",
        FEW_LINES,
    ),
    Mutant(
        "the bias restores the mean with the wrong sign",
        MEASURED,
        "gap - cut.bias).square()",
        "gap + cut.bias).square()",
        FEW_LINES,
    ),
    Mutant(
        "the share above the budget",
        MEASURED,
        "return low if widths >= 0 else high - 1",
        "return high",
        FEW_LINES,
    ),
    Mutant(
        "a search that jumps over a failure",
        MEASURED,
        "high = next((k for k in tenths if",
        "high = next((k for k in tenths[-2:] if",
        f"{TESTS}::test_the_largest_share_is_before_the_first_failure",
    ),
    Mutant(
        "dice priced without their odds",
        MEASURED,
        "cut.touched).sum(0) * (1 / cut.keep - 1)",
        "cut.touched).sum(0) / cut.keep",
        DEFINITIONS,
    ),
    Mutant(
        "ranks by the power of the outputs",
        MEASURED,
        "spread = outputs - outputs.mean(0)",
        "spread = outputs",
        DEFINITIONS,
    ),
    Mutant(
        "columns by their norm alone",
        MEASURED,
        "(squares.sum(0) * self.variance)[None]",
        "squares.sum(0)[None]",
        DEFINITIONS,
    ),
    Mutant(
        "readjusting whatever the samples say",
        MEASURED,
        "return made if samples_needed(kept, explained) < N else mask",
        "return made",
        f"{TESTS}::test_readjusting_wants_samples",
    ),
    Mutant(
        "means mended on the dense network's inputs",
        CAPTURE,
        "site.put(cuts[site].weight, holes[site] @ means[site.group])",
        "site.put(cuts[site].weight, cuts[site].bias)",
        f"{TESTS}::test_all_together_means_are_mended_on_what_is_fed",
    ),
    Mutant(
        "mended biases are not saved",
        "compressibility.audit.sites",
        "zip((self.name, *self.biases), values, strict=True)",
        "zip((self.name, *self.biases[1:]), values)",
        LOADED,
    ),
    Mutant(
        "an empty promise is green",
        TOGETHER,
        'if found["v_half"] >= 1 else',
        'if found["v_half"] >= 1e9 else',
        GREEN,
    ),
    Mutant(
        "layers that the inputs never reach have no row",
        REPORT,
        "report.skip(left[0].label, (left[0].rows, left[0].columns), made)",
        "pass",
        f"{TESTS}::test_no_layer_is_skipped_silently",
    ),
    Mutant(
        "an interval that is too sure",
        MEASURED,
        "ends = found, min(found, crossing(2.0, 40)), max(found, crossing(-2.0, 40))",
        "ends = found, found, found",
        f"{TESTS}::test_thirty_more_samples_do_not_change_the_verdict",
    ),
    Mutant(
        "no warning of few samples",
        REPORT,
        'if row["samples"] < inputs:',
        "if not inputs:",
        f"{TESTS}::test_warnings",
    ),
    Mutant(
        "NaN in JSON",
        FINDINGS,
        "isinstance(value, float) and not math.isfinite(value)",
        "isinstance(value, str) and not value",
        f"{TESTS}::test_json_is_strict_and_complete",
    ),
    Mutant(
        "names of a reader's layers run as HTML",
        PAGE,
        "autoescape=True",
        "autoescape=False",
        f"{TESTS}::test_the_page_stands_alone_and_speaks_in_shapes",
    ),
    Mutant(
        "means of the first group for all",
        CAPTURE,
        "holes[site] @ means[site.group]",
        "holes[site] @ means[0]",
        ONE_RUN,
    ),
    Mutant(
        "outputs of a recurrent layer before its biases are mended",
        CAPTURE,
        "torch.cat([begin[0], step()[0][:-1]]), places\n            out = step()[0]  #",
        "torch.cat([begin[0], (out := step()[0])[:-1]]), places\n            #",
        ONE_RUN,
    ),
    Mutant(
        "biases that are not there among what is not covered",
        REPORT,
        " | (copy.state_dict().keys() - state.keys())",
        "",
        f"{TESTS}::test_a_layer_without_a_bias_gets_one",
    ),
    Mutant(
        "a MatMul's columns passed off as inputs",
        REPORT,
        '"kind", "") == "onnx"',
        '"kind", "") == "ONNX"',
        "tests/compressibility/audit/test_cli.py::test_onnx_says_which_way_its_matrices_lie",
    ),
    Mutant(
        "epsilon of the loss over batches with one degree of freedom less",
        CURVATURE,
        "begun.std(correction=0)",
        "begun.std()",
        BENT,
    ),
    Mutant(
        "a path that begins with the largest weights",
        CURVATURE,
        "costs = path_costs(H, weights, rank.order, counts)",
        "costs = path_costs(H, weights, rank.order.flip(0), counts)",
        BENT,
    ),
    Mutant(
        "the rise of the loss from zero",
        CURVATURE,
        "[value - start <= epsilon for value in values]",
        "[value <= epsilon for value in values]",
        BENT,
    ),
    Mutant(
        "the loss on batches that were held out",
        REPORT,
        'Objective(copy, loss, parts["calibration"], tuple(names))',
        'Objective(copy, loss, parts["held_out"], tuple(names))',
        BENT,
    ),
    Mutant(
        "curvature after the cuts",
        REPORT,
        "curvature(bowl)\n            except",
        "together(report, copy, cuts, parts, None, tell) or curvature(bowl)\n            except",
        BENT,
    ),
    Mutant(
        "tied layers saved with the first bias alone",
        "compressibility.audit.sites",
        'near = (of.removesuffix(at) + at.replace("weight", "bias", 1) for of, _, at in used)',
        'near = [name.removesuffix(leaf) + leaf.replace("weight", "bias", 1)]',
        f"{TESTS}::test_tied_layers_are_saved_with_all_their_biases",
    ),
    Mutant(
        "rows of one unit count as independent",
        MEASURED,
        "torch.arange(len(inputs)) if units is None else units",
        "torch.arange(len(inputs))",
        SPREAD,
    ),
    Mutant(
        "the error of a ratio as if its denominator were known",
        MEASURED,
        "(each - value * self.spread)",
        "(each - each.mean())",
        SPREAD,
    ),
    Mutant(
        "an interval of no width from a single unit",
        MEASURED,
        "if U > 1 else math.inf",
        "if U > 1 else 0.0",
        f"{TESTS}::test_one_unit_says_nothing_of_others",
    ),
    Mutant(
        "batches count up to the one before",
        CAPTURE,
        "total[batch] + inside.long()",
        "inside.long()",
        "tests/compressibility/audit/test_capture.py::test_rows_know_their_inputs",
    ),
    Mutant(
        "packed sequences mended by the first",
        CAPTURE,
        "yield parts[0][0], torch.cat(rows), inside.repeat_interleave(lengths)",
        "yield parts[0][0], rows[0], inside[:1].expand(len(rows[0]))",
        f"{TESTS}::test_packed_sequences_are_mended_by_all_of_them",
    ),
    Mutant(
        "alignment on the inputs that cuts are chosen on",
        REPORT,
        '"alignment": new.alignment(hole, restored=False)',
        '"alignment": seen.alignment(hole, restored=False)',
        ROW,
    ),
    Mutant(
        "curves on the inputs held out",
        REPORT,
        "[[seen.saved(method, k), e] for k, e in errors.items()]",
        "[[seen.saved(method, k), new.error(seen.cut(method, k))[0]] for k in errors]",
        ROW,
    ),
    Mutant(
        "the standard error of the validation inputs",
        REPORT,
        'judged["held_out"][1]',
        'judged["validation"][1]',
        ROW,
    ),
    Mutant(
        "the smallest error of a layer for the largest",
        FINDINGS,
        'max((found["held_out"] for',
        'min((found["held_out"] for',
        ROW,
    ),
    Mutant(
        "dice on the weights that the mask with a restored mean removes",
        MEASURED,
        'self._places["Wanda"] < round(share * n)',
        'self._places["std + mean"] < round(share * n)',
        DEFINITIONS,
    ),
    Mutant(
        "answers that stay counted as changed",
        TOGETHER,
        "made.argmax(1) != dense.argmax(1)",
        "made.argmax(1) == dense.argmax(1)",
        f"{TESTS}::test_changed_answers_are_counted",
    ),
    Mutant(
        "a gain called what moves the metric most",
        FINDINGS,
        'abs(pair[1] - metric["dense"])',
        'metric["dense"] - pair[1]',
        f"{TESTS}::test_words_of_the_sentence",
    ),
    Mutant(
        "a reader's metric that is first called at the end",
        REPORT,
        'tried = float(metric(copy, parts["held_out"]))',
        "tried = 0.0",
        f"{TESTS}::test_the_first_sentence_and_the_metric_first",
    ),
]

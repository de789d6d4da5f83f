"""Faults of the matrices of a module, and of what they are multiplied by."""

from tests.mutants import Mutant

SITES, CAPTURE = "compressibility.audit.sites", "compressibility.audit.capture"
TESTS = "tests/compressibility/audit/test_capture.py"
CONVOLUTIONS = f"{TESTS}::test_convolutions"
RECURRENT = f"{TESTS}::test_recurrent"
ENTRIES = f"{TESTS}::test_each_entry_is_a_site_or_says_why_not"
MADE = f"{TESTS}::test_weights_that_are_made"
PUT = f"{TESTS}::test_other_weights_are_put_in_and_taken_out"
TIED = f"{TESTS}::test_tied_weights"

MUTANTS = [
    Mutant(
        "every convolution padded with zeros",
        CAPTURE,
        '"constant" if owner.padding_mode == "zeros" else owner.padding_mode',
        '"constant"',
        CONVOLUTIONS,
    ),
    Mutant(
        "dilation and stride exchanged",
        CAPTURE,
        "gap * (size - 1) + 1, step)[..., ::gap]",
        "step * (size - 1) + 1, gap)[..., ::step]",
        CONVOLUTIONS,
    ),
    Mutant(
        "channels last in a patch",
        CAPTURE,
        "x = x.movedim(1, 1 + axes)",
        "x = x.movedim(1, -1)",
        CONVOLUTIONS,
    ),
    Mutant(
        "the inputs of another group",
        CAPTURE,
        "chunk(s.groups, 1)[s.group]",
        "chunk(s.groups, 1)[-1 - s.group]",
        CONVOLUTIONS,
    ),
    Mutant(
        "all patches copied before some are taken",
        CAPTURE,
        "taken = rows[",
        "taken = rows.contiguous()[",
        f"{TESTS}::test_memory_is_bounded",
    ),
    Mutant(
        "room that one layer takes given to the next again",
        CAPTURE,
        "left -= room * sizes[name]",
        "pass",
        f"{TESTS}::test_memory_is_bounded",
    ),
    Mutant(
        "the recurrent matrix sees the state after its step",
        CAPTURE,
        "torch.cat([begin[0], step()[0][:-1]])",
        "step()[0]",
        RECURRENT,
    ),
    Mutant(
        "the way back read forward",
        CAPTURE,
        "x.flip(0) if way else x",
        "x",
        RECURRENT,
    ),
    Mutant(
        "outputs of the way back handed on in its own order",
        CAPTURE,
        "out.flip(0) if way else out",
        "out",
        RECURRENT,
    ),
    Mutant(
        "first states forgotten",
        CAPTURE,
        "for state in states or (zeros, zeros)[: 1 + lstm]",
        "for state in (zeros, zeros)[: 1 + lstm]",
        RECURRENT,
    ),
    Mutant(
        "every packed sequence from the first one's state",
        CAPTURE,
        "[state[:, at] for state in states]",
        "[state[:, 0] for state in states]",
        f"{TESTS}::test_packed_sequences",
    ),
    Mutant(
        "later batches push earlier ones out",
        CAPTURE,
        "inputs[at]]), keys[kept]",
        "inputs[at]]), keys[kept] + 0.1",
        f"{TESTS}::test_samples_are_uniform_without_replacement_in_order",
    ),
    Mutant(
        "samples in the order of their keys",
        CAPTURE,
        "largest=False).indices.sort().values",
        "largest=False).indices",
        f"{TESTS}::test_samples_are_uniform_without_replacement_in_order",
    ),
    Mutant(
        "one generator for all sites",
        CAPTURE,
        "_Sample(room, torch.Generator().manual_seed(seed))",
        "_Sample(room, generator)",
        f"{TESTS}::test_samples_depend_on_the_seed_only",
    ),
    Mutant(
        "bfloat16 inputs stay so",
        CAPTURE,
        "taken if taken.dtype == torch.float64 else taken.float()",
        "taken",
        f"{TESTS}::test_half_precision_is_upcast",
    ),
    Mutant(
        "hooks that stay after an error",
        CAPTURE,
        "hooks.callback(owner.register_forward_pre_hook(look, with_kwargs=True).remove)",
        "owner.register_forward_pre_hook(look, with_kwargs=True)",
        f"{TESTS}::test_the_module_is_as_before",
    ),
    Mutant(
        "the pass in training mode",
        SITES,
        "for x in hooked}).eval()",
        "for x in hooked})",
        f"{TESTS}::test_the_module_is_as_before",
    ),
    Mutant(
        "the module itself is changed",
        SITES,
        "deepcopy(module, {id(x): x.detach().clone() for x in hooked}).eval()",
        "module.eval()",
        f"{TESTS}::test_the_module_is_as_before",
    ),
    Mutant(
        "a forward of its own taken for torch's",
        SITES,
        'for step in ("forward", "_conv_forward"):',
        'for step in ("_conv_forward",):',
        ENTRIES,
    ),
    Mutant(
        "an LSTM with projections covered",
        SITES,
        'getattr(owner, "proj_size", 0) else None',
        "False else None",
        ENTRIES,
    ),
    Mutant(
        "nan weights covered",
        SITES,
        "if not bool(torch.isfinite(entry).all()):",
        "if bool(torch.isnan(entry).all()):",
        ENTRIES,
    ),
    Mutant(
        "half precision not said",
        SITES,
        "weight.dtype in _FLOATS[2:]",
        "weight.dtype in _FLOATS[3:]",
        ENTRIES,
    ),
    Mutant(
        "one group put in, the others too",
        SITES,
        "weight.copy_(matrix.reshape(weight.shape))",
        "[one.copy_(matrix.reshape(one.shape)) for one in self._tensors()[0].chunk(self.groups)]",
        PUT,
    ),
    Mutant(
        "the shift added to the first group's bias",
        SITES,
        "one.chunk(self.groups)[self.group] for one in self._tensors())",
        "one.chunk(self.groups)[self.group * (one.ndim > 1)] for one in self._tensors())",
        PUT,
    ),
    Mutant(
        "a weight that stays",
        SITES,
        "                one.copy_(was)\n",
        "                pass\n",
        PUT,
    ),
    Mutant(
        "a bias that is not zero where there was none",
        SITES,
        "new_zeros(len(weight))",
        "new_ones(len(weight))",
        f"{TESTS}::test_a_bias_where_there_is_none",
    ),
    Mutant(
        "a tied bias shifted twice",
        SITES,
        "{_key(bias): bias for use in uses",
        "{use: bias for use in uses",
        TIED,
    ),
    Mutant(
        "two parameters of one memory taken for two matrices",
        SITES,
        "(entry.data_ptr(), entry.shape, entry.stride()) if dense else None",
        "id(entry) if dense else None",
        TIED,
    ),
    Mutant(
        "the bias of the inputs' matrix for that of the states",
        SITES,
        'leaf.replace("weight", "bias", 1)) for owner',
        'leaf.replace("weight_hh", "bias_ih").replace("weight", "bias", 1)) for owner',
        f"{TESTS}::test_recurrent_weights_are_put_in",
    ),
    Mutant(
        "weights that a hook makes covered",
        SITES,
        "if name in state else _HOOK",
        "if True else _HOOK",
        f"{TESTS}::test_weights_that_old_hooks_make_say_so",
    ),
    Mutant(
        "the original's class loses its weight",
        SITES,
        "part.__class__ = type_before_parametrizations(part)",
        "[delattr(type(part), leaf) for leaf in made]",
        MADE,
    ),
]

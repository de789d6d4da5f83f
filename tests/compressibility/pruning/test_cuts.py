"""Every kind of cut against Algorithm 1 as it reads, its identities, and what all cuts obey."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.dice import uniforms
from compressibility.models import maps
from compressibility.models.activations import ACTIVATIONS
from compressibility.models.layers import Block, Layer
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Masking, NearestRounding, Pruning, Quantization
from compressibility.pruning.groups import Moments
from compressibility.pruning.wide import compress_wide, prices
from tests.compressibility.helpers import refuses
from tests.compressibility.pruning import literal
from tests.compressibility.pruning.cases import BLOCKS, KINDS, SINGLE, WIDE, case, generator, normal

DRAWS = [Pruning(keep=0.3), Pruning(keep=0.7), Quantization(levels=1), Quantization(levels=3)]
PAIRS = [(k, d) for k in KINDS for d in DRAWS if k in SINGLE or isinstance(d, Pruning)]
OF_WIDE = [(k, d) for k, d in PAIRS if k in WIDE]
PHI = [torch.tanh, torch.relu, ACTIVATIONS["softplus"], torch.cos]  # cos(0) is not 0


def base(cut):
    """The loss before the first draw."""
    return cut.loss()(cut.layer.weight)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("kind", "draw"), PAIRS, ids=str)
def test_equals_literal_draw_for_draw(kind, draw, shifted):
    """Catches a score, order, count, draw or error other than those of Algorithm 1 as it reads."""
    for seed, share in enumerate((0.3, 0.5, 0.8, 0.95)):
        cut = case(kind, seed, phi=PHI[seed])
        found = cut.run(draw, share, seed=seed, throws=2, dense=shifted)
        loss, dice = cut.loss(dense=shifted), uniforms((2, *cut.shape()), generator(seed))
        steps = Cut(draw, share).count(dice[0].numel())
        for throw in range(2):
            slow = literal.compress(
                cut.layer.weight, loss, cut.outcomes(draw), steps=steps, uniforms=dice[throw]
            )
            assert found.taken[throw].tolist() == slow.order
            torch.testing.assert_close(found.weight[throw], slow.weight, rtol=1e-13, atol=1e-15)
            assert found.error[throw].item() == pytest.approx(loss(slow.weight), rel=1e-10)


@pytest.mark.parametrize("kind", BLOCKS)
def test_scores_below_zero_are_taken_by_their_size(kind):
    """Catches signed scores: far from the dense network a draw is expected to mend some error."""
    below = 0
    for seed in range(3):
        cut = case(kind, seed, outputs=6)
        cut = replace(cut, x=-2 * cut.other)
        found, dice = cut.run(Pruning(0.4), 0.7, seed=seed), uniforms(cut.shape(), generator(seed))
        steps = Cut(Pruning(0.4), 0.7).count(dice.numel())
        slow = literal.compress(
            cut.layer.weight, cut.loss(), cut.outcomes(Pruning(0.4)), steps=steps, uniforms=dice
        )
        assert found.taken[0].tolist() == slow.order
        if cut.groups:
            block = Block(cut.layer, cut.second, cut.phi)
            scores, _ = Moments.of(block, cut.other, cut.x, Pruning(0.4)).greedy()
            below += int((scores < 0).sum())
    assert below > 0 or not cut.groups  # otherwise nothing was tested


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["rows", "output filters"])
def test_peeking_equals_its_literal_form(kind, seed):
    """Catches a score other than what the throw does: literally, both outcomes are the throw's."""
    cut = case(kind, seed, outputs=8)
    found = cut.run(Pruning(0.4), 0.8, seed=seed, throws=3, order="peeking")
    for throw, dice in enumerate(uniforms((3, 8), generator(seed))):
        factors = (dice < 0.4).double() / 0.4
        sure = [[(literal.scaled(0, i, factors[i]), 1.0)] for i in range(8)]
        slow = literal.compress(cut.layer.weight, cut.loss(), sure, steps=6, uniforms=dice)
        assert found.taken[throw].tolist() == slow.order
        torch.testing.assert_close(found.weight[throw], slow.weight, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_ties_go_to_the_lowest_index(kind):
    """Catches ties (dead inputs, units that nobody reads score exactly 0) taken another way."""
    cut = case(kind, 5)
    if kind in BLOCKS:
        kernel = cut.second.kernel.clone()
        kernel[:, [1, 3]] = 0.0
        cut = replace(cut, second=Layer(kernel, cut.layer.size))
        dead = [4, 5, 6, 7, 12, 13, 14, 15] if kind in SINGLE else [1, 3]
    else:
        cut.other[:, [1, 3]] = 0.0
        dead = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19] if kind in SINGLE else [1, 3]
    for throw in cut.run(Pruning(0.5), 0.6, throws=3, seed=3).taken.tolist():
        assert throw[: len(dead)] == dead


@pytest.mark.parametrize(("kind", "draw"), OF_WIDE[::3] + OF_WIDE[4:5], ids=str)
def test_identity_by_monte_carlo(kind, draw):
    """Catches a mean loss other than base + prices: 4000 throws, 5 standard errors."""
    cut = case(kind, 4, inputs=12, outputs=3, samples=9)
    found = cut.run(draw, 0.75, throws=4000, seed=1)
    losses = found.error
    error = losses.std().item() / math.sqrt(len(losses))
    expected = base(cut) + found.expected.item()
    assert losses.mean().item() == pytest.approx(expected, abs=5 * error)
    assert found.expected.item() > 20 * error


@pytest.mark.parametrize(("kind", "draw"), OF_WIDE, ids=str)
def test_identity_by_enumeration(kind, draw):
    """Catches an identity that is only about right: the mean over all outcomes, weighted."""
    cut = case(kind, 7, inputs=4, outputs=2, samples=3)
    found, loss, outcomes = cut.run(draw, 0.9), cut.loss(), cut.outcomes(draw)
    mean = 0.0
    for choice in itertools.product((0, 1), repeat=found.taken.shape[1]):
        drawn, chance = cut.layer.weight, 1.0
        for unit, which in zip(found.taken[0].tolist(), choice, strict=True):
            change, probability = outcomes[unit][which]
            drawn, chance = change(drawn), chance * probability
        mean += chance * loss(drawn)
    assert mean == pytest.approx(base(cut) + found.expected.item(), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_random_order_shares_the_dice_and_costs_more(kind):
    """Catches a control whose dice differ from the greedy's, or that is the greedy after all."""
    cut, draw = case(kind, 8, inputs=12, outputs=8, samples=20), Pruning(0.3)
    cut = replace(cut, x=cut.other / 3, other=cut.other / 3)
    throws = 20 if kind == "weights of a block" else 400
    how = {"throws": throws, "seed": 3}
    greedy, random = (cut.run(draw, 0.5, order=order, **how) for order in ("greedy", "random"))
    dice = uniforms((throws, *cut.shape()), generator(3))
    if cut.groups:
        shape = [throws, 1, 1, 1, 1][: 1 + cut.layer.weight.ndim]
        shape[1 + cut.axis] = -1
        drawn = cut.layer.weight * ((dice < 0.3).double() / 0.3).reshape(shape)
    else:
        drawn, shape = draw.decide(cut.layer.weight, dice), dice.shape
    for found in (greedy, random):
        once = torch.where(found.mask.reshape(shape), drawn, cut.layer.weight)
        assert torch.equal(found.weight, once)
        assert {len(set(taken)) for taken in found.taken.tolist()} == {found.mask[0].sum().item()}
    assert len({tuple(taken) for taken in random.taken.tolist()}) > 0.5 * throws
    gain = random.error - greedy.error
    assert gain.mean() > 5 * gain.std() / math.sqrt(throws)


def test_largest_first_is_the_greedy_from_the_other_end():
    """Catches a control that is mislabelled, or a descending sort that reverses ties."""
    cut, draw = case("weights", 11, inputs=8, outputs=6), Pruning(0.5)
    price = prices(cut.layer, cut.other, draw).flatten()
    costs = []
    for order in ("greedy", "random", "largest"):
        found = cut.run(draw, 0.5, order=order)
        costs.append(found.expected.item())
        steps = price[found.taken[0]].diff()
        assert order == "random" or (steps.sign() == (1 if order == "greedy" else -1)).all()
    assert costs == sorted(costs)
    layer, made = Layer.dense(torch.ones(2, 3)), Cut(draw, 0.5, order="largest")
    equal = compress_wide(layer, torch.ones(4, 3), made, generator())
    assert equal.taken.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_random_order_is_uniform(kind):
    """Catches a random order that prefers some units: 1200 throws, 5 sigma per unit."""
    cut = case(kind, inputs=2 if kind in SINGLE else 4, outputs=2 if kind in SINGLE else 4)
    found = cut.run(Pruning(0.5), 0.5, throws=1200, seed=8, order="random")
    counts = torch.bincount(found.taken[:, 0], minlength=4).double()
    assert (counts - 300).abs().max() < 5 * math.sqrt(1200 * 0.25 * 0.75)
    assert (found.mask.flatten(1).double().sum(0) - 600).abs().max() < 5 * math.sqrt(300)


@settings(deadline=None, max_examples=80)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4)),
    hundredths=st.integers(1, 99),
    draw=st.sampled_from(DRAWS),
    order=st.sampled_from(["greedy", "random"]),
)
def test_what_every_cut_obeys(kind, seed, shape, hundredths, draw, order):
    """Catches lost counts: mask, order, share, error and untouched weights tell one story."""
    inputs, outputs, samples = shape
    cut = case(kind, seed, inputs=inputs, outputs=outputs, samples=samples)
    draw = Pruning(0.4) if cut.groups else draw
    found = cut.run(draw, hundredths / 100, seed=seed, throws=2, order=order)
    units = math.prod(cut.shape())
    assert found.taken.shape == (2, hundredths * units // 100)
    for taken, mask in zip(found.taken, found.mask.flatten(1), strict=True):
        assert taken.sort().values.tolist() == mask.nonzero().flatten().tolist()
    weight, axes = found.weight, list(range(1, cut.layer.weight.ndim + 1))
    if cut.groups:
        axes.remove(1 + cut.axis)
        same = (weight - cut.layer.weight).abs().sum(axes) == 0
        gone = (weight.abs().sum(axes) == 0).double().mean(1)
        torch.testing.assert_close(found.kept_share, 1 - gone)
    else:
        same = weight == cut.layer.weight
        torch.testing.assert_close(found.kept_share, (weight != 0).double().mean(axes))
    assert same[~found.mask].all()
    for error, new in zip(found.error, weight, strict=True):
        assert error.item() == pytest.approx(cut.loss()(new), rel=1e-8, abs=1e-13)
    if kind in WIDE:
        price = prices(cut.layer, cut.other, draw, groups=cut.groups)
        summed = (price * found.mask).flatten(1).sum(1)
        torch.testing.assert_close(found.expected.expand(2), summed, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_throws_are_independent_cuts(kind):
    """Catches throws that share dice or a start that an earlier throw has changed."""
    cut, source, draw = case(kind, 12, inputs=10, outputs=12), generator(1), Pruning(0.4)
    many = cut.run(draw, 0.9, throws=4, seed=1)
    for throw in range(4):
        made = Cut(draw, 0.9, groups=cut.groups)
        if kind in WIDE:
            one = compress_wide(cut.layer, cut.other, made, source, dense=cut.x)
        else:
            block = Block(cut.layer, cut.second, cut.phi)
            one = compress_block(block, cut.other, made, source, dense=cut.x)
        for name in ("weight", "taken", "mask", "kept_share", "error", "scored"):
            torch.testing.assert_close(getattr(many, name)[throw], getattr(one, name)[0])
    assert len({tuple(w.flatten().tolist()) for w in many.weight}) > 2


@pytest.mark.parametrize(("kind", "draw"), PAIRS[::2], ids=str)
def test_single_precision_decides_as_double(kind, draw):
    """Catches uniforms that depend on the dtype, and float64 that leaks into the network."""
    single = case(kind, 9, inputs=8, outputs=8, samples=12).to(torch.float32)
    one, two = (c.run(draw, 0.5, throws=2, seed=5) for c in (single, single.to(torch.float64)))
    assert (one.weight.dtype, one.error.dtype) == (torch.float32, torch.float64)
    assert torch.equal(one.taken, two.taken)
    torch.testing.assert_close(one.weight.double(), two.weight, rtol=1e-6, atol=0)
    torch.testing.assert_close(one.error, two.error, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_changed_in_place_and_no_gradient_is_kept(kind):
    """Catches work done on the caller's network, phi's in place too, or a graph that stays."""
    cut = case(kind, 1)
    tensors = [t for t in (cut.layer.kernel, cut.x, cut.other) if t is not None]
    before = [t.clone() for t in tensors]
    for t in tensors[1:]:
        t.requires_grad_()
    found = cut.run(Pruning(0.5), 0.5, throws=3)
    assert all(torch.equal(t.detach(), old) for t, old in zip(tensors, before, strict=True))
    for t in (found.weight, found.error, found.kept_share):
        assert not t.requires_grad
    again = replace(cut, phi=torch.tanh_).run(Pruning(0.5), 0.5, throws=3)
    assert torch.equal(found.weight, again.weight)
    assert torch.equal(found.error, again.error)


def infinite(t):
    return torch.full_like(t, math.inf)


def bursting(z):
    return z + 1e200 * (z - 5).relu()


PRUNING_ONLY = r"need a draw Pruning\(keep=p\)"
BAD = [  # of which kinds, what is changed (x and other by a function of themselves), the message
    (KINDS, {"throws": 0}, "need a whole throws >= 1, got 0"),
    (KINDS, {"throws": True}, "need a whole throws >= 1, got True"),
    (KINDS, {"share": -0.1}, "need 0 <= share <= 1, got -0.1"),
    (KINDS, {"share": math.nan}, "got nan"),
    (KINDS, {"order": "smallest"}, "need order in .*'smallest'"),
    (KINDS, {"draw": Pruning}, "need a draw such as"),
    (KINDS, {"draw": "pruning"}, "need a draw such as"),
    (KINDS, {"other": lambda t: t[:, :-1]}, r"need inputs \(N, "),
    (KINDS, {"other": lambda t: t[:0]}, "N >= 1"),
    (KINDS, {"other": torch.Tensor.float}, "need inputs of dtype torch.float64"),
    (KINDS, {"other": infinite}, "need finite inputs"),
    (KINDS, {"x": lambda t: t[1:]}, "need dense inputs of shape"),
    (KINDS, {"x": infinite}, "need finite dense inputs"),
    (KINDS[1:3] + BLOCKS, {"share": 0.0}, "need 0 < share < 1, got 0.0"),
    (KINDS[1:3] + BLOCKS, {"share": 1}, "need 0 < share < 1, got 1"),
    (WIDE + SINGLE, {"order": "peeking"}, "need .*peeking"),
    (KINDS[1:], {"order": "largest"}, "need .*largest"),
    (("columns", "input filters", "rows"), {"draw": Quantization(2)}, PRUNING_ONLY),
    (("columns", "input filters", "rows"), {"draw": Masking(0.5)}, PRUNING_ONLY),
    (("weights",), {"draw": Masking(0.5)}, "need an unbiased draw"),
    (("weights",), {"draw": NearestRounding(2)}, "need an unbiased draw"),
    (SINGLE, {"scorings": 0}, "need a whole scorings >= 1, got 0"),
    (SINGLE, {"scorings": 2.0}, "need a whole scorings >= 1, got 2.0"),
    (SINGLE, {"scorings": 2, "order": "random"}, "need scorings for the greedy order"),
    (("rows",), {"scorings": 2}, "need scorings for the greedy order"),
    (("input filters", "output filters"), {"groups": False}, "need groups=True unless"),
    (BLOCKS, {"phi": lambda z: 1e200 * z}, "need values with room for squares"),
    (("rows",), {"phi": bursting}, "need finite (linear|products)"),
    (SINGLE[1:], {"phi": bursting, "share": 0.9}, "need finite scores, got overflow"),
]


def changed(kind, change):
    """The call of a cut with some arguments changed."""
    cut, how = case(kind), {"draw": Pruning(0.5), "share": 0.5} | change
    fields = {name: how.pop(name) for name in ("phi", "groups") if name in how}
    fields |= {name: how.pop(name)(getattr(cut, name)) for name in {"x", "other"} & how.keys()}
    return lambda: replace(cut, **fields).run(**how)


test_bad_arguments_are_named = refuses(
    *((changed(kind, change), message) for kinds, change, message in BAD for kind in kinds)
)


@pytest.mark.parametrize("inside", ["rows", "output filters"])
def test_for_relu_outputs_of_one_layer_are_inputs_of_the_next(inside):
    """Catches a t on the wrong side of phi: relu(t z) = t relu(z), so both cuts are the same."""
    cut = case(inside, 6, inputs=2, outputs=30, phi=torch.relu)
    found = cut.run(Pruning(0.3), 0.9, throws=5, seed=2, dense=False)
    seen = torch.relu(cut.layer(cut.other))
    made = Cut(Pruning(0.3), 0.9, groups=True)
    other = compress_wide(cut.second, seen, made, generator(2), throws=5)
    for name in ("taken", "mask", "kept_share"):
        assert torch.equal(getattr(found, name), getattr(other, name))
    torch.testing.assert_close(found.error, other.error)


@pytest.mark.parametrize("kind", ["input filters", "output filters", "rows"])
def test_parts_of_the_samples_add_up(kind, monkeypatch):
    """Catches a part that is dropped, counted twice or divided by its own length."""
    cut = case(kind, 8, outputs=8, samples=9)
    whole = cut.run(Pruning(0.3), 0.5, throws=3)
    monkeypatch.setattr(maps, "_CHUNK", 2 * cut.x[0].numel())  # two a part, one in the last
    parts = cut.run(Pruning(0.3), 0.5, throws=3)
    for name in ("expected",) if kind in WIDE else ("error",):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


def test_kernels_of_two_sizes_may_follow_one_another():
    """Catches a block that takes the second kernel's size for the first's."""
    first, second, x = normal(2, (6, 1, 2, 2), (2, 6, 3, 3), (4, 1, 4, 4))
    cut = replace(case("output filters"), layer=Layer(first, 4), second=Layer(second, 4), x=x)
    cut = replace(cut, other=x)
    found = cut.run(Pruning(0.5), 0.5)
    assert found.error[0].item() == pytest.approx(cut.loss()(found.weight[0]))

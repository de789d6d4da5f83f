"""Whole networks, compressed: against a hand-written loop of the literal Algorithm 1."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from scipy.linalg import hadamard

from compressibility.bounds import wide_networks as bounds
from compressibility.models.activations import ACTIVATIONS
from compressibility.models.layers import Layer
from compressibility.models.network import Network, convnet, mlp
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Masking, NearestRounding, Pruning, Quantization
from compressibility.pruning.networks import compress
from compressibility.pruning.wide import compress_wide
from tests.compressibility.helpers import refuses
from tests.compressibility.pruning import literal
from tests.compressibility.pruning.cases import generator, normal

PRUNING, ROUNDING = Pruning(keep=0.3), Quantization(levels=2)


def ball(samples, features, seed=0):
    """Inputs whose largest norm is 1."""
    (x,) = normal(seed, (samples, features))
    return x / x.norm(dim=1).max()


def networks(widths, seeds=(0,), activation="tanh"):
    return mlp(widths, activation=activation, seeds=seeds, dtype=torch.float64)


def squares(t):
    return t.square().sum(-1).mean(-1)


def projected(v, radius):
    return torch.stack([row * min(1.0, radius / max(row.norm().item(), 1e-300)) for row in v])


def by_hand(network, x, plan, cut, *, project, dice):
    """Compress one network as the paper says, one literal greedy per layer."""
    weights, phi = [w[0].detach() for w in network.weights], ACTIVATIONS[network.activation.name]
    c1 = max(torch.linalg.svdvals(w).max().item() for w in weights)
    dense = new = x
    found = []
    for layer, w in enumerate(weights, start=1):
        u = w
        if layer in plan.layers:
            uniforms = torch.rand(1, *w.shape, generator=dice, dtype=torch.float64)
            if layer in plan.wide:
                loss = literal.wide_loss(w, dense, new)
            else:
                loss = literal.block_loss(w, weights[layer], phi, dense, new)
            outcomes = literal.outcomes(w, cut.draw)
            steps = math.floor(cut.share * w.numel())
            u = literal.compress(w, loss, outcomes, steps=steps, uniforms=uniforms).weight
        found.append(u)
        dense, new = dense @ w.T, new @ u.T
        if layer < len(weights):
            dense, new = phi(dense), phi(new)
        if project and layer not in plan.blocks:
            new = projected(new, c1**layer)
    return found, new


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("draw", [PRUNING, ROUNDING], ids=["pruning", "quantization"])
@pytest.mark.parametrize(
    ("widths", "wide", "blocks"),
    [((4, 6, 2, 3, 2), (3, 4), (1,)), ((6, 3, 5, 2), (1,), (2,)), ((5, 4, 3, 2), (1, 2, 3), ())],
)
def test_equals_a_hand_written_loop(widths, wide, blocks, draw, project):
    """Catches later layers fed with dense inputs, sets counted from 0, a projection misplaced."""
    network, x = networks(widths), ball(7, widths[0])
    plan, cut = Plan(widths, wide, blocks), Cut(draw, 0.75)
    done = compress(network, x, plan, cut, generator(3), project=project)
    weights, outputs = by_hand(network, x, plan, cut, project=project, dice=generator(3))
    for got, wanted in zip(done.network.weights, weights, strict=True):
        torch.testing.assert_close(got[0], wanted, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(done(x)[0], outputs)
    if not project:
        torch.testing.assert_close(done(x), done.network(x), rtol=0, atol=0)
    assert {record.layer: record.kind for record in done.layers} == plan.layers


def test_records():
    """Catches a share of the wrong total, an error in other units, or a count of all weights."""
    network, x = networks((4, 9, 3, 2), seeds=(0, 1)), ball(6, 4)
    plan = Plan(network.widths, wide=(3,), blocks=(1,))
    done = compress(network, x, plan, Cut(PRUNING, 0.5), generator())
    block, wide = done.layers
    assert block.expected is None
    seen = [torch.tanh(x @ n.weights[0].mT) @ n.weights[1].mT for n in (network, done.network)]
    torch.testing.assert_close(block.error, squares(seen[0] - seen[1]))
    torch.testing.assert_close(wide.error, squares(network(x) - done(x)))
    counts = [int((w[1] != 0).sum()) for w in done.network.weights]
    assert counts[1] == 27
    assert 18 <= counts[0] < 36
    odd = Plan(network.widths, wide=(2,))
    rounded = compress(network, x, odd, Cut(ROUNDING, 0.29), generator()).network.weights[1]
    changed = (rounded != network.weights[1]).flatten(1).sum(1)
    # The largest lies on the grid: it has no price, is taken first, and stays.
    assert all(count in (6, 7) for count in changed.tolist())


@pytest.mark.parametrize("groups", [False, True])
def test_a_batch_is_as_many_single_networks(groups):
    """Catches dice, radii or inputs shared between the networks of a batch."""
    network, x = networks((4, 12, 3, 2), seeds=(0, 1, 2)), ball(6, 4)
    plan, cut = Plan(network.widths, wide=(3,), blocks=(1,)), Cut(PRUNING, 0.6, groups=groups)
    whole, again = (
        compress(network, each, plan, cut, [generator(e) for e in range(3)], project=True)
        for each in (x, x.expand(3, -1, -1))
    )
    for e in range(3):
        single = compress(network.member(e), x, plan, cut, generator(e), project=True)
        for all_of_them in (whole, again):
            torch.testing.assert_close(all_of_them(x)[e], single(x)[0])
            torch.testing.assert_close(all_of_them.radii[e], single.radii[0])
            for one, many in zip(single.layers, all_of_them.layers, strict=True):
                torch.testing.assert_close(many.error[e], one.error[0])


def test_blocks_know_both_inputs():
    """Catches rows scored as if the dense block saw the compressed inputs too."""
    network, x = networks((9, 4, 20, 2)), ball(12, 9)
    cut, plan = Cut(PRUNING, 0.6, groups=True), Plan(network.widths, wide=(1,), blocks=(2,))
    done = compress(network, x, plan, cut, generator(2))
    dice = generator(2)
    columns = compress_wide(network.layer(0, 0), x, cut, dice).weight[0]
    state, block = dice.get_state(), network.block(1, 0)
    dense, seen = torch.tanh(x @ network.weights[0][0].T), torch.tanh(x @ columns.T)
    both, one = (
        compress_block(block, seen, cut, dice.set_state(state), dense=d) for d in (dense, seen)
    )
    torch.testing.assert_close(done.network.weights[0][0], columns)
    torch.testing.assert_close(done.network.weights[1][0], both.weight[0])
    assert not torch.equal(both.taken, one.taken)


@pytest.mark.parametrize("project", [False, True])
def test_filters_are_compressed_like_the_perceptron_of_their_matrices(project):
    """Catches maps flattened in another order, a norm over one channel, or filters exchanged."""
    network = convnet([2, 6, 3, 4], outputs=3, size=3, activation="tanh", dtype=torch.float64)
    x, dice = ball(8, 18), generator(1)
    plan, cut = Plan(network.widths, wide=(3,), blocks=(1,)), Cut(PRUNING, 0.5, groups=True)
    done = compress(network, x, plan, cut, dice, project=project)
    assert [record.kind for record in done.layers] == ["block", "wide"]
    matrices = [n.layer(at, 0).matrix() for n in (network, done.network) for at in range(4)]
    dense = new = x
    c1 = max(torch.linalg.matrix_norm(w, ord=2).item() for w in matrices[:4])
    for at, (w, u) in enumerate(zip(matrices[:4], matrices[4:], strict=True)):
        dense, new = dense @ w.T, new @ u.T
        if at == 2:
            torch.testing.assert_close(done.layers[1].error[0], squares(dense - new))
            assert done.layers[1].expected[0] > 0
        if at < 3:
            dense, new = torch.tanh(dense), torch.tanh(new)
        if project and at != 0:
            new = projected(new, c1 ** (at + 1))
    torch.testing.assert_close(done(x)[0], new)


def test_radii():
    """Catches the norm of another layer, powers from 0, or a projection inside a block."""
    network, x = networks((4, 9, 3, 2), seeds=(0, 1)), ball(6, 4)
    plan = Plan(network.widths, wide=(3,), blocks=(1,))
    done = compress(network, x, plan, Cut(PRUNING, 0.5), generator(), project=True)
    for e in range(2):
        c1 = max(torch.linalg.svdvals(w[e]).max().item() for w in network.weights)
        assert done.radii[e].tolist() == pytest.approx([math.inf, c1**2, c1**3])
    plain = compress(network, x, Plan(network.widths, wide=(2,)), Cut(PRUNING, 0.5), generator())
    assert plain.radii is None
    assert plain(2 * x).shape == (2, 6, 2)
    with pytest.raises(ValueError, match=r"need inputs with \|\|x\|\| <= 1"):
        done(2 * x)


def test_inside_a_block_a_projection_would_break_the_theorem():
    """Catches the projection of the paper's theorems inside a block: the error would stay large."""
    n, throws, share, p = 60, 20, 0.9, 0.3
    thin = torch.full((1, n, 1), n**-0.5, dtype=torch.float64)
    network = Network([thin, thin.mT], activation="identity").repeated(throws)
    x, plan = torch.ones(1, 1, dtype=torch.float64), Plan((1, n, 1), blocks=(1,))
    done = compress(network, x, plan, Cut(Pruning(keep=p), share), generator(), project=True)
    damage = done.layers[0].error
    mean, error = damage.mean().item(), damage.std().item() / throws**0.5
    assert abs(mean - share * (1 - p) / (p * n)) < 5 * error
    after = (done(x) - 1).square().mean().item()
    assert after <= mean * (1 + 1e-12)  # the two products may be rounded in another order
    cut = done.network.weights[0][..., 0]
    inside = (cut / cut.norm(dim=1, keepdim=True).clamp(min=1)).sum(1) * n**-0.5
    assert (1 - inside).square().mean().item() > 0.15 > 4 * mean


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus", "identity"])
def test_lemma_9(activation):
    """Catches a projection with a radius too small, or one that is no contraction."""
    network, x = networks((5, 8, 6, 3), seeds=range(20), activation=activation), ball(10, 5)
    phi, plan = ACTIVATIONS[activation], Plan(network.widths, wide=(1, 2, 3))
    done = compress(network, x, plan, Cut(Pruning(keep=0.1), 0.9), generator(), project=True)
    dense, new, active = x, x, 0
    for layer, (w, u) in enumerate(zip(network.weights, done.network.weights, strict=True)):
        before = (dense @ w.mT - new @ u.mT).norm(dim=-1)
        last = layer == 2
        dense, raw = ((v if last else phi(v)) for v in (dense @ w.mT, new @ u.mT))
        limit = done.radii[:, layer, None]
        assert (dense.norm(dim=-1) <= limit * (1 + 1e-12)).all()
        new = torch.stack([projected(r, k.item()) for r, k in zip(raw, limit, strict=True)])
        active += int((raw.norm(dim=-1) > limit).sum())
        scale = 1e-12 * limit
        assert ((dense - new).norm(dim=-1) <= before + scale).all()
    torch.testing.assert_close(done(x), new)
    assert active > 0  # otherwise nothing was tested


@pytest.mark.parametrize("draw", [PRUNING, ROUNDING], ids=["pruning", "quantization"])
def test_errors_compose(draw):
    """Catches a layer whose damage is not sigma^2 of the inherited plus what it adds, in mean."""
    throws, cut = 250, Cut(draw, 0.8)
    one, x = networks((6, 12, 8, 3)), ball(15, 6)
    network, plan = one.repeated(throws), Plan(one.widths, wide=(1, 2, 3))
    done = compress(network, x, plan, cut, generator(), project=True)
    dense, new = x, x.expand(throws, -1, -1)
    inherited, exact_bound, printed = torch.zeros(throws, dtype=torch.float64), 0.0, 0.0
    for layer, record in enumerate(done.layers):
        w, u = network.weights[layer][0], done.network.weights[layer]
        sigma = Layer.dense(w).norm()
        passed, scale = squares(dense @ w.mT - new @ w.mT), 1e-25 * squares(dense @ w.mT)
        assert (passed <= sigma**2 * inherited * (1 + 1e-9) + scale).all()
        excess = record.error - passed - record.expected  # mean zero, given the past
        assert abs(excess.mean().item()) < 5 * excess.std().item() / throws**0.5
        exact_bound = sigma**2 * exact_bound + record.expected.mean().item()
        seen = bounds.Seen(new.norm(dim=-1).max().item(), printed)
        printed = bounds.wide_bound(bounds.LayerFacts.of(w), seen, cut)
        hidden = layer < 2
        dense, new = (torch.tanh(v) if hidden else v for v in (dense @ w.mT, new @ u.mT))
        limit = done.radii[:, layer, None, None]
        new = new * (limit / new.norm(dim=-1, keepdim=True)).clamp(max=1)
        inherited = squares(dense - new)
        assert (inherited <= record.error * (1 + 1e-9) + 1e-25 * squares(dense)).all()
    total = squares(done(x) - network(x))
    torch.testing.assert_close(total, inherited)
    assert total.mean().item() - 5 * total.std().item() / throws**0.5 <= exact_bound < printed


def test_theorem_2_on_a_network_that_satisfies_it():
    """Catches compression that errs by more than Theorem 2 allows where its hypotheses hold.

    The limit lies far below the outputs' square: weights that are all zero would break it.
    """
    signs = torch.from_numpy(hadamard(256).astype(float))
    weights = [signs[:16] / 16, signs[:1, :16] / 4]
    draw, share, throws, plan = Pruning(keep=0.99), 0.9, 300, Plan((256, 16, 1), wide=(1, 2))
    found, xi = bounds.Constants.of(weights), 0.2
    assert (found.c1, *found.c2) == pytest.approx((1.0, 1.0, 1.0))
    asked = bounds.Asked(xi=xi, share=share, gamma=1.0, count="draws")
    assert bounds.audit("2", plan, draw, found, asked, conditions="repaired").holds
    network, x = Network([w[None] for w in weights]).repeated(throws), weights[1] @ weights[0]
    done = compress(network, x, plan, Cut(draw, share), generator(), project=True)
    error, limit = squares(done(x) - network(x)), bounds.theorem_error(c1=found.c1, m=2, xi=xi)
    assert 0 < error.mean().item() < limit < 0.3 * squares(network(x)).mean().item()


WIDTHS = (4, 9, 3, 2)
FILTERS = {"filters": True, "groups": True}
REFUSED = [
    ({"draw": Masking(keep=0.3)}, "need an unbiased draw"),
    ({"draw": NearestRounding(levels=2)}, "need an unbiased draw"),
    ({"share": 0.0}, "need 0 < share < 1, got 0.0"),
    ({"share": 1.0}, "need 0 < share < 1, got 1.0"),
    ({"order": "peeking", "groups": True}, "need order 'peeking' for a block only"),
    ({"plan": Plan((4, 9, 3), wide=(2,))}, "need a plan of widths .4, 9, 3, 2., got .4, 9, 3."),
    ({"cut": PRUNING}, "need a Cut"),
    ({"inputs": ball(5, 3)}, r"need inputs \(N, 4\)"),
    ({"inputs": ball(5, 4)[0]}, r"need inputs \(N, 4\)"),
    ({"inputs": ball(5, 4)[:0]}, "need inputs, N >= 1"),
    ({"inputs": ball(5, 4).float()}, "need inputs of dtype torch.float64"),
    ({"inputs": ball(5, 4) * math.nan}, "need finite inputs"),
    ({"inputs": 2 * ball(5, 4), "project": True}, r"need inputs with \|\|x\|\| <= 1"),
    ({"dice": [generator()]}, r"need one generator, or one per network \(2\), got 1"),
    ({"filters": True, "sets": {"wide": (1,)}}, "need groups=True unless the layer is dense"),
    ({**FILTERS, "sets": {"wide": (1,), "blocks": (2,)}}, "need a second layer"),
    ({**FILTERS, "sets": {"wide": (1,)}, "head": math.inf}, "need finite kernel"),
]


def refused(*, filters=False, **bad):
    """The call of a compression that must leave its dice alone, with some arguments changed."""

    def call():
        network, dice = networks(WIDTHS, seeds=(0, 1)), generator()
        if filters:
            network = convnet([1, 4, 2], outputs=3, size=3, dtype=torch.float64)
            network.weights[2].data[0, 0, 0] = bad.get("head", 1.0)
        sets, inputs = bad.get("sets", {"wide": (3,), "blocks": (1,)}), ball(5, 9 if filters else 4)
        names = ("draw", "share", "order", "groups")
        how = {"draw": PRUNING, "share": 0.5} | {name: bad[name] for name in names if name in bad}
        plan, cut = bad.get("plan") or Plan(network.widths, **sets), bad.get("cut") or Cut(**how)
        given = bad.get("inputs", inputs), plan, cut, bad.get("dice", dice)
        before = dice.get_state()
        try:
            compress(network, *given, project=bad.get("project", False))
        finally:
            assert torch.equal(dice.get_state(), before)

    return call


test_refused_before_any_work = refuses(
    *((refused(**bad), message) for bad, message in REFUSED),
)


test_plans_that_break_6_are_refused = refuses(
    (partial(Plan, WIDTHS, wide=[4]), r"need 𝒲 ⊂ \{1, …, 3\}, got layers \[4\]"),
    (partial(Plan, WIDTHS, wide=[0]), r"need 𝒲 ⊂ .* got layers \[0\]"),
    (partial(Plan, WIDTHS, blocks=[3]), r"need ℬ ⊂ \{1, …, 2\}"),
    (partial(Plan, WIDTHS, wide=[1], blocks=[1]), r"need 𝒲 ∩ ℬ = ∅ \(6\)"),
    (partial(Plan, WIDTHS, wide=[2], blocks=[1]), r"need \(𝒲 ∪ ℬ\) ∩ \(ℬ \+ 1\) = ∅ \(6\)"),
    (partial(Plan, WIDTHS, blocks=[1, 2]), r"need \(𝒲 ∪ ℬ\) ∩ \(ℬ \+ 1\) = ∅ \(6\)"),
    (partial(Plan, WIDTHS), "need a layer in 𝒲 ∪ ℬ, got none"),
    (partial(Plan, (4,), wide=[1]), r"need len\(widths\) >= 2, got 1"),
    (partial(Plan, (4, 2.5), wide=[1]), "need whole widths >= 1"),
    (partial(Plan, (4, 0), wide=[1]), "need whole widths >= 1"),
    (partial(Plan.suggest, WIDTHS, ratio=1), "need 1 < ratio < inf, got 1"),
    (partial(Plan.suggest, WIDTHS, ratio=math.inf), "need 1 < ratio < inf, got inf"),
)


@pytest.mark.parametrize(
    ("widths", "ratio", "wide", "blocks"),
    [
        ((64, 980, 40, 10), 3, (3,), (1,)),  # W2 is wide too, but is the second half of the block
        ((64, 980, 40, 10), 5, (), (1,)),
        ((980, 40, 10), 3, (1, 2), ()),
        ((312, 1200, 312), 3, (), (1,)),
        ((100, 100, 10), 3, (), (1,)),  # n_1 = n_2 is allowed in a block
        ((101, 100, 10), 3, (2,), ()),  # a little narrower is neither; then W2 may be wide
        ((64, 900, 300, 900, 100), 3, (), (1, 3)),
        ((64, 900, 100, 900), 3, (), (1,)),
        ((30, 10), 3, (1,), ()),  # exactly the ratio
    ],
)
def test_suggest(widths, ratio, wide, blocks):
    """Catches a layer in both sets, a block at the end, or a tie broken the other way."""
    assert Plan.suggest(widths, ratio=ratio) == Plan(widths, wide, blocks)


def test_suggestions_leave_nothing_out():
    """Catches sets that a plan refuses, and qualifying layers left out: all small shapes."""
    sizes = torch.tensor([1, 2, 5, 6, 20])
    for widths in torch.cartesian_prod(*[sizes] * 5).tolist():
        narrows = {at for at, (n, after) in enumerate(pairwise(widths), 1) if n >= 3 * after}
        if not narrows:
            with pytest.raises(ValueError, match="need a layer in 𝒲 ∪ ℬ"):
                Plan.suggest(widths)
            continue
        plan = Plan.suggest(widths)
        assert narrows <= {*plan.layers, *(layer + 1 for layer in plan.blocks)}
        assert set(plan.wide) <= narrows
        assert {layer + 1 for layer in plan.blocks} <= narrows

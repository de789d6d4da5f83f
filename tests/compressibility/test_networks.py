"""Whole networks, compressed: against a hand-written loop of the literal Algorithm 1."""

import math
from itertools import pairwise

import pytest
import torch

from compressibility.bounds import wide_networks as bounds
from compressibility.models import ACTIVATIONS, MLP, mlp
from compressibility.networks import compress, suggest_layers
from compressibility.schemes import Masking, NearestRounding, Pruning, Quantization
from compressibility.structured import compress_columns, compress_rows
from tests.compressibility import literal

PRUNING, ROUNDING = Pruning(keep=0.3), Quantization(levels=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ball(samples, features, seed=0, dtype=torch.float64):
    """Inputs whose largest norm is 1."""
    x = torch.randn(samples, features, generator=generator(seed), dtype=torch.float64)
    return (x / x.norm(dim=1).max()).to(dtype)


def networks(widths, seeds=(0,), activation="tanh"):
    return mlp(widths, activation=activation, seeds=seeds, dtype=torch.float64)


def projected(v, radius):
    return torch.stack([row * min(1.0, radius / max(row.norm().item(), 1e-300)) for row in v])


def by_hand(network, x, *, wide, blocks, scheme, fraction, project, dice):
    """Compress one network as the paper says, one literal greedy per layer."""
    weights, phi = [w[0].detach() for w in network.weights], ACTIVATIONS[network.activation.name]
    c1 = max(torch.linalg.svdvals(w).max().item() for w in weights)
    dense = new = x
    found = []
    for layer, w in enumerate(weights, start=1):
        if layer in (*wide, *blocks):
            uniforms = torch.rand(1, *w.shape, generator=dice, dtype=torch.float64)
            if isinstance(scheme, Pruning):
                drawn = [literal.pruning_outcomes(w, i, keep=scheme.keep) for i in range(w.numel())]
            else:
                drawn = [
                    literal.quantization_outcomes(w, i, levels=scheme.levels)
                    for i in range(w.numel())
                ]
            how = {"steps": math.floor(fraction * w.numel()), "uniforms": uniforms}
            if layer in wide:
                u = literal.compress(w, dense, new, drawn, **how).weight
            else:
                u = literal.compress_block(w, weights[layer], phi, dense, new, drawn, **how).weight
        else:
            u = w
        found.append(u)
        last = layer == len(weights)
        dense, new = dense @ w.T, new @ u.T
        if not last:
            dense, new = phi(dense), phi(new)
        if project and layer not in blocks:
            new = projected(new, c1**layer)
    return found, new


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("scheme", [PRUNING, ROUNDING], ids=["pruning", "quantization"])
@pytest.mark.parametrize(
    ("widths", "wide", "blocks"),
    [((4, 6, 2, 3, 2), (3, 4), (1,)), ((6, 3, 5, 2), (1,), (2,)), ((5, 4, 3, 2), (1, 2, 3), ())],
)
def test_equals_a_hand_written_loop(widths, wide, blocks, scheme, project):
    """Catches later layers fed with dense inputs, sets counted from 0, a projection misplaced."""
    network, x = networks(widths), ball(7, widths[0])
    sets = {"wide": wide, "blocks": blocks, "scheme": scheme, "fraction": 0.75, "project": project}
    done = compress(network, x, **sets, generator=generator(3))
    weights, outputs = by_hand(network, x, **sets, dice=generator(3))
    for got, wanted in zip(done.network.weights, weights, strict=True):
        torch.testing.assert_close(got[0], wanted, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(done(x)[0], outputs)
    torch.testing.assert_close(done.forward(x), done(x), rtol=0, atol=0)
    if not project:
        torch.testing.assert_close(done(x), done.network(x), rtol=0, atol=0)
    assert [record.layer for record in done.layers] == sorted((*wide, *blocks))
    assert [record.kind == "block" for record in done.layers] == [
        record.layer in blocks for record in done.layers
    ]


def test_records_and_sizes():
    """Catches a share of the wrong total, an error in other units, or a count of all weights."""
    network, x = networks((4, 9, 3, 2), seeds=(0, 1)), ball(6, 4)
    done = compress(
        network, x, wide=[3], blocks=[1], scheme=PRUNING, fraction=0.5, generator=generator()
    )
    block, wide = done.layers
    assert (block.achieved, wide.achieved) == (18 / 36, 3 / 6)
    assert (block.unit, wide.unit, block.requested) == ("weights", "weights", 0.5)
    assert block.expected_increase is None
    seen = [torch.tanh(x @ w.mT) @ v.mT for w, v in (pair(network), pair(done.network))]
    torch.testing.assert_close(block.error, (seen[0] - seen[1]).square().sum(-1).mean(-1))
    gap = (network(x) - done(x)).square().sum(-1).mean(-1)
    torch.testing.assert_close(wide.error, gap)
    counts = [int((w[1] != 0).sum()) for w in done.network.weights]
    assert [int(size[1]) for size in done.sizes] == counts
    assert counts[1] == 27
    assert block.kept_share[1].item() == counts[0] / 36
    odd = compress(network, x, wide=[2], scheme=ROUNDING, fraction=0.29, generator=generator())
    assert odd.layers[0].achieved == 7 / 27


def pair(network):
    return network.weights[0], network.weights[1]


@pytest.mark.parametrize("structured", [False, True])
def test_a_stack_is_as_many_single_networks(structured):
    """Catches dice, radii or inputs shared between the networks of a batch."""
    network, x = networks((4, 12, 3, 2), seeds=(0, 1, 2)), ball(6, 4)
    how = {"wide": [3], "blocks": [1], "scheme": PRUNING, "fraction": 0.6, "project": True}
    how["structured"] = structured
    whole = compress(network, x, **how, generator=[generator(e) for e in range(3)])
    again = compress(
        network, x.expand(3, -1, -1), **how, generator=[generator(e) for e in range(3)]
    )
    for e in range(3):
        single = compress(network.member(e), x, **how, generator=generator(e))
        for all_of_them in (whole, again):
            torch.testing.assert_close(all_of_them(x)[e], single(x)[0])
            torch.testing.assert_close(all_of_them.radii[e], single.radii[0])
            for one, many in zip(single.layers, all_of_them.layers, strict=True):
                torch.testing.assert_close(many.error[e], one.error[0])
                torch.testing.assert_close(many.kept_share[e], one.kept_share[0])


def test_structured_layers_change_by_whole_columns_and_rows():
    """Catches columns and rows exchanged, or single weights drawn."""
    network, x = networks((4, 12, 3, 5, 2)), ball(6, 4)
    done = compress(
        network,
        x,
        wide=[3],
        blocks=[1],
        scheme=PRUNING,
        fraction=0.7,
        structured=True,
        generator=generator(),
    )
    rows = done.network.weights[0][0] / network.weights[0][0]
    columns = done.network.weights[2][0] / network.weights[2][0]
    assert all(len(row.unique()) == 1 for row in rows.round(decimals=9))
    assert all(len(column.unique()) == 1 for column in columns.T.round(decimals=9))
    assert int((rows[:, 0] != 1).sum()) == 8  # floor(0.7 * 12)
    assert int((columns[0] != 1).sum()) == 2  # floor(0.7 * 3)
    assert [(r.unit, r.achieved) for r in done.layers] == [("rows", 8 / 12), ("columns", 2 / 3)]
    assert torch.equal(done.network.weights[1], network.weights[1])


def test_structured_blocks_know_both_inputs():
    """Catches rows scored as if the dense block saw the compressed inputs too."""
    network, x = networks((9, 4, 20, 2)), ball(12, 9)
    how = {"fraction": 0.6, "scheme": PRUNING}
    done = compress(
        network, x, wide=[1], blocks=[2], structured=True, generator=generator(2), **how
    )
    first, second, third = (w[0].detach() for w in network.weights)
    dice = generator(2)
    columns = compress_columns(first, x, generator=dice, **how).weights()[0]
    state = dice.get_state()
    dense, seen = torch.tanh(x @ first.T), torch.tanh(x @ columns.T)
    both, one = (
        compress_rows(
            second, third, torch.tanh, seen, generator=dice.set_state(state), dense_inputs=d, **how
        )
        for d in (dense, seen)
    )
    torch.testing.assert_close(done.network.weights[0][0], columns)
    torch.testing.assert_close(done.network.weights[1][0], both.weights()[0])
    assert not torch.equal(both.order, one.order)


def test_radii():
    """Catches the norm of another layer, powers from 0, or a projection inside a block."""
    network, x = networks((4, 9, 3, 2), seeds=(0, 1)), ball(6, 4)
    how = {"scheme": PRUNING, "fraction": 0.5, "project": True, "generator": generator()}
    radii = compress(network, x, wide=[3], blocks=[1], **how).radii
    for e in range(2):
        c1 = max(torch.linalg.svdvals(w[e]).max().item() for w in network.weights)
        assert radii[e].tolist() == pytest.approx([math.inf, c1**2, c1**3])
    assert compress(network, x, wide=[2], **{**how, "project": False}).radii is None


def test_inside_a_block_a_projection_would_break_the_theorem():
    """Catches the projection of the paper's theorems inside a block: the error would stay large."""
    n, draws, alpha, p = 60, 60, 0.9, 0.3
    thin = torch.full((1, n, 1), n**-0.5, dtype=torch.float64)
    network = MLP([thin, thin.mT], activation="identity").repeated(draws)
    x = torch.ones(1, 1, dtype=torch.float64)
    done = compress(
        network,
        x,
        blocks=[1],
        scheme=Pruning(keep=p),
        fraction=alpha,
        project=True,
        generator=generator(),
    )
    damage = done.layers[0].error
    mean, error = damage.mean().item(), damage.std().item() / draws**0.5
    assert abs(mean - alpha * (1 - p) / (p * n)) < 5 * error
    after = (done(x) - 1).square().mean().item()
    assert after <= mean
    cut = done.network.weights[0][..., 0]
    inside = (cut / cut.norm(dim=1, keepdim=True).clamp(min=1)).sum(1) * n**-0.5
    assert (1 - inside).square().mean().item() > 0.15 > 4 * mean


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus", "identity"])
def test_lemma_9(activation):
    """Catches a projection with a radius too small, or one that is no contraction."""
    network, x = networks((5, 8, 6, 3), seeds=range(20), activation=activation), ball(10, 5)
    phi = ACTIVATIONS[activation]
    done = compress(
        network,
        x,
        wide=[1, 2, 3],
        scheme=Pruning(keep=0.1),
        fraction=0.9,
        project=True,
        generator=generator(),
    )
    dense, new, active = x, x, 0
    for layer, (w, u) in enumerate(zip(network.weights, done.network.weights, strict=True)):
        before = (dense @ w.mT - new @ u.mT).norm(dim=-1)
        last = layer == 2
        dense, raw = ((v if last else phi(v)) for v in (dense @ w.mT, new @ u.mT))
        limit = done.radii[:, layer, None]
        assert (dense.norm(dim=-1) <= limit * (1 + 1e-12)).all()
        new = torch.stack([projected(r, k.item()) for r, k in zip(raw, limit, strict=True)])
        active += int((raw.norm(dim=-1) > limit).sum())
        assert ((dense - new).norm(dim=-1) <= before * (1 + 1e-12)).all()
    torch.testing.assert_close(done(x), new)
    assert active > 0  # otherwise nothing was tested


@pytest.mark.parametrize("scheme", [PRUNING, ROUNDING], ids=["pruning", "quantization"])
def test_errors_compose(scheme):
    """Catches a layer whose damage is not sigma^2 of the inherited plus what it adds, in mean."""
    draws, alpha = 600, 0.8
    one, x = networks((6, 12, 8, 3), activation="tanh"), ball(15, 6)
    network = one.repeated(draws)
    done = compress(
        network,
        x,
        wide=[1, 2, 3],
        scheme=scheme,
        fraction=alpha,
        project=True,
        generator=generator(),
    )
    dense, new = x, x.expand(draws, -1, -1)
    inherited, exact_bound, printed = torch.zeros(draws, dtype=torch.float64), 0.0, 0.0
    for layer, record in enumerate(done.layers):
        w, u = network.weights[layer][0], done.network.weights[layer]
        size = bounds.layer_constants(w)
        passed = (dense @ w.mT - new @ w.mT).square().sum(-1).mean(-1)
        assert (passed <= size.sigma1**2 * inherited * (1 + 1e-9)).all()
        excess = record.error - passed - record.expected_increase  # mean zero, given the past
        assert abs(excess.mean().item()) < 5 * excess.std().item() / draws**0.5
        exact_bound = size.sigma1**2 * exact_bound + record.expected_increase.mean().item()
        theta = new.norm(dim=-1).max().item()
        how = {"sigma1": size.sigma1, "nu1": size.nu1, "theta": theta, "n2": len(w)}
        how |= {"input_error": printed, "alpha": alpha}
        if isinstance(scheme, Pruning):
            printed = bounds.proposition_19(**how, p=scheme.keep)
        else:
            printed = bounds.proposition_18(**how, k=scheme.levels)
        hidden = layer < 2
        dense, new = (torch.tanh(v) if hidden else v for v in (dense @ w.mT, new @ u.mT))
        limit = done.radii[:, layer, None, None]
        new = new * (limit / new.norm(dim=-1, keepdim=True)).clamp(max=1)
        inherited = (dense - new).square().sum(-1).mean(-1)
        assert (inherited <= record.error * (1 + 1e-9)).all()
    total = (done(x) - network(x)).square().sum(-1).mean(-1)
    torch.testing.assert_close(total, inherited)
    assert total.mean().item() - 5 * total.std().item() / draws**0.5 <= exact_bound < printed


def test_theorem_2_on_a_network_that_satisfies_it():
    """Catches compression that errs by more than Theorem 2 allows where its hypotheses hold."""
    hadamard = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(6):
        hadamard = torch.cat(
            [torch.cat([hadamard, hadamard], 1), torch.cat([hadamard, -hadamard], 1)]
        )
    weights = [hadamard[:8] / 8, hadamard[1:2, :8] / 8**0.5]
    p, alpha, xi, draws = 0.9, 0.9, 0.9, 300
    found = bounds.network_constants(weights)
    assert (found.c1, found.c2) == pytest.approx((1.0, 1.0))
    audit = bounds.theorem_2_conditions(
        widths=found.widths,
        wide=[1, 2],
        blocks=[],
        p=p,
        xi=xi,
        c1=found.c1,
        c2=found.c2,
        alpha=alpha,
        gamma=1.0,
        count="draws",
    )
    assert audit.holds
    network, x = MLP([w[None] for w in weights]).repeated(draws), ball(20, 64)
    done = compress(
        network,
        x,
        wide=[1, 2],
        scheme=Pruning(keep=p),
        fraction=alpha,
        project=True,
        generator=generator(),
    )
    error = (done(x) - network(x)).square().sum(-1).mean(-1)
    assert error.mean().item() < bounds.theorem_error(c1=found.c1, m=2, xi=xi)


REFUSED = [
    ({"wide": [4]}, r"need 𝒲 ⊂ \{1, …, 3\}, got layers \[4\]"),
    ({"wide": [0]}, r"need 𝒲 ⊂ .* got layers \[0\]"),
    ({"wide": [], "blocks": [3]}, r"need ℬ ⊂ \{1, …, 2\}"),
    ({"wide": [1], "blocks": [1]}, r"need 𝒲 ∩ ℬ = ∅ \(6\)"),
    ({"wide": [2], "blocks": [1]}, r"need \(𝒲 ∪ ℬ\) ∩ \(ℬ \+ 1\) = ∅ \(6\)"),
    ({"wide": []}, "need a layer in 𝒲 ∪ ℬ, got none"),
    ({"fraction": 0.0}, "need 0 < fraction < 1, got 0.0"),
    ({"fraction": 1.0}, "need 0 < fraction < 1, got 1.0"),
    ({"scheme": "prune"}, "need a scheme such as Pruning"),
    ({"scheme": Pruning}, "need a scheme such as Pruning"),
    ({"scheme": Masking(keep=0.3)}, "need an unbiased scheme"),
    ({"scheme": NearestRounding(levels=2)}, "need an unbiased scheme"),
    ({"scheme": ROUNDING, "structured": True}, r"need Pruning\(keep=p\) for structured=True"),
    ({"inputs": ball(5, 3)}, r"need inputs \(N, 4\)"),
    ({"inputs": ball(5, 4)[0]}, r"need inputs \(N, 4\)"),
    ({"inputs": ball(5, 4)[:0]}, "need finite inputs, N >= 1"),
    ({"inputs": ball(5, 4).float()}, "need inputs of dtype torch.float64"),
    ({"inputs": ball(5, 4) * math.nan}, "need finite inputs"),
    ({"inputs": 2 * ball(5, 4), "project": True}, r"need inputs with \|\|x\|\| <= 1"),
    ({"generator": [generator()]}, r"need one generator, or one per network \(2\), got 1"),
    ({"refresh": 0}, "need refresh >= 1, got 0"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED)
def test_refused_before_any_work(bad, message):
    """Catches bad input that is found out halfway, or a message without the broken rule."""
    network, dice = networks((4, 9, 3, 2), seeds=(0, 1)), generator()
    good = {"inputs": ball(5, 4), "wide": [3], "scheme": PRUNING, "fraction": 0.5}
    before = dice.get_state()
    with pytest.raises(ValueError, match=message):
        compress(network, **{**good, "generator": dice, **bad})
    assert torch.equal(dice.get_state(), before)


def test_refuses_weights_that_are_not_finite():
    """Catches a diverged layer that is not to be compressed, passed on as nan."""
    network, dice = networks((4, 9, 3, 2)), generator()
    with torch.no_grad():
        network.weights[2][0, 0, 0] = math.inf
    with pytest.raises(ValueError, match="need finite weight"):
        compress(network, ball(5, 4), wide=[1], scheme=PRUNING, fraction=0.5, generator=dice)


def test_projected_networks_refuse_inputs_outside_the_ball():
    """Catches outputs cut off in silence because the inputs are too long for the radii."""
    how = {"wide": [3], "scheme": PRUNING, "fraction": 0.5, "generator": generator()}
    network, x = networks((4, 9, 3, 2)), ball(5, 4)
    done = compress(network, x, project=True, **how)
    with pytest.raises(ValueError, match=r"need inputs with \|\|x\|\| <= 1"):
        done(2 * x)
    assert compress(network, x, **how)(2 * x).shape == (1, 5, 2)


@pytest.mark.parametrize(
    ("widths", "ratio", "wide", "blocks"),
    [
        ((64, 980, 40, 10), 3, (3,), (1,)),  # W2 is wide too, but is the second half of the block
        ((64, 980, 40, 10), 5, (), (1,)),
        ((980, 40, 10), 3, (1, 2), ()),
        ((312, 1200, 312), 3, (), (1,)),
        ((312, 1200, 312), 4, (), ()),
        ((100, 100, 10), 3, (), (1,)),  # n_1 = n_2 is allowed in a block
        ((101, 100, 10), 3, (2,), ()),  # a little narrower is neither; then W2 may be wide
        ((64, 900, 300, 900, 100), 3, (), (1, 3)),
        ((64, 900, 100, 900), 3, (), (1,)),
        ((10, 40), 3, (), ()),  # the last layer starts no block
        ((30, 10), 3, (1,), ()),  # exactly the ratio
    ],
)
def test_suggest_layers(widths, ratio, wide, blocks):
    """Catches a layer in both sets, a block at the end, or a tie broken the other way."""
    assert suggest_layers(widths, ratio=ratio) == (wide, blocks)


def test_suggestions_satisfy_6():
    """Catches sets that compress refuses, and qualifying layers left out: all small shapes."""
    sizes = torch.tensor([1, 2, 5, 6, 20])
    for widths in torch.cartesian_prod(*[sizes] * 5).tolist():
        wide, blocks = suggest_layers(widths)
        if wide or blocks:
            assert bounds.check_layers(widths, wide, blocks) == (list(wide), list(blocks))
        covered = {*wide, *blocks, *(layer + 1 for layer in blocks)}
        narrows = {at for at, (n, after) in enumerate(pairwise(widths), 1) if n >= 3 * after}
        assert narrows <= covered
        assert set(wide) <= narrows
        assert {layer + 1 for layer in blocks} <= narrows


@pytest.mark.parametrize(
    ("widths", "ratio", "message"),
    [
        ((4,), 3, "need at least 2 whole widths"),
        ((4, 0), 3, "need at least 2 whole widths"),
        ((4, 2.5), 3, "need at least 2 whole widths"),
        ((4, 2), 1, "need 1 < ratio < inf, got 1"),
        ((4, 2), math.inf, "need 1 < ratio < inf"),
    ],
)
def test_suggest_layers_refuses(widths, ratio, message):
    """Catches an architecture that is none."""
    with pytest.raises(ValueError, match=message):
        suggest_layers(widths, ratio=ratio)

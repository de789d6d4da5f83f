"""Algorithm 1 for blocks, against its literal form, its closed forms and the paper's sheet."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility import block_scores
from compressibility.blocks import compress_block
from compressibility.greedy import compress_wide
from compressibility.models import ACTIVATIONS, identity
from compressibility.schemes import Masking, NearestRounding, Pruning, Quantization, uniforms_like
from tests.compressibility import literal
from tests.compressibility.test_greedy import literal_outcomes

SCHEMES = [Pruning(keep=0.3), Pruning(keep=0.7), Quantization(levels=1), Quantization(levels=3)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def block(seed, n1=3, n2=5, n3=2, samples=7):
    """Random W1, W2, dense inputs, and inputs as a compressed network would pass them on."""
    rng = np.random.default_rng(seed)
    shapes = (n2, n1), (n3, n2), (samples, n1), (samples, n1)
    w1, w2, x, noise = (torch.from_numpy(rng.standard_normal(s)) for s in shapes)
    return w1, w2, x, x + 0.2 * noise


def sheet_case_b():
    """Case B of the theory sheet: W1, W2, X inside the unit ball, U."""
    rng = np.random.default_rng(1)
    w1 = rng.standard_normal((12, 4)) / math.sqrt(12)
    w2 = rng.standard_normal((3, 12)) / math.sqrt(12)
    x = rng.standard_normal((24, 4))
    x = x / np.linalg.norm(x, axis=1).max()
    return tuple(torch.from_numpy(a) for a in (w1, w2, x, rng.random((12, 4))))


def run_literal(w1, w2, phi, x, other, scheme, *, steps, uniforms):
    return literal.compress_block(
        w1, w2, phi, x, other, literal_outcomes(w1, scheme), steps=steps, uniforms=uniforms
    )


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
@pytest.mark.parametrize("shifted", [False, True])
def test_fast_equals_literal_draw_for_draw(scheme, activation, shifted):
    """Catches a score, an update, a bound or a draw that differs from Algorithm 1 as it reads."""
    phi = ACTIVATIONS[activation]
    for seed in range(3):
        w1, w2, x, other = block(seed)
        other = other if shifted else x
        slow = run_literal(
            w1, w2, phi, x, other, scheme, steps=13, uniforms=uniforms_like(w1, generator(seed))
        )
        fast = compress_block(
            w1,
            w2,
            phi,
            other,
            scheme,
            fraction=0.9,
            generator=generator(seed),
            dense_inputs=x if shifted else None,
        )
        assert fast.order.tolist() == slow.order
        torch.testing.assert_close(fast.weight, slow.weight, rtol=1e-13, atol=1e-15)
        loss = literal.block_loss(w1, slow.weight, w2, phi, x, other)
        assert fast.error.item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize(
    ("scheme", "first", "error", "nonzero"),
    [
        (Pruning(keep=0.3), [(5, 0), (9, 3), (4, 0), (2, 2), (11, 2), (9, 2)], 0.00244306, 32),
        (Quantization(levels=2), [(6, 0), (9, 3), (9, 1), (9, 2), (5, 0), (4, 0)], 0.00278251, 0),
    ],
    ids=str,
)
def test_sheet_case_b(scheme, first, error, nonzero, monkeypatch):
    """Catches any constant of the scores: picks, final loss and count of the sheet's case B."""
    w1, w2, x, uniforms = sheet_case_b()
    monkeypatch.setattr("compressibility.blocks.uniforms_like", lambda *_: uniforms)
    result = compress_block(w1, w2, torch.tanh, x, scheme, fraction=0.5, generator=generator())
    assert [divmod(flat, 4) for flat in result.order[:6].tolist()] == first
    assert result.order.shape == (24,)
    assert result.error.item() == pytest.approx(error, rel=1e-4)
    if nonzero:
        assert int((result.weight != 0).sum()) == nonzero


@pytest.mark.parametrize("scheme", [Masking(keep=0.4), NearestRounding(levels=2)], ids=str)
def test_biased_controls_equal_literal(scheme):
    """Catches scores that lean on E t = w: there the first order of the change does not vanish."""
    w1, w2, x, _ = block(4)
    if isinstance(scheme, Masking):
        outcomes = [[(entry, 0.4), (0.0, 0.6)] for entry in w1.flatten().tolist()]
    else:
        rounded = scheme.mean(w1).flatten().tolist()
        outcomes = [[(entry, 1.0), (entry, 0.0)] for entry in rounded]
    slow = literal.compress_block(
        w1, w2, torch.tanh, x, x, outcomes, steps=10, uniforms=uniforms_like(w1, generator(1))
    )
    fast = compress_block(w1, w2, torch.tanh, x, scheme, fraction=0.7, generator=generator(1))
    assert fast.order.tolist() == slow.order
    torch.testing.assert_close(fast.weight, slow.weight, rtol=1e-13, atol=1e-15)


def test_ties_go_to_the_lowest_index():
    """Catches ties (dead inputs, units that nobody reads score exactly 0) not by flat index."""
    w1, w2, x, _ = block(5, n1=4)
    x[:, 2] = 0.0
    w2[:, 1] = 0.0
    scheme = Pruning(keep=0.5)
    uniforms = uniforms_like(w1, generator(3))
    slow = run_literal(w1, w2, torch.tanh, x, x, scheme, steps=14, uniforms=uniforms)
    fast = compress_block(w1, w2, torch.tanh, x, scheme, fraction=0.7, generator=generator(3))
    assert slow.order[:8] == [2, 4, 5, 6, 7, 10, 14, 18]
    assert fast.order.tolist() == slow.order


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_linear_block_is_a_wide_layer(scheme):
    """Catches scores off by a factor: with phi = id and W2 = I they are the closed form's."""
    w1, _, x, other = block(6, n1=6, n2=4)
    eye = torch.eye(4, dtype=torch.float64)
    wide = compress_wide(w1, other, scheme, fraction=0.8, generator=generator(2))
    fast = compress_block(
        w1,
        eye,
        identity,
        other,
        scheme,
        fraction=0.8,
        generator=generator(2),
        dense_inputs=x,
    )
    assert torch.equal(fast.order, wide.order)
    assert torch.equal(fast.weight, wide.weight)
    assert torch.equal(fast.kept_share, wide.kept_share)


@pytest.mark.parametrize("scheme", [Pruning(keep=0.3), Quantization(levels=2)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("refresh", [1, 7])
def test_laziness_changes_nothing(scheme, activation, refresh, monkeypatch):
    """Catches a bound that skips a weight that should win: the same with every score looked up."""
    w1, w2, x, other = block(8, n1=5, n2=30, n3=3, samples=20)
    run = {"fraction": 0.9, "refresh": refresh, "dense_inputs": x}
    args = (w1, w2, ACTIVATIONS[activation], other, scheme)
    lazy = compress_block(*args, **run, generator=generator(1))
    monkeypatch.setattr(block_scores, "_ROUNDING", 1e30)
    eager = compress_block(*args, **run, generator=generator(1))
    assert torch.equal(lazy.order, eager.order)
    assert torch.equal(lazy.weight, eager.weight)
    assert lazy.rescored < eager.rescored
    if refresh == 1:
        assert eager.rescored > 0.9 * sum(range(150 - 135, 150))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("cosine", [1e-1, 1e-4, 1e-9])
@pytest.mark.parametrize(("samples", "at_once"), [(64, 1), (1, 1), (1, 3)])
def test_stale_scores_stay_above_their_bounds(dtype, cosine, samples, at_once):
    """Catches a path of g that is too short, be it by rounding in nearly orthogonal columns of W2.

    After every step each stale candidate is looked up: none may score less than was concluded.
    With one sample the bound is attained.
    """
    rng = generator(3)
    shapes = (24, 4), (samples, 4), (8, 8)
    w1, x, turn = (torch.randn(s, generator=rng, dtype=torch.float64) for s in shapes)
    turn = torch.linalg.qr(turn)[0]
    second = turn[:, 1:2] + cosine * turn[:, :1]
    w2 = torch.cat([turn[:, :1].repeat(1, 12), second.repeat(1, 12)], 1)
    w2 = w2 * torch.linspace(0.7, 1.3, 24, dtype=torch.float64)
    w1, w2, x = (t.to(dtype) for t in (w1, w2, x))
    state = block_scores.BlockScores(w1, w2, torch.tanh, x, x, Pruning(keep=0.3))
    drawn = Pruning(keep=0.3).draw(w1, generator())
    few = block_scores._ROUNDING * torch.finfo(dtype).eps
    for _ in range(60 // at_once):
        state.compress(state.smallest(at_once), drawn)
        moved = state.reach[:, None] * (1 + few) - state.since
        left = (state.score.flatten() < math.inf).nonzero().flatten()
        lower = (state.score - moved * state.slope).flatten()[left]
        true = state.fork()
        true.look_up(left)
        assert (lower <= true.score.flatten()[left] * (1 + few)).all()


@pytest.mark.parametrize("inplace", [torch.relu_, torch.tanh_], ids=["relu_", "tanh_"])
def test_activation_in_place(inplace):
    """Catches an activation such as nn.ReLU(inplace=True) that overwrites what is still needed."""
    w1, w2, x, other = block(17)
    plain = {torch.relu_: torch.relu, torch.tanh_: torch.tanh}[inplace]
    args = {"scheme": Pruning(keep=0.4), "fraction": 0.8, "dense_inputs": x}
    one, two = (
        compress_block(w1, w2, phi, other, generator=generator(), **args)
        for phi in (plain, inplace)
    )
    assert_same(one, two)


def test_laziness_saves_most_looks():
    """Catches bounds that are right and useless: most scores are never looked up again."""
    w1, w2, x, _ = block(9, n1=10, n2=60, n3=4, samples=32)
    x = x / x.norm(dim=1).max()
    result = compress_block(
        w1 / 8, w2 / 8, torch.tanh, x, Pruning(keep=0.3), fraction=0.9, generator=generator()
    )
    assert result.rescored < 0.15 * 540 * 330


@pytest.mark.parametrize("refresh", [2, 5, 100])
def test_refresh_scores_every_so_many_steps(refresh):
    """Catches scores that are older or newer than documented: against forward passes."""
    w1, w2, x, other = block(11)
    scheme, count = Pruning(keep=0.4), 13
    drawn = scheme.decide(w1, uniforms_like(w1, generator(5)))
    current, order = w1.clone(), []
    outcomes = literal_outcomes(w1, scheme)
    while len(order) < count:
        now = literal.block_loss(w1, current, w2, torch.tanh, x, other)
        scores = {}
        for flat in sorted(set(range(w1.numel())) - set(order)):
            total = 0.0
            for value, chance in outcomes[flat]:
                changed = current.clone()
                changed.view(-1)[flat] = value
                loss = literal.block_loss(w1, changed, w2, torch.tanh, x, other)
                total += chance * (loss - now)
            scores[flat] = abs(total)
        chosen = sorted(scores, key=scores.__getitem__)[: min(refresh, count - len(order))]
        order += chosen
        current.view(-1)[chosen] = drawn.view(-1)[chosen]
    fast = compress_block(
        w1,
        w2,
        torch.tanh,
        other,
        scheme,
        fraction=0.9,
        generator=generator(5),
        refresh=refresh,
        dense_inputs=x,
    )
    assert fast.order.tolist() == order
    assert torch.equal(fast.weight, current)


def assert_same(one, other):
    for field in ("weight", "compressed", "order", "error", "kept_share", "rescored"):
        assert torch.equal(getattr(one, field), getattr(other, field)), field


@pytest.mark.parametrize("order", ["greedy", "random"])
@pytest.mark.parametrize("shared", [True, False])
def test_stack_equals_single_calls(order, shared):
    """Catches mixing of networks: scores, order, bounds or random numbers taken over the stack."""
    parts = [block(seed) for seed in range(3)]
    w1, w2, x, _ = (torch.stack(tensors) for tensors in zip(*parts, strict=True))
    x = x[0] if shared else x
    run = {"fraction": 0.6, "order": order, "refresh": 2}
    scheme = Quantization(levels=2)
    dice = [generator(seed) for seed in range(3)]
    stack = compress_block(w1, w2, torch.tanh, x, scheme, generator=dice, **run)
    for e in range(3):
        seen = x if shared else x[e]
        alone = compress_block(
            w1[e], w2[e], torch.tanh, seen, scheme, generator=generator(e), **run
        )
        for field in ("weight", "compressed", "order", "error", "kept_share", "rescored"):
            assert torch.equal(getattr(stack, field)[e], getattr(alone, field)), field


@pytest.mark.parametrize("order", ["greedy", "random"])
def test_draws_equal_a_stack_of_copies(order):
    """Catches draws that share dice, or a start that an earlier draw has changed."""
    w1, w2, x, other = block(12)
    run = {"fraction": 0.6, "order": order, "dense_inputs": x}
    scheme = Pruning(keep=0.4)
    draws = compress_block(w1, w2, torch.tanh, other, scheme, generator=generator(), draws=4, **run)
    copies = compress_block(
        w1.repeat(4, 1, 1),
        w2.repeat(4, 1, 1),
        torch.tanh,
        other,
        scheme,
        generator=generator(),
        **run,
    )
    assert draws.weight.shape == (4, 5, 3)
    assert draws.error.shape == (4,)
    assert_same(draws, copies)
    assert len({tuple(w.flatten().tolist()) for w in draws.weight}) == 4


def test_random_order_is_a_permutation_with_the_same_draws():
    """Catches a control that redraws the weights, so that orders cannot be paired."""
    w1, w2, x, _ = block(13)
    scheme = Pruning(keep=0.4)
    drawn = scheme.draw(w1, generator(4))
    orders = []
    for order in ("greedy", "random"):
        result = compress_block(
            w1, w2, torch.tanh, x, scheme, fraction=0.8, generator=generator(4), order=order
        )
        orders.append(result.order.tolist())
        assert len(set(orders[-1])) == 12
        assert torch.equal(result.weight, torch.where(result.compressed, drawn, w1))
    assert orders[0] != orders[1]


def test_random_order_costs_more():
    """Catches a greedy order that is none: over 20 blocks the mean damage is the smaller one."""
    w1, w2, x, _ = block(14, n1=6, n2=20, n3=3, samples=32)
    w1, w2 = w1 / math.sqrt(20), w2 / math.sqrt(20)
    greedy, random = (
        compress_block(
            w1,
            w2,
            torch.tanh,
            x,
            Pruning(keep=0.5),
            fraction=0.5,
            generator=generator(),
            draws=20,
            order=order,
        )
        for order in ("greedy", "random")
    )
    gain = random.error - greedy.error
    assert gain.mean() > 5 * gain.std() / math.sqrt(20)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(1, 5)),
    hundredths=st.integers(1, 99),
    scheme=st.sampled_from(SCHEMES),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    refresh=st.integers(1, 9),
)
def test_what_every_compression_obeys(seed, shape, hundredths, scheme, activation, refresh):
    """Catches lost counts: mask, order, share, error and untouched weights tell one story."""
    w1, w2, x, other = block(seed, *shape)
    phi = ACTIVATIONS[activation]
    result = compress_block(
        w1,
        w2,
        phi,
        other,
        scheme,
        fraction=hundredths / 100,
        generator=generator(seed),
        refresh=refresh,
        dense_inputs=x,
    )
    count = hundredths * w1.numel() // 100
    taken = result.order.tolist()
    assert len(taken) == len(set(taken)) == count
    assert sorted(taken) == result.compressed.flatten().nonzero().flatten().tolist()
    drawn = scheme.draw(w1, generator(seed))
    assert torch.equal(result.weight, torch.where(result.compressed, drawn, w1))
    assert result.kept_share.item() == (result.weight != 0).sum().item() / w1.numel()
    loss = literal.block_loss(w1, result.weight, w2, phi, x, other)
    assert result.error.item() == pytest.approx(loss, rel=1e-9, abs=1e-18)


def test_kept_share_of_the_papers_experiment():
    """Catches a share kept that is not 1 - alpha + alpha p = 0.37: 40 draws, 5 sigma."""
    w1, w2, x, _ = block(15, n1=10, n2=20)
    result = compress_block(
        w1,
        w2,
        torch.tanh,
        x,
        Pruning(keep=0.3),
        fraction=0.9,
        generator=generator(6),
        draws=40,
        refresh=60,
    )
    error = math.sqrt(0.9 * 0.3 * 0.7 / (200 * 40))
    assert result.kept_share.mean().item() == pytest.approx(0.37, abs=5 * error)


def test_single_precision_decides_as_double():
    """Catches uniforms that depend on the dtype: same mask and draws, up to rounding."""
    w1, w2, x, _ = (t.float() for t in block(16, n1=5, n2=12))
    args = {"fraction": 0.5, "generator": generator(1)}
    single = compress_block(w1, w2, torch.tanh, x, Pruning(keep=0.3), **args)
    args["generator"] = generator(1)
    double = compress_block(
        w1.double(), w2.double(), torch.tanh, x.double(), Pruning(keep=0.3), **args
    )
    assert single.weight.dtype == torch.float32
    assert single.error.dtype == torch.float64
    assert torch.equal(single.order, double.order)
    assert single.error.item() == pytest.approx(double.error.item(), rel=1e-6)


def test_inputs_are_not_changed_and_no_gradient_is_kept():
    """Catches work done in place on the caller's network, or a graph that outlives the call."""
    w1, w2, x, _ = block(1)
    parameters = [torch.nn.Parameter(w.clone()) for w in (w1, w2)]
    result = compress_block(
        *parameters, torch.tanh, x, Pruning(keep=0.5), fraction=0.5, generator=generator()
    )
    assert torch.equal(parameters[0].detach(), w1)
    assert not result.weight.requires_grad
    assert not result.error.requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w1": torch.ones(5)}, "need weight"),
        ({"w1": torch.ones(4, 5, dtype=torch.int64)}, "need weight of dtype"),
        ({"w1": torch.full((4, 5), math.inf)}, "need finite weight"),
        ({"w2": torch.ones(3, 5)}, r"need w2 \(n3, 4\) on top of w1 \(4, 5\), got \(3, 5\)"),
        ({"w2": torch.ones(2, 3, 4)}, r"need w2 \(n3, 4\)"),
        ({"w2": torch.ones(3, 4).double()}, "need w2 of dtype torch.float32, got torch.float64"),
        ({"w2": torch.full((3, 4), math.nan)}, "need finite weight"),
        ({"inputs": torch.ones(9, 4)}, r"need inputs \(N, 5\), N >= 1, got \(9, 4\)"),
        ({"inputs": torch.ones(9, 5).double()}, "need inputs of dtype torch.float32"),
        ({"inputs": torch.full((9, 5), math.nan)}, "need finite inputs"),
        ({"dense_inputs": torch.ones(8, 5)}, r"need dense_inputs of inputs' shape \(9, 5\)"),
        ({"dense_inputs": torch.full((9, 5), math.nan)}, "need finite dense_inputs"),
        ({"activation": "tanh"}, "need an entrywise function as activation, got 'tanh'"),
        ({"activation": lambda z: z.sum(0)}, "need an entrywise activation"),
        ({"activation": lambda z: z.double()}, "need an entrywise activation"),
        ({"activation": lambda z: z.softmax(-1)}, "got one that mixes entries"),
        ({"activation": lambda z: z / 0}, "need finite scores, got overflow or nan in"),
        ({"w2": torch.full((3, 4), 1e25)}, "need finite scores, got overflow or nan in"),
        ({"scheme": "pruning"}, "need a scheme such as"),
        ({"scheme": Pruning}, "need a scheme such as"),
        ({"fraction": 0.0}, "need 0 < fraction < 1, got 0.0"),
        ({"fraction": 1}, "need 0 < fraction < 1, got 1"),
        ({"fraction": math.nan}, "need 0 < fraction < 1, got nan"),
        ({"refresh": 0}, "need an integer refresh >= 1, got 0"),
        ({"refresh": 2.0}, "need an integer refresh >= 1, got 2.0"),
        ({"draws": True}, "need an integer draws >= 1, got True"),
        ({"order": "largest_first"}, "need order in .*'largest_first'"),
        ({"generator": [generator()]}, "need one generator"),
        (
            {"w1": torch.ones(2, 4, 5), "w2": torch.ones(2, 3, 4), "draws": 3},
            r"need one network \(n2, n1\) where draws > 1, got \(2, 4, 5\)",
        ),
    ],
)
def test_bad_arguments_are_named(change, message):
    """Catches a bad argument that goes through, or an error that does not say which and why."""
    arguments = {
        "w1": torch.ones(4, 5),
        "w2": torch.ones(3, 4),
        "activation": torch.tanh,
        "inputs": torch.ones(9, 5),
        "scheme": Pruning(keep=0.5),
        "fraction": 0.5,
        "generator": generator(),
    } | change
    names = ("w1", "w2", "activation", "inputs", "scheme")
    positional = [arguments.pop(name) for name in names]
    with pytest.raises(ValueError, match=message):
        compress_block(*positional, **arguments)

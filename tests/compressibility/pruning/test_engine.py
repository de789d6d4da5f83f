"""The lazy engine of single weights in a block: exact, saving, and right at any scale."""

import math

import pytest
import torch

from compressibility.dice import dice, uniforms
from compressibility.models.activations import ACTIVATIONS, identity
from compressibility.models.layers import Block, Layer
from compressibility.pruning import engine
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Masking, NearestRounding, Pruning, Quantization
from compressibility.pruning.wide import compress_wide
from tests.compressibility.helpers import sheet_b
from tests.compressibility.pruning import literal
from tests.compressibility.pruning.cases import case, generator, normal


def weights(seed, **sizes):
    return case("weights of a block", seed, **sizes)


@pytest.mark.parametrize(
    ("draw", "first", "error", "nonzero"),
    [
        (Pruning(0.3), [(5, 0), (9, 3), (4, 0), (2, 2), (11, 2), (9, 2)], 0.00244306, 32),
        (Quantization(2), [(6, 0), (9, 3), (9, 1), (9, 2), (5, 0), (4, 0)], 0.00278251, None),
        (Pruning(0.3), [9, 2, 11, 4, 1, 0], 0.0127317, 36),
    ],
)
def test_sheet_case_b(draw, first, error, nonzero, monkeypatch):
    """Catches any constant of the scores: picks, final loss and count of the sheet's case B."""
    groups = isinstance(first[0], int)
    w1, w2, x, dice = (torch.from_numpy(t) for t in sheet_b())
    dice = (dice[:, 0] if groups else dice)[None]
    monkeypatch.setattr("compressibility.pruning.blocks.uniforms", lambda *_: dice)
    block = Block(Layer.dense(w1), Layer.dense(w2), torch.tanh)
    found = compress_block(block, x, Cut(draw, 0.5, groups=groups), generator())
    taken = found.taken[0, :6].tolist()
    assert (taken if groups else [divmod(flat, 4) for flat in taken]) == first
    assert found.taken.shape == (1, 6 if groups else 24)
    assert found.error.item() == pytest.approx(error, rel=1e-4)
    assert nonzero is None or int((found.weight != 0).sum()) == nonzero


@pytest.mark.parametrize("draw", [Masking(keep=0.4), NearestRounding(levels=2)], ids=str)
def test_biased_controls_equal_literal(draw):
    """Catches scores that lean on E t = w: there the first order of the change does not vanish."""
    cut = weights(4)
    entries = enumerate(cut.layer.weight.flatten().tolist())
    if isinstance(draw, Masking):
        change = [[(literal.entry(i, w), 0.4), (literal.entry(i, 0.0), 0.6)] for i, w in entries]
    else:
        rounded = draw.mean(cut.layer.weight).flatten().tolist()
        change = [[(literal.entry(i, rounded[i]), 1.0)] for i, _ in entries]
    dice = uniforms(cut.shape(), generator(1))
    slow = literal.compress(cut.layer.weight, cut.loss(), change, steps=14, uniforms=dice)
    fast = cut.run(draw, 0.7, seed=1)
    assert fast.taken[0].tolist() == slow.order
    torch.testing.assert_close(fast.weight[0], slow.weight, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("draw", [Pruning(keep=0.3), Quantization(levels=3)], ids=str)
def test_linear_block_is_a_wide_layer(draw):
    """Catches scores off by a factor: with phi = id and W2 = I they are the closed form's."""
    cut = weights(6, inputs=6, outputs=4)
    eye = torch.eye(4, dtype=torch.float64)
    wide = compress_wide(cut.layer, cut.other, Cut(draw, 0.8), generator(2))
    block = Block(cut.layer, Layer.dense(eye), identity)
    fast = compress_block(block, cut.other, Cut(draw, 0.8), generator(2), dense=cut.x)
    for name in ("taken", "weight", "kept_share"):
        assert torch.equal(getattr(fast, name), getattr(wide, name))


@pytest.mark.parametrize("draw", [Pruning(keep=0.3), Quantization(levels=2)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("scorings", [None, 20])
def test_laziness_changes_nothing(draw, activation, scorings, monkeypatch):
    """Catches a bound that skips a weight that should win: the same with every score looked up."""
    cut = weights(8, inputs=4, outputs=20, samples=20, phi=ACTIVATIONS[activation])
    lazy = cut.run(draw, 0.9, seed=1, scorings=scorings)
    monkeypatch.setattr(engine, "_ROUNDING", 1e30)
    eager = cut.run(draw, 0.9, seed=1, scorings=scorings)
    assert torch.equal(lazy.taken, eager.taken)
    assert torch.equal(lazy.weight, eager.weight)
    assert lazy.scored < eager.scored
    if scorings is None:
        assert eager.scored > 0.9 * sum(range(80 - 72, 80))


def test_laziness_saves_most_looks():
    """Catches bounds that are right and useless: most scores are never looked up again."""
    w1, w2, x = normal(9, (60, 10), (4, 60), (32, 10))
    block = Block(Layer.dense(w1 / 8), Layer.dense(w2 / 8), torch.tanh)
    cut = Cut(Pruning(keep=0.3), 0.9)
    found = compress_block(block, x / x.norm(dim=1).max(), cut, generator())
    assert found.scored < 0.15 * 540 * 330


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("cosine", [1e-1, 1e-4, 1e-9])
@pytest.mark.parametrize(("samples", "at_once"), [(64, 1), (1, 1), (1, 3)])
def test_stale_scores_stay_above_their_bounds(dtype, cosine, samples, at_once):
    """Catches a path of g that is too short, be it by rounding (orthogonal columns of W2)."""
    w1, x, turn = normal(3, (24, 4), (samples, 4), (8, 8))
    turn = torch.linalg.qr(turn)[0]
    second = turn[:, 1:2] + cosine * turn[:, :1]
    w2 = torch.cat([turn[:, :1].repeat(1, 12), second.repeat(1, 12)], 1)
    w2 = w2 * torch.linspace(0.7, 1.3, 24, dtype=torch.float64)
    w1, w2, x = (t.to(dtype) for t in (w1, w2, x))
    block = Block(Layer.dense(w1), Layer.dense(w2), torch.tanh)
    state = engine.BlockScores(block, x, x, Pruning(keep=0.3))
    drawn = Pruning(keep=0.3).sample(w1, generator())
    few = engine._ROUNDING * torch.finfo(dtype).eps
    for _ in range(60 // at_once):
        state.compress(state.smallest(at_once), drawn)
        moved = state.reach[:, None] * (1 + few) - state.since
        left = (state.score.flatten() < math.inf).nonzero().flatten()
        lower = (state.score - moved * state.slope).flatten()[left]
        true = state.fork()
        true.look_up(left)
        assert (lower <= true.score.flatten()[left] * (1 + few)).all()


@pytest.mark.parametrize("scorings", [1, 3, 7])
def test_scorings_score_every_so_many_steps(scorings):
    """Catches scores that are older or newer than documented: against forward passes."""
    cut, draw, count = weights(11, inputs=3), Pruning(keep=0.4), 13
    drawn = draw.decide(cut.layer.weight, uniforms(cut.shape(), generator(5)))
    current, order, loss, outcomes = cut.layer.weight.clone(), [], cut.loss(), cut.outcomes(draw)
    while len(order) < count:
        now = loss(current)
        scores = {
            flat: abs(sum(chance * (loss(new(current)) - now) for new, chance in outcomes[flat]))
            for flat in sorted(set(range(15)) - set(order))
        }
        at_once = min(math.ceil(count / scorings), count - len(order))
        order += sorted(scores, key=scores.__getitem__)[:at_once]
        current.view(-1)[order] = drawn.view(-1)[order]
    fast = cut.run(draw, 0.9, seed=5, scorings=scorings)
    assert fast.taken[0].tolist() == order
    assert torch.equal(fast.weight[0], current)


@pytest.mark.parametrize("small", [(1e-25, 1, 1), (1, 1e-25, 1), (1, 1, 1e-25), (1e-25,) * 3])
@pytest.mark.parametrize("phi", [torch.tanh, torch.relu])
def test_tiny_blocks_in_single_precision_are_right(small, phi):
    """Catches squares that vanish in float32, where every score would be 0 and the order none."""
    for seed in range(5):
        tensors = normal(seed, (8, 4), (3, 8), (9, 4))
        w1, w2, x = (scale * t for t, scale in zip(tensors, small, strict=True))
        block = Block(Layer.dense(w1), Layer.dense(w2), phi)
        single = Block(Layer.dense(w1.float()), Layer.dense(w2.float()), phi)
        cut = Cut(Pruning(0.3), 0.7)
        one = compress_block(single, x.float(), cut, generator(seed))
        two = compress_block(block, x, cut, generator(seed))
        assert torch.equal(one.taken, two.taken)
        torch.testing.assert_close(one.error, two.error, rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_values_without_room_for_their_squares_are_refused(size):
    """Catches scores that are all 0 or infinite in float64: an order by index, without a word."""
    block = Block(Layer.dense(size * torch.eye(2).double()), Layer.dense([[1.0, 2.0]]), torch.relu)
    with pytest.raises(ValueError, match="room for squares"):
        compress_block(block, torch.eye(2).double(), Cut(Pruning(keep=0.5), 0.5), dice("room"))

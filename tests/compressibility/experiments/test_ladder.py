"""Ladders, rung by rung, against matrices that are written out."""

import math
from dataclasses import replace

import pytest
import torch

from compressibility.bounds.wide_networks import LayerFacts, Seen, block_bound, wide_bound
from compressibility.experiments.ladder import Ladder, climb, ladder
from compressibility.models.activations import identity
from compressibility.models.layers import Layer
from compressibility.models.network import Network, convnet, mlp
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Masking, Pruning, Quantization
from compressibility.pruning.wide import compress_wide

PRUNING, ROUNDING = Cut(Pruning(keep=0.3), share=0.7), Cut(Quantization(levels=2), share=0.7)
FILTERS = Cut(Pruning(keep=0.3), share=0.7, groups=True)


def dice(networks=2):
    return [torch.Generator().manual_seed(10 + e) for e in range(networks)]


def dense_layer(seed=0):
    """W, x, x'."""
    source = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, 10, generator=source, dtype=torch.float64)
    inputs = torch.randn(20, 10, generator=source, dtype=torch.float64)
    moved = inputs + 0.1 * torch.randn(inputs.shape, generator=source, dtype=torch.float64)
    return Layer.dense(weight), inputs, moved


def filters():
    options = {"activation": "tanh", "seeds": (0, 1), "dtype": torch.float64}
    return convnet([2, 10, 3], outputs=1, size=4, **options)


def images():
    return torch.rand(6, 32, generator=torch.Generator().manual_seed(3)).double() / 4


def square(gap):
    return gap.square().sum(-1).mean().item()


def facts(matrix, pixels=1):
    """Norms of the matrix and of its largest block, by singular values."""
    blocks = [b for row in matrix.split(pixels, 0) for b in row.split(pixels, 1)]
    norm, *entries = (torch.linalg.svdvals(m)[0].item() for m in (matrix, *blocks))
    n_out, n_in = (n // pixels for n in matrix.shape)
    return LayerFacts(norm, max(entries), n_in, n_out, pixels)


def same(found, expected):
    assert list(found.rungs) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(math.log10(value), abs=1e-9), name
    assert found.steps_down().value == 0


@pytest.mark.parametrize("cut", [PRUNING, ROUNDING, FILTERS])
def test_wide_ladder_is_that_of_the_matrix(cut):
    """Catches a rung of another layer, share or input, natural logarithms, p and k confused."""
    if cut.groups:
        layer, (x, x_new) = filters().layer(1, 1), (images() @ torch.ones(32, 160).double(),) * 2
        x = x_new = (x + torch.arange(160) % 7).reshape(6, 10, 4, 4) / 50
    else:
        layer, x, x_new = dense_layer()
    made = compress_wide(layer, x_new, cut, dice()[0], throws=5)
    matrix, pixels = layer.matrix(), layer.pixels
    thin = [replace(layer, kernel=w.reshape(layer.kernel.shape)).matrix() for w in made.weight]
    outputs, new = x.flatten(1) @ matrix.T, torch.stack([x_new.flatten(1) @ u.T for u in thin])
    blocks = matrix.reshape(len(matrix), layer.inputs, pixels)
    parts = torch.einsum("oip,nip->noi", blocks, x_new.reshape(len(x), layer.inputs, pixels))
    variance = 7 / 3 if cut.draw == PRUNING.draw else None
    if variance is None:
        steps = 2 * matrix.abs() / matrix.abs().max()
        squares = (steps % 1) * (1 - steps % 1) * (matrix.abs().max() / 2) ** 2
        prices = (squares * x_new.square().mean(0)).flatten()
    else:
        prices = variance * parts.square().mean(0)
        prices = prices.sum(0) if cut.groups else prices.flatten()
    count = int(0.7 * len(prices))
    inherited, share = square((x - x_new).flatten(1) @ matrix.T), cut.share
    known = Seen(x_new.flatten(1).norm(dim=1).max().item(), square((x - x_new).flatten(1)))
    expected = {
        "measured": square(torch.tanh(outputs) - torch.tanh(new)),
        "before": square(outputs - new),
        "exact": inherited + prices.sort().values[:count].sum().item(),
        "all prices": inherited + share * prices.sum().item(),
        "sharper": wide_bound(facts(matrix, pixels), known, cut, form="sharper"),
        "printed": wide_bound(facts(matrix, pixels), known, cut),
    }
    same(climb(layer, x_new, cut, made, phi=torch.tanh, dense=x), expected)


@pytest.mark.parametrize("cut", [PRUNING, ROUNDING, FILTERS])
def test_block_ladder_is_that_of_the_matrices(cut):
    """Catches a rung of another layer, natural logarithms, or constants that are mixed up."""
    network, x = filters(), images()
    if not cut.groups:
        network = mlp([32, 6, 3], activation="tanh", dtype=torch.float64)
    block = network.block(0, 0)
    seen = network.layer_inputs(x, 0)[0].detach()
    made = compress_block(block, seen, cut, dice()[0], throws=4)
    w1, w2, pixels = block.first.matrix(), block.second.matrix(), block.first.pixels
    shape = block.first.kernel.shape
    thin = [replace(block.first, kernel=w.reshape(shape)).matrix() for w in made.weight]
    outputs = torch.tanh(x @ w1.T) @ w2.T
    new = torch.stack([torch.tanh(x @ u.T) @ w2.T for u in thin])
    known = facts(w1, pixels), facts(w2, pixels), Seen(x.norm(dim=1).max().item())
    bounds = {
        form: block_bound(*known, cut, form=form) for form in ("sharpest", "sharper", "printed")
    }
    measured = {
        "measured": square(torch.tanh(outputs) - torch.tanh(new)),
        "before": square(outputs - new),
    }
    assert made.error.mean().item() == pytest.approx(measured["before"])
    same(climb(block, seen, cut, made, phi=torch.tanh), measured | bounds)


@pytest.mark.parametrize("kind", ["wide", "block"])
def test_networks_stand_in_the_last_axis(kind):
    """Catches inputs, dice or layers of another network, and an activation where none follows."""
    found = ladder(filters(), 0, images(), FILTERS, dice(), kind=kind, throws=3)
    for e, generator in enumerate(dice()):
        part = filters().block(0, e) if kind == "block" else filters().layer(0, e)
        seen, compress = (
            images().reshape(6, 2, 4, 4),
            compress_block if kind == "block" else compress_wide,
        )
        made = compress(part, seen, FILTERS, generator, throws=3)
        alone = climb(part, seen, FILTERS, made, phi=torch.tanh)
        for name, rung in found.rungs.items():
            assert rung.shape == (2,)
            assert rung[e] == alone[name], name
    last = ladder(
        mlp([32, 6, 3]),
        {"wide": 1, "block": 0}[kind],
        images().float(),
        PRUNING,
        dice(1),
        kind=kind,
        throws=3,
    )
    assert torch.equal(last["measured"], last["before"])


@pytest.mark.parametrize("cut", [PRUNING, ROUNDING])
def test_mean_over_throws_meets_the_identity(cut):
    """Throws from the wrong draw or mask; five standard errors of the mean over 4000 throws."""
    layer, x, moved = dense_layer()
    made = compress_wide(layer, moved, cut, dice()[0], throws=4000)
    found = climb(layer, moved, cut, made, phi=identity, dense=x)
    assert torch.equal(found["measured"], found["before"])
    spread = made.error.std().item() / math.sqrt(4000)
    assert (10 ** found["before"] - 10 ** found["exact"]).abs() < 5 * spread


def test_steps_down_sees_every_rung_and_place():
    """A step that is left out of the count: each entry in turn is made the reversed one."""
    names = ("measured", "before", "exact", "all prices", "sharper", "printed")
    whole = {name: torch.full((2, 3), float(at)) for at, name in enumerate(names)}
    assert (Ladder(whole).steps_down().value, Ladder(whole).steps_down().n) == (0, 24)
    for name in names[1:2] + names[3:]:
        broken = whole[name].clone()
        broken[1, 2] = -1
        assert Ladder(whole | {name: broken}).steps_down().value == 1, name
    assert Ladder(whole).steps_down(("printed", "exact")).value == 6


def test_logarithms_divide_and_stack():
    """A rung left in other units, and axes exchanged."""
    one = Ladder({"measured": torch.tensor([1.0, 2.0]), "before": torch.tensor([1.5, 4.0])})
    halved = one.relative_to(torch.tensor([10.0, 100.0]))
    assert halved["before"].tolist() == [0.5, 2.0]
    assert one.over("before", "measured").tolist() == [0.5, 2.0]
    assert Ladder.stack([one, halved])["before"].tolist() == [[1.5, 4.0], [0.5, 2.0]]
    nothing = Ladder({name: torch.tensor([-torch.inf]) for name in one.rungs})
    assert nothing.over("before", "measured").tolist() == [0.0]
    assert nothing.steps_down().value == 0


def test_equal_prices_leave_the_papers_slack_only():
    """Catches a missing q² or r²: ones as weights, grey images, all prices are the same."""
    copy, ones = torch.eye(10).reshape(1, 10, 10, 1, 1), torch.full((1, 3, 10, 3, 3), 0.2)
    flat = Network([copy, ones, torch.ones(1, 1, 75)], size=5, activation="identity")
    cut = replace(FILTERS, share=0.5)
    found = ladder(flat, 1, torch.ones(6, 250), cut, dice(1), throws=2)
    assert 10 ** found.over("printed", "exact").item() == pytest.approx(2 / (1 - 0.5), rel=1e-6)


def test_what_has_no_ladder_is_refused():
    """A bound for another draw, or another order, than the one that is measured."""
    layer, x, _ = dense_layer()
    for cut in (replace(PRUNING, draw=Masking(keep=0.3)), replace(PRUNING, order="random")):
        made = compress_wide(layer, x, PRUNING, dice()[0])
        with pytest.raises(ValueError, match="need"):
            climb(layer, x, cut, made, phi=torch.tanh)


def test_a_rung_that_is_no_number_is_no_step_up() -> None:
    """Catches NaN that is counted as a step that does not go down: the claim would hold."""
    rungs = {"measured": torch.zeros(3), "printed": torch.tensor([1.0, torch.nan, 1.0])}
    with pytest.raises(ValueError, match="numbers, got nan"):
        Ladder(rungs).steps_down()

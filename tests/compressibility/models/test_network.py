"""Networks in a batch: against PyTorch's own modules, their matrices, and one by one."""

import math

import pytest
import torch
from torch import nn

from compressibility.models.activations import ACTIVATIONS, Activation
from compressibility.models.network import Network, convnet, mlp
from tests.compressibility.helpers import normal, refuses

KINDS = ("dense", "maps")
each_kind = pytest.mark.parametrize("kind", KINDS)


def network(kind="dense", *, seeds=(3, 1, 4), dtype=torch.float64, activation="tanh"):
    options = {"seeds": seeds, "dtype": dtype, "activation": activation}
    if kind == "dense":
        return mlp([5, 7, 6, 3], **options)
    return convnet([2, 4, 3], outputs=5, size=4, **options)


def samples(kind="dense", count=6):
    return normal(count, 5 if kind == "dense" else 32, seed=4)


@each_kind
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_each_member_is_a_sequential_and_the_perceptron_of_its_matrices(kind, activation):
    """Catches mixed networks, a transposed weight, a wrong flattening, phi after the last layer."""
    batch, x = network(kind, activation=activation), samples(kind)
    outputs = batch(x).detach()
    for e in range(3):
        plain = batch.as_sequential(e)
        kinds = [type(module) for module in plain]
        assert kinds[:2] == [nn.Linear if kind == "dense" else nn.Conv2d, Activation]
        assert kinds.count(Activation) == 2
        rows = x if kind == "dense" else x.reshape(-1, 2, 4, 4)
        torch.testing.assert_close(plain(rows).detach(), outputs[e], rtol=1e-12, atol=1e-14)
        matrices = [batch.layer(at, e).matrix()[None] for at in range(3)]
        perceptron = Network(matrices, activation=activation)
        torch.testing.assert_close(perceptron(x)[0].detach(), outputs[e], rtol=1e-12, atol=1e-14)
        for at in range(3):
            seen = batch.layer_inputs(x, at)[e].flatten(1).detach()
            torch.testing.assert_close(perceptron.layer_inputs(x, at)[0].detach(), seen)
    assert f"Activation({activation})" in str(batch)
    assert outputs.shape == (3, 6, batch.widths[-1])
    each = torch.stack([x, 2 * x, -x])  # own samples for each network
    torch.testing.assert_close(batch(each)[2].detach(), batch.member(2)(-x)[0].detach())


@each_kind
def test_layers_follow_one_another(kind):
    """Catches inputs before the activation, or of the layer next to it, and a wrong block."""
    batch, x = network(kind), samples(kind)
    first = batch.layer_inputs(x, 0)
    assert torch.equal(first.flatten(2), x.expand(3, -1, -1))
    for at, e in ((0, 0), (1, 2)):
        one, two = (batch.layer_inputs(x, k)[e].detach() for k in (at, at + 1))
        behind = torch.tanh(batch.layer(at, e)(one))
        torch.testing.assert_close(behind.reshape(two.shape), two, rtol=1e-12, atol=1e-14)
    block, seen = batch.block(0, 1), batch.layer_inputs(x, 0)[1]
    assert torch.equal(block.first.weight, batch.weights[0][1].detach())
    torch.testing.assert_close(block(seen), batch.layer(1, 1)(batch.layer_inputs(x, 1)[1]))
    last = batch.layer_inputs(x, 2)
    assert last.ndim == 3
    assert torch.equal(last @ batch.weights[2].mT, batch(x))
    assert torch.equal(batch.weights[1][2].detach(), batch.layer(1, 2).weight)


@each_kind
def test_a_seed_is_one_network_everywhere(kind):
    """Catches weights that depend on the company a network keeps, on precision, on the state."""
    before = torch.get_rng_state()
    batch = network(kind)
    for e, seed in enumerate((3, 1, 4)):
        alone = network(kind, seeds=(seed,))
        single = network(kind, seeds=(seed,), dtype=torch.float32)
        source = torch.Generator().manual_seed(seed)
        for stacked, own, low in zip(batch.weights, alone.weights, single.weights, strict=True):
            reference = torch.empty(own.shape[1:], dtype=torch.float64)
            nn.init.xavier_uniform_(reference, generator=source)
            assert torch.equal(stacked[e].detach(), reference)
            assert torch.equal(own[0], stacked[e])
            assert torch.equal(low, own.float())
    assert torch.equal(torch.get_rng_state(), before)


def test_torchs_own_weights_are_those_of_its_linear_layers():
    """Catches another bound, a gain, weights that depend on the batch."""
    batch = mlp([5, 70, 3], init="torch", seeds=(3, 1), dtype=torch.float64)
    torch.testing.assert_close(
        mlp([5, 70, 3], init="torch", seeds=(1,)).weights[0][0],
        batch.weights[0][1].float(),
        rtol=0,
        atol=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for weight, n_in in zip(batch.weights, (5, 70), strict=True):
            plain = nn.Linear(n_in, weight.shape[1], bias=False, dtype=torch.float64)
            assert torch.equal(weight[0], plain.weight)
            assert 0.9 < weight.abs().max().item() * math.sqrt(n_in) <= 1


@each_kind
def test_copies_are_copies(kind):
    """Catches a change of the network it came from or of another layer; throws out of order."""
    batch, x = network(kind), samples(kind)
    before = batch(x)
    new = batch.with_weight(1, torch.zeros_like(batch.weights[1]))
    assert torch.equal(new(x), torch.zeros_like(before))
    assert torch.equal(new.weights[0], batch.weights[0])
    with torch.no_grad():
        new.weights[0].zero_()
    assert torch.equal(batch(x), before)
    # Batched products of another size may round their last bits otherwise.
    repeated, expected = batch.repeated(2)(x), before.repeat_interleave(2, 0)
    torch.testing.assert_close(repeated, expected, rtol=1e-12, atol=1e-14)
    member = batch.member(2)
    assert torch.equal(member.weights[1][0], batch.weights[1][2])
    assert member.widths == {"dense": (5, 7, 6, 3), "maps": (2, 4, 3, 5)}[kind]
    assert (member.networks, member.size) == (1, {"dense": 1, "maps": 4}[kind])


@each_kind
def test_gradients_stay_in_their_network(kind):
    """Catches a batch whose networks see one another's loss."""
    batch = network(kind)
    batch(samples(kind))[1].sum().backward()
    for weight in batch.weights:
        assert weight.grad[[0, 2]].abs().max().item() == 0.0
        assert weight.grad[1].abs().max().item() > 0.0


def test_a_convolution_on_one_pixel_is_dense():
    """Catches maps of one pixel that are kept apart from rows, and weights of two shapes."""
    weights = [normal(1, 7, 5), normal(1, 6, 7), normal(1, 3, 6)]
    kernels = [w[..., None, None] for w in weights[:2]]
    one, other = Network([*kernels, weights[2]]), Network(weights)
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]
    assert torch.equal(one(samples()), other(samples()))


one_map, head = torch.ones(1, 2, 1, 3, 3), torch.ones(1, 2, 32)


test_bad_arguments_are_named = refuses(
    (lambda: mlp([5]), r"need at least 2 widths, each >= 1, got \[5\]"),
    (lambda: mlp([5, 0, 2]), "need at least 2 widths"),
    (lambda: mlp([5, 2], seeds=()), "need at least 1 seed"),
    (lambda: mlp([5, 2], dtype=torch.float16), "need dtype float32 or float64"),
    (lambda: mlp([5, 2], activation="gelu"), "need activation in .*'relu'.* got 'gelu'"),
    (lambda: mlp([5, 2], init="he"), "need init 'glorot' or 'torch', got 'he'"),
    (lambda: convnet([1], outputs=3, size=4), "need at least 2 channels"),
    (lambda: convnet([1, 2], outputs=0, size=4), "need a whole outputs >= 1"),
    (lambda: convnet([1, 2], outputs=3, size=2), "need square kernels, q <= r = 2"),
    (lambda: convnet([1, 2], outputs=3, size=4, seeds=()), "need at least 1 seed"),
    (lambda: convnet([1, 2], outputs=3, size=4, dtype=torch.half), "need dtype"),
    (lambda: Network([]), "need at least 1 layer"),
    (lambda: Network([torch.ones(2, 3)]), r"need weights .*\(E, n_out, n_in\)"),
    (lambda: Network([torch.ones(2, 4, 3), torch.ones(1, 2, 4)]), "with one E"),
    (lambda: Network([torch.ones(1, 4, 3), torch.ones(1, 2, 5)]), "need n_in of each layer"),
    (lambda: Network([torch.ones(1, 4, 3).long()]), "of dtype float32 or float64"),
    (lambda: Network([torch.full((1, 1, 1), math.nan)]), "need finite weight of layer 0"),
    (lambda: Network([torch.ones(1, 4, 3)], size=4), "need size 1 without convolutions"),
    (lambda: Network([one_map], size=4), "need a dense layer at the end"),
    (lambda: Network([head, one_map], size=4), "need convolutions first"),
    (lambda: Network([one_map, one_map, head], size=4), "need n_in of each layer"),
    (lambda: Network([one_map, head[..., :31]], size=4), "need n_in of each layer"),
    (lambda: Network([one_map[..., :2], head], size=4), "need square kernels"),
    (lambda: Network([one_map, head.double()], size=4), "need weights of one dtype"),
    (lambda: Network([one_map, head / 0], size=4), "need finite weight of layer 1"),
    (lambda: network()(normal(10, 4)), r"need inputs \(N, 5\) or \(3, N, 5\)"),
    (lambda: network("maps")(normal(10, 31)), r"need inputs \(N, 32\) or"),
    (lambda: network()(normal(2, 10, 5)), r"got \(2, 10, 5\)"),
    (lambda: network()(normal(10, 5).float()), "need inputs of dtype torch.float64"),
    (lambda: network().layer_inputs(normal(10, 5), 3), "need 0 <= layer < 3, got 3"),
    (lambda: network().layer(0, 3), "need 0 <= network < 3, got 3"),
    (lambda: network().block(2, 0), "need 0 <= layer < 3, got 3"),
    (lambda: network("maps").block(1, 0), "need a second layer of 3 inputs, got 48"),
    (lambda: network().member(-1), "need 0 <= network < 3, got \\[-1"),
    (lambda: network().as_sequential(3), "need 0 <= network < 3, got 3"),
    (lambda: network().repeated(0), "need a whole times >= 1"),
    (lambda: network().with_weight(3, torch.ones(3, 7, 5)), "need 0 <= layer < 3"),
    (lambda: network().with_weight(0, torch.ones(3, 7, 4)), "need weight of shape"),
    (lambda: network().with_weight(0, torch.ones(3, 7, 5)), "need weight of dtype"),
)

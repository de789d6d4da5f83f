"""Perceptrons in a batch: against nn.Sequential, one by one, and by closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compressibility.models import ACTIVATIONS, MLP, Activation, mlp, shifted_softplus

WIDTHS = [5, 7, 6, 3]


def inputs(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(activation="tanh", seeds=(3, 1, 4)):
    return mlp(WIDTHS, activation=activation, seeds=seeds, dtype=torch.float64)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_each_member_is_a_sequential(activation):
    """Catches mixed networks, a transposed weight, a bias, an activation after the last layer."""
    batch, x = network(activation), inputs((10, 5))
    outputs = batch(x)
    assert outputs.shape == (3, 10, 3)
    for e in range(3):
        plain = batch.as_sequential(e)
        assert [type(m) for m in plain] == [nn.Linear, Activation] * 2 + [nn.Linear]
        torch.testing.assert_close(plain(x), outputs[e], rtol=1e-12, atol=1e-14)


def test_own_inputs_for_each_network():
    """Catches (E, N, d) inputs that all go to one network."""
    batch, x = network(), inputs((3, 10, 5))
    for e in range(3):
        torch.testing.assert_close(batch(x)[e], batch.member(e)(x[e])[0], rtol=1e-12, atol=1e-14)


def test_a_seed_is_one_network_everywhere():
    """Catches weights that depend on the company a network keeps, or on precision."""
    batch = network(seeds=(3, 1, 4))
    for e, seed in enumerate((3, 1, 4)):
        alone = network(seeds=(seed,))
        single = mlp(WIDTHS, activation="tanh", seeds=(seed,))
        for stacked, own, low in zip(batch.weights, alone.weights, single.weights, strict=True):
            assert torch.equal(stacked[e], own[0])
            assert torch.equal(low, own.float())
    assert not torch.equal(batch.weights[0][0], batch.weights[0][1])


def test_no_global_random_state():
    """Catches a draw from torch's default generator."""
    before = torch.get_rng_state()
    network()
    assert torch.equal(torch.get_rng_state(), before)


def test_glorot_uniform():
    """Catches fan-in or normal initialisation: bound, variance and uniformity, 5 sigma."""
    weight = mlp([300, 200], dtype=torch.float64).weights[0].detach()
    bound = math.sqrt(6 / 500)
    assert weight.abs().max().item() < bound
    assert weight.abs().max().item() > 0.999 * bound
    assert weight.mean().item() == pytest.approx(0, abs=5 * bound / math.sqrt(3 * 60000))
    error = bound**2 * math.sqrt(4 / 45 / 60000)
    assert weight.square().mean().item() == pytest.approx(2 / 500, abs=5 * error)


def test_glorot_is_torchs():
    """Catches another order of layers in a seed's stream: against torch.nn.init."""
    source = torch.Generator().manual_seed(9)
    for weight in network(seeds=(9,)).weights:
        reference = torch.empty(weight.shape[1:], dtype=torch.float64)
        nn.init.xavier_uniform_(reference, generator=source)
        assert torch.equal(weight[0].detach(), reference)


def test_layer_inputs():
    """Catches inputs before the activation, or of the layer next to it."""
    batch, x = network(), inputs((10, 5))
    assert torch.equal(batch.layer_inputs(x, 0), x.expand(3, -1, -1))
    first = torch.tanh(torch.einsum("eoi,ni->eno", batch.weights[0], x))
    torch.testing.assert_close(batch.layer_inputs(x, 1), first, rtol=1e-12, atol=1e-14)
    last = batch.layer_inputs(x, 2) @ batch.weights[2].mT
    assert torch.equal(last, batch(x))


def test_with_weight_is_a_copy():
    """Catches a replaced layer that changes the network it came from, or the wrong layer."""
    batch, x = network(), inputs((10, 5))
    before = batch(x)
    new = batch.with_weight(1, torch.zeros_like(batch.weights[1]))
    assert torch.equal(new(x), torch.zeros_like(before))
    assert torch.equal(new.weights[0], batch.weights[0])
    with torch.no_grad():
        new.weights[0].zero_()
    assert torch.equal(batch(x), before)


def test_member_and_repeated():
    """Catches copies in the wrong order: draws of one network must stand in a row."""
    batch, x = network(), inputs((10, 5))
    repeated = batch.repeated(2)
    assert repeated.networks == 6
    torch.testing.assert_close(
        repeated(x), batch(x).repeat_interleave(2, 0), rtol=1e-12, atol=1e-14
    )
    assert batch.member(2).networks == 1
    assert torch.equal(batch.member(2).weights[1][0], batch.weights[1][2])
    assert batch.widths == tuple(WIDTHS)


def test_gradients_stay_in_their_network():
    """Catches a batch whose networks see one another's loss."""
    batch = network()
    batch(inputs((10, 5)))[1].sum().backward()
    for weight in batch.weights:
        assert weight.grad[[0, 2]].abs().max().item() == 0.0
        assert weight.grad[1].abs().max().item() > 0.0


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_hypotheses_on_activations(activation):
    """Catches phi(0) != 0 (7), a slope above 1 (8), and, but for relu, |phi''| > 1 (9)."""
    phi = ACTIVATIONS[activation]
    for dtype in (torch.float32, torch.float64):
        assert phi(torch.zeros(1, dtype=dtype)).item() == 0.0
    x = torch.linspace(-6, 6, 24001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(phi(x).sum(), x, create_graph=True)
    assert slope.max().item() <= 1 + 1e-12
    assert slope.min().item() >= -1e-12
    if activation in ("tanh", "softplus"):
        (bend,) = torch.autograd.grad(slope.sum(), x)
        largest = {"tanh": 4 / (3 * math.sqrt(3)), "softplus": 1.0}[activation]
        assert bend.abs().max().item() == pytest.approx(largest, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(x=st.floats(-300, 300), sharpness=st.floats(0.1, 4))
def test_softplus_against_torchs(x, sharpness):
    """Catches a sharpness or a shift in the wrong place, and overflow far out."""
    point = torch.tensor(x, dtype=torch.float64)
    plain = nn.functional.softplus(point, beta=sharpness, threshold=1e9 if x < 0 else 30)
    expected = (plain - math.log(2) / sharpness).item()
    got = shifted_softplus(point, sharpness=sharpness).item()
    assert got == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mlp([5]), r"need at least 2 widths, each >= 1, got \[5\]"),
        (lambda: mlp([5, 0, 2]), "need at least 2 widths"),
        (lambda: mlp([5, 2], seeds=()), "need at least 1 seed"),
        (lambda: mlp([5, 2], dtype=torch.float16), "need dtype float32 or float64"),
        (lambda: mlp([5, 2], activation="gelu"), "need activation in .*'relu'.* got 'gelu'"),
        (lambda: MLP([]), "need at least 1 layer"),
        (lambda: MLP([torch.ones(2, 3)]), r"need weights \(E, n_out, n_in\)"),
        (lambda: MLP([torch.ones(2, 4, 3), torch.ones(1, 2, 4)]), "with one E"),
        (lambda: MLP([torch.ones(1, 4, 3), torch.ones(1, 2, 5)]), "need n_in of each layer"),
        (lambda: MLP([torch.ones(1, 4, 3).long()]), "need float weights of one dtype"),
        (lambda: MLP([torch.full((1, 1, 1), math.nan)]), "got nan or infinity in layer 0"),
        (lambda: network()(inputs((10, 4))), r"need inputs \(N, 5\) or \(3, N, 5\)"),
        (lambda: network()(inputs((2, 10, 5))), r"got \(2, 10, 5\)"),
        (lambda: network()(inputs((10, 5)).float()), "need inputs of dtype torch.float64"),
        (lambda: network().layer_inputs(inputs((10, 5)), 3), "need 0 <= layer < 3, got 3"),
        (lambda: network().member(-1), "need 0 <= network < 3, got -1"),
        (lambda: network().as_sequential(3), "need 0 <= network < 3, got 3"),
        (lambda: network().repeated(0), "need times >= 1"),
        (lambda: network().with_weight(0, torch.ones(3, 7, 4)), "need weight of shape"),
        (lambda: network().with_weight(0, torch.ones(3, 7, 5)), "need weight of dtype"),
        (lambda: shifted_softplus(torch.ones(1), sharpness=0.0), "need 0 < sharpness"),
    ],
)
def test_bad_arguments_are_named(call, message):
    """Catches networks that broadcast into something nobody asked for."""
    with pytest.raises(ValueError, match=message):
        call()


def test_activation_prints_its_name():
    """Catches a printed network that hides its activation."""
    assert "Activation(tanh)" in str(network())

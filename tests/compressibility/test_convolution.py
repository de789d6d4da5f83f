"""Convolutions as layers of a perceptron, against loops, dense matrices, PyTorch's own layers."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from compressibility.convnet import ConvNet, convnet, layer_norms, layer_spreads
from compressibility.convolution import conv_matrix, conv_norm, convolve, filter_norms, kernel_of
from compressibility.models import MLP
from compressibility.training import train

SHAPES = [(3, 2, 3, 6), (2, 3, 3, 5), (1, 4, 2, 5), (4, 1, 4, 4), (2, 2, 1, 3), (2, 2, 5, 5)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def sheet_case_c():
    return torch.from_numpy(np.random.default_rng(2).standard_normal((3, 2, 3, 3)))


def convolve_by_loops(images, kernel):
    """The definition, pixel by pixel."""
    (samples, d_in, r, _), (d_out, _, q, _) = images.shape, kernel.shape
    out, s = torch.zeros(samples, d_out, r, r, dtype=images.dtype), (q - 1) // 2
    for o, i, a, b in itertools.product(range(d_out), range(d_in), range(r), range(r)):
        for u, v in itertools.product(range(q), range(q)):
            out[:, o, a, b] += kernel[o, i, u, v] * images[:, i, (a + u - s) % r, (b + v - s) % r]
    return out


def zero_padded_matrix(kernel, size):
    """The matrix of a convolution padded with zeros, column by column from PyTorch."""
    d_in = kernel.shape[1]
    units = torch.eye(d_in * size**2, dtype=kernel.dtype).reshape(-1, d_in, size, size)
    padded = nn.functional.conv2d(units, kernel, padding=kernel.shape[-1] // 2)
    return padded.flatten(1).T


@pytest.mark.parametrize(("d_out", "d_in", "q", "r"), SHAPES)
def test_convolution_is_its_definition_its_matrix_and_pytorchs_layer(d_out, d_in, q, r):
    """Catches a flipped kernel, a wrong offset, swapped axes or an edge that does not wrap."""
    kernel, images = normal(d_out, d_in, q, q), normal(4, d_in, r, r, seed=1)
    expected = convolve_by_loops(images, kernel)
    matrix = conv_matrix(kernel, r)
    layer = nn.Conv2d(
        d_in, d_out, q, padding="same", padding_mode="circular", bias=False, dtype=torch.float64
    )
    layer.load_state_dict({"weight": kernel})
    assert matrix.shape == (d_out * r * r, d_in * r * r)
    torch.testing.assert_close(convolve(images, kernel), expected)
    torch.testing.assert_close(layer(images).detach(), expected)
    torch.testing.assert_close((images.flatten(1) @ matrix.T).reshape(expected.shape), expected)


def test_matrix_has_each_weight_r_squared_times():
    """Catches blocks that overlap or miss an entry: every weight stands once in each row."""
    kernel = torch.arange(1.0, 19.0).reshape(1, 2, 3, 3)
    matrix = conv_matrix(kernel, 4)
    assert (matrix != 0).sum(1).tolist() == [18] * 16
    for row in matrix:
        assert row[row != 0].sort().values.tolist() == kernel.flatten().tolist()


@pytest.mark.parametrize(("d_out", "d_in", "q", "r"), SHAPES)
def test_norms_are_those_of_the_dense_matrix(d_out, d_in, q, r):
    """Catches a lost frequency, a wrong half-plane or a norm of the wrong matrix."""
    kernel = normal(d_out, d_in, q, q, seed=3)
    matrix = conv_matrix(kernel, r)
    dense = torch.linalg.matrix_norm(matrix, ord=2)
    torch.testing.assert_close(conv_norm(kernel, r), dense, rtol=1e-12, atol=0)
    blocks = matrix.reshape(d_out, r * r, d_in, r * r).movedim(2, 1)
    dense = torch.linalg.matrix_norm(blocks, ord=2)
    torch.testing.assert_close(filter_norms(kernel, r), dense, rtol=1e-12, atol=0)


def test_stacks_of_kernels_are_single_kernels():
    """Catches a maximum that runs over the networks too."""
    stack = normal(3, 2, 4, 3, 3)
    assert conv_norm(stack, 6).tolist() == [conv_norm(k, 6).item() for k in stack]
    assert torch.equal(filter_norms(stack, 6), torch.stack([filter_norms(k, 6) for k in stack]))


def test_sheet_case_c():
    """Catches any constant of Lemma 14's chain (theory sheet, case C)."""
    kernel = sheet_case_c()
    assert conv_norm(kernel, 6).item() == pytest.approx(7.841587, rel=1e-6)
    blocks = filter_norms(kernel, 6)
    sums = kernel.abs().sum((2, 3))
    assert blocks.max().item() == pytest.approx(6.545195, rel=1e-6)
    assert sums.max().item() == pytest.approx(9.352549, rel=1e-6)
    assert 9 * kernel.abs().max().item() == pytest.approx(21.97321, rel=1e-6)
    assert bool((blocks <= sums).all())


@pytest.mark.parametrize("r", [3, 4, 7])
def test_lemma_14_is_attained(r):
    """Catches a DFT with a factor: equal weights of one sign meet the whole chain."""
    kernel = torch.full((1, 1, 3, 3), -0.5)
    assert filter_norms(kernel, r).item() == pytest.approx(4.5, rel=1e-12)
    assert conv_norm(kernel, r).item() == pytest.approx(4.5, rel=1e-12)


def test_zero_padding_has_another_norm():
    """Catches a reader's shortcut: the DFT's norm is not that of a zero-padded convolution."""
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    zero_padded = torch.linalg.matrix_norm(zero_padded_matrix(kernel, 6), ord=2).item()
    # Rows and columns factorize: the norm of three diagonals of ones is 1 + 2 cos(pi / (r + 1)).
    assert zero_padded == pytest.approx((1 + 2 * math.cos(math.pi / 7)) ** 2, rel=1e-12)
    assert conv_norm(kernel, 6).item() == pytest.approx(9.0, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "padding that keeps"),
        ({"padding": 1}, "padding_mode 'circular', got 'zeros'"),
        ({"padding": "same"}, "padding_mode 'circular', got 'zeros'"),
        ({"padding": 1, "padding_mode": "reflect"}, "padding_mode 'circular', got 'reflect'"),
        ({"padding": 2, "padding_mode": "circular"}, "padding that keeps"),
        ({"padding": "valid", "padding_mode": "circular"}, "padding that keeps"),
        ({"padding": 1, "padding_mode": "circular", "stride": 2}, "stride 1"),
        ({"padding": 1, "padding_mode": "circular", "dilation": 2}, "dilation 1"),
        ({"padding": 1, "padding_mode": "circular", "groups": 2}, "groups 1"),
        ({"padding": 1, "padding_mode": "circular", "bias": True}, "bias=False"),
    ],
)
def test_other_convolutions_are_refused(options, message):
    """Catches a layer that is silently treated as circular."""
    layer = nn.Conv2d(2, 2, 3, **{"bias": False, **options})
    with pytest.raises(ValueError, match=f"need .*{message}"):
        kernel_of(layer)


def test_oblong_kernels_and_other_modules_are_refused():
    """Catches modules that have a weight but are no convolution of the theory."""
    oblong = nn.Conv2d(1, 1, (1, 3), padding="same", padding_mode="circular", bias=False)
    with pytest.raises(ValueError, match="square kernel"):
        kernel_of(oblong)
    with pytest.raises(ValueError, match="Conv2d, got Linear"):
        kernel_of(nn.Linear(3, 3))


def test_kernel_of_reads_what_as_sequential_writes():
    """Catches a round trip that loses or reorders filters; a 1 x 1 kernel needs no padding."""
    network = convnet([2, 3], outputs=2, size=4, seeds=(5,))
    layer = network.as_sequential(0)[0]
    assert torch.equal(kernel_of(layer), network.kernels[0][0].detach())
    assert kernel_of(nn.Conv2d(2, 5, 1, bias=False)).shape == (5, 2, 1, 1)


@pytest.mark.parametrize(
    ("kernel", "size", "message"),
    [
        (torch.ones(2, 3, 3), 6, "need kernel"),
        (torch.ones(2, 3, 3, 2), 6, "need kernel"),
        (torch.ones(2, 0, 3, 3), 6, "need kernel"),
        (torch.ones(2, 1, 3, 3, dtype=torch.int64), 6, "dtype"),
        (torch.full((1, 1, 3, 3), math.nan), 6, "finite"),
        (torch.ones(2, 1, 3, 3), 2, "need q <= r, got q = 3 and r = 2"),
    ],
)
@pytest.mark.parametrize("function", [conv_matrix, conv_norm, filter_norms])
def test_bad_kernels_are_refused(function, kernel, size, message):
    """Catches nonsense that would come out as a number."""
    with pytest.raises(ValueError, match=message):
        function(kernel, size)


def test_matrix_takes_no_stack():
    """Catches a stack whose first axis is taken for channels."""
    with pytest.raises(ValueError, match=r"need kernel \(d_out"):
        conv_matrix(torch.ones(2, 1, 1, 3, 3), 6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_network_is_pytorchs_and_the_perceptron_of_its_matrices(activation):
    """Catches a layer out of order, a wrong flattening, or networks that mix."""
    network = convnet(
        [2, 4, 3], outputs=5, size=4, activation=activation, seeds=(1, 2), dtype=torch.float64
    )
    x = normal(6, 32, seed=4)
    outputs = network(x).detach()
    assert outputs.shape == (2, 6, 5)
    for e in range(2):
        ordinary = network.as_sequential(e)
        torch.testing.assert_close(ordinary(x.reshape(6, 2, 4, 4)).detach(), outputs[e])
        matrices = [conv_matrix(k[e], 4)[None] for k in network.kernels]
        perceptron = MLP([*matrices, network.head[e : e + 1].detach()], activation=activation)
        torch.testing.assert_close(perceptron(x)[0].detach(), outputs[e])
        torch.testing.assert_close(network.member(e)(x)[0].detach(), outputs[e])
        seen = perceptron.layer_inputs(x, 2)[0].detach()
        torch.testing.assert_close(network.layer_inputs(x, 2)[e].flatten(1).detach(), seen)
    each = torch.stack([x, 2 * x])
    torch.testing.assert_close(network(each)[1].detach(), network(2 * x)[1].detach())


def test_seeds_are_networks_alone_or_together():
    """Catches a network that depends on its neighbours or on the dtype."""
    both = convnet([1, 4], outputs=3, size=5, seeds=(7, 8))
    alone = convnet([1, 4], outputs=3, size=5, seeds=(8,), dtype=torch.float64)
    assert torch.equal(both.kernels[0][1], alone.kernels[0][0].float())
    assert torch.equal(both.head[1], alone.head[0].float())
    bound = math.sqrt(6 / (9 * 5))
    wide = convnet([1, 4000], outputs=1, size=3).kernels[0].abs().max().item()
    assert wide == pytest.approx(math.sqrt(6 / (9 * 4001)), rel=1e-3)
    assert both.kernels[0].abs().max().item() <= bound


def test_training_moves_every_network_as_if_alone():
    """Catches gradients that reach another network, or a shape that the training loop refuses."""
    x, y = normal(24, 16).float(), torch.arange(24) % 3
    options = {"loss": "cross_entropy", "optimizer": "adam", "learning_rate": 1e-2}
    both = convnet([1, 4, 2], outputs=3, size=4, seeds=(0, 1))
    history = train(both, x, y, epochs=20, batch_size=8, seeds=(0, 1), **options)
    alone = convnet([1, 4, 2], outputs=3, size=4, seeds=(1,))
    train(alone, x, y, epochs=20, batch_size=8, seeds=(1,), **options)
    torch.testing.assert_close(both(x)[1], alone(x)[0], rtol=1e-4, atol=1e-5)
    assert bool((history.epoch_losses[-1] < history.epoch_losses[0]).all())


def test_constants_are_those_of_the_matrices():
    """Catches a norm or a spread of the wrong layer, or (33) without its factors."""
    network = convnet([2, 4, 3], outputs=5, size=4, seeds=(1, 2), dtype=torch.float64)
    for e in range(2):
        matrices = [conv_matrix(k[e], 4) for k in network.kernels]
        dense = [torch.linalg.matrix_norm(w, ord=2) for w in (*matrices, network.head[e])]
        torch.testing.assert_close(layer_norms(network)[e], torch.stack(dense).detach())
        spreads = [3 * math.sqrt(4) * w.abs().max().item() for w in matrices]
        assert layer_spreads(network)[e].tolist() == pytest.approx(spreads)


def test_with_kernel_changes_one_layer_of_a_copy():
    """Catches a change that reaches the original or another layer."""
    network = convnet([1, 2, 2], outputs=3, size=4)
    changed = network.with_kernel(1, torch.zeros_like(network.kernels[1]))
    assert torch.equal(changed.kernels[0], network.kernels[0])
    assert not changed.kernels[1].any()
    assert network.kernels[1].all()


@pytest.mark.parametrize(
    ("kernels", "head", "message"),
    [
        ([], torch.ones(1, 2, 16), "at least 1 kernel"),
        ([torch.ones(2, 1, 3, 3)], torch.ones(1, 2, 32), "need kernels"),
        ([torch.ones(1, 2, 1, 5, 5)], torch.ones(1, 2, 32), "need q <= r"),
        ([torch.ones(1, 2, 1, 3, 3)] * 2, torch.ones(1, 2, 32), "d_in of each kernel"),
        ([torch.ones(1, 2, 1, 3, 3)], torch.ones(1, 2, 31), "need head"),
        ([torch.ones(1, 2, 1, 3, 3)], torch.ones(2, 2, 32), "need head"),
        ([torch.ones(1, 2, 1, 3, 3)], torch.ones(1, 2, 32).double(), "one dtype"),
        ([torch.ones(1, 2, 1, 3, 3)], torch.full((1, 2, 32), math.inf), "finite"),
    ],
)
def test_bad_networks_are_refused(kernels, head, message):
    """Catches weights that do not make a network."""
    with pytest.raises(ValueError, match=message):
        ConvNet(kernels, head, size=4)


def test_bad_requests_are_refused():
    """Catches arguments out of range, each before any work."""
    network = convnet([1, 2], outputs=3, size=4)
    requests = [
        (lambda: network(torch.ones(5, 15)), r"need inputs \(N, 16\)"),
        (lambda: network(torch.ones(5, 16).double()), "dtype"),
        (lambda: network.layer_inputs(torch.ones(5, 16), 2), "0 <= layer <= 1"),
        (lambda: network.member(1), "0 <= network < 1"),
        (lambda: network.as_sequential(-1), "0 <= network < 1"),
        (lambda: network.with_kernel(1, network.kernels[0]), "0 <= layer < 1"),
        (lambda: network.with_kernel(0, torch.ones(1, 2, 1, 1, 1)), "need kernel of shape"),
        (lambda: convnet([1], outputs=3, size=4), "at least 2 channels"),
        (lambda: convnet([1, 2], outputs=0, size=4), "outputs, size, kernel_size >= 1"),
        (lambda: convnet([1, 2], outputs=3, size=2), "need q <= r"),
        (lambda: convnet([1, 2], outputs=3, size=4, seeds=()), "at least 1 seed"),
        (lambda: convnet([1, 2], outputs=3, size=4, dtype=torch.float16), "dtype"),
        (lambda: convnet([1, 2], outputs=3, size=4, activation="sin"), "activation"),
    ]
    for request, message in requests:
        with pytest.raises(ValueError, match=message):
            request()

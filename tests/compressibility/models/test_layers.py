"""Layers, against loops, dense matrices, PyTorch's own modules and closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from compressibility.models.layers import Block, Layer, spectra
from compressibility.models.network import convnet
from tests.compressibility.helpers import normal, refuses

SHAPES = [(3, 2, 3, 6), (2, 3, 3, 5), (1, 4, 2, 5), (4, 1, 4, 4), (2, 2, 1, 3), (2, 2, 5, 5)]
SHAPES += [(3, 5, 1, 1)]
each_shape = pytest.mark.parametrize(("d_out", "d_in", "q", "r"), SHAPES)


def convolve_by_loops(images, kernel):
    """The definition, pixel by pixel."""
    (samples, d_in, r, _), (d_out, _, q, _) = images.shape, kernel.shape
    out, s = torch.zeros(samples, d_out, r, r, dtype=images.dtype), (q - 1) // 2
    for o, i, a, b in itertools.product(range(d_out), range(d_in), range(r), range(r)):
        for u, v in itertools.product(range(q), range(q)):
            out[:, o, a, b] += kernel[o, i, u, v] * images[:, i, (a + u - s) % r, (b + v - s) % r]
    return out


def as_maps(layer, images):
    return images.flatten(1) if layer.is_dense else images


@each_shape
def test_layer_is_its_definition_its_matrix_and_pytorchs_module(d_out, d_in, q, r):
    """Catches a flipped kernel, a wrong offset, swapped axes or an edge that does not wrap."""
    kernel, images = normal(d_out, d_in, q, q), normal(3, d_in, r, r, seed=1)
    layer, expected = Layer(kernel, r), convolve_by_loops(images, kernel).flatten(1)
    options = {"padding": "same", "padding_mode": "circular", "bias": False}
    module = nn.Conv2d(d_in, d_out, q, dtype=torch.float64, **options)
    module.load_state_dict({"weight": kernel})
    assert layer.matrix().shape == (d_out * r * r, d_in * r * r)
    torch.testing.assert_close(layer(as_maps(layer, images)).flatten(1), expected)
    torch.testing.assert_close(module(images).detach().flatten(1), expected)
    torch.testing.assert_close(images.flatten(1) @ layer.matrix().T, expected)
    assert torch.equal(Layer.of(module, r).kernel, kernel)
    assert (layer.outputs, layer.inputs, layer.pixels) == (d_out, d_in, r * r)


@each_shape
def test_norms_are_those_of_the_dense_matrix(d_out, d_in, q, r):
    """Catches a lost frequency, a wrong half-plane or a norm of the wrong matrix."""
    layer = Layer(normal(d_out, d_in, q, q, seed=3), r)
    matrix = layer.matrix()
    dense = torch.linalg.matrix_norm(matrix, ord=2).item()
    assert layer.norm() == pytest.approx(dense, rel=1e-12)
    blocks = matrix.reshape(d_out, r * r, d_in, r * r).movedim(2, 1)
    dense = torch.linalg.matrix_norm(blocks, ord=2)
    torch.testing.assert_close(layer.entries(), dense, rtol=1e-12, atol=0)


@each_shape
def test_energies_are_those_of_the_outputs(d_out, d_in, q, r):
    """Catches a frequency counted once too often, a sum over the wrong channel, x^2 for E x^2."""
    layer, images = Layer(normal(d_out, d_in, q, q), r), normal(7, d_in, r, r, seed=1)
    expected = [
        convolve_by_loops(images[:, [i]], layer.kernel[:, [i]]).square().sum().item() / 7
        for i in range(d_in)
    ]
    got = layer.energies(as_maps(layer, images))
    assert got.tolist() == pytest.approx(expected, rel=1e-12)


def test_one_pixel_is_a_real_matrix():
    """Catches complex arithmetic on one pixel, where it costs four times the time."""
    weight, x = normal(4, 3), normal(5, 3, seed=1)
    layer = Layer.dense(weight)
    assert layer.is_dense
    assert layer.spectrum().dtype == spectra(x).dtype == torch.float64
    pairs = ((layer.spectrum(), weight[None]), (spectra(x), x[None]), (layer.weight, weight))
    assert all(torch.equal(one, other) for one, other in pairs)
    assert torch.equal(Layer(weight[..., None, None], 4).weight, weight[..., None, None])


def test_layers_of_anything_like_a_matrix():
    """Catches lists read in single precision, gradients that are kept, a dtype that is changed."""
    module = nn.Linear(3, 2, bias=False)
    layer = Layer.of(module)
    assert torch.equal(layer.weight, module.weight.detach())
    assert not layer.kernel.requires_grad
    assert Layer.dense([[0.1, 2.0]]).weight.tolist() == [[0.1, 2.0]]
    assert Layer.dense(np.ones((2, 3), dtype=np.float32)).kernel.dtype == torch.float32
    assert layer.double().kernel.dtype == torch.float64
    assert Layer.of(nn.Conv2d(2, 5, 1, bias=False), 4).kernel.shape == (5, 2, 1, 1)
    network = convnet([2, 3], outputs=2, size=4, seeds=(5,))
    convolution, *_, head = network.as_sequential(0)
    assert torch.equal(Layer.of(convolution, 4).kernel, network.weights[0][0].detach())
    assert torch.equal(Layer.of(head).weight, network.weights[1][0].detach())


def test_sheet_case_c():
    """Catches any constant of Lemma 14's chain (theory sheet, case C)."""
    kernel = torch.from_numpy(np.random.default_rng(2).standard_normal((3, 2, 3, 3)))
    layer, sums = Layer(kernel, 6), kernel.abs().sum((2, 3))
    found = [layer.norm(), layer.entries().max(), sums.max(), 9 * kernel.abs().max()]
    assert found == pytest.approx([7.841587, 6.545195, 9.352549, 21.97321], rel=1e-6)
    assert bool((layer.entries() <= sums).all())


def test_lemma_14_is_attained_and_zero_padding_is_another_layer():
    """Catches a DFT with a factor, and a reader's shortcut: zero padding has another norm."""
    for r in (3, 4, 7):
        layer = Layer(torch.full((1, 1, 3, 3), -0.5), r)
        assert [layer.norm(), layer.entries().item()] == pytest.approx([4.5, 4.5], rel=1e-12)
    units, kernel = torch.eye(36).double().reshape(-1, 1, 6, 6), torch.ones(1, 1, 3, 3).double()
    padded = nn.functional.conv2d(units, kernel, padding=1).flatten(1).T
    # Rows and columns factorize: the norm of three diagonals of ones is 1 + 2 cos(pi / (r + 1)).
    zero_padded = torch.linalg.matrix_norm(padded, ord=2).item()
    assert zero_padded == pytest.approx((1 + 2 * math.cos(math.pi / 7)) ** 2, rel=1e-12)
    assert Layer(kernel, 6).norm() == pytest.approx(9.0, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_energies_far_from_one(dtype):
    """Catches squares in single precision, 0 * inf, and an order lost to over- or underflow."""
    far = 3e19 if dtype == torch.float32 else 1e170
    layer = Layer.dense(torch.tensor([[0.0, 1.0, 1 / far, 2 / far]], dtype=dtype))
    maps = torch.tensor([[far, 0.0, far, far]], dtype=dtype)
    assert layer.energies(maps).tolist() == pytest.approx([0.0, 0.0, 1.0, 4.0], rel=1e-6)
    tiny = 1e-25 if dtype == torch.float32 else 1e-60
    least = torch.full((1, 1), tiny, dtype=dtype)
    assert Layer.dense(least).energies(least).item() == pytest.approx(tiny**4, rel=1e-6)
    kernel = torch.full((1, 2, 3, 3), tiny, dtype=dtype)
    images = torch.ones(1, 2, 4, 4, dtype=dtype) / tiny
    got = Layer(kernel, 4).energies(images)
    assert got.tolist() == pytest.approx([16 * 81.0] * 2, rel=1e-6)


def test_block_is_second_of_phi_of_first_and_nothing_is_changed():
    """Catches layers exchanged, and scaling or an activation that writes into what it was given."""
    kernel, images = normal(2, 2, 3, 3), normal(3, 2, 4, 4)
    before, layer = (kernel.clone(), images.clone()), Layer(kernel, 4)
    matrix = layer.matrix()
    expected = torch.tanh(images.flatten(1) @ matrix.T) @ matrix.T
    torch.testing.assert_close(Block(layer, layer, torch.tanh)(images).flatten(1), expected)
    Block(layer, layer, nn.Tanh())(images), layer.energies(images), layer.norm()
    assert torch.equal(kernel, before[0])
    assert torch.equal(images, before[1])


def convolution(**options):
    """The call that reads a convolution, circular but for its options."""
    known = {"kernel_size": 3, "padding": 1, "padding_mode": "circular", "bias": False}
    return lambda: Layer.of(nn.Conv2d(2, 2, **{**known, **options}), 6)


test_other_convolutions_are_refused = refuses(
    (convolution(padding=0, padding_mode="zeros"), "need .*padding that keeps"),
    (convolution(padding_mode="zeros"), "need .*padding_mode 'circular', got 'zeros'"),
    (convolution(padding="same", padding_mode="zeros"), "padding_mode 'circular', got 'zeros'"),
    (convolution(padding_mode="reflect"), "need .*padding_mode 'circular', got 'reflect'"),
    (convolution(padding=2), "need .*padding that keeps"),
    (convolution(padding="valid"), "need .*padding that keeps"),
    (convolution(stride=2), "need .*stride 1"),
    (convolution(dilation=2), "need .*dilation 1"),
    (convolution(groups=2), "need .*groups 1"),
    (convolution(bias=True), "need .*bias=False"),
    (convolution(kernel_size=(3, 1)), "need .*a square kernel"),
)


def pair(*shape, size=1, phi=torch.tanh, dtype=torch.float32):
    """The call that puts a second layer of ones on one of 4 outputs."""
    second = torch.ones(*shape, 1, 1, dtype=dtype)
    return lambda: Block(Layer.dense(torch.ones(4, 3)), Layer(second, size), phi)


def energies(*shape, size=1, fill=1.0):
    """The call for the energies of constant maps."""
    layer = Layer(torch.ones(3, 2, 1, 1).double(), size)
    return lambda: layer.energies(torch.full(shape, fill, dtype=torch.float64))


test_bad_arguments_are_named = refuses(
    (lambda: Layer(torch.ones(2, 3, 3), 6), r"need kernel \(d_out, d_in, q, q\)"),
    (lambda: Layer(torch.ones(2, 1, 1, 3, 3), 6), "need kernel"),
    (lambda: Layer(torch.ones(2, 3, 3, 2), 6), "need kernel"),
    (lambda: Layer(torch.ones(2, 0, 3, 3), 6), "need kernel .*none empty"),
    (lambda: Layer(torch.ones(2, 1, 3, 3).long(), 6), "dtype float32 or float64"),
    (lambda: Layer(torch.full((1, 1, 3, 3), math.nan), 6), "need finite kernel"),
    (lambda: Layer(torch.ones(2, 1, 3, 3), 2), "need q <= r, got q = 3 and r = 2"),
    (lambda: Layer(torch.ones(1, 1, 1, 1), 0), "need a whole size >= 1"),
    (lambda: Layer.dense(torch.ones(3)), r"need weight \(n_out, n_in\), none empty"),
    (lambda: Layer.dense(np.ones((2, 2), dtype=int)), "dtype float32 or float64"),
    (lambda: Layer.of(nn.Linear(3, 3)), "need bias=False, got a bias"),
    (lambda: Layer.of(nn.Linear(3, 3, bias=False), 2), "need size 1 for a Linear"),
    (lambda: Layer.of(nn.Conv1d(3, 3, 1)), "need a torch.nn.Linear or Conv2d, got Conv1d"),
    (pair(2, 3), "need a second layer of 4 inputs, got 3"),
    (pair(2, 4, size=2), "need a second layer on maps of size 1, got 2"),
    (pair(2, 4, dtype=torch.float64), "need a second layer of dtype"),
    (pair(2, 4, phi=nn.Softmax(-1)), "mixes entries"),
    (energies(5, 3), r"need inputs \(N, 2\), N >= 1, got \(5, 3\)"),
    (energies(0, 2), "N >= 1"),
    (energies(5, 2, 1, 1), r"need inputs \(N, 2\)"),
    (energies(5, 2, 3, 3, size=4), r"\(N, 2, 4, 4\), N >= 1, got \(5, 2, 3, 3\)"),
    (energies(5, 32, size=4), "need inputs"),
    (energies(5, 2, fill=math.nan), "need finite inputs"),
    (energies(5, 2, fill=1e170), "need energies between"),
    (energies(5, 2, fill=1e-170), "need energies between"),
    (lambda: Layer.dense([[1.0]]).check_maps(torch.ones(1, 1), "x"), r"need x of dtype .*64, got"),
)

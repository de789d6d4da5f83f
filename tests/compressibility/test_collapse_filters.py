"""Networks without their dead channels, against the networks they come from."""

import pytest
import torch

from compressibility.collapse import collapse
from compressibility.collapse_filters import collapse_filters, size_of
from compressibility.convnet import convnet
from compressibility.convolution import conv_matrix
from compressibility.filters import compress_input_filters, compress_output_filters
from compressibility.models import ACTIVATIONS, MLP
from compressibility.schemes import Pruning


def network(activation="tanh"):
    return convnet([2, 9, 4], outputs=3, size=4, activation=activation, dtype=torch.float64)


def images(samples=7):
    source = torch.Generator().manual_seed(1)
    return torch.randn(samples, 32, generator=source, dtype=torch.float64)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("which", ["input", "output"])
def test_pruned_network_is_its_smaller_self(activation, which):
    """Catches a channel taken from one side only, or one that still mattered."""
    dense, x, source = network(activation), images(), torch.Generator().manual_seed(2)
    first, second = (k[0].detach() for k in dense.kernels)
    seen = dense.layer_inputs(x, 1)[0].detach()
    options = {"fraction": 0.9, "generator": source}
    if which == "input":
        pruned = compress_input_filters(second, seen, Pruning(keep=0.3), **options)
    else:
        phi, maps = ACTIVATIONS[activation], x.reshape(-1, 2, 4, 4)
        pruned = compress_output_filters(first, second, phi, maps, Pruning(keep=0.3), **options)
    thin = dense.with_kernel(int(which == "input"), pruned.kernels())
    smaller = collapse_filters(thin)
    alive = pruned.scale[0].nonzero().flatten()
    assert 0 < len(alive) < 9
    assert smaller.kept[0].tolist() == alive.tolist()
    assert smaller.kept[1].tolist() == [0, 1, 2, 3]
    assert smaller.network.channels == (2, len(alive), 4)
    torch.testing.assert_close(smaller.network(x), thin(x), rtol=1e-12, atol=1e-14)
    exported = smaller.as_sequential()
    own = {module for module in exported if type(module).__module__.startswith("compress")}
    assert not own or activation == "softplus"  # which PyTorch does not have
    ordinary = exported(x.reshape(-1, 2, 4, 4))
    torch.testing.assert_close(ordinary, thin(x)[0], rtol=1e-12, atol=1e-14)


def test_sizes_are_counted():
    """Catches a count that forgets the pixels, the head or the channels that went."""
    dense = network()
    kernel = dense.kernels[0].detach().clone()
    kernel[:, 3:] = 0
    smaller = collapse_filters(dense.with_kernel(0, kernel))
    assert smaller.before == size_of(dense)
    assert smaller.before.parameters == 2 * 9 * 9 + 9 * 4 * 9 + 3 * 64
    assert smaller.before.multiplies == 16 * (2 * 9 * 9 + 9 * 4 * 9) + 3 * 64
    assert smaller.after.parameters == 2 * 3 * 9 + 3 * 4 * 9 + 3 * 64
    assert smaller.after.multiplies == 16 * (2 * 3 * 9 + 3 * 4 * 9) + 3 * 64


def test_death_spreads_up_and_down():
    """Catches one pass only: a channel whose readers are all dead is dead as well."""
    dense = network()
    head = dense.head.detach().clone().reshape(1, 3, 4, 16)
    head[:, :, 1:] = 0  # channels 1, 2, 3 of the last map are read by nothing
    second = dense.kernels[1].detach().clone()
    second[:, 0, 2:] = 0  # and channel 0 reads the first two channels of the map before only
    dense.head.data = head.reshape(1, 3, 64)
    thin = dense.with_kernel(1, second)
    smaller = collapse_filters(thin)
    assert [kept.tolist() for kept in smaller.kept] == [[0, 1], [0]]
    torch.testing.assert_close(smaller.network(images()), thin(images()), rtol=1e-12, atol=1e-14)


def test_dead_network_keeps_its_shape():
    """Catches a network without channels: nothing reaches the outputs, which are 0."""
    dense = network()
    thin = dense.with_kernel(0, torch.zeros_like(dense.kernels[0]))
    smaller = collapse_filters(thin)
    assert smaller.network.channels == (2, 1, 1)
    assert not smaller.network(images()).any()


def test_agrees_with_the_perceptron_of_its_matrices():
    """Catches another idea of death than that of neurons: a dead channel is r² dead neurons."""
    dense = network()
    kernel = dense.kernels[0].detach().clone()
    kernel[:, [1, 4, 5]] = 0
    thin = dense.with_kernel(0, kernel)
    matrices = [conv_matrix(k[0], 4)[None] for k in thin.kernels]
    neurons = collapse(MLP([*matrices, thin.head.detach()], activation="tanh"))
    channels = collapse_filters(thin)
    assert neurons.network.widths == (32, 16 * 6, 16 * 4, 3)
    assert channels.network.channels == (2, 6, 4)


def test_batches_are_refused():
    """Catches networks that die in different places and share one shape."""
    both = convnet([1, 2], outputs=3, size=4, seeds=(0, 1))
    with pytest.raises(ValueError, match="need 1 network, got 2"):
        collapse_filters(both)

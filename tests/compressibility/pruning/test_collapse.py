"""Dead neurons and channels taken out: the same function, nothing alive lost, nothing dead left."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.models.activations import ACTIVATIONS
from compressibility.models.network import Network, convnet, mlp
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.collapse import Size, collapse, living, size_of
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Pruning
from compressibility.pruning.wide import compress_wide
from tests.compressibility.helpers import refuses
from tests.compressibility.pruning.cases import generator


def sparse_network(seed, widths, density):
    """One network of small integers, most of them zero."""
    source, weights = generator(seed), []
    for n_in, n_out in pairwise(widths):
        values = torch.randint(-3, 4, (1, n_out, n_in), generator=source).double()
        weights.append(values * (torch.rand(1, n_out, n_in, generator=source) < density))
    return Network(weights, activation="relu")


def filters(activation="tanh"):
    return convnet([2, 9, 4], outputs=3, size=4, activation=activation, dtype=torch.float64)


def images(samples=7):
    return torch.randn(samples, 32, generator=generator(1), dtype=torch.float64)


def delete_until_nothing_changes(weights):
    """The reference: drop neurons with a zero row or a zero column, again and again."""
    kept = [list(range(w.shape[0])) for w in weights[:-1]]
    while True:
        for layer, left in enumerate(kept):
            below = kept[layer - 1] if layer else list(range(weights[0].shape[1]))
            above = kept[layer + 1] if layer + 1 < len(kept) else list(range(len(weights[-1])))
            fed = {i for i in left if weights[layer][i, below].any()}
            heard = {i for i in left if weights[layer + 1][above, i].any()}
            now = [i for i in left if i in fed & heard]
            if now != left:
                kept[layer] = now
                break
        else:
            return kept


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**16),
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    density=st.sampled_from([0.0, 0.2, 0.4, 0.7]),
)
def test_collapse_is_the_same_function_and_as_small_as_deletion_makes_it(seed, widths, density):
    """Catches a living neuron lost, a dead one left, columns that belong to other neurons."""
    network = sparse_network(seed, widths, density)
    result = collapse(network)
    x = torch.randint(-4, 5, (20, widths[0]), generator=generator(1)).double()
    assert torch.equal(result.network(x), network(x))
    expected = delete_until_nothing_changes([w[0].detach() for w in network.weights])
    assert [kept.tolist() for kept in result.kept] == [left or [0] for left in expected]
    assert result.network.widths == (widths[0], *map(len, result.kept), widths[-1])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("maps", [False, True], ids=["neurons", "filters"])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_pruned_networks_shrink_and_agree(name, maps, side):
    """Catches a function that changes for some activation, or dead units that stay."""
    dense = filters(name) if maps else mlp([32, 60, 7, 3], activation=name, dtype=torch.float64)
    x, wide = images(), dense.widths[1]
    cut = Cut(Pruning(0.3), 0.9, groups=True)
    if side == "outputs":
        seen = dense.layer_inputs(x, 0)[0].detach()
        pruned = compress_block(dense.block(0, 0), seen, cut, generator(2))
    else:
        seen = dense.layer_inputs(x, 1)[0].detach()
        pruned = compress_wide(dense.layer(1, 0), seen, cut, generator(2))
    thin = dense.with_weight(int(side == "inputs"), pruned.weight)
    result = collapse(thin)
    left = round(pruned.kept_share.item() * wide)
    assert 0 < left < wide
    assert result.network.widths == (dense.widths[0], left, *dense.widths[2:])
    axes = [a for a in range(thin.weights[0].ndim) if a != 1 + (side == "inputs")]
    alive = thin.weights[int(side == "inputs")].detach().abs().sum(axes).nonzero().flatten()
    assert torch.equal(result.kept[0], alive)
    torch.testing.assert_close(result.network(x), thin(x), rtol=1e-12, atol=1e-12)
    exported = result.as_sequential()
    own = {module for module in exported if type(module).__module__.startswith("compress")}
    assert not own or name == "softplus"  # which PyTorch does not have
    shaped = x.reshape(-1, 2, 4, 4) if maps else x
    torch.testing.assert_close(exported(shaped), thin(x)[0], rtol=1e-12, atol=1e-12)
    counted = sum(p.numel() for p in exported.parameters())
    assert result.before == size_of(thin)
    assert result.after.parameters == counted


def test_sizes_are_counted():
    """Catches a count that forgets the pixels, the head or the channels that went."""
    dense = filters()
    kernel = dense.weights[0].detach().clone()
    kernel[:, 3:] = 0
    smaller = collapse(dense.with_weight(0, kernel))
    thick, thin = 2 * 9 * 9 + 9 * 4 * 9, 2 * 3 * 9 + 3 * 4 * 9
    assert smaller.before == Size(thick + 3 * 64, 16 * thick + 3 * 64)
    assert smaller.after == Size(thin + 3 * 64, 16 * thin + 3 * 64)
    assert size_of(mlp([5, 60, 7])) == Size(720, 720)


def test_death_of_channels_spreads_up_and_down():
    """Catches one pass only: a channel whose readers are all dead is dead as well."""
    dense = filters()
    head = dense.weights[2].detach().clone().reshape(1, 3, 4, 16)
    head[:, :, 1:] = 0  # channels 1, 2, 3 of the last map are read by nothing
    second = dense.weights[1].detach().clone()
    second[:, 0, 2:] = 0  # and channel 0 reads the first two channels of the map before only
    thin = dense.with_weight(1, second).with_weight(2, head.reshape(1, 3, 64))
    smaller = collapse(thin)
    assert [kept.tolist() for kept in smaller.kept] == [[0, 1], [0]]
    torch.testing.assert_close(smaller.network(images()), thin(images()), rtol=1e-12, atol=1e-14)


def test_what_is_dead_as_a_whole_keeps_one_unit_and_says_zero():
    """Catches an empty layer, or a kept dead channel that wakes up once others are gone."""
    dense = filters()
    smaller = collapse(dense.with_weight(0, torch.zeros_like(dense.weights[0])))
    assert smaller.network.widths == (2, 1, 1, 3)
    assert not smaller.network(images()).any()


def test_a_network_without_dead_neurons_stays():
    """Catches neurons lost though they work, and a result that shares memory with its input."""
    for network in (mlp([3, 4, 2]), filters()):
        result = collapse(network)
        for old, new in zip(network.weights, result.network.weights, strict=True):
            assert torch.equal(old, new)
            assert old.data_ptr() != new.data_ptr()
        assert result.before == result.after
    assert all(mask.all() for mask in living([w[0] != 0 for w in mlp([3, 4, 2]).weights]))


TWO = {"seeds": (0, 1)}
ONLY_ONE = r"need 1 network, got 2: take one with member\(e\)"
test_batches_are_refused = refuses(
    (lambda: collapse(mlp([3, 4, 2], **TWO)), ONLY_ONE),
    (lambda: collapse(convnet([1, 2], outputs=3, size=4, **TWO)), ONLY_ONE),
)

"""Dead neurons taken out: the same function, nothing alive lost, nothing dead left."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compressibility.collapse import Size, collapse, living
from compressibility.models import ACTIVATIONS, MLP, mlp
from compressibility.schemes import Pruning
from compressibility.structured import compress_columns, compress_rows


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def sparse_network(seed, widths, density, activation="relu"):
    """One network of small integers, most of them zero."""
    source = generator(seed)
    weights = []
    for n_in, n_out in pairwise(widths):
        values = torch.randint(-3, 4, (1, n_out, n_in), generator=source).double()
        mask = torch.rand(1, n_out, n_in, generator=source) < density
        weights.append(values * mask)
    return MLP(weights, activation=activation)


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
    """Catches a living neuron lost, a dead one left, columns that belong to other neurons.

    On integers sums are exact, so the outputs must be equal to the last bit.
    """
    network = sparse_network(seed, widths, density)
    result = collapse(network)
    x = torch.randint(-4, 5, (20, widths[0]), generator=generator(1)).double()
    assert torch.equal(result.network(x), network(x))
    expected = delete_until_nothing_changes([w[0].detach() for w in network.weights])
    assert [kept.tolist() for kept in result.kept] == [left or [0] for left in expected]
    assert result.network.widths == (widths[0], *map(len, result.kept), widths[-1])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("kind", ["rows", "columns"])
def test_pruned_networks_shrink_and_agree(name, kind):
    """Catches a function that changes for some activation, or dead neurons that stay."""
    network = mlp([5, 60, 7, 3], activation=name, seeds=[4], dtype=torch.float64)
    x = torch.randn(30, 5, generator=generator(2), dtype=torch.float64)
    w1, w2 = network.weights[0][0].detach(), network.weights[1][0].detach()
    options = {"fraction": 0.9, "generator": generator(3)}
    if kind == "rows":
        pruned = compress_rows(w1, w2, ACTIVATIONS[name], x, Pruning(0.3), **options)
    else:
        seen = network.layer_inputs(x, 1)[0].detach()
        pruned = compress_columns(w2, seen, Pruning(0.3), **options)
    cut = network.with_weight(0 if kind == "rows" else 1, pruned.weights())
    result = collapse(cut)
    left = round(pruned.kept_share.item() * 60)
    assert result.network.widths == (5, left, 7, 3)
    assert torch.equal(result.kept[0], (pruned.scale[0] != 0).nonzero().flatten())
    torch.testing.assert_close(result.network(x), cut(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(result.as_sequential()(x), cut(x)[0], rtol=1e-12, atol=1e-12)
    assert result.before == Size(5 * 60 + 60 * 7 + 21, 5 * 60 + 60 * 7 + 21)
    assert result.after.parameters == 12 * left + 21 == result.after.multiplies


def test_sequential_is_an_ordinary_network():
    """Catches an export that needs this library's layers, has biases, or counts otherwise."""
    modules = collapse(sparse_network(0, [4, 6, 3], 0.6)).as_sequential()
    assert [type(module) for module in modules] == [nn.Linear, nn.ReLU, nn.Linear]
    assert modules[0].bias is None
    assert modules[2].bias is None
    counted = sum(p.numel() for p in modules.parameters())
    assert counted == collapse(sparse_network(0, [4, 6, 3], 0.6)).after.parameters


def test_death_spreads_both_ways():
    """Catches a single pass: a dead neuron takes with it those that only feed it or are fed."""
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).unsqueeze(0)
    second = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0]]).unsqueeze(0)
    third = torch.tensor([[1.0, 0.0, 5.0]]).unsqueeze(0)
    result = collapse(MLP([first, second, third]))
    # Neuron 2 of the lower layer has no inputs, so that its follower dies; neuron 1 of the upper
    # layer has no outputs, so that the one that feeds it dies.
    assert [kept.tolist() for kept in result.kept] == [[0], [0]]


def test_a_dead_layer_keeps_one_neuron_and_says_zero():
    """Catches an empty layer, or a kept dead neuron that wakes up once others are gone."""
    first = torch.ones(1, 3, 2)
    second = torch.zeros(1, 2, 3)
    result = collapse(MLP([first, second, torch.ones(1, 1, 2)]))
    assert result.network.widths == (2, 1, 1, 1)
    assert result.network(torch.ones(4, 2)).abs().max() == 0


def test_a_network_without_dead_neurons_stays():
    """Catches neurons lost though they work, and a result that shares memory with its input."""
    network = mlp([3, 4, 2], seeds=[0])
    result = collapse(network)
    for old, new in zip(network.weights, result.network.weights, strict=True):
        assert torch.equal(old, new)
        assert old.data_ptr() != new.data_ptr()
    assert result.before == result.after
    assert [mask.all().item() for mask in living([w[0] != 0 for w in network.weights])] == [
        True
    ] * 3


def test_batches_are_refused():
    """Catches a batch whose members die differently, taken for one network."""
    with pytest.raises(ValueError, match=r"need 1 network, got 2: take one with member\(e\)"):
        collapse(mlp([3, 4, 2], seeds=[0, 1]))

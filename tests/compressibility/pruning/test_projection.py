"""Algorithm 1 with projections that bind: what a layer is compressed for is what it will see."""

import torch

from compressibility.dice import dice
from compressibility.models.network import mlp
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Pruning
from compressibility.pruning.networks import compress
from compressibility.pruning.wide import prices


def test_a_layer_is_compressed_for_projected_inputs():
    """Catches a projection that forward makes and compress forgets: its prices see x' unprojected.

    By hand: the first layer as it came out, its outputs brought into the ball of radius c1, and the
    cheapest nine tenths of the second layer's prices on them.
    """
    network = mlp([8, 8, 8, 1], activation="identity", dtype=torch.float64)
    x = torch.nn.functional.normalize(torch.rand(20, 8, generator=dice("inputs")).double())
    cut = Cut(Pruning(0.05), 0.9)
    made = compress(network, x, Plan((8, 8, 8, 1), (1, 2)), cut, dice("throw"), project=True)
    c1 = max(torch.linalg.matrix_norm(w[0], ord=2) for w in network.weights)
    seen = x @ made.network.weights[0][0].T
    norms = seen.norm(dim=1, keepdim=True)
    assert bool((norms > 1.01 * c1).any())  # the projection binds
    inside = seen * (c1 / norms).clamp(max=1)
    price = prices(network.layer(1, 0), inside.detach(), cut.draw).flatten().sort().values
    torch.testing.assert_close(made.layers[1].expected[0], price[: cut.count(64)].sum())

"""What is measured on layers, inputs and networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from compressibility.bounds.wide_networks import Constants, LayerFacts, Seen
from compressibility.models.layers import Layer
from compressibility.models.network import convnet, mlp
from tests.compressibility.helpers import refuses

from .blockwork import measured


def test_facts_of_tensor_and_array() -> None:
    """Catches the Frobenius or 1-norm for the operator norm, and inputs swapped with outputs."""
    weight = torch.tensor([[3.0, 0.0, 0.0], [4.0, 0.0, -1.0]], requires_grad=True)
    found = LayerFacts.of(weight)
    assert found == LayerFacts.of(weight.detach().numpy()) == LayerFacts.of(Layer.dense(weight))
    assert (found.inputs, found.outputs, found.entry, found.pixels) == (3, 2, 4.0, 1)
    gram = np.array([[9.0, 12.0], [12.0, 17.0]])  # W W^T
    assert found.norm == pytest.approx(math.sqrt(np.linalg.eigvalsh(gram)[-1]))
    assert isinstance(found.norm, float)
    assert LayerFacts.of(torch.ones(2, 2, dtype=torch.bfloat16)).norm == pytest.approx(2.0)


@pytest.mark.parametrize(("outputs", "inputs", "q", "size"), [(3, 2, 3, 4), (1, 4, 2, 3)])
def test_facts_of_a_convolution(outputs: int, inputs: int, q: int, size: int) -> None:
    """Catches a largest weight for the largest block norm, pixels counted as channels."""
    generator = torch.Generator().manual_seed(outputs)
    kernel = torch.randn(outputs, inputs, q, q, generator=generator, dtype=torch.float64)
    layer = Layer(kernel, size)
    found, want = LayerFacts.of(layer), measured(layer.matrix().numpy(), size**2)
    assert (found.norm, found.entry) == pytest.approx((want.norm, want.entry), rel=1e-12)
    assert (found.inputs, found.outputs, found.pixels) == (inputs, outputs, size**2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_seen(dtype: torch.dtype) -> None:
    """Catches a mean length for the largest, a root for a square, maps that are not flattened."""
    dense = torch.tensor([[3.0, 0, 0, 4.0], [1.0, 0, 0, 0]], dtype=dtype)
    seen = dense.clone()
    seen[1, 2] = 2.0
    maps = seen.view(2, 1, 2, 2), dense.view(2, 1, 2, 2)
    assert Seen.of(seen, dense) == Seen(5.0, 2.0) == Seen.of(*maps)
    assert Seen.of(seen) == Seen(5.0, 0.0)
    assert Seen.of(0 * seen, 0 * seen) == Seen(0.0, 0.0)
    assert Seen.of(1e20 * seen, 1e20 * dense).error == pytest.approx(2e40)  # beyond float32
    assert Seen.of(1e-25 * seen).radius == pytest.approx(5e-25)


def test_constants() -> None:
    """Catches min for max of the two widths in c2, and the norm of one layer for the largest."""
    weights = [torch.full((3, 2), 0.5), torch.eye(3) * 2, torch.tensor([[0.0, 3.0, 0.0]])]
    found = Constants.of(weights)
    assert found.widths == (2, 3, 3, 1)
    assert found.c1 == pytest.approx(3.0)
    assert found.c2 == pytest.approx([0.5 * math.sqrt(3), 2 * math.sqrt(3), 3 * math.sqrt(3)])
    assert found.layers[0].norm == pytest.approx(0.5 * math.sqrt(6))
    assert found.kernels == ()


def test_constants_of_networks() -> None:
    """Catches another member's weights, c2 of a filter by its transform (not (33)), no head."""
    network = mlp([3, 5, 2], seeds=(0, 1))
    assert Constants.of(network, 1) == Constants.of([w[1] for w in network.weights])
    assert Constants.of(network, 1) != Constants.of(network, 0)
    filters = convnet([1, 4, 6], outputs=2, size=5, seeds=(0,))
    found = Constants.of(filters, 0)
    assert (found.widths, found.kernels) == ((1, 4, 6, 2), (3, 3))
    largest = [w[0].detach().double().abs().max().item() for w in filters.weights]
    scales = [3 * math.sqrt(4), 3 * math.sqrt(6), math.sqrt(6 * 25)]
    assert found.c2 == pytest.approx([a * b for a, b in zip(largest, scales, strict=True)])
    assert found.c1 == max(filters.layer(at, 0).norm() for at in range(3))


FACT = {"norm": 1.0, "entry": 1.0, "inputs": 2, "outputs": 2}
SEEN, CONSTANTS = {"radius": 1.0, "error": 1.0}, {"c1": 1.0, "c2": (1.0,)}
BAD = (-1.0, math.inf, math.nan)
X = torch.ones(2, 3, dtype=torch.float64)


def changed(make, known, **change):
    """The call that makes facts with one of them changed."""
    return lambda: make(**{**known, **change})


test_bad_arguments_are_named = refuses(
    (lambda: LayerFacts.of(np.ones(3)), "need "),
    (lambda: LayerFacts.of(np.ones((0, 2))), "need "),
    (lambda: LayerFacts.of(np.array([[1.0, np.nan]])), "need "),
    *((changed(LayerFacts, FACT, norm=x), f"need 0 <= norm < inf, got {x}") for x in BAD),
    *((changed(LayerFacts, FACT, entry=x), f"need 0 <= entry < inf, got {x}") for x in BAD),
    (changed(LayerFacts, FACT, outputs=0), "need a whole outputs >= 1, got 0"),
    (changed(LayerFacts, FACT, inputs=1.5), r"need a whole inputs >= 1, got 1\.5"),
    *((changed(Seen, SEEN, radius=x), f"need 0 <= radius < inf, got {x}") for x in BAD),
    *((changed(Seen, SEEN, error=x), f"need 0 <= error < inf, got {x}") for x in BAD),
    (lambda: Seen.of(1e-170 * X), "need inputs between 1e-140 and 1e140"),
    (lambda: Seen.of(1e170 * X), "need inputs between 1e-140 and 1e140"),
    (lambda: Seen.of(X, X * math.nan), "need finite dense, got nan"),
    (lambda: Seen.of(X, X[:1]), r"need dense inputs \(2, 3\)"),
    (lambda: Seen.of(X[:0]), "need inputs"),
    (lambda: Constants.of([np.ones((2, 4)), np.ones((1, 3))]), "need 2 inputs at layer 2, got 3"),
    (lambda: Constants.of([]), "need at least one layer, got 0"),
    (changed(Constants, CONSTANTS, c1=0.0), r"need 0 < c1 < inf, got 0\.0"),
    (changed(Constants, CONSTANTS, c1=-1.0), r"need 0 < c1 < inf, got -1\.0"),
    (changed(Constants, CONSTANTS, c2=(1.0, math.inf)), "need 0 < c2 < inf, got inf"),
    (changed(Constants, CONSTANTS, c2=(math.nan,)), "need 0 < c2 < inf, got nan"),
    (changed(Constants, CONSTANTS, c2=()), "need a c2 for every layer, got none"),
    (changed(Constants, CONSTANTS, kernels=(0,)), "need a whole kernel >= 1, got 0"),
)

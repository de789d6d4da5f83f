"""The audit of a network's assumptions: constants, activations, the unit ball."""

import json
import math
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor

from compressibility.audit.assumptions import check_assumptions
from compressibility.bounds.rows import Row
from compressibility.data.sets import load
from compressibility.models.network import convnet, mlp
from tests.compressibility.helpers import refuses

INPUTS = torch.eye(3)
WEIGHTS = [torch.ones(4, 3) / 2, torch.ones(1, 4) / 4]


@pytest.mark.parametrize(
    ("activation", "seven", "eight", "nine"),
    [
        ("relu", 0, 1, math.inf),
        ("tanh", 0, 1, 4 / 3**1.5),  # sup|tanh''| = 4/(3√3)
        ("softplus", 0, 1, 1),
        ("identity", 0, 1, 0),
        (torch.sigmoid, 0.5, 0.25, 1 / (6 * math.sqrt(3))),
        (torch.sin, 0, 1, 1),
        (lambda x: 3 * torch.tanh(x), 0, 3, 4 / 3**0.5),
        (lambda x: torch.nn.functional.softplus(8 * x) / 8, math.log(2) / 8, 1, 2),
        (lambda x: torch.relu(x - 0.01037), 0, 1, math.inf),  # a kink between the points
        (lambda x: 1.2 * torch.tanh(x), 0, 1.2, 4.8 / 3**1.5),
        (lambda x: torch.where(x > 0, x, 0.9999 * x), 0, 1, math.inf),  # one that is hard to see
        (torch.nn.functional.elu, 0, 1, 1),  # φ'' jumps, φ' is 1-Lipschitz: all that is used
    ],
)
def test_activations(
    activation: str | Callable[[Tensor], Tensor], seven: float, eight: float, nine: float
) -> None:
    """Catches a kink that the grid steps over, and constants of common activations."""
    found = check_assumptions(WEIGHTS, activation=activation, inputs=INPUTS)
    for equation, want, bound in (("(7)", seven, 1e-12), ("(8)", eight, 1), ("(9)", nine, 1)):
        row = found.row(equation)
        assert row.left == pytest.approx(want, rel=2e-3, abs=1e-6)
        assert row.holds == (want <= bound)
        assert bool(row.advice) == (not row.holds)


def test_constants_per_layer_and_network() -> None:
    """Catches a mean for a maximum, n_in for the larger side: 4 x 3 halves, 1 x 4 quarters."""
    found = check_assumptions(WEIGHTS, activation="tanh", inputs=INPUTS)
    norms = [row.left for row in found.rows if row.name == "operator norm"]
    entries = [row.left for row in found.rows if row.name == "scaled largest entry"]
    assert norms == pytest.approx([math.sqrt(12) / 2, 0.5])
    assert entries == pytest.approx([1.0, 0.5])
    assert (found.constants.c1, *found.constants.c2) == pytest.approx((math.sqrt(3), 1.0, 0.5))
    assert found.row("(11)").left == found.constants.c1
    assert found.holds


def test_unit_ball() -> None:
    """Catches a mean norm for the largest, and data that in_unit_ball has rescaled refused."""
    found = check_assumptions(
        WEIGHTS, activation="tanh", inputs=torch.tensor([[0.1, 0, 0], [3, 0, 4]])
    )
    (row,) = [row for row in found.rows if row.name == "largest ‖x‖"]
    assert row.left == pytest.approx(5)
    assert not row.holds
    assert "in_unit_ball" in row.advice
    assert not found.holds
    digits = load("digits").in_unit_ball()
    network = mlp([64, 8, 10], activation="tanh")
    weights = [weight[0] for weight in network.weights]
    assert check_assumptions(weights, activation="tanh", inputs=digits.train_inputs).holds


def test_records_are_plain() -> None:
    """Catches records that pandas or json cannot take."""
    found = check_assumptions(WEIGHTS, activation="tanh", inputs=INPUTS)
    records = json.loads(json.dumps(found.as_records()))
    assert list(records[0]) == [field.name for field in fields(Row)]
    assert [record["relation"] for record in records] == ["=", "<=", "<=", "<=", *["<"] * 6]
    assert [record["right"] for record in records[:4]] == [0, 1, 1, 1]
    assert len(records) == 4 + 2 + 2 * 2


test_bad_arguments_are_named = refuses(
    (
        lambda: check_assumptions(WEIGHTS, activation="tanh", inputs=torch.ones(2, 4)),
        r"need inputs \(N, 3\), N >= 1, got \(2, 4\)",
    ),
    (
        lambda: check_assumptions(WEIGHTS, activation="selu", inputs=INPUTS),
        "need activation in .*, got 'selu'",
    ),
    (
        lambda: check_assumptions(WEIGHTS[:1] * 2, activation="tanh", inputs=INPUTS),
        "need 4 inputs at layer 2, got 3",
    ),
)


def test_filters_are_judged_as_layers() -> None:
    """Catches maps refused that a convolution reads, and a c2 of a filter by its transform."""
    network, maps = convnet([1, 2], outputs=3, size=4), torch.eye(16).reshape(16, 1, 4, 4)
    layers = [network.layer(at, 0) for at in range(2)]
    found = check_assumptions(layers, activation="tanh", inputs=maps)
    assert found.holds
    largest = network.weights[0].detach().double().abs().max().item()
    entries = [row.left for row in found.rows if row.name == "scaled largest entry"]
    assert entries[0] == pytest.approx(3 * math.sqrt(2) * largest)
    assert found.rows == check_assumptions(layers, activation="tanh", inputs=maps.flatten(1)).rows

"""The ladders of filters, rung by rung, against the explicit matrices."""

import math

import pytest
import torch

from compressibility import filter_ladder
from compressibility.bounds import wide_networks as bounds
from compressibility.convnet import ConvNet, convnet
from compressibility.convolution import conv_matrix
from compressibility.metrics import output_error
from compressibility.schemes import Pruning
from compressibility.structured import column_prices, compress_columns, compress_rows

SCHEME, FRACTION, DRAWS = Pruning(keep=0.3), 0.7, 4


def dice(networks=2):
    return [torch.Generator().manual_seed(10 + e) for e in range(networks)]


def network(activation="tanh"):
    return convnet(
        [2, 10, 3], outputs=1, size=4, activation=activation, seeds=(0, 1), dtype=torch.float64
    )


def images():
    source = torch.Generator().manual_seed(3)
    return torch.rand(6, 32, generator=source, dtype=torch.float64) / 4


def climb(ladder, **changes):
    options = {"fraction": FRACTION, "draws": DRAWS, "generators": dice(), **changes}
    return ladder(network(), images(), SCHEME, **options)


def matrices(e):
    return [conv_matrix(kernel[e], 4) for kernel in network().kernels]


def norm(matrix):
    return torch.linalg.matrix_norm(matrix, ord=2).item()


def largest_block(matrix):
    return max(norm(b) for row in matrix.split(16, 0) for b in row.split(16, 1))


@pytest.mark.parametrize("e", [0, 1])
def test_input_ladder_is_that_of_the_matrix(e):
    """Catches a rung of another layer, or a bound with another constant than the matrix's."""
    ladder, w2 = climb(filter_ladder.input_ladder), matrices(e)[1]
    seen = network().layer_inputs(images(), 1)[e].flatten(1).detach()
    plan = compress_columns(
        w2, seen, SCHEME, fraction=FRACTION, generator=dice()[e], draws=DRAWS, group=16
    )
    before = output_error(w2, plan.weights(), seen).mean().item()
    outputs = torch.tanh(seen @ w2.T) - torch.tanh(seen @ plan.weights().mT)
    prices = column_prices(w2, seen, SCHEME, group=16).sum().item()
    constants = {"input_error": 0.0, "sigma1": norm(w2), "nu1": largest_block(w2)}
    constants |= {"theta": seen.norm(dim=1).max().item(), "n2": 48, "group": 16}
    constants |= {"alpha": FRACTION, "p": 0.3}
    expected = {
        "measured": outputs.square().sum(2).mean().item(),
        "before": before,
        "identity": plan.expected_increase[0].item(),
        "all_prices": FRACTION * prices,
        "sharper": bounds.sharper_columns(**constants),
        "printed": bounds.proposition_24(**constants),
    }
    for rung, value in expected.items():
        assert getattr(ladder, rung)[0, e].item() == pytest.approx(value, rel=1e-9), rung
    assert ladder.steps_down() == (0, 8)


@pytest.mark.parametrize("e", [0, 1])
def test_output_ladder_is_that_of_the_matrix(e):
    """Catches a rung of another layer, natural logarithms, or constants that are mixed up."""
    ladder, (w1, w2) = climb(filter_ladder.output_ladder), matrices(e)
    x = images()
    plan = compress_rows(
        w1,
        w2,
        torch.tanh,
        x,
        SCHEME,
        fraction=FRACTION,
        generator=dice()[e],
        draws=DRAWS,
        group=16,
    )
    dense = torch.tanh(x @ w1.T) @ w2.T
    outputs = torch.tanh(x @ plan.weights().mT) @ w2.T
    constants = {"input_error": 0.0, "sigma1": norm(w1), "sigma2": norm(w2)}
    constants |= {"nu1": largest_block(w1), "nu2": largest_block(w2), "n1": 32, "n3": 48}
    constants |= {"theta": x.norm(dim=1).max().item(), "alpha": FRACTION, "p": 0.3, "group": 16}
    expected = {
        "measured": (torch.tanh(dense) - torch.tanh(outputs)).square().sum(2).mean().item(),
        "before": plan.error.mean().item(),
        "sharpest": bounds.sharpest_rows(**constants),
        "sharper": bounds.sharper_rows(**constants),
        "printed": bounds.proposition_25(**constants),
    }
    for rung, value in expected.items():
        assert getattr(ladder, rung)[e].item() == pytest.approx(math.log10(value), abs=1e-9), rung
    assert ladder.steps_down() == (0, 8)


def test_descents_are_counted():
    """Catches a check that cannot fail: rungs in the wrong order are steps down."""
    ladder = climb(filter_ladder.output_ladder)
    upside_down = filter_ladder.OutputLadder(
        ladder.printed, ladder.sharper, ladder.sharpest, ladder.before, ladder.measured
    )
    assert upside_down.steps_down() == (8, 8)


def test_equal_prices_leave_the_papers_slack_only():
    """Catches a missing q² or r²: ones as weights, constant images, all prices are the same."""
    identity = torch.eye(10).reshape(1, 10, 10, 1, 1)
    ones = torch.full((1, 3, 10, 3, 3), 0.2)
    flat = ConvNet([identity, ones], torch.ones(1, 1, 75), size=5, activation="identity")
    x = torch.rand(6, 1, generator=torch.Generator().manual_seed(0)).sign().expand(6, 250)
    ladder = filter_ladder.input_ladder(flat, x, SCHEME, fraction=0.5, draws=2, generators=dice(1))
    ratio = (ladder.printed / ladder.identity).item()
    assert ratio == pytest.approx(2 / (1 - 0.5), rel=1e-6)

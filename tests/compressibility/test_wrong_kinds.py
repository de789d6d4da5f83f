"""What is no tensor, no layer, no generator: said at the door, not where it breaks."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from compressibility import metrics
from compressibility.audit.assumptions import check_assumptions
from compressibility.bounds.wide_networks import Seen
from compressibility.dice import uniforms
from compressibility.models.layers import Block, Layer
from compressibility.models.network import Network, mlp
from compressibility.pruning import kterm, masks
from compressibility.pruning.blocks import compress_block
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Masking, Pruning, Quantization
from compressibility.pruning.moments import Moments
from compressibility.pruning.networks import compress
from compressibility.pruning.wide import compress_wide, prices
from tests.compressibility.helpers import normal, refuses

WEIGHT, INPUTS, ABOVE = normal(3, 4), normal(7, 4, seed=1), normal(2, 3, seed=2)
LAYER = Layer.dense(WEIGHT)
BLOCK = Block(LAYER, Layer.dense(ABOVE), torch.tanh)
NETWORK, PLAN = mlp([4, 3, 2], dtype=torch.float64), Plan((4, 3, 2), wide=(2,))
DRAW, CUT, WHOLE = Pruning(0.5), Cut(Pruning(0.5), 0.5), WEIGHT.long()
ARRAY = INPUTS.numpy()


def dice():
    return torch.Generator().manual_seed(0)


def wide(layer=LAYER, seen=INPUTS, cut=CUT, thrower=None, **more):
    return lambda: compress_wide(layer, seen, cut, dice() if thrower is None else thrower, **more)


def block(of=BLOCK, seen=INPUTS, cut=CUT, thrower=None, **more):
    return lambda: compress_block(of, seen, cut, dice() if thrower is None else thrower, **more)


def network(net=NETWORK, inputs=INPUTS, plan=PLAN, cut=CUT, thrower=None):
    return lambda: compress(net, inputs, plan, cut, dice() if thrower is None else thrower)


def error(*given):
    return lambda: metrics.output_error(*given)


def assumptions(inputs):
    return lambda: check_assumptions([WEIGHT], activation="relu", inputs=inputs)


test_wrong_kinds_are_named = refuses(
    (lambda: DRAW.variance(WEIGHT.numpy()), "^need a Tensor as weight, got ndarray$"),
    (lambda: DRAW.outcomes([[1.0, 2.0]]), "^need a Tensor as weight, got list$"),
    (lambda: DRAW.mean(nn.Linear(2, 2)), "^need a Tensor as weight, got Linear$"),
    (lambda: DRAW.variance(WHOLE), "need weight of dtype float32 or float64, got torch.int64"),
    (lambda: DRAW.sample(WEIGHT, 0), "^need a Generator as dice, got int$"),
    (lambda: uniforms((2,), np.random.default_rng(0)), "^need a Generator as dice, got Generator$"),
    (lambda: Layer(np.ones((1, 1, 1, 1))), "need a Tensor as kernel, got ndarray"),
    (lambda: Layer([[[[1.0]]]]), "need a Tensor as kernel, got list"),
    (lambda: Layer(torch.ones(1, 1, 1, 1).long()), "need kernel of dtype float32 or float64"),
    (lambda: Layer.dense(nn.Linear(2, 2)), "need a Tensor as weight, got Linear"),
    (lambda: Block(WEIGHT, ABOVE, torch.tanh), "need a Layer as first, got Tensor"),
    (wide(layer=WEIGHT), "need a Layer as layer, got Tensor"),
    (wide(seen=ARRAY), "need a Tensor as inputs, got ndarray"),
    (wide(seen=INPUTS.tolist()), "need a Tensor as inputs, got list"),
    (wide(seen=INPUTS.long()), "need inputs of dtype torch.float64, got torch.int64"),
    (wide(dense=ARRAY), "need a Tensor as dense inputs, got ndarray"),
    (wide(cut=DRAW), "need a Cut as cut, got Pruning"),
    (wide(thrower=7), "need a Generator as dice, got int"),
    (wide(thrower=[dice()]), "need a Generator as dice, got list"),
    (wide(throws=2.5), "need a whole throws >= 1, got 2.5"),
    (wide(throws="3"), "need a whole throws >= 1, got '3'"),
    (block(of=LAYER), "need a Block as block, got Layer"),
    (block(seen=ARRAY), "need a Tensor as inputs, got ndarray"),
    (block(cut=DRAW), "need a Cut as cut, got Pruning"),
    (block(thrower=7), "need a Generator as dice, got int"),
    (lambda: NETWORK(ARRAY), "need a Tensor as inputs, got ndarray"),
    (lambda: NETWORK(INPUTS.tolist()), "need a Tensor as inputs, got list"),
    (lambda: NETWORK(INPUTS.long()), "need inputs of dtype torch.float64, got torch.int64"),
    (lambda: Network([np.ones((1, 2, 2))]), "need a Tensor as weight of layer 0, got ndarray"),
    (network(net=nn.Linear(4, 2)), "need a Network as network, got Linear"),
    (network(plan={2: "wide"}), "need a Plan as plan, got dict"),
    (network(cut=DRAW), "need a Cut as cut, got Pruning"),
    (network(inputs=ARRAY), "need a Tensor as inputs, got ndarray"),
    (network(thrower=7), "need a Generator as dice 0, got int"),
    (network(thrower=[7]), "need a Generator as dice 0, got int"),
    (error(WEIGHT.numpy(), WEIGHT, INPUTS), "need a Tensor as weight, got ndarray"),
    (error(WEIGHT, WEIGHT * math.nan, INPUTS), "need finite compressed, got nan or infinity"),
    (error(WEIGHT, WEIGHT, INPUTS * math.inf), "need finite inputs, got nan or infinity"),
    (error(WEIGHT, WEIGHT, INPUTS, math.nan * INPUTS), "need finite compressed_inputs, got nan"),
    (error(WHOLE, WHOLE, INPUTS.long()), "need weight of dtype float32 or float64, got torch.int"),
    (lambda: metrics.accuracy(torch.ones(2, 2), [0, 1]), "need a Tensor as targets, got list"),
    (lambda: metrics.accuracy(np.ones((2, 2)), [0, 1]), "need a Tensor as logits, got ndarray"),
    (lambda: metrics.r2(ARRAY, INPUTS), "need a Tensor as predictions, got ndarray"),
    (lambda: Seen.of(ARRAY), "need a Tensor as inputs, got ndarray"),
    (lambda: Moments.of(ARRAY), "need a Tensor as inputs, got ndarray"),
    (lambda: masks.prices(WEIGHT.numpy(), torch.eye(4)), "need a Tensor as weight, got ndarray"),
    (lambda: kterm.errors([1.0, 2.0], 0.5), "need a Tensor as values, got list"),
    (lambda: kterm.removable(ARRAY, 0.5), "need a Tensor as values, got ndarray"),
    (assumptions(ARRAY), "need a Tensor as inputs, got ndarray"),
    # No scale makes these numbers: advice to rescale them would lead nowhere.
    (assumptions(INPUTS * math.nan), "need finite inputs, got nan or infinity"),
)


@pytest.mark.parametrize("draw", [Pruning(0.5), Quantization(2), Masking(0.5)], ids=str)
def test_gradients_stay_behind(draw):
    """Catches a compressed weight, a price or a loss that wants gradients of what it came from."""
    weight, inputs = nn.Parameter(WEIGHT.clone()), INPUTS.clone().requires_grad_()
    layer, above = Layer.dense(weight), Layer.dense(nn.Parameter(ABOVE.clone()))
    found = [draw.sample(weight, dice()), draw.mean(weight), draw.variance(weight)]
    if draw.unbiased:
        made = compress_wide(layer, inputs, Cut(draw, 0.5), dice())
        found += [made.weight, made.error, made.expected, prices(layer, inputs, draw)]
    bent = nn.PReLU(dtype=torch.float64)  # an activation that learns
    for phi in (torch.tanh, bent):
        made = compress_block(Block(layer, above, phi), inputs, Cut(draw, 0.5), dice())
        found += [made.weight, made.error]
    assert not any(one.requires_grad for one in found)


def test_audits_of_what_learns_are_silent():
    """Catches torch's warning about a gradient that is lost in a number."""
    weight, bent = nn.Parameter(WEIGHT.clone()), nn.PReLU(dtype=torch.float64)
    inputs = (INPUTS / 9).requires_grad_()
    cut = Cut(Pruning(0.5), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check_assumptions([weight], activation=bent, inputs=inputs)
        assert found.rows == check_assumptions([WEIGHT], activation=bent, inputs=INPUTS / 9).rows
        block = Block(Layer.dense(weight), Layer.dense(ABOVE), bent)
        assert not compress_block(block, inputs, cut, dice()).error.requires_grad

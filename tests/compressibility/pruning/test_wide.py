"""Wide layers: the paper's sheet, biased draws, and numbers at the ends of their range."""

import math

import numpy as np
import pytest
import torch

from compressibility.metrics import output_error
from compressibility.models.layers import Layer
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Masking, NearestRounding, Pruning, Quantization
from compressibility.pruning.wide import compress_wide, prices
from tests.compressibility.helpers import sheet_a
from tests.compressibility.pruning.cases import case, generator


@pytest.mark.parametrize(
    ("draw", "groups", "expected", "all_of_them"),
    [
        (Pruning(keep=0.3), False, 0.270135, 0.406758),
        (Quantization(levels=2), False, 0.085784, 0.091480),
        (Pruning(keep=0.3), True, 0.345219, None),
    ],
)
def test_sheet_case_a(draw, groups, expected, all_of_them):
    """Catches any constant of the identity or of its alpha-share bound (sheet, case A)."""
    weight, x, other = (torch.from_numpy(t) for t in sheet_a())
    base = output_error(weight, weight, x, other).item()
    cut = Cut(draw, 0.9, groups=groups)
    found = compress_wide(Layer.dense(weight), other, cut, generator(), dense=x, throws=2000)
    assert base == pytest.approx(0.025340, rel=1e-4)
    assert found.taken.shape == (2000, 27 if groups else 216)
    assert base + found.expected.item() == pytest.approx(expected, rel=1e-4)
    error = found.error.std().item() / math.sqrt(2000)
    assert found.error.mean().item() == pytest.approx(expected, abs=5 * error)
    if isinstance(draw, Pruning) and not groups:
        assert found.error.std().item() == pytest.approx(0.030, rel=0.1)
    if all_of_them:
        everything = prices(Layer.dense(weight), other, draw).sum().item()
        assert base + 0.9 * everything == pytest.approx(all_of_them, rel=1e-4)


@pytest.mark.parametrize("biased", [Masking(keep=0.3), NearestRounding(levels=2)], ids=str)
def test_biased_draws_break_the_identity(biased):
    """Catches a bias that slips in: its loss has the extra term of the mean's own error."""
    weight, x, _ = (torch.from_numpy(t) for t in sheet_a())
    losses = output_error(weight, biased.sample(weight.expand(2000, -1, -1), generator(2)), x)
    spread = prices(Layer.dense(weight), x, biased).sum().item()
    bias = output_error(weight, biased.mean(weight), x).item()
    error = losses.std().item() / math.sqrt(len(losses))
    assert losses.mean().item() == pytest.approx(spread + bias, abs=5 * error + 1e-12)
    assert bias > 10 * error


def test_pruning_order_is_wandas():
    """Catches a saliency other than |w| times the input's root mean square, over the layer."""
    cut = case("weights", 3, inputs=6, outputs=7)
    roots = cut.other.square().mean(0).sqrt()
    saliency = (cut.layer.weight.abs() * roots).flatten().numpy()
    for keep in (0.2, 0.9):
        taken = cut.run(Pruning(keep=keep), 1.0).taken[0].tolist()
        assert taken == np.argsort(saliency, kind="stable").tolist()


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.29, 29), (1, 100)])
def test_single_weights_of_wide_layers_may_all_go_or_stay(share, count):
    """Catches 0.29 of 100 = 28, or shares at the ends refused where they make sense."""
    found = case("weights", inputs=10, outputs=10).run(Quantization(3), share, throws=3)
    assert found.mask.flatten(1).sum(1).tolist() == [count] * 3


def test_a_zero_weight_beside_a_huge_input_costs_nothing():
    """Catches 0 times infinity: the square of 3e19 is infinite in single precision."""
    layer, seen = Layer.dense(torch.tensor([[0.0, 1.0]])), torch.tensor([[3e19, 1.0]])
    assert prices(layer, seen, Pruning(0.5)).tolist() == [[0.0, 1.0]]
    for groups in (False, True):
        found = compress_wide(layer, seen, Cut(Pruning(0.5), 0.5, groups=groups), generator())
        assert (found.taken.tolist(), found.expected.item()) == ([[0]], 0.0)


@pytest.mark.parametrize("draw", [Pruning(0.3), Quantization(3)], ids=str)
@pytest.mark.parametrize("of_weight", [1e170, 1.0, 1e-170])
@pytest.mark.parametrize("of_inputs", [1e170, 1.0, 1e-170])
def test_the_order_is_right_at_any_scale(draw, of_weight, of_inputs):
    """Catches squares that overflow or vanish: powers of two must not change the order."""
    gain, loud = (2.0 ** round(math.log2(s)) for s in (of_weight, of_inputs))
    cut = case("weights", 3, inputs=9, outputs=9)
    plain = compress_wide(cut.layer, cut.other, Cut(draw, 0.8), generator())
    moved = Layer.dense(cut.layer.weight * gain)
    found = compress_wide(moved, cut.other * loud, Cut(draw, 0.8), generator())
    assert torch.equal(found.taken, plain.taken)
    torch.testing.assert_close(found.weight, plain.weight * gain, rtol=1e-12, atol=0)
    if of_weight * of_inputs == 1.0:
        scale = (gain * loud) ** 2
        torch.testing.assert_close(found.expected, plain.expected * scale, rtol=1e-12, atol=0)

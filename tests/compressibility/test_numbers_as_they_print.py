"""NumPy's numbers, fractions, decimals mean what they print; tensors and strings mean nothing."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from compressibility.bounds import wide_networks as bounds
from compressibility.dice import dice
from compressibility.experiments.ladder import climb
from compressibility.models.layers import Layer
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Masking, Pruning, Quantization
from compressibility.pruning.wide import compress_wide


@pytest.mark.parametrize(
    "kind", [np.float16, np.float32, np.float64, str], ids=lambda k: k.__name__
)
def test_bounds_read_a_share_as_the_cut_counts_it(kind):
    """Catches a sharper bound below the exact damage: a float32 share of .29 taken as .28999999."""
    share = Decimal(".29") if kind is str else kind(0.29)
    cut, layer, x = Cut(Pruning(0.5), share), Layer.dense(np.ones((1, 100))), torch.ones(4, 100)
    made = compress_wide(layer, x.double(), cut, dice("share"))
    facts, seen = bounds.LayerFacts.of(layer), bounds.Seen.of(x.double())
    assert float(made.expected) == 29
    assert bounds.wide_bound(facts, seen, cut, form="sharper") >= 29 * (1 - 1e-12)
    assert climb(layer, x.double(), cut, made, phi=torch.relu).steps_down().value == 0
    asked = bounds.Asked(0.5, share=share)
    assert asked == bounds.Asked(0.5, share=0.29)
    assert bounds.kept_share_bound(share=share, p=0.3) == bounds.kept_share_bound(share=0.29, p=0.3)


@pytest.mark.parametrize(
    "keep", [np.float16(0.3), np.float32(0.3), Fraction(3, 10), Decimal("0.3")]
)
def test_chances_are_read_as_they_print(keep):
    """Catches odds of .30004883 where .3 was written, and a Fraction that dies in a product."""
    assert Pruning(keep).odds == Pruning(0.3).odds
    assert Pruning(keep).variance(torch.ones(1, 1)) == Pruning(0.3).variance(torch.ones(1, 1))
    assert bounds.smallest_draws(keep, 0.5) == bounds.smallest_draws(0.3, 0.5)


def test_whole_numbers_of_numpy_do_not_overflow():
    """Catches a variance of a grid that is negative, because 12² leaves int8."""
    assert Quantization(np.int8(12)).odds == Quantization(12).odds
    assert bounds.theorem_error(c1=2, m=np.int8(100), xi=0.5) == bounds.theorem_error(
        c1=2, m=100, xi=0.5
    )
    wide = bounds.LayerFacts(np.float32(1), 1, inputs=np.int32(50_000), outputs=np.int32(50_000))
    assert wide == bounds.LayerFacts(1, 1, inputs=50_000, outputs=50_000)
    assert Plan((3.0, np.int32(4)), wide=(1.0,)).wide == (1,)
    assert dice("a", np.int64(3)).initial_seed() == dice("a", 3).initial_seed()


@pytest.mark.parametrize("number", ["0.3", torch.tensor(0.3), True], ids=["text", "tensor", "bool"])
@pytest.mark.parametrize(
    "call",
    [
        Pruning,
        Masking,
        lambda number: Cut(Pruning(0.5), number),
        lambda number: bounds.Asked(0.5, share=number),
        lambda number: bounds.kept_share_bound(share=number, p=0.3),
        lambda number: bounds.smallest_draws(number, 0.5),
    ],
    ids=["pruning", "masking", "cut", "asked", "kept", "draws"],
)
def test_what_is_no_number_is_refused_by_name(call, number):
    """Catches a tensor or text that goes through, or dies without saying what is wanted."""
    with pytest.raises(ValueError, match=rf"need a number .*, got {type(number).__name__}"):
        call(number)


def test_nothing_to_prune_is_refused_by_an_audit():
    """Catches a division by zero at p = 1."""
    plan, constants = Plan((4, 1), wide=(1,)), bounds.Constants(c1=1.0, c2=(1.0,))
    with pytest.raises(ValueError, match="need keep < 1"):
        bounds.audit("2", plan, Pruning(1.0), constants, bounds.Asked(0.5))


def test_weights_that_overflow_are_refused():
    """Catches infinite weights that are handed on: 1e38/p leaves float32."""
    layer = Layer.dense(torch.tensor([[1e38, 2e38]]))
    with pytest.raises(ValueError, match="need finite compressed weight"):
        compress_wide(layer, torch.ones(2, 2), Cut(Pruning(0.1), 1), dice("overflow"), throws=99)

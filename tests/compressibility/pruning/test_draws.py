"""The draws: closed forms, moments by Monte Carlo, and what every outcome obeys."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.pruning.draws import Draw, Masking, NearestRounding, Pruning, Quantization
from tests.compressibility.helpers import refuses
from tests.compressibility.pruning.cases import generator, normal

KEEPS, GRIDS = (Pruning, Masking), (Quantization, NearestRounding)
ALL = [Pruning(keep=0.3), Quantization(levels=3), Masking(keep=0.3), NearestRounding(levels=3)]


class Thirds(Draw):
    """A draw with three outcomes: nothing, the weight, twice the weight, a third each."""

    unbiased = True

    def __str__(self):
        return "Thirds"

    def outcomes(self, weight):  # noqa: D102
        third = torch.full_like(weight, 1 / 3, dtype=torch.float64)
        return ((0 * weight, third), (weight, third), (2 * weight, 1 - 2 * third))


def weights(seed, shape=(3, 4)):
    return normal(seed, shape)[0]


def test_rounding_of_the_sheet():
    """Catches a probability on the wrong side: q(0.37; 1, 4) is 0.5 with probability 0.48."""
    weight = torch.tensor([[0.37, -0.37, 1.0, 0.1]], dtype=torch.float64)
    draw = Quantization(levels=4)
    assert draw.variance(weight)[0, 0].item() == pytest.approx(0.0156, rel=1e-12)
    assert draw.variance(weight)[0, 2].item() == 0.0
    just_below = torch.full_like(weight, 0.4799999)
    assert draw.decide(weight, just_below).tolist() == [[0.5, -0.5, 1.0, 0.0]]
    just_above = torch.full_like(weight, 0.4800001)
    assert draw.decide(weight, just_above).tolist() == [[0.25, -0.25, 1.0, 0.0]]
    for chance, drawn in ((0.3999999, 0.25), (0.4000001, 0.0)):  # 0 is a level (the paper's 2k)
        assert draw.decide(weight, torch.full_like(weight, chance))[0, 3].item() == drawn


def test_pruning_keeps_below_p():
    """Catches a kept share of 1 - p, or a kept weight that is not enlarged."""
    weight = torch.tensor([[2.0, 2.0, 2.0]])
    uniforms = torch.tensor([[0.0, 0.2499, 0.25]], dtype=torch.float64)
    assert Pruning(keep=0.25).decide(weight, uniforms).tolist() == [[8.0, 8.0, 0.0]]
    assert Masking(keep=0.25).decide(weight, uniforms).tolist() == [[2.0, 2.0, 0.0]]


def test_midpoints_go_away_from_zero():
    """Catches rounding half to even, by which every second midpoint goes towards 0."""
    weight = torch.tensor([[0.5, 1.5, 2.5, -0.5, -2.5, 4.0]])
    wanted = [[1.0, 2.0, 3.0, -1.0, -3.0, 4.0]]
    assert NearestRounding(levels=4).mean(weight).tolist() == wanted


@pytest.mark.parametrize("draw", [*ALL, Thirds()], ids=str)
def test_moments_by_monte_carlo(draw):
    """Catches a mean or variance that is not the draw's: 40000 throws, 5 standard errors."""
    weight, throws = weights(3), 40000
    drawn = draw.sample(weight.expand(throws, -1, -1), generator(2))
    mean, variance = draw.mean(weight), draw.variance(weight)
    assert ((drawn.mean(0) - mean).abs() <= 5 * (variance / throws).sqrt() + 1e-12).all()
    fourth = (drawn - mean).pow(4).mean(0)
    error = ((fourth - variance**2).clamp(min=0) / throws).sqrt()
    square = (drawn - mean).square().mean(0)
    assert ((square - variance).abs() <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("draw", [*ALL, Pruning(keep=1.0), Thirds()], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outcomes_are_the_draws(draw, dtype):
    """Catches outcomes, chances or an order other than the draw's: uniforms on either side."""
    weight = torch.cat([weights(5), torch.zeros(1, 4, dtype=torch.float64)]).to(dtype)
    outcomes = draw.outcomes(weight)
    chances = torch.stack([chance for _, chance in outcomes])
    ones = torch.ones_like(chances[0])
    torch.testing.assert_close(chances.sum(0), ones, rtol=0, atol=1e-15)
    below = torch.zeros_like(ones)
    for value, chance in outcomes:
        assert value.shape == chance.shape == weight.shape
        assert (value.dtype, chance.dtype) == (dtype, torch.float64)
        for uniforms in (below + 1e-9 * chance, below + (1 - 1e-9) * chance):
            drawn = draw.decide(weight, uniforms)
            assert torch.equal(drawn[chance > 1e-6], value[chance > 1e-6])
        below = below + chance
    mean = sum(value * chance for value, chance in outcomes)
    square = sum((value - mean).square() * chance for value, chance in outcomes)
    close = {"rtol": 0, "atol": 1e-14 if dtype == torch.float64 else 1e-6}
    torch.testing.assert_close(mean, draw.mean(weight).double(), **close)
    torch.testing.assert_close(square, draw.variance(weight).double(), **close)
    assert draw.unbiased == torch.allclose(mean, weight.double(), **close)


@pytest.mark.parametrize("draw", ALL[:2], ids=str)
def test_odds_are_worst_cases(draw):
    """Catches a number that bounds take for a draw's and is another: on a fine set of weights."""
    weight = torch.linspace(-1, 1, 2001, dtype=torch.float64)[None]
    size = weight.abs() if isinstance(draw, Pruning) else torch.ones_like(weight)
    jumps = [(value - weight).abs() / size for value, chance in draw.outcomes(weight)]
    jump = max(j[size.isfinite() & (size > 0)].max().item() for j in jumps)
    exact = (draw.variance(weight) / size.square())[size > 0].max().item()
    assert all(torch.equal(draw.mean(t), t) for t in (weight, weight.float()))
    assert draw.odds.jump == pytest.approx(jump, rel=2e-3)
    assert draw.odds.exact == pytest.approx(exact, rel=2e-3)
    assert draw.odds.variance / draw.odds.exact == (1 if isinstance(draw, Pruning) else 4)


def test_outcomes_of_the_largest_weight_stay_on_the_grid():
    """Catches a level above M, which no draw takes but a worst case over outcomes would."""
    weight = torch.tensor([[0.5, -2.0, 2.0]])
    for value, _ in Quantization(levels=2).outcomes(weight):
        assert value.abs().max().item() == 2.0


@settings(deadline=None, max_examples=100)
@given(
    entries=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8),
    levels=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_quantized_weights_lie_on_the_grid(entries, levels, seed):
    """Catches values off the grid, sign flips, jumps over more than a step, a moved maximum."""
    weight = torch.tensor([entries], dtype=torch.float64)
    largest = weight.abs().max().item()
    for draw in (Quantization(levels=levels), NearestRounding(levels=levels)):
        drawn = draw.sample(weight, generator(seed))
        grid = {largest * (step / levels) for step in range(levels + 1)}
        assert {abs(value) for value in drawn[0].tolist()} <= grid
        assert (drawn * weight >= 0).all()
        reach = 1.0 if isinstance(draw, Quantization) else 0.5
        assert ((drawn - weight).abs() <= reach * largest / levels * (1 + 1e-12)).all()
        assert drawn.abs().max().item() == largest
    variance = Quantization(levels=levels).variance(weight)
    assert (variance <= (largest / (2 * levels)) ** 2 * (1 + 1e-12)).all()


def test_grid_of_a_stack_is_per_layer():
    """Catches one M for all layers of a stack."""
    stack, uniforms = torch.stack([weights(0), 100 * weights(1)]), torch.rand(2, 3, 4).double()
    drawn = Quantization(levels=2).decide(stack, uniforms)
    for one, dice, alone in zip(stack, uniforms, drawn, strict=True):
        assert torch.equal(Quantization(levels=2).decide(one, dice), alone)


def test_a_layer_of_zeros_stays():
    """Catches 0/0 where M = 0."""
    zeros = torch.zeros(2, 3)
    for draw in ALL:
        assert torch.equal(draw.sample(zeros, generator()), zeros)
        assert torch.equal(draw.variance(zeros), zeros)


def test_exactly_one_uniform_per_weight():
    """Catches draws that take more or fewer random numbers: the generator's next number tells."""
    for draw in ALL:
        source, reference = generator(5), generator(5)
        draw.sample(weights(0), source)
        torch.rand(12, generator=reference, dtype=torch.float64)
        assert torch.equal(torch.rand(3, generator=source), torch.rand(3, generator=reference))


WEIGHTS = [
    (torch.ones(3), r"need weight \(\.\.\., n_out, n_in\)"),
    (torch.ones(0, 3), "none empty"),
    (torch.ones(2, 2, dtype=torch.float16), "need weight of dtype float32 or float64"),
    (torch.tensor([[math.nan]]), "need finite weight"),
]
NO_COUNT = "need a whole levels >= 1"
METHODS = [method for draw in ALL for method in (draw.mean, draw.variance, draw.outcomes)]
test_bad_arguments_are_named = refuses(
    *(
        (partial(kind, x), f"need 0 < keep <= 1, got {x}")
        for kind in KEEPS
        for x in (0.0, -0.1, 1.3)
    ),
    *((partial(kind, math.nan), "need .*, got nan") for kind in KEEPS),
    *((partial(kind, x), NO_COUNT) for kind in GRIDS for x in (0, -1, 2.5, True, "2")),
    *((partial(method, weight), message) for method in METHODS for weight, message in WEIGHTS),
)

"""The draws: closed forms, moments by Monte Carlo, and what every outcome obeys."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.schemes import (
    Masking,
    NearestRounding,
    Pruning,
    Quantization,
    Scheme,
    check_weight,
    uniforms_like,
)

ALL = [Pruning(keep=0.3), Quantization(levels=3), Masking(keep=0.3), NearestRounding(levels=3)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def weights(seed, shape=(3, 4)):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def test_rounding_of_the_sheet():
    """Catches a probability on the wrong side: q(0.37; 1, 4) is 0.5 with probability 0.48."""
    weight = torch.tensor([[0.37, -0.37, 1.0, 0.1]], dtype=torch.float64)
    scheme = Quantization(levels=4)
    assert scheme.variance(weight)[0, 0].item() == pytest.approx(0.0156, rel=1e-12)
    assert scheme.variance(weight)[0, 2].item() == 0.0
    just_below = torch.full_like(weight, 0.4799999)
    assert scheme.decide(weight, just_below).tolist() == [[0.5, -0.5, 1.0, 0.0]]
    just_above = torch.full_like(weight, 0.4800001)
    assert scheme.decide(weight, just_above).tolist() == [[0.25, -0.25, 1.0, 0.0]]


def test_small_weights_round_to_zero():
    """Catches the paper's 2k levels without 0: q(0.1; 1, 4) is 0 with probability 0.6."""
    weight = torch.tensor([[0.1, 1.0]], dtype=torch.float64).expand(20000, 1, 2)
    share = (Quantization(levels=4).draw(weight, generator(1))[..., 0] == 0).double().mean().item()
    assert share == pytest.approx(0.6, abs=5 * math.sqrt(0.24 / 20000))


def test_pruning_keeps_below_p():
    """Catches a kept share of 1 - p, or a kept weight that is not enlarged."""
    weight = torch.tensor([[2.0, 2.0, 2.0]])
    uniforms = torch.tensor([[0.0, 0.2499, 0.25]], dtype=torch.float64)
    assert Pruning(keep=0.25).decide(weight, uniforms).tolist() == [[8.0, 8.0, 0.0]]
    assert Masking(keep=0.25).decide(weight, uniforms).tolist() == [[2.0, 2.0, 0.0]]


def test_keep_of_one_keeps_everything():
    """Catches a draw that can lose a weight which is kept for certain."""
    weight = weights(0)
    assert torch.equal(Pruning(keep=1.0).draw(weight, generator()), weight)
    assert Pruning(keep=1).variance(weight).abs().max().item() == 0.0


@pytest.mark.parametrize("scheme", ALL, ids=str)
def test_moments_by_monte_carlo(scheme):
    """Catches a mean or variance that is not the draw's: 40000 draws, 5 standard errors."""
    weight, draws = weights(3), 40000
    drawn = scheme.draw(weight.expand(draws, -1, -1), generator(2))
    mean, variance = scheme.mean(weight), scheme.variance(weight)
    error = (variance / draws).sqrt()
    assert ((drawn.mean(0) - mean).abs() <= 5 * error + 1e-12).all()
    fourth = (drawn - mean).pow(4).mean(0)
    error = ((fourth - variance**2).clamp(min=0) / draws).sqrt()
    square = (drawn - mean).square().mean(0)
    assert ((square - variance).abs() <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("scheme", ALL, ids=str)
def test_outcomes_are_the_draws(scheme):
    """Catches outcomes, chances or an order other than the draw's: uniforms on either side."""
    weight = torch.cat([weights(5), torch.zeros(1, 4, dtype=torch.float64)])
    outcomes = scheme.outcomes(weight)
    chances = torch.stack([chance for _, chance in outcomes])
    torch.testing.assert_close(chances.sum(0), torch.ones_like(weight), rtol=0, atol=1e-15)
    below = torch.zeros_like(weight)
    for value, chance in outcomes:
        assert value.shape == chance.shape == weight.shape
        for uniforms in (below + 1e-9 * chance, below + (1 - 1e-9) * chance):
            drawn = scheme.decide(weight, uniforms)
            assert torch.equal(drawn[chance > 1e-6], value[chance > 1e-6])
        below = below + chance
    mean = sum(value * chance for value, chance in outcomes)
    square = sum((value - mean).square() * chance for value, chance in outcomes)
    torch.testing.assert_close(mean, scheme.mean(weight), rtol=0, atol=1e-14)
    torch.testing.assert_close(square, scheme.variance(weight), rtol=0, atol=1e-14)


def test_outcomes_of_the_largest_weight_stay_on_the_grid():
    """Catches a level above M, which no draw takes but a worst case over outcomes would."""
    weight = torch.tensor([[0.5, -2.0, 2.0]])
    for value, _ in Quantization(levels=2).outcomes(weight):
        assert value.abs().max().item() == 2.0
    assert Quantization(levels=2).outcomes(weight)[0][0].dtype == torch.float32


@pytest.mark.parametrize("scheme", [Pruning(keep=0.3), Quantization(levels=3)], ids=str)
def test_means_are_the_weights(scheme):
    """Catches a scheme that calls itself unbiased and is not (decided on a grid of uniforms)."""
    weight = weights(4)
    uniforms = (torch.arange(20000, dtype=torch.float64) + 0.5)[:, None, None] / 20000
    drawn = scheme.decide(weight.expand(20000, -1, -1), uniforms.expand(-1, 3, 4))
    torch.testing.assert_close(drawn.mean(0), weight, rtol=0, atol=1e-3)
    assert torch.equal(scheme.mean(weight), weight)


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
    for scheme in (Quantization(levels=levels), NearestRounding(levels=levels)):
        drawn = scheme.draw(weight, generator(seed))
        grid = {largest * (step / levels) for step in range(levels + 1)}
        assert {abs(value) for value in drawn[0].tolist()} <= grid
        assert (drawn * weight >= 0).all()
        reach = 1.0 if isinstance(scheme, Quantization) else 0.5
        assert ((drawn - weight).abs() <= reach * largest / levels * (1 + 1e-12)).all()
        assert drawn.abs().max().item() == largest
    variance = Quantization(levels=levels).variance(weight)
    assert (variance <= (largest / (2 * levels)) ** 2 * (1 + 1e-12)).all()


def test_grid_of_a_stack_is_per_network():
    """Catches one M for all networks of a stack."""
    stack = torch.stack([weights(0), 100 * weights(1)])
    drawn = Quantization(levels=2).draw(stack, [generator(0), generator(1)])
    for network in range(2):
        alone = Quantization(levels=2).draw(stack[network], generator(network))
        assert torch.equal(drawn[network], alone)


def test_a_layer_of_zeros_stays():
    """Catches 0/0 where M = 0."""
    zeros = torch.zeros(2, 3)
    for scheme in ALL:
        assert torch.equal(scheme.draw(zeros, generator()), zeros)
        assert torch.equal(scheme.variance(zeros), zeros)


def test_exactly_one_uniform_per_weight():
    """Catches draws that take more or fewer random numbers: the generator's next number tells."""
    for scheme in (Pruning(keep=0.3), Quantization(levels=3), Masking(keep=0.3)):
        source, reference = generator(5), generator(5)
        scheme.draw(weights(0), source)
        torch.rand(12, generator=reference, dtype=torch.float64)
        assert torch.equal(torch.rand(3, generator=source), torch.rand(3, generator=reference))


def test_uniforms_need_fitting_generators():
    """Catches generators given for networks that are not there."""
    with pytest.raises(ValueError, match=r"need one generator, .* got 2"):
        uniforms_like(torch.zeros(3, 2, 2), [generator(), generator()])
    with pytest.raises(ValueError, match="need one generator"):
        uniforms_like(torch.zeros(2, 2), [generator(), generator()])


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.3, math.nan])
def test_keep_is_a_probability(keep):
    """Catches a probability of 0 (division by it) or beyond 1."""
    for kind in (Pruning, Masking):
        with pytest.raises(ValueError, match=f"need 0 < keep <= 1, got {keep}"):
            kind(keep=keep)


@pytest.mark.parametrize("levels", [0, -1, 2.5, True, "2"])
def test_levels_are_counted(levels):
    """Catches a number of levels that is no count."""
    for kind in (Quantization, NearestRounding):
        with pytest.raises(ValueError, match="need an integer levels >= 1"):
            kind(levels=levels)


def test_all_are_schemes():
    """Catches a scheme that lacks a method of the protocol."""
    assert all(isinstance(scheme, Scheme) for scheme in ALL)
    assert not isinstance(object(), Scheme)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.ones(3), r"need weight \(\.\.\., n_out, n_in\)"),
        (torch.ones(0, 3), "none empty"),
        (torch.ones(2, 2, dtype=torch.float16), "need weight of dtype float32 or float64"),
        (torch.tensor([[math.nan]]), "need finite weight"),
    ],
)
def test_bad_weights_are_named(weight, message):
    """Catches weights that a draw would silently spoil."""
    with pytest.raises(ValueError, match=message):
        check_weight(weight)
    for scheme in ALL:
        with pytest.raises(ValueError, match=message):
            scheme.variance(weight)

"""The ladder of a wide layer."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compressibility.bounds import wide_networks as bounds
from compressibility.greedy import compress_wide, redraw
from compressibility.ladder import Ladder, wide_ladder
from compressibility.metrics import output_error
from compressibility.schemes import Masking, Pruning, Quantization, Scheme


def layers(seed: int = 0, networks: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """W, x, x' of a small stack, float64."""
    dice = torch.Generator().manual_seed(seed)
    weight = torch.randn(networks, 3, 10, generator=dice, dtype=torch.float64)
    inputs = torch.randn(networks, 20, 10, generator=dice, dtype=torch.float64)
    moved = inputs + 0.1 * torch.randn(inputs.shape, generator=dice, dtype=torch.float64)
    return weight, inputs, moved


def dice(networks: int = 2) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(networks)]


def build(scheme: Pruning | Quantization, seed: int = 0, **options: object) -> Ladder:
    weight, inputs, moved = layers(seed)
    known = {"shares": [0.3, 0.9], "activation": torch.tanh, "draws": 20, "generators": dice()}
    return wide_ladder(weight, inputs, moved, scheme, **{**known, **options})  # type: ignore[arg-type]


def test_rungs_are_the_formulas() -> None:
    """A rung fed with another layer's norm, another share, or p and k confused."""
    weight, inputs, moved = layers()
    ladder = build(Pruning(keep=0.3))
    sigma1 = float(torch.linalg.svdvals(weight[1])[0])
    theta = max(math.sqrt(float(row @ row)) for row in moved[1])
    gap = sum(float((a - b) @ (a - b)) for a, b in zip(inputs[1], moved[1], strict=True)) / 20
    expected = bounds.proposition_19(
        input_error=gap,
        sigma1=sigma1,
        nu1=float(weight[1].abs().max()),
        theta=theta,
        n2=3,
        alpha=0.9,
        p=0.3,
    )
    assert float(ladder.printed[1, 1]) == pytest.approx(expected)
    plan = compress_wide(weight[1], moved[1], Pruning(keep=0.3), fraction=0.9, generator=dice()[1])
    start = output_error(weight[1], weight[1], inputs[1], moved[1])
    assert float(ladder.identity[1, 1]) == pytest.approx(float(start + plan.expected_increase))


@pytest.mark.parametrize("scheme", [Pruning(keep=0.3), Quantization(levels=2)])
def test_mean_over_draws_meets_the_identity(scheme: Pruning | Quantization) -> None:
    """Draws from the wrong scheme or mask; five standard errors of the mean over 4000 draws."""
    weight, inputs, moved = layers()
    ladder = build(scheme, draws=4000)
    plan = compress_wide(weight, moved, scheme, fraction=0.9, generator=dice())
    for e in range(2):
        cut = redraw(weight[e], plan.compressed[e], scheme, draws=4000, generator=dice()[e])
        spread = float(output_error(weight[e], cut, inputs[e], moved[e]).std())
        off = float(ladder.before[1, e] - ladder.identity[1, e])
        assert abs(off) < 5 * spread / math.sqrt(4000)


@given(st.integers(0, 50), st.sampled_from([Pruning(keep=0.2), Quantization(levels=3)]))
@settings(deadline=None, max_examples=25)
def test_rungs_are_ordered(seed: int, scheme: Pruning | Quantization) -> None:
    """A bound below what it bounds."""
    ladder = build(scheme, seed=seed)
    assert bool((ladder.measured <= ladder.before).all())
    assert bool((ladder.identity <= ladder.all_prices).all())
    assert bool((ladder.all_prices <= ladder.sharper).all())
    assert bool((ladder.sharper <= ladder.printed).all())
    assert ladder.steps_down() == (0, 2 * 2 * 4)


def test_steps_down_sees_every_rung_network_and_share() -> None:
    """A step that is left out of the count: each entry in turn is made the reversed one."""
    steps = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dtype=torch.float64)
    whole = [step.repeat(2, 3) for step in steps]
    assert Ladder(*whole).steps_down() == (0, 24)
    for rung in (1, 3, 4, 5):
        broken = [step.clone() for step in whole]
        broken[rung][1, 2] = 0.5
        assert Ladder(*broken).steps_down() == (1, 24)


def test_identity_activation_gives_equal_first_rungs() -> None:
    """Chance that reverses the first step: both sides must use the same draws."""
    ladder = build(Pruning(keep=0.3), activation=lambda x: x)
    assert torch.equal(ladder.measured, ladder.before)


def test_relative_to_divides_every_rung() -> None:
    """A rung left in other units."""
    ladder = build(Pruning(keep=0.3))
    unit = torch.tensor([2.0, 4.0], dtype=torch.float64)
    relative = ladder.relative_to(unit)
    assert torch.allclose(relative.printed * unit, ladder.printed)
    assert torch.allclose(relative.measured * unit, ladder.measured)


def test_other_schemes_are_refused() -> None:
    """A bound for another draw than the one that is measured."""
    with pytest.raises(ValueError, match="need Pruning or Quantization"):
        build(Masking(keep=0.3))  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", [Pruning(keep=0.3), Quantization(levels=2), Masking(keep=0.3)])
def test_redraw_leaves_the_others_alone(scheme: Scheme) -> None:
    """A draw that touches uncompressed weights, or repeats one realization."""
    weight = layers()[0][0]
    mask = torch.arange(30).reshape(3, 10) % 3 == 0
    cut = redraw(weight, mask, scheme, draws=50, generator=dice()[0])
    assert cut.shape == (50, 3, 10)
    assert torch.equal(cut[:, ~mask], weight[~mask].expand(50, -1))
    mean, sd = scheme.mean(weight)[mask], scheme.variance(weight)[mask].sqrt()
    assert bool(((cut[:, mask].mean(0) - mean).abs() <= 5 * sd / math.sqrt(50) + 1e-12).all())
    assert len(torch.unique(cut[:, mask], dim=0)) > 10


def test_redraw_refuses_what_does_not_fit() -> None:
    """A mask of another layer, silently broadcast; no draws at all."""
    weight = layers()[0][0]
    with pytest.raises(ValueError, match="need weight and compressed"):
        redraw(weight, weight[0] > 0, Pruning(keep=0.3), draws=1, generator=dice()[0])
    with pytest.raises(ValueError, match="need draws >= 1, got 0"):
        redraw(weight, weight > 0, Pruning(keep=0.3), draws=0, generator=dice()[0])

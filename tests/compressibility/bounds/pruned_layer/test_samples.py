"""How many samples readjusting needs: Gaussian inputs, literal least squares."""

import math

import numpy as np
import pytest

from compressibility.bounds.pruned_layer.samples import (
    adjusted_r2,
    held_out,
    samples_needed,
    sampling_factors,
)
from tests.compressibility.helpers import refuses

DRAWS = 3000


def fitted(samples, kept, mean, *, weight=1.0, draws=DRAWS, seed=0):
    """RSS/N, TSS/N, damage on new inputs, the mask's, (draws,) each; M. Here σ² = 1."""
    source = np.random.default_rng(seed)
    mixing = source.standard_normal((kept, kept))
    beta = weight * source.standard_normal(kept) / math.sqrt(kept)
    inputs = source.standard_normal((draws, samples, kept)) @ mixing.T
    wanted = inputs @ beta + source.standard_normal((draws, samples))
    offset, alone = 0.0, 1 + np.square(beta @ mixing).sum()
    masked = np.full(draws, alone)
    if mean == "estimated":
        inputs, wanted = inputs + 2, wanted + 3  # x's mean 2, the target's 3: a mean of both
        centers = inputs.mean(1, keepdims=True), wanted.mean(1, keepdims=True)
        slopes = np.linalg.pinv(inputs - centers[0]) @ (wanted - centers[1])[..., None]
        level = centers[1] - (centers[0] @ slopes)[..., 0]
        residual = wanted - level - (inputs @ slopes)[..., 0]
        offset = (level[:, 0] + 2 * slopes.sum((1, 2)) - 3) ** 2
        spread = np.square(wanted - centers[1])
        masked = alone + np.square(centers[1][:, 0] - 3)
    else:
        slopes = np.linalg.pinv(inputs) @ wanted[..., None]
        residual = wanted - (inputs @ slopes)[..., 0]
        spread = np.square(wanted)
    missed = (slopes[..., 0] - beta) @ mixing
    new = 1 + np.square(missed).sum(-1) + offset
    return np.square(residual).mean(1), spread.mean(1), new, masked, alone


def near(values, wanted, *, sigmas=4.5):
    """Whether the mean of independent values is what is wanted."""
    return abs(values.mean() - wanted) < sigmas * values.std(ddof=1) / math.sqrt(len(values))


@pytest.mark.parametrize("mean", ["known", "estimated"])
@pytest.mark.parametrize("samples", [20, 40])
def test_factors_of_least_squares(mean, samples):
    """Catches 1/(1 - k/N), 1 + k/N, the zeroed for the kept, a forgotten error of the mean."""
    inside, spread, new, masked, alone = fitted(samples, 12, mean, weight=0.3)
    within, beyond = sampling_factors(samples, 12, mean)
    assert near(inside, within)
    assert near(new, beyond)
    spent = mean == "estimated"
    assert sampling_factors(samples, 0, mean) == (1 - spent / samples, 1 + spent / samples)
    assert near(spread, alone * sampling_factors(samples, 0, mean)[0])
    assert near(masked, held_out([(1, alone, 12)], samples, mean)[1]) or not spent
    ratio = inside.mean() / spread.mean()
    assert adjusted_r2(ratio, samples, 12, mean) == pytest.approx(1 - 1 / alone, abs=0.01)
    assert 1 - ratio > 1 - 1 / alone + 0.05  # in sample: too much


def test_values():
    """Catches other constants: k 12, N 40 and 20."""
    assert sampling_factors(40, 12, "known") == pytest.approx((0.7, 1.44444), rel=1e-5)
    assert sampling_factors(40, 12) == pytest.approx((0.675, 1.49808), rel=1e-5)
    assert sampling_factors(20, 12, "known") == pytest.approx((0.4, 2.71429), rel=1e-5)
    assert samples_needed(12, 0.41717, "known") == pytest.approx(29.77, abs=0.01)
    assert samples_needed(12, 0.41717) == pytest.approx(30.77, abs=0.01)


@pytest.mark.parametrize(("mean", "spent"), [("known", 0), ("estimated", 1)])
def test_factors_near_as_many_samples_as_weights(mean, spent):
    """Catches infinity at one N too many or too few, and a formula below it."""
    first, *three, last = (11 + spent - 1, *range(11 + spent, 14 + spent), 14 + spent)
    for samples in three:
        assert sampling_factors(samples, 12, mean)[1] == math.inf
    assert sampling_factors(last, 12, mean)[1] == pytest.approx((1 + spent / last) * 13)
    assert sampling_factors(12 + spent, 12, mean)[0] == 0
    assert sampling_factors(11 + spent, 12, mean)[0] == 0
    with pytest.raises(ValueError, match="samples >= "):
        sampling_factors(first, 12, mean)


def test_fewer_samples_have_no_factor():
    """Catches a damage that is called infinite, or a multiple of σ², far below N = k."""
    small, large = (fitted(4, 12, "known", weight=weight, draws=400)[2] for weight in (0, 2))
    assert np.mean(small) < 3
    assert np.mean(large) > 2 * np.mean(small)
    assert np.max(large) < 1e4


@pytest.mark.parametrize(("mean", "spent"), [("known", 0), ("estimated", 1)])
def test_samples_needed_are_where_the_factors_cross(mean, spent):
    """Catches N > k, 1 for 2, R for R², a mask that does not pay for its mean."""
    for kept, explained in ((12, 0.4), (3, 0.9), (100, 0.5), (7, 1.0)):
        needed = samples_needed(kept, explained, mean)
        for samples in range(kept + spent, 4 * kept + 20):
            better = (1 - explained) * sampling_factors(samples, kept, mean)[1]
            if not abs(samples - needed) < 1e-9 and explained < 1:
                alone = sampling_factors(samples, 0, mean)[1]
                assert (better < alone) == (samples > needed)
    assert samples_needed(10, 0.5, mean) == 21 + spent
    assert samples_needed(10, 0, mean) == math.inf
    at_it = 0.5 * sampling_factors(21 + spent, 10, mean)[1]  # neither is better
    assert at_it == pytest.approx(sampling_factors(21 + spent, 0, mean)[1])


@pytest.mark.parametrize("mean", ["known", "estimated"])
def test_adjusted_r2_undoes_the_factors(mean):
    """Catches a divisor off by one: RSS and TSS at their expectations give the true R²."""
    for samples, kept, least, alone in ((150, 100, 0.5, 1), (40, 12, 2, 7), (14, 12, 3, 3)):
        inside = least * sampling_factors(samples, kept, mean)[0]
        ratio = inside / (alone * sampling_factors(samples, 0, mean)[0])
        assert adjusted_r2(ratio, samples, kept, mean) == pytest.approx(1 - least / alone)


def test_in_sample_r2_misleads():
    """Catches the plain ratio: it says readjust, and readjusting costs 1.54 masks."""
    ratio = 0.5 * 49 / 149
    assert 1 - ratio == pytest.approx(0.836, abs=5e-4)
    assert samples_needed(100, 1 - ratio) < 150 < samples_needed(100, adjusted_r2(ratio, 150, 100))
    new, alone = held_out([(0.5, 1, 100)], 150)
    assert new / alone == pytest.approx(1.5417, abs=1e-4)


def test_rows_that_keep_different_numbers():
    """Catches a mean k (3 < 3.8, though 4 > 3.8), and a row's infinity times nothing."""
    assert held_out([(1, 1.9, 0), (1, 1.9, 26)], 40, "known") == (4, 3.8)
    assert 2 * sampling_factors(40, 13, "known")[1] == pytest.approx(3)
    assert held_out([(1, 2, 12), (0, 5, 39)], 40) == pytest.approx((1.498077, 7.175))
    assert held_out([(1, 2, 39)], 40)[0] == math.inf


test_refusals = refuses(
    (lambda: sampling_factors(0, 3), "samples"),
    (lambda: sampling_factors(9, 1.5), "kept"),
    (lambda: sampling_factors(9, -1), "kept"),
    (lambda: sampling_factors(9, 3, "none"), "mean"),
    (lambda: samples_needed(0, 0.5), "kept"),
    (lambda: samples_needed(3, 1.1), "explained"),
    (lambda: adjusted_r2(-0.1, 9, 3), "ratio"),
    (lambda: adjusted_r2(0.1, 4, 3), "kept < 3"),
    (lambda: held_out([(-1, 1, 3)], 9), "least"),
)

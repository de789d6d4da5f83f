"""Tests of the moments of a layer's inputs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from compressibility.pruning.moments import Moments
from tests.compressibility.helpers import normal, refuses

I2 = torch.eye(2)


def test_equal_numpys() -> None:
    """Catches a divisor N-1, sums in place of averages, a covariance in the place of S."""
    x = normal(7, 3) + 2
    seen = Moments.of(x)
    rows = x.numpy()
    np.testing.assert_allclose(seen.mean, rows.mean(0))
    np.testing.assert_allclose(seen.second, np.einsum("ni,nj->ij", rows, rows) / 7)
    np.testing.assert_allclose(seen.covariance, np.cov(rows.T, ddof=0))
    assert seen.samples == 7
    assert seen.matrix(restored=False) is seen.second
    assert seen.matrix(restored=True) is seen.covariance


def test_batches_pool_to_all() -> None:
    """Catches batches that count alike whatever their sizes, and counts that are lost."""
    x = normal(12, 3) + 1
    first, *rest = [Moments.of(part) for part in x.split([1, 4, 7])]
    pooled, whole = sum(rest, start=first), Moments.of(x)
    torch.testing.assert_close(pooled.mean, whole.mean)
    torch.testing.assert_close(pooled.second, whole.second)
    assert pooled.samples == 12


def test_the_average_sample_covariance() -> None:
    """Catches another divisor: over all N-samples the mean of Ĉ is (1 - 1/N) C, exactly (7.1)."""
    law = torch.tensor([[1.0, 0.0], [1.0, 2.0], [-2.0, 1.0]], dtype=torch.float64)
    exact = Moments.of(law).covariance
    for n in (1, 2, 4):
        draws = [Moments.of(law[list(pick)]) for pick in itertools.product(range(3), repeat=n)]
        average = torch.stack([draw.covariance for draw in draws]).mean(0)
        torch.testing.assert_close(average, (1 - 1 / n) * exact)


def test_mean_to_power() -> None:
    """Catches the inverse, a root, and 0/0 for an input that is never lit."""
    law = Moments(
        torch.tensor([1 / math.sqrt(2 * math.pi), 3.0, 0.0, -1.0]),
        torch.diag(torch.tensor([0.5, 9.0, 0.0, 4.0])),
    )
    assert law.samples is None
    expected = [1 / math.pi, 1.0, 0.0, 0.25]
    assert law.mean_to_power.tolist() == pytest.approx(expected, abs=1e-6)


def test_constant_inputs_have_no_covariance() -> None:
    """Catches rounding that is taken for a variance, and sorted by."""
    x = torch.linspace(0, 3, 31).double().expand(1500, 31)
    covariance = Moments.of(torch.cat([x, normal(1500, 1)], 1)).covariance
    assert covariance[:31].abs().max() == covariance[:, :31].abs().max() == 0
    assert covariance[31, 31] > 0.1


def test_a_small_variance_stays() -> None:
    """Catches inputs taken for constant that vary by a millionth of their size."""
    x = 1 + 1e-6 * normal(50, 1)
    variance = float(Moments.of(x).covariance)
    assert variance == pytest.approx(float(x.var(correction=0)), rel=1e-2)


def test_single_precision_is_summed_in_double() -> None:
    """Catches averages taken in float32, which lose the small among the large."""
    x = torch.tensor([[3000.0], [1e-2], [1e-2], [1e-2]])
    assert float(Moments.of(x).second) == pytest.approx((9e6 + 3e-4) / 4, rel=1e-12)
    assert Moments.of(x).second.dtype == torch.float64


test_refusals = refuses(
    (lambda: Moments.of(torch.ones(3)), r"inputs \(N, n\)"),
    (lambda: Moments.of(torch.ones(0, 3)), r"inputs \(N, n\)"),
    (lambda: Moments.of(torch.ones(2, 2).long()), "float32 or float64"),
    (lambda: Moments.of(torch.tensor([[math.nan]])), "finite inputs"),
    (lambda: Moments(torch.ones(2), torch.ones(3, 3)), r"second \(n, n\)"),
    (lambda: Moments(torch.ones(2), I2 / 2), "E x_j² >="),
    (lambda: Moments(torch.ones(2), I2, 0), "a whole samples"),
    (lambda: Moments.of(I2) + Moments(torch.ones(2), I2), "samples, not a law"),
    (lambda: Moments.of(I2) + Moments.of(torch.ones(1, 3)), "batches of one layer"),
)

"""What the theorems conclude: errors, losses as in Corollary 5, kept shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressibility import checks
from compressibility.bounds import wide_networks as bounds

networks = st.fixed_dictionaries(
    {"c1": st.floats(0.1, 5), "m": st.integers(1, 6), "epsilon": st.floats(0, 100)}
)


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0, 10),
    **{"c1": st.floats(0.1, 5), "m": st.integers(1, 6)},
)
def test_excess_loss_is_attained_by_collinear_errors(
    seed: int, scale: float, c1: float, m: int
) -> None:
    """Catches a wrong power of c1 and any slack: compressed - dense = s (dense - target)."""
    dense, target = np.random.default_rng(seed).standard_normal((2, 9, 3))
    compressed = dense + scale * (dense - target)
    loss = float(((dense - target) ** 2).sum(1).mean())
    distance = float(((dense - compressed) ** 2).sum(1).mean())
    reached = float(((compressed - target) ** 2).sum(1).mean())
    bound = bounds.excess_loss(loss=loss, c1=c1, m=m, epsilon=distance / c1 ** (2 * m))
    assert bound == pytest.approx(reached)


@given(omega=st.floats(0.01, 10), above=st.floats(0, 100), network=networks, grow=st.floats(1, 3))
def test_corollary_5(omega: float, above: float, network: dict[str, Any], grow: float) -> None:
    """Catches omega squared for omega, and a corollary below (18), from which it follows."""
    loss = omega**2 + above
    tight = bounds.excess_loss(loss=loss, **network)
    loose = bounds.corollary_5(loss=loss, **network, omega=omega)
    amplitude = network["c1"] ** network["m"]
    epsilon = network["epsilon"]
    printed = (1 + 2 * amplitude * math.sqrt(epsilon) / omega) * loss + amplitude**2 * epsilon
    assert loose == pytest.approx(printed)
    assert loose >= tight * (1 - 1e-12)
    weaker = bounds.corollary_5(loss=loss, **network, omega=omega / grow)
    assert weaker >= loose * (1 - 1e-12)


def test_corollary_5_meets_18_at_the_noise_level() -> None:
    """Catches a gap between the two where the network has no excess loss of its own."""
    options: dict[str, Any] = {"loss": 2.25, "c1": 1.3, "m": 3, "epsilon": 0.2}
    found = bounds.corollary_5(**options, omega=1.5)
    assert found == pytest.approx(bounds.excess_loss(**options), rel=1e-14)


def test_corollary_5_on_a_noisy_regression() -> None:
    """Catches the corollary failing on data that obey (12) exactly: y = x ± omega."""
    x = np.linspace(-1, 1, 11)
    omega = 0.5
    inputs, y = np.tile(x, 2), np.concatenate([x + omega, x - omega])
    dense, compressed = 0.8 * inputs, 0.5 * inputs + 0.1
    found = bounds.corollary_5(
        loss=float(((dense - y) ** 2).mean()),
        c1=1,
        m=1,
        epsilon=float(((dense - compressed) ** 2).mean()),
        omega=omega,
    )
    assert float(((compressed - y) ** 2).mean()) <= found


def test_corollary_5_refuses_a_loss_below_the_noise() -> None:
    """Catches a 'bound' that is below (18) because the loss contradicts (12)."""
    with pytest.raises(ValueError, match=r"need loss >= omega\*\*2 = 4 \(12\), got 1"):
        bounds.corollary_5(loss=1, c1=1, m=1, epsilon=0.1, omega=2)


@given(c1=st.floats(0.1, 5), m=st.integers(1, 6), xi=st.floats(0.001, 0.99))
def test_theorem_error(c1: float, m: int, xi: float) -> None:
    """Catches (1+xi)^m off by a layer: the induction multiplies c1^2 (1+xi) m times from xi."""
    error = xi
    for _ in range(m):
        error *= c1**2 * (1 + xi)
    assert bounds.theorem_error(c1=c1, m=m, xi=xi) == pytest.approx(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": -1.0}, r"need 0 <= loss < inf, got -1\.0"),
        ({"epsilon": math.nan}, "need 0 <= epsilon < inf, got nan"),
        ({"c1": 0.0}, r"need 0 < c1 < inf, got 0\.0"),
        ({"m": 0}, "need a whole m >= 1, got 0"),
        ({"omega": 0.0}, r"need 0 < omega < inf, got 0\.0"),
    ],
)
def test_losses_refuse(change: dict[str, Any], message: str) -> None:
    """Catches a square root of a negative number where a message belongs."""
    options: dict[str, Any] = {"loss": 9.0, "c1": 1.0, "m": 1, "epsilon": 0.1, "omega": 1.0}
    with pytest.raises(ValueError, match=message):
        bounds.corollary_5(**{**options, **change})


def test_theorem_error_refuses() -> None:
    """Catches an accuracy outside the theorem."""
    with pytest.raises(ValueError, match="need 0 < xi < 1, got 1"):
        bounds.theorem_error(c1=1, m=1, xi=1)


def test_kept_share() -> None:
    """Catches the theorem's 1.01p without the 1% never drawn (slip 4), and alpha for 1-alpha."""
    assert bounds.kept_share_bound(share=0.99, p=0.3, gamma=0.01) == pytest.approx(
        0.01 + 0.9999 * 0.3
    )
    assert bounds.kept_share_bound(share=0.9, p=0.3) == pytest.approx(0.37)
    assert bounds.kept_share_bound(share=0.9, p=0.3, n=240) == pytest.approx(0.37)


@given(alpha=st.floats(0.01, 0.99), p=st.floats(0.01, 0.9), n=st.integers(1, 500))
def test_kept_share_counts_the_floor(alpha: float, p: float, n: int) -> None:
    """Catches a 'bound' below the mean kept share when alpha n is no whole number."""
    drawn = checks.count(alpha, n)
    exact = bounds.kept_share_bound(share=alpha, p=p, n=n)
    assert exact == pytest.approx((n - drawn + p * drawn) / n)
    printed = bounds.kept_share_bound(share=alpha, p=p)
    assert printed - 1e-12 <= exact < printed + 1 / n

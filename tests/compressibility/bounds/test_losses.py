"""What the theorems conclude: errors, losses as in Corollary 5, kept shares."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressibility import checks
from compressibility.bounds import wide_networks as bounds
from tests.compressibility.helpers import refuses

c1s, layers = st.floats(0.1, 5), st.integers(1, 6)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0, 10), c1=c1s, m=layers)
def test_excess_loss_is_attained_by_collinear_errors(seed, scale, c1, m):
    """Catches a wrong power of c1 and any slack: compressed - dense = s (dense - target)."""
    dense, target = np.random.default_rng(seed).standard_normal((2, 9, 3))
    compressed = dense + scale * (dense - target)
    pairs = ((dense, target), (dense, compressed), (compressed, target))
    loss, distance, reached = (float(((a - b) ** 2).sum(1).mean()) for a, b in pairs)
    bound = bounds.excess_loss(loss=loss, c1=c1, m=m, epsilon=distance / c1 ** (2 * m))
    assert bound == pytest.approx(reached)


@given(omega=st.floats(0.01, 10), above=st.floats(0, 100), c1=c1s, m=layers, e=st.floats(0, 100))
def test_corollary_5(omega, above, c1, m, e):
    """Catches omega squared for omega, and a corollary below (18), from which it follows."""
    loss = omega**2 + above
    loose = bounds.corollary_5(loss=loss, c1=c1, m=m, epsilon=e, omega=omega)
    printed = (1 + 2 * c1**m * math.sqrt(e) / omega) * loss + c1 ** (2 * m) * e
    assert loose == pytest.approx(printed)
    assert loose >= bounds.excess_loss(loss=loss, c1=c1, m=m, epsilon=e) * (1 - 1e-12)


@given(c1=c1s, m=layers, xi=st.floats(0.001, 0.99))
def test_theorem_error(c1, m, xi):
    """Catches (1+xi)^m off by a layer: the induction multiplies c1^2 (1+xi) m times from xi."""
    error = xi
    for _ in range(m):
        error *= c1**2 * (1 + xi)
    assert bounds.theorem_error(c1=c1, m=m, xi=xi) == pytest.approx(error)


def loss(**change):
    """The call of Corollary 5 with one argument changed."""
    known = {"loss": 9.0, "c1": 1.0, "m": 1, "epsilon": 0.1, "omega": 1.0}
    return lambda: bounds.corollary_5(**{**known, **change})


test_bad_arguments_are_named = refuses(
    (loss(loss=-1.0), r"need 0 <= loss < inf, got -1\.0"),
    (loss(loss=1, omega=2), r"need loss >= omega\*\*2 = 4 \(12\), got 1"),
    (loss(epsilon=math.nan), "need 0 <= epsilon < inf, got nan"),
    (loss(c1=0.0), r"need 0 < c1 < inf, got 0\.0"),
    (loss(m=0), "need a whole m >= 1, got 0"),
    (loss(omega=0.0), r"need 0 < omega < inf, got 0\.0"),
    (lambda: bounds.theorem_error(c1=1, m=1, xi=1), "need 0 < xi < 1, got 1"),
    (lambda: bounds.promise(math.nan, variance=1.0), "need 0 <= allowed < inf, got nan"),
    (lambda: bounds.promise(1.0, variance=0.0), r"need 0 < variance < inf, got 0\.0"),
    (lambda: bounds.promise(1.0, variance=math.nan), "need 0 < variance < inf, got nan"),
)


@pytest.mark.parametrize(
    ("allowed", "name"),
    [(0.0, "promise"), (1.9, "promise"), (2.0, "empty promise"), (6.0, "empty promise")],
)
def test_promise(allowed: float, name: str) -> None:
    """Catches a promise that is kept by a constant and yet holds, and a quotient upside down."""
    row = bounds.promise(allowed, variance=2.0)
    assert (row.left, row.relation, row.right) == (allowed / 2, "<", 1.0)
    assert (row.name, row.holds) == (name, name == "promise")


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

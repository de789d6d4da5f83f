"""What the bounds say of a whole network, and the examples in the docstrings."""

import doctest
import math
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.bounds import (
    wide_networks,
    wide_networks_blocks,
    wide_networks_conditions,
    wide_networks_delta,
    wide_networks_layers,
    wide_networks_sharpest,
    wide_networks_structured,
    wide_networks_theorems,
    wide_networks_widths,
)

losses = st.floats(0, 1e6)
networks = st.fixed_dictionaries(
    {"c1": st.floats(0.1, 5), "m": st.integers(1, 6), "epsilon": st.floats(0, 100)}
)


@pytest.mark.parametrize(
    "module",
    [
        wide_networks,
        wide_networks_blocks,
        wide_networks_conditions,
        wide_networks_delta,
        wide_networks_layers,
        wide_networks_sharpest,
        wide_networks_structured,
        wide_networks_theorems,
        wide_networks_widths,
    ],
)
def test_examples(module: ModuleType) -> None:
    """Catches a docstring example that is no longer true."""
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_everything_is_reachable_from_one_module() -> None:
    """Catches a name that a split left behind."""
    for name in wide_networks.__all__:
        assert hasattr(wide_networks, name)


@pytest.mark.parametrize("seed", range(20))
def test_excess_loss_is_a_true_inequality(seed: int) -> None:
    """Catches a missing 2, or epsilon for its root: three random clouds of vectors."""
    generator = np.random.default_rng(seed)
    dense, compressed, target = generator.standard_normal((3, 50, 4)) * generator.uniform(
        0.1, 3, (3, 1, 1)
    )
    loss = float(((dense - target) ** 2).sum(1).mean())
    distance = float(((dense - compressed) ** 2).sum(1).mean())
    reached = float(((compressed - target) ** 2).sum(1).mean())
    assert reached <= wide_networks.excess_loss(loss=loss, c1=1, m=1, epsilon=distance)


@settings(deadline=None)
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
    bound = wide_networks.excess_loss(loss=loss, c1=c1, m=m, epsilon=distance / c1 ** (2 * m))
    assert bound == pytest.approx(reached)


@settings(deadline=None)
@given(loss=losses, network=networks)
def test_excess_loss_is_a_square(loss: float, network: dict[str, Any]) -> None:
    """Catches a term lost: the bound is (sqrt L + c1^m sqrt epsilon)^2, and at least L."""
    bound = wide_networks.excess_loss(loss=loss, **network)
    root = math.sqrt(loss) + network["c1"] ** network["m"] * math.sqrt(network["epsilon"])
    assert bound == pytest.approx(root**2)
    assert bound >= loss


@settings(deadline=None)
@given(omega=st.floats(0.01, 10), above=st.floats(0, 100), network=networks, grow=st.floats(1, 3))
def test_corollary_5(omega: float, above: float, network: dict[str, Any], grow: float) -> None:
    """Catches omega squared for omega, and a corollary below (18), from which it follows."""
    loss = omega**2 + above
    tight = wide_networks.excess_loss(loss=loss, **network)
    loose = wide_networks.corollary_5(loss=loss, **network, omega=omega)
    amplitude = network["c1"] ** network["m"]
    epsilon = network["epsilon"]
    printed = (1 + 2 * amplitude * math.sqrt(epsilon) / omega) * loss + amplitude**2 * epsilon
    assert loose == pytest.approx(printed)
    assert loose >= tight * (1 - 1e-12)
    weaker = wide_networks.corollary_5(loss=loss, **network, omega=omega / grow)
    assert weaker >= loose * (1 - 1e-12)


def test_corollary_5_meets_18_at_the_noise_level() -> None:
    """Catches a gap between the two where the network has no excess loss of its own."""
    options: dict[str, Any] = {"loss": 2.25, "c1": 1.3, "m": 3, "epsilon": 0.2}
    found = wide_networks.corollary_5(**options, omega=1.5)
    assert found == pytest.approx(wide_networks.excess_loss(**options), rel=1e-14)


def test_corollary_5_on_a_noisy_regression() -> None:
    """Catches the corollary failing on data that obey (12) exactly: y = x ± omega."""
    x = np.linspace(-1, 1, 11)
    omega = 0.5
    inputs, y = np.tile(x, 2), np.concatenate([x + omega, x - omega])
    dense, compressed = 0.8 * inputs, 0.5 * inputs + 0.1
    found = wide_networks.corollary_5(
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
        wide_networks.corollary_5(loss=1, c1=1, m=1, epsilon=0.1, omega=2)


@settings(deadline=None)
@given(c1=st.floats(0.1, 5), m=st.integers(1, 6), xi=st.floats(0.001, 0.99))
def test_theorem_error(c1: float, m: int, xi: float) -> None:
    """Catches (1+xi)^m off by a layer: the induction multiplies c1^2 (1+xi) m times from xi."""
    error = xi
    for _ in range(m):
        error *= c1**2 * (1 + xi)
    assert wide_networks.theorem_error(c1=c1, m=m, xi=xi) == pytest.approx(error)


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
        wide_networks.corollary_5(**{**options, **change})


def test_theorem_error_refuses() -> None:
    """Catches an accuracy outside the theorem."""
    with pytest.raises(ValueError, match="need 0 < xi < 1, got 1"):
        wide_networks.theorem_error(c1=1, m=1, xi=1)


def test_network_constants() -> None:
    """Catches min for max of the two widths in c2, and radii that forget the layers before."""
    weights = [torch.full((3, 2), 0.5), torch.eye(3) * 2, torch.tensor([[0.0, 3.0, 0.0]])]
    found = wide_networks.network_constants(weights)
    assert found.widths == (2, 3, 3, 1)
    assert found.c1 == pytest.approx(3.0)
    assert found.c2 == pytest.approx(3 * math.sqrt(3))
    assert found.radii == pytest.approx((1, 3, 9, 27))
    assert found.layers[0].sigma1 == pytest.approx(0.5 * math.sqrt(6))


@pytest.mark.parametrize("seed", range(5))
def test_network_constants_bound_the_network(seed: int) -> None:
    """Catches a c1, c2 or radius that the network itself exceeds."""
    generator = np.random.default_rng(seed)
    widths = (5, 9, 4, 2)
    weights = [generator.standard_normal((b, a)) for a, b in pairwise(widths)]
    found = wide_networks.network_constants(weights)
    x = generator.standard_normal(5)
    x /= np.linalg.norm(x)
    for weight, radius, n_in in zip(weights, found.radii[1:], widths, strict=False):
        assert np.abs(weight).max() <= found.c2 / math.sqrt(max(n_in, len(weight))) * (1 + 1e-12)
        x = np.tanh(weight @ x)
        assert np.linalg.norm(x) <= radius


def test_network_constants_refuse() -> None:
    """Catches layers in the wrong order, or transposed, and no layers at all."""
    with pytest.raises(ValueError, match="need n_in = 2 at layer 2, got 3"):
        wide_networks.network_constants([np.ones((2, 4)), np.ones((1, 3))])
    with pytest.raises(ValueError, match="need at least one layer, got 0"):
        wide_networks.network_constants([])

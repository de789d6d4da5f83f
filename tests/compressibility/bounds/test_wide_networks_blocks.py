"""The block bounds: known answers, brute force over all draws, logarithms, order."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.bounds import wide_networks
from compressibility.bounds.wide_networks_blocks import BlockTerms
from compressibility.bounds.wide_networks_sharpest import sharpest_bound

from .blockwork import Block, case_b, entry_moves, exact_mean, random_block

sizes = st.floats(0.0, 3.0)
blocks = st.fixed_dictionaries(
    {
        "input_error": sizes,
        "sigma1": sizes,
        "sigma2": st.floats(0.1, 3.0),
        "nu1": sizes,
        "nu2": sizes,
        "theta": sizes,
        "n2": st.integers(1, 100),
        "n3": st.integers(1, 20),
        "alpha": st.floats(0.01, 0.995),
    }
)
PRUNING = (
    wide_networks.sharpest_block_pruning,
    wide_networks.sharper_block_pruning,
    wide_networks.proposition_22,
)
QUANTIZATION = (
    wide_networks.sharpest_block_quantization,
    wide_networks.sharper_block_quantization,
    wide_networks.proposition_21,
)


def quantized(w: float, largest: float, k: int) -> list[tuple[float, float]]:
    """List the two neighbours on the grid with their probabilities."""
    steps = abs(w) / largest * k
    level = min(math.floor(steps), k - 1)
    grid = math.copysign(largest / k, w)
    return [(grid * (level + 1), steps - level), (grid * level, level + 1 - steps)]


def known(block: Block) -> dict[str, Any]:
    return {**block.numbers(), "n2": len(block.W1)}


def test_known_answers_of_case_b() -> None:
    """Catches a lost factor in Lambda, omega or Lambda*: the sheet's numbers."""
    numbers = known(case_b()[0])
    given_sizes = {name: numbers[name] for name in ("sigma2", "nu1", "nu2", "theta", "n2", "n3")}
    terms = wide_networks.block_terms(**given_sizes, alpha=0.5, p=0.3)
    assert terms.growth == pytest.approx(10.92240, rel=1e-6)
    assert terms.omega == pytest.approx(15.69904, rel=1e-6)
    assert terms.sharper_growth == pytest.approx(1.892708, rel=1e-6)
    assert wide_networks.proposition_22(**numbers, alpha=0.5, p=0.3) == pytest.approx(
        9.50016e6, rel=1e-5
    )
    assert wide_networks.sharper_block_pruning(**numbers, alpha=0.5, p=0.3) == pytest.approx(
        88.5005, rel=1e-5
    )
    terms = wide_networks.block_terms(**given_sizes, alpha=0.5, k=2)
    assert terms.growth == pytest.approx(1.170258, rel=1e-6)
    assert terms.omega == pytest.approx(7.503798, rel=1e-6)
    assert wide_networks.proposition_21(**numbers, alpha=0.5, k=2) == pytest.approx(
        28.3008, rel=1e-5
    )
    assert terms.sharper_growth / terms.growth == pytest.approx(0.5 * math.log(2) / 2)


@pytest.mark.parametrize(("p", "jump"), [(0.2, 4.0), (0.8, 1.0)])
def test_omega_written_out_again(p: float, jump: float) -> None:
    """Catches one side of p ∨ (1-p), or of what a draw may move, taken for the larger one."""
    block = {"sigma2": 0.5, "nu1": 2.0, "nu2": 3.0, "theta": 1.1, "n2": 9, "n3": 4}
    terms = wide_networks.block_terms(**block, alpha=0.5, p=p)
    first, second, third = 1.1**2, 2 * 1.1 * 9 * 4 * 3 / 0.5, 2 * 1.1**2 * jump * 2 * 3 * 6
    assert terms.omega == pytest.approx(first + second + third, rel=1e-12)


@pytest.mark.parametrize(("alpha", "ratio"), [(0.9, 0.064), (0.99, 0.0116)])
def test_quotient_of_the_exponents(alpha: float, ratio: float) -> None:
    """Catches a Lambda* with Markov's factor, or with 1/(1-alpha) for its logarithm."""
    block = {"sigma2": 1.3, "nu1": 0.4, "nu2": 0.7, "theta": 1.1, "n2": 9, "n3": 2}
    for option in ({"p": 0.3}, {"k": 3}):
        terms = wide_networks.block_terms(**block, alpha=alpha, **option)
        assert terms.sharper_growth / terms.growth == pytest.approx(ratio, rel=0.01)


def test_sharpest_written_out_again() -> None:
    """Catches a wrong factor in drift or spread, against the formula in other symbols."""
    block = known(case_b()[0])
    v, s = 0.7 / 0.3, math.log(2)
    a = v * block["sigma2"] * block["nu1"] ** 2 * math.sqrt(12) * s
    b = v * block["nu1"] ** 2 * block["nu2"] ** 2 * 36 * s
    want = (math.sqrt(b) + a / 2) ** 2
    assert want < 23
    found = wide_networks.sharpest_block_pruning(**block, alpha=0.5, p=0.3)
    assert found == pytest.approx(want, rel=1e-12)
    a, b = a / v / 16, b / v / 16  # 1/(4k²) at k = 2
    found = wide_networks.sharpest_block_quantization(**block, alpha=0.5, k=2)
    assert found == pytest.approx((math.sqrt(b) + a / 2) ** 2, rel=1e-12)


@pytest.mark.parametrize("seed", range(24))
def test_exact_mean_below_every_bound(seed: int) -> None:
    """Catches a bound that some small block exceeds, and rungs in the wrong order.

    The greedy order depends on the draws here: all its branches are followed.
    """
    n1, n2, n3, steps = [(2, 2, 1, 3), (1, 5, 2, 4), (3, 2, 2, 5), (2, 3, 1, 2)][seed % 4]
    block = random_block(seed, n1, n2, n3)
    numbers, alpha = known(block), steps / (n1 * n2)
    p = [0.2, 0.5, 0.8][seed % 3]
    moves = entry_moves(lambda w: [(w / p, p), (0.0, 1 - p)])
    mean = exact_mean(block, moves, n1 * n2, steps)
    rungs = [bound(**numbers, alpha=alpha, p=p) for bound in PRUNING]
    assert [mean, *rungs] == sorted([mean, *rungs])

    k, largest = 1 + seed % 3, numbers["nu1"]
    moves = entry_moves(lambda w: quantized(w, largest, k))
    mean = exact_mean(block, moves, n1 * n2, steps)
    rungs = [bound(**numbers, alpha=alpha, k=k) for bound in QUANTIZATION]
    assert [mean, *rungs] == sorted([mean, *rungs])


@pytest.mark.parametrize("seed", range(4))
def test_wide_block_by_monte_carlo(seed: int) -> None:
    """Catches a wrong power of n2 or n3, invisible on five weights: 40 of them, throw by throw."""
    block = random_block(seed, 2, 20, 4, scale=0.7)
    p, alpha, generator = 0.5, 0.5, np.random.default_rng(seed)
    losses = []
    for _ in range(20):
        A, left = block.W1.copy(), list(range(40))
        for _ in range(20):
            now, scores = block.psi(A), []
            for index in left:
                before, change = A.flat[index], 0.0
                for value, chance in ((before / p, p), (0.0, 1 - p)):
                    A.flat[index] = value
                    change += chance * (block.psi(A) - now)
                A.flat[index] = before
                scores.append(abs(change))
            pick = left.pop(int(np.argmin(scores)))
            A.flat[pick] *= (generator.random() < p) / p
        losses.append(block.psi(A))
    least = np.mean(losses) - 4 * np.std(losses) / math.sqrt(len(losses))
    assert least <= wide_networks.sharpest_block_pruning(**known(block), alpha=alpha, p=p)


def test_spread_is_nearly_attained() -> None:
    """Catches waste in the spread: a linear block of equal entries pays alpha/s of it."""
    W1, W2 = np.full((3, 2), 1e-4), np.array([[1.0, 1.0, 1.0]])
    block = Block(W1, W2, np.eye(2), np.eye(2), lambda x: x)
    alpha, p = 0.5, 0.25
    mean = exact_mean(block, entry_moves(lambda w: [(w / p, p), (0.0, 1 - p)]), 6, 3)
    bound = wide_networks.sharpest_block_pruning(**known(block), alpha=alpha, p=p)
    # inputs on the axes: θ² = E‖x'‖² = 1, ‖W2‖_F² = 3
    assert bound / mean == pytest.approx(math.log(2) / alpha, rel=1e-3)


@settings(deadline=None)
@given(block=blocks, p=st.floats(0.05, 0.95), k=st.integers(1, 9))
def test_order_and_logarithms(block: dict[str, Any], p: float, k: int) -> None:
    """Catches swapped rungs, a logarithm of another number, an overflow that raises."""
    for bounds, option in ((PRUNING, {"p": p}), (QUANTIZATION, {"k": k})):
        plain = [bound(**block, **option) for bound in bounds]
        logs = [bound(**block, **option, log=True) for bound in bounds]
        for low, high in pairwise(logs):
            assert low <= high + 1e-9
        for value, logarithm in zip(plain, logs, strict=True):
            if 0 < value < math.inf:
                assert math.log(value) == pytest.approx(logarithm, abs=1e-9)
            else:
                assert logarithm > 700 if value else logarithm < -700


def test_logarithms_beyond_the_floats() -> None:
    """Catches inf or nan where the logarithm is finite: Lambda = 10^4, and nothing inherited."""
    block = {"sigma1": 1, "sigma2": 1, "nu1": 10, "nu2": 1, "theta": 1, "n2": 1, "n3": 1}
    options: dict[str, Any] = {"alpha": 0.5, "p": 2 / 102, "input_error": 0.0}  # v = 50
    assert wide_networks.proposition_22(**block, **options) == math.inf
    found = wide_networks.proposition_22(**block, **options, log=True)
    terms = wide_networks.block_terms(
        **{name: block[name] for name in ("sigma2", "nu1", "nu2", "theta", "n2", "n3")},
        alpha=0.5,
        p=2 / 102,
    )
    assert terms.growth == pytest.approx(10_000)
    assert found == pytest.approx(math.log(10_000) + 10_000 + math.log(terms.omega))
    sharper = wide_networks.sharper_block_pruning(**block, **options, log=True)
    assert sharper == pytest.approx(terms.sharper_growth + math.log(terms.omega))
    sharpest = wide_networks.sharpest_block_pruning(**block, **options)
    assert sharpest == pytest.approx((math.sqrt(terms.spread) + terms.drift / 2) ** 2)


def test_written_out_with_inherited_error() -> None:
    """Catches f(Lambda) for e^Lambda - 1, a (sigma1 sigma2) without its square, a lost 1 + eps."""
    block = {"sigma1": 1.5, "sigma2": 0.8, "nu1": 0.3, "nu2": 0.4, "theta": 1.2, "n2": 5, "n3": 2}
    terms = wide_networks.block_terms(
        **{name: block[name] for name in ("sigma2", "nu1", "nu2", "theta", "n2", "n3")},
        alpha=0.6,
        p=0.4,
    )
    before, f = 1.44 * 0.5, terms.growth * math.exp(terms.growth)
    options: dict[str, Any] = {"input_error": 0.5, "alpha": 0.6, "p": 0.4, "epsilon": 0.2}
    printed = wide_networks.proposition_22(**block, **options)
    assert printed == pytest.approx(1.2 * ((1 + f) * before + f * terms.omega))
    g = math.exp(terms.sharper_growth)
    sharper = wide_networks.sharper_block_pruning(**block, **options)
    assert sharper == pytest.approx(1.2 * (g * before + (g - 1) * terms.omega))
    sharpest = wide_networks.sharpest_block_pruning(**block, **options)
    assert sharpest <= 1.2 * (math.sqrt(before + terms.spread) + terms.drift / 2) ** 2


@settings(deadline=None)
@given(a=st.floats(1e-3, 5), b=st.floats(0, 5), before=st.floats(0, 5), theta=st.floats(1e-2, 5))
def test_sharpest_solves_its_equation(a: float, b: float, before: float, theta: float) -> None:
    """Catches a closed form below the solution of Psi' = a √Psi + b."""
    value, steps = before, 400
    for _ in range(steps):  # the right side grows with Psi: Euler stays below the solution
        value += (a * math.sqrt(value) + b) / steps
    terms = BlockTerms(0.0, 0.0, 0.0, drift=a, spread=b, theta=theta)
    assert value <= sharpest_bound(terms, before) * (1 + 1e-9)


@settings(deadline=None)
@given(block=blocks, p=st.floats(0.05, 0.9), k=st.integers(1, 9), factor=st.floats(1.001, 2))
def test_monotone(block: dict[str, Any], p: float, k: int, factor: float) -> None:
    """Catches an argument that enters upside down: more of anything costs, more p or k helps.

    sigma2 is left out: the printed omega divides by it.
    """
    for bounds, option, better in (
        (PRUNING, {"p": p}, {"p": min(0.95, p * factor)}),
        (QUANTIZATION, {"k": k}, {"k": k + 1}),
    ):
        for bound in bounds:
            value = bound(**block, **option, log=True)
            assert bound(**block, **better, log=True) <= value + 1e-9
            for name in ("input_error", "sigma1", "nu1", "nu2", "theta"):
                worse = block | {name: block[name] * factor}
                assert bound(**worse, **option, log=True) >= value - 1e-9
            for name in ("n2", "n3"):
                worse = block | {name: block[name] + 1}
                assert bound(**worse, **option, log=True) >= value - 1e-9
            worse = block | {"alpha": min(0.995, block["alpha"] * factor)}
            assert bound(**worse, **option, log=True) >= value - 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": 1.5}, r"need 0 < p < 1, got 1\.5"),
        ({"alpha": 1.0}, r"need 0 < alpha < 1, got 1\.0"),
        ({"sigma2": 0.0}, r"need 0 < sigma2 < inf, got 0\.0"),
        ({"epsilon": -1.0}, r"need 0 <= epsilon < inf, got -1\.0"),
        ({"theta": math.nan}, "need 0 <= theta < inf, got nan"),
        ({"n3": 1.5}, r"need a whole n3 >= 1, got 1\.5"),
        ({"input_error": -1}, "need 0 <= input_error < inf, got -1"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    """Catches a silent nonsense bound from an argument out of range."""
    block = {"input_error": 0.1, "sigma1": 1, "sigma2": 1, "nu1": 1, "nu2": 1, "theta": 1}
    options = {**block, "n2": 4, "n3": 2, "alpha": 0.5, "p": 0.3, **change}
    for bound in PRUNING:
        with pytest.raises(ValueError, match=message):
            bound(**options)


def test_terms_want_one_scheme() -> None:
    """Catches p and k both given, where one would silently win."""
    options = {"sigma2": 1, "nu1": 1, "nu2": 1, "theta": 1, "n2": 4, "n3": 2, "alpha": 0.5}
    for scheme in ({}, {"p": 0.3, "k": 2}):
        with pytest.raises(ValueError, match="need either p or k"):
            wide_networks.block_terms(**options, **scheme)
    with pytest.raises(ValueError, match="need a whole k >= 1, got 0"):
        wide_networks.block_terms(**options, k=0)

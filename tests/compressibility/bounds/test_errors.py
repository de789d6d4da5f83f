"""Errors of layers and blocks: known answers, formulas retyped, brute force over all draws."""

from __future__ import annotations

import itertools
import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressibility.bounds import wide_networks as bounds
from compressibility.bounds.wide_networks import BlockTerms, LayerFacts, Seen
from compressibility.pruning.cuts import Cut
from compressibility.pruning.draws import Masking, Pruning, Quantization
from tests.compressibility.helpers import refuses, sheet_a, sheet_b

from . import blockwork, formulas
from .blockwork import Block, exact_mean, random_block, wide_layer
from .formulas import FORMS, KINDS, Numbers

WIDE_FORMS = FORMS[1:]
sizes = st.one_of(st.just(0.0), st.floats(1e-3, 2.0))
counts = st.integers(1, 100)
numbers = st.builds(
    Numbers,
    **dict.fromkeys(("error", "s1", "v1", "v2", "theta"), sizes),
    **dict.fromkeys(("n1", "n2", "n3"), counts),
    s2=st.floats(0.1, 3.0),
    alpha=st.floats(0.01, 0.99),
    p=st.floats(0.05, 0.95),
    k=st.integers(1, 50),
)


def test_known_answers_of_case_a() -> None:
    """Catches a lost factor (2, 1-alpha, (1-p)/p, k squared, n2): the sheet's numbers."""
    layer, _, seen = wide_layer(*sheet_a()).facts()
    assert (layer.norm, layer.entry) == pytest.approx((1.560993, 0.567137), rel=1e-5)
    assert (seen.radius, seen.error) == pytest.approx((1.148261, 0.089516), rel=1e-5)
    before = layer.norm**2 * seen.error
    for draw, groups, printed, factor in (
        (Pruning(0.3), False, 142.712, 20),
        (Pruning(0.3), True, 142.712, 20),
        (Quantization(2), False, 15.4853, 80),
    ):
        cut = Cut(draw, 0.9, groups)
        found = bounds.wide_bound(layer, seen, cut)
        assert found == pytest.approx(printed, rel=1e-5)
        sharper = bounds.wide_bound(layer, seen, cut, form="sharper")
        assert (found - before) / (sharper - before) == pytest.approx(factor)


def test_known_answers_of_case_b() -> None:
    """Catches a lost factor in Lambda, omega or Lambda*: the sheet's numbers."""
    W1, W2, X, _ = sheet_b()
    facts = Block(W1, W2, X, X, np.tanh).facts()
    for cut, growth, omega, printed in (
        (Cut(Pruning(0.3), 0.5), 10.92240, 15.69904, 9.50016e6),
        (Cut(Quantization(2), 0.5), 1.170258, 7.503798, 28.3008),
        (Cut(Pruning(0.3), 0.5, groups=True), 6.132884, 10.706145, 30253.5),
    ):
        terms = bounds.block_terms(*facts, cut)
        assert (terms.growth, terms.omega) == pytest.approx((growth, omega), rel=1e-6)
        assert terms.sharper_growth / terms.growth == pytest.approx(math.log(2) / 4)
        assert bounds.block_bound(*facts, cut) == pytest.approx(printed, rel=1e-5)
    sharper = bounds.block_bound(*facts, Cut(Pruning(0.3), 0.5), form="sharper")
    assert sharper == pytest.approx(88.5005, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(100))
def test_formulas_retyped(kind: str, seed: int) -> None:
    """Catches any slip in a formula, at every size: p and 1-p, n1 and n3, a square, 1 + epsilon."""
    generator = np.random.default_rng(seed)
    x, epsilon = Numbers.draw(generator), float(generator.uniform(0, 2))
    first, second, seen, cut = x.given(kind)
    for form in WIDE_FORMS:
        found = bounds.wide_bound(first, seen, cut, form=form, epsilon=epsilon)
        assert found == pytest.approx(formulas.wide(x, kind, form, epsilon), rel=1e-12)
    terms, want = bounds.block_terms(first, second, seen, cut), formulas.terms(x, kind)
    for name, value in want.items():
        assert getattr(terms, name) == pytest.approx(value, rel=1e-12)
    if max(want["growth"], want["drift"]) > 300:
        return  # beyond the retyped formulas, which know no logarithms
    for form in FORMS:
        known = first, second, seen, cut
        wanted = formulas.block(x, kind, form, epsilon)
        assert bounds.block_bound(*known, form=form, epsilon=epsilon) == pytest.approx(wanted, 1e-9)
        found = bounds.block_bound(*known, form=form, epsilon=epsilon, log=True)
        assert math.exp(found) == pytest.approx(wanted, 1e-9)


def rungs(block: Block, cut: Cut, *, wide: bool, group: int = 1) -> list[float]:
    """All bounds of a layer or block, least first."""
    first, second, seen = block.facts(group)
    if wide:
        return [bounds.wide_bound(first, seen, cut, form=form) for form in WIDE_FORMS]
    return [bounds.block_bound(first, second, seen, cut, form=form) for form in FORMS]


def unbiased(block: Block, seed: int) -> tuple[tuple[Any, blockwork.Moves], ...]:
    """A pruning and a quantization, as the bounds know them and outcome by outcome."""
    p, k = [0.1, 0.3, 0.5, 0.8][seed % 4], 1 + seed % 3
    quantized = blockwork.quantized(block.facts()[0].entry, k)
    return (Pruning(p), blockwork.pruned(p)), (Quantization(k), quantized)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("n2", "n1", "steps"), [(2, 4, 6), (1, 7, 6), (3, 3, 3)])
def test_exact_mean_of_a_wide_layer(seed: int, n2: int, n1: int, steps: int) -> None:
    """Catches a bound that some layer's exact mean error exceeds, and swapped rungs."""
    layer = random_block(seed, n1, n2, 0)
    for draw, moves in unbiased(layer, seed):
        mean = exact_mean(layer, moves, n1 * n2, steps)
        found = [mean, *rungs(layer, Cut(draw, steps / (n1 * n2) + 0.01), wide=True)]
        assert found == sorted(found)


@pytest.mark.parametrize("seed", range(24))
def test_exact_mean_of_a_block(seed: int) -> None:
    """Catches a bound that some small block exceeds, swapped rungs: the order depends on draws."""
    n1, n2, n3, steps = [(2, 2, 1, 3), (1, 5, 2, 4), (3, 2, 2, 5), (2, 3, 1, 2)][seed // 2 % 4]
    block = random_block(seed, n1, n2, n3)
    for draw, moves in unbiased(block, seed):
        mean = exact_mean(block, moves, n1 * n2, steps)
        found = [mean, *rungs(block, Cut(draw, steps / (n1 * n2)), wide=False)]
        assert found == sorted(found)


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("group", [1, 2, 3])
def test_exact_mean_of_groups(seed: int, group: int) -> None:
    """Catches a norm of a block taken for an entry, weights counted for groups: all draws."""
    p = [0.2, 0.5, 0.8][seed % 3]
    layer = random_block(seed, 2 * group, group * (1 + seed % 2), 0)
    mean = exact_mean(layer, blockwork.columns(p, group), 2, 1)
    found = [mean, *rungs(layer, Cut(Pruning(p), 0.5, groups=True), wide=True, group=group)]
    assert found == sorted(found)
    candidates, steps = (5, 4) if group == 1 else (3, 2)
    block = random_block(seed, 2 * group, candidates * group, group)
    mean = exact_mean(block, blockwork.rows(p, group), candidates, steps)
    cut = Cut(Pruning(p), steps / candidates, groups=True)
    found = [mean, *rungs(block, cut, wide=False, group=group)]
    assert found == sorted(found)


@pytest.mark.parametrize("seed", range(4))
def test_wide_block_by_monte_carlo(seed: int) -> None:
    """Catches a wrong power of n2 or n3, invisible on five weights: 40 of them, throw by throw."""
    block, generator = random_block(seed, 2, 20, 4, scale=0.7), np.random.default_rng(seed)
    moves, losses = blockwork.pruned(0.5), []
    for _ in range(20):
        A, left = block.W1.copy(), tuple(range(40))
        for _ in range(20):
            pick = blockwork.pick(block, moves, A, left)
            left = tuple(i for i in left if i != pick)
            A.flat[pick] *= (generator.random() < 0.5) / 0.5
        losses.append(block.psi(A))
    least = np.mean(losses) - 4 * np.std(losses) / math.sqrt(len(losses))
    assert least <= rungs(block, Cut(Pruning(0.5), 0.5), wide=False)[0]


def test_sharper_wide_bounds_are_attained() -> None:
    """Catches waste in the sharper forms, 1/k² for 1/(4k²), (1-p) for (1-p)/p, n2 for n2/k."""
    signs, axes = np.array([[1.0, 1.0], [1.0, -1.0]]), np.eye(2)
    layer = wide_layer(signs, axes, axes)
    mean = exact_mean(layer, blockwork.pruned(0.25), 4, 4)
    first, _, seen = layer.facts()
    found = bounds.wide_bound(first, seen, Cut(Pruning(0.25), 1.0), form="sharper")
    assert mean == pytest.approx(found, rel=1e-12)
    halves = wide_layer(np.full((1, 8), 0.5), np.eye(8), np.eye(8))
    mean = exact_mean(halves, blockwork.quantized(1.0, 1), 8, 8)
    first = replace(halves.facts()[0], entry=1.0)  # levels -1, 0, 1
    found = bounds.wide_bound(first, Seen(1.0), Cut(Quantization(1), 1), form="sharper")
    assert mean == pytest.approx(found, rel=1e-12)
    for turn in (np.array([[1.0]]), np.array([[0.6, 0.8], [-0.8, 0.6]])):
        group, inputs = len(turn), np.eye(2 * len(turn))
        layer = wide_layer(np.tile(turn, (3, 2)), inputs, inputs)
        mean = exact_mean(layer, blockwork.columns(0.25, group), 2, 1)
        cut = Cut(Pruning(0.25), 0.5, groups=True)
        found = bounds.wide_bound(layer.facts(group)[0], Seen(1.0), cut, form="sharper")
        assert mean == pytest.approx(found, rel=1e-12)


def test_spread_is_nearly_attained() -> None:
    """Catches waste in the spread: a linear block of equal entries pays alpha/s of it."""
    W1, W2 = np.full((3, 2), 1e-4), np.array([[1.0, 1.0, 1.0]])
    block = Block(W1, W2, np.eye(2), np.eye(2))
    mean = exact_mean(block, blockwork.pruned(0.25), 6, 3)
    bound = rungs(block, Cut(Pruning(0.25), 0.5), wide=False)[0]
    # inputs on the axes: θ² = E‖x'‖² = 1, ‖W2‖_F² = 3
    assert bound / mean == pytest.approx(math.log(2) / 0.5, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@given(x=numbers)
def test_order_and_logarithms(kind: str, x: Numbers) -> None:
    """Catches swapped rungs, a logarithm of another number, an overflow that raises."""
    first, second, seen, cut = x.given(kind)
    sharper, printed = (bounds.wide_bound(first, seen, cut, form=form) for form in WIDE_FORMS)
    assert x.s1**2 * x.error <= sharper <= printed
    logs = [bounds.block_bound(first, second, seen, cut, form=form, log=True) for form in FORMS]
    for low, high in itertools.pairwise(logs):
        assert low <= high + 1e-9
    for form, logarithm in zip(FORMS, logs, strict=True):
        value = bounds.block_bound(first, second, seen, cut, form=form)
        if sys.float_info.min <= value < math.inf:  # smaller numbers have fewer digits
            assert math.log(value) == pytest.approx(logarithm, abs=1e-9)
        else:
            assert logarithm > 700 if value > 1 else logarithm < -700


def test_logarithms_beyond_the_floats() -> None:
    """Catches inf or nan where the logarithm is finite: Lambda = 10^4, and nothing inherited."""
    x = Numbers(s1=1, s2=1, v1=10, v2=1, theta=1, n2=1, n3=1, alpha=0.5, p=2 / 102, error=0.0)
    known = x.given("pruning")
    terms = bounds.block_terms(*known)
    assert terms.growth == pytest.approx(10_000)
    assert bounds.block_bound(*known) == math.inf
    found = bounds.block_bound(*known, log=True)
    assert found == pytest.approx(math.log(10_000) + 10_000 + math.log(terms.omega))
    sharper = bounds.block_bound(*known, form="sharper", log=True)
    assert sharper == pytest.approx(terms.sharper_growth + math.log(terms.omega))
    sharpest = bounds.block_bound(*known, form="sharpest")
    assert sharpest == pytest.approx((math.sqrt(terms.spread) + terms.drift / 2) ** 2)
    with pytest.raises(ValueError, match="need sizes in the floats' range, got BlockTerms"):
        bounds.block_bound(*replace(x, v1=1e150, theta=1e100).given("pruning"))


@given(a=st.floats(1e-3, 5), b=st.floats(0, 5), before=st.floats(0, 5), theta=st.floats(1e-2, 5))
def test_sharpest_solves_its_equation(a: float, b: float, before: float, theta: float) -> None:
    """Catches a closed form below the solution of Psi' = a √Psi + b."""
    value, steps = before, 400
    for _ in range(steps):  # the right side grows with Psi: Euler stays below the solution
        value += (a * math.sqrt(value) + b) / steps
    terms = BlockTerms(0.0, 0.0, 0.0, drift=a, spread=b, radius=theta)
    assert value <= bounds.sharpest(terms, before) * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_good_realization_exists(seed: int) -> None:
    """Catches a Lemma 12 with P <= epsilon for epsilon/(1+epsilon), or draws counted otherwise."""
    p, gamma, xi = 0.3, 1.0, 0.9
    assert bounds.smallest_draws(p, xi, gamma=gamma, tail="exact") <= 9
    case = random_block(seed, 10, 1, 0)
    chosen = np.argsort((case.W1**2 * (case.Y**2).mean(0)).ravel(), kind="stable")[:9]
    every = []
    for mask in itertools.product((0, 1), repeat=9):
        A = case.W1.copy()
        A.ravel()[chosen] *= np.array(mask) / p
        every.append((sum(mask), p ** sum(mask) * (1 - p) ** (9 - sum(mask)), case.psi(A)))
    kept, chances, errors = np.transpose(every)
    good, epsilon = kept <= (1 + gamma) * p * 9, bounds.concentration_slack(xi)
    assert chances[good].sum() >= 1 / (1 + epsilon)
    mean = (chances @ errors).item()
    assert (chances @ (errors * good)) / chances[good].sum() <= (1 + epsilon) * mean
    first, _, seen = case.facts()
    assert errors[good].min() <= bounds.wide_bound(
        first, seen, Cut(Pruning(p), 0.9), epsilon=epsilon
    )
    share = bounds.kept_share_bound(share=0.9, p=p, gamma=gamma, n=10)
    assert (1 + kept[good].max()) / 10 <= share


def bound(*, wide: bool = True, pixels: int = 1, **change: Any) -> Any:
    """The call of the bound of a layer or block with one argument changed."""
    first = LayerFacts(1, 1, 2, 3, pixels)
    second = change.pop("second", LayerFacts(1, 1, 3, 2, pixels))
    cut = change.pop("cut", Cut(Pruning(0.3), 0.5))
    if wide:
        return lambda: bounds.wide_bound(first, Seen(1), cut, **change)
    return lambda: bounds.block_bound(first, second, Seen(1), cut, **change)


OF_BOTH: list[tuple[dict[str, Any], str]] = [
    ({"epsilon": -0.1}, r"need 0 <= epsilon < inf, got -0\.1"),
    ({"epsilon": math.nan}, "need 0 <= epsilon < inf, got nan"),
    ({"form": "loose"}, "need form 'printed'.*'sharper.*', got 'loose'"),
    ({"cut": Cut(Pruning(0.3), 1.0)}, r"need 0 < share < 1, got 1\.0"),
    ({"cut": Cut(Masking(0.3), 0.5)}, r"need an unbiased draw, got Masking"),
    ({"cut": Cut(Pruning(0.3), 0.5, order="largest")}, "need the greedy or a random order"),
    ({"pixels": 4}, "need groups for a convolution, got single weights"),
]
OF_BLOCKS: list[tuple[dict[str, Any], str]] = [
    ({"second": LayerFacts(0, 1, 3, 2)}, "need 0 < norm of the second layer, got 0"),
    ({"second": LayerFacts(1, 1, 4, 2)}, "need 3 inputs above, got 4"),
    ({"second": LayerFacts(1, 1, 3, 2, pixels=4)}, r"need maps of one size, got \(1, 4\)"),
    *(
        ({"cut": Cut(Pruning(0.3), 1.0), "form": form}, "need 0 < share < 1, got 1")
        for form in FORMS
    ),
]
NONE = {"cut": Cut(Pruning(0.3), 0.0), "form": "sharper"}

test_bad_arguments_are_named = refuses(
    *((bound(**change), message) for change, message in OF_BOTH),
    *((bound(wide=False, **change), message) for change, message in OF_BOTH + OF_BLOCKS),
    (bound(**NONE), "need 0 < share <= 1, got 0"),
)


def test_the_sharper_wide_bound_takes_a_share_of_one() -> None:
    """Catches alpha = 1 refused where nothing is divided by 1 - alpha."""
    assert bound(cut=Cut(Pruning(0.3), 1.0), form="sharper")() > 0

"""delta(xi) against Lemma 17, and the number of draws against exact tails."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.bounds import wide_networks as bounds
from tests.compressibility.helpers import refuses

from .formulas import f

accuracies = st.floats(0.001, 0.999)


def lemma_17(small: float, slack: float) -> list[float]:
    """List what Lemma 17 wants to be at most xi."""
    growth = f(2 * small)
    return [
        2 * slack,
        2 * (slack + (1 + slack) * growth),
        math.sqrt(2 * 2 * small * (1 + slack)),
        math.sqrt(2 * 5 * (1 + slack) * growth),
    ]


@pytest.mark.parametrize(
    ("xi", "quarter", "half"),
    [(0.1, 0.000487, 0.000523), (0.5, 0.010872, 0.014569), (0.9, 0.031069, 0.048193)],
)
def test_delta_known_answers(xi: float, quarter: float, half: float) -> None:
    """Catches a wrong branch or factor in Lambert's form of delta."""
    assert bounds.delta(xi) == pytest.approx(quarter, abs=5e-7)
    assert bounds.delta(xi, slack="half") == pytest.approx(half, abs=5e-7)


@given(xi=accuracies)
def test_delta_meets_lemma_17_and_no_larger_one_does(xi: float) -> None:
    """Catches a delta that breaks one of the four requirements, and one smaller than need be."""
    small = bounds.delta(xi)
    assert max(lemma_17(small, xi / 4)) <= xi * (1 + 1e-9)
    assert max(lemma_17(1.01 * small, xi / 4)) > xi


@given(xi=accuracies, small=st.floats(1e-12, 1.0))
def test_printed_slack_never_meets_lemma_17(xi: float, small: float) -> None:
    """Catches a repair that nobody needs: with epsilon = xi/2 no delta > 0 will do (slip 3)."""
    assert lemma_17(small, xi / 2)[1] > xi


@given(xi=accuracies)
def test_half_form_meets_the_induction(xi: float) -> None:
    """Catches a delta for which a block grows the error by more than (1+xi)^2, a layer by 1+xi."""
    small = bounds.delta(xi, slack="half")
    growth = (1 + xi / 2) * f(2 * small)
    assert xi / 2 + growth + 1 + 5 * growth / xi <= (1 + xi) ** 2 * (1 + 1e-12)
    assert 1 + xi / 2 + 2 * small * (1 + xi / 2) / xi <= 1 + xi
    # the sufficient pair that the sheet names, and its maximality
    assert f(2 * small) <= xi
    assert 5 * growth <= xi**2 * (1 + xi) / 2 * (1 + 1e-9)
    assert 5 * (1 + xi / 2) * f(2.02 * small) > xi**2 * (1 + xi) / 2


@given(xi=accuracies)
def test_sharper_deltas_spend_all_of_lemma_17(xi: float) -> None:
    """Catches a sharper constant off by a factor: each error then takes just what it may."""
    small, slack, eta = bounds.sharper_deltas(xi), xi / 4, xi / (4 + xi)
    assert (1 + slack) * small.wide == pytest.approx(xi**2 / 2)
    assert (1 + slack) * (1 + eta) == pytest.approx(1 + xi / 2)
    assert (1 + slack) * (1 + eta) * small.ratio == pytest.approx(xi**2 / 4)
    assert (1 + slack) * (1 + 1 / eta) * small.thin**2 / 4 == pytest.approx(xi**2 / 4)


@given(xi=accuracies)
def test_wide_only_form(xi: float) -> None:
    """Catches block requirements kept where there is no block, or a wide one dropped."""
    for form, slack in (("quarter", xi / 4), ("half", xi / 2)):
        small = bounds.delta(xi, slack=form, wide_only=True)
        first, _, third, _ = lemma_17(small, slack)
        assert max(first, third) <= xi * (1 + 1e-12)
        assert lemma_17(1.01 * small, slack)[2] > xi
        assert small > bounds.delta(xi, slack=form)
    assert bounds.delta(xi) < bounds.delta(xi, slack="half")


@pytest.mark.parametrize(
    ("gamma", "chernoff", "exact"), [(0.01, 147215, 35100), (0.1, 1539, 367), (0.2, 403, 98)]
)
def test_draws_known_answers(gamma: float, chernoff: int, exact: int) -> None:
    """Catches ln((1+e)/e) for ln(1/e), and gamma^2/2 or /3 for gamma^2/(2+gamma)."""
    assert bounds.smallest_draws(0.3, 0.5, gamma=gamma) == chernoff
    assert bounds.smallest_draws(0.3, 0.5, gamma=gamma, tail="exact") == exact


def exact_tail(n, p, rate):
    """P(Bin(n, p) > rate n) in rational arithmetic."""
    over = range(math.floor(rate * n) + 1, n + 1)
    return sum((math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in over), Fraction(0))


@pytest.mark.parametrize(
    ("p", "gamma", "xi", "form"),
    [
        ("0.3", "0.5", "0.5", "quarter"),
        ("0.5", "0.4", "0.5", "half"),
        ("0.1", "1.5", "0.5", "quarter"),
        ("0.7", "0.2", "0.5", "half"),
        ("0.6", "0.5", "0.5", "quarter"),
        ("0.2", "0.4", "0.9", "quarter"),  # here, and in the next, the floor decides
        ("0.35", "0.6", "0.1", "quarter"),
        ("0.7", "1.0", "0.5", "quarter"),  # no excess is possible: no entropy of log(0)
        ("0.001", "900", "0.9", "quarter"),  # even n = 1 passes: p is below the tolerance
    ],
)
def test_exact_draws_against_rational_brute_force(p, gamma, xi, form):
    """Catches 'the first n that passes' (a later one may fail), and floors off by one in floats."""
    slack = Fraction(xi) / (4 if form == "quarter" else 2)
    share, rate = Fraction(p), (1 + Fraction(gamma)) * Fraction(p)
    options = {"gamma": float(gamma), "slack": form}
    chernoff = bounds.smallest_draws(float(p), float(xi), **options)
    passes = [exact_tail(n, share, rate) <= slack / (1 + slack) for n in range(1, chernoff + 20)]
    last_failure = max((n for n, ok in enumerate(passes, start=1) if not ok), default=0)
    assert bounds.smallest_draws(float(p), float(xi), **options, tail="exact") == last_failure + 1
    assert last_failure < chernoff
    if (p, gamma) == ("0.3", "0.5"):  # the saw-tooth is real
        assert passes.index(True) + 1 < last_failure


def test_exact_draws_over_several_chunks() -> None:
    """Catches a search that stops at the edge of a chunk: at gamma = 0.006 it passes several."""
    found = bounds.smallest_draws(0.3, 0.5, gamma=0.006, tail="exact")
    assert found == pytest.approx(35100 * (0.01 / 0.006) ** 2, rel=0.05)
    assert found < bounds.smallest_draws(0.3, 0.5, gamma=0.006) / 3


@settings(max_examples=25)
@given(p=st.floats(0.05, 0.95), xi=accuracies, gamma=st.floats(0.1, 2))
def test_exact_never_exceeds_chernoff(p: float, xi: float, gamma: float) -> None:
    """Catches a 'bound' below the exact count."""
    for form in ("quarter", "half"):
        exact = bounds.smallest_draws(p, xi, gamma=gamma, slack=form, tail="exact")
        assert 1 <= exact <= bounds.smallest_draws(p, xi, gamma=gamma, slack=form)


test_bad_arguments_are_named = refuses(
    *((lambda xi=xi: bounds.delta(xi), f"need 0 < xi < 1, got {xi}") for xi in (0.0, 1.0, -1.0)),
    (lambda: bounds.delta(math.nan), "need 0 < xi < 1, got nan"),
    (lambda: bounds.delta(0.5, slack="third"), "need slack 'quarter' or 'half', got 'third'"),
    (lambda: bounds.smallest_draws(0.3, 0.5, tail="normal"), "need tail .*, got 'normal'"),
    (lambda: bounds.smallest_draws(0.0, 0.5, gamma=0.1), r"need 0 < p < 1, got 0\.0"),
    (lambda: bounds.smallest_draws(0.3, 0.5, gamma=0.0), r"need 0 < gamma < inf, got 0\.0"),
)

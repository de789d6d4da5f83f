"""The audits of Theorems 2, 3, 6 and 7: formulas, rows, slips, and the smallest widths."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from compressibility.bounds import wide_networks as bounds
from compressibility.bounds.rows import Row
from compressibility.bounds.wide_networks import Asked, Audit, Constants, LayerFacts, Seen
from compressibility.bounds.wide_networks.conditions import EQUATIONS
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Masking, Pruning, Quantization
from tests.compressibility.helpers import refuses

from . import formulas
from .formulas import Numbers, f

THEOREMS = ("2", "3", "6", "7")
FORMS = ("printed", "repaired", "sharper")
PLAN = Plan((9, 5, 50, 4, 30), wide=(1, 4), blocks=(2,))
BERT = Pruning(0.3), Constants(c1=5.5, c2=(28.4,)), Asked(xi=0.5)
UNIT = Constants(c1=1.0, c2=(1.0,))
HEADED, HEAD = Plan((3, 90, 40, 2), wide=(2,)), Constants(1.3, (0.5, 0.4, 7.0), kernels=(3, 3))

accuracies = st.floats(0.01, 0.99)
sizes = st.floats(0.3, 3)


def audit(
    theorem: str, plan: Plan, constants: Constants = UNIT, conditions: str = "repaired", **more: Any
) -> Audit:
    """Audit by draws of p or k, and 1 × 1 kernels where none are given."""
    p, k = more.pop("p", 0.3), more.pop("k", 2)
    if theorem == "7" and not constants.kernels:
        constants = replace(constants, kernels=(1,) * len(constants.c2))
    draw = Quantization(k) if theorem == "3" else Pruning(p)
    asked = Asked(**{"xi": 0.5, **more})
    return bounds.audit(theorem, plan, draw, constants, asked, conditions=conditions)


def test_tiny_bert_is_far_from_theorem_2() -> None:
    """Catches any slip in (13), (14): the sheet's numbers for the paper's TinyBERT constants."""
    widths = (312, 1200, 312, 312)
    found = bounds.audit("2", Plan(widths, wide=(3,), blocks=(1,)), *BERT)
    rows = [("Theorem 2", None), ("(13)", 3), ("(14)", 1), ("(15)", 1)]
    assert [(row.equation, row.layer) for row in found.rows] == rows
    assert found.row("(13)").right == pytest.approx(1.8e-6, rel=0.03)
    assert found.row("(14)").right ** -2 == pytest.approx(3e22, rel=0.06)
    assert not found.holds
    alone = bounds.audit("2", Plan(widths, wide=(2, 3)), *BERT)
    assert [row.right for row in alone.rows[1:]] == pytest.approx([9.0e-6] * 2, rel=0.005)
    with pytest.raises(LookupError, match=r"no row \(14\) of layer 2"):
        found.row("(14)", 2)


@pytest.mark.parametrize("theorem", THEOREMS)
@pytest.mark.parametrize("conditions", FORMS)
@pytest.mark.parametrize("seed", range(16))
def test_formulas_retyped(theorem: str, conditions: str, seed: int) -> None:
    """Catches a wrong exponent, equation, layer or side, a c2 of another layer, q forgotten."""
    generator, half = np.random.default_rng(seed), bool(seed & 1)
    x, each, blocks = Numbers.draw(generator), bool(seed & 2), bool(seed & 4) or seed < 4
    c1, *sizes = (10 ** generator.uniform(-0.5, 0.5, 5)).tolist()
    c2, xi = tuple(sizes), float(generator.uniform(0.01, 0.99))
    q = (1, 2, 3, 4) if theorem == "7" else (1,) * 4
    plan = PLAN if blocks else replace(PLAN, blocks=())
    slack = "half" if half and not (blocks and conditions == "sharper") else "quarter"
    constants = Constants(c1, c2, q if theorem == "7" else ())
    more: dict[str, Any] = {"xi": xi, "slack": slack, "share": x.alpha, "gamma": 0.5}
    more |= {"c2": "layers" if each else "network", "p": x.p, "k": x.k}
    found = audit(theorem, plan, constants, conditions, **more)
    used = [(size if each else max(c2)) * side for size, side in zip(c2, q, strict=True)]
    n, want = plan.widths, []
    for layer, kind in [*((w, "wide") for w in plan.wide), *((b, "block") for b in plan.blocks)]:
        both = used[layer - 1], used[layer] if layer < 4 else math.nan
        where = {"layer": layer, "kind": kind, "alone": not blocks, "c2": both}
        right = formulas.limits(theorem, conditions, **where, c1=c1, x=x, xi=xi, slack=slack)
        left = [Fraction(n[layer], n[layer - 1])]
        if kind == "block":
            left = [Fraction(n[layer + 1], n[layer])]
            thin = Fraction(1, n[layer]) if theorem in "23" else None
            root = math.sqrt(n[layer - 1] * n[layer + 1]) / n[layer]
            left = [math.sqrt(thin), *left] if thin else [*left, root]
        equations = EQUATIONS[theorem][:1] if kind == "wide" else EQUATIONS[theorem][1:]
        want += zip(equations, [layer] * 2, left, right, strict=False)
    assert [(row.equation, row.layer) for row in found.rows[1:]] == [row[:2] for row in want]
    for row, (_, _, left, right) in zip(found.rows[1:], want, strict=True):
        assert (row.left, row.right) == pytest.approx((float(left), right), rel=1e-12)
        assert row.holds == (row.left <= row.right)
    assert found.theorem == f"Theorem {theorem}"


@pytest.mark.parametrize("theorem", THEOREMS)
@pytest.mark.parametrize("conditions", ["repaired", "sharper"])
@given(c1=sizes, c2=sizes, p=st.floats(0.05, 0.95), k=st.integers(1, 8), xi=accuracies)
def test_wide_conditions_give_what_lemma_17_wants(
    theorem: str, conditions: str, c1: float, c2: float, p: float, k: int, xi: float
) -> None:
    """Catches a condition too weak or too strong: at equality the layer adds 2 delta c1^(2l)."""
    layer, n1 = 3, 10**9
    plan = Plan((1,) * (layer + 1), wide=(layer,))
    more = {"p": p, "k": k, "xi": xi, "share": 0.9, "gamma": 3}
    found = audit(theorem, plan, Constants(c1, (c2,)), conditions, **more)
    facts = LayerFacts(c1, c2 / math.sqrt(n1), inputs=n1, outputs=1)
    cut = Cut(Quantization(k) if theorem == "3" else Pruning(p), 0.9, groups=theorem in "67")
    form = "sharper" if conditions == "sharper" else "printed"
    per_output = bounds.wide_bound(facts, Seen(c1 ** (layer - 1)), cut, form=form)
    want = 2 * bounds.delta(xi, wide_only=True) * c1 ** (2 * layer)
    assert found.rows[1].right * n1 * per_output == pytest.approx(want)


@pytest.mark.parametrize("theorem", ["2", "3", "6"])
@pytest.mark.parametrize("seed", range(50))
def test_block_conditions_give_what_lemma_17_wants(theorem: str, seed: int) -> None:
    """Catches a condition too weak for the proof, tried at the least widths that pass."""
    generator = np.random.default_rng(seed)
    x, layer, share = Numbers.draw(generator), 1 + seed % 3, (0.5, 0.9, 0.99)[seed // 3 % 3]
    (c1, c2), xi = (10 ** generator.uniform(-0.5, 0.5, 2)).tolist(), generator.uniform(0.01, 0.99)
    n1, n3, small, error = 1 + 29 * (seed % 2), 3, bounds.delta(xi), x.error
    plan = Plan((*(1,) * (layer - 1), n1, 1, n3), blocks=(layer,))
    cut = Cut(Quantization(x.k) if theorem == "3" else Pruning(x.p), share, groups=theorem == "6")
    for conditions in ("repaired", "sharper"):
        rest: Any = cut.draw, Constants(c1, (c2,)), Asked(xi=xi, share=share, gamma=3)
        n2 = bounds.smallest_widths(theorem, plan, *rest, conditions=conditions)[layer]
        first = LayerFacts(c1, c2 / math.sqrt(max(n1, n2)), n1, n2)
        second = LayerFacts(c1, c2 / math.sqrt(max(n2, n3)), n2, n3)
        known = first, second, Seen(c1 ** (layer - 1), error), cut
        unit = c1 ** (2 * (layer + 1))
        if conditions == "repaired":
            terms = bounds.block_terms(*known)
            assert terms.growth <= 2 * small * (1 + 1e-9)
            assert f(terms.growth) * terms.omega <= 5 * unit * f(2 * small) * (1 + 1e-9)
        else:
            value = (1 + xi / 4) * bounds.block_bound(*known, form="sharpest")
            assert value <= ((1 + xi / 2) * c1**4 * error + xi**2 / 2 * unit) * (1 + 1e-9)


def test_sharper_block_conditions_are_tight() -> None:
    """Catches a condition needlessly strong: at equality a and b take just half of xi²/2 each."""
    xi, c1, c2 = 0.5, 1.2, 0.9
    found = audit("2", Plan((1, 1, 1), blocks=(1,)), Constants(c1, (c2,)), "sharper", share=0.9)
    n2 = found.row("(14)").right ** -2
    n3, entry = found.row("(15)").right * n2, c2 / math.sqrt(n2)
    first, second = LayerFacts(c1, entry, 1, 10**6), LayerFacts(c1, entry, 10**6, 1)
    terms = bounds.block_terms(first, second, Seen(1), Cut(Pruning(0.3), 0.9))
    drift, spread = terms.drift * math.sqrt(n2 / 10**6), terms.spread * n2 * n3 / 10**6
    eta, half = xi / (4 + xi), xi**2 / 4 * c1**4 / (1 + xi / 4)
    assert (1 + 1 / eta) * drift**2 / 4 == pytest.approx(half)
    assert (1 + eta) * spread == pytest.approx(half)


def test_printed_20_does_not_give_the_theorem() -> None:
    """Catches 1 ∨ c1^4 taken for 1 ∨ c1^-4 (slip 7): the first term alone is 3.2 times too big."""
    allowed, ratios = 5 * 0.5**4 * f(2 * bounds.delta(0.5)), []
    for conditions in ("printed", "repaired"):
        plan, constants = Plan((1, 1, 1), blocks=(1,)), Constants(0.5, (1.0,))
        n2 = math.ceil(audit("3", plan, constants, conditions, k=1).row("(20)").right ** -2)
        entry = 1 / math.sqrt(n2)
        layers = LayerFacts(0.5, entry, 1, n2), LayerFacts(0.5, entry, n2, 1)
        terms = bounds.block_terms(*layers, Seen(1), Cut(Quantization(1), 0.99))
        ratios.append(f(terms.growth) / allowed)  # theta = 1
    assert ratios[0] == pytest.approx(3.2, rel=1e-3)
    assert ratios[1] < 0.2


@pytest.mark.parametrize("theorem", ["6", "7"])
def test_printed_27_and_34_are_upside_down(theorem: str) -> None:
    """Catches the slip taken over: 9801 times too easy at p = 0.01, alpha = 0.99 ... squared."""
    constants = Constants(1.0, (1.0,), (3,) if theorem == "7" else ())
    plan = Plan((4, 1), wide=(1,))
    printed, repaired = (
        audit(theorem, plan, constants, c, p=0.01).rows[1].right for c in FORMS[:2]
    )
    q = 3 if theorem == "7" else 1
    assert printed * q**2 / bounds.delta(0.5, wide_only=True) == pytest.approx(9801)
    assert printed / repaired == pytest.approx(9801**2)


def test_printed_27_is_false() -> None:
    """Catches a counterexample that is none: a Hadamard layer meets (27) as printed, and loses."""
    n, p, xi = 64, 0.01, 0.1
    W = hadamard(n) / math.sqrt(n)
    constants = Constants.of([W])
    assert (constants.c1, *constants.c2) == pytest.approx((1, 1))
    more = {"p": p, "xi": xi, "gamma": 3}
    plan = Plan((n, n), wide=(1,))
    assert audit("6", plan, constants, "printed", **more).row("(27)").holds
    assert not audit("6", plan, constants, **more).row("(27)").holds
    coins = np.random.default_rng(0).random(n) < p
    drawn = np.arange(n) < math.floor(0.99 * n)
    U = W * np.where(drawn, coins / p, 1)
    error = ((W - U) ** 2).sum(0).mean()  # E over x = e_j √n/√n on the axes
    zeroed = (drawn & ~coins).mean()
    assert error >= zeroed >= 0.9
    assert error > bounds.theorem_error(c1=1, m=1, xi=xi)


@pytest.mark.parametrize("theorem", ["6", "7"])
@pytest.mark.parametrize("c1", [1.0, 40.0])
def test_printed_28_gives_another_lambda(theorem: str, c1: float) -> None:
    """Catches slip 2 taken over: as printed, Lambda may reach 2 delta (1-p)/(1-alpha)."""
    q, growths = 3 if theorem == "7" else 1, []
    for conditions in FORMS[:2]:
        constants = Constants(c1, (1.0,), (q,) if theorem == "7" else ())
        found = audit(theorem, Plan((1, 1, 1), blocks=(1,)), constants, conditions)
        layers = LayerFacts(c1, 0, 1, 1), LayerFacts(c1, q * math.sqrt(found.rows[1].right), 1, 1)
        terms = bounds.block_terms(*layers, Seen(1), Cut(Pruning(0.3), 0.99, groups=True))
        growths.append(terms.growth / bounds.delta(0.5))
    assert growths[1] == pytest.approx(2)
    assert growths[0] > 2.5
    if c1 == 40:
        assert growths[0] == pytest.approx(140)


def test_smallest_width_row() -> None:
    """Catches a minimum over all layers, min for max of the two sides, and float 1/(1-0.9) > 10."""
    plan = Plan((3, 200, 150, 100, 2), wide=(2, 3))
    assert bounds.smallest_draws(0.3, 0.5, gamma=1.0) < 100
    found = audit("2", plan, gamma=1.0)
    assert found.rows[0] == Row("smallest width", "Theorem 2", None, 150, ">=", 100, True)
    found = audit("2", Plan((2000, 1), wide=(1,)), gamma=0.1)
    assert found.rows[0].right == pytest.approx(1539 / 0.99)
    assert found.rows[0].holds
    half = audit("2", Plan((2000, 1), wide=(1,)), slack="half").rows[0]
    draws = bounds.smallest_draws(0.3, 0.5, slack="half")
    assert half.right == pytest.approx(draws / 0.99)
    assert draws < bounds.smallest_draws(0.3, 0.5)
    for count in ("widths", "draws"):  # nothing concentrates, nothing to count
        found = audit("3", Plan((10, 1), wide=(1,)), share=0.9, count=count)
        assert found.rows[0] == Row("smallest width", "Theorem 3", None, 10, ">=", 10, True)


def test_draws_rows() -> None:
    """Catches weights counted as neurons or the reverse (slip 9), 32-bit overflow, float floors."""
    more = {"gamma": 0.1, "count": "draws"}
    found = audit("2", Plan((50, 40, 5, 2), wide=(3,), blocks=(1,)), **more)
    assert found.rows[:2] == (
        Row("number of draws", "Lemma 12", 1, 1980, ">=", 1539, True),
        Row("number of draws", "Lemma 12", 3, 9, ">=", 1539, False),
    )
    for theorem in ("6", "7"):
        found = audit(theorem, Plan((500, 2000, 900, 10), wide=(3,), blocks=(1,)), **more)
        assert [row.left for row in found.rows[:2]] == [1980, 891]
    exact = audit("2", Plan((50, 40), wide=(1,)), **more, tail="exact")
    assert exact.rows[0].right == 367
    big = np.full(3, 70_000, dtype=np.int32)
    assert audit("2", Plan(big, wide=(1,)), **more).rows[0].left == 0.99 * 70_000**2
    found = audit("2", Plan((20, 10), wide=(1,)), **more, share=0.57)
    assert found.rows[0].left == 114  # int(0.57 * 200) is 113


def test_filters_are_neurons_with_wider_entries() -> None:
    """Catches a head's c2 taken for a filter's."""
    for c2, same in (("network", 1.5), ("layers", 1.2)):
        found, dense = audit("7", HEADED, HEAD, c2=c2), audit("6", HEADED, Constants(1.3, (same,)))
        assert found.rows[1].right == pytest.approx(dense.rows[1].right)


def test_records_of_a_network_that_passes() -> None:
    """Catches an audit that can never hold, records that pandas or json cannot take."""
    plan = Plan(np.array([8, 10**14, 10**6, 1]), wide=(3,), blocks=(1,))
    for theorem in THEOREMS:
        found = audit(theorem, plan, xi=0.9, p=0.9, k=4)
        assert found.holds
        records = json.loads(json.dumps(found.as_records()))
        assert [record["layer"] for record in records] == [None, 3, 1, 1]
        assert [records[1]["left"], records[1]["advice"]] == [1e-6, ""]


def asks(**change: Any) -> Any:
    """The call of an audit of Theorem 2 with some arguments changed."""
    theorem, conditions = change.pop("theorem", "2"), change.pop("conditions", "repaired")
    rest: Any = change.pop("draw", Pruning(0.3)), change.pop("constants", UNIT)
    plan = change.pop("plan", Plan((4, 9, 1), blocks=(1,)))
    asked = {"xi": 0.5, **change}
    return lambda: bounds.audit(theorem, plan, *rest, Asked(**asked), conditions=conditions)


DENSE = "need convolutions for Theorem 7, got a dense layer"
test_bad_arguments_are_named = refuses(
    (asks(theorem="5"), "need theorem in .*, got '5'"),
    (asks(conditions="exact"), "need conditions in .*, got 'exact'"),
    (asks(draw=Quantization(2)), "need Pruning for Theorem 2, got Quantization"),
    (asks(theorem="3"), "need Quantization for Theorem 3, got Pruning"),
    (asks(draw=Masking(0.3)), "need Pruning for Theorem 2, got Masking"),
    (asks(constants=Constants(1.0, (1.0, 2.0, 3.0))), "need one c2, or 2, one per layer, got 3"),
    (
        asks(conditions="sharper", slack="half"),
        "need slack 'quarter' for sharper blocks, got 'half'",
    ),
    (asks(share=1.0), r"need 0 < share < 1, got 1\.0"),
    (asks(xi=0.0), r"need 0 < xi < 1, got 0\.0"),
    (asks(gamma=0.0), r"need 0 < gamma < inf, got 0\.0"),
    (asks(count="rows"), "need count 'widths' or 'draws', got 'rows'"),
    (asks(c2="each"), "need c2 'network' or 'layers', got 'each'"),
    (asks(slack="third"), "need slack 'quarter' or 'half', got 'third'"),
    (asks(tail="normal"), "need tail 'chernoff' or 'exact', got 'normal'"),
    (asks(theorem="7", constants=HEAD, plan=replace(HEADED, wide=(3,))), f"{DENSE} 3"),
    (asks(theorem="7", constants=HEAD, plan=replace(HEADED, wide=(), blocks=(2,))), f"{DENSE} 3"),
    (asks(theorem="7", constants=Constants(1.3, (0.5,)), plan=HEADED), f"{DENSE} 2"),
    (
        asks(theorem="6", constants=HEAD, plan=HEADED),
        "need dense layers for Theorem 6, got kernels",
    ),
)


@pytest.mark.parametrize(
    ("theorem", "conditions", "count"),
    [
        *(("2", conditions, "widths") for conditions in FORMS[1:]),
        *((theorem, "repaired", "draws") for theorem in "26"),
        *((theorem, "repaired", "widths") for theorem in "37"),
        ("6", "sharper", "widths"),
    ],
)
@pytest.mark.parametrize(
    ("wide", "blocks", "ours"), [((3,), (1,), (1, 2)), ((1, 2, 3), (), (0, 1, 2))]
)
def test_smallest_widths_are_smallest(
    theorem: str, conditions: str, count: str, wide: Any, blocks: Any, ours: tuple[int, ...]
) -> None:
    """Catches a width that fails, one with room below, overflow at TinyBERT's 10^30 units."""
    plan = Plan((64, 256, 40, 10), wide, blocks)
    draw = Quantization(2) if theorem == "3" else Pruning(0.3)
    for c1, c2 in ((1.1, 2.0), (5.5, 28.4), (0.7, 1.5)):
        constants = Constants(c1, (c2,), (3,) if theorem == "7" else ())
        rest: Any = draw, constants, Asked(xi=0.5, count=count)
        found = bounds.smallest_widths(theorem, plan, *rest, conditions=conditions)
        assert all(isinstance(width, int) for width in found)
        assert bounds.audit(
            theorem, replace(plan, widths=found), *rest, conditions=conditions
        ).holds
        for place in range(4):
            less = replace(plan, widths=(*found[:place], found[place] - 1, *found[place + 1 :]))
            if place in ours:
                assert not bounds.audit(theorem, less, *rest, conditions=conditions).holds
            else:
                assert found[place] == plan.widths[place]


def test_smallest_widths_of_tiny_bert_and_of_nothing() -> None:
    """Catches another theorem asked, an endless search when a limit underflows to zero."""
    plan = Plan((312, 1200, 312), blocks=(1,))
    assert bounds.smallest_widths("2", plan, *BERT)[1] == pytest.approx(3e22, rel=0.06)
    assert bounds.smallest_widths("2", plan, *BERT, conditions="sharper")[1] < 1e10
    plan, constants = Plan((5, 1), wide=(1,)), Constants(c1=1e-160, c2=(1e160,))
    with pytest.raises(ValueError, match="need a width that passes, got none up to 1e"):
        bounds.smallest_widths("3", plan, Quantization(1), constants, Asked(xi=0.5))


def test_verdicts_are_exact() -> None:
    """Catches a verdict in floats, which skip integers beyond 2^53: one unit decides."""
    plan = Plan((1, 10**20), wide=(1,))
    least = math.ceil(Fraction(10**20) / Fraction(audit("3", plan, k=1).rows[1].right))
    for width, holds in ((least, True), (least - 1, False)):
        found = audit("3", replace(plan, widths=(width, 10**20)), k=1)
        assert found.rows[1].holds == holds

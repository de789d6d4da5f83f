"""The audits of Theorems 6 and 7, ours with sharper bounds, and the slips of the paper."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from compressibility.bounds import wide_networks
from compressibility.bounds.wide_networks import Condition

accuracies = st.floats(0.01, 0.99)
sizes = st.floats(0.3, 3)


def f(u: float) -> float:
    return u * math.exp(u)


def of(audit: wide_networks.Audit, equation: str) -> Condition:
    """Pick the only row of an equation."""
    (row,) = [row for row in audit.rows if row.equation == equation]
    return row


def test_formulas_written_out_again() -> None:
    """Catches a wrong exponent of c1, c2 or the layer number, for c1 on both sides of 1."""
    xi, p, alpha = 0.4, 0.2, 0.9
    small, a = wide_networks.delta(xi), 0.9 * 0.8 / (0.2 * 0.1)
    for c1, c2 in ((0.5, 2.0), (2.0, 0.3)):
        audit = wide_networks.theorem_6_conditions(
            widths=(9, 5, 50, 4, 3),
            wide=(1, 4),
            blocks=(2,),
            p=p,
            xi=xi,
            c1=c1,
            c2=c2,
            alpha=alpha,
            gamma=0.2,
        )
        assert [(row.equation, row.layer) for row in audit.rows] == [
            ("Theorem 6", None),
            ("(27)", 1),
            ("(27)", 4),
            ("(28)", 2),
            ("(29)", 2),
        ]
        assert audit.rows[1].right == pytest.approx(small / a * c1**2 / c2**2)
        want = min(small**2 / a**2 * min(1, c1**8) / (c1**6 * c2**2), small / a * c1**2 / c2**2)
        assert of(audit, "(28)").right == pytest.approx(want)
        assert of(audit, "(29)").right == pytest.approx(small / a / (c2**2 * 4))
        assert [row.left for row in audit.rows[1:]] == pytest.approx(
            [5 / 9, 3 / 4, 4 / 50, math.sqrt(5 * 4) / 50]
        )


@settings(deadline=None, max_examples=60)
@given(
    layer=st.integers(1, 3),
    c1=sizes,
    c2=sizes,
    p=st.floats(0.1, 0.9),
    xi=accuracies,
    n1=st.sampled_from([1, 30]),
    alpha=st.sampled_from([0.5, 0.9, 0.99]),
)
def test_row_conditions_give_what_lemma_17_wants(
    layer: int, c1: float, c2: float, p: float, xi: float, n1: int, alpha: float
) -> None:
    """Catches a (28), (29) too weak for the proof, tried at the least width that passes.

    There Lambda <= 2 delta and f(Lambda) omega <= 5 c1^(2(l+1)) f(2 delta).
    """
    small, n3 = wide_networks.delta(xi), 2
    options: dict[str, Any] = {"p": p, "xi": xi, "c1": c1, "c2": c2, "alpha": alpha, "gamma": 3}
    widths = [1] * (layer - 1) + [n1, 1, n3]
    n2 = wide_networks.smallest_widths(
        wide_networks.theorem_6_conditions, widths=widths, wide=(), blocks=(layer,), **options
    )[layer]
    terms = wide_networks.row_terms(
        sigma1=c1,
        sigma2=c1,
        nu1=c2 / math.sqrt(max(n1, n2)),
        nu2=c2 / math.sqrt(max(n2, n3)),
        theta=c1 ** (layer - 1),
        n1=n1,
        n3=n3,
        alpha=alpha,
        p=p,
    )
    assert terms.growth <= 2 * small * (1 + 1e-9)
    allowed = 5 * c1 ** (2 * (layer + 1)) * f(2 * small)
    assert f(terms.growth) * terms.omega <= allowed * (1 + 1e-9)


@settings(deadline=None, max_examples=60)
@given(
    layer=st.integers(1, 3),
    c1=sizes,
    c2=sizes,
    p=st.floats(0.1, 0.9),
    k=st.integers(1, 4),
    xi=accuracies,
    n1=st.sampled_from([1, 30]),
    error=st.floats(0, 1),
)
def test_sharper_conditions_give_what_lemma_17_wants(
    layer: int, c1: float, c2: float, p: float, k: int, xi: float, n1: int, error: float
) -> None:
    """Catches a sharper condition under which the sharpest bound is above Lemma 17's allowance.

    At the least widths: (1+xi/4) bound <= (1+xi/2) c1^4 e + xi^2/2 c1^(2(l+1)) for any inherited e.
    """
    alpha, n3 = 0.9, 3
    common: dict[str, Any] = {"xi": xi, "c1": c1, "c2": c2, "alpha": alpha, "sharper": True}
    widths = [1] * (layer - 1) + [n1, 1, n3]
    inputs: dict[str, Any] = {
        "input_error": error,
        "sigma1": c1,
        "sigma2": c1,
        "theta": c1 ** (layer - 1),
        "n3": n3,
        "alpha": alpha,
    }
    allowed = (1 + xi / 2) * c1**4 * error + xi**2 / 2 * c1 ** (2 * (layer + 1))
    for conditions, bound, option, inner in (
        (
            wide_networks.theorem_2_conditions,
            wide_networks.sharpest_block_pruning,
            {"p": p, "gamma": 3},
            "n2",
        ),
        (
            wide_networks.theorem_3_conditions,
            wide_networks.sharpest_block_quantization,
            {"k": k},
            "n2",
        ),
        (
            wide_networks.theorem_6_conditions,
            wide_networks.sharpest_rows,
            {"p": p, "gamma": 3},
            "n1",
        ),
    ):
        n2 = wide_networks.smallest_widths(
            conditions, widths=widths, wide=(), blocks=(layer,), **common, **option
        )[layer]
        scheme = {name: value for name, value in option.items() if name != "gamma"}
        value = bound(
            **inputs,
            **scheme,
            **{inner: n2 if inner == "n2" else n1},
            nu1=c2 / math.sqrt(max(n1, n2)),
            nu2=c2 / math.sqrt(max(n2, n3)),
        )
        assert (1 + xi / 4) * value <= allowed * (1 + 1e-9)


@pytest.mark.parametrize("power", ["drift", "spread"])
def test_sharper_block_conditions_are_tight(power: str) -> None:
    """Catches a condition needlessly strong: at equality a or b takes just its half of xi²/2."""
    xi, p, alpha, c1, c2, layer = 0.5, 0.3, 0.9, 1.2, 0.9, 1
    audit = wide_networks.theorem_2_conditions(
        widths=(1, 1, 1), wide=(), blocks=(1,), p=p, xi=xi, c1=c1, c2=c2, alpha=alpha, sharper=True
    )
    n2 = of(audit, "(14)").right ** -2
    n3 = of(audit, "(15)").right * n2
    terms = wide_networks.block_terms(
        sigma2=c1, nu1=c2 / math.sqrt(n2), nu2=c2 / math.sqrt(n2), theta=1, n2=10**6, n3=1,
        alpha=alpha, p=p,
    )  # fmt: skip
    drift = terms.drift * math.sqrt(n2 / 10**6)
    spread = terms.spread * n2 * n3 / 10**6
    eta = xi / (4 + xi)
    share = xi**2 / 4 * c1 ** (2 * (layer + 1)) / (1 + xi / 4)
    if power == "drift":
        assert (1 + 1 / eta) * drift**2 / 4 == pytest.approx(share)
    else:
        assert (1 + eta) * spread == pytest.approx(share)


@settings(deadline=None)
@given(c1=sizes, c2=sizes, p=st.floats(0.05, 0.95), xi=accuracies, layer=st.integers(1, 4))
def test_column_conditions_give_what_lemma_17_wants(
    c1: float, c2: float, p: float, xi: float, layer: int
) -> None:
    """Catches a (27) too weak or too strong: at equality the columns add 2 delta c1^(2l)."""
    small = wide_networks.delta(xi, wide_only=True)
    sets: dict[str, Any] = {"widths": [1] * (layer + 1), "wide": (layer,), "blocks": ()}
    options: dict[str, Any] = {"xi": xi, "c1": c1, "c2": c2, "alpha": 0.9, "p": p, "gamma": 3}
    n1 = 10**9
    for sharper, bound in (
        (False, wide_networks.proposition_24),
        (True, wide_networks.sharper_columns),
    ):
        audit = wide_networks.theorem_6_conditions(**sets, **options, sharper=sharper)
        per_output = bound(
            input_error=0,
            sigma1=c1,
            nu1=c2 / math.sqrt(n1),
            theta=c1 ** (layer - 1),
            n2=1,
            alpha=0.9,
            p=p,
        )
        want = 2 * small * c1 ** (2 * layer)
        assert of(audit, "(27)").right * n1 * per_output == pytest.approx(want)


@pytest.mark.parametrize("theorem", [6, 7])
def test_printed_27_and_34_are_upside_down(theorem: int) -> None:
    """Catches the slip taken over: 9801 times too easy at p = 0.01, alpha = 0.99 ... squared."""
    options: dict[str, Any] = {"widths": (4, 1), "wide": (1,), "blocks": (), "p": 0.01, "xi": 0.5}
    if theorem == 7:
        options["kernel"] = 3
    conditions = getattr(wide_networks, f"theorem_{theorem}_conditions")
    limits = [
        conditions(**options, c1=1.0, c2=1.0, as_printed=printed).rows[1].right
        for printed in (True, False)
    ]
    small = wide_networks.delta(0.5, wide_only=True)
    q = 3 if theorem == 7 else 1
    assert limits[0] * q**2 / small == pytest.approx(9801)
    assert limits[0] / limits[1] == pytest.approx(9801**2)


def test_printed_27_is_false() -> None:
    """Catches a counterexample that is none: a Hadamard layer meets (27) as printed, and loses.

    c1 = c2 = 1, x uniform on the axes, identity: whatever greedy draws, a column set to zero loses
    ‖w_j‖² E x_j² = 1/n, so that the share zeroed is lost.
    """
    n, p, xi = 64, 0.01, 0.1
    W = hadamard(n) / math.sqrt(n)
    found = wide_networks.network_constants([W])
    assert (found.c1, found.c2) == pytest.approx((1, 1))
    sets: dict[str, Any] = {"widths": (n, n), "wide": (1,), "blocks": (), "p": p, "xi": xi}
    constants = {"c1": found.c1, "c2": found.c2, "gamma": 3}
    printed = wide_networks.theorem_6_conditions(**sets, **constants, as_printed=True)
    assert of(printed, "(27)").holds
    assert not of(wide_networks.theorem_6_conditions(**sets, **constants), "(27)").holds
    coins = np.random.default_rng(0).random(n) < p
    drawn = np.arange(n) < math.floor(0.99 * n)
    U = W * np.where(drawn, coins / p, 1)
    error = ((W - U) ** 2).sum(0).mean()  # E over x = e_j √n/√n on the axes
    zeroed = (drawn & ~coins).mean()
    assert error >= zeroed >= 0.9
    assert error > wide_networks.theorem_error(c1=1, m=1, xi=xi)


@pytest.mark.parametrize("theorem", [6, 7])
@pytest.mark.parametrize("c1", [1.0, 40.0])
def test_printed_28_gives_another_lambda(theorem: int, c1: float) -> None:
    """Catches slip 2 taken over: as printed, Lambda may reach 2 delta (1-p)/(1-alpha).

    That is 140 delta here, where the second side of the minimum does not bind (large c1).
    """
    options: dict[str, Any] = {"widths": (1, 1, 1), "wide": (), "blocks": (1,), "p": 0.3}
    q = 1
    if theorem == 7:
        options["kernel"] = q = 3
    conditions = getattr(wide_networks, f"theorem_{theorem}_conditions")
    growths = []
    for printed in (True, False):
        audit = conditions(**options, xi=0.5, c1=c1, c2=1.0, as_printed=printed)
        terms = wide_networks.row_terms(
            sigma1=c1,
            sigma2=c1,
            nu1=0,
            nu2=q * math.sqrt(audit.rows[1].right),
            theta=1,
            n1=1,
            n3=1,
            alpha=0.99,
            p=0.3,
        )
        growths.append(terms.growth / wide_networks.delta(0.5))
    assert growths[1] == pytest.approx(2)
    assert growths[0] > 2.5
    if c1 == 40:
        assert growths[0] == pytest.approx(140)


def test_theorem_7_is_theorem_6_with_wider_entries() -> None:
    """Catches q forgotten in one of (34)–(36), or not squared."""
    sets: dict[str, Any] = {"widths": (3, 90, 40, 2), "wide": (3,), "blocks": (1,)}
    options: dict[str, Any] = {"p": 0.3, "xi": 0.5, "c1": 1.3, "gamma": 0.5}
    for more in ({}, {"sharper": True}, {"count": "draws"}):
        dense = wide_networks.theorem_6_conditions(**sets, **options, c2=1.5, **more)
        filters = wide_networks.theorem_7_conditions(**sets, **options, c2=0.5, kernel=3, **more)
        assert [row.right for row in filters.rows] == pytest.approx(
            [row.right for row in dense.rows]
        )
        assert [row.left for row in filters.rows] == [row.left for row in dense.rows]
    assert [row.equation for row in filters.rows[2:]] == ["(34)", "(35)", "(36)"]


def test_draws_are_columns_and_rows() -> None:
    """Catches weights counted where neurons are drawn (slip 9: n0 speaks of the larger side)."""
    options: dict[str, Any] = {"p": 0.3, "xi": 0.5, "c1": 1.0, "c2": 1.0, "gamma": 0.1}
    sets: dict[str, Any] = {"widths": (500, 2000, 900, 10), "wide": (3,), "blocks": (1,)}
    audit = wide_networks.theorem_6_conditions(**sets, **options, count="draws")
    assert audit.rows[:2] == (
        Condition("number of draws", "Lemma 12", 1, 1980, ">=", 1539, True),
        Condition("number of draws", "Lemma 12", 3, 891, ">=", 1539, False),
    )
    row = wide_networks.theorem_6_conditions(**sets, **options).rows[0]
    assert (row.left, row.right) == (900, pytest.approx(1539 / 0.99))


def test_c2_per_layer() -> None:
    """Catches the c2 of the wrong layer in a condition."""
    sets: dict[str, Any] = {"widths": (3, 90, 40, 2), "wide": (3,), "blocks": (1,)}
    options: dict[str, Any] = {"p": 0.3, "xi": 0.5, "c1": 1.0, "gamma": 0.5}
    each, ones = (3.0, 0.5, 7.0), (1.0, 1.0, 1.0)
    for conditions, option, divisors in (
        # (13), (14), (15); (14) has 1 ∨ c_l c_{l+1} (1-p)/p besides, here 7/2 against 7/3
        (wide_networks.theorem_2_conditions, {}, (49, 9 * 3.5 / (7 / 3), 9 * 0.25)),
        # (27), (28), (29)
        (wide_networks.theorem_6_conditions, {}, (49, 0.25, 1.5)),
        (wide_networks.theorem_2_conditions, {"sharper": True}, (49, 9, 9 * 0.25)),
        (wide_networks.theorem_6_conditions, {"sharper": True}, (49, 0.25)),
    ):
        rows = [conditions(**sets, **options, c2=c2, **option).rows[1:] for c2 in (ones, each)]
        found = [before.right / after.right for before, after in zip(*rows, strict=True)]
        assert found == pytest.approx(divisors)
        alike = conditions(**sets, **options, c2=2.0, **option)
        assert conditions(**sets, **options, c2=(2.0, 2.0, 2.0), **option) == alike
    with pytest.raises(ValueError, match="need one c2, or 3, one per layer, got 2"):
        wide_networks.theorem_2_conditions(**sets, **options, c2=(1.0, 2.0))


def test_slip_6_projection_inside_a_block() -> None:
    """Catches a projection between a block's layers: error >= (1-√s)² at every width."""
    s = 0.313
    floor = (1 - math.sqrt(s)) ** 2
    assert floor == pytest.approx(0.194072, rel=1e-5)
    assert wide_networks.theorem_error(c1=1, m=2, xi=0.1) == pytest.approx(0.121)
    assert wide_networks.theorem_error(c1=1, m=2, xi=0.146) < floor
    assert wide_networks.theorem_error(c1=1, m=2, xi=0.148) > floor
    for n in (100, 10_000, 1_000_000):
        kept = np.arange(n) < s * n
        hidden = kept / (0.3 * math.sqrt(n))  # Ŵ1 x at x = 1, drawn weights enlarged
        clipped = hidden / max(1.0, float(np.linalg.norm(hidden)))
        error = (1 - clipped.sum() / math.sqrt(n)) ** 2
        assert error == pytest.approx((1 - math.sqrt(kept.mean())) ** 2)
        assert error > wide_networks.theorem_error(c1=1, m=2, xi=0.1)
        assert abs(1 - hidden.sum() / math.sqrt(n)) < 0.07  # and without it: next to none


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": 0.0}, r"need 0 < p < 1, got 0\.0"),
        ({"alpha": 1.0}, r"need 0 < alpha < 1, got 1\.0"),
        ({"c1": -1.0}, r"need 0 < c1 < inf, got -1\.0"),
        ({"c2": (1.0, math.nan)}, "need 0 < c2 < inf, got nan"),
        ({"count": "rows"}, "need count 'widths' or 'draws', got 'rows'"),
        ({"sharper": True, "as_printed": True}, "need sharper or as_printed, not both"),
        ({"sharper": True, "form": "half"}, "need form 'quarter' for sharper blocks, got 'half'"),
        ({"blocks": (2,)}, "need ℬ ⊂"),
    ],
)
def test_audit_refuses(change: dict[str, Any], message: str) -> None:
    """Catches a division by zero where a message belongs."""
    options: dict[str, Any] = {
        "widths": (4, 9, 1), "wide": (), "blocks": (1,), "p": 0.3, "xi": 0.5, "c1": 1.0, "c2": 1.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        wide_networks.theorem_6_conditions(**{**options, **change})


def test_kernel_and_sharper_are_checked() -> None:
    """Catches a kernel of size 0, and Theorem 3 asked for two things at once."""
    options: dict[str, Any] = {"widths": (4, 1), "wide": (1,), "blocks": (), "xi": 0.5}
    with pytest.raises(ValueError, match="need a whole kernel >= 1, got 0"):
        wide_networks.theorem_7_conditions(**options, kernel=0, p=0.3, c1=1.0, c2=1.0)
    with pytest.raises(ValueError, match="need sharper or as_printed, not both"):
        wide_networks.theorem_3_conditions(
            **options, k=1, c1=1.0, c2=1.0, sharper=True, as_printed=True
        )

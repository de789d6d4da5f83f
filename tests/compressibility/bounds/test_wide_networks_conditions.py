"""The audits of Theorems 2 and 3: rows, formulas, rules."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility.bounds import wide_networks
from compressibility.bounds.wide_networks import Condition

TINY_BERT = {"c1": 5.5, "c2": 28.4, "p": 0.3, "xi": 0.5}

accuracies = st.floats(0.001, 0.999)


def f(u: float) -> float:
    return u * math.exp(u)


def of(audit: wide_networks.Audit, equation: str) -> Condition:
    """Pick the only row of an equation."""
    (row,) = [row for row in audit.rows if row.equation == equation]
    return row


def test_tiny_bert_is_far_from_theorem_2() -> None:
    """Catches any slip in (13), (14): the sheet's numbers for the paper's TinyBERT constants."""
    widths = (312, 1200, 312, 312)
    audit = wide_networks.theorem_2_conditions(widths=widths, wide=(3,), blocks=(1,), **TINY_BERT)
    assert [(row.equation, row.layer) for row in audit.rows] == [
        ("Theorem 2", None),
        ("(13)", 3),
        ("(14)", 1),
        ("(15)", 1),
    ]
    assert of(audit, "(13)").right == pytest.approx(1.8e-6, rel=0.03)
    assert of(audit, "(14)").right ** -2 == pytest.approx(3e22, rel=0.06)
    assert of(audit, "(13)").left == 1.0
    assert of(audit, "(14)").left == pytest.approx(1200**-0.5)
    assert of(audit, "(15)").left == 312 / 1200
    assert not audit.holds
    alone = wide_networks.theorem_2_conditions(widths=widths, wide=(2, 3), blocks=(), **TINY_BERT)
    assert [row.right for row in alone.rows[1:]] == pytest.approx([9.0e-6] * 2, rel=0.005)


def test_formulas_written_out_again() -> None:
    """Catches a wrong exponent of c1, c2 or the layer number, for c1 on both sides of 1."""
    xi, p, alpha, k = 0.4, 0.2, 0.9, 3
    small = wide_networks.delta(xi)
    for c1, c2 in ((0.5, 2.0), (2.0, 0.3), (2.0, 3.0)):
        sets: dict[str, Any] = {"widths": (9, 5, 50, 4, 3), "wide": (1, 4), "blocks": (2,)}
        audit = wide_networks.theorem_2_conditions(
            **sets, p=p, xi=xi, c1=c1, c2=c2, alpha=alpha, gamma=0.2
        )
        a = alpha * (1 - p) / (p * (1 - alpha))
        assert audit.rows[1].right == pytest.approx(small * c1**2 / (a * c2**2))
        assert audit.rows[2].right == audit.rows[1].right
        want = small / a / (c1**2 * c2**2 * max(1, c1**-4) * max(1, c2**2 * max(1, (1 - p) / p)))
        assert of(audit, "(14)").right == pytest.approx(want)
        assert of(audit, "(15)").right == pytest.approx(small / a * (c1 / c2) ** 4)

        audit = wide_networks.theorem_3_conditions(**sets, k=k, xi=xi, c1=c1, c2=c2, alpha=alpha)
        a = alpha / (k**2 * (1 - alpha))
        assert [row.equation for row in audit.rows] == ["Theorem 3", "(19)", "(19)", "(20)", "(21)"]
        assert audit.rows[1].right == pytest.approx(small * c1**2 / (a * c2**2))
        common = small / a / (c1**2 * c2**2 * max(1, c2**2 / k))
        assert of(audit, "(20)").right == pytest.approx(common / max(1, c1**-4))
        assert of(audit, "(21)").right == pytest.approx(small / a * (c1 / c2) ** 4)
        printed = wide_networks.theorem_3_conditions(
            **sets, k=k, xi=xi, c1=c1, c2=c2, alpha=alpha, as_printed=True
        )
        assert of(printed, "(20)").right == pytest.approx(common / max(1, c1**4))


def block_terms(
    layer: int, c1: float, c2: float, n1: int, n2: int, n3: int, jitter: float, spread: float
) -> tuple[float, float]:
    """Give Lambda and omega of Propositions 21, 22 at the constants' extremes.

    `jitter`: 2 alpha/(1-alpha) times (1-p)/p or 1/k²; `spread`: (p ∨ (1-p))/p or 1/k.
    """
    theta, sigma2 = c1 ** (layer - 1), c1
    nu1, nu2 = c2 / math.sqrt(max(n1, n2)), c2 / math.sqrt(max(n2, n3))
    size = jitter * theta * sigma2 * nu1**2 * math.sqrt(n2)
    omega = (
        theta**2
        + 2 * theta * nu2**2 * n3 * math.sqrt(n2) / sigma2
        + 2 * theta**2 * spread * nu1 * nu2 * math.sqrt(n2 * n3)
    )
    return size, omega


@settings(deadline=None, max_examples=300)
@given(
    layer=st.integers(1, 3),
    c1=st.floats(0.3, 3),
    c2=st.floats(0.3, 3),
    p=st.floats(0.1, 0.9),
    k=st.integers(1, 8),
    xi=accuracies,
    alpha=st.sampled_from([0.5, 0.9, 0.99]),
)
def test_block_conditions_give_what_lemma_17_wants(
    layer: int, c1: float, c2: float, p: float, k: int, xi: float, alpha: float
) -> None:
    """Catches a condition too weak for the proof, tried at the least widths that pass.

    There Lambda <= 2 delta and f(Lambda) omega <= 5 c1^(2(l+1)) f(2 delta).
    """
    small = wide_networks.delta(xi)
    common: dict[str, Any] = {"xi": xi, "c1": c1, "c2": c2, "alpha": alpha}
    widths = [1] * (layer + 2)
    sets: dict[str, Any] = {"widths": widths, "wide": (), "blocks": (layer,)}
    for audit, fourteen, fifteen, variance, spread in (
        (
            wide_networks.theorem_2_conditions(**sets, **common, p=p, gamma=0.5),
            "(14)",
            "(15)",
            (1 - p) / p,
            max(p, 1 - p) / p,
        ),
        (wide_networks.theorem_3_conditions(**sets, **common, k=k), "(20)", "(21)", k**-2, 1 / k),
    ):
        n2 = math.ceil(max(of(audit, fourteen).right ** -2, 1 / of(audit, fifteen).right))
        n3 = max(1, math.floor(n2 * of(audit, fifteen).right))
        jitter = 2 * alpha / (1 - alpha) * variance
        size, omega = block_terms(layer, c1, c2, 1, n2, n3, jitter, spread)
        assert size <= 2 * small * (1 + 1e-9)
        assert f(size) * omega <= 5 * c1 ** (2 * (layer + 1)) * f(2 * small) * (1 + 1e-9)


def test_printed_20_does_not_give_the_theorem() -> None:
    """Catches 1 ∨ c1^4 taken for 1 ∨ c1^-4 (slip 7): the first term alone is 3.2 times too big."""
    xi, layer, alpha = 0.5, 1, 0.99
    sets: dict[str, Any] = {"widths": (1, 1, 1), "wide": (), "blocks": (1,)}
    options: dict[str, Any] = {"k": 1, "xi": xi, "c1": 0.5, "c2": 1.0, "alpha": alpha}
    small = wide_networks.delta(xi)
    allowed = 5 * 0.5 ** (2 * (layer + 1)) * f(2 * small)
    ratios = []
    for as_printed in (True, False):
        audit = wide_networks.theorem_3_conditions(**sets, **options, as_printed=as_printed)
        n2 = of(audit, "(20)").right ** -2
        size, _ = block_terms(1, 0.5, 1.0, 1, n2, 1, 2 * alpha / (1 - alpha), 1.0)
        ratios.append(f(size) * 1.0 / allowed)  # theta = 1
    assert ratios[0] == pytest.approx(3.2, rel=1e-3)
    assert ratios[1] < 0.2


@settings(deadline=None)
@given(
    c1=st.floats(0.3, 3),
    c2=st.floats(0.3, 3),
    p=st.floats(0.05, 0.95),
    k=st.integers(1, 8),
    xi=accuracies,
    layer=st.integers(1, 4),
    sharper=st.booleans(),
)
def test_wide_conditions_give_what_lemma_17_wants(
    c1: float, c2: float, p: float, k: int, xi: float, layer: int, sharper: bool
) -> None:
    """Catches a (13) or (19) too weak or too strong for its proposition.

    At equality the added error is 2 delta c1^(2l) exactly, printed and sharper alike.
    """
    small = wide_networks.delta(xi, wide_only=True)
    sets: dict[str, Any] = {"widths": [1] * (layer + 1), "wide": (layer,), "blocks": ()}
    options: dict[str, Any] = {"xi": xi, "c1": c1, "c2": c2, "alpha": 0.9, "sharper": sharper}
    n1 = 10**9
    inputs: dict[str, Any] = {
        "input_error": 0.0,
        "sigma1": c1,
        "nu1": c2 / math.sqrt(n1),
        "theta": c1 ** (layer - 1),
        "n2": 1,
        "alpha": 0.9,
    }
    pruning, quantizing = (
        (wide_networks.sharper_wide_pruning, wide_networks.sharper_wide_quantization)
        if sharper
        else (wide_networks.proposition_19, wide_networks.proposition_18)
    )
    for limit, per_output in (
        (
            wide_networks.theorem_2_conditions(**sets, **options, p=p, gamma=1.0).rows[1].right,
            pruning(**inputs, p=p),
        ),
        (
            wide_networks.theorem_3_conditions(**sets, **options, k=k).rows[1].right,
            quantizing(**inputs, k=k),
        ),
    ):
        assert limit * n1 * per_output == pytest.approx(2 * small * c1 ** (2 * layer))


def test_smallest_width_row() -> None:
    """Catches a minimum over all layers, min for max of the two sides, and float 1/(1-0.9) > 10."""
    options: dict[str, Any] = {"xi": 0.5, "c1": 1.0, "c2": 1.0}
    audit = wide_networks.theorem_2_conditions(
        widths=(3, 200, 150, 100, 2), wide=(2, 3), blocks=(), p=0.3, **options, gamma=1.0
    )
    draws = wide_networks.smallest_draws(0.3, 0.5, gamma=1.0)
    assert draws < 100
    assert audit.rows[0] == Condition("smallest width", "Theorem 2", None, 150, ">=", 100, True)
    audit = wide_networks.theorem_2_conditions(
        widths=(2000, 1), wide=(1,), blocks=(), p=0.3, **options, gamma=0.1
    )
    assert audit.rows[0].right == pytest.approx(1539 / 0.99)
    assert audit.rows[0].holds
    audit = wide_networks.theorem_3_conditions(
        widths=(10, 1), wide=(1,), blocks=(), k=2, **options, alpha=0.9
    )
    assert audit.rows[0] == Condition("smallest width", "Theorem 3", None, 10, ">=", 10, True)


def test_draws_rows() -> None:
    """Catches weights counted as neurons: 50 x 40 weights give 1980 draws, enough for 1539."""
    options: dict[str, Any] = {"p": 0.3, "xi": 0.5, "c1": 1.0, "c2": 1.0, "gamma": 0.1}
    sets: dict[str, Any] = {"widths": (50, 40, 5, 2), "wide": (3,), "blocks": (1,)}
    audit = wide_networks.theorem_2_conditions(**sets, **options, count="draws")
    assert audit.rows[:2] == (
        Condition("number of draws", "Lemma 12", 1, 1980, ">=", 1539, True),
        Condition("number of draws", "Lemma 12", 3, 9, ">=", 1539, False),
    )
    assert not wide_networks.theorem_2_conditions(**sets, **options).rows[0].holds
    exact = wide_networks.theorem_2_conditions(**sets, **options, count="draws", method="exact")
    assert exact.rows[0].right == 367
    big = np.full(3, 70_000, dtype=np.int32)
    audit = wide_networks.theorem_2_conditions(
        widths=big, wide=(1,), blocks=(), **options, count="draws"
    )
    assert audit.rows[0].left == 0.99 * 70_000**2  # and not what is left of it in 32 bits


def test_form_sets_both_delta_and_draws() -> None:
    """Catches the delta of one repair with the slack of the other."""
    sets: dict[str, Any] = {"widths": (50, 40, 5), "wide": (), "blocks": (1,)}
    audit = wide_networks.theorem_2_conditions(**sets, **TINY_BERT, form="half")
    draws = wide_networks.smallest_draws(0.3, 0.5, form="half")
    assert draws < wide_networks.smallest_draws(0.3, 0.5)
    assert audit.rows[0].right == pytest.approx(draws / 0.99)
    quarter = wide_networks.theorem_2_conditions(**sets, **TINY_BERT)
    ratio = wide_networks.delta(0.5, form="half") / wide_networks.delta(0.5)
    assert of(audit, "(15)").right / of(quarter, "(15)").right == pytest.approx(ratio)


@settings(deadline=None)
@given(width=st.integers(1, 10**12), xi=accuracies, p=st.floats(0.05, 0.95))
def test_wider_never_hurts(width: int, xi: float, p: float) -> None:
    """Catches a row whose two sides are swapped: a condition met stays met in a wider network."""
    options: dict[str, Any] = {"xi": xi, "p": p, "c1": 1.0, "c2": 1.0, "gamma": 1.0}
    for sets in (
        {"wide": (2,), "blocks": ()},
        {"wide": (), "blocks": (1,)},
    ):
        narrow = wide_networks.theorem_2_conditions(widths=(8, width, 1), **sets, **options)
        wide = wide_networks.theorem_2_conditions(widths=(8, 2 * width, 1), **sets, **options)
        for before, after in zip(narrow.rows, wide.rows, strict=True):
            assert after.holds >= before.holds


def test_a_wide_enough_network_passes() -> None:
    """Catches an audit that can never hold."""
    options: dict[str, Any] = {"xi": 0.9, "c1": 1.0, "c2": 1.0}
    sets: dict[str, Any] = {"widths": (8, 10**14, 10**6, 1), "wide": (3,), "blocks": (1,)}
    assert wide_networks.theorem_2_conditions(**sets, **options, p=0.9).holds
    assert wide_networks.theorem_3_conditions(**sets, **options, k=4).holds


def test_records_are_plain() -> None:
    """Catches records that pandas or json cannot take (numpy scalars, nested classes)."""
    audit = wide_networks.theorem_3_conditions(
        widths=np.array([30, 20, 2]), wide=(2,), blocks=(), k=2, xi=0.5, c1=1.0, c2=1.0
    )
    records = json.loads(json.dumps(audit.as_records()))
    assert list(records[0]) == [
        "name",
        "equation",
        "layer",
        "left",
        "relation",
        "right",
        "holds",
    ]
    assert [record["layer"] for record in records] == [None, 2]
    assert [record["left"] for record in records] == [20.0, 0.1]


@pytest.mark.parametrize(
    ("wide", "blocks", "message"),
    [
        ((1,), (1,), r"need 𝒲 ∩ ℬ = ∅ \(6\), got layers \[1\]"),
        ((2,), (1,), r"need \(𝒲 ∪ ℬ\) ∩ \(ℬ \+ 1\) = ∅ \(6\), got layers \[2\]"),
        ((), (1, 2), r"need \(𝒲 ∪ ℬ\) ∩ \(ℬ \+ 1\) = ∅ \(6\), got layers \[2\]"),
        ((), (3,), r"need ℬ ⊂ \{1, …, 2\}.*, got layers \[3\]"),
        ((0, 4), (), r"need 𝒲 ⊂ \{1, …, 3\}, got layers \[0, 4\]"),
        ((), (), "need a layer in 𝒲 ∪ ℬ, got none"),
    ],
)
def test_broken_rules_are_named(
    wide: tuple[int, ...], blocks: tuple[int, ...], message: str
) -> None:
    """Catches an audit of overlapping sets, of layers counted from 0, of nothing."""
    with pytest.raises(ValueError, match=message):
        wide_networks.theorem_2_conditions(
            widths=(4, 9, 3, 2), wide=wide, blocks=blocks, **TINY_BERT
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": 1.5}, "need 0 < p < 1, got 1.5"),
        ({"alpha": 1.0}, "need 0 < alpha < 1, got 1.0"),
        ({"c1": 0.0}, "need 0 < c1 < inf, got 0.0"),
        ({"c2": math.inf}, "need 0 < c2 < inf, got inf"),
        ({"widths": (3,)}, "need len\\(widths\\) >= 2, got 1"),
        ({"widths": (3, 0)}, r"need whole widths >= 1, got \[3, 0\]"),
    ],
)
def test_audit_refuses(change: dict[str, Any], message: str) -> None:
    """Catches a division by zero where a message belongs."""
    options: dict[str, Any] = {"widths": (4, 1), "wide": (1,), "blocks": (), **TINY_BERT}
    with pytest.raises(ValueError, match=message):
        wide_networks.theorem_2_conditions(**{**options, **change})


def test_quantization_audit_refuses() -> None:
    """Catches k = 0 as a division by zero."""
    options: dict[str, Any] = {"widths": (4, 1), "wide": (1,), "blocks": (), "xi": 0.5}
    with pytest.raises(ValueError, match="need a whole k >= 1, got 0"):
        wide_networks.theorem_3_conditions(**options, k=0, c1=1.0, c2=1.0)
    with pytest.raises(ValueError, match=r"need 0 < alpha < 1, got 1\.0"):
        wide_networks.theorem_3_conditions(**options, k=1, c1=1.0, c2=1.0, alpha=1.0)


def test_unknown_count_is_refused() -> None:
    """Catches a misspelt option that silently means the other one."""
    with pytest.raises(ValueError, match="need count 'widths' or 'draws', got 'rows'"):
        wide_networks.theorem_2_conditions(
            widths=(2, 1), wide=(1,), blocks=(), **TINY_BERT, count="rows"
        )

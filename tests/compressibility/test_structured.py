"""Columns and rows, against Algorithm 1 by forward passes, closed forms and the paper's sheet."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility import metrics, structured
from compressibility.models import ACTIVATIONS
from compressibility.schemes import Masking, Pruning, Quantization

COLUMNS, ROWS = structured.compress_columns, structured.compress_rows


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(seed, *shapes):
    source = generator(seed)
    return [torch.randn(s, generator=source, dtype=torch.float64) for s in shapes]


def block(seed, n1=3, n2=6, n3=2, samples=5):
    """Random W1, W2, dense inputs, and inputs as a compressed network would pass them on."""
    w1, w2, x, noise = normal(seed, (n2, n1), (n3, n2), (samples, n1), (samples, n1))
    return w1, w2, x, x + 0.3 * noise


def literal_structured(loss, layer, *, group, axis, keep, steps, uniforms):
    """Algorithm 1 on groups of rows (axis 0) or columns (axis 1) as it reads.

    It tries every outcome of every group that is left in a copy of the layer, and learns about the
    damage from ``loss(layer)`` alone.
    """
    current, left, order = layer.clone(), list(range(layer.shape[axis] // group)), []

    def with_factor(which, factor):
        changed = current.clone()
        part = changed.narrow(axis, which * group, group)
        part *= factor
        return changed

    for _ in range(steps):
        now = loss(current)
        scores = [
            abs(
                keep * (loss(with_factor(i, 1 / keep)) - now)
                + (1 - keep) * (loss(with_factor(i, 0.0)) - now)
            )
            for i in left
        ]
        chosen = left.pop(scores.index(min(scores)))
        order.append(chosen)
        current = with_factor(chosen, 1 / keep if uniforms[chosen] < keep else 0.0)
    return current, order


def column_loss(weight, x, other):
    return lambda current: ((x @ weight.T - other @ current.T) ** 2).sum(1).mean().item()


def row_loss(w1, w2, phi, x, other):
    dense = phi(x @ w1.T) @ w2.T
    return lambda current: ((dense - phi(other @ current.T) @ w2.T) ** 2).sum(1).mean().item()


def dice(draws, groups, seed):
    return torch.rand((draws, groups), generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("group", "fraction"), [(1, 0.5), (1, 0.95), (2, 0.7), (3, 0.5)])
@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_columns_equal_literal_draw_for_draw(seed, group, fraction, keep):
    """Catches a wrong price, order, count or draw, and groups that are not consecutive columns."""
    weight, x, noise = normal(seed, (4, 12), (9, 12), (9, 12))
    other = x + 0.3 * noise
    result = COLUMNS(
        weight,
        other,
        Pruning(keep),
        fraction=fraction,
        generator=generator(seed),
        draws=3,
        group=group,
    )
    for draw, uniforms in enumerate(dice(3, 12 // group, seed)):
        slow, order = literal_structured(
            column_loss(weight, x, other),
            weight,
            group=group,
            axis=1,
            keep=keep,
            steps=math.floor(Fraction(str(fraction)) * (12 // group)),
            uniforms=uniforms,
        )
        assert result.order[draw].tolist() == order
        torch.testing.assert_close(result.weights()[draw], slow, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("phi", [*ACTIVATIONS.values(), torch.sigmoid], ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("group", "fraction", "keep"), [(1, 0.9, 0.3), (2, 0.7, 0.6)])
@pytest.mark.parametrize("shifted", [False, True])
def test_rows_equal_literal_draw_for_draw(phi, seed, group, fraction, keep, shifted):
    """Catches a wrong score (also with phi(0) != 0, or x' != x), stale errors, mixed draws."""
    w1, w2, x, other = block(seed)
    other = other if shifted else x
    result = ROWS(
        w1,
        w2,
        phi,
        other,
        Pruning(keep),
        fraction=fraction,
        generator=generator(seed),
        draws=3,
        group=group,
        dense_inputs=x,
    )
    loss = row_loss(w1, w2, phi, x, other)
    for draw, uniforms in enumerate(dice(3, 6 // group, seed)):
        slow, order = literal_structured(
            loss,
            w1,
            group=group,
            axis=0,
            keep=keep,
            steps=math.floor(Fraction(str(fraction)) * (6 // group)),
            uniforms=uniforms,
        )
        assert result.order[draw].tolist() == order
        torch.testing.assert_close(result.weights()[draw], slow, rtol=1e-13, atol=1e-15)
        assert result.error[draw].item() == pytest.approx(loss(slow), rel=1e-12)


def test_sheet_case_a():
    """Catches any constant of the identity for columns (sheet, case A)."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 30)) / math.sqrt(30)
    x = rng.standard_normal((64, 30))
    x = x / np.linalg.norm(x, axis=1).max()
    other = x + 0.3 * rng.standard_normal((64, 30)) / math.sqrt(30)
    weight, x, other = (torch.from_numpy(a) for a in (weight, x, other))
    result = COLUMNS(weight, other, Pruning(0.3), fraction=0.9, generator=generator())
    base = metrics.output_error(weight, weight, x, other).item()
    assert result.order.shape == (1, 27)
    assert base + result.expected_increase.item() == pytest.approx(0.345219, rel=1e-4)


def test_sheet_case_b(monkeypatch):
    """Catches a score, draw or error of rows that differs from the sheet (case B)."""
    rng = np.random.default_rng(1)
    w1, w2 = rng.standard_normal((12, 4)) / 12**0.5, rng.standard_normal((3, 12)) / 12**0.5
    x = rng.standard_normal((24, 4))
    x = x / np.linalg.norm(x, axis=1).max()
    uniforms = rng.random((12, 4))[:, 0]
    monkeypatch.setattr(structured, "_uniforms", lambda *_: torch.from_numpy(uniforms)[None])
    w1, w2, x = (torch.from_numpy(a) for a in (w1, w2, x))
    result = ROWS(w1, w2, torch.tanh, x, Pruning(0.3), fraction=0.5, generator=generator())
    assert result.order.tolist() == [[9, 2, 11, 4, 1, 0]]
    assert result.error.item() == pytest.approx(0.0127317, rel=1e-4)
    assert (result.weights()[0] != 0).any(1).sum() == 9
    assert result.kept_share.item() == 9 / 12


@pytest.mark.parametrize("group", [1, 3])
def test_identity_by_monte_carlo(group):
    """Catches a mean loss other than base + prices: 4000 draws, 5 standard errors."""
    weight, x, noise = normal(4, (5, 12), (20, 12), (20, 12))
    other = x + 0.2 * noise
    result = COLUMNS(
        weight,
        other,
        Pruning(0.3),
        fraction=0.75,
        generator=generator(1),
        draws=4000,
        group=group,
    )
    losses = metrics.output_error(weight, result.weights(), x, other)
    base = metrics.output_error(weight, weight, x, other)
    expected = (base + result.expected_increase[0]).item()
    error = losses.std().item() / math.sqrt(len(losses))
    assert losses.mean().item() == pytest.approx(expected, abs=5 * error)
    assert result.expected_increase[0].item() > 20 * error


def test_relu_rows_are_columns():
    """Catches a factor misplaced in one of the two: for ReLU phi(tz) = t phi(z), so they agree."""
    w1, w2, x, _ = block(6, n1=4, n2=40, n3=3, samples=30)
    options = {"fraction": 0.9, "draws": 5}
    rows = ROWS(w1, w2, torch.relu, x, Pruning(0.3), generator=generator(2), **options)
    hidden = torch.relu(x @ w1.T)
    columns = COLUMNS(w2, hidden, Pruning(0.3), generator=generator(2), **options)
    assert torch.equal(rows.order, columns.order)
    assert torch.equal(rows.scale, columns.scale)
    torch.testing.assert_close(rows.error, metrics.output_error(w2, columns.weights(), hidden))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("group", "keep"), [(1, 0.3), (2, 0.6)])
def test_peeking_equals_its_literal_form(seed, group, keep):
    """Catches a score other than what the throw does: literally, both outcomes are the throw's."""
    w1, w2, x, other = block(seed, n2=8)
    options = {"fraction": 0.8, "draws": 3, "group": group, "dense_inputs": x, "order": "peeking"}
    result = ROWS(w1, w2, torch.tanh, other, Pruning(keep), generator=generator(seed), **options)
    loss, groups = row_loss(w1, w2, torch.tanh, x, other), 8 // group
    for draw, uniforms in enumerate(dice(3, groups, seed)):
        current, left, order = w1.clone(), list(range(groups)), []
        factors = (uniforms < keep).double() / keep
        for _ in range(8 * groups // 10):
            thrown = {}
            for i in left:
                thrown[i] = current.clone()
                thrown[i][i * group : (i + 1) * group] *= factors[i]
            now = loss(current)
            order.append(min(left, key=lambda i: abs(loss(thrown[i]) - now)))
            left.remove(order[-1])
            current = thrown[order[-1]]
        assert result.order[draw].tolist() == order
        torch.testing.assert_close(result.weights()[draw], current, rtol=1e-13, atol=1e-15)
        assert result.error[draw].item() == pytest.approx(loss(current), rel=1e-12)


def test_activation_in_place():
    """Catches an activation such as nn.Tanh in place that overwrites what is still needed."""
    w1, w2, x, other = block(7)
    args = {"fraction": 0.8, "dense_inputs": x, "draws": 20}
    one, two = (
        ROWS(w1, w2, phi, other, Pruning(0.4), generator=generator(), **args)
        for phi in (torch.tanh, torch.tanh_)
    )
    assert torch.equal(one.order, two.order)
    assert torch.equal(one.error, two.error)


@pytest.mark.parametrize("call", ["columns", "rows"])
def test_random_order_shares_the_dice_and_costs_more(call):
    """Catches a control whose dice differ from the greedy's, or that is the greedy after all."""
    w1, w2, x, _ = block(8, n1=4, n2=30, n3=3, samples=30)
    results = {}
    for order in ("greedy", "random"):
        options = {"fraction": 0.5, "draws": 200, "generator": generator(3), "order": order}
        if call == "columns":
            results[order] = COLUMNS(w2, torch.tanh(x @ w1.T), Pruning(0.3), **options)
            cost = {k: v.expected_increase.mean().item() for k, v in results.items()}
        else:
            results[order] = ROWS(w1, w2, torch.tanh, x, Pruning(0.3), **options)
            cost = {k: v.error.mean().item() for k, v in results.items()}
    drawn = (dice(200, 30, 3) < 0.3).double() / 0.3
    for result in results.values():
        ones = torch.ones_like(drawn)
        assert torch.equal(result.scale, torch.where(result.compressed, drawn, ones))
    assert cost["greedy"] < 0.8 * cost["random"]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    groups=st.integers(1, 6),
    group=st.integers(1, 3),
    hundredths=st.integers(1, 99),
    order=st.sampled_from(["greedy", "random"]),
)
def test_what_every_compression_obeys(seed, groups, group, hundredths, order):
    """Catches lost counts, and rows or columns that change although their group was not drawn."""
    w1, w2, x, _ = block(seed, n2=groups * group)
    count = hundredths * groups // 100
    options = {
        "fraction": hundredths / 100,
        "generator": generator(seed),
        "draws": 2,
        "group": group,
        "order": order,
    }
    rows = ROWS(w1, w2, torch.tanh, x, Pruning(0.4), **options)
    columns = COLUMNS(w2, torch.tanh(x @ w1.T), Pruning(0.4), **options)
    for result, axis in ((rows, 1), (columns, 2)):
        assert result.compressed.sum(1).tolist() == [count] * 2
        assert result.order.shape == (2, count)
        same = (result.weights() == result.weight).all(3 - axis)
        undrawn = ~result.compressed.repeat_interleave(group, 1)
        assert same[undrawn].all()
        gone = (result.weights() == 0).all(3 - axis).double().mean(1)
        torch.testing.assert_close(result.kept_share, 1 - gone)


def test_single_precision_decides_as_double():
    """Catches uniforms that depend on the dtype, and scores summed in single precision."""
    w1, w2, x, _ = (t.float() for t in block(9, n1=4, n2=50, n3=3, samples=40))
    args = {"fraction": 0.8, "draws": 2}
    for call in (
        lambda w, x, g: ROWS(w, w2.to(w.dtype), torch.tanh, x, Pruning(0.3), generator=g, **args),
        lambda w, x, g: COLUMNS(w, x, Pruning(0.3), generator=g, **args),
    ):
        single = call(w1, x, generator(5))
        double = call(w1.double(), x.double(), generator(5))
        assert single.weights().dtype == torch.float32
        assert torch.equal(single.order, double.order)
        assert torch.equal(single.scale, double.scale)


def test_inputs_are_not_changed_and_no_gradient_is_kept():
    """Catches work done in place on the caller's network, or a graph that outlives the call."""
    w1, w2, x, _ = block(1)
    first, second = torch.nn.Parameter(w1.clone()), torch.nn.Parameter(w2.clone())
    rows = ROWS(first, second, torch.tanh, x, Pruning(0.3), fraction=0.5, generator=generator())
    columns = COLUMNS(second, x @ w1.T, Pruning(0.3), fraction=0.5, generator=generator())
    assert torch.equal(first.detach(), w1)
    assert torch.equal(second.detach(), w2)
    for tensor in (rows.weights(), rows.error, columns.weights(), columns.expected_increase):
        assert not tensor.requires_grad


BAD = [
    ({"fraction": 0.0}, "need 0 < fraction < 1, got 0.0"),
    ({"fraction": 1.0}, "need 0 < fraction < 1, got 1.0"),
    ({"draws": 0}, "need draws >= 1, got 0"),
    ({"group": 4}, "need a group that divides 6, got 4"),
    ({"group": 0}, "need a group that divides 6, got 0"),
    ({"order": "largest_first"}, "need order in .*'largest_first'"),
    ({"scheme": Quantization(levels=2)}, "need a scheme Pruning"),
    ({"scheme": Masking(keep=0.5)}, "need a scheme Pruning"),
    ({"scheme": Pruning}, "need a scheme Pruning"),
]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *BAD,
        ({"inputs": torch.ones(9, 5)}, r"need inputs \(N, 6\), N >= 1, got \(9, 5\)"),
        ({"inputs": torch.ones(0, 6)}, "N >= 1"),
        ({"inputs": torch.ones(9, 6).double()}, "need inputs of dtype torch.float32"),
        ({"inputs": torch.full((9, 6), math.nan)}, "need finite inputs"),
        ({"weight": torch.ones(2, 4, 6)}, r"need weight \(n_out, n_in\), got \(2, 4, 6\)"),
        ({"weight": torch.full((4, 6), math.inf)}, "need finite weight"),
    ],
)
def test_bad_arguments_of_columns_are_named(change, message):
    """Catches a bad argument that goes through, or an error that does not say which and why."""
    arguments = {
        "weight": torch.ones(4, 6),
        "inputs": torch.ones(9, 6),
        "scheme": Pruning(keep=0.5),
        "fraction": 0.5,
        "generator": generator(),
    } | change
    positional = [arguments.pop(name) for name in ("weight", "inputs", "scheme")]
    with pytest.raises(ValueError, match=message):
        COLUMNS(*positional, **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *BAD,
        ({"w2": torch.ones(3, 5)}, r"need w2 \(n3, 6\)"),
        ({"w2": torch.ones(3, 6).double()}, r"need w2 \(n3, 6\) of torch.float32"),
        ({"w2": torch.full((3, 6), math.nan)}, "need finite weight"),
        ({"inputs": torch.ones(9, 5)}, r"need inputs \(N, 4\)"),
        ({"w1": torch.ones(2, 6, 4)}, r"need weight \(n_out, n_in\)"),
        ({"activation": "tanh"}, "need an entrywise function as activation, got 'tanh'"),
        ({"activation": lambda z: z.softmax(-1)}, "got one that mixes entries"),
        ({"dense_inputs": torch.ones(8, 4)}, r"need finite dense_inputs \(9, 4\)"),
        ({"dense_inputs": torch.full((9, 4), math.nan)}, "need finite dense_inputs"),
    ],
)
def test_bad_arguments_of_rows_are_named(change, message):
    """Catches a bad argument that goes through, or an error that does not say which and why."""
    arguments = {
        "w1": torch.ones(6, 4),
        "w2": torch.ones(3, 6),
        "activation": torch.tanh,
        "inputs": torch.ones(9, 4),
        "scheme": Pruning(keep=0.5),
        "fraction": 0.5,
        "generator": generator(),
    } | change
    names = ("w1", "w2", "activation", "inputs", "scheme")
    positional = [arguments.pop(name) for name in names]
    with pytest.raises(ValueError, match=message):
        ROWS(*positional, **arguments)

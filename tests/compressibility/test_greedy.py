"""Algorithm 1 for wide layers, against its literal form, its closed forms and the paper's sheet."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compressibility import greedy, metrics
from compressibility.schemes import Masking, NearestRounding, Pruning, Quantization, uniforms_like
from tests.compressibility import literal

SCHEMES = [Pruning(keep=0.3), Pruning(keep=0.7), Quantization(levels=1), Quantization(levels=3)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def layer(seed, n_out=4, n_in=5, samples=9):
    """Random weight, dense inputs, and inputs as a compressed network would pass them on."""
    rng = np.random.default_rng(seed)
    weight, x, noise = (rng.standard_normal(s) for s in ((n_out, n_in), (samples, n_in), (1, n_in)))
    return tuple(torch.from_numpy(a) for a in (weight, x, x + 0.3 * noise * x.std()))


def sheet_case_a():
    """Case A of the theory sheet: W, X inside the unit ball, X'."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 30)) / math.sqrt(30)
    x = rng.standard_normal((64, 30))
    x = x / np.linalg.norm(x, axis=1).max()
    other = x + 0.3 * rng.standard_normal((64, 30)) / math.sqrt(30)
    return tuple(torch.from_numpy(a) for a in (weight, x, other))


def literal_outcomes(weight, scheme):
    if isinstance(scheme, Pruning):
        states = literal.pruning_outcomes
        return [states(weight, flat, keep=scheme.keep) for flat in range(weight.numel())]
    states = literal.quantization_outcomes
    return [states(weight, flat, levels=scheme.levels) for flat in range(weight.numel())]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("fraction", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shifted", [False, True])
def test_fast_equals_literal_draw_for_draw(scheme, fraction, seed, shifted):
    """Catches an order, a count or a draw that differs from Algorithm 1 as it reads."""
    weight, x, other = layer(seed)
    other = other if shifted else x
    uniforms = uniforms_like(weight, generator(seed))
    count = math.floor(Fraction(str(fraction)) * weight.numel())
    slow = literal.compress(
        weight, x, other, literal_outcomes(weight, scheme), steps=count, uniforms=uniforms
    )
    fast = greedy.compress_wide(weight, other, scheme, fraction=fraction, generator=generator(seed))
    assert fast.order.tolist() == slow.order
    torch.testing.assert_close(fast.weight, slow.weight, rtol=1e-13, atol=1e-15)


def test_fast_equals_literal_with_dead_inputs():
    """Catches ties (inputs that are always zero score exactly 0) not taken by flat index."""
    weight, x, _ = layer(5)
    x[:, [1, 3]] = 0.0
    scheme = Pruning(keep=0.5)
    slow = literal.compress(
        weight,
        x,
        x,
        literal_outcomes(weight, scheme),
        steps=10,
        uniforms=uniforms_like(weight, generator(3)),
    )
    fast = greedy.compress_wide(weight, x, scheme, fraction=0.5, generator=generator(3))
    assert slow.order[:8] == [1, 3, 6, 8, 11, 13, 16, 18]
    assert fast.order.tolist() == slow.order


@pytest.mark.parametrize(
    ("scheme", "expected", "share_bound"),
    [(Pruning(keep=0.3), 0.270135, 0.406758), (Quantization(levels=2), 0.085784, 0.091480)],
    ids=str,
)
def test_sheet_case_a(scheme, expected, share_bound):
    """Catches any constant of the identity or of its alpha-share bound (sheet, case A)."""
    weight, x, other = sheet_case_a()
    base = metrics.output_error(weight, weight, x, other).item()
    result = greedy.compress_wide(weight, other, scheme, fraction=0.9, generator=generator())
    everything = greedy.scores_wide(weight, other, scheme).sum().item()
    assert base == pytest.approx(0.025340, rel=1e-4)
    assert result.order.shape == (216,)
    assert base + result.expected_increase.item() == pytest.approx(expected, rel=1e-4)
    assert base + 0.9 * everything == pytest.approx(share_bound, rel=1e-4)


@pytest.mark.parametrize("scheme", [Pruning(keep=0.3), Quantization(levels=2)], ids=str)
def test_identity_by_monte_carlo(scheme):
    """Catches a mean loss other than base + increase: 4000 draws, 5 standard errors."""
    weight, x, other = sheet_case_a()
    stack = weight.expand(4000, -1, -1)
    result = greedy.compress_wide(stack, other, scheme, fraction=0.9, generator=generator(1))
    losses = metrics.output_error(weight, result.weight, x, other)
    base = metrics.output_error(weight, weight, x, other)
    expected = (base + result.expected_increase[0]).item()
    error = losses.std().item() / math.sqrt(len(losses))
    assert losses.mean().item() == pytest.approx(expected, abs=5 * error)
    assert error < 0.01 * expected
    if isinstance(scheme, Pruning):
        assert losses.std().item() == pytest.approx(0.030, rel=0.1)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_identity_by_enumeration(scheme, fraction):
    """Catches an identity that is only about right: the mean over all outcomes, weighted."""
    weight, x, other = layer(7, n_out=2, n_in=4, samples=6)
    result = greedy.compress_wide(weight, other, scheme, fraction=fraction, generator=generator())
    outcomes = literal_outcomes(weight, scheme)
    mean = 0.0
    for choice in itertools.product((0, 1), repeat=result.order.numel()):
        drawn, chance = weight.clone(), 1.0
        for flat, which in zip(result.order.tolist(), choice, strict=True):
            value, probability = outcomes[flat][which]
            drawn.view(-1)[flat] = value
            chance *= probability
        mean += chance * literal.loss(weight, drawn, x, other)
    base = literal.loss(weight, weight, x, other)
    assert mean == pytest.approx(base + result.expected_increase.item(), rel=1e-12)


@pytest.mark.parametrize("biased", [Masking(keep=0.3), NearestRounding(levels=2)], ids=str)
def test_biased_draws_are_refused_and_break_the_identity(biased):
    """Catches a bias that slips in: its loss has the extra term of the mean's own error."""
    weight, x, _ = sheet_case_a()
    with pytest.raises(ValueError, match="need an unbiased scheme"):
        greedy.compress_wide(weight, x, biased, fraction=0.5, generator=generator())
    draws = biased.draw(weight.expand(2000, -1, -1), generator(2))
    losses = metrics.output_error(weight, draws, x)
    spread = greedy.scores_wide(weight, x, biased).sum().item()
    bias = metrics.output_error(weight, biased.mean(weight), x).item()
    error = losses.std().item() / math.sqrt(len(losses))
    assert losses.mean().item() == pytest.approx(spread + bias, abs=5 * error + 1e-12)
    assert bias > 10 * error


@pytest.mark.parametrize("order", ["greedy", "random", "largest_first"])
@pytest.mark.parametrize("scheme", [Pruning(keep=0.4), Quantization(levels=2)], ids=str)
@pytest.mark.parametrize("shared", [True, False])
def test_stack_equals_single_calls(order, scheme, shared):
    """Catches mixing of networks: M, scores, order or random numbers taken over the stack."""
    weight = torch.stack([layer(seed)[0] * (seed + 1) for seed in range(3)])
    x = torch.stack([layer(seed)[1] for seed in range(3)])
    x = x[0] if shared else x
    stack = greedy.compress_wide(
        weight,
        x,
        scheme,
        fraction=0.6,
        generator=[generator(seed) for seed in range(3)],
        order=order,
    )
    for seed in range(3):
        alone = greedy.compress_wide(
            weight[seed],
            x if shared else x[seed],
            scheme,
            fraction=0.6,
            generator=generator(seed),
            order=order,
        )
        for field in ("weight", "compressed", "order", "expected_increase", "kept_share"):
            assert torch.equal(getattr(stack, field)[seed], getattr(alone, field)), field


def test_orders_share_their_draws_and_rank_by_score():
    """Catches orders that are mislabelled, or whose draws differ so that they cannot be paired."""
    weight, x, _ = layer(11, n_out=6, n_in=8)
    scheme = Pruning(keep=0.5)
    scores = greedy.scores_wide(weight, x, scheme).flatten()
    orders = ("greedy", "random", "largest_first")
    results = {
        order: greedy.compress_wide(
            weight, x, scheme, fraction=0.5, generator=generator(4), order=order
        )
        for order in orders
    }
    ascending = scores[results["greedy"].order]
    descending = scores[results["largest_first"].order]
    assert (ascending.diff() >= 0).all()
    assert (descending.diff() <= 0).all()
    assert ascending[-1] <= descending[-1]
    increases = [results[order].expected_increase.item() for order in orders]
    assert increases == sorted(increases)
    assert len(set(increases)) == 3
    drawn = scheme.draw(weight, generator(4))
    for result in results.values():
        assert torch.equal(result.weight, torch.where(result.compressed, drawn, weight))


def test_largest_first_breaks_ties_by_flat_index():
    """Catches a descending sort got by flipping an ascending one, which reverses ties."""
    result = greedy.compress_wide(
        torch.ones(2, 3),
        torch.ones(4, 3),
        Pruning(keep=0.5),
        fraction=0.5,
        generator=generator(),
        order="largest_first",
    )
    assert result.order.tolist() == [0, 1, 2]


def test_random_order_is_uniform():
    """Catches a random order that prefers some weights: 600 layers, 5 sigma per weight."""
    stack = torch.ones(600, 2, 3, dtype=torch.float64)
    result = greedy.compress_wide(
        stack,
        torch.ones(1, 3, dtype=torch.float64),
        Pruning(keep=0.5),
        fraction=0.5,
        generator=generator(8),
        order="random",
    )
    taken = result.compressed.double().sum(0)
    assert (taken - 300).abs().max() < 5 * math.sqrt(600 * 0.25)
    first = torch.bincount(result.order[:, 0], minlength=6).double()
    assert (first - 100).abs().max() < 5 * math.sqrt(600 / 6 * 5 / 6)


def test_pruning_order_is_wandas():
    """Catches a saliency other than |w| times the input's root mean square, over the layer."""
    weight, x, _ = layer(3, n_out=7, n_in=6)
    saliency = (weight.abs() * x.square().mean(0).sqrt()).flatten().numpy()
    for keep in (0.2, 0.9):
        order = greedy.compress_wide(
            weight, x, Pruning(keep=keep), fraction=1.0, generator=generator()
        ).order
        assert order.tolist() == np.argsort(saliency, kind="stable").tolist()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**16),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    hundredths=st.integers(0, 100),
    scheme=st.sampled_from(SCHEMES),
    order=st.sampled_from(["greedy", "random", "largest_first"]),
)
def test_what_every_compression_obeys(seed, shape, hundredths, scheme, order):
    """Catches lost counts: mask, order, share and untouched weights must tell one story."""
    weight, x, _ = layer(seed, *shape, 4)
    result = greedy.compress_wide(
        weight, x, scheme, fraction=hundredths / 100, generator=generator(seed), order=order
    )
    count = hundredths * weight.numel() // 100
    taken = result.order.tolist()
    assert len(taken) == len(set(taken)) == count
    assert sorted(taken) == result.compressed.flatten().nonzero().flatten().tolist()
    assert torch.equal(result.weight[~result.compressed], weight[~result.compressed])
    assert result.kept_share.item() == (result.weight != 0).sum().item() / weight.numel()
    scores = greedy.scores_wide(weight, x, scheme)
    assert result.expected_increase.item() == pytest.approx(
        scores[result.compressed].sum().item(), rel=1e-12
    )


def test_kept_share_of_the_papers_experiment():
    """Catches a share kept that is not 1 - alpha + alpha p = 0.37: 40 layers, 5 sigma."""
    stack = torch.stack([layer(seed, 20, 30)[0] for seed in range(40)])
    result = greedy.compress_wide(
        stack, layer(0, 20, 30)[1], Pruning(keep=0.3), fraction=0.9, generator=generator(6)
    )
    error = math.sqrt(0.9 * 0.3 * 0.7 / (600 * 40))
    assert result.kept_share.mean().item() == pytest.approx(0.37, abs=5 * error)


@settings(deadline=None, max_examples=200)
@given(total=st.integers(1, 10**7), thousandths=st.integers(0, 1000))
def test_number_compressed_is_exact(total, thousandths):
    """Catches binary floating point in the count: the reference is integer arithmetic."""
    assert greedy.number_compressed(thousandths / 1000, total) == thousandths * total // 1000


def test_number_compressed_examples():
    """Catches 0.29 of 100 = 28, NumPy's repr, and thirds that no decimal says."""
    assert math.floor(0.29 * 100) == 28
    assert greedy.number_compressed(0.29, 100) == 29
    assert greedy.number_compressed(np.float64(0.29), 100) == 29
    assert greedy.number_compressed(Fraction(1, 3), 3) == 1
    assert greedy.number_compressed(1, 7) == 7
    with pytest.raises(ValueError, match=r"need 0 <= fraction <= 1, got 1\.3"):
        greedy.number_compressed(1.3, 10)
    with pytest.raises(ValueError, match="got nan"):
        greedy.number_compressed(math.nan, 10)
    with pytest.raises(ValueError, match="need total >= 1, got 0"):
        greedy.number_compressed(0.5, 0)


def test_output_error_broadcasts_over_draws():
    """Catches a sum over the wrong axis: against a loop in NumPy."""
    weight, x, other = layer(2)
    draws = torch.stack([layer(seed)[0] for seed in range(3)])
    got = metrics.output_error(weight, draws, x, other)
    for index, draw in enumerate(draws):
        gaps = [
            weight.numpy() @ a - draw.numpy() @ b
            for a, b in zip(x.numpy(), other.numpy(), strict=True)
        ]
        assert got[index].item() == pytest.approx(np.mean([gap @ gap for gap in gaps]), rel=1e-12)
    assert torch.equal(
        metrics.output_error(weight, draws, x), metrics.output_error(weight, draws, x, x)
    )


def test_single_precision_decides_as_double():
    """Catches uniforms that depend on the dtype: same mask and draws, up to rounding."""
    weight, x, _ = layer(9, 10, 12)
    weight, x = weight.float(), x.float()
    args = {"fraction": 0.8, "generator": generator(1)}
    single = greedy.compress_wide(weight, x, Quantization(levels=3), **args)
    args["generator"] = generator(1)
    double = greedy.compress_wide(weight.double(), x.double(), Quantization(levels=3), **args)
    assert single.weight.dtype == torch.float32
    assert single.expected_increase.dtype == torch.float64
    assert torch.equal(single.order, double.order)
    torch.testing.assert_close(single.weight.double(), double.weight, rtol=1e-6, atol=0)


def test_inputs_are_not_changed_and_no_gradient_is_kept():
    """Catches work done in place on the caller's network, or a graph that outlives the call."""
    weight, x, _ = layer(1)
    parameter = torch.nn.Parameter(weight.clone())
    result = greedy.compress_wide(
        parameter, x, Pruning(keep=0.5), fraction=0.5, generator=generator()
    )
    assert torch.equal(parameter.detach(), weight)
    assert not result.weight.requires_grad
    assert not metrics.output_error(parameter, result.weight, x).requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": torch.ones(5)}, "need weight"),
        ({"weight": torch.ones(1, 2, 4, 5)}, r"need weight \(n_out, n_in\) or"),
        ({"weight": torch.ones(4, 5, dtype=torch.int64)}, "need weight of dtype"),
        ({"weight": torch.full((4, 5), math.inf)}, "need finite weight"),
        ({"inputs": torch.ones(9, 4)}, r"need inputs \(N, 5\), N >= 1, got \(9, 4\)"),
        ({"inputs": torch.ones(0, 5)}, "N >= 1"),
        ({"inputs": torch.ones(2, 9, 5)}, "need inputs"),
        ({"inputs": torch.ones(9, 5, dtype=torch.float64)}, "need inputs of dtype torch.float32"),
        ({"inputs": torch.full((9, 5), math.nan)}, "need finite inputs"),
        ({"scheme": "pruning"}, "need a scheme such as"),
        ({"scheme": Pruning}, "need a scheme such as"),
        ({"fraction": -0.1}, "need 0 <= fraction <= 1, got -0.1"),
        ({"order": "smallest"}, "need order in .*'smallest'"),
        ({"generator": [generator()]}, "need one generator"),
    ],
)
def test_bad_arguments_are_named(change, message):
    """Catches a bad argument that goes through, or an error that does not say which and why."""
    arguments = {
        "weight": torch.ones(4, 5),
        "inputs": torch.ones(9, 5),
        "scheme": Pruning(keep=0.5),
        "fraction": 0.5,
        "generator": generator(),
    } | change
    positional = [arguments.pop(name) for name in ("weight", "inputs", "scheme")]
    with pytest.raises(ValueError, match=message):
        greedy.compress_wide(*positional, **arguments)


def test_output_error_names_what_does_not_fit():
    """Catches silent broadcasting of layers or samples that do not belong together."""
    ones = torch.ones
    with pytest.raises(ValueError, match="need weight and compressed of one layer's shape"):
        metrics.output_error(ones(4, 5), ones(1, 5), ones(9, 5))
    with pytest.raises(ValueError, match="need inputs"):
        metrics.output_error(ones(4, 5), ones(4, 5), ones(9, 5), ones(1, 5))
    with pytest.raises(ValueError, match="need weights and inputs of one dtype"):
        metrics.output_error(ones(4, 5), ones(4, 5).double(), ones(9, 5))

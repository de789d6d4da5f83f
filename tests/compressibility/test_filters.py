"""Structured pruning of filters, against the explicit matrices W(K) and plain forward passes."""

import math

import pytest
import torch

from compressibility import filter_moments
from compressibility.convolution import conv_matrix, convolve
from compressibility.filters import (
    compress_input_filters,
    compress_output_filters,
    input_filter_prices,
)
from compressibility.schemes import Masking, Pruning, Quantization
from compressibility.structured import column_prices, compress_columns, compress_rows

SHAPES = [(3, 10, 3, 6), (2, 11, 3, 5), (2, 10, 2, 5), (1, 12, 4, 4), (2, 10, 1, 1)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def cosine(x):
    """An activation that is not 0 at 0."""
    return torch.cos(x)


@pytest.mark.parametrize("order", ["greedy", "random"])
@pytest.mark.parametrize(("d_out", "d_in", "q", "r"), SHAPES)
def test_input_filters_are_columns_of_the_matrix_draw_for_draw(d_out, d_in, q, r, order):
    """Catches a wrong inner product, order, count or draw: the same dice on the explicit matrix."""
    kernel, images = normal(d_out, d_in, q, q), normal(7, d_in, r, r, seed=1)
    matrix, scheme = conv_matrix(kernel, r), Pruning(keep=0.3)
    prices = column_prices(matrix, images.flatten(1), scheme, group=r * r)
    torch.testing.assert_close(input_filter_prices(kernel, images, scheme), prices)
    options = {"fraction": 0.7, "draws": 5, "order": order}
    slow = compress_columns(
        matrix, images.flatten(1), scheme, group=r * r, generator=generator(2), **options
    )
    fast = compress_input_filters(kernel, images, scheme, generator=generator(2), **options)
    assert torch.equal(fast.order, slow.order)
    assert torch.equal(fast.scale, slow.scale)
    assert torch.equal(fast.compressed, slow.compressed)
    assert torch.equal(fast.kept_share, slow.kept_share)
    torch.testing.assert_close(fast.expected_increase, slow.expected_increase)
    dense = torch.stack([conv_matrix(k, r) for k in fast.kernels()])
    torch.testing.assert_close(dense, slow.weights())


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu, cosine])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("d_out", "d_mid", "q", "r"), SHAPES)
def test_output_filters_are_rows_of_the_matrix_draw_for_draw(
    d_out, d_mid, q, r, activation, shifted
):
    """Catches a wrong score, sign or update: the same dice on the explicit matrices."""
    first, second = normal(d_mid, 2, q, q), normal(d_out, d_mid, q, q, seed=1)
    x, scheme = normal(7, 2, r, r, seed=2), Pruning(keep=0.3)
    other = x + 0.3 * normal(7, 2, r, r, seed=3) if shifted else x
    w1, w2 = conv_matrix(first, r), conv_matrix(second, r)
    options = {"fraction": 0.7, "draws": 5}
    slow = compress_rows(
        w1,
        w2,
        activation,
        other.flatten(1),
        scheme,
        group=r * r,
        dense_inputs=x.flatten(1),
        generator=generator(4),
        **options,
    )
    fast = compress_output_filters(
        first,
        second,
        activation,
        other,
        scheme,
        dense_inputs=x,
        generator=generator(4),
        **options,
    )
    assert torch.equal(fast.order, slow.order)
    assert torch.equal(fast.scale, slow.scale)
    assert torch.equal(fast.compressed, slow.compressed)
    torch.testing.assert_close(fast.error, slow.error)
    dense = torch.stack([conv_matrix(k, r) for k in fast.kernels()])
    torch.testing.assert_close(dense, slow.weights())
    dense_map = convolve(activation(convolve(x, first)), second)
    for kernel, error in zip(fast.kernels(), fast.error, strict=True):
        gap = dense_map - convolve(activation(convolve(other, kernel)), second)
        assert gap.square().sum((1, 2, 3)).mean().item() == pytest.approx(error.item(), rel=1e-9)


def test_kernels_of_two_sizes_may_follow_one_another():
    """Catches a block that takes the second kernel's size for the first's."""
    first, second, x = normal(6, 1, 2, 2), normal(2, 6, 3, 3, seed=1), normal(4, 1, 5, 5, seed=2)
    result = compress_output_filters(
        first, second, torch.tanh, x, Pruning(keep=0.5), fraction=0.5, generator=generator()
    )
    after = convolve(torch.tanh(convolve(x, result.kernels()[0])), second)
    gap = convolve(torch.tanh(convolve(x, first)), second) - after
    assert result.error[0].item() == pytest.approx(gap.square().sum((1, 2, 3)).mean().item())


def test_random_order_of_output_filters_pairs_its_dice_with_the_greedy():
    """Catches a control that differs from the greedy in more than its order."""
    first, second, x = normal(10, 1, 3, 3), normal(2, 10, 3, 3, seed=1), normal(4, 1, 5, 5, seed=2)
    greedy, control = (
        compress_output_filters(
            first,
            second,
            torch.tanh,
            x,
            Pruning(keep=0.5),
            fraction=0.6,
            draws=20,
            generator=generator(3),
            order=order,
        )
        for order in ("greedy", "random")
    )
    both = greedy.compressed & control.compressed
    assert torch.equal(greedy.scale[both], control.scale[both])
    assert control.order[0].tolist() != control.order[1].tolist()
    assert greedy.error.mean().item() < control.error.mean().item()


def test_identity_by_monte_carlo():
    """Catches a mean loss other than base + prices: 4000 draws, 5 standard errors."""
    kernel, x = normal(2, 20, 3, 3) / 10, normal(9, 20, 4, 4, seed=1)
    other = x + 0.2 * normal(9, 20, 4, 4, seed=2)
    result = compress_input_filters(
        kernel, other, Pruning(keep=0.3), fraction=0.9, draws=4000, generator=generator(3)
    )
    dense = convolve(x, kernel)
    losses = torch.stack(
        [(dense - convolve(other, k)).square().sum((1, 2, 3)).mean() for k in result.kernels()]
    )
    base = (dense - convolve(other, kernel)).square().sum((1, 2, 3)).mean()
    error = losses.std().item() / math.sqrt(len(losses))
    expected = (base + result.expected_increase[0]).item()
    assert losses.mean().item() == pytest.approx(expected, abs=5 * error)
    assert error < 0.02 * expected
    assert result.kept_share.mean().item() == pytest.approx(0.37, abs=0.01)


def test_relu_makes_output_filters_input_filters():
    """Catches a t outside the activation: relu(t z) = t relu(z), so both ways are the same one."""
    first, second = normal(12, 1, 3, 3), normal(3, 12, 3, 3, seed=1)
    x, scheme = normal(8, 1, 6, 6, seed=2), Pruning(keep=0.3)
    seen = torch.relu(convolve(x, first))
    options = {"fraction": 0.75, "draws": 6}
    rows = compress_output_filters(
        first, second, torch.relu, x, scheme, generator=generator(3), **options
    )
    columns = compress_input_filters(second, seen, scheme, generator=generator(3), **options)
    assert torch.equal(rows.order, columns.order)
    assert torch.equal(rows.scale, columns.scale)
    for k1, k2 in zip(rows.kernels(), columns.kernels(), strict=True):
        inside = convolve(torch.relu(convolve(x, k1)), second)
        torch.testing.assert_close(inside, convolve(seen, k2))


def test_parts_of_the_samples_add_up(monkeypatch):
    """Catches a part that is dropped, counted twice or divided by its own length."""
    first, second, x = normal(8, 1, 3, 3), normal(2, 8, 3, 3, seed=1), normal(9, 1, 5, 5, seed=2)
    other, scheme = x + 0.1, Pruning(keep=0.3)

    def run():
        block = compress_output_filters(
            first,
            second,
            torch.tanh,
            other,
            scheme,
            fraction=0.5,
            draws=3,
            dense_inputs=x,
            generator=generator(),
        )
        return block.error, input_filter_prices(first, x, scheme)

    whole = run()
    monkeypatch.setattr(filter_moments, "_CHUNK", 50)  # two samples a part, one in the last
    for a, b in zip(run(), whole, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernels_keep_their_dtype(dtype):
    """Catches float64 that leaks from the inner products into the network."""
    kernel, x = normal(2, 10, 3, 3).to(dtype), normal(3, 10, 4, 4, seed=1).to(dtype)
    result = compress_input_filters(
        kernel, x, Pruning(keep=0.5), fraction=0.5, generator=generator()
    )
    assert result.kernels().dtype == dtype
    assert result.scale.dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": torch.ones(2, 3, 3)}, "need kernel"),
        ({"kernel": torch.full((2, 4, 3, 3), math.nan)}, "finite kernel"),
        ({"kernel": torch.ones(2, 4, 7, 7)}, "need q <= r"),
        ({"inputs": torch.ones(5, 144)}, r"need inputs \(N, d_in, r, r\)"),
        ({"inputs": torch.ones(5, 4, 6, 5)}, r"need inputs \(N, d_in, r, r\)"),
        ({"inputs": torch.ones(0, 4, 6, 6)}, r"need inputs \(N, d_in, r, r\)"),
        ({"inputs": torch.ones(5, 3, 6, 6)}, "inputs of 4 channels, got 3"),
        ({"inputs": torch.ones(5, 4, 6, 6).double()}, "dtype"),
        ({"inputs": torch.full((5, 4, 6, 6), math.inf)}, "finite inputs"),
        ({"scheme": Quantization(levels=2)}, "need a scheme Pruning"),
        ({"scheme": Masking(keep=0.5)}, "need a scheme Pruning"),
        ({"fraction": 0.0}, "0 < fraction < 1"),
        ({"fraction": 1.0}, "0 < fraction < 1"),
        ({"draws": 0}, "draws >= 1"),
        ({"order": "sorted"}, "need order in"),
    ],
)
@pytest.mark.parametrize("which", ["input", "output"])
def test_bad_requests_are_refused(which, change, message):
    """Catches arguments that would come out as numbers."""
    request = {
        "kernel": torch.ones(2, 4, 3, 3),
        "inputs": torch.ones(5, 4, 6, 6),
        "scheme": Pruning(keep=0.5),
        "fraction": 0.5,
        "draws": 1,
        "order": "greedy",
        **change,
    }
    kernel, inputs, scheme = (request.pop(name) for name in ("kernel", "inputs", "scheme"))
    first, compress = (kernel,), compress_input_filters
    if which == "output":
        first, compress = (kernel, torch.ones(3, 2, 3, 3), torch.tanh), compress_output_filters
    with pytest.raises(ValueError, match=message):
        compress(*first, inputs, scheme, generator=generator(), **request)


@pytest.mark.parametrize(
    ("second", "dense", "message"),
    [
        (torch.ones(3, 4, 3, 3), None, r"need kernel2 \(d_out, 2, q, q\)"),
        (torch.ones(3, 2, 3, 3).double(), None, r"need kernel2 \(d_out, 2, q, q\)"),
        (torch.ones(3, 2, 7, 7), None, "need q <= r"),
        (torch.ones(3, 2, 3, 3), torch.ones(4, 4, 6, 6), "finite dense_inputs"),
        (torch.ones(3, 2, 3, 3), torch.full((5, 4, 6, 6), math.nan), "finite dense_inputs"),
    ],
)
def test_blocks_that_do_not_chain_are_refused(second, dense, message):
    """Catches a second convolution that cannot follow the first."""
    with pytest.raises(ValueError, match=message):
        compress_output_filters(
            torch.ones(2, 4, 3, 3),
            second,
            torch.tanh,
            torch.ones(5, 4, 6, 6),
            Pruning(keep=0.5),
            fraction=0.5,
            generator=generator(),
            dense_inputs=dense,
        )


def test_activations_are_entrywise_and_may_work_in_place():
    """Catches a softmax, for which a filter's change is not fixed, and an overwritten channel."""
    first, second, x = normal(6, 1, 3, 3), normal(2, 6, 3, 3, seed=1), normal(4, 1, 5, 5, seed=2)
    options = {"fraction": 0.5, "draws": 4}

    def run(activation):
        return compress_output_filters(
            first, second, activation, x, Pruning(keep=0.3), generator=generator(), **options
        )

    for mixing in (lambda z: z.softmax(-1), lambda z: z.cumsum(0)):
        with pytest.raises(ValueError, match="entrywise"):
            run(mixing)
    assert torch.equal(run(torch.nn.Tanh()).error, run(torch.tanh_).error)

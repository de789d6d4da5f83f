"""The three prunings against literal ones, and in cases whose errors are known exactly."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import special, stats

from compressibility.dice import dice
from compressibility.pruning import kterm
from compressibility.pruning.removal import (
    magnitude,
    magnitude_together,
    nodes,
    ranks,
    rows_within,
)
from tests.compressibility.helpers import refuses

SIGNS = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).double()
EQUAL = SIGNS * torch.tensor([7.0, 4.0, 2.0, 1.0])


def normal(*shape, name):
    return torch.randn(*shape, generator=dice("removal", name), dtype=torch.float64)


def cauchy(*shape, name):
    return normal(*shape, name=name) / normal(*shape, name=name + " below")


def literal_magnitude(weight, count):
    """Zero one weight after the other, each time the smallest that is left, the last of equals."""
    pruned = [list(row) for row in weight]
    order = sorted((abs(w), -i, -j) for i, row in enumerate(weight) for j, w in enumerate(row))
    for _, i, j in order[: len(order) - count]:
        pruned[-i][-j] = 0.0
    return pruned


def literal_nodes(weight, count):
    """Zero one column after the other, each time the shortest that is left, the last of equals."""
    pruned = [list(row) for row in weight]
    order = sorted((sum(w * w for w in column), -j) for j, column in enumerate(zip(*weight)))  # noqa: B905
    for _, j in order[: len(order) - count]:
        for row in pruned:
            row[-j] = 0.0
    return pruned


def literal_ranks(weight, count, *, steps=500):
    """Take out one singular value after the other, each found by power iteration."""
    left = [list(row) for row in weight]
    pruned = [[0.0] * len(row) for row in weight]
    for _ in range(count):
        v = [1.0 + 0.01 * j for j in range(len(weight[0]))]
        for _ in range(steps):
            u = [sum(w * x for w, x in zip(row, v, strict=True)) for row in left]
            v = [sum(row[j] * y for row, y in zip(left, u, strict=True)) for j in range(len(v))]
            length = math.sqrt(sum(x * x for x in v))
            v = [x / length for x in v]
        u = [sum(w * x for w, x in zip(row, v, strict=True)) for row in left]
        for i, y in enumerate(u):
            for j, x in enumerate(v):
                left[i][j] -= y * x
                pruned[i][j] += y * x
    return pruned


def share(count, total):
    return Fraction(count, total)


def values(weight, count):
    """Errors of magnitude (as many weights as the columns hold), nodes and ranks."""
    rows, columns = weight.shape[-2:]
    few = (
        share(count * rows, rows * columns),
        share(count, columns),
        share(count, min(rows, columns)),
    )
    made = zip((magnitude, nodes, ranks), few, strict=True)
    return [prune(weight, kept).error.item() for prune, kept in made]


@pytest.mark.parametrize("shape", [(5, 4), (3, 6), (1, 7), (6, 1)])
def test_against_literal_prunings(shape):
    """Catches rows for columns, a wrong count or order, ties to the last, a stack taken as one."""
    stack = cauchy(3, *shape, name=f"literal {shape}")
    stack[1] = stack[1].sign()  # ties everywhere
    stack[2, :, 0] = stack[2, :, -1]
    for prune, literal, units in (
        (magnitude, literal_magnitude, shape[0] * shape[1]),
        (nodes, literal_nodes, shape[1]),
        (ranks, literal_ranks, min(shape)),
    ):
        for count in range(units + 1):
            found = prune(stack, share(count, units))
            for i, weight in enumerate(stack):
                if prune is ranks and i == 1:
                    continue  # equal singular values: the power iteration has no limit
                pruned = literal(weight.tolist(), count)
                expected = torch.tensor(pruned, dtype=torch.float64)
                close = 1e-6 * weight.norm() if prune is ranks else 0
                assert torch.dist(found.weight[i], expected) <= close
                gap = (weight - expected).norm() / weight.norm()
                assert found.error[i].item() == pytest.approx(gap.item(), rel=1e-6, abs=1e-6)
                assert found.removed_share[i].item() == float(1 - share(count, units))


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (EQUAL, [0.547723, 0.267261, 0.119523]),
        (SIGNS[:, :3] * torch.tensor([5.0, 3.0, 1.0]), [0.534522, 0.169031]),
    ],
)
def test_equality_of_all_three(weight, expected):
    """Catches rows .866, squares .3, sums of norms .5, kept energy .837, the smallest kept .993."""
    for count, value in enumerate(expected, start=1):
        found = values(weight, count)
        assert max(found) - min(found) < 1e-12
        assert found[0] == pytest.approx(value, abs=5e-7)


def test_strict_orderings():
    """Catches two prunings exchanged: each is strictly better somewhere."""
    assert values(torch.ones(3, 6), 1) == pytest.approx([0.912871, 0.912871, 0], abs=5e-7)
    diagonal = torch.diag(torch.tensor([5.0, 4.0, 3.0, 2.0]))
    assert values(diagonal, 1) == pytest.approx([0, 0.732828, 0.732828], abs=5e-7)


def test_order_of_errors():
    """Catches a pruning that is not the best of its kind, on light and heavy matrices."""
    for weight in (*normal(20, 5, 8, name="order"), *cauchy(20, 8, 5, name="heavy order")):
        for count in range(1, min(weight.shape)):
            large, node, rank = values(weight, count)
            assert large <= node * (1 + 1e-12)
            assert rank <= node * (1 + 1e-12)


def test_columns_are_ranked_by_euclidean_norm():
    """Catches a ranking by sums .764471, or by largest entries .788069."""
    sums = torch.tensor([[6.0, 4.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 3.0]])
    most = torch.tensor([[6.0, 5.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 3.0]])
    found = [nodes(weight, share(1, 3)).error.item() for weight in (sums, most)]
    assert found == pytest.approx([0.729704, 0.688247], abs=5e-7)


def test_ranks_count_the_shorter_side():
    """Catches K of the six columns, .119523, for K of the four singular values."""
    wide = torch.cat([EQUAL, torch.zeros(4, 2)], 1)
    found = ranks(wide, 0.4)
    assert found.error.item() == pytest.approx(0.267261, abs=5e-7)
    assert found.removed_share.item() == 0.5


def test_layers_together():
    """Catches global for local: .287, with the light layer wiped out, and .949 in each."""
    light, heavy = torch.ones(30, 30).double(), torch.full((10, 10), 10.0).double()
    found = magnitude_together([light, heavy], 0.1)
    assert [one.error.item() for one in found] == [1.0, 0.0]
    assert [one.stored_share.item() for one in found] == [0.0, 1.0]
    assert torch.equal(found[1].weight, heavy)
    both = torch.cat([light.flatten(), heavy.flatten()])
    assert kterm.errors(both, 0.1).item() == pytest.approx(0.287348, abs=5e-7)
    for layer in (light, heavy):
        assert magnitude(layer, 0.1).error.item() == pytest.approx(0.948683, abs=5e-7)


def test_stacks_of_layers_together():
    """Catches one threshold for all networks of a stack."""
    layers = [normal(3, 4, 5, name="a"), 3 * normal(3, 2, 4, name="b")]
    found = magnitude_together(layers, 0.3)
    for i in range(3):
        alone = magnitude_together([layer[i] for layer in layers], 0.3)
        for one, other in zip(found, alone, strict=True):
            assert torch.equal(one.weight[i], other.weight)
            assert one.error[i] == other.error
            assert one.removed_share[i] == other.removed_share
    kept = sum(int(one.weight[0].count_nonzero()) for one in found)
    assert kept == 9  # ⌈.3 · 28⌉


def test_stored_numbers():
    """Catches costs exchanged: 12 ranks of 70 x 40 store 1320 numbers, 12 columns 840."""
    weight = normal(70, 40, name="stored")
    assert ranks(weight, share(12, 40)).stored_share.item() == 1320 / 2800
    assert nodes(weight, share(12, 40)).stored_share.item() == 840 / 2800
    assert magnitude(weight, share(12, 40)).stored_share.item() == 840 / 2800
    assert ranks(weight, 1).stored_share.item() == 110 * 40 / 2800


def test_the_share_that_may_go_can_be_removed():
    """Catches one weight of 75 that is lost between share and count."""
    weight = torch.arange(1.0, 76.0).reshape(5, 15)
    gone = round(75 * kterm.removable(weight.flatten(), 1 / 200).item())
    found = magnitude(weight, share(75 - gone, 75))
    assert (gone, int(found.weight.count_nonzero())) == (1, 74)
    assert found.error.item() <= 1 / 200


def test_deviations_from_medians():
    """Catches a lost center: the authors' variant prunes W - median, and keeps the median."""
    weight = normal(9, 6, name="center") + 5
    center = torch.from_numpy(np.median(weight.numpy(), axis=0))
    found = magnitude(weight - center, 0.5)
    pruned = found.weight + center
    flat = (weight - center).flatten().numpy()
    expected = flat.copy()
    expected[np.argsort(np.abs(flat), kind="stable")[:27]] = 0
    assert torch.allclose(pruned, torch.from_numpy(expected).reshape(9, 6) + center)
    gap = (weight - pruned).norm() / (weight - center).norm()
    assert found.error.item() == pytest.approx(gap.item(), rel=1e-12)


def test_types_scales_and_gradients():
    """Catches a changed dtype, a weight changed in place, squares out of range, 0/0."""
    weight = normal(4, 5, name="types").float().requires_grad_()
    before = weight.detach().clone()
    for prune in (magnitude, nodes, ranks):
        found = prune(weight, 0.5)
        assert (found.weight.dtype, found.error.dtype) == (torch.float32, torch.float64)
        assert not found.weight.requires_grad
        assert not found.error.requires_grad
        assert torch.equal(weight, before)
        for scale in (1e-170, 1e170):
            scaled = prune(weight.detach().double() * scale, 0.5).error
            assert scaled.item() == pytest.approx(found.error.item(), rel=1e-6)
        assert prune(torch.zeros(2, 3), 0.5).error.item() == 0
        assert prune(weight, 0).error.item() == 1
        assert prune(weight, 1).error.item() < 1e-7


@pytest.mark.parametrize("elliptical", [False, True])
def test_singular_values_save_little_on_heavy_columns(elliptical):
    """Catches singular values of something else: for long columns they are the columns' norms."""
    weight = cauchy(20, 2000, 20, name=f"long {elliptical}")
    if elliptical:
        weight = normal(20, 2000, 20, name="long") / normal(20, 1, 20, name="scale").abs()
    saved = ranks(weight, 0.2).error / nodes(weight, 0.2).error
    assert saved.min() > 0.97
    assert saved.max() <= 1 + 1e-12


def test_fixed_rows_defeat_singular_values():
    """Catches a theorem for matrices of few rows: the largest columns point in all directions."""
    weight = torch.full((2, 100), 0.1).double()
    weight[:, :2] = torch.diag(torch.tensor([10.0, 10.0]))
    found = nodes(weight, 0.1).error.item(), ranks(weight, 0.1).error.item()
    assert found == pytest.approx((0.094407, 0.703667), abs=5e-7)
    heavy = normal(150, 2, 4000, name="rows") / normal(150, 1, 4000, name="scales").abs()
    node, rank = (prune(heavy, 0.1).error.median().item() for prune in (nodes, ranks))
    assert rank > 5 * node


def test_one_row_of_a_square_is_only_half():
    """Catches a rate where there is a logarithm: entries² N/i, N = h², h entries kept."""
    h = 1000
    entries = (h**2 / torch.arange(1, h**2 + 1).double()).sqrt().reshape(h, h)
    harmonic = [special.digamma(n + 1) + np.euler_gamma for n in (h, h**2)]
    exact = 1 - harmonic[0] / harmonic[1]
    found = magnitude(entries, share(1, h)).error.item() ** 2
    assert found == pytest.approx(exact, rel=1e-9)
    assert exact == pytest.approx(0.479913, abs=5e-7)


@pytest.mark.slow
def test_slopes_of_cauchy_matrices():
    """Catches equal rates for weights and columns: -1 in h for magnitude, -1/2 for nodes."""
    medians = {}
    for h in (16, 128):
        weight = cauchy(300, h, h, name=f"square {h}")
        medians[h] = [prune(weight, 0.2).error.median().item() for prune in (magnitude, nodes)]
    slopes = np.log(np.array(medians[128]) / medians[16]) / math.log(8)
    assert slopes == pytest.approx([-1, -0.5], abs=0.17)
    assert 128 * medians[128][0] == pytest.approx(0.9102, rel=0.25)
    a = stats.norm.ppf(0.6)
    scale = math.sqrt(2 * (stats.norm.pdf(a) / a - 1 + stats.norm.cdf(a)))
    assert scale * stats.norm.ppf(0.75) == pytest.approx(1.01171, abs=1e-5)
    assert math.sqrt(128) * medians[128][1] == pytest.approx(1.01171, rel=0.25)


@pytest.mark.parametrize("size", [1e308, 5e-324])
def test_ranks_of_numbers_at_the_ends_of_the_floats(size):
    """Catches singular values that overflow: an infinite error of a matrix of rank 1."""
    weight = torch.full((3, 3), size, dtype=torch.float64)
    found = ranks(weight, 0.3)
    assert found.error.item() < 1e-14
    assert torch.allclose(found.weight / size, torch.ones(3, 3).double())


test_refusals = refuses(
    (lambda: magnitude(torch.ones(3), 0.5), "need weight"),
    (lambda: nodes(torch.ones(2, 3), 1.5), "need 0 <= share <= 1"),
    (lambda: ranks(torch.tensor([[math.inf]]), 0.5), "need finite weight"),
    (lambda: magnitude_together([], 0.5), "need at least 1 layer"),
    (
        lambda: magnitude_together([torch.ones(2, 2, 2), torch.ones(3, 2, 2)], 0.5),
        "need layers with the same leading axes",
    ),
)


def test_rows_within_goes_on_while_the_squares_fit():
    """Catches a strict comparison, norms for squares, ε unsquared, ties that take both, columns."""
    # Rows whose squares are 1, …, 9 and 55.
    rows = ["1000", "1100", "1110", "2000", "2100", "2110", "2111", "2200", "3000", "7211"]
    order = torch.randperm(10, generator=dice("rows"))
    weight = torch.tensor([[float(digit) for digit in row] for row in rows])[order].double()
    found = rows_within(weight, 0.1)  # 1 + 2 + 3 + 4 = 10 of 100
    assert found.removed_share.item() == 0.4
    assert found.error.item() == pytest.approx(math.sqrt(0.1))
    assert (found.weight.norm(dim=1) > 0).sum() == 6
    assert found.weight.amax().item() == 7
    tie = rows_within(torch.ones(2, 10, 3), 0.25)
    assert tie.weight[:, :8].all()
    assert not tie.weight[:, 8:].any()
    assert rows_within(weight, 1.0).removed_share.item() == 1
    assert rows_within(weight * 1e-200, 0.1).removed_share.item() == 0.4

"""Thresholds of one-shot pruning: each column against its definition, written out by hand."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from compressibility.bounds.pruning_limit.limits import (
    removed_cone,
    removed_limit,
    removed_orthogonal,
    removed_star,
)
from compressibility.data.sets import Dataset, load
from compressibility.dice import dice
from compressibility.experiments.oneshot import Protocol, measure, objective, predicted, ranking
from compressibility.models.network import mlp
from compressibility.pruning import removal
from compressibility.pruning.oneshot import epsilon, flat, like, losses, pruned
from compressibility.spectrum.lanczos import quadrature
from compressibility.spectrum.operators import hessian
from compressibility.training.loop import Training, train
from compressibility.training.recipes import trained
from tests.compressibility.helpers import normal

L1, SEEDS, D = (0.003, 0.01), (5, 2), 45
# So short that costs are not monotone, and that the dense control goes on to learn.
HOW = Training(6, 0.1, 20, 60, optimizer="sgd", momentum=0.9, l1=L1, schedule="cosine")
AGAIN = Training(10, 0.1, 20, optimizer="sgd", momentum=0.9)
SHARES = (0.88, 0.18, 0.38, 0.72)


@pytest.fixture(scope="module")
def small():
    """Three classes in six dimensions; of 80 samples 60 are trained on."""
    x, size = normal(120, 6), {"name": "small", "image": None, "source": "drawn", "outputs": 3}
    y = (x[:, :3] + 0.3 * normal(120, 3, seed=1)).argmax(1)
    return Dataset(
        task="classification",
        train_inputs=x[:80],
        train_targets=y[:80],
        test_inputs=x[80:],
        test_targets=y[80:],
        **size,
    )


@pytest.fixture(scope="module")
def network(small):
    return trained(small, mlp([6, 5, 3], seeds=SEEDS, dtype=torch.float64), HOW, seeds=SEEDS)


@pytest.fixture(scope="module")
def result(small, network):
    shares = tuple(Fraction(j, D) for j in range(1, D + 1))
    how = Protocol(20, 3, shares, ("magnitude", "random"), retraining=AGAIN, retrained=SHARES)
    return measure(small, network, HOW, how, seeds=SEEDS)


def total_loss(one, small, l1):
    outputs = one(small.train_inputs[:60])[0]
    loss = functional.cross_entropy(outputs, small.train_targets[:60])
    return loss.item(), loss.item() + l1 * sum(w.abs().sum().item() for w in one.weights)


def order_by_hand(network, e, support):
    weights = flat(network)[e]
    if support == "random":
        return torch.randperm(D, generator=dice("support", e)).tolist()
    return sorted(range(D), key=lambda i: (abs(weights[i].item()), -i))


def by_hand(network, e, order, count):
    weights = flat(network)[e].clone()
    weights[order[:count]] = 0.0
    return like(network.member(e), weights[None])


def largest(passes):
    return max(j for j, holds in enumerate(passes) if holds) / D


def first(passes):
    return next((j - 1 for j, holds in enumerate(passes) if not holds), D) / D


def cells(result):
    return [(row, row.network, row.support) for row in result.table.itertuples()]


def test_measured_thresholds(small, network, result):
    """Catches kept for removed, one loss for the other, a wrong λ, strict or first for largest."""
    assert [(e, s) for _, e, s in cells(result)] == [
        (e, support) for e in (0, 1) for support in ("magnitude", "random")
    ]
    for row, e, support in cells(result):
        order, one = order_by_hand(network, e, support), network.member(e)
        start = total_loss(one, small, L1[e])
        assert (row.cross_entropy, row.total) == pytest.approx(start, rel=1e-9)
        assert (row.l1, row.weights) == (L1[e], D)
        each = losses(one, small.train_inputs[:60], small.train_targets[:60])[0]
        by_20 = epsilon(each, 20, dice("epsilon", e), shuffles=3)
        assert row.epsilon == pytest.approx(by_20, rel=1e-12)
        pruned_ones = [by_hand(network, e, order, j) for j in range(D + 1)]
        rises = [
            [a - b for a, b in zip(total_loss(one, small, L1[e]), start, strict=True)]
            for one in pruned_ones
        ]
        curve = result.curves.query("network == @e and support == @support")
        assert (curve.removed * D).tolist() == pytest.approx(range(1, D + 1))
        for k, name in enumerate(("cross_entropy", "total")):
            assert curve[name].tolist() == pytest.approx([r[k] for r in rises[1:]], abs=1e-9)
            passes = [rise[k] <= row.epsilon for rise in rises]
            assert getattr(row, f"{name}_within") == largest(passes)
            assert getattr(row, f"{name}_within_first") == first(passes)
        tested = [
            (one(small.test_inputs)[0].argmax(1) == small.test_targets).double().mean().item()
            for one in pruned_ones
        ]
        assert [row.test_accuracy, *curve.test_accuracy] == pytest.approx(tested)
    apart = result.table.cross_entropy_within > result.table.cross_entropy_within_first
    assert apart.any()


def test_magnitude_is_global_with_exact_counts(network):
    """Catches layers pruned one by one, ties that go together; against ``removal``."""
    tied = like(network, (flat(network) * 8).round())
    for e in (0, 1):
        rank = ranking(tied.member(e), "magnitude")
        for count in (0, 11, 30, D):
            stay = rank.order.argsort() >= count
            found = removal.magnitude_together([*tied.member(e).weights], Fraction(D - count, D))
            mine = pruned(tied.member(e), stay[None])
            for one, weight in zip(found, mine.weights, strict=True):
                assert torch.equal(one.weight, weight)


def curvature(network, small, e, l1):
    """The Hessian of cross-entropy and penalty, by PyTorch's own functional."""
    one = network.member(e)

    def loss(weights):
        a, b = weights[:30].view(5, 6), weights[30:].view(3, 5)
        hidden = (small.train_inputs[:60] @ a.T).relu() @ b.T
        return functional.cross_entropy(hidden, small.train_targets[:60]) + l1 * weights.abs().sum()

    weights = flat(one)[0]
    return torch.autograd.functional.hessian(loss, weights), torch.func.grad(loss)(weights)


def test_predicted_thresholds(small, network, result):
    """Catches H for |H|, all weights for removed ones, a wrong λ or ε, no fixed point."""
    for row, e, support in cells(result):
        order, eps = order_by_hand(network, e, support), row.epsilon
        H, gradient = curvature(network, small, e, L1[e])
        weights, (values, vectors) = flat(network)[e], torch.linalg.eigh(H)
        absolute = vectors @ values.abs().diag() @ vectors.T
        size, removed = values.abs(), []
        for j in range(D + 1):
            c = torch.zeros(D).double()
            c[order[:j]] = weights[order[:j]]
            removed.append(c)
        model = [0.5 * (c @ H @ c).item() for c in removed]
        curve = result.curves.query("network == @e and support == @support")
        assert curve.model.tolist() == pytest.approx(model[1:], abs=1e-9)
        passes = [cost <= eps for cost in model]
        assert (row.u2, row.u2_first) == (largest(passes), first(passes))
        slope = -(gradient @ removed[round(row.u2 * D)]).item() / eps
        assert row.slope == pytest.approx(slope, rel=1e-6)
        assert row.gradient == pytest.approx(gradient.norm().item(), rel=1e-6)
        R2 = [c.square().sum().item() for c in removed]
        star = [(2 * eps / (r * size + 2 * eps)).sum().item() for r in R2]
        trace = [2 * eps * D / (r * size.mean().item() + 2 * eps) for r in R2]
        for name, share in (("star", star), ("trace", trace)):
            j = next(j for j in range(1, D + 1) if share[j] < j)
            assert getattr(row, name) == pytest.approx(max(share[j], j - 1) / D, abs=1e-9)
        ends = [_orthogonal(r / (2 * eps) * size, j / D) for j, r in enumerate(R2)]
        j = round(row.orthogonal * D)
        assert ends[max(j - 1, 1)] >= 0 >= ends[j + 1]
        cone = [True] + [_cone(values, vectors, c, eps) >= j for j, c in enumerate(removed) if j]
        assert (row.cone, row.cone_first) == (largest(cone), first(cone))
        obs = [_readjusted(absolute, weights, order, j) <= eps for j in range(D + 1)]
        assert row.obs == largest(obs)


def _orthogonal(ratio, s):
    """How far Δ(R² (1-s)/s) / D lies above s."""
    return (1 / (1 + ratio * (1 - s) / max(s, 1e-9))).mean().item() - s


def _cone(values, vectors, c, eps):
    """Δ(ϱ²), ϱ² by bisection."""
    size, seen = values.abs(), (vectors.T @ c).square()
    low, high = 0.0, c.square().sum().item()
    for _ in range(100):
        middle = (low + high) / 2
        inside = (seen * size / (middle * size + 2 * eps)).sum() < 1
        low, high = (low, middle) if inside else (middle, high)
    return (2 * eps / (low * size + 2 * eps)).sum().item()


def _readjusted(H, weights, order, count):
    """Least squares over the kept weights, on a root of H."""
    root = torch.linalg.cholesky(H + 1e-13 * torch.eye(D)).T
    c = torch.zeros(D).double()
    c[order[:count]] = weights[order[:count]]
    stay = order[count:]
    rest = root @ c
    if stay:
        rest = (
            rest - root[:, stay] @ torch.linalg.lstsq(root[:, stay], rest[:, None]).solution[:, 0]
        )
    return 0.5 * rest.square().sum().item()


def test_retrained_beside_a_dense_control(small, network, result):
    """Catches w* for the control, weights that come back, λ or dice of another network."""
    rows = result.retrained
    assert len(rows) == 2 * (1 + 2 * len(SHARES))
    x, y = small.train_inputs[:60], small.train_targets[:60]
    for row, e, support in cells(result):
        order, found = order_by_hand(network, e, support), {}
        for kind, count in (("dense", 0), *((support, math.ceil(s * D)) for s in sorted(SHARES))):
            one = by_hand(network, e, order, count).requires_grad_(True)
            zero = one.member(0)

            def hold(module, *_, zero=zero):
                for w, z in zip(module.weights, zero.weights, strict=True):
                    w[z == 0] = 0.0

            how = replace(AGAIN, l1=L1[e])
            train(one, x, y, how, loss="cross_entropy", seeds=[SEEDS[e]], hooks=[hold])
            at = f"network == {e} and support == '{kind}' and abs(removed - {count / D}) < 1e-9"
            line = rows.query(at).iloc[0]
            found[count] = total_loss(one, small, L1[e])
            assert (line.cross_entropy, line.total) == pytest.approx(found[count], rel=1e-9)
        some = sorted(found)[1:]
        for name, base in (("retrained", row.total), ("control", found[0][1])):
            passes = [j for j in some if found[j][1] - base <= row.epsilon]
            assert getattr(row, f"{name}_within") == max([0, *passes]) / D
    assert (result.table.control_within < result.table.retrained_within).any()


def test_all_steps_of_lanczos_are_the_dense_answer(small, network, result):
    """Catches steps that are not passed on, a start at random for one at c, H for |H|."""
    one, row = network.member(1), result.table.query("network == 1 and support == 'magnitude'")
    problem = replace(
        small, train_inputs=small.train_inputs[:60], train_targets=small.train_targets[:60]
    )
    bowl, allowed = objective(one, problem, L1[1]), row.epsilon.item()
    counts = list(range(1, D))
    ranks = [ranking(one, "magnitude")]
    ((dense, costs),) = predicted(bowl, ranks, allowed, counts)
    ((found, model),) = predicted(bowl, ranks, allowed, counts, steps=D)
    assert "obs" not in found
    assert model.tolist() == pytest.approx(costs.tolist(), rel=1e-9)
    assert (found["u2"], found["u2_first"]) == (dense["u2"], dense["u2_first"])
    # Three starts see all eigenvalues, but not alike; from c all is exact.
    H = hessian(bowl)
    seen = quadrature(H, D, dice("spectrum")).spectrum().absolute()
    for name, rule in (("star", removed_star), ("orthogonal", removed_orthogonal)):
        assert found[name] == pytest.approx(removed_limit(rule, ranks[0], seen, allowed), abs=1e-9)
        assert found[name] == pytest.approx(dense[name], abs=0.08)
    bottom = H.dense()
    along = lambda c: bottom.along(c).absolute()  # noqa: E731
    scan = removed_cone(along, ranks[0], seen, allowed, counts)
    assert (found["cone"], found["cone_first"]) == (scan.largest, scan.first)
    few = predicted(bowl, ranks, allowed, counts, steps=1)[0][0]
    one_step = quadrature(H, 1, dice("spectrum")).spectrum().absolute()
    limit = removed_limit(removed_star, ranks[0], one_step, allowed)
    assert few["star"] == pytest.approx(limit, abs=1e-9)


@pytest.mark.slow
def test_digits_as_on_the_sheet():
    """G3, 64-16-16-16-10 at λ = 3e-4: catches what is consistent in itself, and wrong."""
    digits = load("digits")
    digits = replace(
        digits, train_inputs=digits.train_inputs.double(), test_inputs=digits.test_inputs.double()
    )
    how = Training(400, 0.05, 128, 5000, "sgd", 0.9, l1=3e-4, schedule="cosine")
    start = mlp([64, 16, 16, 16, 10], dtype=torch.float64)
    network = trained(digits, start, how, seeds=[0])
    shares = tuple(Fraction(j, 100) for j in range(1, 101))
    protocol = Protocol(shares=shares, supports=("magnitude", "random"))
    found = measure(digits, network, how, protocol, seeds=[0]).table
    best, random = (found.set_index("support").loc[name] for name in ("magnitude", "random"))
    sheet = {"u2": 0.64, "cross_entropy_within": 0.63, "total_within": 0.64, "trace": 0.64}
    sheet |= {"star": 0.755, "obs": 0.76, "cone": 0.79, "orthogonal": 0.805}
    for name, share in sheet.items():
        assert best[name] == pytest.approx(share, abs=0.035), name
    assert best.u2 == pytest.approx(best.total_within, abs=0.02)
    assert best.total_within + 0.05 < best.star <= best.cone
    assert random.star == pytest.approx(0.445, abs=0.05)


def run(small, network, how=HOW, seeds=SEEDS, **changes):
    return measure(small, network, how, Protocol(10, shares=(0.5,), **changes), seeds=seeds)


def test_bad_arguments(small, network):
    """Catches a bad argument that goes through, or an error that does not say which and why."""
    rows = (
        ({"supports": ("largest",)}, "need support 'magnitude' or 'random', got 'largest'"),
        ({"how": replace(HOW, l1=(0.1,))}, "need 2 l1, one per network"),
        ({"retraining": AGAIN, "retrained": (1.5,)}, "need 0 <= share <= 1"),
        ({"retraining": AGAIN, "retrained": (0.5,), "seeds": (1,)}, "need 2 seeds"),
        ({"steps": 0}, "need a whole steps >= 1, got 0"),
        ({"steps": 46}, "need 1 <= steps <= 45"),
    )
    for changes, message in rows:
        with pytest.raises(ValueError, match=message):
            run(small, network, **changes)
    flat_losses = replace(small, train_inputs=small.train_inputs * 0)
    with pytest.raises(ValueError, match="need 0 < epsilon < inf, got 0"):
        run(replace(flat_losses, train_targets=small.train_targets * 0), network)
    with pytest.raises(ValueError, match="need finite"):
        run(replace(small, train_inputs=small.train_inputs * math.nan), network)

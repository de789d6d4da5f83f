"""The greedy on groups, against Algorithm 1 by forward passes on the changes themselves."""

import math

import pytest
import torch

from compressibility import group_greedy
from compressibility.group_greedy import greedy_groups, peeking_groups, random_groups, score_terms

INF = math.inf


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def changes(seed, n=7, features=12):
    """Random changes of kept and zeroed groups, and an error to begin with."""
    source = generator(seed)
    shapes = ((n, features), (n, features), (features,))
    return tuple(torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)


def literal_groups(kept, zeroed, residual, *, keep, count, uniforms):
    """One draw: at every step add each outcome to the error, square, average, compare."""
    error, left, order = residual.clone(), list(range(len(kept))), []
    for _ in range(count):
        now = error @ error
        scores = [
            abs(
                keep * ((error + kept[i]) @ (error + kept[i]) - now)
                + (1 - keep) * ((error + zeroed[i]) @ (error + zeroed[i]) - now)
            ).item()
            for i in left
        ]
        chosen = left.pop(scores.index(min(scores)))
        order.append(chosen)
        error = error + (kept if uniforms[chosen] < keep else zeroed)[chosen]
    return order


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("keep", "count"), [(0.3, 7), (0.7, 4), (1.0, 7), (0.5, 0)])
def test_lockstep_equals_literal_draw_for_draw(seed, keep, count):
    """Catches a wrong sign or factor of a score, stale scores, and draws that mix."""
    kept, zeroed, residual = changes(seed)
    uniforms = torch.rand(4, 7, generator=generator(seed), dtype=torch.float64)
    terms = score_terms(kept, zeroed, residual, keep=keep)
    result = greedy_groups(*terms, keep=keep, count=count, uniforms=uniforms)
    for draw in range(4):
        slow = literal_groups(
            kept, zeroed, residual, keep=keep, count=count, uniforms=uniforms[draw]
        )
        assert result.order[draw].tolist() == slow


def test_orders_depend_on_what_was_drawn():
    """Catches a greedy that ignores the realized error: other dice must lead to other orders."""
    kept, zeroed, residual = changes(3)
    uniforms = torch.rand(200, 7, generator=generator(1), dtype=torch.float64)
    terms = score_terms(kept, zeroed, residual, keep=0.5)
    order = greedy_groups(*terms, keep=0.5, count=7, uniforms=uniforms).order
    assert len({tuple(row) for row in order.tolist()}) > 10
    assert len(order[:, 0].unique()) == 1


def test_ties_go_to_the_lowest_index():
    """Catches ties taken in another order: dead groups change nothing and score exactly 0."""
    kept, zeroed, residual = changes(2)
    kept[[1, 4, 5]] = zeroed[[1, 4, 5]] = 0.0
    terms = score_terms(kept, zeroed, residual, keep=0.3)
    uniforms = torch.rand(3, 7, generator=generator(), dtype=torch.float64)
    order = greedy_groups(*terms, keep=0.3, count=3, uniforms=uniforms).order
    assert order.tolist() == [[1, 4, 5]] * 3


def test_terms_add_up_over_samples():
    """Catches a term that is not a sum over samples, which callers sum in chunks."""
    kept, zeroed, residual = changes(4)
    whole = score_terms(kept, zeroed, residual, keep=0.4)
    parts = [
        score_terms(kept[:, at], zeroed[:, at], residual[at], keep=0.4)
        for at in (slice(0, 5), slice(5, None))
    ]
    for name, value in whole._asdict().items():
        torch.testing.assert_close(value, sum(getattr(part, name) for part in parts))


@pytest.mark.parametrize("pick", ["greedy", "random"])
def test_what_every_draw_obeys(pick):
    """Catches lost counts: order, mask and scale tell one story, and the dice are the caller's."""
    kept, zeroed, residual = changes(5)
    uniforms = torch.rand(50, 7, generator=generator(2), dtype=torch.float64)
    if pick == "greedy":
        terms = score_terms(kept, zeroed, residual, keep=0.3)
        result = greedy_groups(*terms, keep=0.3, count=5, uniforms=uniforms)
    else:
        result = random_groups(keep=0.3, count=5, uniforms=uniforms, generator=generator(3))
    assert result.compressed.sum(1).tolist() == [5] * 50
    for order, mask in zip(result.order, result.compressed, strict=True):
        assert order.sort().values.tolist() == mask.nonzero().flatten().tolist()
    drawn = (uniforms < 0.3).double() / 0.3
    ones = torch.ones_like(drawn)
    assert torch.equal(result.scale, torch.where(result.compressed, drawn, ones))


def test_random_order_is_uniform():
    """Catches a random order that prefers some groups: 2000 draws, 5 sigma per group."""
    uniforms = torch.zeros(2000, 4)
    order = random_groups(keep=0.5, count=1, uniforms=uniforms, generator=generator()).order
    counts = torch.bincount(order.flatten(), minlength=4).double()
    assert (counts - 500).abs().max() < 5 * math.sqrt(2000 * 0.25 * 0.75)


def test_bad_arguments_are_named():
    """Catches a bad argument that goes through, or an error that does not say which and why."""
    kept, zeroed, residual = changes(0)
    dice = torch.rand(2, 7)
    terms = score_terms(kept, zeroed, residual, keep=0.5)
    with pytest.raises(ValueError, match=r"need 0 < keep <= 1, got 0"):
        score_terms(kept, zeroed, residual, keep=0)
    with pytest.raises(ValueError, match=r"need kept \(n, K\)"):
        score_terms(kept, zeroed[1:], residual, keep=0.5)
    with pytest.raises(ValueError, match=r"need 0 <= count <= 7, got 8"):
        greedy_groups(*terms, keep=0.5, count=8, uniforms=dice)
    with pytest.raises(ValueError, match=r"need uniforms \(D, 7\)"):
        greedy_groups(*terms, keep=0.5, count=2, uniforms=dice[:, 1:])
    with pytest.raises(ValueError, match="need terms of shapes"):
        greedy_groups(*terms._replace(linear=terms.linear[1:]), keep=0.5, count=2, uniforms=dice)
    bad = terms._replace(cross_kept=terms.cross_kept * INF)
    with pytest.raises(ValueError, match="need finite cross_kept"):
        greedy_groups(*bad, keep=0.5, count=2, uniforms=dice)
    with pytest.raises(ValueError, match=r"need 0 <= count <= 7, got -1"):
        random_groups(keep=0.5, count=-1, uniforms=dice, generator=generator())


def test_bad_arguments_of_peeking_are_named():
    """Catches terms of the other greedy handed to this one."""
    dice, ones = torch.rand(2, 7), torch.ones(14, 14)
    with pytest.raises(ValueError, match=r"need linear \(2 n,\) and products \(2 n, 2 n\)"):
        peeking_groups(torch.zeros(7), torch.ones(7, 7), keep=0.5, count=2, uniforms=dice)
    with pytest.raises(ValueError, match="need finite products"):
        peeking_groups(torch.zeros(14), ones * INF, keep=0.5, count=2, uniforms=dice)
    with pytest.raises(ValueError, match=r"need 0 <= count <= 7, got 8"):
        peeking_groups(torch.zeros(14), ones, keep=0.5, count=8, uniforms=dice)


def test_documented_terms_are_the_modules():
    """Catches a Terms whose order differs from the arguments of greedy_groups."""
    code = group_greedy.greedy_groups.__code__
    assert group_greedy.Terms._fields == code.co_varnames[:4]

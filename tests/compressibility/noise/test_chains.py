"""The chains against SGD written out, closed moments, and the solved tail."""

import math
from functools import partial

import pytest
import torch
from scipy import stats

from compressibility.dice import dice
from compressibility.noise.chains import Regression, regression
from tests.compressibility.helpers import refuses


def literal(problem, chains, steps, generator, *, additive=False):
    """SGD as it reads: draw a and ε, step along the gradient of the mini-batch."""
    b, d = problem.batch, problem.dimension
    kinds = {"generator": generator, "dtype": torch.float64}
    error = torch.zeros(chains, d, dtype=torch.float64)
    for _ in range(steps):
        a = torch.randn(chains, b, d, **kinds)
        noise = problem.label_noise * torch.randn(chains, b, **kinds)
        gaps = -noise if additive else torch.einsum("cbd,cd->cb", a, error) - noise
        gradient = torch.einsum("cbd,cb->cd", a, gaps) / b + (error if additive else 0)
        error = error - problem.rate * gradient
    return error


def hill(sizes, k):
    """Hill's estimate from the k largest."""
    logs = sizes.topk(k + 1).values.log()
    return 1 / (logs[:k] - logs[k]).mean().item()


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize(
    ("rate", "batch", "dimension"),
    [(1.2, 1, 1), (1.4, 2, 1), (0.9, 1, 3), (0.8, 3, 2), (0.7, 4, 5)],
)
def test_equal_in_law_to_literal_sgd(rate, batch, dimension, additive):
    """Catches a lost degree of freedom or cross term: norm and first coordinate after 4 steps."""
    problem = Regression(rate, batch, dimension, label_noise=0.7)
    fast = regression(
        problem, chains=20_000, steps=4, generator=dice("fast", batch, dimension), additive=additive
    )
    slow = literal(problem, 20_000, 4, dice("slow", batch, dimension), additive=additive)
    assert fast.shape == slow.shape == (20_000, dimension)
    for ours, theirs in ((fast.norm(dim=1), slow.norm(dim=1)), (fast[:, 0], slow[:, 0])):
        # 10⁻⁵ for each of twenty comparisons.
        assert stats.ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 1e-5


def test_second_moment():
    """Catches d forgotten, s for s², or no multiplicative part (A23): ηds²/(2b - η(b+d+1))."""
    problem = Regression(0.25, 3, 2, label_noise=1.3)
    squares = regression(problem, chains=200_000, steps=18, generator=dice("A23")).square().sum(1)
    assert squares.mean().item() == pytest.approx(0.187778, abs=0.0015)


def test_variance_of_averages():
    """Catches the last iterate for the average, or a sum: covariances fall like (1 - η)^lag."""
    rate, batch, over = 0.5, 5, 8
    averages = regression(
        Regression(rate, batch), chains=40_000, steps=40, generator=dice("average"), averaged=over
    )
    variance = rate / (2 * batch - rate * (batch + 2))
    pairs = over + 2 * sum((over - lag) * (1 - rate) ** lag for lag in range(1, over))
    assert averages.square().mean().item() == pytest.approx(variance * pairs / over**2, rel=0.04)


@pytest.mark.parametrize("dimension", [1, 3])
def test_additive_control_has_light_tails(dimension):
    """Catches the control that keeps the random factor: its variance is ηds²/(b(2 - η))."""
    rate, batch = 1.25, 5
    errors = regression(
        Regression(rate, batch, dimension, label_noise=2.0),
        chains=40_000, steps=40, generator=dice("additive"), additive=True,
    )  # fmt: skip
    wanted = rate * dimension * 4 / (batch * (2 - rate))
    assert errors.square().sum(1).mean().item() == pytest.approx(wanted, rel=0.04)
    assert hill(errors.norm(dim=1), 400) > 5


@pytest.mark.parametrize(("rate", "alpha"), [(1 / math.log(2), 1.0), (1.0, 2.0)])
def test_solved_tail(rate, alpha):
    """Catches a chain of another tail: Hill's estimate within 3 standard errors of α (A23)."""
    k = 300
    errors = regression(Regression(rate, 2), chains=30_000, steps=150, generator=dice("hill", 3))
    assert abs(hill(errors.abs().squeeze(1), k) - alpha) < 3 * alpha / math.sqrt(k)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "alpha"), [(1 / math.log(2), 1.0), (1.0, 2.0)])
def test_solved_tail_with_all_chains(rate, alpha):
    """Catches the same, within 7 %: the numbers of A23."""
    errors = regression(Regression(rate, 2), chains=200_000, steps=400, generator=dice("A23"))
    assert abs(hill(errors.abs().squeeze(1), 2000) - alpha) < 3 * alpha / math.sqrt(2000)


def test_dice():
    """Catches a chain that depends on anything but its generator."""
    once = [regression(Regression(0.5, 3, 4), chains=5, steps=6, generator=dice("a"))] * 2
    once[1] = regression(Regression(0.5, 3, 4), chains=5, steps=6, generator=dice("a"))
    assert torch.equal(*once)
    assert once[0].dtype == torch.float64


def chain(rate=0.5, dimension=1, **others):
    how = {"chains": 2, "steps": 3, "generator": dice("bad")} | others
    return partial(regression, Regression(rate, 2, dimension), **how)


test_bad_arguments = refuses(
    (partial(Regression, 0.0, 2), "0 < rate < inf"),
    (partial(Regression, math.inf, 2), "0 < rate < inf"),
    (partial(Regression, 0.5, 0), "whole batch"),
    (partial(Regression, 0.5, 2, 1.5), "whole dimension"),
    (partial(Regression, 0.5, 2, label_noise=-1.0), "0 <= label_noise < inf"),
    (partial(Regression, 0.5, 2, label_noise=1e-200), "1e-100 <= label_noise"),  # its square is 0
    (partial(Regression, 0.5, 2, label_noise=1e200), "label_noise <= 1e100"),
    (chain(chains=0), "whole chains"),
    (chain(averaged=4), "averaged <= steps"),
    (chain(averaged=2, dimension=3), "averaged <= steps, or 1 if d > 1"),
    (chain(rate=2.0, additive=True), "rate < 2"),
    (chain(rate=50.0, steps=900), "finite errors"),  # a chain that diverges
)

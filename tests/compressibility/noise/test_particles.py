"""Tests of interacting particles: literal loops, pathwise identities, rates."""

import math

import numpy as np
import pytest
import torch

from compressibility.dice import dice
from compressibility.noise.particles import (
    Levy,
    Particles,
    chaos,
    coarsened,
    mean_flow,
    one_datum,
)
from tests.compressibility.helpers import normal, refuses

KINDS = ["shared", "independent", "isotropic"]
INPUTS = normal(3, 2, seed=4)
# Three data, particles in the plane: ∫ tanh⟨θ, x⟩ dμ for each datum, pulled towards 1.
PLANE = Particles(
    lambda at: (at @ INPUTS.T).tanh(),
    lambda at, mean: ((1 - mean) * (1 - (at @ INPUTS.T).tanh() ** 2)) @ INPUTS / 3,
    Levy(1.5, scale=0.7, dimension=2, kind="isotropic"),
)
TANH = one_datum(torch.tanh, lambda at: 1 - at.tanh() ** 2, Levy(1.3), target=1.0)
LINEAR = one_datum(lambda at: at, torch.ones_like, Levy(1.25), target=0.0)  # no bounded h


def jumps_of(system, shape, steps, time, name):
    """What a run with this generator draws, (steps, R, n, p)."""
    generator = dice(*name)
    return torch.stack([system.noise.jumps(time / steps, shape, generator) for _ in range(steps)])


def literal(start, jumps, time, flow=None):
    """Paths (steps + 1, n, 2) of PLANE for one repetition, particle by particle, in NumPy."""
    x, step = INPUTS.numpy(), time / len(jumps)
    path = [start.numpy().copy()]
    for k, jump in enumerate(jumps.numpy()):
        old, new = path[-1], []
        sums = sum(np.tanh(x @ other) for other in old) / len(old)
        mean = sums if flow is None else flow[k].numpy()
        for one, added in zip(old, jump, strict=True):
            drift = np.zeros(2)
            for at, datum in enumerate(x):
                slope = 1 / math.cosh(datum @ one) ** 2
                drift -= (mean[at] - 1) * slope * datum / 3
            new.append(one + step * drift + added)
        path.append(np.array(new))
    return np.array(path)


def test_chaos_is_two_literal_loops():
    """Catches a mean over repetitions, a flow one step late, a lost noise, step or maximum."""
    start, steps, time = normal(2, 5, 2, seed=1), 4, 0.8
    flow = normal(steps, 3, seed=2).tanh()
    found = chaos(PLANE, start, flow, time=time, generator=dice("literal"))
    jumps = jumps_of(PLANE, (2, 5), steps, time, ("literal",))
    for r in range(2):
        many = literal(start[r], jumps[:, r], time)
        alone = literal(start[r], jumps[:, r], time, flow)
        gaps = np.linalg.norm(many - alone, axis=-1)
        assert found.largest[r].numpy() == pytest.approx(gaps.max(0), rel=1e-10)
        assert found.fixed[r].numpy() == pytest.approx(gaps[-1], rel=1e-10)


def test_the_flow_is_the_mean_before_each_step():
    """Catches means taken behind the step, or of other particles."""
    start, steps, time = normal(1, 6, 2, seed=3), 3, 0.5
    flow = mean_flow(PLANE, start, time=time, steps=steps, generator=dice("flow"))
    path = literal(start[0], jumps_of(PLANE, (1, 6), steps, time, ("flow",))[:, 0], time)
    wanted = np.tanh(path @ INPUTS.numpy().T).mean(1)[:-1]
    assert flow.shape == (3, 3)
    assert flow.numpy() == pytest.approx(wanted, rel=1e-10)


def test_coarse_grids_are_literal_loops_of_summed_noise():
    """Catches noise lost or used twice between grids, a maximum off the grid, a wrong fixed time.

    Between its times a grid stands still: half a step before the end it is a whole step back.
    """
    start, grids, time = normal(2, 3, 2, seed=5), [12, 6, 2, 1], 0.9
    found = coarsened(PLANE, start, grids, time, dice("grids"))
    jumps = jumps_of(PLANE, (2, 3), 12, time, ("grids",))
    assert len(found) == 3
    for n, gaps in zip(grids[1:], found, strict=True):
        ratio = 12 // n
        for r in range(2):
            fine = literal(start[r], jumps[:, r], time)
            coarse = literal(start[r], jumps[:, r].reshape(n, ratio, 3, 2).sum(1), time)
            on = np.linalg.norm(fine[::ratio] - coarse, axis=-1).max(0)
            off = np.linalg.norm(fine[12 - ratio // 2] - coarse[-2], axis=-1)
            assert gaps.largest[r].numpy() == pytest.approx(on, rel=1e-9)
            assert gaps.fixed[r].numpy() == pytest.approx(off, rel=1e-9)


def test_without_bounded_h_the_error_is_a_mean_of_jumps():
    """Catches a mean that lags: |mean_i Σ_l (1 - (1 - η)^(K-1-l)) jump_l|, the same for all i."""
    steps, eta = 16, 1 / 16
    found = chaos(LINEAR, torch.zeros(3, 9, 1), torch.zeros(16, 1), time=1, generator=dice("mean"))
    jumps = jumps_of(LINEAR, (3, 9), steps, 1.0, ("mean",))[..., 0].mean(-1)
    weights = 1 - (1 - eta) ** torch.arange(steps - 1, -1, -1, dtype=torch.float64)
    wanted = (weights[:, None] * jumps).sum(0).abs()
    assert torch.allclose(found.fixed, wanted[:, None].expand(3, 9), rtol=1e-10)


def test_rates():
    """Catches errors that do not fall as n^(-1/2), on the grid as η and off it as η^(1/α)."""
    start = lambda n, reps: normal(reps, n, 1, seed=n)  # noqa: E731
    flow = mean_flow(TANH, start(2**16, 1), time=1.0, steps=16, generator=dice("rate"))
    sizes = [
        chaos(TANH, start(n, 400), flow, time=1.0, generator=dice("rate", n)).largest.mean().item()
        for n in (32, 512)
    ]
    assert math.log(sizes[1] / sizes[0]) / math.log(16) == pytest.approx(-0.5, abs=0.08)
    found = coarsened(TANH, start(40, 50), [256, 32, 8], 1.0, dice("euler"))
    on, off = ([getattr(f, what).median().item() for f in found] for what in ("largest", "fixed"))
    assert math.log(on[1] / on[0]) / math.log(4) == pytest.approx(1.0, abs=0.1)
    assert math.log(off[1] / off[0]) / math.log(4) == pytest.approx(1 / 1.3, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("u", [(0.7, -0.7), (0.5, 0.5), (0.6, -0.2), (0.9, 0.0)])
def test_characteristic_functions(kind, u):
    """Catches kinds that are exchanged, or scaled: numbers of the sheet, five standard errors."""
    one, other = u
    exponent = {
        "shared": abs(one + other) ** 1.25,
        "independent": abs(one) ** 1.25 + abs(other) ** 1.25,
        "isotropic": math.hypot(one, other) ** 1.25,
    }[kind]
    drawn = Levy(1.25, dimension=2, kind=kind).jumps(1.0, (10, 10_000), dice("cf"))
    assert drawn.shape == (10, 10_000, 2)
    seen = (drawn @ torch.tensor(u, dtype=torch.float64)).cos().mean().item()
    assert seen == pytest.approx(math.exp(-exponent), abs=5 * math.sqrt(0.5 / 100_000))


def test_time_and_scale():
    """Catches σ^(1/α), √t or t in the place of σ t^(1/α); a coordinate of α = 2 is N(0, 2t)."""
    for kind in KINDS:
        unit = Levy(1.25, 1.0, 3, kind).jumps(1.0, (4,), dice("time"))
        later = Levy(1.25, 1.5, 3, kind).jumps(0.7, (4,), dice("time"))
        assert torch.allclose(later, 1.5 * 0.7**0.8 * unit, rtol=1e-12)
        gauss = Levy(2.0, 1.0, 2, kind).jumps(0.5, (40_000,), dice("gauss"))
        assert gauss[:, 1].square().mean().item() == pytest.approx(1.0, abs=0.05)


def run(system=TANH, start=None, grids=(4, 2), time=1.0):
    start = torch.zeros(1, 2, 1) if start is None else start
    return coarsened(system, start, grids, time, torch.Generator())


FLAT = Particles(lambda at: at[..., 0], TANH.drift, TANH.noise)  # the axis m is missing


def flowing(flow, system=TANH):
    chaos(system, torch.zeros(2, 1, 1), flow, time=1.0, generator=torch.Generator())


test_refusals = refuses(
    (lambda: Levy(2.1), "0 < alpha <= 2, got 2.1"),
    (lambda: Levy(1.5, scale=-1.0), "0 <= scale < inf"),
    (lambda: Levy(1.5, dimension=0), "a whole dimension >= 1"),
    (lambda: Levy(1.5, kind="II"), "kind in .*isotropic.*got 'II'"),
    (lambda: Levy(1.5).jumps(-1.0, (2,), torch.Generator()), "0 <= time"),
    (lambda: one_datum(torch.sin, torch.cos, PLANE.noise, 0.0), "dimension 1, got 2"),
    (lambda: flowing(torch.zeros(4, 2)), r"a flow \(steps, 1\) of these features, got \(4, 2\)"),
    (lambda: flowing(torch.zeros(4, 1), FLAT), r"features \(..., n, m\)"),
    (lambda: run(start=torch.zeros(1, 2)), r"\(R, n, 1\), got \(1, 2\)"),
    (lambda: run(start=torch.full((1, 2, 1), torch.nan)), "finite start"),
    (lambda: run(grids=(4,)), "at least 2 grids"),
    (lambda: run(grids=(4, 4)), "half steps are whole steps of 4, got 4"),
    (lambda: run(grids=(6, 2)), "half steps are whole steps of 6, got 2"),
    (lambda: run(grids=(4, 0)), "a whole steps >= 1"),
    (lambda: run(time=0.0), "0 < time < inf"),
    (
        lambda: run(Particles(torch.tanh, lambda at, mean: (at + mean) / 0, Levy(1.5))),
        "finite distances",
    ),
    (
        lambda: mean_flow(
            TANH, torch.zeros(2, 2, 1), time=1.0, steps=1, generator=torch.Generator()
        ),
        r"\(1, n, p\), got \(2, 2, 1\)",
    ),
    (
        lambda: chaos(
            TANH, torch.zeros(1, 2, 1), torch.zeros(3), time=1.0, generator=torch.Generator()
        ),
        r"a flow \(steps, m\), got \(3,\)",
    ),
)

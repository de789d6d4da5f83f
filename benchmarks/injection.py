"""What noise costs on top of a step, and how fast it is drawn: python -m benchmarks.injection."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

from benchmarks.stable import seconds
from compressibility.dice import dice
from compressibility.noise.injection import HeavyTailedNoise, Kind
from compressibility.noise.particles import Levy, chaos, mean_flow, one_datum

WIDTH, INPUTS, BATCH, STEPS, ALPHA = 2000, 140, 100, 20, 1.75
GOALS = {"shared": 1.3, "isotropic": 1.3}  # times a plain step; "independent" draws every weight
PARTICLES, TIMES = 1024, 32


def stepping(kind: Kind | None) -> Callable[[], None]:
    """Return some steps of SGD, the first layer's with noise of this kind."""
    source = dice("benchmark", "data")
    x = torch.randn(BATCH, INPUTS, generator=source)
    y = torch.randint(2, (BATCH,), generator=source)
    hidden, last = nn.Linear(INPUTS, WIDTH, bias=False), nn.Linear(WIDTH, 2, bias=False)
    model = nn.Sequential(hidden, nn.ReLU(), last)
    steps: torch.optim.Optimizer | HeavyTailedNoise = torch.optim.SGD(model.parameters(), 0.1)
    if kind:
        noise = HeavyTailedNoise(alpha=ALPHA, scale=1e-4, kind=kind)
        steps = noise.around(steps, model, dice("benchmark", kind))

    def run() -> None:
        for _ in range(STEPS):
            steps.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            steps.step()

    return run


def reference(kind: Kind) -> np.ndarray:
    """Draw the numbers of one step with SciPy, as a script would: in each step anew."""
    rows = (WIDTH, INPUTS if kind == "independent" else 1)
    if kind != "isotropic":
        return np.broadcast_to(stats.levy_stable.rvs(ALPHA, 0, size=rows), (WIDTH, INPUTS))
    scale = 2 * np.cos(np.pi * ALPHA / 4) ** (2 / ALPHA)
    squares = stats.levy_stable.rvs(ALPHA / 2, 1, scale=scale, size=rows)
    return np.sqrt(squares) * np.random.default_rng().standard_normal((WIDTH, INPUTS))


def main() -> None:
    """Print milliseconds a step, what noise adds to it and what SciPy's would; then particles."""
    torch.set_num_threads(1)
    plain = seconds(stepping(None)) / STEPS
    print(f"SGD, {INPUTS}-{WIDTH}-2, batches of {BATCH}, one thread; goals: {GOALS} times a step")
    print(f"{'kind':>12} {'step ms':>8} {'times plain':>12} {'with SciPy':>11}")
    print(f"{'none':>12} {1e3 * plain:8.2f}")
    for kind in get_args(Kind):
        ours = seconds(stepping(kind)) / STEPS
        theirs = plain + seconds(lambda kind=kind: reference(kind))
        print(f"{kind:>12} {1e3 * ours:8.2f} {ours / plain:12.2f} {theirs / plain:11.2f}")
    system = one_datum(torch.tanh, lambda at: 1 - at.tanh().square(), Levy(1.5), target=1.0)
    start, flowing = torch.zeros(64, PARTICLES, 1), torch.zeros(1, 64 * PARTICLES, 1)
    flow = mean_flow(system, flowing, time=1.0, steps=TIMES, generator=dice("flow"))
    moves = start.numel() * TIMES
    for name, call in (
        (
            "system and limit, coupled",
            lambda: chaos(system, start, flow, time=1.0, generator=dice("chaos")),
        ),
        (
            "large system",
            lambda: mean_flow(system, flowing, time=1.0, steps=TIMES, generator=dice("flow")),
        ),
    ):
        print(f"{name}: {moves / seconds(call) / 1e6:.1f} million particle steps a second")


if __name__ == "__main__":
    main()

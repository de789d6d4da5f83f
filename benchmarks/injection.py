"""What noise costs behind a step, and what particles cost: python -m benchmarks.injection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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

WIDTH, INPUTS, BATCH, STEPS = 2000, 140, 100, 20  # the sizes of ECG5000; drawn, not the archive
ALPHA, SIZE = 1.75, 1e-4
GOAL = 1.3  # times a plain step, but for independent numbers: one stable draw a weight


def by_scipy(kind: str, weight: torch.Tensor) -> None:
    """Add noise as scripts do: draw a step's numbers with SciPy, cast, add."""
    rows = (WIDTH, INPUTS if kind == "independent" else 1)
    if kind == "isotropic":
        scale = 2 * np.cos(np.pi * ALPHA / 4) ** (2 / ALPHA)
        squares = stats.levy_stable.rvs(ALPHA / 2, 1, scale=scale, size=rows)
        drawn = np.sqrt(squares) * np.random.default_rng().standard_normal((WIDTH, INPUTS))
    else:
        drawn = stats.levy_stable.rvs(ALPHA, 0, size=rows)
    with torch.no_grad():
        weight.add_(torch.from_numpy(SIZE * drawn).float())


def steps(kind: Kind | None, *, ours: bool = True) -> Callable[[], None]:
    """Return some steps of SGD on one batch, with noise of this kind on the first layer."""
    source = dice("benchmark", "batch")
    x = torch.randn(BATCH, INPUTS, generator=source)
    y = torch.randint(2, (BATCH,), generator=source)
    hidden, last = nn.Linear(INPUTS, WIDTH, bias=False), nn.Linear(WIDTH, 2, bias=False)
    model = nn.Sequential(hidden, nn.ReLU(), last)
    plain = torch.optim.SGD(model.parameters(), 0.1)
    moved: torch.optim.Optimizer | HeavyTailedNoise = plain
    if kind and ours:
        noise = HeavyTailedNoise(alpha=ALPHA, scale=SIZE, kind=kind)
        moved = noise.around(plain, model, dice("benchmark", kind))

    def run() -> None:
        for _ in range(STEPS):
            moved.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            moved.step()
            if kind and not ours:
                by_scipy(kind, hidden.weight)

    return run


def main() -> None:
    """Print milliseconds a step without noise and with ours and SciPy's; then particles."""
    torch.set_num_threads(1)
    plain = seconds(steps(None)) / STEPS
    print(f"SGD, {INPUTS}-{WIDTH}-2, batches of {BATCH}, one thread: {1e3 * plain:.2f} ms a step")
    print(f"goal: {GOAL} times a plain step (independent: none)")
    print(f"{'kind':>12} {'ours ms':>8} {'/ plain':>8} {'scipy ms':>9} {'/ plain':>8}")
    for kind in get_args(Kind):
        both = [seconds(steps(kind, ours=ours)) / STEPS for ours in (True, False)]
        fields = (f"{1e3 * each:9.2f} {each / plain:8.2f}" for each in both)
        print(f"{kind:>11}", *fields)
    normal, source = torch.empty(WIDTH, INPUTS), dice("benchmark", "normal")
    alone = seconds(lambda: normal.normal_(generator=source))
    print(f"isotropic's normal numbers alone: {1e3 * alone:.2f} ms")
    system = one_datum(torch.tanh, lambda at: 1 - at.tanh().square(), Levy(1.5), target=1.0)
    time = {"time": 1.0, "generator": dice("benchmark", "particles")}
    start, many = torch.zeros(64, 1024, 1), torch.zeros(1, 2**16, 1)
    flow = mean_flow(system, many, steps=32, **time)
    for name, call in (
        ("coupled pairs", partial(chaos, system, start, flow, **time)),
        ("large system", partial(mean_flow, system, many, steps=32, **time)),
    ):
        print(f"{name}: {2**16 * 32 / seconds(call) / 1e6:.1f} million particle steps a second")


if __name__ == "__main__":
    main()

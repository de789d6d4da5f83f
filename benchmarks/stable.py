"""Symmetric stable draws against SciPy's: python -m benchmarks.stable."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from scipy import stats

from compressibility.dice import dice
from compressibility.noise import stable

DRAWS, GOAL = 1_000_000, 5


def seconds(call: Callable[[], object]) -> float:
    """Shortest processor time of some calls."""
    times = []
    for _ in range(7):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print nanoseconds a draw of both, and their ratio."""
    torch.set_num_threads(1)
    source = dice("benchmark")
    print(f"{DRAWS:,} draws, one thread; goal: {GOAL} times SciPy's, away from its Cauchy shortcut")
    print(f"{'alpha':>6} {'ours ns':>9} {'scipy ns':>9} {'ratio':>6}")
    for alpha in (0.7, 1.0, 1.25, 1.5, 1.75, 2.0):
        ours = seconds(lambda alpha=alpha: stable.symmetric(alpha, (DRAWS,), source))
        theirs = seconds(lambda alpha=alpha: stats.levy_stable.rvs(alpha, 0, size=DRAWS))
        each = 1e9 / DRAWS
        print(f"{alpha:6.2f} {ours * each:9.1f} {theirs * each:9.1f} {theirs / ours:6.1f}")


if __name__ == "__main__":
    main()

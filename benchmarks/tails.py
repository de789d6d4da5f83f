"""Tail estimates of ten million values, and a literal loop: python -m benchmarks.tails."""

from __future__ import annotations

import math
import resource
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.greedy import best_time
from compressibility.noise import tails

VALUES, FEW, SHARE = 10_000_000, 100_000, 200
SIZES = (2, 5, 10, 20, 50, 100, 250, 500, 1000)
ESTIMATES: dict[str, Callable[[np.ndarray], object]] = {
    "blocks": tails.blocks,
    "slope": tails.slope_index,
    "Hill": lambda x: tails.hill(x, len(x) // SHARE),
    "moment": lambda x: tails.moment(x, len(x) // SHARE),
    "Pickands": lambda x: tails.pickands(x, len(x) // SHARE),
}


def literal(values: list[float]) -> float:
    """Block estimate as its formula reads."""
    centre, found = float(np.median(values)), []
    values = [x - centre for x in values]
    logs = sum(math.log(abs(x)) for x in values) / len(values)
    for m in SIZES:
        sums = [sum(values[i : i + m]) for i in range(0, len(values), m)]
        grown = sum(math.log(abs(y)) for y in sums) / len(sums) - logs
        found.append(math.log(m) / grown)
    return min(2.0, float(np.median(found)))


def main() -> None:
    """Print the time of each estimate, of all, and the literal block estimate's over ours."""
    torch.set_num_threads(1)
    sample = np.random.default_rng(0).standard_t(2, VALUES)
    print(f"{VALUES} values, one thread")
    seconds = {
        name: best_time(lambda one=one: one(sample), repeats=3) for name, one in ESTIMATES.items()
    }
    for name, time in [*seconds.items(), ("all", sum(seconds.values()))]:
        print(f"{name:>10} {time:8.2f} s")
    few = sample[:FEW]
    slow = best_time(lambda: literal(few.tolist()), repeats=1)
    fast = best_time(lambda: tails.blocks(few, SIZES), repeats=5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"block estimate of {FEW}: literal {slow:.2f} s, ratio {slow / fast:.0f}")
    print(f"peak {peak:.0f} MB")


if __name__ == "__main__":
    main()

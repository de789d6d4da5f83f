"""Fast against literal prunings on growing layers: python -m benchmarks.removal."""

from __future__ import annotations

import resource
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import torch

from benchmarks.greedy import best_time, exponent
from compressibility.pruning.removal import Removal, magnitude, nodes, ranks
from tests.compressibility.pruning import test_removal as literal

KEPT = Fraction(1, 5)
Prune = Callable[[torch.Tensor, Fraction], Removal]
Literal = Callable[[list[list[float]], int], object]
# Widths of square layers: of the literal pruning, and of the library's alone.
CASES: tuple[tuple[Prune, Literal, tuple[int, ...], tuple[int, ...]], ...] = (
    (magnitude, literal.literal_magnitude, (40, 200, 1000), (3200,)),
    (nodes, literal.literal_nodes, (40, 200, 1000), (3200,)),
    (ranks, literal.literal_ranks, (10, 20, 40), (400, 800, 1600, 3200)),
)


def main() -> None:
    """Print both times for each pruning, how each grows, and memory."""
    torch.set_num_threads(1)
    print(f"keeping {KEPT} of a square layer, one thread")
    head = f"{'':>10} {'width':>6} {'weights':>9} {'literal s':>11} {'fast s':>11} {'ratio':>9}"
    print(f"{head} {'peak MB':>9}")
    for prune, slowly, both, alone in CASES:
        slow, fast = [], []
        for width in (*both, *alone):
            source = torch.Generator().manual_seed(width)
            weight = torch.randn(width, width, generator=source, dtype=torch.float64)
            repeats = 3 if width < 2000 else 1
            fast.append(best_time(partial(prune, weight, KEPT), repeats=repeats))
            line = f"{prune.__name__:>10} {width:6d} {width**2:9d}"
            if width in both:
                units = width**2 if prune is magnitude else width
                literally = partial(slowly, weight.tolist(), int(KEPT * units))
                slow.append(best_time(literally, repeats=1))
                line += f" {slow[-1]:11.2e} {fast[-1]:11.2e} {slow[-1] / fast[-1]:9.0f}"
            else:
                line += f" {'':>11} {fast[-1]:11.2e} {'':>9}"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # of the process
            print(f"{line} {peak:9.0f}")
        grows = [
            exponent([w**2 for w in widths], times)
            for widths, times in ((both, slow), ((*both, *alone)[-2:], fast[-2:]))
        ]
        print(f"{'':>10} seconds ~ weights^{grows[0]:.2f} (literal), ^{grows[1]:.2f} (fast)")


if __name__ == "__main__":
    main()

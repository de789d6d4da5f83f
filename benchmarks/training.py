"""Networks trained as one batch against one by one: python -m benchmarks.training."""

from __future__ import annotations

import time

import torch

from compressibility.data.sets import Dataset, load
from compressibility.models.network import mlp
from compressibility.training.loop import Training, train

REPEATS = 2
TRAINING = Training(epochs=2, learning_rate=1e-3, batch_size=64)
GRID = ([64, 128, 128, 128, 10], (0.01, 0.02, 0.05, 0.1, 0.15, 0.2), (0, 1, 2, 3))


def seconds(digits: Dataset, widths: list[int], groups: list[tuple[int, ...]]) -> float:
    """Wall time to train the groups of seeds, one group after the other; best of some runs."""
    return min(once(digits, widths, groups) for _ in range(REPEATS))


def once(digits: Dataset, widths: list[int], groups: list[tuple[int, ...]]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    for seeds in groups:
        fit(digits, widths, TRAINING, seeds)
    return time.perf_counter() - start


def fit(digits: Dataset, widths: list[int], training: Training, seeds: tuple[int, ...]) -> None:
    """Train one network per seed."""
    x, y = digits.train_inputs, digits.train_targets
    train(mlp(widths, seeds=seeds), x, y, training, loss="cross_entropy", seeds=seeds)


def grid(digits: Dataset, *, together: bool) -> float:
    """Wall time of one epoch of the grid, batches of 5, with plain SGD."""
    widths, rates, seeds = GRID
    cells = [(rate, seed) for seed in seeds for rate in rates]
    groups = [cells] if together else [[cell] for cell in cells]
    start = time.perf_counter()
    for group in groups:
        each = tuple(rate for rate, _ in group)
        how = Training(epochs=1, learning_rate=each, batch_size=5, optimizer="sgd")
        fit(digits, widths, how, tuple(seed for _, seed in group))
    return time.perf_counter() - start


def main() -> None:
    """Print both times and their ratio for growing numbers of networks, narrow and wide."""
    torch.set_num_threads(1)
    digits = load("digits")
    batches = f"{TRAINING.epochs} epochs of batches of {TRAINING.batch_size}"
    print(f"digits, Adam, {batches}, one thread, best of {REPEATS}")
    print(f"{'width':>6} {'networks':>9} {'batch s':>9} {'one by one s':>13} {'ratio':>7}")
    once(digits, [64, 8, 10], [(0,)])
    for width in (32, 256):
        for networks in (1, 4, 16):
            widths, seeds = [64, width, 40, 10], tuple(range(networks))
            together = seconds(digits, widths, [seeds])
            apart = seconds(digits, widths, [(seed,) for seed in seeds])
            print(f"{width:6d} {networks:9d} {together:9.2f} {apart:13.2f} {apart / together:7.2f}")
    print("a grid of rates and seeds, SGD, 1 epoch of batches of 5")
    together, apart = (grid(digits, together=how) for how in (True, False))
    networks = len(GRID[1]) * len(GRID[2])
    print(f"{GRID[0][1]:6d} {networks:9d} {together:9.2f} {apart:13.2f} {apart / together:7.2f}")


if __name__ == "__main__":
    main()

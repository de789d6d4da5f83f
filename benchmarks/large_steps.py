"""The published grid of steps, at the published width, where there is a GPU.

::

    python -m benchmarks.large_steps part mnist part.npz     # the samples used, from the archives
    python -m benchmarks.large_steps train part.npz note.json --device cuda --depth 4
    python -m benchmarks.large_steps keep note.json          # into book/results, with its origin
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from benchmarks.kept import commands, keep, part, standardized, write_note
from compressibility.data.sets import Dataset
from compressibility.experiments.steps import Grid, measure, train_grid
from compressibility.models.network import Network, mlp

CHAPTER = "heavy-tails/large-steps"
WIDTH, SAMPLES, TESTS, BATCH = 2048, 5000, 2000, 50
SEEDS, FULL_SEEDS = (0, 1, 2), (0,)
STEPS, FULL_STEPS = 6000, 1000
RATES = {  # within the published ranges for batches of 50; full batch: ours
    "mnist": (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    "cifar10": (0.005, 0.01, 0.02, 0.04, 0.07, 0.1, 0.135),
}
FULL_RATES = {"mnist": (0.1, 0.3, 0.5, 0.8), "cifar10": (0.02, 0.07, 0.135, 0.25)}


def grids(problem: Dataset, depth: int, device: str) -> Iterator[Grid]:
    """Train small batches, then the full one."""
    shape = [problem.features, *[WIDTH] * (depth - 1), problem.outputs]
    for batch, rates, seeds, steps in (
        (BATCH, RATES[problem.name], SEEDS, STEPS),
        (SAMPLES, FULL_RATES[problem.name], FULL_SEEDS, FULL_STEPS),
    ):
        start, some = mlp(shape, init="torch", seeds=seeds).to(device), {batch: rates}
        yield train_grid(problem, start, some, seeds=seeds, steps=steps, samples=SAMPLES)


def measured(network: Network) -> pd.DataFrame:
    """Measure all networks, one a thread: the estimators are NumPy's, which lets go of the lock."""
    torch.set_num_threads(1)
    with ThreadPoolExecutor() as pool:
        members = map(network.member, range(network.networks))
        frames = list(pool.map(lambda one: measure(one, orders=1), members))
    return pd.concat([frame.assign(network=e) for e, frame in enumerate(frames)])


def train(path: Path, note: Path, *, depth: int, device: str) -> None:
    """Train and measure, and write what a run's note holds."""
    torch.set_float32_matmul_precision("high")
    problem, files = standardized(path)
    frames = []
    for grid in grids(problem, depth, device):
        frame = grid.cells.merge(measured(grid.network), how="left")
        frames.append(frame.assign(depth=depth, diverged=frame.diverged.notna().astype(int)))
    settings = {
        "dataset": problem.name, "width": WIDTH, "samples": SAMPLES, "test_samples": TESTS,
        "batch": BATCH, "steps": STEPS, "full_batch_steps": FULL_STEPS, "matmul": "TF32",
    }  # fmt: skip
    whole, name = pd.concat(frames).drop(columns=["network"]), f"large-steps-{problem.name}"
    write_note(note, name, whole, chapter=CHAPTER, settings=settings, files=files)


if __name__ == "__main__":
    parser, trains = commands(__doc__, [*RATES], "train")
    trains["train"].add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    trains["train"].add_argument("--depth", type=int, default=4)
    chosen = vars(parser.parse_args())
    sample = partial(part, samples=SAMPLES, tests=TESTS)
    {"part": sample, "train": train, "keep": keep}[chosen.pop("command")](**chosen)

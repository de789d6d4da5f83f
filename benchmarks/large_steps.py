"""The published grid of steps, at the published width, where there is a GPU.

The machine with the GPU needs neither the archives nor what the book needs::

    python -m benchmarks.large_steps part mnist part.npz     # the samples used, from the archives
    python -m benchmarks.large_steps train part.npz note.json --device cuda --depth 4
    python -m benchmarks.large_steps keep note.json          # into book/results, with its origin
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from compressibility.data.archives import FOLDER_VARIABLE
from compressibility.data.sets import Dataset, load
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


def part(name: str, path: Path) -> None:
    """Write the samples that are used, as bytes, and what the archives' files hash to."""
    data, folder = load(name), Path(os.environ[FOLDER_VARIABLE])
    arrays = {
        key: np.asarray(getattr(data, key)[:most] * scale).round().astype(np.uint8)
        for key, most, scale in (
            ("train_inputs", SAMPLES, 255),
            ("train_targets", SAMPLES, 1),
            ("test_inputs", TESTS, 255),
            ("test_targets", TESTS, 1),
        )
    }
    files = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.glob(f"{name}*.npz"))
    }
    np.savez_compressed(path, name=name, image=data.image, files=json.dumps(files), **arrays)


def standardized(path: Path) -> tuple[Dataset, dict[str, str]]:
    """Read a part: each channel with mean 0 and deviation 1 over the training samples."""
    with np.load(path, allow_pickle=False) as held:
        image = tuple(held["image"].tolist())
        x, new = (
            held[key].reshape(-1, image[0], image[1] * image[2]) / 255
            for key in ("train_inputs", "test_inputs")
        )
        centre, spread = x.mean((0, 2), keepdims=True), x.std((0, 2), keepdims=True)
        x, new = (torch.tensor((some - centre) / spread).flatten(1).float() for some in (x, new))
        y, asked = (torch.tensor(held[key]).long() for key in ("train_targets", "test_targets"))
        files: dict[str, str] = json.loads(str(held["files"]))
        return Dataset(str(held["name"]), "classification", x, y, new, asked, 10, image, ""), files


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
    whole = pd.concat(frames).drop(columns=["network"]).round(6).astype(object)
    rows = whole.where(whole.notna(), None).values.tolist()
    settings = {
        "dataset": problem.name, "width": WIDTH, "samples": SAMPLES, "test_samples": TESTS,
        "batch": BATCH, "steps": STEPS, "full_batch_steps": FULL_STEPS, "matmul": "TF32",
    }  # fmt: skip
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    versions = {"torch": torch.__version__, "numpy": np.__version__, "device": name}
    held = {
        "chapter": CHAPTER,
        "profile": "paper",
        "parameters": settings,
        "versions": versions,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "parts": files,
        "claims": [],
        "results": {f"large-steps-{problem.name}": {"columns": [*whole], "rows": rows}},
    }
    note.write_text(json.dumps(held), encoding="utf8")


def keep(notes: list[Path]) -> None:
    """Write the results of notes, all of one data set, where pages read them."""
    from studies.page.results import to_keep  # needs what the book needs

    held, *others = (json.loads(note.read_text(encoding="utf8")) for note in notes)
    (name,) = {name for one in (held, *others) for name in one["results"]}
    for other in others:
        held["results"][name]["rows"] += other["results"][name]["rows"]
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    book = Path(__file__).parents[1] / "book"
    for path, text in to_keep(book, held | {"commit": commit}).items():
        path.write_text(text, encoding="utf8")
        print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    parts = commands.add_parser("part")
    parts.add_argument("name", choices=sorted(RATES))
    parts.add_argument("path", type=Path)
    trains = commands.add_parser("train")
    trains.add_argument("path", type=Path)
    trains.add_argument("note", type=Path)
    trains.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    trains.add_argument("--depth", type=int, default=4)
    keeps = commands.add_parser("keep")
    keeps.add_argument("notes", type=Path, nargs="+")
    chosen = vars(parser.parse_args())
    {"part": part, "train": train, "keep": keep}[chosen.pop("command")](**chosen)

"""The published tables of injected noise, and a wide VGG11, where there is a GPU.

::

    python -m benchmarks.injected_noise part mnist part.npz   # the samples used
    python -m benchmarks.injected_noise tables part.npz note.json --width 5000 --device cuda
    python -m benchmarks.injected_noise vgg part.npz note.json --minutes 6
    python -m benchmarks.injected_noise keep note.json      # into book/results, with its origin
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.kept import commands, keep, part, standardized, write_note
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.experiments.noisy import table
from compressibility.metrics import accuracy
from compressibility.models.network import mlp
from compressibility.noise.injection import HeavyTailedNoise, Kind
from compressibility.pruning import removal
from compressibility.training.loop import Training

INDICES = (1.75, 1.8, 1.9, 2.0)
SAMPLES = {"ecg5000": 500, "mnist": 60_000, "cifar10": 18_000}
TESTS = {"ecg5000": 4500, "mnist": 10_000, "cifar10": 4000}


class Recipe(NamedTuple):
    """How the networks of a table train: plain SGD, batches of 100, a fixed number of epochs."""

    epochs: int
    rate: float
    scale: float  # σ, chosen by us
    seeds: int

    def training(self, samples: int) -> Training:
        """What the loop is told."""
        return Training(self.epochs, self.rate, 100, samples, "sgd")


RECIPES = {  # 100, 1200 and 900 steps
    "ecg5000": Recipe(20, 0.1, 0.03, 5),
    "mnist": Recipe(2, 0.1, 0.003, 5),
    "cifar10": Recipe(5, 0.02, 0.003, 3),
}


def tables(path: Path, note: Path, *, width: int, device: str) -> None:
    """Train all kinds at all α, and without noise, and write the table of one width."""
    torch.set_float32_matmul_precision("high")
    problem, files = standardized(path)
    if problem.name == "ecg5000":
        problem = problem.against_rest(0)
    recipe, frames = RECIPES[problem.name], []
    seeds, how = list(range(recipe.seeds)), recipe.training(len(problem.train_inputs))
    start = mlp([problem.features, width, problem.outputs], init="torch", seeds=seeds).to(device)
    laws = [(kind, alpha, recipe.scale) for kind in get_args(Kind) for alpha in INDICES]
    for kind, alpha, scale in [*laws, ("shared", 2.0, 0.0)]:
        began = time.monotonic()
        noise = HeavyTailedNoise(alpha=alpha, scale=scale, kind=kind)
        frames.append(table(problem, start, how, [noise], seeds=seeds))
        share = frames[-1].share.median()
        print(f"{kind} {alpha} {scale}: {share:.3f}, {time.monotonic() - began:.1f} s", flush=True)
    settings: dict[str, Any] = {
        "dataset": problem.name, "samples": len(problem.train_inputs), "batch": 100,
        "test_samples": len(problem.test_inputs), "matmul": "TF32", **recipe._asdict(),
    }  # fmt: skip
    steps = recipe.epochs * -(-len(problem.train_inputs) // 100)
    whole, name = pd.concat(frames).assign(width=width, steps=steps), problem.name
    result = f"injected-noise-tables-{name}"
    about = {"chapter": "injected-noise/at-work", "settings": settings, "files": files}
    write_note(note, result, whole, **about)


def vgg11_wide(outputs: int, seed: int) -> nn.Sequential:
    """The wide VGG11 of [W]'s code: no biases, no batch normalization, filters N(0, 2/(q² out))."""
    dice_ = dice("vgg", seed)
    layers: list[nn.Module] = []
    before = 3
    for after in (128, 0, 256, 0, 512, 512, 0, 1024, 1024, 0, 1024, 1024, 0):
        if not after:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.ReLU(inplace=True)]
        nn.init.normal_(layers[-2].weight, 0, (2 / (9 * after)) ** 0.5, generator=dice_)
        before = after
    head = nn.Linear(before, outputs, bias=False)
    nn.init.kaiming_uniform_(head.weight, a=5**0.5, generator=dice_)
    return nn.Sequential(*layers, nn.Flatten(), head)


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        return torch.cat([model(some).float() for some in torch.split(x, 1000)])


def _train_vgg(problem: Dataset, noise: HeavyTailedNoise, seed: int, epochs: int) -> pd.DataFrame:
    """Train one, prune its filters at a squared error of .1 as [W]'s code does, and test."""
    x, new = (
        t.unflatten(1, (3, 32, 32)).cuda() for t in (problem.train_inputs, problem.test_inputs)
    )
    y, asked = problem.train_targets.cuda(), problem.test_targets.cuda()
    model = vgg11_wide(problem.outputs, seed).cuda()
    names = [k for k, w in model.named_parameters() if w.ndim == 4][1:]  # not the first one
    before = {k: w.detach().double() for k, w in model.named_parameters() if k in names}
    sgd = torch.optim.SGD(model.parameters(), 0.05)
    run = HeavyTailedNoise(
        alpha=noise.alpha, scale=noise.scale, kind=noise.kind, units="filters", layers=names,
        record=True,
    ).around(sgd, model, dice("vgg noise", seed, device="cuda"))  # fmt: skip
    orders = dice("vgg batches", seed, device="cuda")
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=orders, device="cuda").split(100):
            run.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                loss = functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            run.step()
    rows, weights = [], dict(model.named_parameters())
    scores = {"train_accuracy": accuracy(_logits(model, x), y).item()}
    scores["test_accuracy"] = accuracy(_logits(model, new), asked).item()
    for at, name in enumerate(names):
        weight, added = weights[name].detach().flatten(1), run.injected[name].flatten(1)
        start = before[name].flatten(1)
        found = removal.rows_within(weight, 0.1)
        alone = removal.rows_within(start + added, 0.1)
        row = {"layer": at + 2, "share": found.removed_share, "noise_share": alone.removed_share}
        row["noise"] = added.norm() / start.norm()
        row["moved"] = (weight.double() - start - added).norm() / start.norm()
        rows.append({key: float(value) for key, value in row.items()} | {"size": weight.numel()})
        weights[name].data = found.weight.reshape(weights[name].shape)
    frame = pd.DataFrame(rows)
    frame["removed"] = (frame.share * frame["size"]).sum() / frame["size"].sum()
    scores["pruned_accuracy"] = accuracy(_logits(model, new), asked).item()
    return frame.drop(columns="size").assign(**scores)


def runs(problem: Dataset, epochs: int, minutes: float) -> Iterator[pd.DataFrame]:
    """All runs for which there is time, seed by seed; of one that diverges, the step."""
    end = time.monotonic() + 60 * minutes
    # Shared noise of 10⁻³ diverges within a hundred steps, at any α: sums over inputs add it up.
    sizes = (("shared", 2e-4), ("isotropic", 3e-4), ("isotropic", 1e-3))
    laws = [(kind, alpha, scale) for kind, scale in sizes for alpha in (1.75, 2.0)]
    laws.append(("shared", 2.0, 0.0))
    for seed in range(5):
        for kind, alpha, scale in laws:
            if time.monotonic() > end:
                return
            began = time.monotonic()
            law = {"kind": kind, "alpha": alpha, "scale": scale, "seed": seed, "epochs": epochs}
            noise = HeavyTailedNoise(alpha=alpha, scale=scale, kind=kind)
            try:
                frame = _train_vgg(problem, noise, seed, epochs).assign(diverged=None)
            except FloatingPointError as lost:
                frame = pd.DataFrame({"layer": [None], "diverged": [str(lost)]})
            print(law, frame.iloc[-1].to_dict(), f"{time.monotonic() - began:.1f} s", flush=True)
            yield frame.assign(**law)


def vgg(path: Path, note: Path, *, minutes: float, epochs: int) -> None:
    """Train wide VGG11s with noise per filter, as far as the minutes go."""
    torch.set_float32_matmul_precision("high")
    problem, files = standardized(path)
    frames = list(runs(problem, epochs, minutes))
    settings = {
        "dataset": problem.name, "samples": len(problem.train_inputs), "batch": 100, "rate": 0.05,
        "test_samples": len(problem.test_inputs), "epochs": epochs, "matmul": "bfloat16",
    }  # fmt: skip
    about = {"chapter": "injected-noise/beyond", "settings": settings, "files": files}
    write_note(note, f"injected-noise-vgg-{problem.name}", pd.concat(frames), **about)


if __name__ == "__main__":
    parser, trains = commands(__doc__, [*SAMPLES], "tables", "vgg")
    trains["tables"].add_argument("--width", type=int, default=2000)
    trains["tables"].add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    trains["vgg"].add_argument("--minutes", type=float, default=6)
    trains["vgg"].add_argument("--epochs", type=int, default=20)
    chosen = vars(parser.parse_args())
    command, name = chosen.pop("command"), chosen.get("name", "")
    sample = partial(part, samples=SAMPLES.get(name, 0), tests=TESTS.get(name, 0))
    {"part": sample, "tables": tables, "vgg": vgg, "keep": keep}[command](**chosen)

r"""Pruning limits of networks of a million weights and more: predicted thresholds, measured ones.

::

    python -m benchmarks.pruning_limit part cifar10 part.npz       # the samples used
    python -m benchmarks.pruning_limit limits part.npz note.json --network fc5 --l1 5e-5 --seed 0
    python -m benchmarks.pruning_limit keep note.json              # of all networks
    python -m benchmarks.pruning_limit keep note-curves.json       # a row per removed share

Weights are saved beside the note and read again. Columns: those of ``experiments.oneshot.measure``;
``star_half``, after half of the steps; ``star_low``, ``star_high``, of one start; ``star_random``,
of a random support; ``negative``, the share of :math:`\sum_i |\lambda_i|` below 0; ``rounding``,
the relative error of float32 in Hc; ``subset``, the cost at ``u2`` by the samples of H over that by
all. ``cone`` is a bisection. Losses are those of all samples, without augmentation.
"""

from __future__ import annotations

import copy
import time
from bisect import bisect_left
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.kept import commands, keep, part, standardized, write_note
from compressibility.bounds.pruning_limit import limits as bounds
from compressibility.bounds.pruning_limit.costs import Ranking
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.experiments.oneshot import scan
from compressibility.metrics import accuracy
from compressibility.models.network import mlp
from compressibility.pruning import oneshot
from compressibility.pruning.kterm import kept_count
from compressibility.spectrum.density import Spectrum
from compressibility.spectrum.lanczos import lanczos, quadrature
from compressibility.spectrum.operators import Objective, hessian
from compressibility.spectrum.traces import path_costs
from compressibility.training.loop import Training
from compressibility.training.recipes import trained

SAMPLES, TESTS, BATCH, SHUFFLES = 20_000, 5000, 128, 400
SHARES = [1 - 0.87**j for j in range(1, 49)]  # removed
SCORES = ["cross_entropy", "total", "test_accuracy", "train_accuracy"]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CHAPTER = "pruning-limit/one-shot"
PARTS = ("train_inputs", "train_targets", "test_inputs", "test_targets")


class Recipe(NamedTuple):
    """How a network trains, by SGD with momentum .9 and a cosine, and how its H is asked."""

    rate: float
    epochs: int
    chunk: int  # samples in a pass
    curvature: int  # samples in H
    widths: tuple[int, ...] = ()  # none: ResNet18
    steps: int = 32  # of Lanczos
    starts: int = 2


RECIPES = {
    "mlp": Recipe(0.07, 40, 5000, 4000, (784, 1000, 200, 10)),
    "fc5": Recipe(0.04, 15, 4000, 1200, (3072, 1000, 600, 300, 100, 10)),
    "resnet18": Recipe(0.05, 60, 250, 5000),
}


class Residual(nn.Module):
    """Two convolutions with batch normalization, and a way around them."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()

        def normed(n: int, size: int, stride: int) -> list[nn.Module]:
            kernel = nn.Conv2d(n, after, size, stride, size // 2, bias=False)
            return [kernel, nn.BatchNorm2d(after)]

        stride = 1 if before == after else 2
        self.body = nn.Sequential(*normed(before, 3, stride), nn.ReLU(), *normed(after, 3, 1))
        self.skip = nn.Sequential(*normed(before, 1, stride) if stride == 2 else [])

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, before, r, r) to (N, after, r / stride, r / stride)."""
        return torch.relu(self.body(x) + self.skip(x))


def resnet18(outputs: int, seed: int, width: int = 64) -> nn.Sequential:
    """ResNet18 with CIFAR's stem: the first convolution is 3 × 3, and nothing is pooled after."""
    torch.manual_seed(seed)
    maps = [width * 2 ** (j // 2) for j in range(8)]
    stem = (nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    blocks = [Residual(*two) for two in pairwise([width, *maps])]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps[-1], outputs, bias=False))
    return nn.Sequential(nn.Unflatten(1, (3, 32, 32)), *stem, *blocks, *head)


def fit(model: nn.Module, problem: Dataset, how: Training, seed: int) -> None:
    """Train in place a model that is none of the loop's; BatchNorm carries no penalty."""
    x, y = problem.train_inputs.to(DEVICE), problem.train_targets.to(DEVICE)
    weights = [weight for weight in model.parameters() if weight.ndim > 1]
    sgd = torch.optim.SGD(model.parameters(), how.learning_rate, how.momentum)  # type: ignore[arg-type]
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, how.epochs * -(-len(x) // BATCH))
    orders = dice("batches", seed)
    for _ in range(how.epochs):
        for some in torch.split(torch.randperm(len(x), generator=orders).to(DEVICE), BATCH):
            sgd.zero_grad()
            penalty = how.l1 * torch.stack([weight.abs().sum() for weight in weights]).sum()  # type: ignore[operator]
            torch.autograd.backward(cross_entropy(model(x[some]), y[some]) + penalty)
            sgd.step()
            cosine.step()


def ready(
    problem: Dataset, recipe: Recipe, how: Training, seed: int, saved: Path
) -> tuple[nn.Module, float]:
    """Train a network or read it where it is saved: its weights fixed, and the minutes it took."""
    start, began = mlp(recipe.widths or [1, 1], seeds=(seed,)).to(DEVICE), time.monotonic()
    model = start.as_sequential(0) if recipe.widths else resnet18(problem.outputs, seed).to(DEVICE)
    if not saved.exists():
        if recipe.widths:
            model = trained(problem, start, how, seeds=[seed]).as_sequential(0)
        else:
            fit(model, problem, how, seed)
        took = (time.monotonic() - began) / 60
        torch.save({"minutes": took, "state": model.state_dict()}, saved)
    held = torch.load(saved, weights_only=True, map_location=DEVICE)
    model.load_state_dict(held["state"])
    return model.eval().requires_grad_(False), held["minutes"]


def objective(model: nn.Module, x: Tensor, y: Tensor, chunk: int, l1: float = 0.0) -> Objective:
    """Return cross-entropy and penalty, a chunk of samples at a time."""
    batches = zip(torch.split(x, chunk), torch.split(y, chunk), strict=True)
    return Objective(model, cross_entropy, list(batches), l1=l1)


def predicted(
    curved: Objective, rank: Ranking, allowed: float, counts: list[int], recipe: Recipe, seed: int
) -> tuple[dict[str, float], Tensor]:
    """Return the thresholds, and the model's rises at these counts."""
    H, w, D = hessian(curved), curved.weights(), len(rank.weights)
    throw = dice("spectrum", seed, device=DEVICE)
    run = quadrature(H, recipe.steps, throw, starts=recipe.starts)

    def star(spectrum: Spectrum, order: Ranking = rank) -> float:
        return bounds.removed_limit(bounds.removed_star, order, spectrum.absolute(), allowed)

    def misses(count: int) -> bool:
        along = lambda c: lanczos(H, c, recipe.steps).spectrum().absolute()  # noqa: E731
        return not bounds.removed_cone(along, rank, full, allowed, [count]).largest

    signed, full, alone = run.spectrum(), run.spectrum().absolute(), run.spectra()
    row = {"least": float(signed.values.min()), "largest": float(signed.values.max())}
    row["negative"] = -signed.mean(lambda t: t.clamp(max=0)) / full.mean(lambda t: t)
    row |= {"star": star(full), "star_half": star(run.spectrum(recipe.steps // 2))}
    row |= {"star_low": min(map(star, alone)), "star_high": max(map(star, alone))}
    row["star_random"] = star(full, Ranking.random(w, dice("support", seed, device=DEVICE)))
    for name, rule in (("trace", bounds.removed_trace), ("orthogonal", bounds.removed_orthogonal)):
        row[name] = bounds.removed_limit(rule, rank, full, allowed)
    model = path_costs(H, w, rank.order, counts)
    row |= scan("u2", model <= allowed, counts, D)
    at = sum(j <= row["star"] * D for j in counts)
    at += bisect_left(counts[at : at + 7], True, key=misses)
    return row | {"cone": [0, *counts][at] / D}, model


def limits(path: Path, note: Path, *, network: str, l1: float, seed: int) -> None:
    """Write the thresholds and the curves of one network."""
    recipe, (problem, files) = RECIPES[network], standardized(path)
    x, y, new, asked = (getattr(problem, name).to(DEVICE) for name in PARTS)
    how = Training(recipe.epochs, recipe.rate, BATCH, len(x), "sgd", 0.9, l1=l1, schedule="cosine")
    model, minutes = ready(problem, recipe, how, seed, note.with_suffix(".pt"))
    began, few, chunk = time.monotonic(), slice(recipe.curvature), recipe.chunk
    whole, curved = (objective(model, x[some], y[some], chunk, l1) for some in (slice(None), few))
    rank, gradient = Ranking.magnitude(whole.weights()), whole.gradient().double()
    D = len(rank.weights)
    counts = sorted({kept_count(share, D) for share in SHARES})

    @torch.no_grad()
    def scored(left: Tensor) -> tuple[Tensor, list[float]]:
        both = ([whole.outputs(left, some) for some in torch.split(of, chunk)] for of in (x, new))
        seen, tested = (torch.cat(parts).double() for parts in both)
        each, penalty = cross_entropy(seen, y, reduction="none"), l1 * float(left.double().norm(1))
        right = [float(accuracy(*pair)) for pair in ((tested, asked), (seen, y))]
        return each, [float(each.mean()), float(each.mean()) + penalty, *right]

    each, start = scored(whole.weights())
    allowed = oneshot.epsilon(each, BATCH, dice("epsilon", seed), shuffles=SHUFFLES)
    theory, rises = predicted(curved, rank, allowed, counts, recipe, seed)
    of: dict[str, Any] = {"network": network, "l1": l1, "seed": seed}
    row = of | {"weights": D, "epsilon": allowed, "gradient": float(gradient.norm())}
    row |= dict(zip(SCORES, start, strict=True)) | theory
    left = (rank.weights - rank.removed(j) for j in counts)
    curves = pd.DataFrame([scored(one.to(x))[1] for one in left], columns=SCORES).assign(**of)
    curves[SCORES[:2]] -= start[:2]
    curves["model"], curves["removed"] = rises.cpu().numpy(), [j / D for j in counts]
    for name in SCORES[:2]:
        row |= scan(f"{name}_within", curves[name] <= allowed, counts, D)
    c = rank.removed(round(row["u2"] * D))
    row["slope"] = -float(gradient @ c) / allowed
    exact = objective(copy.deepcopy(model).double(), x[few].double(), y[few], chunk)
    images = [hessian(one) @ c for one in (curved, exact, whole)]
    row["rounding"] = 1e6 * float((images[0] - images[1]).norm() / images[1].norm())
    row["subset"] = float(c @ images[0]) / float(c @ images[2])
    row |= {"minutes": minutes, "minutes_measured": (time.monotonic() - began) / 60}
    settings = {
        "dataset": problem.name, "samples": len(x), "test_samples": len(new), "batch": BATCH,
        "momentum": 0.9, "schedule": "cosine", "dtype": "float32",
        "threads": torch.get_num_threads(), **recipe._asdict(),
    }  # fmt: skip
    about: dict[str, Any] = {"settings": settings, "files": files, "chapter": CHAPTER}
    name = f"pruning-limit-{problem.name}"
    write_note(note, name, pd.DataFrame([row]), **about)
    write_note(note.with_stem(f"{note.stem}-curves"), f"{name}-curves", curves, **about)
    print(row, flush=True)


if __name__ == "__main__":
    parser, trains = commands(__doc__, ["mnist", "cifar10"], "limits")
    told = trains["limits"].add_argument
    told("--network", choices=[*RECIPES], required=True)
    told("--l1", type=float, required=True)
    told("--seed", type=int, default=0)
    chosen = vars(parser.parse_args())
    sample = partial(part, samples=SAMPLES, tests=TESTS)
    {"part": sample, "limits": limits, "keep": keep}[chosen.pop("command")](**chosen)

r"""Networks that train under injected noise: what may go, what the noise alone would let go.

The experiment of [W] (cited in ``noise.injection``): Ŵ = W₀ + gradient steps + N, with N the noise;
all layers but the last are pruned, unit by unit. Beside each network stand W₀ + N, the same dice
with the gradient switched off, and its certificate, from D = Ŵ - N. Frames are tidy; their column
``seed`` joins them. The control without noise is noise of scale 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from compressibility.bounds.injected_noise.certificates import certificate
from compressibility.checks import Share, decimal, need
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.experiments.steps import overflowing, tested
from compressibility.models.network import Network
from compressibility.noise.injection import HeavyTailedNoise
from compressibility.pruning import removal
from compressibility.training.loop import Hook, Training, train


@dataclass(frozen=True, eq=False)
class NoisyRun:
    """Networks that trained under noise, without those that diverged."""

    start: Network
    network: Network
    injected: Mapping[int, Tensor]  # by layer that may be pruned: its noise, float64
    seeds: tuple[int, ...]  # one per network
    samples: int  # the first ones, that trained
    diverged: dict[int, int]  # seed: its first bad step


def train_noisy(
    problem: Dataset,
    start: Network,
    how: Training,
    noise: HeavyTailedNoise,
    *,
    seeds: Sequence[int],
    rate: float | None = None,
    hooks: Sequence[Hook] = (),
) -> NoisyRun:
    """Train a copy of a start, one network per seed, on the first ``how.samples`` samples.

    A seed draws its network's batches and noise, alike under every noise of a kind: runs pair. The
    noise's ``rate`` is that of the training, unless given: in mean-field networks it is η where the
    training has ηn.

    >>> from compressibility.data.sets import load
    >>> from compressibility.models.network import mlp
    >>> noise = HeavyTailedNoise(alpha=1.75, scale=0.01, kind="shared")
    >>> once, start = Training(1, 0.1, 50, 100, "sgd"), mlp([64, 20, 10], init="torch")
    >>> run = train_noisy(load("digits"), start, once, noise, seeds=[0])
    >>> measure(run).query("share == noise_share").empty, run.diverged
    (False, {})
    """
    need(problem.task == "classification", "a task of classification", problem.task)
    need(rate is not None or not isinstance(how.learning_rate, tuple), "one rate", "several")
    need(len(set(seeds)) == len(seeds), "distinct seeds", list(seeds))
    x, y = problem.train_inputs[: how.samples], problem.train_targets[: how.samples]
    network, device = start.repeated(1), start.weights[0].device
    each = [dice("injected noise", seed, device=device) for seed in seeds]
    added = replace(noise, record=True).hook(how.learning_rate if rate is None else rate, each)
    how = replace(how, batch_size=min(how.batch_size, len(x)))
    with torch.enable_grad():
        done = train(network, x, y, how, loss="cross_entropy", seeds=seeds, hooks=[added, *hooks])
    network.requires_grad_(False)
    lost = dict.fromkeys(overflowing(network, x), len(done.losses) - 1)
    lost |= done.diverged | added.diverged
    kept = [e for e in range(len(seeds)) if e not in lost]
    need(len(kept) > 0, "a network that does not diverge", lost)
    start, network = (one.members(kept).requires_grad_(False) for one in (start, network))
    names = {f"weights.{at}": at for at in range(len(start.weights))}
    injected = {names[name]: total[kept] for name, total in added.injected.items()}
    steps = {seeds[e]: step for e, step in lost.items()}
    return NoisyRun(start, network, injected, tuple(seeds[e] for e in kept), len(x), steps)


def measure(run: NoisyRun, *, error: float = 0.1, kept: Share = 0.1) -> pd.DataFrame:
    """Measure each layer that got noise: a row per network and layer (from 1).

    Columns: ``share``, of the units that may go at this *squared* error; ``noise_share``, the same
    of W₀ + N; ``noise``, ‖N‖/‖W₀‖; ``moved``, ‖gradient steps‖/‖W₀‖; and for the ``kept`` largest
    units ``error``, with its bounds ``sharp`` and ``simple`` and their ``drift`` ‖D‖/‖N‖.
    """
    frames = []
    for at, total in run.injected.items():
        noise, before, after = (
            w.detach().double().flatten(2).cpu()
            for w in (total, run.start.weights[at], run.network.weights[at])
        )
        size, found = before.norm(dim=(1, 2)), certificate(after, noise, kept)
        columns = {
            "share": removal.rows_within(after, error).removed_share,
            "noise_share": removal.rows_within(before + noise, error).removed_share,
            "noise": noise.norm(dim=(1, 2)) / size,
            "moved": (after - before - noise).norm(dim=(1, 2)) / size,
            "error": found.error,
            "sharp": found.sharp,
            "simple": found.simple,
            "drift": found.drift,
        }
        frames.append(pd.DataFrame({"seed": run.seeds, "layer": at + 1} | columns))
    return pd.concat(frames, ignore_index=True)


def scores(run: NoisyRun, problem: Dataset, *, error: float = 0.1) -> pd.DataFrame:
    """Test before and behind the pruning at a squared error: a row per network.

    Columns: ``removed``, share of the weights of those layers; ``test_accuracy`` and, pruned,
    ``pruned_accuracy``; ``train_accuracy`` and ``pruned_train_accuracy``, on the samples used.
    """
    pruned, removed = _pruned(run, partial(removal.rows_within, error=error))
    columns: dict[str, object] = {"seed": run.seeds, "removed": removed}
    for part, x, y in (
        ("train_", problem.train_inputs[: run.samples], problem.train_targets[: run.samples]),
        ("", problem.test_inputs, problem.test_targets),
    ):
        columns[f"{part or 'test_'}accuracy"] = tested(run.network, x, y)
        columns[f"pruned_{part}accuracy"] = tested(pruned, x, y)
    return pd.DataFrame(columns)


def curve(run: NoisyRun, problem: Dataset, removed: Sequence[Share]) -> pd.DataFrame:
    """Test with so many of each such layer's smallest units gone: a row per share and network.

    Columns: ``seed``, ``removed`` and ``test_accuracy``.
    """
    need(len(removed) > 0, "at least 1 share", "none")
    x, y, frames = problem.test_inputs, problem.test_targets, []
    for share in removed:
        pruned, _ = _pruned(run, partial(_rows, kept=1 - decimal(share)))
        columns = {"seed": run.seeds, "removed": float(share)}
        frames.append(pd.DataFrame(columns | {"test_accuracy": tested(pruned, x, y)}))
    return pd.concat(frames, ignore_index=True)


def table(
    problem: Dataset,
    start: Network,
    how: Training,
    noises: Sequence[HeavyTailedNoise],
    *,
    seeds: Sequence[int],
    error: float = 0.1,
) -> pd.DataFrame:
    """Train under each noise, and join its columns, measures and scores: [W]'s tables.

    Columns besides those of :func:`measure` and :func:`scores`: ``kind``, ``alpha``, ``scale``. Of
    networks that ``diverged`` that column has the step, the others nothing; where all of a noise
    diverge, it is an error.
    """
    frames = []
    for noise in noises:
        run = train_noisy(problem, start, how, noise, seeds=seeds)
        found = measure(run, error=error).merge(scores(run, problem, error=error))
        found = pd.DataFrame({"seed": seeds}).merge(found, how="left")
        found["diverged"] = found.seed.map(run.diverged).astype("Int64")
        found.insert(0, "kind", noise.kind)
        frames.append(found.assign(alpha=noise.alpha, scale=noise.scale))
    return pd.concat(frames, ignore_index=True)


def _rows(weight: Tensor, kept: Share) -> removal.Removal:
    found = removal.nodes(weight.mT, kept)
    return replace(found, weight=found.weight.mT)


def _pruned(run: NoisyRun, prune: Callable[[Tensor], removal.Removal]) -> tuple[Network, Tensor]:
    """Return pruned networks, and the share of the weights of their layers that is gone."""
    network, gone, size = run.network, torch.zeros(len(run.seeds), dtype=torch.float64), 0
    for at in run.injected:
        weight = run.network.weights[at].detach()
        found = prune(weight.flatten(2))
        network = network.with_weight(at, found.weight.reshape(weight.shape))
        gone += found.removed_share.cpu() * weight[0].numel()
        size += weight[0].numel()
    return network, gone / size

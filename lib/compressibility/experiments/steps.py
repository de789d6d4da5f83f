"""Do large steps make networks prunable? Grids of rates and batch sizes, and what they leave.

The experiment of [B] (cited in ``noise.stable``), at a small scale: constant rates, no momentum.
Full batches and a row per layer are ours. Frames are tidy; their column ``network`` joins them:
``grid.cells.merge(measure(grid.network))``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import pandas as pd
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from compressibility.checks import Share, decimal, need, whole
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.metrics import accuracy
from compressibility.models.network import Network
from compressibility.noise import tails
from compressibility.pruning import removal
from compressibility.pruning.kterm import removable
from compressibility.training.loop import Average, Training, train

PRUNINGS = {"magnitude": removal.magnitude, "nodes": removal.nodes, "ranks": removal.ranks}


@dataclass(frozen=True, eq=False)
class Grid:
    """Trained networks, and a row of ``cells`` for each that was started.

    Columns: batch, rate, seed, steps; ``diverged``, the first step with a loss of nan or infinity,
    if any; ``network``, the position in the stacks, -1 if diverged; train_loss, train_accuracy,
    test_accuracy. A network may also collapse and stay finite: its train_accuracy tells.
    """

    cells: pd.DataFrame
    network: Network  # behind the last step, without those that diverged
    average: Network  # their means over the last steps


def train_grid(
    problem: Dataset,
    start: Network,
    rates: Mapping[int, Sequence[float]],
    *,
    seeds: Sequence[int],
    steps: int,
    samples: int,
    average: int = 1,
) -> Grid:
    """Train each network of a start at every rate, all of one batch size together.

    ``rates`` are those of each batch size, full batch from ``samples`` on. ``seeds``, one for each
    network of the start, order the samples, alike at every rate. Training ends with the epoch that
    reaches ``steps``, on the device of the start; ``average`` so many last iterates.

    >>> from compressibility.data.sets import load
    >>> from compressibility.models.network import mlp
    >>> start, rates = mlp([64, 8, 10], init="torch"), {10: [0.1, 0.2], 50: [0.1]}
    >>> grid = train_grid(load("digits"), start, rates, seeds=[0], steps=7, samples=50)
    >>> grid.cells[["batch", "steps"]].values.tolist(), grid.network.networks
    ([[10, 10], [10, 10], [50, 7]], 3)
    """
    need(problem.task == "classification", "a task of classification", problem.task)
    need(len(rates) > 0 and all(map(len, rates.values())), "rates for each batch size", dict(rates))
    need(len(seeds) > 0, "at least 1 seed", "none")
    whole(steps=steps, samples=samples, average=average)
    need(average <= steps, f"average <= steps = {steps}", average)
    device, frames = start.weights[0].device, []
    stacks: tuple[list[list[Tensor]], list[list[Tensor]]] = [], []
    x, y = (t[:samples].to(device) for t in (problem.train_inputs, problem.train_targets))
    for batch, some in rates.items():
        whole(batch=batch)
        network, size = start.repeated(len(some)), min(batch, len(x))
        epochs = math.ceil(steps / math.ceil(len(x) / size))
        cells = pd.DataFrame([(size, r, s) for s in seeds for r in some])
        cells.columns = ["batch", "rate", "seed"]
        how = Training(epochs, tuple(map(float, cells.rate)), size, optimizer="sgd")
        mean = Average(epochs * math.ceil(len(x) / size) - average)
        orders = cells.seed.tolist()
        with torch.enable_grad():
            done = train(network, x, y, how, loss="cross_entropy", seeds=orders, hooks=[mean])
        cells["steps"] = len(done.losses)
        network.requires_grad_(False)
        lost = dict.fromkeys(overflowing(network, x), len(done.losses)) | done.diverged
        cells["diverged"] = pd.array([lost.get(e) for e in cells.index], dtype="Int64")
        kept = [e for e in cells.index if e not in lost]
        for stack, weights in zip(stacks, ([*network.weights], mean.means), strict=True):
            stack.append([w[kept].to(x.dtype) for w in weights])
        frames.append(cells)
    cells = pd.concat(frames, ignore_index=True)
    alive = cells.diverged.isna()
    need(bool(alive.any()), "a network that does not diverge", cells.diverged.tolist())
    cells["network"] = (alive.cumsum() - 1).where(alive, -1)
    network, averaged = (
        start.like([torch.cat(some) for some in zip(*stack, strict=True)]).requires_grad_(False)
        for stack in stacks
    )
    members = map(network.member, range(network.networks))
    losses = [functional.cross_entropy(one(x)[0], y).item() for one in members]
    cells.loc[alive, "train_loss"] = losses
    cells.loc[alive, "train_accuracy"] = tested(network, x, y)
    cells.loc[alive, "test_accuracy"] = tested(network, problem.test_inputs, problem.test_targets)
    return Grid(cells, network, averaged)


def measure(network: Network, *, error: float = 0.1, orders: int = 5) -> pd.DataFrame:
    """Measure the weights of each layer: a row per network and layer (from 1).

    Columns: ``share``, removable at this relative error; the estimates of ``noise.tails``, that is
    ``hill`` (largest 1 %), ``block`` and ``slope`` of the weights and ``vectors``, the block
    estimate of rows (in the last layer columns), the three as medians over so many ``orders``,
    five in [B]'s code; ``kurtosis``, 3 for a Gaussian; ``norms``, of rows, largest over smallest;
    ``even_share`` and ``even_kurtosis``, of rows divided by their norms: no mixture of scales.
    Unlike in [B]'s code, shares are of the weights, not of deviations from their median.

    >>> from compressibility.models.network import mlp
    >>> measure(mlp([64, 20, 10], seeds=[0, 1]))[["network", "layer"]].values.tolist()
    [[0, 1], [1, 1], [0, 2], [1, 2]]
    """
    whole(orders=orders)
    block = lambda values: tails.blocks(values).index  # noqa: E731
    rows = []
    for at, stack in enumerate(network.weights):
        rows_of = stack.detach().double().cpu().flatten(2)
        last, norms = at + 1 == len(network.weights), rows_of.norm(dim=2)
        even = functional.normalize(rows_of, dim=2).flatten(1)
        flat = rows_of.flatten(1)
        sizes = [m for m in tails.SLOPE if 8 * m <= flat.shape[1]]
        slope = partial(tails.slope_index, sizes=sizes)
        stacked = {
            "share": removable(flat, error),
            "norms": norms.amax(1) / norms.amin(1),
            "even_share": removable(even, error),
            "kurtosis": stats.kurtosis(flat, axis=1, fisher=False),
            "even_kurtosis": stats.kurtosis(even, axis=1, fisher=False),
        }
        each = {
            "block": [_shuffled(block, w, orders) for w in flat],
            "vectors": [_shuffled(block, w.T if last else w, orders) for w in rows_of],
            "slope": [_shuffled(slope, w, orders) for w in flat],
            "hill": [tails.hill(w, max(5, len(w) // 100)).value for w in flat],
        }
        names = {"network": range(network.networks), "layer": at + 1}
        rows.append(pd.DataFrame(names | stacked | each))
    return pd.concat(rows, ignore_index=True)


def accuracies(network: Network, problem: Dataset, removed: Sequence[Share]) -> pd.DataFrame:
    """Prune every layer but the last, in three ways, and test: a row per way, share and network.

    Columns: ``pruning``; ``removed``, the share of the weights, columns or singular values of each
    layer; ``network``; ``stored``, the numbers kept over the weights of all layers;
    ``test_accuracy``.

    >>> from compressibility.data.sets import load
    >>> from compressibility.models.network import mlp
    >>> len(accuracies(mlp([64, 20, 10], seeds=[0, 1]), load("digits"), [0, 0.5, 0.9]))
    18
    """
    need(len(removed) > 0, "at least 1 share", "none")
    *inner, head = (weight.detach() for weight in network.weights)
    sizes, frames = [weight[0].numel() for weight in (*inner, head)], []
    for name, prune in PRUNINGS.items():
        for share in removed:
            found = [prune(weight, 1 - decimal(share)) for weight in inner]
            stored = sum(f.stored_share.cpu() * n for f, n in zip(found, sizes, strict=False))
            pruned = network.like([*(f.weight for f in found), head])
            columns = {"pruning": name, "removed": float(share), "network": range(len(head))}
            columns |= {"stored": (stored + sizes[-1]) / sum(sizes)}
            seen = tested(pruned, problem.test_inputs, problem.test_targets)
            frames.append(pd.DataFrame(columns | {"test_accuracy": seen}))
    return pd.concat(frames, ignore_index=True)


def _shuffled(estimate: Callable[[Tensor], tails.TailIndex], values: Tensor, orders: int) -> float:
    """Median over orders: in a row as it is, weights of neighboring pixels go together."""
    thrown = dice("orders", len(values))
    drawn = [torch.randperm(len(values), generator=thrown) for _ in range(orders)]
    return median(estimate(values[order]).value for order in drawn)


def overflowing(network: Network, inputs: Tensor) -> list[int]:
    """Return the networks whose weights, or outputs for these inputs, are not finite.

    >>> from compressibility.models.network import mlp
    >>> overflowing(mlp([2, 3], seeds=[0, 1]), torch.full((1, 2), 3e38))
    [0, 1]
    """
    x = torch.split(inputs.to(network.weights[0].device), 8192)
    whole = torch.stack([w.isfinite().flatten(1).all(1) for w in network.weights]).all(0).tolist()
    return [
        e
        for e, finite in enumerate(whole)
        if not (finite and all(bool(network.member(e)(some).isfinite().all()) for some in x))
    ]


def tested(network: Network, inputs: Tensor, targets: Tensor) -> list[float]:
    """Return each network's accuracy on samples, (N, features) and (N,), from any device.

    >>> from compressibility.models.network import mlp
    >>> tested(mlp([2, 1], seeds=[0, 1]), torch.ones(3, 2), torch.tensor([0, 0, 0]))
    [1.0, 1.0]
    """
    device = network.weights[0].device
    x, y = torch.split(inputs.to(device), 8192), targets.to(device)
    members = (network.member(e) for e in range(network.networks))
    with torch.no_grad():
        return [accuracy(torch.cat([one(some)[0] for some in x]), y).item() for one in members]

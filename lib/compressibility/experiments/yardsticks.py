"""One layer of trained networks, cut in five ways and held against four yardsticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pandas as pd
import torch
from torch import Tensor

from compressibility.bounds.pruned_layer.mixtures import best_keep
from compressibility.checks import Share, decimal
from compressibility.data.sets import Dataset
from compressibility.dice import dice, uniforms
from compressibility.experiments.family import Ruler, allowed_rise, variance
from compressibility.experiments.noisy import NoisyRun
from compressibility.metrics import accuracy
from compressibility.models.network import Network
from compressibility.pruning import masks, removal
from compressibility.pruning.draws import Pruning
from compressibility.pruning.moments import Moments
from compressibility.pruning.oneshot import losses

CUTS = ("magnitude", "units", "Wanda", "prices", "dice")


@torch.no_grad()
def curves(
    problem: Dataset, run: NoisyRun, l1: float, ruler: Ruler, removed: Sequence[Share]
) -> pd.DataFrame:
    r"""Cut W alone, in all ways: a row per network, ``cut`` and ``removed`` share.

    Cuts: the smallest weights, the smallest rows ("units"), the least :math:`w_{ij}^2 E x_j^2` of
    each row ("Wanda") or the layer ("prices"), the best unbiased "dice" at that share. Means over
    throws: ``weights``, relative error; ``outputs``, root of damage over variance of Wx; ``loss``,
    rise of the total loss in ε; ``accuracy``, test points lost.
    """
    x, y = problem.train_inputs[: run.samples], problem.train_targets[: run.samples]
    seen, frames = Moments.of(x), []
    for e, seed in enumerate(run.seeds):
        network, weight = run.network.member(e), run.network.weights[0][e].detach()
        allowed, unit = allowed_rise(network, x, y, ruler, seed), variance(weight, seen)
        paid = masks.prices(weight, seen.second)
        begun = _scores(network, weight[None], problem, x, y)
        for cut in CUTS:
            made = torch.stack([_cut(weight, paid, cut, one, ruler, seed) for one in removed])
            hole, size = (weight - made).double(), weight.double().square().sum()
            values = _scores(network, made.flatten(0, 1), problem, x, y) - begun
            loss, right = values.reshape(*made.shape[:2], 2).mean(1).T
            penalty = l1 * (weight.abs().sum() - made.abs().sum((2, 3)).mean(1))
            columns = {
                "weights": (hole.square().sum((2, 3)).mean(1) / size).sqrt(),
                "outputs": (masks.damage(hole, seen.second).sum(2).mean(1) / unit).sqrt(),
                "loss": (loss - penalty) / allowed,
                "accuracy": -100 * right,
            }
            names = {"seed": seed, "cut": cut, "removed": [float(share) for share in removed]}
            frames.append(pd.DataFrame(names | columns))
    return pd.concat(frames, ignore_index=True)


def within(frame: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """Return the largest removed share of ``curves`` within each limit, by network and cut.

    >>> one = pd.DataFrame({"seed": 0, "cut": "units", "removed": [0.1, 0.2], "loss": [0.5, 2.0]})
    >>> within(one, {"loss": 1.0}).values.tolist()
    [[0, 'units', 0.1]]
    """
    passing = {name: frame.removed.where(frame[name] <= most) for name, most in limits.items()}
    groups = frame[["seed", "cut"]].assign(**passing).groupby(["seed", "cut"], sort=False)
    return groups.max().fillna(0.0).reset_index()


def _cut(weight: Tensor, paid: Tensor, cut: str, share: Share, ruler: Ruler, seed: int) -> Tensor:
    """Return W, of these prices, after a cut: (throws, rows, columns)."""
    if cut == "magnitude":
        return removal.magnitude(weight, 1 - decimal(share)).weight[None]
    if cut == "units":
        return removal.nodes(weight.mT, 1 - decimal(share)).weight.mT[None]
    if cut in ("Wanda", "prices"):
        gone = masks.cheapest(paid, share, by="row" if cut == "Wanda" else "layer")
        return weight.masked_fill(gone, 0.0)[None]
    n, (part, keep, _) = weight.numel(), best_keep(paid.flatten(), share)
    diced = masks.cheapest(paid, Fraction(round(part * n), n), by="layer")
    thrown = uniforms((ruler.throws, *weight.shape), dice("family", "dice", seed))
    return torch.where(diced, Pruning(keep).decide(weight, thrown.to(weight.device)), weight)


def _scores(network: Network, made: Tensor, problem: Dataset, x: Tensor, y: Tensor) -> Tensor:
    """Return loss and test accuracy with each of W's (K, rows, columns) in its place: (K, 2)."""
    copies = network.repeated(len(made)).with_weight(0, made)
    right = accuracy(copies(problem.test_inputs), problem.test_targets)
    return torch.stack([losses(copies, x, y).mean(1), right], 1)

r"""One family of networks before four theories: what each predicts, beside what is measured.

Networks :math:`V\,\varphi(Wx)` of one data set, alike but for how they train. All theories speak of
W, the pruning limit of V too. The papers: [B] (cited in ``pruning.kterm``), [W]
(``noise.injection``), [Z] (``bounds.pruning_limit.cones``), [EGM] (``pruning.draws``). Frames are
tidy; ``seed`` joins those of one run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from scipy import optimize, special
from torch import Tensor

from compressibility.bounds.pruned_layer.promises import vacuity
from compressibility.bounds.wide_networks import Asked, Constants, audit
from compressibility.checks import Share, need
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.experiments import noisy, oneshot
from compressibility.experiments.ladder import climb
from compressibility.experiments.noisy import NoisyRun
from compressibility.models.network import Network, mlp
from compressibility.noise.diagnose import diagnose
from compressibility.noise.injection import HeavyTailedNoise
from compressibility.pruning import masks
from compressibility.pruning.cuts import Cut, Plan
from compressibility.pruning.draws import Pruning
from compressibility.pruning.kterm import GAUSSIAN, Law, kept_count, removable, stable_rate
from compressibility.pruning.moments import Moments
from compressibility.pruning.oneshot import along, epsilon, losses
from compressibility.pruning.wide import compress_wide
from compressibility.spectrum.operators import hessian
from compressibility.spectrum.traces import path_costs
from compressibility.training.loop import Training

_COLUMNS = ["seed", "theory", "number", "unit", "predicted", "measured", "assumed", "speaks"]
_Rows = list[tuple[object, ...]]
_INDICES = (1.25, 1.5, 1.75, 1.9, 2.0)  # between which the block estimate's share is read


@dataclass(frozen=True)
class Variant:
    """How the networks of one kind train; all else is alike."""

    rate: float  # of plain SGD; 0: they do not train
    l1: float = 0.0
    noise: HeavyTailedNoise | None = None


@dataclass(frozen=True)
class Ruler:
    """What is allowed, and how closely it is looked at."""

    error: float = 0.1  # I: relative, of the weights
    squared: float = 0.1  # II: of the units, as in [W]'s tables
    kept: Share = 0.5  # II: units that a certificate keeps
    batch: int = 64  # III: of ε
    shares: tuple[Share, ...] = tuple(Fraction(j, 20) for j in range(1, 21))  # III: removed
    cones: tuple[Share, ...] = tuple(Fraction(j, 10) for j in range(5, 11))  # III: of the cone
    steps: int | None = 8  # III: of Lanczos; None: the dense Hessian
    keep: float = 0.5  # IV: chance that dice keep a weight
    diced: float = 0.5  # IV: share of W
    throws: int = 4


def train(
    problem: Dataset,
    width: int,
    variants: Mapping[str, Variant],
    how: Training,
    *,
    seeds: Sequence[int],
) -> dict[str, NoisyRun]:
    """Train every variant from the same starts, on the same orders of samples: a run each.

    ``how`` says all but optimizer, rate and penalty.

    >>> from compressibility.data.sets import load
    >>> how = Training(1, batch_size=50, samples=100)
    >>> list(train(load("digits"), 8, {"untrained": Variant(0.0)}, how, seeds=[0]))
    ['untrained']
    """
    widths, dtype = [problem.features, width, problem.outputs], problem.train_inputs.dtype
    start = mlp(widths, init="torch", seeds=seeds, dtype=dtype)
    runs, silence = {}, HeavyTailedNoise(alpha=2, scale=0, kind="shared")
    for name, one in variants.items():
        if one.rate:
            steps = replace(how, learning_rate=one.rate, l1=one.l1, optimizer="sgd")
            noise = one.noise or silence
            runs[name] = noisy.train_noisy(problem, start, steps, noise, seeds=seeds)
        else:
            begun = start.repeated(1).requires_grad_(False)
            nothing = {0: torch.zeros_like(begun.weights[0], dtype=torch.float64)}
            runs[name] = NoisyRun(begun, begun, nothing, tuple(seeds), how.samples, {})
    return runs


@torch.no_grad()
def theories(problem: Dataset, run: NoisyRun, l1: float, ruler: Ruler) -> pd.DataFrame:
    r"""Hold each network of a run against each theory: a row per network and number.

    Columns: ``theory``, ``number``, ``unit``, ``predicted``, ``measured``; ``assumed``, a measure
    of the assumption; ``speaks``, whether theory and number say anything of this network.

    - I "law": share of W removable at a relative error, and that of the exponential power law of
      W's E|w| and E w²; "stable": that of as many stable values of W's block estimate, which
      speaks where the tail is diagnosed as heavy. Assumed: Hill's estimate;
    - II "certificate": error of the kept units and its bound sin(A + B), which speaks below 1.
      Assumed: ‖D‖/‖N‖. "noise": share of units removable, and that of start plus noise;
    - III "u2", "star", "orthogonal", "cone", dense "obs" (``oneshot.predicted``): share of all
      weights, and the largest with the total loss within ε. Assumed: the first-order term at u2
      in ε, up to 1 where they speak;
    - IV, over the variance of Wx, damage of dice: "identity", its exact mean, and "bound", printed
      in [EGM]; over that of the outputs "promise", V(½). Assumed: how many times widths are short.
    """
    x, y = problem.train_inputs[: run.samples], problem.train_targets[: run.samples]
    problem = replace(problem, train_inputs=x, train_targets=y)
    rows = _heavy(run, ruler) + _noise(run, ruler)
    rows += _limit(problem, run, l1, ruler) + _wide(run, x, ruler)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _heavy(run: NoisyRun, ruler: Ruler) -> _Rows:
    rows: _Rows = []
    for seed, w in zip(run.seeds, run.network.weights[0].detach().double().flatten(1), strict=True):
        order = torch.randperm(len(w), generator=dice("orders", seed))  # pixels lie side by side
        found = diagnose(w[order], dice("controls", seed), share=0.05)
        index, hill = (found.estimates["values"][name].value for name in ("blocks", "Hill"))
        stable = float(np.interp(index, _INDICES, _stable_shares(len(w), ruler.error)))
        measured, heavy = removable(w, ruler.error).item(), found.verdict.startswith("yes")
        law = fitted(w).removable(ruler.error)
        rows.append((seed, "I", "law", "share", law, measured, hill, True))
        rows.append((seed, "I", "stable", "share", stable, measured, hill, heavy))
    return rows


@cache
def _stable_shares(total: int, error: float) -> tuple[float, ...]:
    """Return the shares at which the median error of so many stable values is as allowed."""

    def share(alpha: float) -> float:
        gap = lambda kept: stable_rate(float(alpha), float(kept), total) - error  # noqa: E731
        return 1 - float(optimize.brentq(gap, 1 / total, 1.0, xtol=1e-3))

    return (*map(share, _INDICES[:-1]), GAUSSIAN.removable(error))


def fitted(values: Tensor) -> Law:
    r"""Return the law of density :math:`\propto e^{-|x|^b}`, of any scale, with (E|x|)²/E x²."""
    ratio = float(values.abs().mean() / values.square().mean().sqrt())

    def gap(b: float) -> float:  # E|x|^q = Γ((q + 1)/b) / Γ(1/b)
        one, two, three = (float(special.gammaln(q / b)) for q in (1, 2, 3))
        return two - (one + three) / 2 - math.log(ratio)

    b = float(optimize.brentq(gap, 0.1, 50.0)) if gap(50.0) > 0 else 50.0  # nearly uniform
    return Law(lambda k, q: special.gammainc((q + 1) / b, special.gammainccinv(1 / b, k)))


def _noise(run: NoisyRun, ruler: Ruler) -> _Rows:
    rows: _Rows = []
    for one in noisy.measure(run, error=ruler.squared, kept=ruler.kept).itertuples():
        said = "error", one.sharp, one.error, one.drift, one.sharp < 1
        alone = "share", one.noise_share, one.share, one.drift, one.noise > 0
        rows += [(one.seed, "II", "certificate", *said), (one.seed, "II", "noise", *alone)]
    return rows


def _limit(problem: Dataset, run: NoisyRun, l1: float, ruler: Ruler) -> _Rows:
    rows: _Rows = []
    x, y = problem.train_inputs, problem.train_targets
    score = partial(oneshot.scores, problem=problem, l1=l1)
    for e, seed in enumerate(run.seeds):
        one = run.network.member(e)
        bowl, rank = oneshot.objective(one, problem, l1), oneshot.ranking(one, "magnitude")
        D, allowed = len(rank.order), allowed_rise(one, x, y, ruler, seed)
        counts, few = ([kept_count(s, D) for s in some] for some in (ruler.shares, ruler.cones))
        ((found, _),) = oneshot.predicted(bowl, [rank], allowed, few, steps=ruler.steps)
        rises = along(one, rank.order, counts, score)[:, 1] - score(one)[0, 1]
        model = path_costs(hessian(bowl), rank.weights, rank.order, counts)
        found |= oneshot.scan("u2", model <= allowed, counts, D)
        measured = oneshot.scan("total", rises <= allowed, counts, D)["total"]
        slope = -float(bowl.gradient().double() @ rank.removed(round(found["u2"] * D))) / allowed
        names = [name for name in ("u2", "star", "orthogonal", "cone", "obs") if name in found]
        said = measured, slope, abs(slope) <= 1
        rows += [(seed, "III", name, "share", found[name], *said) for name in names]
    return rows


def _wide(run: NoisyRun, x: Tensor, ruler: Ruler) -> _Rows:
    rows: _Rows = []
    seen, radius, asked = Moments.of(x), float(x.norm(dim=1).max()), Asked(0.5, share=ruler.diced)
    cut, plan = Cut(Pruning(ruler.keep), share=ruler.diced), Plan(run.network.widths, wide=(1,))
    for e, seed in enumerate(run.seeds):
        network, layer = run.network.member(e), run.network.layer(0, e)
        made = compress_wide(layer, x, cut, dice("family", seed), throws=ruler.throws)
        rungs = climb(layer, x, cut, made, phi=network.activation).rungs
        unit, facts = variance(layer.weight, seen), Constants.of(run.network, e)
        damage = {name: 10 ** float(rung) / unit for name, rung in rungs.items()}
        failed = [row for row in audit("2", plan, cut.draw, facts, asked).rows if not row.holds]
        short = max([1.0, *(max(r.left / r.right, r.right / r.left) for r in failed)])
        outputs, thrown = network(x), network.repeated(ruler.throws).with_weight(0, made.weight)(x)
        total = float(outputs[0].var(0, correction=0).sum())
        moved = float((thrown - outputs).square().sum(-1).mean()) / total
        V = vacuity(asked.xi, c1=facts.c1, m=2, radius=radius, variance=total)
        for number, predicted, found, says in (
            ("identity", damage["exact"], damage["before"], True),
            ("bound", damage["printed"], damage["before"], damage["printed"] < 1),
            ("promise", V, moved, V < 1 and short == 1),
        ):
            rows.append((seed, "IV", number, "variance", predicted, found, short, says))
    return rows


def allowed_rise(network: Network, x: Tensor, y: Tensor, ruler: Ruler, seed: int) -> float:
    """Return ε of one network, the standard deviation of its loss over batches; 0 is refused."""
    allowed = epsilon(losses(network, x, y)[0], ruler.batch, dice("epsilon", seed), shuffles=50)
    need(allowed > 0, "losses that differ: where all are 0 no rise is allowed", allowed)
    return allowed


def variance(weight: Tensor, seen: Moments) -> float:
    """Return the variance of Wx, summed over outputs.

    >>> variance(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), Moments.of(torch.eye(2)))
    0.5
    """
    return float(masks.damage(weight, seen.covariance).sum())

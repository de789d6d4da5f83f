r"""Does theory predict one-shot pruning? Measured thresholds beside predicted ones, per network.

Shares are *removed* ones, of all D weights. A threshold is the largest with a loss within ε of that
of the trained w*; ``…_first`` the last before the first that is not, where nothing is monotone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from compressibility.bounds.pruning_limit import costs, limits
from compressibility.bounds.pruning_limit.costs import Ranking, Scan
from compressibility.checks import Share, need, whole
from compressibility.data.sets import Dataset
from compressibility.dice import dice
from compressibility.metrics import accuracy
from compressibility.models.network import Network
from compressibility.pruning import oneshot
from compressibility.pruning.kterm import kept_count
from compressibility.spectrum.density import Spectrum
from compressibility.spectrum.lanczos import lanczos, quadrature
from compressibility.spectrum.operators import Objective, Operator, hessian
from compressibility.spectrum.traces import path_costs
from compressibility.training.loop import Training

_SAMPLES = 4096  # in a product with the Hessian
SCORES = ["cross_entropy", "total", "test_accuracy"]  # the total has the penalty


@dataclass(frozen=True)
class Protocol:
    """How trained networks are pruned."""

    batch_size: int = 128  # of ε
    shuffles: int = 400  # over which ε² is averaged; 1 in [Z]
    shares: tuple[Share, ...] = tuple(Fraction(j, 400) for j in range(1, 401))
    supports: tuple[str, ...] = ("magnitude",)  # or "random"
    steps: int | None = None  # of Lanczos; None: the dense Hessian
    retraining: Training | None = None  # of the kept weights; its l1 is that of before
    retrained: tuple[Share, ...] = ()  # removed before it


@dataclass(frozen=True, eq=False)
class Result:
    """Tidy frames, which ``network`` and ``support`` join."""

    table: pd.DataFrame
    curves: pd.DataFrame
    retrained: pd.DataFrame


def measure(
    problem: Dataset, network: Network, how: Training, protocol: Protocol, *, seeds: Sequence[int]
) -> Result:
    r"""Prune networks as ``recipes.trained`` left them; ``seeds`` order a retraining's samples.

    The problem's inputs are of the networks' dtype and device; float64 is meant.

    ``table``, a row per network and support. Of w*: ``l1``, ``weights`` (D), ``epsilon``, its
    scores, ``gradient`` (the norm of the total's). Thresholds measured: ``cross_entropy_within``,
    ``total_within`` and, of total losses retrained, ``retrained_within`` and ``control_within``,
    that of a dense network retrained as long. Predicted: those of :func:`predicted`. ``slope``:
    :math:`-\nabla L^\top c / \varepsilon` at ``u2``, which all predictions leave out: where it is
    not small beside 1, w* is no minimum and they do not apply.

    ``curves``, a row per share: rises of ``cross_entropy`` and ``total``, ``test_accuracy``, and
    ``model``, :math:`\frac12 c^\top H c`. ``retrained``: scores themselves, "dense" the control's.
    """
    penalties = how.l1 if isinstance(how.l1, tuple) else (how.l1,) * network.networks
    need(len(penalties) == network.networks, f"{network.networks} l1, one per network", penalties)
    x, y = problem.train_inputs[: how.samples], problem.train_targets[: how.samples]
    problem = replace(problem, train_inputs=x, train_targets=y)
    again = _retrained(problem, network, penalties, protocol, seeds)
    rows, curves = [], []
    for e, l1 in enumerate(penalties):
        one, score = network.member(e), partial(scores, problem=problem, l1=l1)
        start, bowl, thrown = score(one)[0].cpu(), objective(one, problem, l1), dice("epsilon", e)
        losses, size, times = oneshot.losses(one, x, y)[0], protocol.batch_size, protocol.shuffles
        allowed = oneshot.epsilon(losses, size, thrown, shuffles=times)
        gradient = bowl.gradient().double()
        D, norm = len(gradient), float(gradient.norm())
        of = {"network": e, "l1": l1, "weights": D, "epsilon": allowed, "gradient": norm}
        of |= dict(zip(SCORES, start.tolist(), strict=True))
        counts, some = (_counts(shares, D) for shares in (protocol.shares, protocol.retrained))
        ranks = [ranking(one, support, e) for support in protocol.supports]
        theory = predicted(bowl, ranks, allowed, counts, steps=protocol.steps)
        for support, rank, (row, model) in zip(protocol.supports, ranks, theory, strict=True):
            rises = oneshot.along(one, rank.order, counts, score).cpu()
            rises[:, :2] -= start[:2]
            frame = pd.DataFrame(rises.numpy(), columns=SCORES)
            frame["removed"], frame["model"] = [j / D for j in counts], model.cpu().numpy()
            curves.append(frame.assign(network=e, support=support, l1=l1))
            row |= scan("cross_entropy_within", rises[:, 0] <= allowed, counts, D)
            row |= scan("total_within", rises[:, 1] <= allowed, counts, D)
            if protocol.retraining:
                total = again[again.network == e].set_index("support").total
                after, dense = torch.tensor(total[[support]].to_numpy()), total["dense"]
                row |= scan("retrained_within", after - of["total"] <= allowed, some, D)
                row |= scan("control_within", after - dense <= allowed, some, D)
            row["slope"] = -float(gradient @ rank.removed(round(row["u2"] * D))) / allowed
            rows.append({**of, "support": support, **row})
    return Result(pd.DataFrame(rows), pd.concat(curves, ignore_index=True), again)


def predicted(
    objective: Objective,
    rankings: Sequence[Ranking],
    epsilon: float,
    counts: list[int],
    *,
    steps: int | None = None,
) -> list[tuple[dict[str, float], Tensor]]:
    r"""Return each ranking's thresholds, and :math:`\frac12 c^\top H c` (C,) for these counts.

    ``u2`` is that of pruning as it is, with H; the others, with :math:`|H|`, those of re-adjusted
    weights: ``trace``, ``star``, ``orthogonal``, ``cone`` and, of a dense H, ``obs``. Lanczos takes
    ``steps`` from each of three starts, and from every c; its values are :math:`|\theta|`.
    """
    whole(steps=1 if steps is None else steps)
    H, throw = hessian(objective), dice("spectrum", device=objective.weights().device)
    bowl = H.dense() if steps is None else None
    spectrum = (bowl.spectrum if bowl else quadrature(H, steps or 1, throw).spectrum()).absolute()
    fast, found = Operator.of(bowl) if bowl else H, []

    def along(c: Tensor) -> Spectrum:
        return (bowl.along(c) if bowl else lanczos(H, c, steps or 1).spectrum()).absolute()

    absolute = bowl.absolute() if bowl else None
    rules = (limits.removed_trace, limits.removed_star, limits.removed_orthogonal)
    for rank in rankings:
        fixed = [limits.removed_limit(rule, rank, spectrum, epsilon) for rule in rules]
        row = dict(zip(("trace", "star", "orthogonal"), fixed, strict=True))
        if absolute:
            exact = costs.readjusted_costs(absolute, rank)
            row["obs"] = costs.removable(exact, epsilon).largest
        cone = limits.removed_cone(along, rank, spectrum, epsilon, counts)
        model = path_costs(fast, rank.weights, rank.order, counts)
        row |= scan("u2", model <= epsilon, counts, len(rank.weights))
        found.append((row | {"cone": cone.largest, "cone_first": cone.first}, model))
    return found


def ranking(network: Network, support: str, name: int = 0) -> Ranking:
    """Return the order in which the weights of one network go: by "magnitude" or "random"."""
    need(support in ("magnitude", "random"), "support 'magnitude' or 'random'", repr(support))
    weights = oneshot.flat(network)[0]
    if support == "magnitude":
        return Ranking.magnitude(weights)
    return Ranking.random(weights, dice("support", name, device=weights.device))


def scores(network: Network, problem: Dataset, l1: float) -> Tensor:
    """Return cross-entropy, the same with the penalty, and test accuracy: (E, 3) float64."""
    loss = oneshot.losses(network, problem.train_inputs, problem.train_targets).mean(1)
    total = loss + l1 * oneshot.flat(network).double().abs().sum(1)
    with torch.no_grad():
        tested = accuracy(network(problem.test_inputs), problem.test_targets)
    return torch.stack([loss, total, tested], 1)


def objective(network: Network, problem: Dataset, l1: float) -> Objective:
    """Return what training minimized, cross-entropy and penalty, of one network."""
    seen = (torch.split(t, _SAMPLES) for t in (problem.train_inputs, problem.train_targets))
    loss = lambda outputs, targets: functional.cross_entropy(outputs[0], targets)  # noqa: E731
    return Objective(network.eval(), loss, list(zip(*seen, strict=True)), l1=l1)


def _retrained(
    problem: Dataset,
    network: Network,
    penalties: Sequence[float],
    protocol: Protocol,
    seeds: Sequence[int],
) -> pd.DataFrame:
    """Train on from all supports and shares, and from w*, at once: a row for each."""
    columns = ["network", "support", "removed"]
    if protocol.retraining is None:
        return pd.DataFrame(columns=[*columns, *SCORES])
    need(len(seeds) == network.networks, f"{network.networks} seeds, one per network", seeds)
    rows, stay = [], []
    for e in range(network.networks):
        for support in ("dense", *protocol.supports):
            shares = (0,) if support == "dense" else protocol.retrained
            rank = ranking(network.member(e), support.replace("dense", "magnitude"), e)
            counts = _counts(shares, len(rank.order))
            stay.append(oneshot.kept(rank.order, counts))
            rows += [(e, support, j / len(rank.order)) for j in counts]
    frame = pd.DataFrame(rows, columns=columns)
    of = frame.network.tolist()
    found = oneshot.retrained(
        oneshot.like(network, oneshot.flat(network)[of]),
        torch.cat(stay),
        (problem.train_inputs, problem.train_targets),
        replace(protocol.retraining, l1=tuple(penalties[e] for e in of)),
        seeds=[seeds[e] for e in of],
    )
    made = [scores(found.member(i), problem, penalties[e]) for i, e in enumerate(of)]
    return frame.join(pd.DataFrame(torch.cat(made).cpu().numpy(), columns=SCORES))


def _counts(shares: Sequence[Share], total: int) -> list[int]:
    return sorted({kept_count(share, total) for share in shares})


def scan(name: str, passes: Tensor | pd.Series, counts: list[int], total: int) -> dict[str, float]:
    """Return the two entries of a table for what passes at these counts of removed weights."""
    found = Scan.over(passes.tolist(), counts, total)
    return {name: found.largest, f"{name}_first": found.first}

"""What a layer's weights say without inputs: tails, norms, ranks. It is no error of a network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from compressibility.dice import dice
from compressibility.noise.diagnose import diagnose
from compressibility.pruning.kterm import GAUSSIAN, removable

_SAMPLE = 100_000  # weights that a tail is diagnosed on
_SIDE = 4096  # of the smaller side of a matrix whose singular values are found
_WORDS = {
    "yes": "heavy: as of a law without variance, heavier than both controls",
    "no": "not so heavy: its largest weights fall off faster than any law without variance",
    "undecided": "undecided: the estimates contradict each other, or their intervals are too wide",
}


def weight_facts(weight: Tensor, budget: float, name: str = "") -> dict[str, Any]:
    r"""Return facts of a matrix (h', n), "removed" at a share of its *squared* norm.

    ``tail`` in words, and ``tail_index`` by slope and Hill of the weights, of a Gaussian and of a
    Laplace sample; ``norm_removed``, single weights, beside ``norm_removed_gaussian``, the limit
    for Gaussian weights; ``norm_columns``, ``norm_ranks`` of whole columns, of singular values;
    ``operator_norm`` and ``stable_rank``, :math:`\|W\|_F^2 / \|W\|^2`, None if n, h' > 4096.

    >>> weight_facts(torch.eye(3), 0.5)["norm_ranks"]
    0.3333333333333333
    """
    flat, rows = weight.flatten(), weight if len(weight) <= weight.shape[1] else weight.mT
    unknown = "tail_index", "norm_ranks", "operator_norm", "stable_rank"
    facts: dict[str, Any] = dict.fromkeys(unknown)
    lots = torch.randint(len(flat), (_SAMPLE,), generator=dice("tail sample", name))
    try:
        found = diagnose(flat if len(flat) <= _SAMPLE else flat[lots], dice("tail controls", name))
        facts["tail"] = _WORDS[found.verdict.partition(":")[0]]
        facts["tail_index"] = {
            sample: {by: [one.value, one.low, one.high] for by, one in each.items()}
            for sample, each in found.estimates.items()
        }
    except ValueError as why:
        facts["tail"] = f"not told: {why}"
    columns = torch.linalg.vector_norm(weight, dim=0, dtype=torch.float64)
    facts["norm_removed"] = float(removable(flat, budget, squared=True))
    facts["norm_removed_gaussian"] = GAUSSIAN.removable(math.sqrt(budget))
    facts["norm_columns"] = float(removable(columns, budget, squared=True))
    if len(rows) <= _SIDE and bool(flat.any()):
        gram = sum(part @ part.mT for part in (x.double() for x in torch.split(rows, _SIDE, 1)))
        squares = torch.linalg.eigvalsh(torch.as_tensor(gram)).clamp(min=0)
        facts["norm_ranks"] = float(removable(squares.sqrt(), budget, squared=True))
        facts["operator_norm"] = float(squares[-1].sqrt())
        facts["stable_rank"] = float(squares.sum() / squares[-1])
    return facts

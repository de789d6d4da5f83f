"""The ladder of a wide layer: from the measured damage up to the printed bound, rung by rung."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from compressibility.bounds import wide_networks as bounds
from compressibility.greedy import compress_wide, redraw, scores_wide
from compressibility.metrics import output_error
from compressibility.schemes import Pruning, Quantization

_ROUNDING = 1e-9  # relative; inputs may be float32, but every rung is summed in float64


@dataclass(frozen=True, eq=False)
class Ladder:
    r"""Upper bounds on the damage to a wide layer; each rung forgets more than the one before.

    All fields have shape (shares, E), float64, and are in units of the squared output.
    """

    measured: Tensor  # mean over draws of E||phi(Wx) - phi(Ux')||^2
    before: Tensor  # the same draws before the activation: mean of E||Wx - Ux'||^2
    identity: Tensor  # the exact mean over draws of E||Wx - Ux'||^2
    all_prices: Tensor  # Psi(W) + alpha times the sum of all scores
    sharper: Tensor  # only sigma_1, nu_1, theta, n_2 are known
    printed: Tensor  # Proposition 18 or 19 at epsilon = 0

    def steps_down(self) -> tuple[int, int]:
        """Return how many steps go down, by more than rounding, and how many there are.

        A step leads from a rung to the next one, in one network at one share. The first compares
        the same draws after and before the activation, so that chance cannot reverse it; from
        there the exact mean takes the place of the mean over draws.
        """
        exact = (self.identity, self.all_prices, self.sharper, self.printed)
        pairs = [(self.measured, self.before), *pairwise(exact)]
        down = [upper < lower * (1 - _ROUNDING) for lower, upper in pairs]
        return sum(int(step.sum()) for step in down), sum(step.numel() for step in down)

    def relative_to(self, unit: Tensor) -> Ladder:
        """Return the ladder divided by ``unit``, shape (E,)."""
        return Ladder(**{field.name: getattr(self, field.name) / unit for field in fields(self)})


def wide_ladder(
    weight: Tensor,
    inputs: Tensor,
    compressed_inputs: Tensor,
    scheme: Pruning | Quantization,
    *,
    shares: Sequence[float],
    activation: Callable[[Tensor], Tensor],
    draws: int,
    generators: Sequence[torch.Generator],
) -> Ladder:
    r"""Measure and bound the damage of greedy compression to a stack of wide layers.

    .. math:: E\|\varphi(Wx) - \varphi(Ux')\|^2 \le E\|Wx - Ux'\|^2
              = \Psi(W) + \sum_S \mathrm{Var}(t_{ij}) E x_j'^2
              \le \Psi(W) + \alpha \sum_{ij} \mathrm{Var}(t_{ij}) E x_j'^2 \le \dots

    and on to the sharper forms and to Propositions 18 (quantization) and 19 (pruning) of El
    Cheairi, Gamarnik, Mazumder (COLT 2026), at epsilon = 0, without the projection (which can only
    lower the first rung).

    Parameters
    ----------
    weight
        W, shape (E, n_out, n_in).
    inputs, compressed_inputs
        x and x', shape (E, N, n_in).
    scheme
        ``Pruning`` or ``Quantization``.
    shares
        The alphas, 0 < alpha < 1.
    activation
        phi, entrywise and 1-Lipschitz.
    draws
        Number of draws behind the measured rung.
    generators
        One per network.

    Raises
    ------
    ValueError
        As :func:`compress_wide` and the bounds do.

    Examples
    --------
    >>> W, x = torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 3, 2)
    >>> dice = [torch.Generator().manual_seed(0)]
    >>> ladder = wide_ladder(W, x, x, Pruning(keep=0.5), shares=[0.5], activation=torch.tanh,
    ...     draws=2, generators=dice)
    >>> [round(rung.item(), 9) for rung in (ladder.identity, ladder.all_prices, ladder.sharper)]
    [1.0, 2.5, 4.0]
    """
    inherited = output_error(weight, weight, inputs, compressed_inputs)
    total = scores_wide(weight, compressed_inputs, scheme).sum((-2, -1))
    known = [_known(*layer) for layer in zip(weight, inputs, compressed_inputs, strict=True)]
    sharper, printed = _bounds(scheme)
    columns = []
    for share in shares:
        plan = compress_wide(
            weight, compressed_inputs, scheme, fraction=share, generator=generators
        )
        pairs = []
        for e, generator in enumerate(generators):
            cut = redraw(weight[e], plan.compressed[e], scheme, draws=draws, generator=generator)
            dense, changed = inputs[e] @ weight[e].mT, compressed_inputs[e] @ cut.mT
            pairs.append((_gap(activation(dense), activation(changed)), _gap(dense, changed)))
        columns.append(
            [
                *torch.tensor(pairs, dtype=torch.float64).T,
                inherited + plan.expected_increase,
                inherited + share * total,
                _per_network(sharper, known, share),
                _per_network(printed, known, share),
            ]
        )
    return Ladder(*(torch.stack(rung) for rung in zip(*columns, strict=True)))


def _known(weight: Tensor, inputs: Tensor, compressed_inputs: Tensor) -> dict[str, Any]:
    """What the bounds may know of one layer."""
    size = bounds.layer_constants(weight)
    return {
        "input_error": float((inputs - compressed_inputs).double().square().sum(-1).mean()),
        "sigma1": size.sigma1,
        "nu1": size.nu1,
        "theta": float(compressed_inputs.double().norm(dim=-1).max()),
        "n2": len(weight),
    }


def _bounds(scheme: Pruning | Quantization) -> tuple[Callable[..., float], Callable[..., float]]:
    """The sharper and the printed bound, with the scheme's number filled in."""
    if isinstance(scheme, Pruning):
        return (
            partial(bounds.sharper_wide_pruning, p=scheme.keep),
            partial(bounds.proposition_19, p=scheme.keep),
        )
    if isinstance(scheme, Quantization):
        return (
            partial(bounds.sharper_wide_quantization, k=scheme.levels),
            partial(bounds.proposition_18, k=scheme.levels),
        )
    raise ValueError(f"need Pruning or Quantization, got {scheme!r}")


def _per_network(
    bound: Callable[..., float], known: Sequence[dict[str, Any]], share: float
) -> Tensor:
    return torch.tensor([bound(alpha=share, **one) for one in known], dtype=torch.float64)


def _gap(dense: Tensor, changed: Tensor) -> float:
    return float((dense - changed).double().square().sum(-1).mean())

"""Does a network meet the assumptions of the wide-network theorems? A table, and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy.typing as npt
import torch
from torch import Tensor

from compressibility import checks
from compressibility.bounds.rows import Row, Rows
from compressibility.bounds.wide_networks import Constants
from compressibility.models.activations import ACTIVATIONS
from compressibility.models.layers import Layer

_REACH = 20.0  # an activation is looked at from -20 to 20; tanh is flat there to the last digit
_STEP = 1e-3
_FINER = 8  # a second difference that grows when the step shrinks so many times is a kink
_NOISE = 32 * torch.finfo(torch.float64).eps  # of a second difference, over the values themselves
_ROUNDING = 1e-6  # inputs are float32; quotients are rounded likewise


@dataclass(frozen=True)
class Assumptions(Rows):
    """What was found on one network."""

    constants: Constants


def check_assumptions(
    layers: Sequence[Layer | Tensor | npt.ArrayLike],
    *,
    activation: str | Callable[[Tensor], Tensor],
    inputs: Tensor,
) -> Assumptions:
    r"""Hold one network and its data against the assumptions of the wide-network theorems.

    El Cheairi, Gamarnik, Mazumder (COLT 2026): :math:`\varphi(0) = 0` (7), Lipschitz constant 1
    (8), on the first layers of blocks also :math:`|\varphi''| \le 1` (9); :math:`\|W_\ell\| \le
    c_1` and :math:`\|W_\ell\|_\infty \le c_2/\sqrt{n_\ell \vee n_{\ell+1}}` (11), of which the
    least constants are given, for the network and for each layer, and asked to be finite; inputs
    (N, …) with :math:`\|x\| \le 1`. A hypothesis that fails is a row that says so, not an error.

    The activation, a name of ``ACTIVATIONS`` or an entrywise function, is judged on a fine grid
    from -20 to 20, in float64: (8) by difference quotients, (9) by second differences, that is in
    the form in which the proofs use it, :math:`\varphi'` with Lipschitz constant 1. Second
    differences that keep growing as the step shrinks are a kink.

    >>> found = check_assumptions([torch.eye(2)], activation="relu", inputs=torch.eye(2))
    >>> [row.name for row in found.rows if not row.holds]
    ["largest |φ''|, on blocks"]
    """
    constants = Constants.of(layers)
    width = constants.layers[0].inputs * constants.layers[0].pixels
    checks.finite(inputs=inputs)
    holds = inputs.ndim >= 2 and len(inputs) >= 1 and inputs[0].numel() == width
    checks.need(holds, f"inputs (N, {width}), N >= 1", tuple(inputs.shape))
    if isinstance(activation, str):
        rule = f"activation in {sorted(ACTIVATIONS)}"
        checks.need(activation in ACTIVATIONS, rule, repr(activation))
        activation = ACTIVATIONS[activation]
    longest = float(inputs.detach().double().flatten(1).norm(dim=1).max())
    advice = "rescale the data (Dataset.in_unit_ball) and say so"
    ball = _row("largest ‖x‖", "", longest, "<=", 1.0, advice, slack=_ROUNDING)
    return Assumptions((*_activation_rows(activation), ball, *_constant_rows(constants)), constants)


@torch.no_grad()
def _activation_rows(activation: Callable[[Tensor], Tensor]) -> list[Row]:
    at_zero = float(activation(torch.zeros(1, dtype=torch.float64)))
    values = activation(_grid(_STEP))
    steepest = round(float(values.diff().abs().max()) / _STEP, 9)
    bend, place = _bend(activation, _STEP)
    finer, _ = _bend(activation, _STEP / _FINER)
    noise = _NOISE * float(values.abs().max()) / (_STEP / _FINER) ** 2
    kink = finer > max(noise, 2 * bend)
    bend = math.inf if kink else bend
    steep = "divide φ by it and multiply the next layer"
    curved = f"kink near {place:.3g}: no block result" if kink else "no block result as it stands"
    curved = f"{curved}, wide layers are fine"
    return [
        _row("φ(0)", "(7)", at_zero, "=", 0.0, "subtract φ(0)", slack=1e-12),
        _row("Lipschitz constant of φ", "(8)", steepest, "<=", 1.0, steep),
        _row("largest |φ''|, on blocks", "(9)", bend, "<=", 1.0, curved),
    ]


def _constant_rows(constants: Constants) -> list[Row]:
    found: list[tuple[str, int | None, float]] = [
        ("c1, largest operator norm", None, constants.c1),
        ("c2, largest scaled entry", None, max(constants.c2)),
    ]
    for number, (layer, size) in enumerate(zip(constants.layers, constants.c2, strict=True), 1):
        found += [("operator norm", number, layer.norm), ("scaled largest entry", number, size)]
    return [Row(name, "(11)", layer, value, "<", math.inf, True) for name, layer, value in found]


def _row(
    name: str,
    equation: str,
    left: float,
    relation: str,
    right: float,
    advice: str,
    *,
    slack: float = 0.0,
) -> Row:
    """Compare what was found with what is needed, up to rounding."""
    holds = (abs(left - right) if relation == "=" else left - right) <= slack
    return Row(name, equation, None, left, relation, right, holds, "" if holds else advice)


def _bend(activation: Callable[[Tensor], Tensor], step: float) -> tuple[float, float]:
    """Return the largest second difference of φ, and where it is."""
    points = _grid(step)
    second = activation(points).diff(n=2).abs() / step**2
    return round(float(second.max()), 6), float(points[1 + int(second.argmax())])


def _grid(step: float) -> Tensor:
    """Multiples of the step, 0 among them, where kinks usually sit."""
    count = round(_REACH / step)
    return torch.arange(-count, count + 1, dtype=torch.float64) * step

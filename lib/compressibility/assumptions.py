"""Does a network meet the assumptions of the wide-network theorems? A table, and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy.typing as npt
import torch
from torch import Tensor

from compressibility.bounds.wide_networks import NetworkConstants, network_constants
from compressibility.models import ACTIVATIONS

_REACH = 20.0  # an activation is looked at from -20 to 20; tanh is flat there to the last digit
_STEP = 1e-3
_FINER = 8  # a second difference that grows when the step shrinks so many times is a kink
_NOISE = 32 * torch.finfo(torch.float64).eps  # of a second difference, over the values themselves
_ROUNDING = 1e-6  # inputs are float32; quotients are rounded likewise


@dataclass(frozen=True)
class Finding:
    """One assumption or constant, as found on a network."""

    name: str  # what was looked at, in words
    equation: str  # its number in the paper, "" if it has none
    layer: int | None  # 1-based layer, None for the whole network
    value: float  # what was found; infinite at a kink
    needed: str  # what the theorems need, "any" for a constant that they only want to know
    holds: bool
    advice: str  # what to do about it, "" if all is well


@dataclass(frozen=True)
class Assumptions:
    """What was found on one network."""

    constants: NetworkConstants
    rows: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every row holds."""
        return all(row.holds for row in self.rows)

    def as_records(self) -> list[dict[str, object]]:
        """Return the rows as dictionaries, ready for ``pandas.DataFrame``."""
        return [asdict(row) for row in self.rows]


def check_assumptions(
    weights: Sequence[Tensor | npt.ArrayLike],
    *,
    activation: str | Callable[[Tensor], Tensor],
    inputs: Tensor,
) -> Assumptions:
    r"""Hold one network and its data against the assumptions of the wide-network theorems.

    El Cheairi, Gamarnik, Mazumder (COLT 2026): :math:`\varphi(0) = 0` (7), Lipschitz constant 1
    (8), on the first layers of blocks also :math:`|\varphi''| \le 1` (9); :math:`\|W_\ell\| \le
    c_1` and :math:`\|W_\ell\|_\infty \le c_2/\sqrt{n_\ell \vee n_{\ell+1}}` (11), the least such
    constants given for the network and for each layer; :math:`\|x\| \le 1`. A hypothesis that fails
    is a row that says so, not an error.

    The activation is judged on a fine grid from -20 to 20, in float64: (8) by difference quotients,
    (9) by second differences, that is in the form in which the proofs use it, :math:`\varphi'`
    with Lipschitz constant 1. Second differences that keep growing as the step shrinks are a kink.

    Parameters
    ----------
    weights
        :math:`W_1, \dots, W_m` of one network, each (n_out, n_in).
    activation
        A name of ``ACTIVATIONS`` or an entrywise function.
    inputs
        The data, (N, n_in).

    Raises
    ------
    ValueError
        Weights that do not chain or are not finite, an unknown name, inputs of another width.

    Examples
    --------
    >>> found = check_assumptions([torch.eye(2)], activation="relu", inputs=torch.eye(2))
    >>> [row.name for row in found.rows if not row.holds]
    ["largest |φ''|"]
    """
    constants = network_constants(weights)
    if inputs.ndim != 2 or inputs.shape[1] != constants.widths[0] or not len(inputs):
        need = f"inputs (N, {constants.widths[0]}), N >= 1"
        raise ValueError(f"need {need}, got {tuple(inputs.shape)}")
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(f"need activation in {sorted(ACTIVATIONS)}, got {activation!r}")
        activation = ACTIVATIONS[activation]
    rows = (*_activation_rows(activation), _ball_row(inputs), *_constant_rows(constants))
    return Assumptions(constants, rows)


def _activation_rows(activation: Callable[[Tensor], Tensor]) -> list[Finding]:
    at_zero = float(activation(torch.zeros(1, dtype=torch.float64)))
    values = activation(_grid(_STEP))
    steepest = round(float(values.diff().abs().max()) / _STEP, 9)
    bend, place = _bend(activation, _STEP)
    finer, _ = _bend(activation, _STEP / _FINER)
    noise = _NOISE * float(values.abs().max()) / (_STEP / _FINER) ** 2
    kink = finer > max(noise, 2 * bend)
    return [
        Finding(
            "φ(0)",
            "(7)",
            None,
            at_zero,
            "exactly 0",
            abs(at_zero) <= 1e-12,
            _if(abs(at_zero) > 1e-12, "subtract φ(0)"),
        ),
        Finding(
            "Lipschitz constant of φ",
            "(8)",
            None,
            steepest,
            "at most 1",
            steepest <= 1,
            _if(steepest > 1, "divide φ by it and multiply the next layer"),
        ),
        Finding(
            "largest |φ''|",
            "(9)",
            None,
            math.inf if kink else bend,
            "at most 1, on blocks",
            not kink and bend <= 1,
            _if(kink, f"kink near {place:.3g}: no block result, wide layers are fine")
            or _if(bend > 1, "no block result as it stands, wide layers are fine"),
        ),
    ]


def _ball_row(inputs: Tensor) -> Finding:
    longest = float(inputs.double().norm(dim=1).max())
    fits = longest <= 1 + _ROUNDING
    advice = _if(not fits, "rescale the data (Dataset.in_unit_ball) and say so")
    return Finding("largest ‖x‖", "", None, longest, "at most 1", fits, advice)


def _constant_rows(constants: NetworkConstants) -> list[Finding]:
    rows = [
        Finding("c1, largest operator norm", "(11)", None, constants.c1, "any", True, ""),
        Finding("c2, largest scaled entry", "(11)", None, constants.c2, "any", True, ""),
    ]
    for number, layer in enumerate(constants.layers, start=1):
        size = layer.nu1 * math.sqrt(max(layer.n_in, layer.n_out))
        rows += [
            Finding("operator norm", "(11)", number, layer.sigma1, "any", True, ""),
            Finding("scaled largest entry", "(11)", number, size, "any", True, ""),
        ]
    return rows


def _bend(activation: Callable[[Tensor], Tensor], step: float) -> tuple[float, float]:
    """Return the largest second difference of φ, and where it is."""
    points = _grid(step)
    second = activation(points).diff(n=2).abs() / step**2
    return round(float(second.max()), 6), float(points[1 + int(second.argmax())])


def _grid(step: float) -> Tensor:
    """Multiples of the step, 0 among them, where kinks usually sit."""
    count = round(_REACH / step)
    return torch.arange(-count, count + 1, dtype=torch.float64) * step


def _if(condition: bool, advice: str) -> str:
    return advice if condition else ""

"""Multilayer perceptrons without biases, many of one shape as a single batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor, nn

SOFTPLUS_SHARPNESS = 4.0
"""Beta of the shifted softplus: the largest with |phi''| <= 1 (it is beta/4), nearest to ReLU."""


def shifted_softplus(x: Tensor, *, sharpness: float = SOFTPLUS_SHARPNESS) -> Tensor:
    r"""Softplus moved to pass through the origin.

    .. math:: \varphi(x) = \tfrac1\beta \log(1 + e^{\beta x}) - \tfrac{\ln 2}{\beta}

    El Cheairi, Gamarnik, Mazumder (COLT 2026) ask for :math:`\varphi(0) = 0` (7), Lipschitz
    constant 1 (8) and, on blocks, :math:`|\varphi''| \le 1` (9): the last needs
    :math:`\beta \le 4`.

    Parameters
    ----------
    x
        Any shape.
    sharpness
        Beta, positive. Default 4: our choice, see ``SOFTPLUS_SHARPNESS``.

    Raises
    ------
    ValueError
        A sharpness that is not positive and finite.

    Examples
    --------
    >>> shifted_softplus(torch.tensor(0.0)).item()
    0.0
    """
    if not 0 < sharpness < math.inf:
        raise ValueError(f"need 0 < sharpness < inf, got {sharpness}")
    zero = torch.zeros((), dtype=x.dtype, device=x.device)
    shift = torch.logaddexp(zero, zero)
    return (torch.logaddexp(sharpness * x, zero) - shift) / sharpness


def identity(x: Tensor) -> Tensor:
    """Return x itself: the activation of a linear network."""
    return x


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "softplus": shifted_softplus,
        "identity": identity,
    }
)
"""Entrywise activations by name; all are 0 at 0 and 1-Lipschitz, (7) and (8); relu fails (9)."""


class Activation(nn.Module):
    """One of ``ACTIVATIONS`` as a module.

    Examples
    --------
    >>> Activation("relu")(torch.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise ValueError(f"need activation in {sorted(ACTIVATIONS)}, got {name!r}")
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to every entry of x, any shape."""
        return ACTIVATIONS[self.name](x)

    def extra_repr(self) -> str:
        """Show the name when the module is printed."""
        return self.name


class MLP(nn.Module):
    r"""E perceptrons of one shape, without biases, evaluated as one batch.

    .. math:: \Phi_e(x) = W_{e,m}\, \varphi(W_{e,m-1} \cdots \varphi(W_{e,1} x))

    The last layer is linear: the outputs are logits or predictions. Layers count from 0 in code,
    so layer :math:`\ell` of the papers is ``weights[l - 1]``.

    Parameters
    ----------
    weights
        One tensor (E, n_out, n_in) per layer, all of one dtype and device; they are copied.
    activation
        A name of ``ACTIVATIONS``.

    Raises
    ------
    ValueError
        No layers, shapes that do not chain, weights that are not finite floats, an unknown name.

    Examples
    --------
    >>> MLP([torch.ones(1, 1, 2)])(torch.ones(3, 2)).shape
    torch.Size([1, 3, 1])
    """

    def __init__(self, weights: Sequence[Tensor], *, activation: str = "relu") -> None:
        super().__init__()
        _check_chain(weights)
        self.activation = Activation(activation)
        self.weights = nn.ParameterList([nn.Parameter(w.detach().clone()) for w in weights])

    @property
    def networks(self) -> int:
        """Number E of networks in the batch."""
        return int(self.weights[0].shape[0])

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units from the inputs to the outputs, one more than there are layers."""
        return (self.weights[0].shape[2], *(w.shape[1] for w in self.weights))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, N, n_out) for inputs (N, d) shared by all networks, or (E, N, d)."""
        last = len(self.weights) - 1
        outputs: Tensor = self.layer_inputs(x, last) @ self.weights[last].mT
        return outputs

    def layer_inputs(self, x: Tensor, layer: int) -> Tensor:
        """Return what layer ``layer`` (from 0) sees, (E, N, n_layer), for x (N, d) or (E, N, d).

        Raises
        ------
        ValueError
            A layer that does not exist, or inputs of another shape.
        """
        self._check_layer(layer)
        self._check_inputs(x)
        seen = x.expand(self.networks, -1, -1)
        for index in range(layer):
            seen = self.activation(seen @ self.weights[index].mT)
        return seen

    def member(self, network: int) -> MLP:
        """Return a copy of one network, as a batch of one."""
        self._check_member(network)
        return self._with([w[network : network + 1] for w in self.weights])

    def repeated(self, times: int) -> MLP:
        """Return a copy with each network ``times`` times in a row: room for as many draws each."""
        if times < 1:
            raise ValueError(f"need times >= 1, got {times}")
        return self._with([w.repeat_interleave(times, 0) for w in self.weights])

    def with_weight(self, layer: int, weight: Tensor) -> MLP:
        """Return a copy in which ``weight`` (E, n_out, n_in) stands for that layer's.

        Raises
        ------
        ValueError
            A layer that does not exist, or a weight of another shape, dtype or device.
        """
        self._check_layer(layer)
        old = self.weights[layer]
        for kind in ("shape", "dtype", "device"):
            if getattr(weight, kind) != getattr(old, kind):
                raise ValueError(
                    f"need weight of {kind} {getattr(old, kind)}, got {getattr(weight, kind)}"
                )
        return self._with([weight if at == layer else w for at, w in enumerate(self.weights)])

    def as_sequential(self, network: int) -> nn.Sequential:
        """Return a copy of one network as ``nn.Linear`` layers without biases and activations."""
        self._check_member(network)
        modules: list[nn.Module] = []
        for w in self.weights:
            linear = nn.Linear(
                w.shape[2], w.shape[1], bias=False, dtype=w.dtype, device="meta"
            ).to_empty(device=w.device)
            linear.load_state_dict({"weight": w[network].detach()})
            modules += [linear, Activation(self.activation.name)]
        return nn.Sequential(*modules[:-1])

    def _with(self, weights: Sequence[Tensor]) -> MLP:
        return MLP(weights, activation=self.activation.name)

    def _check_layer(self, layer: int) -> None:
        if not 0 <= layer < len(self.weights):
            raise ValueError(f"need 0 <= layer < {len(self.weights)}, got {layer}")

    def _check_member(self, network: int) -> None:
        if not 0 <= network < self.networks:
            raise ValueError(f"need 0 <= network < {self.networks}, got {network}")

    def _check_inputs(self, x: Tensor) -> None:
        fits = x.ndim == 2 or (x.ndim == 3 and x.shape[0] == self.networks)
        if not fits or x.shape[-1] != self.widths[0]:
            need = f"(N, {self.widths[0]}) or ({self.networks}, N, {self.widths[0]})"
            raise ValueError(f"need inputs {need}, got {tuple(x.shape)}")
        if x.dtype != self.weights[0].dtype:
            raise ValueError(f"need inputs of dtype {self.weights[0].dtype}, got {x.dtype}")


def mlp(
    widths: Sequence[int],
    *,
    activation: str = "relu",
    seeds: Sequence[int] = (0,),
    dtype: torch.dtype = torch.float32,
) -> MLP:
    r"""Networks with Glorot-uniform weights, each drawn from its own seed.

    .. math:: W_{ij} \sim U(-b, b), \qquad b = \sqrt{6 / (n_\text{in} + n_\text{out})}

    The weights are drawn in float64 and rounded to ``dtype``: one seed is the same network in
    either precision, alone or in a batch.

    Parameters
    ----------
    widths
        Units from the inputs to the outputs, at least two numbers, each >= 1.
    activation
        A name of ``ACTIVATIONS``. Default relu, as in the experiments of El Cheairi, Gamarnik,
        Mazumder (COLT 2026, Appendix C).
    seeds
        One per network.
    dtype
        torch.float32 or torch.float64.

    Raises
    ------
    ValueError
        Fewer than two widths, a width below 1, no seeds, another dtype, an unknown activation.

    Examples
    --------
    >>> mlp([64, 100, 10], seeds=(0, 1)).weights[0].shape
    torch.Size([2, 100, 64])
    """
    if len(widths) < 2 or any(width < 1 for width in widths):
        raise ValueError(f"need at least 2 widths, each >= 1, got {list(widths)}")
    if not len(seeds):
        raise ValueError("need at least 1 seed, got none")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"need dtype float32 or float64, got {dtype}")
    members = [_glorot(widths, seed) for seed in seeds]
    layers = [torch.stack(layer).to(dtype) for layer in zip(*members, strict=True)]
    return MLP(layers, activation=activation)


def _glorot(widths: Sequence[int], seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    empty = [torch.empty(n_out, n_in, dtype=torch.float64) for n_in, n_out in pairwise(widths)]
    return [nn.init.xavier_uniform_(w, generator=generator) for w in empty]


def _check_chain(weights: Sequence[Tensor]) -> None:
    if not len(weights):
        raise ValueError("need at least 1 layer, got none")
    shapes = [tuple(w.shape) for w in weights]
    if any(len(shape) != 3 or 0 in shape or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(f"need weights (E, n_out, n_in) with one E, none empty, got {shapes}")
    if any(upper[2] != lower[1] for lower, upper in pairwise(shapes)):
        raise ValueError(f"need n_in of each layer = n_out of the one before, got {shapes}")
    if len({(w.dtype, w.device) for w in weights}) > 1 or not weights[0].is_floating_point():
        raise ValueError(f"need float weights of one dtype, got {[w.dtype for w in weights]}")
    for layer, w in enumerate(weights):
        if not bool(torch.isfinite(w).all()):
            raise ValueError(f"need finite weights, got nan or infinity in layer {layer}")

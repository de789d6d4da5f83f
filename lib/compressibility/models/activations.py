"""Entrywise activations by name, all with what [EGM] asks of them.

[EGM]: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compressibility.checks import need


def shifted_softplus(x: Tensor, *, sharpness: float = 4.0) -> Tensor:
    r"""Softplus moved to pass through the origin.

    .. math:: \varphi(x) = \tfrac1\beta \log(1 + e^{\beta x}) - \tfrac{\ln 2}{\beta}

    [EGM] asks for :math:`\varphi(0) = 0` (7), Lipschitz constant 1 (8) and, on blocks,
    :math:`|\varphi''| \le 1` (9), which needs :math:`\beta \le 4`: the default, nearest to ReLU.

    >>> shifted_softplus(torch.tensor(0.0)).item()
    0.0
    """
    need(0 < sharpness < math.inf, "0 < sharpness < inf", sharpness)
    zero = torch.zeros((), dtype=x.dtype, device=x.device)
    shift = torch.logaddexp(zero, zero)
    return (torch.logaddexp(sharpness * x, zero) - shift) / sharpness


def identity(x: Tensor) -> Tensor:
    """Return x itself: the activation of a linear network."""
    return x


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"relu": torch.relu, "tanh": torch.tanh, "softplus": shifted_softplus, "identity": identity}
)
"""All are 0 at 0 and 1-Lipschitz, (7) and (8) of [EGM]; relu fails (9)."""


class Activation(nn.Module):
    """One of ``ACTIVATIONS`` as a module.

    >>> Activation("relu")(torch.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        need(name in ACTIVATIONS, f"activation in {sorted(ACTIVATIONS)}", repr(name))
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to every entry of x, any shape."""
        return ACTIVATIONS[self.name](x)

    def extra_repr(self) -> str:
        """Show the name when the module is printed."""
        return self.name


def check_activation(phi: Callable[[Tensor], Tensor], sample: Tensor) -> None:
    """Raise ValueError unless ``phi`` acts entry by entry on ``sample``, a matrix.

    >>> check_activation(torch.tanh, torch.ones(3, 2))
    """
    need(callable(phi), "an entrywise function as activation", repr(phi))
    seen = phi(sample.clone())  # it may work in place
    kept = isinstance(seen, Tensor) and (seen.shape, seen.dtype) == (sample.shape, sample.dtype)
    got = f"{tuple(seen.shape)} of {seen.dtype}" if isinstance(seen, Tensor) else type(seen)
    need(kept, f"an entrywise activation, {tuple(sample.shape)} of {sample.dtype}", got)
    turned = phi(sample.mT.clone()).mT
    alike = torch.allclose(turned, seen, rtol=1e-3, atol=1e-4, equal_nan=True)
    need(alike, "an entrywise activation", "one that mixes entries")

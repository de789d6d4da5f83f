"""Maps (N, channels, r, r) and kernels, wrapped around the edges: pixels and frequencies."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK = 2**22  # complex numbers in one batch of spectra: 64 MiB


def convolve(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve maps (N, d_in, r, r) with a kernel (d_out, d_in, q, q), wrapping around the edges.

    >>> shift = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]])
    >>> convolve(torch.arange(9.0).reshape(1, 1, 3, 3), shift)[0, 0].tolist()
    [[1.0, 2.0, 0.0], [4.0, 5.0, 3.0], [7.0, 8.0, 6.0]]
    """
    before = (kernel.shape[-1] - 1) // 2
    around = (before, kernel.shape[-1] - 1 - before) * 2
    return functional.conv2d(functional.pad(maps, around, mode="circular"), kernel)


def spectra(maps: Tensor) -> Tensor:
    """Return the DFT of maps (N, channels, r, r), (f, N, channels) float64; real on one pixel.

    >>> spectra(torch.ones(5, 3, 2, 2)).shape, spectra(torch.ones(5, 3)).dtype
    (torch.Size([4, 5, 3]), torch.float64)
    """
    values = maps.detach().double()
    if maps.ndim == 2 or maps.shape[-1] == 1:
        return values.reshape(1, *maps.shape[:2])
    frequencies: Tensor = torch.fft.rfft2(values).flatten(-2).movedim(-1, 0).contiguous()
    return frequencies


def frequency_weights(size: int, device: torch.device) -> Tensor:
    """Return the weight of each kept frequency in a mean over all r², (f,).

    >>> (9 * frequency_weights(3, torch.device("cpu"))).tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]
    """
    weights = torch.full((size, size // 2 + 1), 2.0, dtype=torch.float64, device=device)
    weights[:, 0] = 1.0
    if size % 2 == 0:
        weights[:, -1] = 1.0
    return weights.flatten() / size**2


def parts(maps: Tensor) -> Iterator[Tensor]:
    """Split the samples so that the spectra of a part fit in memory."""
    return iter(torch.split(maps, max(1, _CHUNK // maps[0].numel())))


def symbols(kernel: Tensor, size: int) -> Tensor:
    """Return the matrix of each frequency, as :meth:`~.Layer.spectrum`, in the kernel's dtype."""
    if size == 1:
        return kernel.flatten(1).unsqueeze(0)
    values = torch.fft.rfft2(kernel, s=(size, size)).conj()
    matrices: Tensor = values.flatten(-2).movedim(-1, 0).contiguous()
    return matrices


def power_of_two(most: Tensor) -> Tensor:
    """Return the power of two at or below each number, exactly; 1 for 0."""
    return torch.where(most > 0, most / (2 * torch.frexp(most).mantissa), 1.0)

r"""A convolution is a layer of a perceptron: its matrix W(K), its norms, and when this is true.

Throughout a convolution is what PyTorch computes, a cross-correlation, with unit stride and
*circular* padding, on maps of r x r pixels:

.. math:: z_o[a, b] = \sum_{i} \sum_{u, v} K_{o,i}[u, v]\;
          x_i[(a + u - s) \bmod r,\; (b + v - s) \bmod r],
          \qquad s = \lfloor (q - 1) / 2 \rfloor.

Flipping the kernel (a convolution in the strict sense) or moving the offset s permutes rows or
columns of W(K) and changes no norm. With another padding W(K) is another matrix, and nothing here
holds: see :func:`kernel_of`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "check_kernel",
    "circular_padding",
    "conv_matrix",
    "conv_norm",
    "convolve",
    "filter_norms",
    "kernel_of",
]


def circular_padding(q: int) -> tuple[int, int, int, int]:
    """Return how far a map is wrapped to the left, right, top and bottom for a q x q kernel.

    Examples
    --------
    >>> circular_padding(3), circular_padding(4)
    ((1, 1, 1, 1), (1, 2, 1, 2))
    """
    before = (q - 1) // 2
    return (before, q - 1 - before) * 2


def convolve(images: Tensor, kernel: Tensor) -> Tensor:
    r"""Convolve images of one network with its kernel, wrapping around the edges.

    Parameters
    ----------
    images
        Shape (N, d_in, r, r).
    kernel
        Shape (d_out, d_in, q, q), q <= r.

    Returns
    -------
    Tensor
        Shape (N, d_out, r, r).

    Examples
    --------
    >>> shift = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]])
    >>> convolve(torch.arange(9.0).reshape(1, 1, 3, 3), shift)[0, 0].tolist()
    [[1.0, 2.0, 0.0], [4.0, 5.0, 3.0], [7.0, 8.0, 6.0]]
    """
    wrapped = functional.pad(images, circular_padding(kernel.shape[-1]), mode="circular")
    return functional.conv2d(wrapped, kernel)


def conv_matrix(kernel: Tensor, size: int) -> Tensor:
    r"""Write a convolution out as the matrix of a perceptron's layer.

    .. math:: W(K) = \bigl(C(K_{o,i})\bigr)_{o,i}, \qquad
              W(K)\,\mathrm{vec}(x) = \mathrm{vec}(K * x)

    with one doubly block-circulant :math:`r^2 \times r^2` block per pair of channels, as El
    Cheairi, Gamarnik, Mazumder (COLT 2026) use it for Theorem 7. vec runs over channels, then rows,
    then columns, as ``torch.nn.Flatten``. Meant for small maps: a pair of channels takes
    :math:`r^4` entries, :math:`q^2 r^2` of them not zero.

    Parameters
    ----------
    kernel
        K, shape (d_out, d_in, q, q).
    size
        r, q <= r.

    Returns
    -------
    Tensor
        Shape (d_out r², d_in r²), of the kernel's dtype.

    Raises
    ------
    ValueError
        A kernel of another shape or dtype or not finite, or q > r.

    Examples
    --------
    >>> conv_matrix(torch.tensor([[[[2.0]]]]), 2).diagonal().tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    check_kernel(kernel, size, stacks=False)
    d_out, d_in, q, _ = kernel.shape
    blocks = kernel.new_zeros(size, size, size, size, d_out, d_in)  # output a, b, input a', b'
    before = circular_padding(q)[0]
    a = torch.arange(size, device=kernel.device)
    for u in range(q):
        for v in range(q):
            row, column = (a + u - before) % size, (a + v - before) % size
            blocks[a[:, None], a, row[:, None], column] = kernel.detach()[:, :, u, v]
    matrix = blocks.permute(4, 0, 1, 5, 2, 3)
    return matrix.reshape(d_out * size**2, d_in * size**2)


def conv_norm(kernel: Tensor, size: int) -> Tensor:
    r"""Operator norm of W(K), exactly, without writing W(K) out.

    .. math:: \|W(K)\| = \max_{f \in \mathbb{Z}_r^2}
              \sigma_{\max}\bigl(\hat K(f)\bigr), \qquad
              \hat K(f)_{o,i} = \sum_{u,v} K_{o,i}[u, v]\, e^{-2\pi \mathrm{i}\,(f_1 u + f_2 v)/r}

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Lemma 14 for one pair of channels; for all of them
    one :math:`d_{out} \times d_{in}` matrix per frequency. A real kernel has conjugate matrices at
    f and -f, so half the frequencies are enough.

    Parameters
    ----------
    kernel
        K, shape (d_out, d_in, q, q), or a stack (..., d_out, d_in, q, q).
    size
        r, q <= r.

    Returns
    -------
    Tensor
        Shape (...), float64.

    Raises
    ------
    ValueError
        A kernel of another shape or dtype or not finite, or q > r: the kernel would overlap itself.

    Examples
    --------
    >>> conv_norm(torch.ones(1, 1, 3, 3), 8).item()
    9.0
    """
    check_kernel(kernel, size)
    values = torch.fft.rfft2(kernel.detach().double(), s=(size, size))  # (..., o, i, r, r/2 + 1)
    matrices = values.flatten(-2).movedim(-1, -3)
    norms: Tensor = torch.linalg.matrix_norm(matrices, ord=2)
    return norms.amax(-1)


def filter_norms(kernel: Tensor, size: int) -> Tensor:
    r"""Operator norms of the blocks of W(K), one per pair of channels.

    .. math:: \|C(K_{o,i})\| = \max_f |\hat K_{o,i}(f)| \le \sum_{u,v} |K_{o,i}[u,v]|
              \le \|K_{o,i}\|_\infty \|K_{o,i}\|_0

    El Cheairi, Gamarnik, Mazumder (COLT 2026), Lemma 14: circulant blocks are normal, so their
    norm is their largest eigenvalue.

    Parameters
    ----------
    kernel, size
        As for :func:`conv_norm`.

    Returns
    -------
    Tensor
        Shape (..., d_out, d_in), float64.

    Raises
    ------
    ValueError
        As for :func:`conv_norm`.

    Examples
    --------
    >>> filter_norms(torch.tensor([[[[3.0]], [[-4.0]]]]), 5).tolist()
    [[3.0, 4.0]]
    """
    check_kernel(kernel, size)
    values = torch.fft.rfft2(kernel.detach().double(), s=(size, size))
    norms: Tensor = values.abs().amax((-2, -1))
    return norms


def kernel_of(conv: nn.Conv2d) -> Tensor:
    """Return the kernel of a layer that the theory covers, and refuse every other.

    A convolution padded with zeros, with a stride or in groups has another matrix than W(K): its
    norm is not the DFT's, and its filters are not blocks of a circulant matrix.

    Parameters
    ----------
    conv
        With ``padding_mode="circular"``, padding that keeps the size of the map, stride, dilation
        and groups 1, a square kernel, no bias.

    Returns
    -------
    Tensor
        Shape (d_out, d_in, q, q), detached.

    Raises
    ------
    ValueError
        Any other layer; the message says what is in the way.

    Examples
    --------
    >>> kernel_of(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular", bias=False)).shape
    torch.Size([2, 1, 3, 3])
    >>> kernel_of(nn.Conv2d(1, 2, 3, padding=1, bias=False))
    Traceback (most recent call last):
    ValueError: need padding_mode 'circular', got 'zeros'
    """
    if not isinstance(conv, nn.Conv2d):
        raise ValueError(f"need a torch.nn.Conv2d, got {type(conv).__name__}")
    for name in ("stride", "dilation"):
        if getattr(conv, name) != (1, 1):
            raise ValueError(f"need {name} 1, got {getattr(conv, name)}")
    if conv.groups != 1:
        raise ValueError(f"need groups 1, got {conv.groups}")
    if conv.bias is not None:
        raise ValueError("need bias=False, got a bias")
    q, other = conv.kernel_size
    if q != other:
        raise ValueError(f"need a square kernel, got {conv.kernel_size}")
    keeps = conv.padding == "same" or conv.padding == ((q - 1) / 2,) * 2
    if not keeps:
        raise ValueError(f"need padding that keeps the map's size, got {conv.padding} for q = {q}")
    if q > 1 and conv.padding_mode != "circular":
        raise ValueError(f"need padding_mode 'circular', got {conv.padding_mode!r}")
    return conv.weight.detach()


def check_kernel(kernel: Tensor, size: int, *, stacks: bool = True) -> None:
    """Raise ValueError unless ``kernel`` is (..., d_out, d_in, q, q), finite floats, q <= size.

    ``stacks=False`` allows four axes only.

    Examples
    --------
    >>> check_kernel(torch.zeros(2, 1, 3, 3), 8)
    """
    shape = tuple(kernel.shape)
    axes = kernel.ndim >= 4 if stacks else kernel.ndim == 4
    if not axes or 0 in shape or shape[-1] != shape[-2]:
        lead = "..., " if stacks else ""
        raise ValueError(f"need kernel ({lead}d_out, d_in, q, q), none empty, got {shape}")
    if kernel.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"need kernel of dtype float32 or float64, got {kernel.dtype}")
    if not bool(torch.isfinite(kernel).all()):
        raise ValueError("need finite kernel, got nan or infinity")
    if shape[-1] > size:
        raise ValueError(f"need q <= r, got q = {shape[-1]} and r = {size}")

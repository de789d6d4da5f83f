r"""What filters do to the output, through the frequencies: no convolved map is ever written out.

A circular convolution multiplies the DFT of its input, frequency by frequency, by the small matrix
:math:`\kappa(f) \in \mathbb{C}^{d_{out} \times d_{in}}` (the conjugate of the kernel's DFT, as
PyTorch correlates, up to a phase). By Parseval's identity

.. math:: \langle K_{\cdot i} * u,\; K_{\cdot j} * v \rangle = \frac1{r^2} \sum_f
          \mathrm{Re}\Bigl[ \bigl(\kappa(f)^* \kappa(f)\bigr)_{ij}\;
          \overline{\hat u(f)}\, \hat v(f) \Bigr],

so the output channels are summed over once, not for every sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from compressibility.convolution import convolve
from compressibility.group_greedy import Terms

_CHUNK = 2**22  # complex numbers in one batch of spectra: 64 MiB


def filter_energies(kernel: Tensor, inputs: Tensor) -> Tensor:
    r"""Energy that each input filter adds to the output, :math:`E\|K_{\cdot i} * x_i\|^2`.

    Parameters
    ----------
    kernel
        Shape (d_out, d_in, q, q).
    inputs
        Images, shape (N, d_in, r, r), q <= r.

    Returns
    -------
    Tensor
        Shape (d_in,), float64.

    Examples
    --------
    >>> filter_energies(torch.tensor([[[[1.0]], [[3.0]]]]), torch.ones(5, 2, 2, 2)).tolist()
    [4.0, 36.0]
    """
    size = inputs.shape[-1]
    gains = symbols(kernel, size).abs().square().sum(1)  # (f, i)
    gains *= frequency_weights(size, kernel.device)[:, None] / len(inputs)
    energies = torch.zeros(kernel.shape[1], dtype=torch.float64, device=kernel.device)
    for part in _parts(inputs):
        energies += (gains * spectra(part).abs().square().sum(1)).sum(0)
    return energies


@dataclass(frozen=True, eq=False)
class BlockMoments:
    r"""Inner products of the changes that n output filters make to a block of two convolutions.

    :math:`a_i = K_{2,\cdot i} * (\varphi(z_i/p) - \varphi(z_i))` if the filter is kept and
    :math:`b_i = K_{2,\cdot i} * (\varphi(0) - \varphi(z_i))` if it is zeroed, :math:`r_0` the error
    before the first step. All are means over samples, float64.
    """

    residual: Tensor  # () |r0|^2
    linear_kept: Tensor  # (n,) <r0, a_i>
    linear_zeroed: Tensor  # (n,) <r0, b_i>
    kept_kept: Tensor  # (n, n) <a_i, a_j>
    kept_zeroed: Tensor  # (n, n) <a_i, b_j>
    zeroed_zeroed: Tensor  # (n, n) <b_i, b_j>

    @classmethod
    def of(
        cls,
        kernel1: Tensor,
        kernel2: Tensor,
        activation: Callable[[Tensor], Tensor],
        inputs: Tensor,
        dense: Tensor,
        *,
        keep: float,
    ) -> BlockMoments:
        """Measure them on the images x' ``inputs`` and x ``dense``, both (N, d_in, r, r)."""
        size = inputs.shape[-1]
        kappa = symbols(kernel2, size)  # (f, o, i)
        share = frequency_weights(size, kernel2.device)[:, None, None] / len(inputs)
        gram = (kappa.mH @ kappa) * share  # (f, i, j)
        first = kernel1.detach().double()
        totals = [torch.zeros((), dtype=torch.float64, device=kernel2.device)] * 6
        for some, true in zip(_parts(inputs), _parts(dense), strict=True):
            before = convolve(some.detach().double(), first)
            now = activation(before.clone())  # it may work in place
            a = spectra(activation(before / keep) - now)  # (f, N, i)
            b = spectra(activation(torch.zeros_like(before)) - now)
            gap = spectra(now - activation(convolve(true.detach().double(), first)))
            seen = gap.conj() @ gram  # (f, N, j)
            sums = (
                (seen * gap).sum(),
                (seen * a).sum((0, 1)),
                (seen * b).sum((0, 1)),
                *((gram * (u.mH @ v)).sum(0) for u, v in ((a, a), (a, b), (b, b))),
            )
            totals = [total + part.real for total, part in zip(totals, sums, strict=True)]
        return cls(*totals)

    def terms(self, *, keep: float) -> Terms:
        """Return what the greedy needs: products with the mean change M = p a + (1 - p) b."""
        go = 1 - keep
        return Terms(
            linear=keep * self.linear_kept + go * self.linear_zeroed,
            quadratic=keep * self.kept_kept.diagonal() + go * self.zeroed_zeroed.diagonal(),
            cross_kept=keep * self.kept_kept + go * self.kept_zeroed,
            cross_zeroed=keep * self.kept_zeroed.mT + go * self.zeroed_zeroed,
        )

    def errors(self, scale: Tensor) -> Tensor:
        """Return Psi of each draw, (D,), from its scales (D, n): 1/p kept, 0 zeroed, else 1."""
        kept, zeroed = (scale > 1).double(), (scale == 0).double()
        linear = kept @ self.linear_kept + zeroed @ self.linear_zeroed
        quadratic = (
            ((kept @ self.kept_kept) * kept).sum(1)
            + 2 * ((kept @ self.kept_zeroed) * zeroed).sum(1)
            + ((zeroed @ self.zeroed_zeroed) * zeroed).sum(1)
        )
        return (self.residual + 2 * linear + quadratic).clamp(min=0)


def symbols(kernel: Tensor, size: int) -> Tensor:
    """Return the matrix of each frequency, (f, d_out, d_in), f = r (r/2 + 1) of them.

    They are right up to a phase per frequency, which no inner product sees.

    Examples
    --------
    >>> symbols(torch.ones(1, 1, 1, 1), 2).shape
    torch.Size([4, 1, 1])
    """
    values = torch.fft.rfft2(kernel.detach().double(), s=(size, size)).conj()
    matrices: Tensor = values.flatten(-2).movedim(-1, 0).contiguous()
    return matrices


def spectra(images: Tensor) -> Tensor:
    """Return the DFT of images (N, channels, r, r) as (f, N, channels).

    Examples
    --------
    >>> spectra(torch.ones(5, 3, 2, 2)).shape
    torch.Size([4, 5, 3])
    """
    values = torch.fft.rfft2(images.detach().double())
    frequencies: Tensor = values.flatten(-2).movedim(-1, 0).contiguous()
    return frequencies


def frequency_weights(size: int, device: torch.device) -> Tensor:
    """Return the weight of each kept frequency in a mean over all r², (f,).

    A real image has conjugate values at f and -f; only one of the two is kept.

    Examples
    --------
    >>> (9 * frequency_weights(3, torch.device("cpu"))).tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]
    """
    weights = torch.full((size, size // 2 + 1), 2.0, dtype=torch.float64, device=device)
    weights[:, 0] = 1.0
    if size % 2 == 0:
        weights[:, -1] = 1.0
    return weights.flatten() / size**2


def _parts(images: Tensor) -> Iterator[Tensor]:
    """Split the samples so that the spectra of a part fit in memory."""
    return iter(torch.split(images, max(1, _CHUNK // images[0].numel())))

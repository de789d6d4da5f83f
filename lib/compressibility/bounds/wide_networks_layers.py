r"""Error bounds for one compressed layer, from numbers that can be measured on it.

Source: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). The hypotheses of the theorems (:math:`\delta(\xi)`, the
number of draws, the audits) live in :mod:`~compressibility.bounds.wide_networks_conditions` and
can be imported from here.

The symbols of every layer bound: a dense layer :math:`W \in \mathbb{R}^{n_2 \times n_1}` is fed
:math:`x`, the compressed one :math:`x'`; :math:`\sigma_1 = \|W\|` (``sigma1``, operator norm),
:math:`\nu_1 = \|W\|_\infty` (``nu1``, largest entry), :math:`\theta \ge \|x'\|` (``theta``; a root
mean square is enough for a mean), ``input_error`` :math:`= \mathbb{E}\|x - x'\|^2`, ``alpha`` the
share of the :math:`N = n_1 n_2` weights that is compressed, ``n2`` the number of outputs. Errors
are squared, in the units of the layer's output, before the activation; a 1-Lipschitz activation and
the projection (radius :math:`\kappa \ge \sigma_1 \rho`, :math:`\rho \ge \|x\|`) only lower them.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from torch import Tensor


def proposition_18(
    *,
    input_error: float,
    sigma1: float,
    nu1: float,
    theta: float,
    n2: int,
    alpha: float,
    k: int,
) -> float:
    r"""Bound the mean error of a wide layer, greedily quantized (Proposition 18).

    .. math:: \mathbb{E}\|Wx - Ux'\|^2 \le \sigma_1^2\,\mathbb{E}\|x-x'\|^2
              + \frac{2\alpha}{1-\alpha}\,\frac{\theta^2 \nu_1^2 n_2}{k^2}

    for :math:`2k+1` levels at :math:`0, \pm\nu_1/k, \dots, \pm\nu_1` (the paper counts :math:`2k`,
    without 0). The draws are unbiased, so compressing the weight :math:`(i,j)` adds exactly
    :math:`\mathrm{Var}(t_{ij})\,\mathbb{E}x_j'^2`, at most :math:`\nu_1^2\,\mathbb{E}x_j'^2/k^2`;
    these sum to :math:`\theta^2\nu_1^2 n_2/k^2` over the layer; each of the :math:`\alpha N` steps
    adds at most twice (Markov) the mean over the :math:`(1-\alpha)N` or more that remain.

    Parameters
    ----------
    input_error : :math:`\mathbb{E}\|x-x'\|^2`, of what the layers before have done.
    sigma1, nu1 : :math:`\|W\|` and :math:`\|W\|_\infty` (:func:`layer_constants`).
    theta : :math:`\theta \ge \|x'\|`, or a root mean square.
    n2 : number of outputs.
    alpha : share of the weights that is compressed.
    k : levels on each side of 0.

    Raises ValueError unless ``input_error, sigma1, nu1, theta >= 0`` (finite), ``0 < alpha < 1``,
    ``n2`` and ``k`` whole numbers >= 1. The paper's :math:`1/N < \alpha \le 1 - 1/N` is not needed
    for this.

    Examples
    --------
    >>> proposition_18(input_error=0.5, sigma1=2, nu1=1, theta=1, n2=3, alpha=0.5, k=2)
    3.5
    """
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    need_whole("k", k)
    return _wide_bound(input_error, sigma1, nu1, theta, n2, 2 * alpha / ((1 - alpha) * k**2))


def proposition_19(
    *,
    input_error: float,
    sigma1: float,
    nu1: float,
    theta: float,
    n2: int,
    alpha: float,
    p: float,
    epsilon: float = 0.0,
) -> float:
    r"""Bound the error of a wide layer, greedily pruned (Proposition 19).

    .. math:: (1+\varepsilon)\Bigl[\sigma_1^2\,\mathbb{E}\|x-x'\|^2
              + \frac{2\alpha}{1-\alpha}\,\frac{1-p}{p}\,\theta^2 \nu_1^2 n_2\Bigr]

    A drawn weight becomes :math:`w\,\mathrm{Bernoulli}(p)/p`, of variance :math:`w^2(1-p)/p \le
    \nu_1^2(1-p)/p`; the rest is as in :func:`proposition_18`. ``epsilon=0`` bounds the mean over
    draws (Proposition 20). ``epsilon > 0`` bounds one good realization, which also keeps at most
    :func:`kept_share_bound` of the weights; it exists from
    :func:`~compressibility.bounds.wide_networks.smallest_draws` draws on.

    Arguments as in :func:`proposition_18`, with ``p`` the chance that a drawn weight is kept.
    Raises ValueError as there, and unless ``0 < p < 1`` and ``epsilon >= 0``.

    Examples
    --------
    >>> proposition_19(input_error=0.5, sigma1=2, nu1=1, theta=1, n2=3, alpha=0.5, p=0.5)
    8.0
    """
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    odds = _pruning_variance(p)
    need_finite("epsilon", epsilon)
    added = 2 * alpha * odds / (1 - alpha)
    return (1 + epsilon) * _wide_bound(input_error, sigma1, nu1, theta, n2, added)


def sharper_wide_quantization(
    *,
    input_error: float,
    sigma1: float,
    nu1: float,
    theta: float,
    n2: int,
    alpha: float,
    k: int,
) -> float:
    r"""Bound the same mean as :func:`proposition_18`, without its waste (not in the paper).

    .. math:: \mathbb{E}\|Wx - Ux'\|^2 \le \sigma_1^2\,\mathbb{E}\|x-x'\|^2
              + \alpha\,\frac{\theta^2 \nu_1^2 n_2}{4k^2}

    A wide layer's scores do not depend on earlier draws, so the greedy adds the
    :math:`\lfloor\alpha N\rfloor` smallest: at most the share :math:`\alpha` of their sum. A weight
    between two levels a distance :math:`h = \nu_1/k` apart has variance :math:`h^2 f(1-f) \le
    h^2/4`.

    Arguments and ValueErrors as in :func:`proposition_18`, but ``alpha = 1`` is allowed.

    Examples
    --------
    >>> sharper_wide_quantization(input_error=0.5, sigma1=2, nu1=1, theta=1, n2=4, alpha=0.5, k=1)
    2.5
    """
    need(0 < alpha <= 1, "0 < alpha <= 1", alpha)
    need_whole("k", k)
    return _wide_bound(input_error, sigma1, nu1, theta, n2, alpha / (4 * k**2))


def sharper_wide_pruning(
    *,
    input_error: float,
    sigma1: float,
    nu1: float,
    theta: float,
    n2: int,
    alpha: float,
    p: float,
    epsilon: float = 0.0,
) -> float:
    r"""Bound the same error as :func:`proposition_19`, without its waste (not in the paper).

    .. math:: (1+\varepsilon)\Bigl[\sigma_1^2\,\mathbb{E}\|x-x'\|^2
              + \alpha\,\frac{1-p}{p}\,\theta^2 \nu_1^2 n_2\Bigr],

    for the reason given in :func:`sharper_wide_quantization`: the factor :math:`2/(1-\alpha)` goes.

    Arguments and ValueErrors as in :func:`proposition_19`, but ``alpha = 1`` is allowed.

    Examples
    --------
    >>> sharper_wide_pruning(input_error=0.5, sigma1=2, nu1=1, theta=1, n2=3, alpha=0.5, p=0.5)
    3.5
    """
    need(0 < alpha <= 1, "0 < alpha <= 1", alpha)
    odds = _pruning_variance(p)
    need_finite("epsilon", epsilon)
    return (1 + epsilon) * _wide_bound(input_error, sigma1, nu1, theta, n2, alpha * odds)


def _wide_bound(
    input_error: float, sigma1: float, nu1: float, theta: float, n2: int, added: float
) -> float:
    """Add what the input's error costs and what the draws cost."""
    need_finite("input_error", input_error)
    need_finite("sigma1", sigma1)
    need_finite("nu1", nu1)
    need_finite("theta", theta)
    need_whole("n2", n2)
    return float(sigma1**2 * input_error + added * theta**2 * nu1**2 * n2)


def _pruning_variance(p: float) -> float:
    """Give the variance of Bernoulli(p)/p."""
    need(0 < p < 1, "0 < p < 1", p)
    return (1 - p) / p


def kept_share_bound(*, alpha: float, p: float, gamma: float = 0.0, n: int | None = None) -> float:
    r"""Bound the share of a layer's weights that pruning keeps (Proposition 19).

    :math:`1 - \alpha + \alpha(1+\gamma)p`: the weights never drawn, and those kept among the drawn.
    ``gamma=0`` gives the expected share. With ``n`` weights only :math:`a = \lfloor\alpha n\rfloor`
    are drawn and the printed form falls short by less than :math:`1/n`; given ``n``, the exact
    :math:`1 - (1-(1+\gamma)p)\,a/n` is returned instead (a bound for every ``n``).

    Raises ValueError unless ``0 < alpha <= 1``, ``0 < p < 1``, ``gamma >= 0``, ``n`` whole and >=
    1.

    Examples
    --------
    >>> round(kept_share_bound(alpha=0.9, p=0.3), 12)
    0.37
    >>> kept_share_bound(alpha=0.9, p=0.5, n=5)  # 4 of 5 weights are drawn
    0.6
    """
    need(0 < alpha <= 1, "0 < alpha <= 1", alpha)
    need(0 < p < 1, "0 < p < 1", p)
    need_finite("gamma", gamma)
    drawn = alpha
    if n is not None:
        need_whole("n", n)
        drawn = compressed_count(alpha, n) / n
    return 1 - drawn + drawn * (1 + gamma) * p


@dataclass(frozen=True)
class LayerConstants:
    """What the bounds ask of one layer."""

    sigma1: float  # operator norm, largest singular value
    nu1: float  # largest absolute entry
    n_in: int
    n_out: int


def layer_constants(weight: Tensor | npt.ArrayLike) -> LayerConstants:
    r"""Measure :math:`\sigma_1 = \|W\|` and :math:`\nu_1 = \|W\|_\infty` of a layer, in float64.

    ``weight``: (n_out, n_in), a torch tensor (any device, with or without gradient) or an array.
    Raises ValueError unless it is a matrix with entries, all of them finite.

    Examples
    --------
    >>> layer_constants([[3.0, 0.0], [0.0, -4.0]])
    LayerConstants(sigma1=4.0, nu1=4.0, n_in=2, n_out=2)
    """
    if isinstance(weight, Tensor):
        weight = weight.detach().double().cpu().numpy()
    matrix = np.asarray(weight, dtype=np.float64)
    need(matrix.ndim == 2 and matrix.size > 0, "a matrix (n_out, n_in)", f"shape {matrix.shape}")
    need(bool(np.isfinite(matrix).all()), "finite weights", "nan or inf")
    return LayerConstants(
        sigma1=float(np.linalg.norm(matrix, 2)),
        nu1=float(np.abs(matrix).max()),
        n_in=matrix.shape[1],
        n_out=matrix.shape[0],
    )


def compressed_count(alpha: float, n: int) -> int:
    r"""Give :math:`\lfloor \alpha n \rfloor` exactly, ``alpha`` read as a decimal.

    >>> compressed_count(0.29, 100), int(0.29 * 100)
    (29, 28)
    """
    return math.floor(as_decimal(alpha) * int(n))


def as_decimal(value: float) -> Fraction:
    """Read a float as the decimal it prints as: 0.29 is 29/100."""
    return Fraction(str(float(value)))


def need(holds: bool, inequality: str, value: object) -> None:
    """Raise ``ValueError("need <inequality>, got <value>")`` unless it holds."""
    if not holds:
        raise ValueError(f"need {inequality}, got {value}")


def need_finite(name: str, value: float) -> None:
    """Check that a quantity is finite and not negative."""
    need(0 <= value < math.inf, f"0 <= {name} < inf", value)


def need_whole(name: str, value: int) -> None:
    """Check that a count is a positive whole number."""
    need(value >= 1 and value % 1 == 0, f"a whole {name} >= 1", value)

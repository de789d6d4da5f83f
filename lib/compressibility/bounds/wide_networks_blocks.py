r"""Error bounds for one compressed block: two layers with an activation between them.

Source: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). A block is :math:`W_2\varphi(W_1 x)` with :math:`W_1 \in
\mathbb{R}^{n_2 \times n_1}`, :math:`W_2 \in \mathbb{R}^{n_3 \times n_2}`; the entries of
:math:`W_1` are compressed, and :math:`\Psi(A) = \mathbb{E}\|W_2\varphi(W_1 x) -
W_2\varphi(A x')\|^2`. The activation is entrywise, 1-Lipschitz, with :math:`|\varphi''| \le 1` (9).

Symbols as in :mod:`~compressibility.bounds.wide_networks_layers`, and :math:`\sigma_2 = \|W_2\|`,
:math:`\nu_2 = \|W_2\|_\infty`, ``n2`` the units between the layers, ``n3`` the block's outputs.
Here ``theta`` must bound :math:`\|x'\|` for every input: a root mean square is not enough.

The printed bounds hold :math:`f(\Lambda) = \Lambda e^\Lambda` and leave the floats' range quickly:
``log=True`` returns the natural logarithm, and without it a bound beyond the range is ``inf``.
"""

import math
from dataclasses import dataclass

import numpy as np

from compressibility.bounds.wide_networks_layers import need, need_finite, need_whole


@dataclass(frozen=True)
class BlockTerms:
    r"""What the bounds of one block are built of."""

    growth: float  # Λ of Propositions 21, 22, 25
    sharper_growth: float  # Λ* = Λ (1-α) ln(1/(1-α)) / (4α)
    omega: float  # ω of Propositions 21, 22, 25
    drift: float  # a: a draw moves the output's mean, by |φ''| ≤ 1
    spread: float  # b: a draw scatters the output
    theta: float  # θ ≥ ‖x'‖


def block_terms(
    *,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n2: int,
    n3: int,
    alpha: float,
    p: float | None = None,
    k: int | None = None,
) -> BlockTerms:
    r"""Compute the constants of a block bound, for pruning (``p``) or quantization (``k``).

    With :math:`v = (1-p)/p` and :math:`s = (p \vee (1-p))/p` for pruning, :math:`v = 1/k^2` and
    :math:`s = 1/k` for quantization (Propositions 22 and 21),

    .. math:: \Lambda = \frac{2\alpha}{1-\alpha}\,v\,\theta\sigma_2\nu_1^2\sqrt{n_2}, \qquad
              \omega = \theta^2 + 2\theta\nu_2^2 n_3\sqrt{n_2}/\sigma_2
                       + 2\theta^2 s\,\nu_1\nu_2\sqrt{n_2 n_3}

    and, not in the paper, :math:`\Lambda^* = \tfrac12 v\,\theta\sigma_2\nu_1^2\sqrt{n_2}
    \ln\frac1{1-\alpha}` (:func:`sharper_block_pruning`), :math:`a = v' \theta^2\sigma_2\nu_1^2
    \sqrt{n_2}\ln\frac1{1-\alpha}`, :math:`b = v' \theta^2\nu_1^2\nu_2^2 n_2 n_3
    \ln\frac1{1-\alpha}` (:func:`sharpest_block_pruning`), :math:`v' = v`, for quantization
    :math:`1/(4k^2)`.

    Raises ValueError unless exactly one of ``p`` and ``k`` is given, ``nu1, nu2, theta >= 0``,
    ``sigma2 > 0``, all finite, ``0 < alpha < 1``, ``0 < p < 1``, ``n2, n3, k`` whole and >= 1.

    Examples
    --------
    >>> terms = block_terms(sigma2=1, nu1=1, nu2=1, theta=1, n2=4, n3=1, alpha=0.5, p=0.5)
    >>> terms.growth, terms.omega
    (4.0, 9.0)
    """
    need((p is None) != (k is None), "either p or k", f"p = {p} and k = {k}")
    if p is not None:
        need(0 < p < 1, "0 < p < 1", p)
        variance, jump = (1 - p) / p, max(p, 1 - p) / p
        exact = variance
    else:
        assert k is not None
        need_whole("k", k)
        variance, jump, exact = 1 / k**2, 1 / k, 1 / (4 * k**2)
    check_sizes(sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta)
    need_whole("n2", n2)
    need_whole("n3", n3)
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    # 1/N + 1/(N-1) + ... over the steps: the share of all scores that each step may cost
    steps = -math.log1p(-alpha)
    size = theta * sigma2 * nu1**2 * math.sqrt(n2)
    return BlockTerms(
        growth=float(2 * alpha / (1 - alpha) * variance * size),
        sharper_growth=float(variance * size * steps / 2),
        omega=float(
            theta**2
            + 2 * theta * nu2**2 * n3 * math.sqrt(n2) / sigma2
            + 2 * theta**2 * jump * nu1 * nu2 * math.sqrt(n2 * n3)
        ),
        drift=float(exact * theta * size * steps),
        spread=float(exact * theta**2 * nu1**2 * nu2**2 * n2 * n3 * steps),
        theta=float(theta),
    )


def proposition_21(
    *,
    input_error: float,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n2: int,
    n3: int,
    alpha: float,
    k: int,
    log: bool = False,
) -> float:
    r"""Bound the mean error of a block, greedily quantized (Proposition 21).

    .. math:: \mathbb{E}\Psi(U) \le (1+f(\Lambda))\,(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2
              + f(\Lambda)\,\omega, \qquad f(u) = u e^u,

    :math:`\Lambda` and :math:`\omega` from :func:`block_terms`, on the grid of ``2k + 1`` levels.
    Each step adds at most a multiple of what the earlier steps have done, hence the exponential.

    Arguments as in the module's docstring; ``log=True`` returns the natural logarithm. Raises
    ValueError as :func:`block_terms`, and unless ``input_error, sigma1 >= 0`` (finite).

    Examples
    --------
    >>> layer = dict(sigma1=1, sigma2=1, nu1=0, nu2=0, theta=1, n2=4, n3=1, alpha=0.5, k=2)
    >>> proposition_21(input_error=0.5, **layer)  # nothing to compress
    0.5
    """
    terms = block_terms(
        sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta, n2=n2, n3=n3, alpha=alpha, k=k
    )
    return printed_bound(terms, inherited(input_error, sigma1, sigma2), log=log)


def proposition_22(
    *,
    input_error: float,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n2: int,
    n3: int,
    alpha: float,
    p: float,
    epsilon: float = 0.0,
    log: bool = False,
) -> float:
    r"""Bound the error of a block, greedily pruned (Proposition 22).

    .. math:: (1+\varepsilon)\bigl[(1+f(\Lambda))\,(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2
              + f(\Lambda)\,\omega\bigr]

    As :func:`proposition_21`; ``epsilon=0`` bounds the mean over draws, ``epsilon > 0`` one good
    realization, as in :func:`~compressibility.bounds.wide_networks.proposition_19`. Raises
    ValueError as there.

    Examples
    --------
    >>> layer = dict(sigma1=2, sigma2=1, nu1=0, nu2=0, theta=1, n2=4, n3=1, alpha=0.5, p=0.5)
    >>> proposition_22(input_error=0.5, **layer)  # nothing to compress
    2.0
    """
    terms = block_terms(
        sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta, n2=n2, n3=n3, alpha=alpha, p=p
    )
    return printed_bound(terms, inherited(input_error, sigma1, sigma2), epsilon=epsilon, log=log)


def sharper_block_quantization(
    *,
    input_error: float,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n2: int,
    n3: int,
    alpha: float,
    k: int,
    log: bool = False,
) -> float:
    r"""Bound the same mean as :func:`proposition_21`, with less waste (not in the paper).

    .. math:: \mathbb{E}\Psi(U) \le e^{\Lambda^*} (\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2
              + (e^{\Lambda^*} - 1)\,\omega

    The least score is at most the *mean* of the scores left (the paper: twice or four times, by
    Markov's inequality), and :math:`\sum_{d<\alpha N} \frac1{N-d} \le \ln\frac1{1-\alpha}`.

    Arguments and ValueErrors as in :func:`proposition_21`.

    Examples
    --------
    >>> layer = dict(sigma1=1, sigma2=1, nu1=0, nu2=0, theta=1, n2=4, n3=1, alpha=0.5, k=2)
    >>> sharper_block_quantization(input_error=0.5, **layer)
    0.5
    """
    terms = block_terms(
        sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta, n2=n2, n3=n3, alpha=alpha, k=k
    )
    return sharper_bound(terms, inherited(input_error, sigma1, sigma2), log=log)


def sharper_block_pruning(
    *,
    input_error: float,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n2: int,
    n3: int,
    alpha: float,
    p: float,
    epsilon: float = 0.0,
    log: bool = False,
) -> float:
    r"""Bound the same error as :func:`proposition_22`, with less waste (not in the paper).

    .. math:: (1+\varepsilon)\bigl[e^{\Lambda^*} (\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2
              + (e^{\Lambda^*} - 1)\,\omega\bigr]

    for the reasons given in :func:`sharper_block_quantization`. Arguments and ValueErrors as in
    :func:`proposition_22`.

    Examples
    --------
    >>> layer = dict(sigma1=2, sigma2=1, nu1=0, nu2=0, theta=1, n2=4, n3=1, alpha=0.5, p=0.5)
    >>> sharper_block_pruning(input_error=0.5, **layer)
    2.0
    """
    terms = block_terms(
        sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta, n2=n2, n3=n3, alpha=alpha, p=p
    )
    return sharper_bound(terms, inherited(input_error, sigma1, sigma2), epsilon=epsilon, log=log)


def inherited(input_error: float, sigma1: float, sigma2: float) -> float:
    r"""Bound :math:`\Psi(W)`: :math:`(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2`."""
    need_finite("input_error", input_error)
    need_finite("sigma1", sigma1)
    return float((sigma1 * sigma2) ** 2 * input_error)


def printed_bound(
    terms: BlockTerms, before: float, *, epsilon: float = 0.0, log: bool = False
) -> float:
    r"""Give :math:`(1+\varepsilon)[(1+f(\Lambda))\,S + f(\Lambda)\,\omega]`, ``before`` = S."""
    growth = log_of(terms.growth) + terms.growth  # ln f(Λ)
    kept = np.logaddexp(0.0, growth) + log_of(before)
    return finish(float(np.logaddexp(kept, growth + log_of(terms.omega))), epsilon, log)


def sharper_bound(
    terms: BlockTerms, before: float, *, epsilon: float = 0.0, log: bool = False
) -> float:
    r"""Give :math:`(1+\varepsilon)[e^{\Lambda^*}S + (e^{\Lambda^*}-1)\,\omega]`, ``before`` = S."""
    growth = terms.sharper_growth
    kept = growth + log_of(before)
    # e^g - 1 = e^g (1 - e^-g), which neither overflows nor cancels
    added = growth + log_of(-math.expm1(-growth)) + log_of(terms.omega)
    return finish(float(np.logaddexp(kept, added)), epsilon, log)


def finish(logarithm: float, epsilon: float, log: bool) -> float:
    """Multiply by 1 + ε, and leave the logarithm unless it is what was asked for."""
    need_finite("epsilon", epsilon)
    total = logarithm + math.log1p(epsilon)
    if log:
        return total
    with np.errstate(over="ignore"):
        return float(np.exp(total))


def log_of(value: float) -> float:
    """Give ln, of 0 too."""
    return math.log(value) if value > 0 else -math.inf


def check_sizes(*, sigma2: float, nu1: float, nu2: float, theta: float) -> None:
    """Check the sizes that every block bound asks for."""
    need(0 < sigma2 < math.inf, "0 < sigma2 < inf", sigma2)
    for name, value in (("nu1", nu1), ("nu2", nu2), ("theta", theta)):
        need_finite(name, value)

r"""Error bounds for pruning whole columns of a wide layer, whole rows of a block.

Source: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). Columns are input neurons, rows are output neurons; with
``group`` = :math:`k` they go in groups of k consecutive ones, and :math:`\nu` is the largest
operator norm of a :math:`k \times k` block of the matrix: for k = 1 the largest entry
:math:`|w_{ij}|`, for a convolution on r × r maps k = r² and a block is one channel to one channel.
A group that is drawn is multiplied by Bernoulli(p)/p as a whole.

The other symbols are those of :mod:`~compressibility.bounds.wide_networks_layers` (columns) and
:mod:`~compressibility.bounds.wide_networks_blocks` (rows); ``alpha`` counts groups.
"""

import math

from compressibility.bounds.wide_networks_blocks import (
    BlockTerms,
    check_sizes,
    inherited,
    printed_bound,
    sharper_bound,
)
from compressibility.bounds.wide_networks_layers import (
    need,
    need_finite,
    need_whole,
    proposition_19,
    sharper_wide_pruning,
)


def proposition_24(
    *,
    input_error: float,
    sigma1: float,
    nu1: float,
    theta: float,
    n2: int,
    alpha: float,
    p: float,
    group: int = 1,
    epsilon: float = 0.0,
) -> float:
    r"""Bound the error of a wide layer whose columns are greedily pruned (Proposition 24).

    .. math:: (1+\varepsilon)\Bigl[\sigma_1^2\,\mathbb{E}\|x-x'\|^2 + \frac{2\alpha}{1-\alpha}\,
              \frac{1-p}{p}\,\theta^2\nu_1^2\,\frac{n_2}{k}\Bigr]

    The group E of columns costs :math:`\frac{1-p}{p}\mathbb{E}\|W_{:,E}x_E'\|^2`, and
    :math:`\|W_{:,E}\|^2 \le \nu_1^2 n_2/k`, the ``n2 / group`` blocks one below the other. For
    ``group=1`` it is the number of :func:`~compressibility.bounds.wide_networks.proposition_19`.

    Arguments as there and in the module's docstring; ``epsilon=0`` bounds the mean over draws.
    Raises ValueError as there, and unless ``group`` is a whole number that divides ``n2``.

    Examples
    --------
    >>> layer = dict(input_error=0.5, sigma1=2, nu1=1, theta=1, alpha=0.5, p=0.5)
    >>> proposition_24(**layer, n2=6, group=2)
    8.0
    """
    return proposition_19(
        input_error=input_error,
        sigma1=sigma1,
        nu1=nu1,
        theta=theta,
        n2=_blocks("n2", n2, group),
        alpha=alpha,
        p=p,
        epsilon=epsilon,
    )


def sharper_columns(
    *,
    input_error: float,
    sigma1: float,
    nu1: float,
    theta: float,
    n2: int,
    alpha: float,
    p: float,
    group: int = 1,
    epsilon: float = 0.0,
) -> float:
    r"""Bound the same error as :func:`proposition_24`, without its waste (not in the paper).

    .. math:: (1+\varepsilon)\Bigl[\sigma_1^2\,\mathbb{E}\|x-x'\|^2
              + \alpha\,\frac{1-p}{p}\,\theta^2\nu_1^2\,\frac{n_2}{k}\Bigr]

    Scores of columns do not depend on earlier draws either, so the greedy pays at most the share
    :math:`\alpha` of their sum. Arguments and ValueErrors as in :func:`proposition_24`, but
    ``alpha = 1`` is allowed.

    Examples
    --------
    >>> layer = dict(input_error=0.5, sigma1=2, nu1=1, theta=1, alpha=0.5, p=0.5)
    >>> sharper_columns(**layer, n2=6, group=2)
    3.5
    """
    return sharper_wide_pruning(
        input_error=input_error,
        sigma1=sigma1,
        nu1=nu1,
        theta=theta,
        n2=_blocks("n2", n2, group),
        alpha=alpha,
        p=p,
        epsilon=epsilon,
    )


def row_terms(
    *,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n1: int,
    n3: int,
    alpha: float,
    p: float,
    group: int = 1,
) -> BlockTerms:
    r"""Compute the constants of Proposition 25 for rows in groups of k.

    With :math:`v = (1-p)/p` and :math:`\tau = 1 \vee v`

    .. math:: \Lambda = \frac{2\alpha}{1-\alpha}\,v\,\theta\sigma_1^2\nu_2\sqrt{n_3/k}, \qquad
              \omega = \theta^2 + \frac{2\theta\nu_2\sqrt{n_3} + 2\tau\theta^2\sigma_2\nu_1
              \sqrt{n_1}}{\sqrt k}

    and, not in the paper, :math:`\Lambda^* = \tfrac12 v\,\theta\sigma_1^2\nu_2\sqrt{n_3/k}
    \ln\frac1{1-\alpha}` (:func:`sharper_rows`), :math:`a = 2\theta\Lambda^*`, :math:`b = v\,
    \theta^2\sigma_1^2\nu_2^2\,\frac{n_3}{k}\ln\frac1{1-\alpha}`
    (:func:`~compressibility.bounds.wide_networks.sharpest_rows`).

    Raises ValueError unless ``sigma1, nu1, nu2, theta >= 0``, ``sigma2 > 0``, all finite, ``0 <
    alpha < 1``, ``0 < p < 1``, ``n1, n3, group`` whole and >= 1, ``group`` a divisor of both.

    Examples
    --------
    >>> terms = row_terms(
    ...     sigma1=1, sigma2=1, nu1=1, nu2=1, theta=1, n1=4, n3=1, alpha=0.5, p=0.5)
    >>> terms.growth, terms.omega
    (2.0, 7.0)
    """
    need(0 < alpha < 1, "0 < alpha < 1", alpha)
    need(0 < p < 1, "0 < p < 1", p)
    need_finite("sigma1", sigma1)
    check_sizes(sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta)
    inputs, outputs = _blocks("n1", n1, group), _blocks("n3", n3, group)
    variance, steps = (1 - p) / p, -math.log1p(-alpha)
    column = nu2 * math.sqrt(outputs)  # bounds the norm of a group of columns of W2
    size = theta * sigma1**2 * column
    jump = max(1.0, variance)
    return BlockTerms(
        growth=float(2 * alpha / (1 - alpha) * variance * size),
        sharper_growth=float(variance * size * steps / 2),
        omega=float(
            theta**2 + 2 * theta * column + 2 * jump * theta**2 * sigma2 * nu1 * math.sqrt(inputs)
        ),
        drift=float(variance * theta * size * steps),
        spread=float(variance * (theta * sigma1 * column) ** 2 * steps),
        theta=float(theta),
    )


def proposition_25(
    *,
    input_error: float,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n1: int,
    n3: int,
    alpha: float,
    p: float,
    group: int = 1,
    epsilon: float = 0.0,
    log: bool = False,
) -> float:
    r"""Bound the error of a block whose rows are greedily pruned (Proposition 25).

    .. math:: (1+\varepsilon)\bigl[(1+f(\Lambda))\,(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2
              + f(\Lambda)\,\omega\bigr], \qquad f(u) = u e^u,

    :math:`\Lambda` and :math:`\omega` from :func:`row_terms`. ``epsilon=0`` bounds the mean over
    draws; ``log=True`` returns the natural logarithm. Raises ValueError as :func:`row_terms`, and
    unless ``input_error, epsilon >= 0`` (finite).

    Examples
    --------
    >>> block = dict(sigma1=2, sigma2=1, nu1=0, nu2=0, theta=1, n1=4, n3=1, alpha=0.5, p=0.5)
    >>> proposition_25(input_error=0.5, **block)  # the second layer reads nothing
    2.0
    """
    terms = row_terms(
        sigma1=sigma1,
        sigma2=sigma2,
        nu1=nu1,
        nu2=nu2,
        theta=theta,
        n1=n1,
        n3=n3,
        alpha=alpha,
        p=p,
        group=group,
    )
    return printed_bound(terms, inherited(input_error, sigma1, sigma2), epsilon=epsilon, log=log)


def sharper_rows(
    *,
    input_error: float,
    sigma1: float,
    sigma2: float,
    nu1: float,
    nu2: float,
    theta: float,
    n1: int,
    n3: int,
    alpha: float,
    p: float,
    group: int = 1,
    epsilon: float = 0.0,
    log: bool = False,
) -> float:
    r"""Bound the same error as :func:`proposition_25`, with less waste (not in the paper).

    .. math:: (1+\varepsilon)\bigl[e^{\Lambda^*} (\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2
              + (e^{\Lambda^*} - 1)\,\omega\bigr]

    for the reasons given in
    :func:`~compressibility.bounds.wide_networks.sharper_block_quantization`. Arguments and
    ValueErrors as in :func:`proposition_25`.

    Examples
    --------
    >>> block = dict(sigma1=2, sigma2=1, nu1=0, nu2=0, theta=1, n1=4, n3=1, alpha=0.5, p=0.5)
    >>> sharper_rows(input_error=0.5, **block)
    2.0
    """
    terms = row_terms(
        sigma1=sigma1,
        sigma2=sigma2,
        nu1=nu1,
        nu2=nu2,
        theta=theta,
        n1=n1,
        n3=n3,
        alpha=alpha,
        p=p,
        group=group,
    )
    return sharper_bound(terms, inherited(input_error, sigma1, sigma2), epsilon=epsilon, log=log)


def _blocks(name: str, count: int, group: int) -> int:
    """Count the blocks along one side of the matrix."""
    need_whole(name, count)
    need_whole("group", group)
    need(count % group == 0, f"a group that divides {name} = {count}", group)
    return count // group

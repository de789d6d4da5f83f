r"""Block bounds that do not grow exponentially (not in the paper).

Let :math:`r` be the error of the block's output so far, :math:`\Psi = \mathbb{E}\|r\|^2`, and
:math:`\Delta\varphi` what one draw does to the activation. The loss moves by exactly
:math:`2\langle r, W_2\Delta\varphi\rangle + \|W_2\Delta\varphi\|^2`. The draw is unbiased and
:math:`|\varphi''| \le 1`, so the mean of :math:`\Delta\varphi` is of second order: the scores of
*all* weights together are at most :math:`(a\sqrt\Psi + b)/\ln\frac1{1-\alpha}`, with a (drift) and
b (spread) of :func:`~compressibility.bounds.wide_networks.block_terms`. The least is at most the
mean of those left, hence over the :math:`\alpha N` steps :math:`\Psi` grows no faster than
:math:`\Psi' = a\sqrt\Psi + b` in unit time. The paper replaces :math:`\theta\sqrt\Psi` by
:math:`\frac12(\Psi + \theta^2)`, which makes the equation linear and its solution exponential; kept
as it is, its solution stays below :math:`(\sqrt{\Psi_0 + b} + a/2)^2`.
"""

import math

from compressibility.bounds.wide_networks_blocks import (
    BlockTerms,
    block_terms,
    finish,
    inherited,
    log_of,
)
from compressibility.bounds.wide_networks_structured import row_terms


def sharpest_block_quantization(
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
    r"""Bound the same mean as :func:`~compressibility.bounds.wide_networks.proposition_21`.

    .. math:: \mathbb{E}\Psi(U) \le \Bigl(\sqrt{(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2 + b}
              + \frac a2\Bigr)^2

    a and b from :func:`~compressibility.bounds.wide_networks.block_terms`; not in the paper, see
    the module's docstring. Where the linear equation happens to give less, for small a, its
    solution is returned, so that this is never above
    :func:`~compressibility.bounds.wide_networks.sharper_block_quantization`.

    Arguments and ValueErrors as in Proposition 21.

    Examples
    --------
    >>> layer = dict(sigma1=1, sigma2=1, nu1=0, nu2=0, theta=1, n2=4, n3=1, alpha=0.5, k=2)
    >>> sharpest_block_quantization(input_error=0.25, **layer)
    0.25
    """
    terms = block_terms(
        sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta, n2=n2, n3=n3, alpha=alpha, k=k
    )
    return sharpest_bound(terms, inherited(input_error, sigma1, sigma2), log=log)


def sharpest_block_pruning(
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
    r"""Bound the same error as :func:`~compressibility.bounds.wide_networks.proposition_22`.

    .. math:: (1+\varepsilon)\Bigl(\sqrt{(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2 + b}
              + \frac a2\Bigr)^2

    as :func:`sharpest_block_quantization`. Arguments and ValueErrors as in Proposition 22.

    Examples
    --------
    >>> layer = dict(sigma1=2, sigma2=1, nu1=0, nu2=0, theta=1, n2=4, n3=1, alpha=0.5, p=0.5)
    >>> sharpest_block_pruning(input_error=0.25, **layer)
    1.0
    """
    terms = block_terms(
        sigma2=sigma2, nu1=nu1, nu2=nu2, theta=theta, n2=n2, n3=n3, alpha=alpha, p=p
    )
    return sharpest_bound(terms, inherited(input_error, sigma1, sigma2), epsilon=epsilon, log=log)


def sharpest_rows(
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
    r"""Bound the same error as :func:`~compressibility.bounds.wide_networks.proposition_25`.

    .. math:: (1+\varepsilon)\Bigl(\sqrt{(\sigma_1\sigma_2)^2\,\mathbb{E}\|x-x'\|^2 + b}
              + \frac a2\Bigr)^2

    a and b from :func:`~compressibility.bounds.wide_networks.row_terms`; not in the paper, see the
    module's docstring. Arguments and ValueErrors as in Proposition 25.

    Examples
    --------
    >>> block = dict(sigma1=2, sigma2=1, nu1=0, nu2=0, theta=1, n1=4, n3=1, alpha=0.5, p=0.5)
    >>> sharpest_rows(input_error=0.25, **block)
    1.0
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
    return sharpest_bound(terms, inherited(input_error, sigma1, sigma2), epsilon=epsilon, log=log)


def sharpest_bound(
    terms: BlockTerms, before: float, *, epsilon: float = 0.0, log: bool = False
) -> float:
    r"""Bound the solution at time 1 of :math:`\Psi' = a\sqrt\Psi + b`, :math:`\Psi(0) = S`.

    The lesser of :math:`(\sqrt{S+b} + a/2)^2` and, by :math:`\theta\sqrt\Psi \le
    \tfrac12(\Psi+\theta^2)` with :math:`g = a/2\theta`, of :math:`e^g S + (e^g-1)(\theta^2+b/g)`;
    ``before`` = S.
    """
    best = (math.sqrt(before + terms.spread) + terms.drift / 2) ** 2
    growth = terms.drift / (2 * terms.theta) if terms.theta else 0.0
    if 0 < growth < 700:  # beyond, e^g leaves the range, and the square is less
        added = terms.theta**2 + terms.spread / growth
        best = min(best, math.exp(growth) * before + math.expm1(growth) * added)
    return finish(log_of(best), epsilon, log)

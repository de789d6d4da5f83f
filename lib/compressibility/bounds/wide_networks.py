r"""Compression bounds for wide networks: what they say of a whole network, and their front door.

Source: El Cheairi, Gamarnik, Mazumder, *Theoretical Compression Bounds for Wide Multilayer
Perceptrons*, COLT 2026 (arXiv 2512.06288). The parts, all of which can be imported from here:
one layer's error in :mod:`~compressibility.bounds.wide_networks_layers`, a block's in
:mod:`~compressibility.bounds.wide_networks_blocks`, structured pruning in
:mod:`~compressibility.bounds.wide_networks_structured`, our own block bounds in
:mod:`~compressibility.bounds.wide_networks_sharpest`; :math:`\delta(\xi)` and the number of draws
in :mod:`~compressibility.bounds.wide_networks_delta`; the theorems' hypotheses in
:mod:`~compressibility.bounds.wide_networks_conditions` (Theorems 2 and 3) and
:mod:`~compressibility.bounds.wide_networks_theorems` (6 and 7), the widths that meet them in
:mod:`~compressibility.bounds.wide_networks_widths`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy.typing as npt
from torch import Tensor

from compressibility.bounds.wide_networks_audit import Audit, Condition, Count, check_layers
from compressibility.bounds.wide_networks_blocks import (
    BlockTerms,
    block_terms,
    proposition_21,
    proposition_22,
    sharper_block_pruning,
    sharper_block_quantization,
)
from compressibility.bounds.wide_networks_conditions import (
    theorem_2_conditions,
    theorem_3_conditions,
)
from compressibility.bounds.wide_networks_delta import (
    Form,
    SharperDeltas,
    Tail,
    concentration_slack,
    delta,
    sharper_deltas,
    smallest_draws,
)
from compressibility.bounds.wide_networks_layers import (
    LayerConstants,
    compressed_count,
    kept_share_bound,
    layer_constants,
    need,
    need_finite,
    need_whole,
    proposition_18,
    proposition_19,
    sharper_wide_pruning,
    sharper_wide_quantization,
)
from compressibility.bounds.wide_networks_sharpest import (
    sharpest_block_pruning,
    sharpest_block_quantization,
    sharpest_rows,
)
from compressibility.bounds.wide_networks_structured import (
    proposition_24,
    proposition_25,
    row_terms,
    sharper_columns,
    sharper_rows,
)
from compressibility.bounds.wide_networks_theorems import theorem_6_conditions, theorem_7_conditions
from compressibility.bounds.wide_networks_widths import smallest_widths

__all__ = [
    "Audit",
    "BlockTerms",
    "Condition",
    "Count",
    "Form",
    "LayerConstants",
    "NetworkConstants",
    "SharperDeltas",
    "Tail",
    "block_terms",
    "check_layers",
    "compressed_count",
    "concentration_slack",
    "corollary_5",
    "delta",
    "excess_loss",
    "kept_share_bound",
    "layer_constants",
    "network_constants",
    "proposition_18",
    "proposition_19",
    "proposition_21",
    "proposition_22",
    "proposition_24",
    "proposition_25",
    "row_terms",
    "sharper_block_pruning",
    "sharper_block_quantization",
    "sharper_columns",
    "sharper_deltas",
    "sharper_rows",
    "sharper_wide_pruning",
    "sharper_wide_quantization",
    "sharpest_block_pruning",
    "sharpest_block_quantization",
    "sharpest_rows",
    "smallest_draws",
    "smallest_widths",
    "theorem_2_conditions",
    "theorem_3_conditions",
    "theorem_6_conditions",
    "theorem_7_conditions",
    "theorem_error",
]


def theorem_error(*, c1: float, m: int, xi: float) -> float:
    r"""Give the error that Theorems 2, 3, 6 and 7 conclude with.

    :math:`\mathbb{E}\|\Phi(x) - \hat\Phi(x)\|^2 \le c_1^{2m}(1+\xi)^m\xi` for ``m`` layers, once
    the theorem's hypotheses hold (:func:`theorem_2_conditions`, :func:`theorem_3_conditions`).
    Squared, in the units of the network's output with inputs in the unit ball. With :math:`c_1 = 1`
    it is the :math:`\varepsilon` of :func:`excess_loss`.

    Raises ValueError unless ``c1 > 0`` (finite), ``m`` whole and >= 1, ``0 < xi < 1``.

    Examples
    --------
    >>> theorem_error(c1=2, m=1, xi=0.5)
    3.0
    """
    need(0 < c1 < math.inf, "0 < c1 < inf", c1)
    need_whole("m", m)
    need(0 < xi < 1, "0 < xi < 1", xi)
    return float(c1 ** (2 * m) * (1 + xi) ** m * xi)


def excess_loss(*, loss: float, c1: float, m: int, epsilon: float) -> float:
    r"""Bound the compressed network's loss by the dense network's (18).

    .. math:: L(\hat\Phi) \le L(\Phi) + 2c_1^m\sqrt{\varepsilon L(\Phi)} + c_1^{2m}\varepsilon

    for :math:`L(\Phi) = \mathbb{E}\|\Phi(x)-y\|^2` (``loss``), whenever
    :math:`\mathbb{E}\|\hat\Phi-\Phi\|^2 \le c_1^{2m}\varepsilon`; in the theorems
    :math:`\varepsilon = (1+\xi)^m\xi`. Expand :math:`\|(\hat\Phi-\Phi)+(\Phi-y)\|^2` and apply
    Cauchy–Schwarz; equality if the two are collinear and point the same way. What is returned
    bounds :math:`L(\hat\Phi)` itself, not the excess. To use a measured
    :math:`\mathbb{E}\|\hat\Phi-\Phi\|^2`, pass it as ``epsilon`` with ``c1=1``. Both expectations
    are over the same inputs.

    Raises ValueError unless ``loss, epsilon >= 0``, ``c1 > 0`` (finite) and ``m`` whole and >= 1.

    Examples
    --------
    >>> excess_loss(loss=4.0, c1=2.0, m=1, epsilon=0.25)
    9.0
    """
    need_finite("loss", loss)
    need_finite("epsilon", epsilon)
    need(0 < c1 < math.inf, "0 < c1 < inf", c1)
    need_whole("m", m)
    return float(loss + 2 * c1**m * math.sqrt(epsilon * loss) + c1 ** (2 * m) * epsilon)


def corollary_5(*, loss: float, c1: float, m: int, epsilon: float, omega: float) -> float:
    r"""Bound the compressed network's loss as a multiple of the dense one's (Corollary 5).

    .. math:: L(\hat\Phi) \le \Bigl(1 + \frac{2c_1^m\sqrt\varepsilon}{\omega}\Bigr) L(\Phi)
              + c_1^{2m}\varepsilon

    under the noise condition (12), :math:`\mathbb{E}\|y-\mathbb{E}[y|x]\|^2 \ge \omega^2`: then
    every network has :math:`L \ge \omega^2`, so :math:`\sqrt{L} \le L/\omega` in
    :func:`excess_loss`, which is therefore the smaller of the two, equal at :math:`L = \omega^2`.

    Raises ValueError as :func:`excess_loss`, and unless ``omega > 0`` and ``loss >= omega**2``: a
    smaller loss contradicts (12), and the formula would not be a bound.

    Examples
    --------
    >>> corollary_5(loss=4.0, c1=2.0, m=1, epsilon=0.25, omega=1.0)
    13.0
    """
    tight = excess_loss(loss=loss, c1=c1, m=m, epsilon=epsilon)
    need(0 < omega < math.inf, "0 < omega < inf", omega)
    need(loss >= omega**2, f"loss >= omega**2 = {omega**2} (12)", loss)
    return float(tight + 2 * c1**m * math.sqrt(epsilon) * (loss / omega - math.sqrt(loss)))


@dataclass(frozen=True)
class NetworkConstants:
    r"""What the theorems ask of a network, the least constants that its weights allow."""

    c1: float  # max over layers of the operator norm
    c2: float  # max over layers of largest entry × √(n_ℓ ∨ n_{ℓ+1})
    widths: tuple[int, ...]  # (m+1,) n_1, …, n_{m+1}
    radii: tuple[float, ...]  # (m+1,) c1^0, …, c1^m: bounds ‖Φ^ℓ(x)‖ for ‖x‖ ≤ 1, and is κ_ℓ
    layers: tuple[LayerConstants, ...]  # (m,)


def network_constants(weights: Sequence[Tensor | npt.ArrayLike]) -> NetworkConstants:
    r"""Measure the least :math:`c_1` and :math:`c_2` of a network.

    :math:`c_1 = \max_\ell \|W_\ell\|`, :math:`c_2 = \max_\ell \|W_\ell\|_\infty
    \sqrt{n_\ell \vee n_{\ell+1}}`. ``weights``: :math:`W_1, \dots, W_m`, each (n_out, n_in). The
    radii hold for 1-Lipschitz activations with :math:`\varphi(0) = 0`. Raises ValueError unless
    there is a layer and each layer's inputs are as many as the outputs of the layer before.

    Examples
    --------
    >>> found = network_constants([[[1.0], [1.0], [1.0], [1.0]], [[0.5, 0.5, 0.5, 0.5]]])
    >>> found.c1, found.c2, found.widths
    (2.0, 2.0, (1, 4, 1))
    """
    need(len(weights) >= 1, "at least one layer", len(weights))
    layers = tuple(layer_constants(weight) for weight in weights)
    for number, (before, after) in enumerate(pairwise(layers), start=2):
        rule = f"n_in = {before.n_out} at layer {number}"
        need(after.n_in == before.n_out, rule, after.n_in)
    c1 = max(layer.sigma1 for layer in layers)
    return NetworkConstants(
        c1=c1,
        c2=max(layer.nu1 * math.sqrt(max(layer.n_in, layer.n_out)) for layer in layers),
        widths=(layers[0].n_in, *(layer.n_out for layer in layers)),
        radii=tuple(c1**power for power in range(len(layers) + 1)),
        layers=layers,
    )

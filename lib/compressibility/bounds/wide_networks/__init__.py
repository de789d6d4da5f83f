"""Compression bounds for wide networks: what they say of layers, of blocks, of a whole network.

Measured facts (``facts``) go into errors of layers and blocks (``errors``); the theorems' constants
(``delta``), hypotheses (``conditions``, ``widths``), conclusions (``losses``) speak of networks.
"""

from compressibility.bounds.wide_networks.conditions import Asked, Audit, audit
from compressibility.bounds.wide_networks.delta import (
    SharperDeltas,
    concentration_slack,
    delta,
    sharper_deltas,
    smallest_draws,
)
from compressibility.bounds.wide_networks.errors import (
    BlockTerms,
    block_bound,
    block_terms,
    sharpest,
    wide_bound,
)
from compressibility.bounds.wide_networks.facts import Constants, LayerFacts, Seen
from compressibility.bounds.wide_networks.losses import (
    corollary_5,
    excess_loss,
    kept_share_bound,
    promise,
    theorem_error,
)
from compressibility.bounds.wide_networks.widths import smallest_widths

__all__ = [
    "Asked", "Audit", "BlockTerms", "Constants", "LayerFacts", "Seen", "SharperDeltas", "audit",
    "block_bound", "block_terms", "concentration_slack", "corollary_5", "delta", "excess_loss",
    "kept_share_bound", "promise", "sharper_deltas", "sharpest", "smallest_draws",
    "smallest_widths", "theorem_error", "wide_bound",
]  # fmt: skip

"""What the figures of [EGM], Appendix C, show, read from their vector graphics.

[EGM] is cited in ``pruning.draws``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from compressibility.pruning.cuts import Kind


@dataclass(frozen=True)
class Published:
    """One figure: the normalized error and the score against the width."""

    widths: tuple[int, int, int]  # narrowest, middle, widest
    delta: Mapping[Kind, tuple[float, float, float]]  # within 0.5 %
    dense: tuple[float, float]  # R^2 or accuracy at the narrowest and the widest, within 0.001
    score: Mapping[Kind, tuple[float, float]]  # the same after the cut

    @property
    def ends(self) -> tuple[int, int]:
        """The widths of the scores: narrowest and widest."""
        return self.widths[0], self.widths[-1]


FIGURES: Mapping[int, Published] = MappingProxyType(
    {
        1: Published(
            (20, 500, 980),
            {"block": (33.6, 4.0e-2, 5.6e-3), "wide": (12.8, 7.4e-3, 8.8e-4)},
            (0.358, 0.672),
            {"block": (0.242, 0.496), "wide": (0.285, 0.645)},
        ),
        2: Published(
            (20, 500, 980),
            {"block": (0.365, 3.1e-3, 8.0e-4), "wide": (0.448, 1.06e-3, 1.55e-4)},
            (0.670, 0.970),
            {"block": (0.552, 0.954), "wide": (0.525, 0.969)},
        ),
        3: Published(
            (100, 500, 1000),
            {"block": (0.233, 6.9e-4, 4.2e-5), "wide": (2.89, 3.75e-2, 4.85e-3)},
            (0.641, 0.709),
            {"block": (0.614, 0.708), "wide": (0.305, 0.509)},
        ),
        4: Published(
            (200, 600, 1000),
            {"block": (1.13e-2, 1.85e-4, 2.6e-5), "wide": (4.05e-2, 2.06e-3, 5.1e-4)},
            (0.891, 0.962),
            {"block": (0.874, 0.961), "wide": (0.829, 0.948)},
        ),
        5: Published(
            (20, 60, 100),
            {"block": (0.70, 6.4e-2, 1.06e-2), "wide": (2.17, 0.212, 3.7e-2)},
            (0.982, 0.980),
            {"block": (0.939, 0.973), "wide": (0.860, 0.957)},
        ),
    }
)
"""Figures 1 to 5 of [EGM], all with ReLU, by number.

1 and 3 show California Housing, 2, 4 and 5 digits; 1 and 2 cut single weights, 3 and 4 rows and
columns, 5 output filters (block) and input filters (wide).
"""

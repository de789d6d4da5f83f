"""Rows of an audit: one hypothesis each, both sides and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One hypothesis, held against what was found."""

    name: str  # what is compared, in words
    equation: str  # its number in the paper, "" if it has none
    layer: int | None  # 1-based layer, None for the whole network
    left: float  # what was found
    relation: str  # "<=", ">=", "=" or "<", read left to right
    right: float  # what is asked for
    holds: bool
    advice: str = ""  # what to do about it, "" if all is well or nothing can be said


@dataclass(frozen=True)
class Rows:
    """A table of hypotheses."""

    rows: tuple[Row, ...]

    @property
    def holds(self) -> bool:
        """Whether every row holds."""
        return all(row.holds for row in self.rows)

    def row(self, equation: str, layer: int | None = None) -> Row:
        """Return the first row of an equation, of one layer if named; LookupError without one."""
        for row in self.rows:
            if row.equation == equation and layer in (None, row.layer):
                return row
        known = [row.equation for row in self.rows]
        raise LookupError(f"no row {equation} of layer {layer} in {known}")

    def as_records(self) -> list[dict[str, object]]:
        """Return the rows as dictionaries, ready for ``pandas.DataFrame``."""
        return [asdict(row) for row in self.rows]

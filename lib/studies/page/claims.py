"""Claims: what is predicted, set against what was measured, with a computed verdict.

The verdict is never passed in: the measured interval lies inside the predicted region
(*holds*), wholly outside it (*fails*), or astride its border (*undecided*).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from studies.page.numbers import count, estimate, number
from studies.page.regions import Region

MIME = "application/vnd.studies.claims+json"
ICONS = {"holds": "✓", "fails": "✗", "undecided": "?"}
IMPLIED = {
    "identity": "an equation that the statement implies",
    "inequality": "a bound that the statement implies",
    "arithmetic": "the value of a formula",
}
BESIDE = {
    "prediction": "empirical: no theorem speaks of it",
    "reproduction": "a published figure, redone",
    "control": "a condition dropped or a mistake built in: the test must notice",
}
KINDS = {**IMPLIED, **BESIDE}
Verdict = Literal["holds", "fails", "undecided"]

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Claim:
    """A prediction, its measurement and the verdict; `claims` puts it into a table."""

    id: str  # <label of the statement>.<name>; before it is in a table, the name
    says: str  # one sentence
    kind: str | None  # one of KINDS
    predicted: str  # the region in words
    because: str | None  # where the region comes from
    region_low: float
    region_high: float
    measured: str  # value and interval in words, or "0 of 456"
    value: float
    low: float
    high: float
    level: float | None  # confidence of [low, high]; None if it has none (a count, say)
    n: int  # sample size
    over: str | None  # what n counts
    verdict: Verdict
    may_stay_undecided: str | None = None  # the reason, if there is one
    title: str | None = None  # of the statement; the builder knows it

    def or_undecided(self, why: str) -> Claim:
        """Let the `book` profile pass although the interval lies astride, and say why."""
        return replace(self, may_stay_undecided=why)

    @property
    def sample(self) -> str:
        """What stands behind the measured number: ``99%, 8 networks``."""
        level = "" if self.level is None else f"{100 * self.level:.6g}%, "  # 99.99 is not 100
        counted = self.measured.endswith(f" of {count(self.n)}")
        return level + (f"{self.over}" if counted else f"{count(self.n)} {self.over}")

    def as_json(self) -> dict[str, Any]:
        """Fields and `sample` as JSON values; JSON has no infinity, so such an end is None."""
        fields = {**asdict(self), "sample": self.sample}
        for key in ("region_low", "region_high", "low", "high"):
            fields[key] = fields[key] if math.isfinite(fields[key]) else None
        return fields

    def __str__(self) -> str:
        return (
            f"[{ICONS[self.verdict]} {self.verdict}] {self.says} — predicted {self.predicted} "
            f"({self.because}), measured {self.measured}, {self.sample}  ({self.id}, {self.kind})"
        )


@dataclass(frozen=True)
class Group:
    """The claims on one statement; shown as a table in a notebook."""

    label: str
    rows: tuple[Claim, ...]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        rows = [row.as_json() for row in self.rows]
        return {
            "text/html": table(rows, title=None, label=self.label),
            "text/plain": "\n".join(map(str, self.rows)),
            MIME: {"label": self.label, "claims": rows},
        }


def claim(
    name: str,
    measured: Any,
    region: Region,
    says: str,
    *,
    kind: str | None = None,
    over: str | None = None,
    because: str | None = None,
) -> Claim:
    """Compare a measurement with the predicted region: a row for `claims`.

    ``measured`` is anything with the numbers ``value``, ``low``, ``high``, ``n`` and, if it has
    one, ``level``; a ValueError if it is no interval around its value (NaN is in none).  ``says``
    is a statement, one sentence; 45 letters fill a line.  ``over`` says what ``n`` counts,
    and ``because`` where the region comes from, in a few words.
    """
    _check(name, kind)
    value, low, high = float(measured.value), float(measured.low), float(measured.high)
    n, level = measured.n, getattr(measured, "level", None)
    if not (math.isfinite(value) and low <= value <= high and 1 <= n < math.inf and n % 1 == 0):
        raise ValueError(
            f"claim {name}: need a finite value, low <= value <= high and a whole n >= 1, "
            f"got value = {value}, low = {low}, high = {high}, n = {n}"
        )
    if level is not None and not 0 < level <= 1:
        raise ValueError(f"claim {name}: need 0 < level <= 1, got {level}")
    verdict = _verdict(region, low, high)
    if low == high and value.is_integer() and 0 <= value <= n != 1 and region.of_counts:
        words = f"{count(int(value))} of {count(int(n))}"
    else:
        words = estimate(value, low, high, same=lambda a, b: _verdict(region, a, b) == verdict)
    return Claim(
        id=name,
        says=says,
        kind=kind,
        predicted=str(region),
        because=because,
        region_low=float(region.low),
        region_high=float(region.high),
        measured=words,
        value=value,
        low=low,
        high=high,
        level=None if low == high or level is None else float(level),
        n=int(n),
        over=over,
        verdict=verdict,
    )


def claims(
    label: str,
    *rows: Claim,
    kind: str | None = None,
    over: str | None = None,
    because: str | None = None,
) -> Group:
    """Put the claims on the statement ``label`` into one table, a cell's last expression.

    ``kind``, ``over`` and ``because`` serve the rows that do not say; a row for which nobody
    says one of them, two rows of one name, or none at all are ValueErrors.
    """
    _check(label, kind)
    given = {"kind": kind, "over": over, "because": because}
    full = []
    for row in rows:
        told: dict[str, Any] = {key: getattr(row, key) or given[key] for key in given}
        if missing := [key for key, value in told.items() if not value]:
            raise ValueError(f"claim {label}.{row.id}: need {', '.join(missing)}")
        full.append(replace(row, id=f"{label}.{row.id}", **told))
    if not full or len({row.id for row in full}) < len(full):
        names = ", ".join(row.id for row in full) or "none"
        raise ValueError(f"claims({label!r}): need rows with different names, got {names}")
    return Group(label, tuple(full))


@cache
def template(package: str, name: str) -> Template:
    """One of a package's HTML templates."""
    return Environment(
        loader=PackageLoader(package), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    ).get_template(name)


def table(rows: Sequence[Mapping[str, Any]], *, title: str | None, label: str) -> str:
    """Render claims, as their JSON has them, below the title of their statement."""
    parts = [
        ("", [row for row in rows if row["kind"] in IMPLIED]),
        ("Beside the statement, not implied by it", [r for r in rows if r["kind"] in BESIDE]),
    ]
    return template("studies.page", "claims.html").render(
        parts=parts, title=title or label, label=label, icons=ICONS, kinds=KINDS, scale=scale
    )


def scale(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Region, interval and value in percent between two numbered ends; None for two points."""
    region, interval = (row["region_low"], row["region_high"]), (row["low"], row["high"])
    if all(low is not None and low == high for low, high in (region, interval)):
        return None
    numbers = [x for x in (*region, *interval, row["value"]) if x is not None]
    least, most = min(numbers), max(numbers)
    raw = max(most / 5 - least / 5 or abs(most) or 1.0, 1e-300)  # no finer: floats end
    unit = 10.0 ** math.floor(math.log10(raw)) or raw
    step = unit * next((m for m in (1, 2, 5) if m * unit >= raw), 10)
    # Room beyond all that is drawn, but none across zero.
    left = 0.0 if 0 < least < step else math.floor(least / step - 0.25) * step
    right = 0.0 if -step < most < 0 else math.ceil(most / step + 0.25) * step
    left, right = max(left, -sys.float_info.max), min(right, sys.float_info.max)

    def across(x: float | None, beyond: float = 0.0) -> float:
        """An infinite end lies beyond the line, which is clipped."""
        return beyond if x is None else round((x / 4 - left / 4) / (right / 4 - left / 4) * 100, 1)

    return {
        "region": (across(region[0], -9.0), across(region[1], 109.0)),
        "interval": (across(interval[0], -9.0), across(interval[1], 109.0)),
        "value": across(row["value"]),
        "ends": (number(left), number(right)),
    }


def _check(name: str, kind: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: need small letters, digits and hyphens, such as decay-w1")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"{name}: {kind!r} is no kind of claim; need one of {', '.join(KINDS)}")


def _verdict(region: Region, low: float, high: float) -> Verdict:
    if region.contains(low, high):
        return "holds"
    return "fails" if region.misses(low, high) else "undecided"

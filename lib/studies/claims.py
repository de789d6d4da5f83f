"""Claims: what a theorem predicts, set against what was measured, with a computed verdict.

``measured`` is any object with the numbers ``value``, ``low``, ``high``, ``n``
(and, if it has one, the confidence ``level`` of the interval).  The verdict is
never passed in: the interval lies inside the predicted region (*holds*), wholly
outside it (*fails*), or astride its border (*undecided*).
"""

from __future__ import annotations

import html
import math
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from studies.number_line import number_line
from studies.numerals import count, interval
from studies.regions import Region

MIME = "application/vnd.studies.claim+json"
ICONS = {"holds": "✓", "fails": "✗", "undecided": "?"}
Verdict = Literal["holds", "fails", "undecided"]

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*")


class Measured(Protocol):
    """An estimate with an interval: all that a claim reads of it."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """Lower end of its interval."""

    @property
    def high(self) -> float:
        """Upper end of its interval."""

    @property
    def n(self) -> int:
        """Sample size."""


@dataclass(frozen=True)
class Claim:
    """A prediction, its measurement and the verdict; shown as a box in a notebook."""

    id: str  # <label of the theorem>.<what is claimed>
    says: str  # one sentence
    predicted: str  # the region in words
    region_low: float
    region_high: float
    value: float
    low: float
    high: float
    level: float | None  # confidence of [low, high]; None if it has none (a count, say)
    n: int  # sample size
    over: str  # what n counts
    theorem: str | None  # how the text calls the theorem, "Proposition 1"
    may_stay_undecided: str | None  # the reason, if there is one
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Fields as JSON values; infinite ends become None, as JSON has no infinity."""
        fields = asdict(self)
        for key in ("region_low", "region_high", "low", "high"):
            fields[key] = fields[key] if math.isfinite(fields[key]) else None
        return fields

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self._box(), "text/plain": str(self), MIME: self.as_json()}

    def __str__(self) -> str:
        value, low, high = interval(self.value, self.low, self.high)
        return (
            f"[{ICONS[self.verdict]} {self.verdict}] {self.says} — predicted {self.predicted}, "
            f"measured {value} [{low}, {high}], n = {self.n} {self.over}  ({self.id})"
        )

    def _box(self) -> str:
        label = self.id.partition(".")[0]
        link = f'<a class="claim-theorem" href="#{label}">{html.escape(self.theorem or label)}</a>'
        value, low, high = interval(self.value, self.low, self.high)
        span = f' <span class="claim-interval">[{low}, {high}]</span>'
        measured = value if self.low == self.high else value + span
        numbers = {"predicted": html.escape(self.predicted), "measured": measured}
        if self.level is not None:
            numbers["interval"] = f"{100 * self.level:.6g}%"  # 99.99 is not rounded to 100
        numbers["n"] = f"{count(self.n)} {html.escape(self.over)}"
        terms = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in numbers.items())
        note = self.may_stay_undecided
        remark = f'<p class="claim-note">{html.escape(note)}</p>' if note else ""
        return (
            f'<div class="claim claim-{self.verdict}" id="claim-{self.id}" role="group" '
            f'aria-label="Claim {self.id}: {self.verdict}">'
            f'<div class="claim-head"><span class="claim-verdict">'
            f'<span class="claim-icon" aria-hidden="true">{ICONS[self.verdict]}</span> '
            f"{self.verdict}</span>{link}</div>"
            f'<p class="claim-says">{html.escape(self.says)}</p>'
            f'<dl class="claim-numbers">{terms}</dl>'
            f"{self._scale()}{remark}"
            f'<code class="claim-id">{self.id}</code></div>'
        )

    def _scale(self) -> str:
        """The picture of region and interval, unless both are points and there is none."""
        if self.low == self.high and self.region_low == self.region_high:
            return ""
        line = number_line(self.value, self.low, self.high, self.region_low, self.region_high)
        return f'<div class="claim-scale" aria-hidden="true">{line}</div>'


def claim(
    id: str,  # noqa: A002 - a claim's name is its id everywhere: in code, in the ledger, in links
    *,
    says: str,
    measured: Measured,
    predicted: Region,
    over: str,
    theorem: str | None = None,
    may_stay_undecided: str | None = None,
) -> Claim:
    """Compare a measurement with the predicted region.

    Parameters
    ----------
    id
        The theorem's label, a dot, and what is claimed: ``thm-2.decay``.
    says
        The claim in one sentence.
    measured
        Anything with ``value``, ``low``, ``high`` and ``n``.
    predicted
        A region: `below(0)`, `between(0.9, 1.1)`, `exactly(0)`, ….
    over
        What ``n`` counts: ``"networks"``, ``"networks × draws"``.
    theorem
        How the text calls the theorem; by default its label.
    may_stay_undecided
        Why the `book` profile may pass although the interval lies astride.

    Raises
    ------
    ValueError
        If the id has another form, the measurement is no interval around its value, or the
        level is no probability.
    """
    if not _ID.fullmatch(id):
        raise ValueError(f"claim id {id!r}: need <theorem's label>.<name>, such as thm-2.decay")
    value, low, high = float(measured.value), float(measured.low), float(measured.high)
    n, level = int(measured.n), getattr(measured, "level", None)
    if not (math.isfinite(value) and low <= value <= high and n >= 1):
        raise ValueError(
            f"claim {id}: need a finite value, low <= value <= high and n >= 1, "
            f"got value = {value}, low = {low}, high = {high}, n = {n}"
        )
    if level is not None and not 0 < level <= 1:
        raise ValueError(f"claim {id}: need 0 < level <= 1, got {level}")
    if predicted.contains(low, high):
        verdict: Verdict = "holds"
    else:
        verdict = "fails" if predicted.misses(low, high) else "undecided"
    return Claim(
        id=id,
        says=says,
        predicted=str(predicted),
        region_low=predicted.low,
        region_high=predicted.high,
        value=value,
        low=low,
        high=high,
        level=None if low == high or level is None else float(level),
        n=n,
        over=over,
        theorem=theorem,
        may_stay_undecided=may_stay_undecided,
        verdict=verdict,
    )

"""What a sweep found about the statements: where their claims held, and nearest where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from studies.build.runs import Run
from studies.sweep.sweep import Outcome

# The worst verdict of a statement's claims is its own.
WORST = ("fails", "undecided", "holds")


def scope(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """An entry per statement, as JSON values.

    ``verdicts`` counts the runs by the worst verdict of the statement's claims; ``kinds`` counts
    the claims, for each kind a row ``[level, fails, undecided, holds]`` per level of confidence,
    1 where a claim is exact; ``ranges`` are the least and largest value of each number that
    varied, among the runs in which none failed; ``failed`` and ``open`` name the run that departs
    from the chapter in the fewest parameters and in which a claim fails, or is undecided; None
    where there is none.
    """
    entries = []
    for name, some in groupby(outcomes, key=lambda outcome: outcome.chapter.name):
        found = list(some)
        runs = [(o.point, o.result.claims) for o in found if isinstance(o.result, Run)]
        labels = dict.fromkeys(c["id"].partition(".")[0] for _, claims in runs for c in claims)
        for label in labels:
            seen = [(p, [c for c in claims if _of(c, label)]) for p, claims in runs]
            judged = [(point, claims, _worst(claims)) for point, claims in seen if claims]
            statement = found[0].chapter.statements.get(label)
            entries.append(
                {
                    "chapter": name,
                    "label": label,
                    "title": statement.title if statement else label,
                    "verdicts": {w: sum(v == w for *_, v in judged) for w in WORST},
                    "kinds": _kinds([c for _, claims, _ in judged for c in claims]),
                    "ranges": _ranges([p.values for p, _, v in judged if v != "fails"]),
                    "failed": _nearest(judged, "fails"),
                    "open": _nearest(judged, "undecided"),
                }
            )
    return entries


def _of(claim: dict[str, Any], label: str) -> bool:
    return str(claim["id"]).startswith(f"{label}.")


def _worst(claims: Sequence[dict[str, Any]]) -> str:
    return min((str(c["verdict"]) for c in claims), key=WORST.index)


def _kinds(claims: Sequence[dict[str, Any]]) -> dict[str, list[list[float]]]:
    counts = Counter((c["kind"], c["level"] or 1, c["verdict"]) for c in claims)
    kinds: dict[str, list[list[float]]] = {}
    for kind, level in sorted({(kind, level) for kind, level, _ in counts}):
        row = [level, *(counts[kind, level, verdict] for verdict in WORST)]
        kinds.setdefault(kind, []).append(row)
    return kinds


def _nearest(judged: Sequence[Any], verdict: str) -> dict[str, Any] | None:
    some = [(point, claims) for point, claims, worst in judged if worst == verdict]
    if not some:
        return None
    point, claims = min(some, key=lambda one: len(one[0].setting))
    return {
        "setting": point.name,
        "again": point.arguments,
        "claims": [c["id"] for c in claims if c["verdict"] == verdict],
    }


def _ranges(values: Sequence[Any]) -> dict[str, list[float]]:
    """Least and largest of each number that is not the same in all runs; lists give theirs."""
    ranges = {}
    for name in values[0] if values else ():
        numbers = [n for one in values for n in _numbers(one[name])]
        if name != "seeds" and numbers and len({str(one[name]) for one in values}) > 1:
            ranges[name] = [min(numbers), max(numbers)]
    return ranges


def _numbers(value: Any) -> Iterator[float]:
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, int | float) and not isinstance(part, bool):
            yield part

"""A layered drawing of statements: each stands below what it uses."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from studies.build.entries import Entry

ACROSS = 7  # nodes in a row
SLOT, WIDTH, HEIGHT, ROW = 157, 143, 52, 92  # of a node with its gap, of a node, of a row
LETTER = 5.7  # the width of a letter, so that a text is as wide in any font
_LINES, _LETTERS = 2, 20  # of a title


def drawing(labels: Sequence[str], found: Mapping[str, Entry]) -> dict[str, Any]:
    """Places of these statements, of those elsewhere that they use, and the lines between.

    Statements that no line would reach come last, in the order of the book.
    """
    own = {label: [u for u in found[label].statement.uses if u in found] for label in labels}
    linked = {label for label, uses in own.items() if uses}
    linked |= {used for uses in own.values() for used in uses}
    rows = _rows({label: own.get(label, []) for label in found if label in linked})
    alone = [label for label in labels if label not in linked]
    first_alone = len(rows)
    rows += [alone[i : i + ACROSS] for i in range(0, len(alone), ACROSS)]
    at = {label: (x, y) for y, row in enumerate(rows) for x, label in _spread(row, y, first_alone)}
    nodes = [
        {
            "entry": found[label],
            "elsewhere": label not in own,
            "x": x,
            "y": y * ROW + 8,
            "shape": shape(found[label].status),
            "lines": list(_lines(found[label].plain)),
        }
        for label, (x, y) in at.items()
    ]
    edges = [
        {"from": used, "to": label, "path": _path(at[used], at[label], rows, at)}
        for label, uses in own.items()
        for used in uses
    ]
    size = {"width": ACROSS * SLOT, "height": max(len(rows) * ROW - 20, 0)}
    return {**size, "nodes": nodes, "edges": edges, "node_width": WIDTH, "alone": len(alone)}


def _rows(uses: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Rows from top to bottom, each node below all that it uses, near those it has lines with."""
    floor: dict[str, int] = {}

    def depth(label: str) -> int:
        if label not in floor:
            floor[label] = 0  # were there a circle, it would end here
            floor[label] = max((depth(used) + 1 for used in uses[label]), default=0)
        return floor[label]

    for label in uses:
        depth(label)
    users = {label: [x for x in uses if label in uses[x]] for label in uses}
    for label, above in uses.items():
        if not above:  # what uses nothing stands just above its first user
            floor[label] = min((floor[user] for user in users[label]), default=1) - 1
    layers = [
        [x for x in uses if floor[x] == level]
        for level in range(max(floor.values(), default=-1) + 1)
    ]
    place = {label: i / len(layer) for layer in layers for i, label in enumerate(layer)}
    for sweep in range(8):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = uses if sweep % 2 == 0 else users

            def middle(label: str, near: Mapping[str, Sequence[str]] = near) -> float:
                beside = [place[x] for x in near[label]]
                return sum(beside) / len(beside) if beside else place[label]

            layer.sort(key=middle)
            place.update({label: (i + 0.5) / len(layer) for i, label in enumerate(layer)})
    # A layer too long for a row takes several; neighbours stay above one another.
    split = [(layer, -(-len(layer) // ACROSS)) for layer in layers]
    return [layer[i::count] for layer, count in split for i in range(count)]


def _spread(row: Sequence[str], y: int, first_alone: int) -> Iterator[tuple[float, str]]:
    """Where the nodes of a row begin: linked ones spread out, others one after another."""
    step = SLOT if y >= first_alone else ACROSS * SLOT / len(row)
    for i, label in enumerate(row):
        yield round(i * step + (step - WIDTH) / 2, 1), label


def _path(
    above: tuple[float, int],
    below: tuple[float, int],
    rows: Sequence[Sequence[str]],
    at: Mapping[str, tuple[float, int]],
) -> str:
    """A line from the lower edge of one node to the upper edge of another, past those between."""
    (x, y), (x_end, y_end) = above, below
    start, end = x + WIDTH / 2, x_end + WIDTH / 2
    points = [(start, y * ROW + 8 + HEIGHT)]
    for row in range(y + 1, y_end):
        aim = start + (end - start) * (row - y) / (y_end - y)
        boxes = [at[label][0] for label in rows[row]]
        free = [aim, *(edge for box in boxes for edge in (box - 6, box + WIDTH + 6))]
        free = [f for f in free if all(not box - 5 < f < box + WIDTH + 5 for box in boxes)]
        here = min(free, key=lambda f: abs(f - aim))
        points += [(here, row * ROW + 4), (here, row * ROW + 12 + HEIGHT)]
    points.append((end, y_end * ROW + 8))
    text = f"M{points[0][0]:.0f} {points[0][1]}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (y0 + y1) / 2
        text += f"C{x0:.0f} {half:.0f} {x1:.0f} {half:.0f} {x1:.0f} {y1}"
    return text


def shape(status: str, w: float = WIDTH, h: float = HEIGHT) -> str:
    """The outline of a node, by how its statement stands to the paper."""
    cut, r = h / 4, h / 2 if status == "ours" else h / 6
    match status:
        case "as printed":
            return f"M0 0H{w}V{h}H0Z"
        case "repaired":  # pointed on both sides
            return f"M{cut} 0H{w - cut}L{w} {h / 2}L{w - cut} {h}H{cut}L0 {h / 2}Z"
        case "sharper":  # pointed to the right
            return f"M0 0H{w - cut}L{w} {h / 2}L{w - cut} {h}H0Z"
        case "reconstructed":  # corners cut
            return f"M{cut} 0H{w - cut}L{w} {cut}V{h - cut}L{w - cut} {h}H{cut}L0 {h - cut}V{cut}Z"
    arc = f"A{r} {r} 0 0 1"  # ours: a pill; after a paper's: rounded
    return (
        f"M{r} 0H{w - r}{arc} {w} {r}V{h - r}{arc} {w - r} {h}H{r}{arc} 0 {h - r}V{r}{arc} {r} 0Z"
    )


def _lines(title: str) -> Iterator[tuple[str, float | None]]:
    """The title on at most two lines, and how wide each must be if it is long."""
    lines = textwrap.wrap(title, _LETTERS, max_lines=_LINES, placeholder=" …")
    for line in lines:
        yield line, round(len(line) * LETTER, 1) if len(line) > _LETTERS - 5 else None

"""A directly-follows graph: places in layers from left to right, arrows between them, thicker for more.

Arrows that lead back, or to the same layer, bend below; an arrow from a place to itself is a loop above it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from polku.language import N_
from polku.measures.charts import Graph, Link, Node
from polku.measures.drawing.order import ordered
from polku.measures.drawing.svg import Drawing, Pen, curve, el, fit, number

BOX, HIGH, PITCH, ROW = 132, 40, 205, 78
MOST_LINKS = 40
THICKEST = 9.0
Spot = tuple[float, float]


def draw(chart: Graph, pen: Pen) -> Drawing | None:
    nodes = [n for n in chart.nodes if n.n > 0]
    if not nodes:
        return None
    links = sorted((li for li in chart.links if li.n > 0), key=lambda li: -li.n)
    if len({n.level for n in nodes}) == 1:
        nodes = layered(nodes, links)
    columns = ordered(nodes, links)
    by_id = {n.id: n for n in nodes}
    shown = [li for li in links if li.source in by_id and li.target in by_id][:MOST_LINKS]
    tallest = max(len(ids) for ids in columns)
    pitch = max(PITCH, (pen.width - BOX) / max(1, len(columns) - 1)) if len(columns) > 1 else PITCH
    spots: dict[str, Spot] = {}
    level: dict[str, int] = {}
    for c, ids in enumerate(columns):
        for i, id in enumerate(ids):
            spots[id] = (
                pitch * c,
                34 + (i + (tallest - len(ids)) / 2) * ROW + (ROW / 4 if c % 2 and tallest > 1 else 0),
            )
            level[id] = c
    most = max((li.n for li in shown), default=1.0)
    base = max(y for _, y in spots.values()) + HIGH
    parts = []
    depth = 0.0
    for row, link in enumerate(shown):
        shape, deep = _arrow(link, spots, level, base, most)
        depth = max(depth, deep)
        said = f"{by_id[link.source].title} → {by_id[link.target].title}: {pen.say(link.n, chart.unit)}"
        said += f", {link.note}" if link.note else ""
        parts.append((link.n, pen.mark(shape, said, link.behind, (row, 0), "arrow")))
    body = "".join(mark for _, mark in sorted(parts, key=lambda p: p[0]))
    for place, node in enumerate(nodes):
        body += _node(node, *spots[node.id], place, chart, pen)
    width = pitch * (len(columns) - 1) + BOX + 2
    height = max(base, depth) + 12
    if len(links) > len(shown):
        told = pen.reader(
            N_("Drawn are the {n} most common of {all} arrows; the table has them all."), n=len(shown), all=len(links)
        )
        body += el("text", told, x=0, y=height + 10, class_="tick")
        height += 18
    return Drawing(body, max(width, pen.width), height, width > pen.width + 1)


def layered(nodes: Sequence[Node], links: Sequence[Link]) -> list[Node]:
    """The nodes with levels, where the measure gave none: one more than the node that most come from.

    From the nodes that nothing leads to (else the one that most leave), the strongest arrow to a node not yet placed is
    followed, again and again; nodes that nothing leaves stand last. The way people mostly go then runs to the right.
    """
    into: dict[str, float] = dict.fromkeys((n.id for n in nodes), 0.0)
    out: dict[str, float] = dict.fromkeys(into, 0.0)
    known = [li for li in links if li.source in into and li.target in into and li.source != li.target]
    for link in known:
        into[link.target] += link.n
        out[link.source] += link.n
    level = {id: 0 for id in into if not into[id] and out[id]} or {max(into, key=lambda id: out[id] - into[id]): 0}
    while len(level) < len(into):
        onward = [li for li in known if li.source in level and li.target not in level]
        if onward:
            best = max(onward, key=lambda li: li.n)
            level[best.target] = level[best.source] + 1
        else:  # a part of its own
            level[next(id for id in into if id not in level)] = 0
    last = max((level[id] for id in into if out[id]), default=-1) + 1
    level |= {id: last for id in into if into[id] and not out[id]}
    return [dataclasses.replace(n, level=level[n.id]) for n in nodes]


def _arrow(link: Link, spots: dict[str, Spot], level: dict[str, int], base: float, most: float) -> tuple[str, float]:
    """The arrow's markup, and how far down it reaches."""
    thick = max(1.0, THICKEST * math.sqrt(link.n / most))
    (x1, y1), (x2, y2) = spots[link.source], spots[link.target]
    deep = 0.0
    if link.source == link.target:  # a loop above the place
        middle = x1 + BOX / 2
        d = curve((middle - 18, y1), (middle - 26, y1 - 30), (middle + 26, y1 - 30), (middle + 18, y1 - 5))
        head = _head(middle + 18, y1, 0.15, 1.0, thick)
    elif level[link.target] > level[link.source]:
        start, end = (x1 + BOX, y1 + HIGH / 2), (x2 - 7, y2 + HIGH / 2)
        far = level[link.target] - level[link.source] > 1  # passes other places: bends away from their row
        lift = (-34 if y1 <= y2 else 34) if far else 0
        bend = (end[0] - start[0]) * 0.45
        d = curve(start, (start[0] + bend, start[1] + lift), (end[0] - bend, end[1] + lift), end)
        head = _head(x2, y2 + HIGH / 2, 1.0, 0.0, thick)
    else:  # back, or to the side: below everything
        deep = base + 16 + 9 * (level[link.source] - level[link.target])
        start_x, end_x = x1 + BOX * 0.62, x2 + BOX * 0.38
        d = curve((start_x, y1 + HIGH), (start_x, deep), (end_x, deep), (end_x, y2 + HIGH + 7))
        head = _head(end_x, y2 + HIGH, 0.0, -1.0, thick)
    wide = el("path", d=d, class_="reach")  # a field that is easy to point at
    return wide + el("path", d=d, class_="stroke", stroke_width=thick) + head, deep


def _head(x: float, y: float, dx: float, dy: float, thick: float) -> str:
    """An arrow's head with its tip at (x, y), pointing along (dx, dy)."""
    long, half = 7 + thick * 0.4, 3.5 + thick * 0.6
    bx, by = x - dx * long, y - dy * long
    px, py = -dy * half, dx * half
    d = f"M{number(x)} {number(y)}L{number(bx + px)} {number(by + py)}L{number(bx - px)} {number(by - py)}Z"
    return el("path", d=d, class_="head")


def _node(node: Node, x: float, y: float, place: int, chart: Graph, pen: Pen) -> str:
    shape = el("rect", x=x, y=y, width=BOX, height=HIGH, rx=9, class_="place")
    shape += el("text", fit(node.title, BOX - 14), x=x + BOX / 2, y=y + 17, class_="title", text_anchor="middle")
    shape += el("text", pen.say(node.n, chart.unit), x=x + BOX / 2, y=y + 32, class_="tick", text_anchor="middle")
    return pen.mark(shape, f"{node.title}: {pen.say(node.n, chart.unit)}", node.behind, (place, 1))

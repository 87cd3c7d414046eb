"""A Sankey diagram: nodes in columns as high as their number, links as wide as theirs."""

from __future__ import annotations

import dataclasses

from polku.measures.charts import Flow, Link, Node
from polku.measures.drawing.order import ordered
from polku.measures.drawing.svg import Drawing, Pen, colour, curve, el, fit, text_width

NODE, GAP, TALL, COLUMN = 12, 14, 330, 128
#: A node and a link are drawn at least this thick, so that the rarest can still be seen and pointed at.
THIN = 1.5


@dataclasses.dataclass(slots=True)
class Box:
    """A node where it stands, and how much of its sides links have taken."""

    node: Node
    x: float
    y: float
    height: float
    column: int
    out: float = 0.0
    into: float = 0.0


def draw(chart: Flow, pen: Pen) -> Drawing | None:
    nodes = [n for n in chart.nodes if n.n > 0]
    if not nodes:
        return None
    links = [li for li in chart.links if li.n > 0]
    columns = ordered(nodes, links)
    by_id = {n.id: n for n in nodes}
    most = max(sum(by_id[id].n for id in ids) for ids in columns)
    height = max(TALL, max(len(ids) for ids in columns) * 30)
    unit = (height - GAP * (max(len(ids) for ids in columns) - 1)) / most
    width = max(pen.width, COLUMN * len(columns))
    pitch = (width - COLUMN) / max(1, len(columns) - 1)
    boxes: dict[str, Box] = {}
    bottom = 0.0
    for c, ids in enumerate(columns):
        y = 18.0
        for id in ids:
            tall = max(THIN, by_id[id].n * unit)
            boxes[id] = Box(by_id[id], pitch * c, y, tall, c)
            y += max(tall, 16) + GAP
        bottom = max(bottom, y - GAP)
    # the same place has the same colour in every column, the largest ones first
    sums: dict[str, float] = {}
    for node in nodes:
        sums[node.title] = sums.get(node.title, 0.0) + node.n
    shades = {title: colour(i) for i, title in enumerate(sorted(sums, key=lambda t: -sums[t]))}
    drawn = [li for li in links if li.source in boxes and li.target in boxes]
    parts = _links(drawn, boxes, unit, chart, pen, shades)
    for place, box in enumerate(sorted(boxes.values(), key=lambda b: (b.column, b.y))):
        parts.append(_node(box, place, pitch if len(columns) > 1 else width, chart, pen, shades[box.node.title]))
    return Drawing("".join(parts), width, bottom + 8, width > pen.width + 1)


def _links(
    links: list[Link], boxes: dict[str, Box], unit: float, chart: Flow, pen: Pen, shades: dict[str, str]
) -> list[str]:
    """Ribbons; at a node they leave and arrive in the order of where they lead."""
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    for i, link in sorted(enumerate(links), key=lambda p: (boxes[p[1].target].y, boxes[p[1].target].x)):
        box = boxes[link.source]
        starts[i], box.out = box.y + box.out, box.out + link.n * unit
    for i, link in sorted(enumerate(links), key=lambda p: (boxes[p[1].source].y, boxes[p[1].source].x)):
        box = boxes[link.target]
        ends[i], box.into = box.y + box.into, box.into + link.n * unit
    parts = []
    order = sorted(range(len(links)), key=lambda i: -links[i].n)
    rows = {
        i: row for row, i in enumerate(sorted(range(len(links)), key=lambda i: (boxes[links[i].source].x, starts[i])))
    }
    for i in order:
        link = links[i]
        one, other = boxes[link.source], boxes[link.target]
        thick = max(THIN, link.n * unit)
        y1, y2 = starts[i] + thick / 2, ends[i] + thick / 2
        x1, x2 = one.x + NODE, other.x
        bend = (x2 - x1) / 2
        d = curve((x1, y1), (x1 + bend, y1), (x2 - bend, y2), (x2, y2))
        said = f"{one.node.title} → {other.node.title}: {pen.say(link.n, chart.unit)}" + (
            f", {link.note}" if link.note else ""
        )
        shape = el("path", d=d, stroke_width=thick, class_=f"ribbon {shades[one.node.title]}")
        parts.append(pen.mark(shape, said, link.behind, (rows[i], 0)))
    return parts


def _node(box: Box, place: int, room: float, chart: Flow, pen: Pen, shade: str) -> str:
    said = f"{box.node.title}: {pen.say(box.node.n, chart.unit)}"
    figure = pen.say(box.node.n, chart.unit)
    space = room - NODE - 12 if room > COLUMN else COLUMN - NODE - 8
    shape = el("rect", x=box.x, y=box.y, width=NODE, height=box.height, class_=f"node {shade}")
    name = fit(box.node.title, space - text_width(figure) - 6)
    at = box.y + box.height / 2 + 4
    words = el("text", name + " ", raw=el("tspan", figure, class_="soft"), x=box.x + NODE + 6, y=at, class_="over")
    return pen.mark(shape + words, said, box.node.behind, (place, 1))

"""Charts drawn as SVG by the server: one file each for bars, lines, heat, flow, graph and forest.

``figure`` draws for a page or a notebook, ``standalone`` a file of its own with its style inside; ``table_of`` is the
table that says the same.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable
from html import escape
from importlib import resources

from polku.language import N_, Reader
from polku.measures.answer import Cell, Table
from polku.measures.charts import Bars, Chart, Flow, Forest, Graph, Heat, Lines, Series, Unit, value_text
from polku.measures.drawing import bars, flow, forest, graph, heat, lines
from polku.measures.drawing.svg import Drawing, Pen, colour, el, number, text_width

WIDE, PHONE = 920.0, 352.0
#: What a page's stylesheet gives the charts, for files that stand alone: light paper.
LIGHT = (
    ".chart-svg{--ink:#16211d;--soft:#4c5b54;--line:#dfe6e1;--edge:#7d8c84;--card:#fff;--accent:#14634a;--hollow:#7f9188;"
    "--c1:#14634a;--c2:#b0601b;--c3:#3b6db5;--c4:#97407a;--c5:#6b7d1e;--c6:#7457b8;--c7:#2b8590;--c8:#a8423f;"
    'font:12px Inter,"Segoe UI",system-ui,sans-serif;font-variant-numeric:tabular-nums;background:#fff}'
)
NOTHING = N_("There is nothing to draw yet: no figure is known.")


def _draw(chart: Chart, pen: Pen) -> Drawing | None:
    if isinstance(chart, Bars):
        return bars.draw(chart, pen)
    if isinstance(chart, Lines):
        return lines.draw(chart, pen)
    if isinstance(chart, Heat):
        return heat.draw(chart, pen)
    if isinstance(chart, Flow):
        return flow.draw(chart, pen)
    if isinstance(chart, Graph):
        return graph.draw(chart, pen)
    return forest.draw(chart, pen)


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A chart as a page shows it. ``wide`` and ``phone`` are SVG; None, with ``reason``, when nothing is known."""

    title: str
    kind: str
    wide: str | None
    phone: str | None
    table: Table
    legend: tuple[tuple[str, str], ...] = ()  # class of the colour, name
    open: bool = False  # something in it is not yet final
    scrolls: bool = False
    reason: str = ""


def figure(chart: Chart, reader: Reader, id: str, link: Callable[[str], str] | None = None) -> Figure:
    """The chart drawn for a desk and for a phone; ``id`` is the page's name for it."""
    kind = type(chart).__name__.lower()
    table = table_of(chart, reader)
    wide = _draw(chart, Pen(reader, link, WIDE))
    if wide is None:
        return Figure(chart.title, kind, None, None, table, reason=reader(NOTHING))
    phone = _draw(chart, Pen(reader, link, PHONE))
    return Figure(
        chart.title, kind, svg(chart, wide, reader, f"{id}-wide"),
        None if phone is None or phone.wide else svg(chart, phone, reader, f"{id}-phone"),
        table, tuple((colour(i), s.name) for i, s in enumerate(named(chart))), is_open(chart), wide.wide,
    )  # fmt: skip


def svg(chart: Chart, drawing: Drawing, reader: Reader, id: str, style: str = "") -> str:
    """The SVG around a drawing, named by its title and described in words.

    Where parts are links it is a group, for links inside an image cannot be reached; else it is an image.
    """
    links = "<a " in drawing.body
    size = f"0 0 {number(drawing.width)} {number(drawing.height)}"
    inside = el("title", chart.title, id=f"{id}-title") + el("desc", describe(chart, reader), id=f"{id}-desc")
    return el(
        "svg", raw=style + inside + drawing.body, xmlns="http://www.w3.org/2000/svg", viewBox=size,
        width=drawing.width, height=drawing.height, role="group" if links else "img",
        aria_labelledby=f"{id}-title", aria_describedby=f"{id}-desc",
        class_=f"chart-svg {type(chart).__name__.lower()}" + (" scrolls" if drawing.wide else ""),
    )  # fmt: skip


def standalone(chart: Chart, reader: Reader, notes: str = "") -> str | None:
    """The chart as an SVG file with its title, its legend and its style inside; None when nothing is known."""
    drawing = _draw(chart, Pen(reader, None, WIDE))
    if drawing is None:
        return None
    head = el("text", chart.title, x=0, y=17, class_="heading")
    down, x = 30.0, 0.0
    for i, series in enumerate(named(chart)):
        wide = text_width(series.name) + 34
        if x and x + wide > drawing.width:
            x, down = 0.0, down + 18
        head += el("rect", x=x, y=down, width=10, height=10, rx=2, class_=f"fill {colour(i)}")
        head += el("text", series.name, x=x + 15, y=down + 9, class_="tick")
        x += wide
    down += 26 if named(chart) else 4
    below = el("text", notes, x=0, y=down + drawing.height + 16, class_="tick") if notes else ""
    body = head + el("g", raw=drawing.body, transform=f"translate(0 {number(down)})") + below
    edge = 16
    moved = el("g", raw=body, transform=f"translate({edge} {edge})")
    whole = Drawing(
        moved, drawing.width + 2 * edge, drawing.height + down + 2 * edge + (20 if notes else 0), drawing.wide
    )
    # a notebook holds many of them, so each has names of its own
    return svg(chart, whole, reader, f"chart-{zlib.crc32(body.encode()):x}", el("style", raw=LIGHT + style_sheet()))


@functools.cache
def style_sheet() -> str:
    """How charts look: what pages, files and notebooks share."""
    return (resources.files("polku.measures.drawing") / "static" / "charts.css").read_text(encoding="utf-8")


def named(chart: Chart) -> tuple[Series, ...]:
    """The series that a legend tells apart; none where there is one only."""
    return chart.series if isinstance(chart, Bars | Lines) and len(chart.series) > 1 else ()


def is_open(chart: Chart) -> bool:
    """Whether something in it is not yet final, so that the sign for it has to be told."""
    series = chart.series if isinstance(chart, Bars | Lines) else (chart.series,) if isinstance(chart, Forest) else ()
    return any(not solid and v is not None for s in series for solid, v in zip(s.solid, s.values, strict=False))


def describe(chart: Chart, reader: Reader) -> str:
    """What the picture holds, for those who hear it: how much there is, and where the most and the least lie."""
    found = [(value, name) for name, value in figures_of(chart) if value is not None]
    if isinstance(chart, Flow | Graph):
        count = reader(
            N_("{nodes} places and {links} ways between them."), nodes=len(chart.nodes), links=len(chart.links)
        )
    else:
        count = reader(N_("{n} figures."), n=len(found))
    if not found:
        return count
    most, least = max(found), min(found)
    said = reader(
        N_("Most: {most}, {high}. Least: {least}, {low}. The same stands in the table below."),
        most=most[1], high=value_text(most[0], chart.unit, reader), least=least[1],
        low=value_text(least[0], chart.unit, reader),
    )  # fmt: skip
    return f"{count} {said}"


def figures_of(chart: Chart) -> list[tuple[str, float | None]]:
    """Every figure by name."""
    if isinstance(chart, Bars | Lines):
        return [
            (label if len(chart.series) == 1 else f"{label}, {s.name}", v)
            for s in chart.series
            for label, v in zip(chart.labels, s.values, strict=True)
        ]
    if isinstance(chart, Forest):
        return list(zip(chart.labels, chart.series.values, strict=True))
    if isinstance(chart, Heat):
        return [
            (f"{row}, {column}", v)
            for row, values in zip(chart.rows, chart.values, strict=True)
            for column, v in zip(chart.columns, values, strict=True)
        ]
    titles = {n.id: n.title for n in chart.nodes}
    return [(f"{titles.get(li.source, li.source)} → {titles.get(li.target, li.target)}", li.n) for li in chart.links]


def cell(value: float | None, unit: Unit, reader: Reader, behind: str | None = None, note: str = "") -> Cell:
    return Cell(
        "–" if value is None else value_text(value, unit, reader), value, behind, number=True, note=note or None
    )


def table_of(chart: Chart, reader: Reader) -> Table:
    """The table that says what the picture shows."""
    if isinstance(chart, Bars | Lines):
        names = tuple(s.name or reader(N_("value")) for s in chart.series)
        rows = tuple(
            (Cell(label), *(_series_cell(s, i, chart.unit, reader) for s in chart.series))
            for i, label in enumerate(chart.labels)
        )
        return Table(chart.title, (chart.x_title or reader(N_("label")), *names), rows)
    if isinstance(chart, Forest):
        heads = ("", chart.series.name or chart.x_title or reader(N_("value")))
        rows = tuple(
            (Cell(label), _series_cell(chart.series, i, chart.unit, reader)) for i, label in enumerate(chart.labels)
        )
        return Table(chart.title, heads, rows)
    if isinstance(chart, Heat):
        rows = tuple(
            (
                Cell(name),
                *(
                    cell(
                        v, chart.unit, reader, chart.behind[r][c] if chart.behind else None,
                        chart.notes[r][c] if chart.notes else "",
                    )
                    for c, v in enumerate(chart.values[r])
                ),
            )
            for r, name in enumerate(chart.rows)
        )  # fmt: skip
        return Table(chart.title, (chart.y_title, *chart.columns), rows)
    titles = {n.id: n.title for n in chart.nodes}
    rows = tuple(
        (
            Cell(titles.get(li.source, li.source)), Cell(titles.get(li.target, li.target)),
            cell(li.n, chart.unit, reader, li.behind, li.note),
        )
        for li in sorted(chart.links, key=lambda li: -li.n)
    )  # fmt: skip
    return Table(chart.title, (reader(N_("from")), reader(N_("to")), reader(N_("number"))), rows)


def _series_cell(series: Series, place: int, unit: Unit, reader: Reader) -> Cell:
    low = series.low[place] if series.low else None
    high = series.high[place] if series.high else None
    notes = []
    if low is not None and high is not None:
        notes.append(
            reader(N_("{low} to {high}"), low=value_text(low, unit, reader), high=value_text(high, unit, reader))
        )
    if series.values[place] is not None and series.solid and not series.solid[place]:
        notes.append(reader(N_("not yet final")))
    behind = series.behind[place] if series.behind else None
    return cell(series.values[place], unit, reader, behind, "; ".join(notes))


def in_notebook(chart: Chart, reader: Reader) -> str:
    """The chart as one piece of HTML with its style: what a notebook shows without any library."""
    made = standalone(chart, reader)
    return f"<p>{escape(reader(NOTHING))}</p>" if made is None else made

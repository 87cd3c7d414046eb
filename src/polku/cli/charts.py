"""A measure's pictures in the terminal: bars, lines, shades and whiskers out of Unicode's blocks.

What is not yet final is dim, what is not known is a gap; the tables above the picture have every number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from polku.language import Reader
from polku.measures.charts import Bars, Chart, Flow, Forest, Graph, Heat, Lines, Series, value_text

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
SHADES = " ░▒▓█"
WIDEST_LABEL, NARROWEST_BAR, MOST_ROWS = 32, 10, 40


def drawn(chart: Chart, reader: Reader, width: int) -> Iterator[Text]:
    """The chart as lines no wider than ``width``; none where it has nothing to show."""
    lines = list(_draw(chart, reader, max(width, 40)))
    if lines:
        yield Text("\n" + chart.title, style="bold")
        yield from lines


def _draw(chart: Chart, reader: Reader, width: int) -> Iterator[Text]:
    if isinstance(chart, Bars):
        return _bars(chart, reader, width)
    if isinstance(chart, Lines):
        return _lines(chart, reader, width)
    if isinstance(chart, Heat):
        return _heat(chart, reader, width)
    if isinstance(chart, Forest):
        return _forest(chart, reader, width)
    return _links(chart, reader, width)


def short(text: str, width: int) -> str:
    """``text`` in at most ``width`` letters.

    >>> short("a long label", 7)
    'a long…'
    """
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def bar(share: float, width: int) -> str:
    """A bar of ``share`` (0 to 1) of ``width`` letters, to an eighth of a letter.

    >>> bar(0.5, 3), bar(0, 3), bar(1, 3)
    ('█▌', '', '███')
    """
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[float | None], low: float, high: float, width: int) -> str:
    """Values as one line of at most ``width`` letters; where there are more, each letter is the mean of some.

    >>> sparkline([0, 1, None, 2], 0, 2, 10)
    '▁▅ █'
    """
    groups: list[list[float | None]] = [[v] for v in values]
    if len(values) > width:
        groups = [list(values[i * len(values) // width : (i + 1) * len(values) // width]) for i in range(width)]
    shown = []
    for group in groups:
        known = [v for v in group if v is not None]
        if not known:
            shown.append(" ")
            continue
        share = (sum(known) / len(known) - low) / (high - low) if high > low else 0.0
        shown.append(LEVELS[min(7, max(0, round(share * 7)))])
    return "".join(shown)


def known_of(series: Sequence[Series]) -> list[float]:
    return [v for s in series for v in s.values if v is not None]


def _rows(rows: Sequence[tuple[str, float | None, bool]], write: Callable[[float], str], width: int) -> Iterator[Text]:
    """Bars lying down: label, bar, figure; the bars share one scale."""
    known = [abs(v) for _, v, _ in rows if v is not None]
    if not known:
        return
    most = max(known) or 1.0
    wide = min(WIDEST_LABEL, max(len(label) for label, _, _ in rows))
    figures = [write(v) if v is not None else "–" for _, v, _ in rows]
    room = max(NARROWEST_BAR, width - wide - max(map(len, figures)) - 4)
    for (label, value, solid), figure in list(zip(rows, figures, strict=True))[:MOST_ROWS]:
        line = Text(short(label, wide).ljust(wide) + "  ")
        if value is not None:
            line.append(bar(abs(value) / most, room), style="green" if solid else "dim")
            line.append(" ")
        line.append(figure, style="" if solid else "dim")
        yield line
    if len(rows) > MOST_ROWS:
        yield Text(f"… +{len(rows) - MOST_ROWS}", style="dim")


def _bars(chart: Bars, reader: Reader, width: int) -> Iterator[Text]:
    rows = []
    for place, label in enumerate(chart.labels):
        for series in chart.series:
            name = label if len(chart.series) == 1 else f"{label} · {series.name}"
            solid = series.solid[place] if series.solid else True
            rows.append((name, series.values[place], solid))
    return _rows(rows, lambda v: value_text(v, chart.unit, reader), width)


def _lines(chart: Lines, reader: Reader, width: int) -> Iterator[Text]:
    known = known_of(chart.series)
    if not known:
        return
    low, high = min(0.0, *known), max(known)
    wide = min(WIDEST_LABEL, max(len(s.name) for s in chart.series))
    for series in chart.series:
        own = [v for v in series.values if v is not None]
        if not own:
            continue
        said = f" {value_text(own[0], chart.unit, reader)} … {value_text(own[-1], chart.unit, reader)}"
        picture = sparkline(series.values, low, high, max(NARROWEST_BAR, width - wide - len(said) - 3))
        solid = all(series.solid) if series.solid else True
        yield Text.assemble(
            short(series.name, wide).ljust(wide) + "  ", (picture, "green" if solid else "dim"), (said, "dim")
        )
    if chart.labels:
        yield Text(" " * (wide + 2) + f"{chart.labels[0]} … {chart.labels[-1]}", style="dim")


def _heat(chart: Heat, reader: Reader, width: int) -> Iterator[Text]:
    known = [v for row in chart.values for v in row if v is not None]
    if not known:
        return
    low, high = min(0.0, *known), max(known)
    wide = min(WIDEST_LABEL, max(len(r) for r in chart.rows))
    columns = max(1, (width - wide - 2) // 2)
    for label, row in list(zip(chart.rows, chart.values, strict=True))[:MOST_ROWS]:
        line = Text(short(label, wide).ljust(wide) + "  ")
        for value in row[:columns]:
            if value is None:
                line.append("· ", style="dim")
            else:
                share = (value - low) / (high - low) if high > low else 1.0
                line.append(SHADES[min(4, math.ceil(share * 4))] * 2, style="green")
        yield line
    scale = [value_text(v, chart.unit, reader) for v in (low, high)]
    yield Text(" " * (wide + 2) + f"{scale[0]} {SHADES.strip()} {scale[1]}", style="dim")


def _forest(chart: Forest, reader: Reader, width: int) -> Iterator[Text]:
    series = chart.series
    ends = [v for row in (series.low, series.values, series.high) for v in row if v is not None]
    if not ends:
        return
    ends += [chart.reference] if chart.reference is not None else []
    positive = chart.logarithmic and min(ends) > 0
    scale: Callable[[float], float] = math.log if positive else float
    low, high = scale(min(ends)), scale(max(ends))
    wide = min(WIDEST_LABEL, max(len(label) for label in chart.labels))
    room = max(NARROWEST_BAR, width - wide - 14)

    def at(value: float) -> int:
        return round((scale(value) - low) / (high - low) * (room - 1)) if high > low else 0

    for place, label in list(enumerate(chart.labels))[:MOST_ROWS]:
        value = series.values[place]
        signs = [" "] * room
        if chart.reference is not None:
            signs[at(chart.reference)] = "┊"
        if value is not None:
            left = at(series.low[place] or value) if series.low and series.low[place] is not None else at(value)
            right = at(series.high[place] or value) if series.high and series.high[place] is not None else at(value)
            for i in range(left, right + 1):
                signs[i] = "─"
            if left != right:
                signs[left], signs[right] = "├", "┤"
            signs[at(value)] = "●" if not series.solid or series.solid[place] else "○"
        figure = value_text(value, chart.unit, reader) if value is not None else "–"
        yield Text.assemble(short(label, wide).ljust(wide) + "  ", ("".join(signs), "green"), " " + figure)


def _links(chart: Flow | Graph, reader: Reader, width: int) -> Iterator[Text]:
    titles = {node.id: node.title for node in chart.nodes}
    rows = [
        (f"{titles.get(link.source, link.source)} → {titles.get(link.target, link.target)}", link.n, True)
        for link in sorted(chart.links, key=lambda link: -link.n)
    ]
    return _rows(rows[:12], lambda v: value_text(v, chart.unit, reader), width)

"""Lines over something that has an order, with bands for intervals and dashes for what is not yet final."""

from __future__ import annotations

from collections.abc import Iterator

from polku.language import N_
from polku.measures.charts import Lines, Series
from polku.measures.drawing.svg import (
    Drawing,
    Pen,
    Scale,
    colour,
    el,
    extent,
    fit,
    interval_words,
    number,
    path,
    text_width,
    thinned,
    ticks,
)

TALL, MOST_POINTS, MOST_NAMED = 270, 70, 8
#: Signs of the points, so that colour is not all that tells the lines apart.
SIGNS = ("circle", "square", "diamond", "triangle")


def draw(chart: Lines, pen: Pen) -> Drawing | None:
    found = extent(v for s in chart.series for row in (s.values, s.low, s.high) for v in row)
    if found is None or not chart.labels:
        return None
    at = chart.at or tuple(float(i) for i in range(len(chart.labels)))
    values = ticks(min(0.0, found[0]), found[1], 4, chart.unit)
    shown = pen.ticks(values, chart.unit)
    left = max(map(text_width, shown)) + 12
    named = 1 < len(chart.series) <= MOST_NAMED and not pen.narrow
    right = min(150, max(text_width(s.name) for s in chart.series) + 14) if named else 14
    top = 26 if chart.y_title else 12
    x = Scale(min(at), max(at), left + 8, pen.width - right)
    y = Scale(values[0], values[-1], top + TALL, top)
    parts = [
        el("line", x1=left, y1=y(v), x2=pen.width - right + 6, y2=y(v), class_="zero" if v == 0 else "grid")
        + el("text", said, x=left - 8, y=y(v) + 4, class_="tick", text_anchor="end")
        for v, said in zip(values, shown, strict=True)
    ]
    places = [x(a) for a in at]
    halves = [text_width(text) / 2 for text in chart.labels]
    middles = [min(max(p, h), pen.width - h) for p, h in zip(places, halves, strict=True)]  # the last one stays inside
    for i in thinned(chart.labels, middles, 14):
        parts.append(el("line", x1=places[i], y1=top + TALL, x2=places[i], y2=top + TALL + 4, class_="grid"))
        parts.append(el("text", chart.labels[i], x=middles[i], y=top + TALL + 18, class_="tick", text_anchor="middle"))
    parts += [_band(s, series, places, y, chart.steps) for s, series in enumerate(chart.series)]
    parts += [_line(s, series, places, y, chart.steps) for s, series in enumerate(chart.series)]
    for s, series in enumerate(chart.series):
        parts += _points(chart, pen, s, series, places, y)
    if named:
        parts += _names(chart, places, y, right)
    if chart.y_title:
        parts.append(el("text", fit(chart.y_title, pen.width), x=0, y=12, class_="axis"))
    if chart.x_title:
        parts.append(
            el(
                "text",
                fit(chart.x_title, pen.width),
                x=pen.width - 4,
                y=top + TALL + 38,
                class_="axis",
                text_anchor="end",
            )
        )
    return Drawing("".join(parts), pen.width, top + TALL + (46 if chart.x_title else 28))


def runs(series: Series) -> Iterator[list[int]]:
    """The places of values that follow each other without a gap."""
    run: list[int] = []
    for i, value in enumerate(series.values):
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append(i)
    if run:
        yield run


def _line(s: int, series: Series, places: list[float], y: Scale, steps: bool) -> str:
    """Solid as long as it is final, dashed from the last final value on."""
    parts = []
    for run in runs(series):
        piece = [run[0]]
        for i in run[1:]:
            piece.append(i)
            dashed, next_dashed = _open(series, i), i < run[-1] and _open(series, i + 1)
            if i == run[-1] or dashed != next_dashed:
                points = [(places[p], y(series.values[p] or 0.0)) for p in piece]
                parts.append(
                    el("path", d=path(points, steps), class_=f"line {colour(s)}" + (" open" if dashed else ""))
                )
                piece = [i]
    return "".join(parts)


def _open(series: Series, place: int) -> bool:
    return bool(series.solid) and not series.solid[place]


def _band(s: int, series: Series, places: list[float], y: Scale, steps: bool) -> str:
    if not series.low or not series.high:
        return ""
    parts = []
    for run in runs(series):
        known = [i for i in run if series.low[i] is not None and series.high[i] is not None]
        if len(known) < 2:
            continue
        upper = path([(places[i], y(series.high[i] or 0.0)) for i in known], steps)
        back = [(places[i], y(series.low[i] or 0.0)) for i in reversed(known)]
        lower = "".join(
            (f"V{number(py)}H{number(px)}" if steps and n else f"L{number(px)} {number(py)}")
            for n, (px, py) in enumerate(back)
        )
        parts.append(el("path", d=f"{upper}{lower}Z", class_=f"band {colour(s)}"))
    return "".join(parts)


def _points(chart: Lines, pen: Pen, s: int, series: Series, places: list[float], y: Scale) -> Iterator[str]:
    """A sign at each value; where values are many, larger fields to point at without a sign."""
    few = len(chart.labels) <= MOST_POINTS
    for i, value in enumerate(series.values):
        if value is None:
            continue
        behind = series.behind[i] if series.behind else None
        if not few and behind is None and i % (len(chart.labels) // MOST_POINTS + 1):
            continue
        low = series.low[i] if series.low else None
        high = series.high[i] if series.high else None
        said = f"{series.name}, {chart.labels[i]}" if len(chart.series) > 1 else chart.labels[i]
        said += f": {pen.say(value, chart.unit)}{interval_words(pen, low, high, chart.unit)}"
        if _open(series, i):
            said += f", {pen.reader(N_('not yet final'))}"
        small = 3.4 if few and len(chart.labels) <= 40 else 2 if few else 1.2
        shape = sign(SIGNS[s // 8 % 4 if len(chart.series) <= 1 else s % 4], places[i], y(value), small)
        shape = el("g", raw=shape, class_=f"point {colour(s)}" + (" open" if _open(series, i) else ""))
        field = el("circle", cx=places[i], cy=y(value), r=9 if few else 4, class_="field")
        yield pen.mark(field + shape, said, behind, (s, i))


def sign(kind: str, x: float, y: float, size: float) -> str:
    """A point's sign around (x, y)."""
    if kind == "square":
        return el("rect", x=x - size, y=y - size, width=2 * size, height=2 * size)
    if kind == "diamond":
        r = size * 1.35
        slopes = "".join(f"l{number(a)} {number(b)}" for a, b in ((r, r), (-r, r), (-r, -r)))
        return el("path", d=f"M{number(x)} {number(y - r)}{slopes}Z")
    if kind == "triangle":
        r = size * 1.3
        return el("path", d=f"M{number(x)} {number(y - r)}l{number(r)} {number(2 * r)}h{number(-2 * r)}Z")
    return el("circle", cx=x, cy=y, r=size)


def _names(chart: Lines, places: list[float], y: Scale, room: float) -> Iterator[str]:
    """Each line's name at its end, pushed apart where they would touch."""
    ends = []
    for s, series in enumerate(chart.series):
        last = max((i for i, v in enumerate(series.values) if v is not None), default=None)
        if last is not None:
            ends.append((y(series.values[last] or 0.0), s, places[last]))
    free = -100.0
    for at, s, _ in sorted(ends):
        free = max(at, free + 14)
        yield el(
            "text",
            fit(chart.series[s].name, room - 10),
            x=places[-1] + 10 if places else 0,
            y=free + 4,
            class_=f"end {colour(s)}",
        )

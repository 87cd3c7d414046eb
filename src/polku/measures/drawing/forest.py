"""Estimates with their intervals, one a line, beside the value that would mean no difference."""

from __future__ import annotations

import math

from polku.language import N_
from polku.measures.charts import Forest
from polku.measures.drawing.svg import (
    Drawing,
    Pen,
    Scale,
    el,
    extent,
    fit,
    interval_words,
    label,
    log_ticks,
    text_width,
    ticks,
    whisker,
)

ROW = 26
#: The axis ends this many times the spread of the estimates away; intervals beyond it end in an arrow.
FURTHEST = 4.0


def draw(chart: Forest, pen: Pen) -> Drawing | None:
    series = chart.series
    estimates = extent(series.values)
    found = extent(v for row in (series.values, series.low, series.high) for v in row)
    if estimates is None or found is None or not chart.labels:
        return None
    reference = chart.reference
    low, high = found if reference is None else (min(found[0], reference), max(found[1], reference))
    logarithmic = chart.logarithmic and estimates[0] > 0
    low, high = _bounded(low, high, estimates, reference, logarithmic)
    values = log_ticks(low, high) if logarithmic else ticks(low, high, 3 if pen.narrow else 6, chart.unit)
    names = min(max(map(text_width, chart.labels)) + 14, pen.width * (0.4 if pen.narrow else 0.36))
    said = max(text_width(pen.say(v, chart.unit)) for v in series.values)
    x = Scale(values[0], values[-1], names + 8, pen.width - said - 16, logarithmic)
    top, bottom = 4.0, 4.0 + ROW * len(chart.labels)
    parts = [el("line", x1=x(v), y1=top, x2=x(v), y2=bottom, class_="grid") for v in values]
    parts += [
        el("text", said, x=x(v), y=bottom + 16, class_="tick", text_anchor="middle")
        for v, said in zip(values, pen.ticks(values, chart.unit), strict=True)
    ]
    if reference is not None:
        parts.append(el("line", x1=x(reference), y1=top, x2=x(reference), y2=bottom, class_="reference"))
    for i, name in enumerate(chart.labels):
        y = top + ROW * (i + 0.5)
        parts.append(label(name, names - 4, y + 4, names - 8, class_="name", anchor="end"))
        value = series.values[i]
        if value is None:
            parts.append(el("text", "–", x=x.end + 8, y=y + 4, class_="tick"))
            continue
        lowest = series.low[i] if series.low else None
        highest = series.high[i] if series.high else None
        shape = el("rect", x=names, y=y - ROW / 2, width=pen.width - names, height=ROW, class_="field")
        if lowest is not None and highest is not None:
            shape += whisker(x(max(lowest, values[0])), y, x(min(highest, values[-1])), y, 5)
            shape += _arrow(x.start, y, -1) if lowest < values[0] else ""
            shape += _arrow(x.end, y, 1) if highest > values[-1] else ""
        final = not series.solid or series.solid[i]
        shape += el("circle", cx=x(value), cy=y, r=5, class_="dot" + ("" if final else " open"))
        shape += el("text", pen.say(value, chart.unit), x=x.end + 10, y=y + 4, class_="figure")
        words = f"{name}: {pen.say(value, chart.unit)}{interval_words(pen, lowest, highest, chart.unit)}"
        if not final:
            words += f", {pen.reader(N_('not yet final'))}"
        parts.append(pen.mark(shape, words, series.behind[i] if series.behind else None, (i, 0)))
    if chart.x_title:
        parts.append(
            el("text", fit(chart.x_title, pen.width), x=pen.width - 4, y=bottom + 34, class_="axis", text_anchor="end")
        )
    return Drawing("".join(parts), pen.width, bottom + (42 if chart.x_title else 24))


def _bounded(
    low: float, high: float, estimates: tuple[float, float], reference: float | None, logarithmic: bool
) -> tuple[float, float]:
    """The axis' ends: one interval without bounds must not squeeze all others into a point."""
    to = math.log if logarithmic else float
    back = math.exp if logarithmic else float
    least, most = to(estimates[0]), to(estimates[1])
    if reference is not None and (reference > 0 or not logarithmic):
        least, most = min(least, to(reference)), max(most, to(reference))
    room = max(most - least, 0.1 if logarithmic else abs(most) * 0.25, 1e-9) * FURTHEST
    first = least - room if logarithmic and low <= 0 else max(to(low), least - room)
    return back(first), back(min(to(high), most + room)) if math.isfinite(high) else back(most + room)


def _arrow(x: float, y: float, way: int) -> str:
    return el(
        "path",
        d=f"M{x - 5 * way:.1f} {y - 4:.1f}L{x + 3 * way:.1f} {y:.1f}L{x - 5 * way:.1f} {y + 4:.1f}",
        class_="whisker",
    )

"""Bars: side by side or one upon the other, standing or lying."""

from __future__ import annotations

from polku.language import N_
from polku.measures.charts import Bars, Series
from polku.measures.drawing.svg import (
    Drawing,
    Pen,
    Scale,
    colour,
    el,
    extent,
    fit,
    interval_words,
    label,
    number,
    text_width,
    thinned,
    ticks,
    whisker,
)

ROW, GAP, TALL = 22, 8, 260


def draw(chart: Bars, pen: Pen) -> Drawing | None:
    """None where nothing is known."""
    span = _span(chart)
    if span is None or not chart.labels:
        return None
    return _lying(chart, pen, *span) if lies(chart, pen) else _standing(chart, pen, *span)


def lies(chart: Bars, pen: Pen) -> bool:
    """Lying where it was wished, and where few long labels would not fit below standing bars."""
    if chart.across:
        return True
    room = (pen.width - 70) / len(chart.labels) - 6
    return len(chart.labels) <= 12 and max(map(text_width, chart.labels)) > room


def _span(chart: Bars) -> tuple[float, float] | None:
    if chart.stacked:
        known = [[s.values[i] or 0.0 for s in chart.series] for i in range(len(chart.labels))]
        found = extent(v for s in chart.series for v in s.values)
        if found is None:
            return None
        return min(0.0, *(sum(v for v in row if v < 0) for row in known)), max(
            0.0, *(sum(v for v in row if v > 0) for row in known)
        )
    found = extent(v for s in chart.series for row in (s.values, s.low, s.high) for v in row)
    return None if found is None else (min(0.0, found[0]), max(0.0, found[1]))


def words(chart: Bars, pen: Pen, series: Series, place: int) -> str:
    """What a bar says: its label, its series where there are several, its figure, its interval, whether it is final."""
    name = chart.labels[place] + (f", {series.name}" if len(chart.series) > 1 and series.name else "")
    low = series.low[place] if series.low else None
    high = series.high[place] if series.high else None
    said = f"{name}: {pen.say(series.values[place], chart.unit)}{interval_words(pen, low, high, chart.unit)}"
    return said if final(series, place) else f"{said}, {pen.reader(N_('not yet final'))}"


def final(series: Series, place: int) -> bool:
    return not series.solid or series.solid[place]


def behind(series: Series, place: int) -> str | None:
    return series.behind[place] if series.behind else None


def _lying(chart: Bars, pen: Pen, low: float, high: float) -> Drawing:
    many = 1 if chart.stacked else len(chart.series)
    thick = ROW if many == 1 else 15
    room = min(max(map(text_width, chart.labels)) + 12, pen.width * (0.42 if pen.narrow else 0.34))
    values = ticks(low, high, 3 if pen.narrow else 6, chart.unit)
    said = max(text_width(pen.say(v, chart.unit)) for s in chart.series for v in s.values)
    x = Scale(values[0], values[-1], room, pen.width - (8 if chart.stacked else said + 14))
    group = thick * many + GAP
    top = 4
    bottom = top + group * len(chart.labels)
    parts = [el("line", x1=x(v), y1=top, x2=x(v), y2=bottom, class_="zero" if v == 0 else "grid") for v in values]
    parts += [
        el("text", said, x=x(v), y=bottom + 16, class_="tick", text_anchor="middle")
        for v, said in zip(values, pen.ticks(values, chart.unit), strict=True)
    ]
    for i, name in enumerate(chart.labels):
        y = top + group * i + GAP / 2
        parts.append(label(name, room - 8, y + thick * many / 2 + 4, room - 10, class_="name", anchor="end"))
        up, down = 0.0, 0.0
        for s, series in enumerate(chart.series):
            value = series.values[i]
            if value is None:
                if not chart.stacked:
                    parts.append(el("text", "–", x=x(0) + 5, y=y + thick * s + thick / 2 + 4, class_="tick"))
                continue
            start = (up if value >= 0 else down) if chart.stacked else 0.0
            up, down = up + max(value, 0), down + min(value, 0)
            left, right = sorted((x(start), x(start + value)))
            at = y if chart.stacked else y + thick * s
            shape = el(
                "rect", x=left, y=at + 1, width=max(right - left, 1), height=thick - 2, rx=1.5,
                class_=f"fill {colour(s)}" + ("" if final(series, i) else " open"),
            )  # fmt: skip
            lowest = series.low[i] if series.low else None
            highest = series.high[i] if series.high else None
            end = right
            if not chart.stacked and lowest is not None and highest is not None:
                shape += whisker(x(lowest), at + thick / 2, x(highest), at + thick / 2)
                end = max(right, x(highest))
            if not chart.stacked:
                shape += el("text", pen.say(value, chart.unit), x=end + 6, y=at + thick / 2 + 4, class_="figure")
            elif right - left > text_width(pen.say(value, chart.unit)) + 8:
                shape += el(
                    "text", pen.say(value, chart.unit), x=(left + right) / 2, y=at + thick / 2 + 4,
                    class_="inside" if final(series, i) else "figure", text_anchor="middle",
                )  # fmt: skip
            parts.append(pen.mark(shape, words(chart, pen, series, i), behind(series, i), (i * many + s, s)))
    parts.append(_axis_title(chart.x_title or chart.y_title, pen.width - 4, bottom + 34, pen.width))
    titled = 20 if chart.x_title or chart.y_title else 0
    return Drawing("".join(parts), pen.width, bottom + 24 + titled)


def _standing(chart: Bars, pen: Pen, low: float, high: float) -> Drawing:
    values = ticks(low, high, 4, chart.unit)
    shown = pen.ticks(values, chart.unit)
    left = max(map(text_width, shown)) + 12
    top = 26 if chart.y_title else 14
    y = Scale(values[0], values[-1], top + TALL, top)
    band = (pen.width - left - 6) / len(chart.labels)
    many = 1 if chart.stacked else len(chart.series)
    thick = min(56.0, max(1.5, (band - min(10, band * 0.25)) / many))
    parts = [
        el("line", x1=left, y1=y(v), x2=pen.width, y2=y(v), class_="zero" if v == 0 else "grid")
        + el("text", said, x=left - 8, y=y(v) + 4, class_="tick", text_anchor="end")
        for v, said in zip(values, shown, strict=True)
    ]
    centres = [left + band * (i + 0.5) for i in range(len(chart.labels))]
    for i in thinned(chart.labels, centres):
        parts.append(el("text", chart.labels[i], x=centres[i], y=top + TALL + 18, class_="tick", text_anchor="middle"))
    for i in range(len(chart.labels)):
        up, down = 0.0, 0.0
        for s, series in enumerate(chart.series):
            value = series.values[i]
            if value is None:
                continue
            start = (up if value >= 0 else down) if chart.stacked else 0.0
            up, down = up + max(value, 0), down + min(value, 0)
            x = centres[i] - thick * many / 2 + (0 if chart.stacked else thick * s)
            upper, lower = sorted((y(start), y(start + value)))
            shape = el(
                "rect", x=x + (0.5 if thick > 4 else 0), y=upper, width=max(thick - (1 if thick > 4 else 0), 1),
                height=max(lower - upper, 1), rx=1.5 if thick > 6 else None,
                class_=f"fill {colour(s)}" + ("" if final(series, i) else " open"),
            )  # fmt: skip
            lowest = series.low[i] if series.low else None
            highest = series.high[i] if series.high else None
            if not chart.stacked and lowest is not None and highest is not None:
                shape += whisker(x + thick / 2, y(lowest), x + thick / 2, y(highest), min(4, thick / 3))
                upper = min(upper, y(highest))
            said = pen.say(value, chart.unit)
            if many == 1 and not chart.stacked and text_width(said) <= band - 2:
                shape += el("text", said, x=x + thick / 2, y=upper - 5, class_="figure", text_anchor="middle")
            parts.append(pen.mark(shape, words(chart, pen, series, i), behind(series, i), (s, i)))
    if chart.y_title:
        parts.append(el("text", fit(chart.y_title, pen.width), x=0, y=12, class_="axis"))
    parts.append(_axis_title(chart.x_title, pen.width - 4, top + TALL + 38, pen.width))
    return Drawing("".join(parts), pen.width, top + TALL + (46 if chart.x_title else 28))


def _axis_title(title: str, x: float, y: float, room: float) -> str:
    return el("text", fit(title, room), x=number(x), y=number(y), class_="axis", text_anchor="end") if title else ""
